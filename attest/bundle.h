/* Whom to believe: certificates, identities, and what a bundle brings for judging them. Seen by the files that read or judge it. */
#pragma once

#include "attest/internal.h"

#include <openssl/x509.h>

/* ---- what a bundle says (bundle.c, material.c) ------------------------------------------------------------------------------ */

enum bundle_method { BUNDLE_KEY, BUNDLE_CERTIFICATE, BUNDLE_SIGSTORE };
#define BUNDLE_ANY_METHOD 7u
struct bundle_stamp {
	u8 *data; /* TimeStampResp */
	size_t len;
};
/* A well-formed bundle; nothing of it is believed yet. */
struct bundle {
	u32 methods; /* wanted: bits 1 << enum bundle_method; others are refused by method */
	enum bundle_method method;
	bool v03; /* of the media type */
	u8 *payload, *sig;
	size_t payload_len, sig_len;
	u8 key_id[SHA256_BYTES];    /* method key */
	const char *key_details;    /* before v1.1; borrowed */
	struct attest_certs *chain; /* leaf first; NULL: method key */
	json_t *entries;	    /* of a transparency log, at least one for method sigstore; borrowed */
	struct bundle_stamp stamps[STAMPS_MAX];
	u32 n_stamps;
};
/* 0; 1 rejected; -errno. The caller frees what ret holds in every case. */
_must_use_ int material_read(json_t *bundle, struct bundle *ret, struct attest_report *report);
/* A string of an object that is canonical base64 and not empty; *ret to be freed. 0; 1 ATTEST_FIELD, _BASE64; -ENOMEM. */
_must_use_ int base64_field(json_t *object, const char *where, const char *key, u8 **ret, size_t *ret_len,
	struct attest_report *report);

/* ---- paths (chain.c) -------------------------------------------------------------------------------------------------------- */

enum chain_purpose { CHAIN_SIGN /* code */, CHAIN_STAMP /* time stamps, RFC 3161 */ };
struct chain_params {
	X509 *leaf;
	const struct attest_certs *roots;  /* the only ones that a path may end at; self-signed */
	const struct attest_certs *others; /* only help to find it; the leaf may be among them; NULL: none */
	STACK_OF(X509) * more;		   /* the same, borrowed; NULL: none */
	const struct attest_crls *crls;	   /* NULL: nobody asks */
	i64 at;				   /* every link must be valid then */
	i64 now;			   /* what is revoked then */
	enum chain_purpose purpose;
};
/* Does the leaf lead to one of the roots, every link of the path as strict as chain.c says? ret_path: leaf first, root last, to be
 * freed. 0; 1 one of the reasons from ATTEST_CERTIFICATE on; -errno. */
_must_use_ int chain_verify(
	const struct chain_params *p, struct attest_certs **ret_path, struct attest_report *report);
/* The certificates of the list, which stays their owner. */
STACK_OF(X509) * certs_stack(const struct attest_certs *certs);
void certs_put(struct attest_certs **c); /* for _cleanup_ */
/* RFC 2253 with characters beyond ASCII as they are. */
#define CERT_NAME_FLAGS (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB)

/* ---- identities (identity.c) ------------------------------------------------------------------------------------------------ */

/* attest_identity_check over a path, leaf first, root last. */
_must_use_ int identity_check(
	const struct proto_identity *id, STACK_OF(X509) * path, struct attest_report *report);
/* Who it is, for reports: the subject, or the first name that can be pinned where the subject is empty, as Fulcio leaves it. */
void identity_say(X509 *leaf, char *ret, size_t size);
/* Does it say who, and not only what a CA of everybody says: the leaf, or a name and its provider? */
bool identity_keyless_ok(const struct proto_identity *id);

/* ---- signed times (timestamp.c) --------------------------------------------------------------------------------------------- */

/* When somebody who is trusted saw the signature. */
struct signed_times {
	i64 at[LOG_ENTRIES_MAX + STAMPS_MAX];
	u32 source[LOG_ENTRIES_MAX + STAMPS_MAX]; /* enum attest_time_source */
	u32 n;
};
/* One more. 0; 1 it lies ahead of now: ATTEST_TIMESTAMP, _SIGNING_TIME. */
_must_use_ int times_add(struct signed_times *t, i64 at, u32 source, i64 now, struct attest_report *report);

struct stamp_authority {
	const struct attest_certs
		*certs; /* roots are self-signed; a leaf among them is the only one that may sign */
	i64 from, to;	/* when it was trusted, both included */
};
struct stamps_params {
	const struct bundle *bundle;
	const struct stamp_authority *authorities; /* pinned; none: no stamp is opened */
	u32 n_authorities;
	const char *policy;		/* NULL: any */
	const struct attest_crls *crls; /* NULL: revocation is not looked at */
	i64 now;
};
/* Add the times of all stamps that a pinned authority signed. 0, also when there is none; 1 ATTEST_TIMESTAMP, _SIGNING_TIME; -errno. */
_must_use_ int stamps_verify(
	const struct stamps_params *p, struct signed_times *times, struct attest_report *report);
