/* A note that somebody sends, judged with keys that exist: what is accepted has a signature of ours, and is read the same twice. */
#include "audit/tlog/checkpoint.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const vkeys[] = { "example.org/log+3679334f+AYzlgDpkGnKvI8QykMidIpzgh27X/XsubiRXEdZaUDvP",
	"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	"witness.example.org+b8a2cf20+BFLN3yikSfFkVAJtrnh/CiY3Zozkoy7clp+P7XB28qUN" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct note_key keys[ARRAY_LEN(vkeys)], k;
	struct note_signed s[ARRAY_LEN(vkeys)];
	struct note n;
	struct checkpoint cp, again;
	size_t n_keys = 0, text_len;
	char vkey[NOTE_VKEY_MAX], text[CHECKPOINT_TEXT_MAX];
	for (size_t i = 0; i < ARRAY_LEN(vkeys); i++)
		n_keys += tlog_note_key_from_vkey(vkeys[i], strlen(vkeys[i]), &keys[n_keys]) == 0;
	if (tlog_note_parse((const char *)data, size, &n) == 0) {
		int r = tlog_note_judge(&n, keys, n_keys, s);
		assert((r == 0) == (tlog_note_open((const char *)data, size, keys, n_keys, &text_len) == 0));
		assert(n.text_len + 1 + n.lines_len == size && n.n_lines > 0);
		for (size_t i = 0; i < n_keys; i++) {
			struct tlog_line l;
			size_t at = 0;
			assert(!s[i].good || tlog_note_line_of(&n, &keys[i], &at, &l) == 0);
		}
		if (tlog_checkpoint_read(n.text, n.text_len, &cp) == 0 && cp.n_extensions == 0) {
			tlog_checkpoint_text(cp.origin, cp.size, &cp.root, text, sizeof text);
			assert(strlen(text) == n.text_len && memcmp(text, n.text, n.text_len) == 0);
		}
	}
	(void)!tlog_checkpoint_read((const char *)data, size, &again);
	if (tlog_note_key_from_vkey((const char *)data, size, &k) == 0 && k.type != NOTE_MLDSA44) {
		tlog_note_vkey(&k, vkey, sizeof vkey);
		assert(strlen(vkey) == size && memcmp(vkey, data, size) == 0);
	}
	return 0;
}
