/* Other people's vectors, where KEEP_SHARED points to them: bundles of the reference signer, the specification's own, NVIDIA's, sigstore's,
 * the reference's golden statements, and GGUF files from a generator that is not ours. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *shared;
static struct proto_key suite_key;

static char path_buf[4][600];
static u32 path_at;
static const char *at(const char *fmt, ...) _printf_(1, 2);
static const char *at(const char *fmt, ...)
{
	char *p = path_buf[path_at++ % 4], rest[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(rest, sizeof rest, fmt, ap);
	va_end(ap);
	snprintf(p, sizeof path_buf[0], "%s/vectors/oms/%s", shared, rest);
	return p;
}

static int setup(void **state)
{
	struct attest_report report;
	struct attest_blob pem =
		helper_read(at("model-transparency/keys/signing-key-pub.pem")); /* with a preamble */
	assert_int_equal(attest_key_parse(pem.data, pem.len, &suite_key, &report), 0);
	assert_int_equal(bytes_put_str(suite_key.name, sizeof suite_key.name, "suite"), 0);
	attest_blob_fini(&pem);
	char hex[65];
	bytes_hex(suite_key.id, sizeof suite_key.id, hex);
	assert_string_equal(hex, "e8450dec4eb99dae995da9af1bc2cc9f76ed669ee2e744f57abba763df3e3f8e");
	return 0;
}

static void expect(const char *bundle, const char *model, const char *want)
{
	struct attest_report report;
	const char *code = helper_verify(bundle, model, &suite_key, 1, &report, NULL);
	if (strcmp(code, want))
		fail_msg("%s: %s (%s: %s), expected %s", bundle, code, report.object, report.detail, want);
}

static void expect_chain(const char *bundle, const char *model, const char *root, i64 when, const char *want)
{
	struct attest_report report;
	struct attest_certs *roots = NULL;
	struct attest_blob pem = helper_read(root);
	assert_int_equal(attest_certs_add(&roots, pem.data, pem.len, &report), 0);
	const char *code = helper_verify_chain(bundle, model, roots, when, &report);
	if (strcmp(code, want))
		fail_msg("%s: %s (%s: %s), expected %s", bundle, code, report.object, report.detail, want);
	attest_certs_free(roots);
	attest_blob_fini(&pem);
}

static void test_reference_signer(void **state)
{
	static const struct {
		const char *dir, *model, *want;
	} rows[] = {
		{ "v0.3.1-elliptic-key", "signme-1", "accepted" },
		{ "v1.0.0-elliptic-key", "signme-1", "accepted" },
		{ "v1.0.1-elliptic-key", "",
			"extra-file" }, /* ignore-me lies there unsigned; the caller of the reference excuses it */
		{ "v1.1.0-elliptic-key", "", "accepted" },
		{ "v0.2.0-certificate", "", "method" },
		{ "v0.3.1-certificate", "", "method" },
		{ "v1.0.0-certificate", "", "method" },
		{ "v1.0.1-certificate", "", "method" },
		{ "v1.1.0-certificate", "", "method" },
		{ "v0.3.1-sigstore", "", "method" },
		{ "v1.0.0-sigstore", "", "method" },
		{ "v1.0.1-sigstore", "", "method" },
		{ "v1.1.0-sigstore", "", "method" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect(at("model-transparency/%s/model.sig", rows[i].dir),
			at("model-transparency/%s/%s", rows[i].dir, rows[i].model), rows[i].want);
}

/* The same models by certificate: the suite's root pinned, at a time within the chain's validity; the leaf has CA:TRUE. */
static void test_reference_certificates(void **state)
{
	static const struct {
		const char *dir, *root;
		i64 at;
		const char *want;
	} rows[] = {
		{ "v0.2.0", "ca-cert", 1787000000,
			"signature" }, /* its pre-authentication encoding is faulty */
		{ "v0.3.1", "ca-cert", 1787000000, "accepted" },
		{ "v1.0.0", "ca-cert", 1787000000, "accepted" },
		{ "v1.0.1", "ca-cert", 1787000000, "extra-file" },
		{ "v1.1.0", "ca-cert", 1787000000, "accepted" },
		{ "v1.1.0", "ca-cert", 1746228987, "not-yet" },
		{ "v1.1.0", "ca-cert", 1746228988, "accepted" },
		{ "v1.1.0", "ca-cert", 2061588989, "expired" },
		{ "v1.1.0", "int-ca-cert", 1787000000, "chain" }, /* not a root */
		{ "v1.1.0", "signing-key-cert", 1787000000, "chain" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect_chain(at("model-transparency/%s-certificate/model.sig", rows[i].dir),
			at("model-transparency/%s-certificate", rows[i].dir),
			at("model-transparency/keys/%s.pem", rows[i].root), rows[i].at, rows[i].want);
}

/* ---- keyless ----------------------------------------------------------------------------------------------------------------- */

#define NOW	     1795000000 /* later than every public bundle */
#define IBM_IDENTITY "stefanb@us.ibm.com"
#define IBM_PROVIDER "https://sigstore.verify.ibm.com/oauth2"
#define BEACON                                                                                              \
	"https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/" \
	"extremely-dangerous-oidc-beacon.yml@refs/heads/main"
#define ACTIONS "https://token.actions.githubusercontent.com"

static struct attest_trusted_root *trusted_root(const char *path)
{
	struct attest_report report;
	struct attest_trusted_root *t = NULL;
	struct attest_blob json = helper_read(path);
	if (attest_trusted_root_parse(json.data, json.len, &t, &report))
		fail_msg("%s: %s (%s: %s)", path, report.code, report.object, report.detail);
	attest_blob_fini(&json);
	return t;
}

struct keyless_row {
	const char *bundle, *root, *identity, *provider, *want;
	i64 time; /* 0: not looked at */
	u32 source;
};

static void keyless(const struct keyless_row *r, const char *model)
{
	struct attest_trusted_root *t = trusted_root(at("%s", r->root));
	struct proto_identity id = { 0 };
	struct attest_report report;
	const char *code;
	assert_int_equal(bytes_put_str(id.san, sizeof id.san, r->identity), 0);
	assert_int_equal(bytes_put_str(id.provider, sizeof id.provider, r->provider), 0);
	struct attest_bundle_params p = { .trusted_root = t, .identity = &id, .at = NOW };
	if (model) {
		code = helper_judge(at("%s", r->bundle), model, &p, &report);
	} else { /* no model: the statement is about something else */
		struct attest_manifest *m = NULL;
		struct attest_blob data = helper_read(at("%s", r->bundle));
		p.data = data.data;
		p.len = data.len;
		assert_int_equal(attest_bundle_verify(&p, &m, &report), 1);
		code = report.code;
		attest_blob_fini(&data);
	}
	if (strcmp(code, r->want))
		fail_msg("%s: %s (%s: %s), expected %s", r->bundle, code, report.object, report.detail,
			r->want);
	if (r->time) {
		assert_int_equal(report.time_judged, r->time);
		assert_int_equal(report.time_source, r->source);
	}
	attest_trusted_root_free(t);
}

/* What the reference signer made with the public service, against the root that its own tests use. */
static void test_keyless_models(void **state)
{
#define CONFIG "model-transparency/custom_trust_config.json"
	static const struct {
		struct keyless_row r;
		const char *model;
	} rows[] = {
		{ { "model-transparency/v0.3.1-sigstore/model.sig", CONFIG, IBM_IDENTITY, IBM_PROVIDER,
			  "accepted", 1746234602, ATTEST_TIME_LOG },
			"v0.3.1-sigstore" },
		{ { "model-transparency/v1.0.0-sigstore/model.sig", CONFIG, IBM_IDENTITY, IBM_PROVIDER,
			  "accepted", 1746236086, ATTEST_TIME_LOG },
			"v1.0.0-sigstore" },
		{ { "model-transparency/v1.0.1-sigstore/model.sig", CONFIG, IBM_IDENTITY, IBM_PROVIDER,
			  "extra-file", 1759851228, ATTEST_TIME_LOG },
			"v1.0.1-sigstore" }, /* ignore-me, as for the other methods */
		/* its stamp is of an authority that this root does not hold, and counts for nothing */
		{ { "model-transparency/v1.1.0-sigstore/model.sig", CONFIG, IBM_IDENTITY, IBM_PROVIDER,
			  "accepted", 1760062340, ATTEST_TIME_LOG },
			"v1.1.0-sigstore" },
		{ { "model-transparency/v1.1.0-sigstore/model.sig", CONFIG, "someone@us.ibm.com",
			  IBM_PROVIDER, "identity" },
			"v1.1.0-sigstore" },
		{ { "model-transparency/v1.1.0-sigstore/model.sig", CONFIG, IBM_IDENTITY, ACTIONS,
			  "identity" },
			"v1.1.0-sigstore" },
		{ { "model-transparency/v1.1.0-sigstore/model.sig", CONFIG, "", "", "identity" },
			"v1.1.0-sigstore" },
		{ { "model-transparency/v1.1.0-sigstore/model.sig",
			  "sigstore-conformance/rekor2-dsse-happy-path/trusted_root.json", IBM_IDENTITY,
			  IBM_PROVIDER, "log-unknown" },
			"v1.1.0-sigstore" },
		{ { "model-signing-spec/test-vectors-v1.0/valid/sigstore.bundle.json", CONFIG, IBM_IDENTITY,
			  IBM_PROVIDER, "accepted", 1760062340, ATTEST_TIME_LOG },
			"v1.1.0-sigstore" },
		{ { "model-signing-spec/test-vectors-v1.0/invalid/missing-tlog-entries.bundle.json", CONFIG,
			  IBM_IDENTITY, IBM_PROVIDER, "material" },
			"v1.1.0-sigstore" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		keyless(&rows[i].r, at("model-transparency/%s", rows[i].model));
}

/* Sigstore's own cases. What must pass is no model, which is said only after everything that is sigstore's held. */
static void test_keyless_conformance(void **state)
{
#define OWN(dir)                                                                                          \
	"sigstore-conformance/" dir "/bundle.sigstore.json", "sigstore-conformance/" dir "/trusted_root." \
							     "json"
#define PROD(dir) "sigstore-conformance/" dir "/bundle.sigstore.json", CONFIG
	static const struct keyless_row rows[] = {
		{ PROD("happy-path-intoto-in-dsse-v3"), BEACON, ACTIONS, "predicate-type", 1734374576,
			ATTEST_TIME_LOG },
		{ OWN("intoto-with-custom-trust-root"), BEACON, ACTIONS, "predicate-type", 1675209600,
			ATTEST_TIME_STAMP },
		{ OWN("rekor2-dsse-happy-path"), BEACON, ACTIONS, "predicate-type", 1778700213,
			ATTEST_TIME_STAMP },
		{ PROD("dsse-invalid-sig_fail"), BEACON, ACTIONS, "signature" },
		{ PROD("dsse-mismatch-envelope_fail"), BEACON, ACTIONS, "log-entry" },
		{ PROD("dsse-mismatch-sig_fail"), BEACON, ACTIONS, "log-entry" },
		{ OWN("intoto-expired-certificate_fail"), BEACON, ACTIONS, "not-yet" },
		{ OWN("intoto-log-entry-mismatch_fail"), BEACON, ACTIONS, "log-entry" },
		{ OWN("intoto-missing-inclusion-proof_fail"), BEACON, ACTIONS, "log-proof" },
		{ OWN("intoto-set-outside-signing-cert-validity_fail"), BEACON, ACTIONS, "expired" },
		{ OWN("intoto-tsa-timestamp-outside-cert-validity_fail"), BEACON, ACTIONS, "expired" },
		{ OWN("managed-key-and-trusted-root"), BEACON, ACTIONS,
			"field" }, /* no envelope: not a model's bundle */
		{ OWN("rekor2-dsse-invalid-sig_fail"), BEACON, ACTIONS, "signature" },
		{ OWN("rekor2-dsse-mismatch-envelope_fail"), BEACON, ACTIONS, "log-entry" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		keyless(&rows[i], NULL);
}

/* v1.0.1 with only the two files that it signs. */
static void test_v1_0_1(void **state)
{
	struct attest_blob data = helper_read(at("model-transparency/v1.0.1-elliptic-key/model.sig")), segs;
	struct attest_bundle_params b = {
		.data = data.data, .len = data.len, .keys = &suite_key, .n_keys = 1
	};
	struct attest_report report;
	struct attest_manifest *m;
	assert_int_equal(attest_bundle_verify(&b, &m, &report), 0);
	assert_string_equal(report.signer, "suite");
	struct attest_source files[2];
	for (u32 i = 0; i < 2; i++) {
		files[i] = (struct attest_source){
			.fd = open(at("model-transparency/v1.0.1-elliptic-key/signme-%u", i + 1),
				O_RDONLY | O_CLOEXEC)
		};
		snprintf(files[i].path, sizeof files[i].path, "signme-%u", i + 1);
		assert_int_equal(fd_regular_size(files[i].fd, &files[i].bytes), 0);
	}
	struct attest_model_params p = { .manifest = m, .files = files, .n_files = 2 };
	assert_int_equal(attest_model_verify(&p, &segs, &report), 0);
	attest_blob_fini(&segs);
	attest_manifest_free(m);
	attest_blob_fini(&data);
	close(files[0].fd);
	close(files[1].fd);
}

static void test_specification(void **state)
{
	const char *model = at("model-transparency/v1.1.0-elliptic-key");
	static const struct {
		const char *bundle, *want;
	} rows[] = {
		{ "valid/certificate", "method" },
		{ "valid/sigstore", "method" },
		{ "invalid/empty", "json" },
		{ "invalid/missing-envelope", "field" },
		{ "invalid/missing-tlog-entries", "method" },
		{ "invalid/missing-verification-material", "field" },
		{ "invalid-payload/wrong-predicate", "signature" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect(at("model-signing-spec/test-vectors-v1.0/%s.bundle.json", rows[i].bundle), model,
			rows[i].want);
	/* this one signs model.sig's neighbours but does not ignore model.sig itself: the bundle lies elsewhere */
	struct attest_blob data =
		helper_read(at("model-signing-spec/test-vectors-v1.0/valid/key.bundle.json"));
	struct attest_bundle_params b = {
		.data = data.data, .len = data.len, .keys = &suite_key, .n_keys = 1
	};
	struct attest_report report;
	struct attest_manifest *m;
	assert_int_equal(attest_bundle_verify(&b, &m, &report), 0);
	assert_int_equal(m->n_files, 2);
	attest_manifest_free(m);
	attest_blob_fini(&data);
}

/* Every bundle below a directory is refused: another method, or not signed by this key. */
static u32 all_refused(const char *dir, const char *file, const char *want)
{
	u32 n = 0;
	DIR *d = opendir(at("%s", dir));
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		const char *path = at("%s/%s/%s", dir, e->d_name, file);
		struct attest_report report;
		if (e->d_name[0] == '.' || access(path, R_OK))
			continue;
		const char *code =
			helper_verify(path, at("%s/%s", dir, e->d_name), &suite_key, 1, &report, NULL);
		if (report.verdict != ATTEST_REJECTED || (want && strcmp(code, want)))
			fail_msg("%s: %s", path, code);
		n++;
	}
	closedir(d);
	return n;
}

static void test_others(void **state)
{
	assert_true(all_refused("nvidia-skills", "skill.oms.sig", "method") > 20);
	assert_true(all_refused("sigstore-conformance", "bundle.sigstore.json", NULL) > 8);
}

/* What NVIDIA signed in production has the verdicts that stand beside it. */
static void test_nvidia(void **state)
{
	char *line = NULL, root[600];
	size_t cap = 0;
	u32 n = 0, accepted = 0;
	FILE *f = fopen(at("nvidia-skills/expected.tsv"), "re");
	assert_non_null(f);
	assert_true(getline(&line, &cap, f) > 0); /* the head */
	while (getline(&line, &cap, f) > 0) {
		char *p = line, *fields[8] = { 0 };
		for (u32 i = 0; i < ARRAY_LEN(fields) && p; i++)
			fields[i] = strsep(&p, "\t\n");
		assert_string_equal(fields[1], "certificate");
		bool ok = !strcmp(fields[5], "ACCEPT");
		snprintf(root, sizeof root, "%s", at("nvidia-skills/%s", fields[2]));
		expect_chain(at("nvidia-skills/%s/%s", fields[0], fields[3]),
			at("nvidia-skills/%s", fields[0]), root, strtoll(fields[4], NULL, 10),
			ok ? "accepted" : fields[6]);
		accepted += ok;
		n++;
	}
	free(line);
	fclose(f);
	print_message("nvidia: %u of %u accepted, all as documented\n", accepted, n);
	assert_true(n > 30 && accepted > 20);
}

/* ---- golden statements ------------------------------------------------------------------------------------------------------------ */

static char *dir;
static void put(const char *name, const char *text)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	helper_write(path, text, strlen(text));
}
static void make_dir(const char *name)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* The models that the reference's tests make. */
static void make_models(void)
{
	char name[64], text[64], deep[64] = "deep";
	make_dir("sample");
	make_dir("deep");
	make_dir("withempty");
	put("file", "This is a simple model");
	put("empty", "");
	put("withempty/empty_file", "");
	for (u32 i = 0; i < 2; i++) {
		snprintf(name, sizeof name, "sample/d%u", i);
		make_dir(name);
		for (u32 k = 0; k < 3; k++) {
			snprintf(name, sizeof name, "sample/d%u/f%u%u", i, i, k);
			snprintf(text, sizeof text, "This is file f%u%u in d%u.", i, k, i);
			put(name, text);
		}
	}
	for (u32 i = 0; i < 5; i++) {
		snprintf(deep + strlen(deep), sizeof deep - strlen(deep), "/d%u", i);
		make_dir(deep);
	}
	for (u32 i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "sample/f%u", i);
		snprintf(text, sizeof text, "This is file f%u in root.", i);
		put(name, text);
		snprintf(name, sizeof name, "deep/d0/d1/d2/d3/d4/f%u", i);
		snprintf(text, sizeof text, "This is file f%u.", i);
		put(name, text);
	}
}

static json_t *field(json_t *j, const char *a, const char *b)
{
	return json_object_get(json_object_get(j, a), b);
}

/* Do two lists hold the same names with the same digests, in whatever order? */
static bool same_list(json_t *a, json_t *b, bool single)
{
	size_t i, k;
	json_t *x, *y;
	if (json_array_size(a) != json_array_size(b))
		return false;
	json_array_foreach(a, i, x)
	{
		bool found = false;
		json_array_foreach(b, k, y)
		{
			const char *n = json_string_value(json_object_get(x, "name")),
				   *m = json_string_value(json_object_get(y, "name"));
			const char *colon = strchr(n, ':'), *colon2 = strchr(m, ':');
			bool name =
				single ? !strcmp(colon ? colon : "", colon2 ? colon2 : "") : !strcmp(n, m);
			found |= name &&
				 json_equal(json_object_get(x, "digest"), json_object_get(y, "digest"));
		}
		if (!found)
			return false;
	}
	return true;
}

static void golden(const char *name, const char *model, u64 shard_bytes, const char *want)
{
	struct attest_report report;
	struct attest_tree tree;
	struct attest_blob mine = { 0 }, golden = helper_read(at(
						 "model-transparency/payload-testdata/TestPayload/%s", name));
	char path[300];
	snprintf(path, sizeof path, "%s/%s", dir, model);
	struct attest_tree_params t = { .path = path };
	assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
	/* as a verifier: the golden statement holds for the files */
	struct attest_manifest *m = NULL;
	attest_report_init(&report);
	int r = statement_parse(golden.data, golden.len, &m, &report);
	if (r == 0) {
		struct attest_blob segs = { 0 };
		struct attest_model_params p = {
			.manifest = m, .files = tree.files, .n_files = tree.n_files
		};
		m->verified = true;
		assert_int_equal(attest_model_verify(&p, &segs, &report), 0);
		attest_blob_fini(&segs);
		attest_manifest_free(m);
	}
	assert_string_equal(report.code, want);
	/* as a signer: the same list; the root digest too where our order (by name) is theirs (by number) */
	struct attest_sign_params s = { .tree = &tree, .shard_bytes = shard_bytes };
	r = attest_statement_make(&s, &mine, &report);
	if (!strcmp(want, "accepted")) {
		assert_int_equal(r, 0);
		json_t *g = json_loadb((const char *)golden.data, golden.len, 0, NULL);
		json_t *o = json_loadb((const char *)mine.data, mine.len, 0, NULL);
		assert_true(same_list(
			field(g, "predicate", "resources"), field(o, "predicate", "resources"), tree.single));
		if (shard_bytes != 8)
			assert_true(json_equal(
				json_object_get(json_array_get(json_object_get(g, "subject"), 0), "digest"),
				json_object_get(json_array_get(json_object_get(o, "subject"), 0), "digest")));
		json_decref(g);
		json_decref(o);
	} else {
		assert_int_equal(r, 1);
		assert_string_equal(report.code, "empty-file");
	}
	attest_blob_fini(&mine);
	attest_blob_fini(&golden);
	attest_tree_fini(&tree);
}

static void test_golden(void **state)
{
	static const struct {
		const char *name, *model, *sharded; /* sharded: the verdict over an empty list */
	} rows[] = { { "sample_model_file", "file", "accepted" },
		{ "sample_model_folder", "sample", "accepted" }, { "deep_model_folder", "deep", "accepted" },
		{ "empty_model_file", "empty", "empty-model" },
		{ "model_folder_with_empty_file", "withempty", "empty-model" } };
	dir = helper_tmp();
	make_models();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[100];
		golden(rows[i].name, rows[i].model, 0, "accepted");
		snprintf(name, sizeof name, "%s_shard", rows[i].name);
		golden(name, rows[i].model, 1000000000, rows[i].sharded);
		snprintf(name, sizeof name, "%s_small_shards", rows[i].name);
		golden(name, rows[i].model, 8, rows[i].sharded);
	}
	helper_rm(dir);
}

/* ---- random GGUF models ---------------------------------------------------------------------------------------------------------- */

static void test_random_gguf(void **state)
{
	static const struct {
		const char *args, *want;
	} rows[] = { { "tiny-llama --dtype f32", "accepted" }, { "tiny-llama --dtype f16", "accepted" },
		{ "tiny-llama3 --dtype bf16", "accepted" },
		{ "tiny-llama --dtype f16 --set layers=5 --set heads=8 --set kv=8", "accepted" },
		{ "tiny-mixtral", "accepted" }, { "tiny-qwen2", "accepted" }, { "tiny-qwen3moe", "accepted" },
		{ "tiny-glm4moe --set dense=2", "accepted" }, { "tiny-gpt-oss --dtype bf16", "accepted" },
		{ "tiny-mixtral --set used=9", "gguf-experts" }, { "tiny-glm-dsa", "gguf-architecture" } };
	if (system("/usr/bin/python3 -c 'import numpy' 2>/dev/null")) {
		print_message("skipped: /usr/bin/python3 has no numpy\n");
		return;
	}
	char *tmp = helper_tmp(), path[100], command[900], model[32];
	snprintf(path, sizeof path, "%s/m.gguf", tmp);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct attest_report report;
		size_t n = strcspn(rows[i].args, " ");
		snprintf(model, sizeof model, "%.*s", (int)n, rows[i].args);
		snprintf(command, sizeof command, "/usr/bin/python3 %s/tools/make-random-gguf.py %s %s %s",
			shared, model, path, rows[i].args + n);
		assert_int_equal(system(command), 0);
		const char *code = helper_layout(path, &report, NULL);
		if (strcmp(code, rows[i].want))
			fail_msg("%s: %s (%s: %s)", rows[i].args, code, report.object, report.detail);
	}
	helper_rm(tmp);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_reference_signer),
		cmocka_unit_test(test_reference_certificates), cmocka_unit_test(test_nvidia),
		cmocka_unit_test(test_v1_0_1), cmocka_unit_test(test_specification),
		cmocka_unit_test(test_keyless_models), cmocka_unit_test(test_keyless_conformance),
		cmocka_unit_test(test_others), cmocka_unit_test(test_golden),
		cmocka_unit_test(test_random_gguf) };
	shared = getenv("KEEP_SHARED");
	if (!shared) { /* other people's vectors, which are not part of this tree */
		print_message("skipped: KEEP_SHARED does not point to the public vectors\n");
		return 77;
	}
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, setup, NULL);
}
