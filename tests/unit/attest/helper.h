/* What the tests of attest/ share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attest/attest.h"
#include "base/bytes.h"
#include "base/fd.h"

/* Whole file; fails the test when it is not there. */
struct attest_blob helper_read(const char *path);
void helper_write(const char *path, const void *data, size_t len);
/* A fresh directory below the build's temporary directory; removed by helper_rm. */
char *helper_tmp(void);
void helper_rm(char *dir);
/* "a,b" → keys/a.pub.pem, keys/b.pub.pem of dir; "-" none. Names them as given. */
u32 helper_keys(const char *dir, const char *list, struct proto_key *ret, u32 max);

/* Threads of every verdict; 0, the default: as many as attest thinks. */
extern u32 helper_threads;
/* The verdict's code for a bundle and a model, as `keep verify` reaches it; a report and a segment table where wanted. */
const char *helper_verify(const char *bundle, const char *model, const struct proto_key *keys, u32 n_keys,
	struct attest_report *report, struct attest_blob *ret_segments);
/* The same without a table, as `keep verify` has no use for one. */
const char *helper_verify_once(const char *bundle, const char *model, const struct proto_key *keys,
	u32 n_keys, struct attest_report *report);
/* The same for bundles of method certificate, judged at that second of UTC. */
const char *helper_verify_chain(const char *bundle, const char *model, const struct attest_certs *roots,
	i64 at, struct attest_report *report);
/* The same for any trust; p's data and len are set here. */
const char *helper_judge(
	const char *bundle, const char *model, struct attest_bundle_params *p, struct attest_report *report);
/* A segment table over a directory or file of unsigned files, and the tree that it describes. */
void helper_segments(const char *path, struct attest_tree *ret_tree, struct attest_blob *ret_segments);
/* The layout job's verdict over it. */
const char *helper_layout(const char *path, struct attest_report *report, struct attest_blob *ret_layout);
struct attest_policy;
/* Of its text, which must parse; to be freed. */
struct attest_policy *helper_policy(const char *text);
