/* Trust policies: C2SP tlog-policy. Which logs are believed, and which witnesses must have seen a checkpoint.
 *
 *   log <vkey> [<url>] · witness <name> <vkey> [<url>] · group <name> all|any|<k> <name>… · quorum <name>|none · # comment
 *
 * Every line ends in LF; a name is defined before it is used, once, and is a member of at most one group; no two logs and no two
 * witnesses have the same key; exactly one quorum. Logs sign with Ed25519 (0x01), witnesses cosign (0x04); ML-DSA-44 keys (0x06) may
 * stand for either and never count as having signed. */
#pragma once

#include "audit/tlog/checkpoint.h"

#define POLICY_NONE UINT32_MAX

/* A witness or a group. */
struct policy_node {
	const char *name;
	size_t len;
	u32 witness; /* index of the key, or POLICY_NONE */
	u32 k, n;    /* of a group */
	u32 parent;  /* the group that it is a member of, or POLICY_NONE */
};

struct tlog_policy {
	u32 n_logs, n_witnesses, n_nodes;
	u32 quorum; /* a node, or POLICY_NONE for "none" */
	struct note_key logs[POLICY_LOGS_MAX], witnesses[POLICY_WITNESSES_MAX];
	struct policy_node nodes[POLICY_WITNESSES_MAX + POLICY_GROUPS_MAX];
	char *text; /* what the names point into */
};

/* 0 done, *ret freed by tlog_policy_free; 1 malformed, why[cap] says at which line; -ENOMEM. */
_must_use_ int tlog_policy_read(
	const void *data, size_t len, struct tlog_policy **ret, char *why, size_t cap);
void tlog_policy_free(struct tlog_policy **p);
#define _cleanup_policy_ _cleanup_(tlog_policy_free)

/* Does the quorum hold when these witnesses (signed[n_witnesses]) have cosigned? */
bool tlog_policy_quorum(const struct tlog_policy *p, const struct note_signed *witnesses);

/* What a policy says of a checkpoint. */
struct policy_verdict {
	struct note note;
	struct checkpoint checkpoint;
	u32 n_logs;	 /* log keys that signed it */
	u32 n_witnesses; /* witnesses that cosigned it */
	u64 oldest;	 /* of their cosignatures' times; 0: none */
	u32 log;	 /* one that signed */
	struct note_signed witnesses[POLICY_WITNESSES_MAX];
};
enum policy_judged {
	POLICY_VALID = 0,
	POLICY_MALFORMED, /* not a note, or not a checkpoint */
	POLICY_UNKNOWN,	  /* of no log of the policy */
	POLICY_UNSIGNED,  /* not signed by a key of its log */
	POLICY_FORGED,	  /* a known key's signature is wrong */
	POLICY_NO_QUORUM, /* too few witnesses; *ret is set all the same */
};
/* Judge a checkpoint. POLICY_VALID and *ret; or why not. */
_must_use_ enum policy_judged tlog_policy_judge(
	const struct tlog_policy *p, const void *note, size_t len, struct policy_verdict *ret);
const char *tlog_policy_words(enum policy_judged j);
