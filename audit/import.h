/* A running import, shared by import.c (collects) and admit.c (judges and records). */
#pragma once

#include "audit/keepd.h"

struct import_file {
	int fd;
	u64 bytes, offset; /* as in struct proto_file */
	char path[PATH_LEN_MAX + 1];
};

struct import_bundle {
	int fd;
	u8 *data;
	size_t len;
	u8 digest[SHA256_BYTES];
};

struct import {
	struct keepd *k;
	struct conn *client; /* NULL: gone */
	u64 cmd_id;
	struct audit_actor actor;
	struct proto_import want;
	struct import_file *files;
	u32 n;
	u64 sum;
	int stage;
	struct import_bundle bundles[BUNDLES_MAX]; /* the first is the model's */
	u32 n_bundles;
	struct judged judged;
	u32 n_signers, n_rules; /* of both jobs */
	struct proto_signer signers[BUNDLES_MAX];
	struct proto_rule rules[2 * RULES_MAX];
	u8 files_digest[SHA256_BYTES]; /* of the segment table, order aside */
	u8 segments_digest[SHA256_BYTES], layout_digest[SHA256_BYTES];
	u64 since_ns; /* of the last frame */
	u64 intent;
	bool intended; /* the intent record is written */
	bool named;    /* staging/import has become staging/<hex> */
	struct conn *job;
	struct attest_report verify; /* the first job's */
};

/* Forget it, and sweep its staging later. */
void import_free(struct import *im);
/* Record the verdict, tell the client, forget the import. */
void import_conclude(struct import *im, const struct attest_report *report);
