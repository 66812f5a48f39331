/* What the verbs that meet a publisher's files share: keys, bundles, trees, verdicts. Everything is opened as the caller. */
#pragma once

#include "attest/attest.h"
#include "cli/cli.h"

/* Whole small file. 0; otherwise an exit status, said. The caller frees *ret. */
_must_use_ int model_read_file(const char *path, u64 max, u8 **ret, size_t *ret_len);

/* Say a verdict: JSON to stdout, or for people an acceptance to stdout, anything else to stderr. index: of the record,
 * UINT64_MAX where there is none. Returns the exit status of the verdict. */
int model_say_verdict(const struct attest_report *r, const char *model, bool json, u64 index);
/* The same, with what the verdict rests on: signers and rules of the policy, one a line; NULL: nothing is known of them. */
struct model_grounds {
	const struct proto_signer *signers;
	const struct proto_rule *rules;
	u32 n_signers, n_rules;
};
int model_say_grounded(const struct attest_report *r, const struct model_grounds *g, const char *model,
	bool json, u64 index);
/* The same for what an attest function returned: r < 0 makes the report undecided first. */
int model_say_result(int r, struct attest_report *rep, const char *model, bool json);

/* A whole file that the verdict depends on. 0; otherwise an exit status, said: with json as a verdict. (judge.c) */
_must_use_ int model_read_judged(const char *path, u64 max, u8 **ret, size_t *ret_len, bool json);
/* The publisher's key, named after its file; the same. */
_must_use_ int model_read_key(const char *path, struct proto_key *ret, bool json);
/* Append the certificates of a file; the same. */
_must_use_ int model_read_roots(const char *path, struct attest_certs **certs, bool json);
void model_certs_free(struct attest_certs **c); /* for _cleanup_ */

/* Append the revocation lists of a file; the same. */
_must_use_ int model_read_crls(const char *path, struct attest_crls **crls, bool json);
void model_crls_free(struct attest_crls **c); /* for _cleanup_ */

/* Read a trusted-root file; the same. */
_must_use_ int model_read_trusted_root(const char *path, struct attest_trusted_root **ret, bool json);

/* What the leaf must say, as typed; NULL where nothing was. */
struct model_pins {
	const char *leaf, *san, *provider, *issuer, *policy_oid;
};
bool model_pins_any(const struct model_pins *p);
/* 0; CLI_USAGE, said: one of them is too long, empty or no digest or number. *ret is zero where nothing is pinned. */
_must_use_ int model_read_pins(const struct cli *c, const struct model_pins *p, struct proto_identity *ret);

/* When a verdict without an appliance is judged: the wall clock, which cannot be earlier than this build. */
i64 model_now(void);

struct model_judge_params {
	const char *model, *bundle;	   /* paths; bundle NULL: the model is a transfer */
	struct attest_bundle_params trust; /* the bundle's bytes, and whom to believe */
	bool only_listed;		   /* files that were not signed are nobody's business */
	const char *const *ignore;	   /* relative to the model */
	u32 n_ignore;
};
/* Signature, names, bytes. Returns as attest does. */
_must_use_ int model_judge(const struct model_judge_params *p, struct attest_report *rep);

struct model_sign_params {
	const char *model, *out; /* paths */
	const char *key;	 /* a path, or the PKCS #11 URI of a key in a token */
	const char *pin_file;	 /* for the token; NULL: what the URI says, or the terminal is asked */
	u32 hash;		 /* enum hash_type */
	const char *cert;	 /* NULL: by key */
	struct opt_list chain;
	u64 shards;		   /* 0: whole files */
	const char *const *ignore; /* relative to the model */
	u32 n_ignore;
};
/* Hash, sign, write. An exit status; whatever is not 0 was said. (cmd_sign.c) */
_must_use_ int model_sign(const struct model_sign_params *p);

/* Where a model's bundle is looked for: inside a directory (model.sig), else beside (NAME.sig). 0; otherwise an exit status, said. */
_must_use_ int model_find_bundle(const char *model, char ret_path[], size_t size);
/* Shows progress on stderr. */
extern const struct attest_progress model_progress;
