/* Keyless bundles, time stamps and trusted roots of our own (tests/vectors/sigstore): each has the verdict that is documented. */
#define _GNU_SOURCE
#include "helper.h"

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

/* bundle, trusted root, authorities of stamps, roots, key, identity, provider, stamp policy, now, verdict */
static void bundle_row(char **f)
{
	struct attest_report report;
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
		assert_string_equal(root_of(f[1], &root, &report), "accepted");
	if (!none(f[4])) {
		struct attest_blob pem = helper_read(at(f[4]));
		assert_int_equal(attest_key_parse(pem.data, pem.len, &key, &report), 0);
		p.n_keys = 1;
		attest_blob_fini(&pem);
	}
	p.trusted_root = root;
	const char *code = helper_judge(at(f[0]), at("model"), &p, &report);
	if (strcmp(code, f[9]))
		fail_msg("%s: %s (%s: %s), documented is %s", f[0], code, report.object, report.detail, f[9]);
	assert_int_equal(!strncmp(f[0], "good-", 5), report.verdict == ATTEST_ACCEPTED);
	provoked[report.reason] = true;
	attest_certs_free((struct attest_certs *)p.roots);
	attest_certs_free((struct attest_certs *)p.tsa);
	attest_trusted_root_free(root);
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
		cmocka_unit_test(test_reasons), cmocka_unit_test(test_times), cmocka_unit_test(test_flips),
		cmocka_unit_test(test_root_size), cmocka_unit_test(test_limits) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
