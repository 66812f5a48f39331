/* A vector is refused for its one defect and for nothing else: with the defect taken away (and the statement signed anew where it was in
 * the statement) the same vector is accepted, or refused for another reason that stands here. One row for each reason that a bundle,
 * a statement or a model's files can provoke; the reasons of certificates, logs, stamps and policies are held to that by their own
 * tests, which build each case from one that is accepted. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OMS KEEP_VECTORS "/oms/"

enum {
	BUNDLE,
	SIGNED,
	STATEMENT
}; /* edit the text; edit it and sign anew; edit the statement and sign anew */

/* In `find`, '*' stands for whatever is between its two sides. In `with`, @ is the fingerprint of p256, # the root digest of the model. */
static const struct cure {
	u32 reason;
	const char *vector;
	int where;
	const char *find, *with;
	const char *model, *trust; /* other than in expected.tsv; NULL: the same */
	const char *then;
} cures[] = {
	{ ATTEST_UTF8, "bad-utf8", BUNDLE, ", \"x\": \"*\"", "", NULL, NULL, "accepted" },
	{ ATTEST_JSON, "bad-trailing", BUNDLE, "}{}", "}", NULL, NULL, "accepted" },
	{ ATTEST_DUPLICATE_KEY, "bad-duplicate-key", BUNDLE, "},\"mediaType\":*}", "}}", NULL, NULL,
		"accepted" },
	{ ATTEST_DEPTH_LIMIT, "bad-depth-65", BUNDLE, ", \"x\": *}$", "}", NULL, NULL, "accepted" },
	{ ATTEST_FIELD, "bad-unknown-field", BUNDLE, ",\"extra\":1", "", NULL, NULL, "accepted" },
	{ ATTEST_MEDIA_TYPE, "bad-media-type", BUNDLE, "\"application/json\"", "\"" MEDIA_TYPE "\"", NULL,
		NULL, "accepted" },
	{ ATTEST_METHOD, "bad-method-certificate", BUNDLE, "{\"x509CertificateChain\":*]}}",
		"{\"publicKey\":{\"hint\":\"@\"}}", NULL, NULL, "accepted" },
	{ ATTEST_MATERIAL, "bad-tlog-entry", BUNDLE, "[{}]", "[]", NULL, NULL, "accepted" },
	{ ATTEST_BASE64, "bad-base64-wrapped", BUNDLE, "\\n", "", NULL, NULL, "accepted" },
	{ ATTEST_PAYLOAD_TYPE, "bad-payload-type", SIGNED, "\"application/json\"", "\"" PAYLOAD_TYPE "\"",
		NULL, NULL, "accepted" },
	{ ATTEST_SIGNATURE_COUNT, "bad-two-signatures", BUNDLE, "},{\"sig\":*}", "}", NULL, NULL,
		"accepted" },
	{ ATTEST_KEY_HINT, "bad-hint-short", BUNDLE, "\"hint\":\"*\"", "\"hint\":\"@\"", NULL, NULL,
		"accepted" },
	{ ATTEST_UNKNOWN_KEY, "bad-unknown-key", BUNDLE, NULL, NULL, NULL, "other", "accepted" },
	{ ATTEST_SIGNATURE, "bad-signature-of-other-payload", SIGNED, NULL, NULL, NULL, NULL, "accepted" },
	{ ATTEST_SIGNATURE_DER, "bad-der-trailing", SIGNED, NULL, NULL, NULL, NULL, "accepted" },
	{ ATTEST_STATEMENT, "bad-statement-type", STATEMENT, "Statement/v0.1", "Statement/v1", NULL, NULL,
		"accepted" },
	{ ATTEST_PREDICATE_TYPE, "bad-predicate-type", STATEMENT, "https://slsa.dev/provenance/v1",
		PREDICATE_TYPE, NULL, NULL, "accepted" },
	{ ATTEST_SUBJECT, "bad-subject-name-empty", STATEMENT, "\"name\": \"\"", "\"name\": \"m\"", NULL,
		NULL, "accepted" },
	{ ATTEST_SERIALIZATION, "bad-method", STATEMENT, "merkle", "files", NULL, NULL, "accepted" },
	{ ATTEST_HASH_TYPE, "bad-hash-sha512", STATEMENT, "sha512", "sha256", NULL, NULL, "accepted" },
	{ ATTEST_SHARD, "bad-shard-plus", STATEMENT, ":+0:", ":0:", NULL, NULL, "accepted" },
	{ ATTEST_IGNORE_PATH, "bad-ignore-glob", STATEMENT, "*.txt", "x.txt", NULL, NULL, "accepted" },
	{ ATTEST_RESOURCE, "bad-blake2b-algorithm-sha256", STATEMENT, "\"algorithm\": \"sha256\"",
		"\"algorithm\": \"blake2b\"", NULL, NULL, "accepted" },
	/* what was badly named is there under no name */
	{ ATTEST_PATH, "bad-path-dot", STATEMENT, "./config.json", "x/config.json", NULL, NULL,
		"missing-file" },
	{ ATTEST_DUPLICATE_FILE, "bad-file-twice", STATEMENT, "\"README.md\"", "\"x\"", NULL, NULL,
		"missing-file" },
	{ ATTEST_ROOT_DIGEST, "bad-root-digest", STATEMENT,
		"0000000000000000000000000000000000000000000000000000000000000000", "#", NULL, NULL,
		"accepted" },
	/* a list that was too short or too long, by one: its digest is another's then */
	{ ATTEST_EMPTY_MODEL, "bad-resources-empty", STATEMENT, "\"resources\": []",
		"\"resources\": [{\"name\": \"a\", \"algorithm\": \"sha256\", \"digest\": \"#\"}]", NULL,
		NULL, "root-digest" },
	{ ATTEST_FILE_LIMIT, "bad-files-1025", STATEMENT, ", {\"name\": \"f999\"*}", "", NULL, NULL,
		"root-digest" },
	{ ATTEST_MISSING_FILE, "bad-file-missing", BUNDLE, NULL, NULL, "model", NULL, "accepted" },
	{ ATTEST_EXTRA_FILE, "bad-file-extra", BUNDLE, NULL, NULL, "model", NULL, "accepted" },
	{ ATTEST_DIGEST, "bad-file-flipped", BUNDLE, NULL, NULL, "model", NULL, "accepted" },
};

/* ---- texts ---------------------------------------------------------------------------------------------------------------- */

struct text {
	char *p;
	size_t len;
};

static struct text cut(const struct text *t, size_t at, size_t n, const char *with)
{
	struct text r = { .len = t->len - n + strlen(with) };
	r.p = malloc(r.len + 1);
	assert_non_null(r.p);
	memcpy(r.p, t->p, at);
	memcpy(r.p + at, with, strlen(with));
	memcpy(r.p + at + strlen(with), t->p + at + n, t->len - at - n + 1);
	return r;
}

/* Where find is, the first time; a '$' at its end stands for the end of the text. */
static size_t place(const struct text *t, const char *find, size_t *ret_n)
{
	const char *star = strchr(find + 1, '*');
	size_t head = star ? (size_t)(star - find) : strlen(find);
	char *at = memmem(t->p, t->len, find, head);
	assert_non_null(at);
	*ret_n = head;
	if (star) {
		size_t tail = strlen(star + 1), from = (size_t)(at - t->p) + head;
		bool to_end = star[tail] == '$';
		char *end =
			to_end ? t->p + t->len - --tail : memmem(t->p + from, t->len - from, star + 1, tail);
		assert_true(end && !memcmp(end, star + 1, tail));
		*ret_n = (size_t)(end - at) + tail;
	}
	return (size_t)(at - t->p);
}

static void field_of(const char *json, const char *before, char *ret, size_t n)
{
	const char *at = strstr(json, before);
	assert_non_null(at);
	snprintf(ret, n, "%.64s", at + strlen(before));
}

static struct text payload_of(const struct text *bundle)
{
	json_error_t e;
	json_t *j = json_loadb(bundle->p, bundle->len, 0, &e);
	json_t *p = json_object_get(json_object_get(j, "dsseEnvelope"), "payload");
	struct text r;
	u8 *data;
	assert_true(json_is_string(p));
	assert_int_equal(base64_decode(json_string_value(p), json_string_length(p), &data, &r.len), 0);
	r.p = malloc(r.len + 1);
	assert_non_null(r.p);
	memcpy(r.p, data, r.len);
	r.p[r.len] = 0;
	free(data);
	json_decref(j);
	return r;
}

static struct text text_read(const char *path)
{
	struct attest_blob b = helper_read(path);
	struct text r = { malloc(b.len + 1), b.len };
	assert_non_null(r.p);
	memcpy(r.p, b.data, b.len);
	r.p[r.len] = 0;
	attest_blob_fini(&b);
	return r;
}

static void expand(const char *with, char *ret, size_t n)
{
	static char hint[65], root[65];
	struct text good = text_read(OMS "good-p256.sig"), st = payload_of(&good);
	field_of(good.p, "\"hint\":\"", hint, sizeof hint);
	field_of(st.p, "\"sha256\": \"", root, sizeof root);
	free(good.p);
	free(st.p);
	*ret = 0;
	for (; *with; with++)
		snprintf(ret + strlen(ret), n - strlen(ret),
			*with == '@'   ? "%s"
			: *with == '#' ? "%s"
				       : "%.1s",
			*with == '@'   ? hint
			: *with == '#' ? root
				       : with);
}

static struct text edit(const struct text *t, const char *find, const char *with)
{
	char full[512];
	size_t n, at;
	if (!find)
		return cut(t, 0, 0, "");
	expand(with, full, sizeof full);
	at = place(t, find, &n);
	return cut(t, at, n, full);
}

/* ---- signing anew --------------------------------------------------------------------------------------------------------- */

static char *sign64(const struct text *statement)
{
	struct attest_blob pem = helper_read(OMS "keys/p256.key.pem");
	struct attest_report report;
	struct proto_key key;
	u8 *pae, *sig;
	size_t pae_len, sig_len;
	assert_int_equal(bundle_pae(statement->p, statement->len, &pae, &pae_len), 0);
	assert_int_equal(key_sign(pem.data, pem.len, pae, pae_len, &sig, &sig_len, &key, &report), 0);
	char *text = base64_encode(sig, sig_len);
	free(pae);
	free(sig);
	attest_blob_fini(&pem);
	return text;
}

/* The bundle with that statement, and a signature of p256 over it. */
static struct text resigned(const struct text *bundle, const struct text *statement)
{
	json_error_t e;
	json_t *j = json_loadb(bundle->p, bundle->len, 0, &e), *env = json_object_get(j, "dsseEnvelope");
	char *payload = base64_encode(statement->p, statement->len), *sig = sign64(statement);
	json_object_set_new(env, "payload", json_string(payload));
	json_object_set_new(json_array_get(json_object_get(env, "signatures"), 0), "sig", json_string(sig));
	struct text r = { .p = json_dumps(j, JSON_COMPACT) };
	assert_non_null(r.p);
	r.len = strlen(r.p);
	free(payload);
	free(sig);
	json_decref(j);
	return r;
}

static struct text cured(const struct cure *c, const struct text *bundle)
{
	if (c->where == BUNDLE)
		return edit(bundle, c->find, c->with);
	struct text old = payload_of(bundle), b = edit(bundle, c->where == SIGNED ? c->find : NULL, c->with);
	struct text st = edit(&old, c->where == STATEMENT ? c->find : NULL, c->with);
	struct text r = resigned(&b, &st);
	free(old.p);
	free(b.p);
	free(st.p);
	return r;
}

/* ---- the tests ------------------------------------------------------------------------------------------------------------ */

static char *dir;

/* Its row of expected.tsv. */
static void row_of(const char *vector, char *ret_model, char *ret_trust, char *ret_code)
{
	char line[512], name[128];
	FILE *f = fopen(OMS "expected.tsv", "re");
	assert_non_null(f);
	bool found = false;
	while (!found && fgets(line, sizeof line, f))
		found = sscanf(line, "%127[^\t]\t%63[^\t]\t%63[^\t]\t%63s", name, ret_model, ret_trust,
				ret_code) == 4 &&
			!strncmp(name, vector, strlen(vector)) && !strcmp(name + strlen(vector), ".sig");
	fclose(f);
	if (!found)
		fail_msg("%s: not in expected.tsv", vector);
}

static const char *judge(
	const char *bundle, const char *model, const char *trust, struct attest_report *report)
{
	char path[700];
	struct proto_key keys[4];
	u32 n = helper_keys(KEEP_VECTORS "/oms", trust, keys, ARRAY_LEN(keys));
	snprintf(path, sizeof path, OMS "%s", model);
	return helper_verify(bundle, path, keys, n, report, NULL);
}

static void cure_check(const struct cure *c)
{
	char path[700], model[64], trust[64], code[64];
	struct attest_report report;
	row_of(c->vector, model, trust, code);
	assert_string_equal(code, attest_reason_code(c->reason));
	snprintf(path, sizeof path, OMS "%s.sig", c->vector);
	struct text bundle = text_read(path);
	assert_string_equal(judge(path, model, trust, &report), code);
	struct text well = cured(c, &bundle);
	snprintf(path, sizeof path, "%s/%s.sig", dir, c->vector);
	helper_write(path, well.p, well.len);
	const char *then = judge(path, c->model ? c->model : model, c->trust ? c->trust : trust, &report);
	if (strcmp(then, c->then))
		fail_msg("%s without its defect: %s (%s: %s), not %s", c->vector, then, report.object,
			report.detail, c->then);
	free(bundle.p);
	free(well.p);
}

static void test_cures(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cures); i++)
		cure_check(&cures[i]);
}

/* Every reason of bundles, statements and files has a cure here, or its own test below; transfers have test_attest_transfer. */
static void test_all_have_cures(void **state)
{
	static const u32 below[] = { ATTEST_SIZE_LIMIT, ATTEST_KEY, ATTEST_SYMLINK, ATTEST_SPECIAL_FILE,
		ATTEST_CHANGED, ATTEST_EMPTY_FILE, ATTEST_TRANSFER };
	for (size_t i = 0; attest_reason_at(i); i++) {
		u32 reason = attest_reason_at(i), n = 0;
		for (size_t k = 0; k < ARRAY_LEN(cures); k++)
			n += cures[k].reason == reason;
		for (size_t k = 0; k < ARRAY_LEN(below); k++)
			n += below[k] == reason;
		if (n != (reason <= ATTEST_TRANSFER ? 1 : 0))
			fail_msg("%s has %u cures", attest_reason_code(reason), n);
	}
}

static void test_size_limit(void **state)
{
	struct text good = text_read(OMS "good-p256.sig");
	struct attest_report report;
	char path[700];
	char *big = malloc(BUNDLE_BYTES_MAX + 1);
	assert_non_null(big);
	memset(big, ' ', BUNDLE_BYTES_MAX + 1);
	memcpy(big, good.p, good.len);
	snprintf(path, sizeof path, "%s/big.sig", dir);
	helper_write(path, big, BUNDLE_BYTES_MAX + 1);
	assert_string_equal(judge(path, "model", "p256", &report), "size-limit");
	helper_write(path, big, BUNDLE_BYTES_MAX);
	assert_string_equal(judge(path, "model", "p256", &report), "accepted");
	free(big);
	free(good.p);
}

static void test_key(void **state)
{
	struct attest_report report;
	struct proto_key key;
	struct text pem = text_read(OMS "keys/p256.pub.pem");
	char *first = strchr(pem.p, '\n') + 1, was = *first;
	*first = '*';
	assert_int_equal(attest_key_parse(pem.p, pem.len, &key, &report), 1);
	assert_string_equal(report.code, "key");
	*first = was;
	assert_int_equal(attest_key_parse(pem.p, pem.len, &key, &report), 0);
	free(pem.p);
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

static const char *in(const char *name)
{
	static char path[4][700];
	static u32 at;
	char *p = path[at++ % 4];
	snprintf(p, sizeof path[0], "%s/%s", dir, name);
	return p;
}

/* Sign dir/m in shards or files; the verdict over it, or the reason of the refusal to sign. */
static const char *sign(u64 shard_bytes, struct attest_report *report)
{
	struct attest_blob pem = helper_read(OMS "keys/p256.key.pem"), b;
	struct attest_tree tree;
	int r = attest_tree_open(&(struct attest_tree_params){ .path = in("m") }, &tree, report);
	if (!r) {
		r = attest_sign(&(struct attest_sign_params){ .tree = &tree,
					.key_pem = pem.data,
					.key_len = pem.len,
					.shard_bytes = shard_bytes },
			&b, report);
		attest_tree_fini(&tree);
	}
	if (!r) {
		helper_write(in("m.sig"), b.data, b.len);
		attest_blob_fini(&b);
	}
	attest_blob_fini(&pem);
	assert_in_range(r, 0, 1);
	return report->code;
}

static const char *verdict(struct attest_report *report)
{
	struct proto_key keys[1];
	u32 n = helper_keys(KEEP_VECTORS "/oms", "p256", keys, 1);
	return helper_verify(in("m.sig"), in("m"), keys, n, report, NULL);
}

static void test_tree(void **state)
{
	struct attest_report report;
	assert_int_equal(mkdir(in("m"), 0700), 0);
	helper_write(in("m/a"), "a", 1);
	assert_string_equal(sign(0, &report), "accepted");
	assert_string_equal(verdict(&report), "accepted");

	/* one name in two spellings is two names, and so are two cases of a letter */
	assert_int_equal(rename(in("m/a"), in("m/caf\xc3\xa9")), 0);
	assert_string_equal(sign(0, &report), "accepted");
	assert_int_equal(rename(in("m/caf\xc3\xa9"), in("m/cafe\xcc\x81")), 0);
	assert_string_equal(verdict(&report), "missing-file");
	assert_int_equal(rename(in("m/cafe\xcc\x81"), in("m/CAF\xc3\xa9")), 0);
	assert_string_equal(verdict(&report), "missing-file");
	assert_int_equal(rename(in("m/CAF\xc3\xa9"), in("m/a")), 0);
	assert_string_equal(sign(0, &report), "accepted");

	assert_int_equal(symlink("a", in("m/b")), 0);
	assert_string_equal(verdict(&report), "symlink");
	assert_string_equal(report.object, "b");
	assert_int_equal(unlink(in("m/b")), 0);
	assert_string_equal(verdict(&report), "accepted");

	assert_int_equal(mkfifo(in("m/b"), 0600), 0);
	assert_string_equal(verdict(&report), "special-file");
	assert_int_equal(unlink(in("m/b")), 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof a.sun_path, "%s", in("m/b"));
	_cleanup_fd_ int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s, (void *)&a, sizeof a), 0);
	assert_string_equal(verdict(&report), "special-file");
	assert_int_equal(unlink(in("m/b")), 0);
	assert_string_equal(verdict(&report), "accepted");
}

static void test_empty_file(void **state)
{
	struct attest_report report;
	helper_write(in("m/empty"), "", 0);
	assert_string_equal(sign(1, &report), "empty-file");
	assert_string_equal(report.object, "empty");
	assert_string_equal(sign(0, &report), "accepted");
	helper_write(in("m/empty"), "x", 1);
	assert_string_equal(sign(1, &report), "accepted");
	assert_string_equal(verdict(&report), "accepted");
}

/* A file that is longer than when it was opened. */
static void test_changed(void **state)
{
	struct attest_report report;
	struct attest_tree tree;
	struct attest_blob b, pem = helper_read(OMS "keys/p256.key.pem");
	struct attest_tree_params t = { .path = in("m") };
	struct attest_sign_params s = { .tree = &tree, .key_pem = pem.data, .key_len = pem.len };
	assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
	helper_write(in("m/a"), "ab", 2);
	assert_int_equal(attest_sign(&s, &b, &report), 1);
	assert_string_equal(report.code, "changed");
	assert_string_equal(report.expected, "1");
	assert_string_equal(report.found, "2");
	helper_write(in("m/a"), "b", 1);
	assert_int_equal(attest_sign(&s, &b, &report), 0);
	attest_blob_fini(&b);
	attest_blob_fini(&pem);
	attest_tree_fini(&tree);
}

static int setup(void **state)
{
	dir = helper_tmp();
	return 0;
}

static int teardown(void **state)
{
	helper_rm(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cures),
		cmocka_unit_test(test_all_have_cures), cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_key), cmocka_unit_test(test_tree), cmocka_unit_test(test_empty_file),
		cmocka_unit_test(test_changed) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
