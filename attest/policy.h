/* Policy: whose signatures are enough for which model. A readable file (keep-policy(5)), parsed and held here and nowhere else; keepd
 * carries its bytes and its digest. It is held in two steps, by the two jobs that admit a model:
 *
 *   attest_policy_signers    who vouched: deny list, roles, k of n distinct signers, windows of time
 *   attest_policy_content    what was signed: licence, sequence
 *
 * Both only ever refuse what the signatures alone would accept. Every rule that had a say is named, one line each. */
#pragma once

#include "attest/attest.h"

#define SEQUENCE_FILE "model.sequence" /* a signed file: one decimal number, and at most a line feed */

struct attest_policy;

struct attest_policy_errors {
	u32 n;	  /* of v, in the order of their lines */
	u32 more; /* errors for which there was no room */
	struct {
		u32 line; /* from 1; 0: the file as a whole */
		char text[184];
	} v[16];
};

/* What holds where none was set: any trusted signer, any model, any licence. A file like any other. */
extern const char attest_policy_default[];

/* Parse the whole file. 0, *ret to be freed; 1 it is wrong, *errors says where; -ENOMEM. */
_must_use_ int attest_policy_parse(
	const void *data, size_t len, struct attest_policy **ret, struct attest_policy_errors *errors);
struct attest_policy *attest_policy_free(struct attest_policy *p);
/* SHA-256 of the file's bytes. */
const u8 *attest_policy_digest(const struct attest_policy *p);
/* Which acts need two people: enum two_persons. keepd sees to it. */
u32 attest_policy_two_persons(const struct attest_policy *p);
/* The rules that had a say, in the order in which they were asked. */
struct attest_rules {
	u32 n;
	struct proto_rule v[RULES_MAX];
};

/* Somebody whose signature held, and the trust root that vouched for it. */
struct attest_signer {
	struct proto_signer facts;
	const char *models; /* names that the trust root may vouch for, as a pattern; "": all */
};

struct attest_policy_question {
	const char *name; /* under which the model shall stand in the store */
	const struct attest_signer *signers;
	u32 n_signers; /* at most BUNDLES_MAX */
	u64 now;       /* seconds of UTC: for signatures whose time nobody proves */
	/* SHA-256 of whole files of the model that the deny list is held against; may be none */
	const struct segments *files;
};
/* 0; 1 ATTEST_DENIED, _POLICY, _SIGNERS. rules grows in both cases. */
_must_use_ int attest_policy_signers(const struct attest_policy *p, const struct attest_policy_question *q,
	struct attest_rules *rules, struct attest_report *report);

struct attest_policy_content {
	const char *name;
	const char *licence;	  /* as the header or the card states it; NULL: it cannot be told */
	const char *licence_from; /* "general.license", "README.md" */
	const char *licence_why;  /* without licence: why not */
	bool has_sequence;	  /* there is a file model.sequence */
	u64 sequence;		  /* what it says; 0: it holds no number */
	u64 newest;		  /* highest ever accepted under this name; 0: none */
};
/* 0; 1 ATTEST_POLICY, _LICENCE, _SEQUENCE. */
_must_use_ int attest_policy_content(const struct attest_policy *p, const struct attest_policy_content *c,
	struct attest_rules *rules, struct attest_report *report);

/* What the signed files themselves say: the licence of the layout or, where it has none, of README.md's front matter (two that differ
 * are none), and the number in model.sequence. Bytes are compared with the segment table's digests first. licence: room for
 * LICENCE_BYTES_MAX + 1 bytes. 0; 1 ATTEST_CHANGED, _DIGEST; -errno. */
struct attest_content_params {
	const struct segments *segments;
	const struct attest_source *files;
	u32 n_files;
	const void *layout;
	size_t layout_len;
};
_must_use_ int attest_content_read(const struct attest_content_params *p, char *licence,
	struct attest_policy_content *ret, struct attest_report *report);

/* "2026-11-22T23:00:00Z", or "2026-11-22" for its first second. 0; 1 it is no such time. */
_must_use_ int attest_time_parse(const char *text, u64 *ret);
/* The same, written; 21 bytes. */
void attest_time_text(u64 seconds, char ret[24]);
