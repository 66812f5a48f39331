/* A request to a witness: nothing but 200 may be cosigned, and 200 only with a signature of the log and a proof from what was seen. */
#include "audit/tlog/witness.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char vkey[] = "example.org/log+3679334f+AYzlgDpkGnKvI8QykMidIpzgh27X/XsubiRXEdZaUDvP";
	struct witness_request q;
	struct note_key k;
	struct note_signed s;
	if (tlog_witness_read(data, size, &q) || tlog_note_key_from_vkey(vkey, sizeof vkey - 1, &k))
		return 0;
	struct witness_seen nothing = { 0 }, same = { true, q.cp.size, q.cp.root },
			    old = { true, q.old, q.cp.root };
	assert(tlog_witness_judge(&q, &k, 0, &nothing) == 404);
	const struct witness_seen *seen[] = { &nothing, &same, &old };
	for (u32 i = 0; i < ARRAY_LEN(seen); i++)
		if (tlog_witness_judge(&q, &k, 1, seen[i]) == 200)
			assert(!q.signatures_bad && q.old == seen[i]->size && q.old <= q.cp.size &&
				tlog_note_judge(&q.note, &k, 1, &s) == 0);
	return 0;
}
