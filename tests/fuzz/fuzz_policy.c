/* A trust policy: what is read keeps its promises, and more witnesses never undo a quorum. */
#include "audit/tlog/policy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_policy_ struct tlog_policy *p = NULL;
	struct note_signed s[POLICY_WITNESSES_MAX] = { 0 };
	char why[200];
	if (tlog_policy_read(data, size, &p, why, sizeof why))
		return 0;
	bool held = tlog_policy_quorum(p, s);
	assert(p->n_witnesses <= p->n_nodes && (p->quorum == POLICY_NONE || p->quorum < p->n_nodes));
	assert(held == (p->quorum == POLICY_NONE));
	for (u32 i = 0; i < p->n_witnesses; i++) {
		s[i].good = true;
		bool now = tlog_policy_quorum(p, s);
		assert(now || !held);
		held = now;
	}
	assert(held);
	for (u32 i = 0; i < p->n_nodes; i++)
		assert(p->nodes[i].parent == POLICY_NONE ||
			(p->nodes[i].parent > i && p->nodes[i].parent < p->n_nodes));
	return 0;
}
