/* Keyless bundles, time stamps and trusted roots of our own (tests/vectors/sigstore): each has the verdict that is documented. */
#define _GNU_SOURCE
#include "helper.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR KEEP_VECTORS "/sigstore"

static bool provoked[128];

static const char *at(const char *name)
{
	static char path[8][300];
	static u32 i;
	i = (i + 1) % ARRAY_LEN(path);
	snprintf(path[i], sizeof path[i], DIR "/%s", name);
	return path[i];
}

static bool none(const char *field)
{
	return !strcmp(field, "-");
}

static struct attest_certs *certs(const char *name)
{
	struct attest_report report;
	struct attest_certs *c = NULL;
	if (none(name))
		return NULL;
	struct attest_blob pem = helper_read(at(name));
	assert_int_equal(attest_certs_add(&c, pem.data, pem.len, &report), 0);
	attest_blob_fini(&pem);
	return c;
}

static const char *root_of(const char *name, struct attest_trusted_root **ret, struct attest_report *report)
{
	struct attest_blob json = helper_read(at(name));
	int r = attest_trusted_root_parse(json.data, json.len, ret, report);
	attest_blob_fini(&json);
	assert_in_range(r, 0, 1);
	assert_int_equal(r == 0, *ret != NULL);
	assert_int_equal(r == 0, report->verdict == ATTEST_ACCEPTED);
	return report->code;
}

static u32 each_line(const char *name, u32 n_fields, void (*row)(char **f))
{
	char *line = NULL, *f[10];
	size_t cap = 0;
	u32 n = 0;
	FILE *file = fopen(at(name), "re");
	assert_non_null(file);
	while (getline(&line, &cap, file) > 0) {
		char *rest = line;
		if (line[0] == '#')
			continue;
		line[strcspn(line, "\n")] = 0;
		for (u32 i = 0; i < n_fields; i++)
			f[i] = strsep(&rest, "\t");
		assert_null(rest);
		row(f);
		n++;
	}
	free(line);
	fclose(file);
	return n;
}

static void pin(struct proto_identity *id, const char *san, const char *provider)
{
	memset(id, 0, sizeof *id);
	if (!none(san))
		assert_int_equal(bytes_put_str(id->san, sizeof id->san, san), 0);
	if (!none(provider))
		assert_int_equal(bytes_put_str(id->provider, sizeof id->provider, provider), 0);
}

static struct attest_report last; /* of a bundle */

/* bundle, trusted root, authorities of stamps, roots, key, identity, provider, stamp policy, now, verdict; the bundle is at path. */
static const char *row_judge(char **f, const char *path)
{
	struct proto_key key;
	struct proto_identity id;
	struct attest_trusted_root *root = NULL;
	pin(&id, f[5], f[6]);
	struct attest_bundle_params p = { .keys = &key,
		.roots = certs(f[3]),
		.tsa = certs(f[2]),
		.tsa_policy = none(f[7]) ? NULL : f[7],
		.needs_stamp = !none(f[2]),
		.identity = none(f[5]) && none(f[6]) ? NULL : &id,
		.at = strtoll(f[8], NULL, 10) };
	if (!none(f[1]))
		assert_string_equal(root_of(f[1], &root, &last), "accepted");
	if (!none(f[4])) {
		struct attest_blob pem = helper_read(at(f[4]));
		assert_int_equal(attest_key_parse(pem.data, pem.len, &key, &last), 0);
		p.n_keys = 1;
		attest_blob_fini(&pem);
	}
	p.trusted_root = root;
	const char *code = helper_judge(path, at("model"), &p, &last);
	attest_certs_free((struct attest_certs *)p.roots);
	attest_certs_free((struct attest_certs *)p.tsa);
	attest_trusted_root_free(root);
	return code;
}

static void bundle_row(char **f)
{
	const char *code = row_judge(f, at(f[0]));
	if (strcmp(code, f[9]))
		fail_msg("%s: %s (%s: %s), documented is %s", f[0], code, last.object, last.detail, f[9]);
	assert_int_equal(!strncmp(f[0], "good-", 5), last.verdict == ATTEST_ACCEPTED);
	provoked[last.reason] = true;
}

static void root_row(char **f)
{
	struct attest_trusted_root *root = NULL;
	struct attest_report report;
	const char *code = root_of(f[0], &root, &report);
	if (strcmp(code, f[1]))
		fail_msg("%s: %s (%s: %s), documented is %s", f[0], code, report.object, report.detail, f[1]);
	provoked[report.reason] = true;
	attest_trusted_root_free(root);
}

static void test_bundles(void **state)
{
	u32 n = each_line("expected.tsv", 10, bundle_row);
	print_message("%u bundles\n", n);
	assert_true(n > 150);
}

static void test_roots(void **state)
{
	u32 n = each_line("roots.tsv", 2, root_row);
	print_message("%u trusted roots\n", n);
	assert_true(n > 40);
}

static void test_reasons(void **state)
{
	static const u32 ours[] = { ATTEST_IDENTITY, ATTEST_TIMESTAMP, ATTEST_TRUSTED_ROOT,
		ATTEST_LOG_UNKNOWN, ATTEST_LOG_PROOF, ATTEST_LOG_PROMISE, ATTEST_LOG_ENTRY, ATTEST_SCT,
		ATTEST_SIGNING_TIME };
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (!provoked[ours[i]])
			fail_msg("no vector provokes %s", attest_reason_code(ours[i]));
}

/* ---- cures ------------------------------------------------------------------------------------------------------------------ */

/* Of each reason a vector that is accepted without its one defect: with a part of it as in the donor, or judged by another root, for
 * another identity, at another time. */
static const struct cure {
	u32 reason;
	const char *vector, *part,
		*donor; /* part: the names of the bundle's fields down to it, a number in a list */
	u32 field;	/* of the row, 1 the root, 5 the identity, 8 now: otherwise, 0 none */
	const char *otherwise;
} cures[] = {
	{ ATTEST_IDENTITY, "bad-identity-name.json", NULL, NULL, 5,
		"https://example.org/build.yml@refs/heads/main" },
	{ ATTEST_TIMESTAMP, "bad-stamp-forged.json", "verificationMaterial.timestampVerificationData",
		"good-hashedrekord-2.json", 0, NULL },
	{ ATTEST_LOG_UNKNOWN, "bad-log-not-then.json", NULL, NULL, 1, "trusted_root.json" },
	{ ATTEST_LOG_PROOF, "bad-proof-path.json", "verificationMaterial.tlogEntries.0.inclusionProof.hashes",
		"good-dsse-1.json", 0, NULL },
	{ ATTEST_LOG_PROMISE, "bad-promise-forged.json",
		"verificationMaterial.tlogEntries.0.inclusionPromise", "good-dsse-1.json", 0, NULL },
	{ ATTEST_LOG_ENTRY, "bad-entry-signature.json", "verificationMaterial.tlogEntries.0",
		"good-dsse-1.json", 0, NULL },
	{ ATTEST_SCT, "bad-sct-forged.json", NULL, NULL, 1, "root-no-ct.json" },
	{ ATTEST_SIGNING_TIME, "bad-time-ahead.json", NULL, NULL, 8, "1789999700" },
};

static json_t *json_of(const char *path)
{
	struct attest_blob b = helper_read(path);
	json_t *j = json_loadb((const char *)b.data, b.len, 0, NULL);
	assert_non_null(j);
	attest_blob_fini(&b);
	return j;
}

static json_t *into(json_t *j, const char *name)
{
	return json_is_array(j) ? json_array_get(j, strtoul(name, NULL, 10)) : json_object_get(j, name);
}

/* That part of the donor in j's place of it. */
static void graft(json_t *j, json_t *donor, const char *part)
{
	char copy[128], *rest = copy, *name;
	snprintf(copy, sizeof copy, "%s", part);
	while ((name = strsep(&rest, ".")) && rest) {
		j = into(j, name);
		donor = into(donor, name);
	}
	donor = into(donor, name);
	assert_true(donor && !json_equal(into(j, name), donor));
	if (json_is_array(j))
		assert_int_equal(json_array_set(j, strtoul(name, NULL, 10), donor), 0);
	else
		assert_int_equal(json_object_set(j, name, donor), 0);
}

static bool is_cured[ARRAY_LEN(cures)];

/* The verdict over the row's vector without the defect. */
static const char *cured(const struct cure *c, char **f)
{
	char *g[10], *dir = helper_tmp(), path[300];
	json_t *j = json_of(at(f[0]));
	if (c->part) {
		json_t *donor = json_of(at(c->donor));
		graft(j, donor, c->part);
		json_decref(donor);
	}
	memcpy(g, f, sizeof g);
	if (c->otherwise)
		g[c->field] = (char *)(uintptr_t)c->otherwise;
	snprintf(path, sizeof path, "%s/bundle", dir);
	assert_int_equal(json_dump_file(j, path, JSON_COMPACT), 0);
	const char *code = row_judge(g, path);
	json_decref(j);
	helper_rm(dir);
	return code;
}

static void cure_row(char **f)
{
	for (size_t i = 0; i < ARRAY_LEN(cures); i++) {
		if (strcmp(f[0], cures[i].vector))
			continue;
		assert_string_equal(f[9], attest_reason_code(cures[i].reason));
		const char *code = cured(&cures[i], f);
		if (strcmp(code, "accepted"))
			fail_msg("%s without its defect: %s", f[0], code);
		is_cured[i] = true;
	}
}

static void test_cures(void **state)
{
	each_line("expected.tsv", 10, cure_row);
	for (size_t i = 0; attest_reason_at(i); i++) {
		u32 reason = attest_reason_at(i), n = reason == ATTEST_TRUSTED_ROOT; /* below */
		for (size_t k = 0; k < ARRAY_LEN(cures); k++)
			n += cures[k].reason == reason && is_cured[k];
		if (n != (reason >= ATTEST_IDENTITY && reason <= ATTEST_SIGNING_TIME ? 1 : 0))
			fail_msg("%s has %u cures", attest_reason_code(reason), n);
	}
	struct attest_trusted_root *root = NULL;
	struct attest_report report;
	json_t *j = json_of(at("root-bad-media-type.json")), *donor = json_of(at("trusted_root.json"));
	assert_string_equal(root_of("root-bad-media-type.json", &root, &report), "trusted-root");
	graft(j, donor, "mediaType");
	char *text = json_dumps(j, 0);
	assert_int_equal(attest_trusted_root_parse(text, strlen(text), &root, &report), 0);
	attest_trusted_root_free(root);
	free(text);
	json_decref(j);
	json_decref(donor);
}

/* ---- times ------------------------------------------------------------------------------------------------------------------ */

/* The time that judged, and who said so. */
static void test_times(void **state)
{
	static const struct {
		const char *bundle;
		i64 at;
		u32 source;
	} rows[] = { { "good-dsse-1.json", 1790000000, ATTEST_TIME_LOG },
		{ "good-hashedrekord-2.json", 1790000000, ATTEST_TIME_STAMP },
		{ "good-promise-and-stamp.json", 1790000001,
			ATTEST_TIME_STAMP }, /* the latest that was proven */
		{ "good-stamp-of-stranger.json", 1790000000, ATTEST_TIME_LOG },
		{ "good-stamp-fraction.json", 1790000000, ATTEST_TIME_STAMP } };
	struct attest_trusted_root *root = NULL;
	struct proto_identity id;
	struct attest_report report;
	assert_string_equal(root_of("trusted_root.json", &root, &report), "accepted");
	pin(&id, "https://example.org/build.yml@refs/heads/main", "https://token.example.org");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct attest_bundle_params p = { .trusted_root = root, .identity = &id, .at = 1795000000 };
		assert_string_equal(helper_judge(at(rows[i].bundle), at("model"), &p, &report), "accepted");
		assert_int_equal(report.time_judged, rows[i].at);
		assert_int_equal(report.time_source, rows[i].source);
		assert_string_equal(report.signer, "https://example.org/build.yml@refs/heads/main");
	}
	attest_trusted_root_free(root);
}

/* ---- every byte ------------------------------------------------------------------------------------------------------------- */

/* No byte of a keyless bundle can be flipped unnoticed. (A certificate that a stamp brings along could: the pinned one is used.) */
static void test_flips(void **state)
{
	struct attest_blob good = helper_read(at("good-stamp-without-certificate.json"));
	struct attest_trusted_root *root = NULL;
	struct proto_identity id;
	struct attest_report report;
	u32 harmless = 0;
	assert_string_equal(root_of("trusted_root.json", &root, &report), "accepted");
	pin(&id, "https://example.org/build.yml@refs/heads/main", "https://token.example.org");
	for (size_t i = 0; i < good.len; i++) {
		struct attest_manifest *m = NULL;
		struct attest_bundle_params p = { .data = good.data,
			.len = good.len,
			.trusted_root = root,
			.identity = &id,
			.at = 1795000000 };
		good.data[i] ^= 1;
		int r = attest_bundle_verify(&p, &m, &report);
		assert_in_range(r, 0, 1);
		if (r == 0)
			print_message("harmless: byte %zu of %.60s\n", i,
				(char *)good.data + (i > 30 ? i - 30 : 0));
		harmless += r == 0;
		attest_manifest_free(m);
		good.data[i] ^= 1;
	}
	print_message("flips: %zu, harmless: %u\n", good.len, harmless);
	assert_int_equal(harmless, 0);
	attest_blob_fini(&good);
	attest_trusted_root_free(root);
}

/* ---- limits ----------------------------------------------------------------------------------------------------------------- */

static void test_root_size(void **state)
{
	struct attest_trusted_root *root = NULL;
	struct attest_report report;
	struct attest_blob json = helper_read(at("trusted_root.json"));
	char *text = malloc(TRUSTED_ROOT_BYTES_MAX + 1);
	memset(text, ' ', TRUSTED_ROOT_BYTES_MAX + 1);
	memcpy(text, json.data, json.len);
	assert_int_equal(attest_trusted_root_parse(text, TRUSTED_ROOT_BYTES_MAX, &root, &report), 0);
	attest_trusted_root_free(root);
	assert_int_equal(attest_trusted_root_parse(text, TRUSTED_ROOT_BYTES_MAX + 1, &root, &report), 1);
	assert_string_equal(report.code, "size-limit");
	free(text);
	attest_blob_fini(&json);
}

/* The vectors that stand at a limit and one past it are those of the limits that hold today. */
static void test_limits(void **state)
{
	assert_int_equal(LOG_ENTRIES_MAX, 8);	    /* good-8-entries, bad-9-entries */
	assert_int_equal(STAMPS_MAX, 8);	    /* good-8-stamps, bad-9-stamps */
	assert_int_equal(STAMP_BYTES_MAX, 65536);   /* bad-stamp-65536-is-read, bad-stamp-65537 */
	assert_int_equal(STAMP_ACCURACY_S_MAX, 60); /* good-stamp-accuracy-60, bad-stamp-accuracy-61 */
	assert_int_equal(SIGNED_AHEAD_S_MAX, 300);  /* good-time-ahead-300, bad-time-ahead, and of stamps */
	assert_int_equal(LOG_PATH_MAX, 63);	    /* bad-proof-63-are-read, bad-proof-64 */
	assert_int_equal(
		CHECKPOINT_SIGNATURES_MAX, 64);	   /* good-checkpoint-64-signatures, bad-checkpoint-65-… */
	assert_int_equal(TRUSTED_ENTRIES_MAX, 64); /* root-good-64-logs, root-bad-65-logs */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bundles), cmocka_unit_test(test_roots),
		cmocka_unit_test(test_reasons), cmocka_unit_test(test_cures), cmocka_unit_test(test_times),
		cmocka_unit_test(test_flips), cmocka_unit_test(test_root_size),
		cmocka_unit_test(test_limits) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
