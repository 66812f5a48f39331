/* Keys, trees, signing, and the verdict over what was signed; a flipped byte anywhere in a small bundle. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Threads that may still be made; below 0 any number. */
static int threads_left = -1;

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	if (threads_left == 0)
		return EAGAIN;
	if (threads_left > 0)
		threads_left--;
	return real(t, attr, start, arg);
}

static char *dir;
static char path_buf[8][600];
static u32 path_at;

/* dir/name, good until eight more. */
static const char *in(const char *name)
{
	char *p = path_buf[path_at++ % 8];
	snprintf(p, sizeof path_buf[0], "%s/%s", dir, name);
	return p;
}

static int setup(void **state)
{
	dir = helper_tmp();
	assert_int_equal(mkdir(in("m"), 0755), 0);
	assert_int_equal(mkdir(in("m/sub"), 0755), 0);
	helper_write(in("m/a"), "hello", 5);
	helper_write(in("m/sub/b"), "world!", 6);
	u8 *big = calloc(1, 3 * SEGMENT_BYTES + 17);
	for (size_t i = 0; i < 3 * SEGMENT_BYTES + 17; i++)
		big[i] = (u8)(i * 31 + (i >> 13));
	helper_write(in("m/big"), big, 3 * SEGMENT_BYTES + 17);
	free(big);
	return 0;
}

static int teardown(void **state)
{
	helper_rm(dir);
	return 0;
}

static struct proto_key keygen(const char *name, u32 bits)
{
	struct proto_key key;
	assert_int_equal(attest_keygen(in(name), bits, &key), 0);
	assert_int_equal(bytes_put_str(key.name, sizeof key.name, name), 0);
	return key;
}

/* Sign dir/model with dir/key.key.pem into dir/out; the report's code. */
static const char *sign(
	const char *model, const char *key, const char *out, u64 shard_bytes, struct attest_report *report)
{
	char name[64];
	snprintf(name, sizeof name, "%s.key.pem", key);
	struct attest_blob pem = helper_read(in(name)), bundle = { 0 };
	struct attest_tree tree = { 0 };
	struct attest_tree_params t = { .path = in(model), .bundle_path = in(out) };
	int r = attest_tree_open(&t, &tree, report);
	struct attest_sign_params p = {
		.tree = &tree, .key_pem = pem.data, .key_len = pem.len, .shard_bytes = shard_bytes
	};
	r = r ? r : attest_sign(&p, &bundle, report);
	assert_in_range(r, 0, 1);
	if (r == 0)
		helper_write(in(out), bundle.data, bundle.len);
	attest_tree_fini(&tree);
	attest_blob_fini(&bundle);
	attest_blob_fini(&pem);
	return report->code;
}

static void test_keygen(void **state)
{
	static const u32 bits[] = { 256, 384, 521 };
	struct attest_report report;
	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		char name[16], file[32];
		snprintf(name, sizeof name, "gen%u", bits[i]);
		struct proto_key key = keygen(name, bits[i]), again;
		snprintf(file, sizeof file, "%s.pub.pem", name);
		struct attest_blob pem = helper_read(in(file));
		assert_int_equal(attest_key_parse(pem.data, pem.len, &again, &report), 0);
		assert_memory_equal(again.id, key.id, sizeof key.id);
		assert_int_equal(again.curve_bits, bits[i]);
		assert_true(attest_key_ok(&again));
		u8 id[SHA256_BYTES];
		sha256_of(pem.data, pem.len, id); /* the file holds exactly the PEM text */
		assert_memory_equal(id, key.id, sizeof id);
		char *text;
		assert_int_equal(attest_key_pem(&again, &text), 0);
		assert_string_equal(text, (char *)pem.data);
		free(text);
		attest_blob_fini(&pem);
		struct stat st;
		snprintf(file, sizeof file, "%s.key.pem", name);
		assert_int_equal(stat(in(file), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(attest_keygen(in(name), bits[i], &key), -EEXIST);
	}
	struct proto_key key;
	assert_int_equal(attest_keygen(in("no"), 255, &key), -EINVAL);
}

/* Each file keys/bad-* of the vectors. */
static void test_bad_keys(void **state)
{
	static const char *const names[] = { "ed25519", "rsa", "secp256k1", "p224", "explicit", "compressed",
		"two", "empty", "base64", "no-end", "certificate", "encrypted" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[300];
		struct proto_key key;
		struct attest_report report;
		snprintf(path, sizeof path, KEEP_VECTORS "/oms/keys/bad-%s.pem", names[i]);
		struct attest_blob pem = helper_read(path);
		if (attest_key_parse(pem.data, pem.len, &key, &report) != 1 || report.reason != ATTEST_KEY)
			fail_msg("%s: %s", names[i], report.code);
		attest_blob_fini(&pem);
	}
}

static void test_key_refused(void **state)
{
	struct proto_key key = keygen("refused", 256), bent;
	struct attest_report report;
	struct attest_blob secret = helper_read(in("refused.key.pem")),
			   pub = helper_read(in("refused.pub.pem"));
	assert_int_equal(attest_key_parse(secret.data, secret.len, &bent, &report), 1);
	assert_int_equal(report.reason, ATTEST_KEY);
	assert_int_equal(attest_key_parse("junk", 4, &bent, &report), 1);
	assert_int_equal(report.reason, ATTEST_KEY);
	char *twice = calloc(1, 2 * pub.len);
	memcpy(twice, pub.data, pub.len);
	memcpy(twice + pub.len, pub.data, pub.len);
	assert_int_equal(attest_key_parse(twice, 2 * pub.len, &bent, &report), 1);
	free(twice);
	/* a preamble, as some tools write it, up to the limit and one past */
	char *padded = malloc(KEY_PEM_BYTES_MAX + 1);
	memset(padded, '\n', KEY_PEM_BYTES_MAX + 1);
	memcpy(padded + KEY_PEM_BYTES_MAX - pub.len, pub.data, pub.len);
	assert_int_equal(attest_key_parse(padded, KEY_PEM_BYTES_MAX, &bent, &report), 0);
	assert_int_equal(attest_key_parse(padded, KEY_PEM_BYTES_MAX + 1, &bent, &report), 1);
	assert_int_equal(report.reason, ATTEST_SIZE_LIMIT);
	free(padded);
	for (size_t i = 0; i < key.der_len; i++) {
		bent = key;
		bent.der[i] ^= 1;
		assert_false(attest_key_ok(&bent));
	}
	bent = key;
	bent.der[key.der_len] = 1;
	assert_false(attest_key_ok(&bent));
	bent = key;
	bent.curve_bits = 384;
	assert_false(attest_key_ok(&bent));
	attest_blob_fini(&secret);
	attest_blob_fini(&pub);
}

static void test_round_trip(void **state)
{
	static const u32 bits[] = { 256, 384, 521 };
	static const u64 shards[] = { 0, 1000, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1,
		1u << 30 };
	struct attest_report report, verdict;
	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		char name[16];
		snprintf(name, sizeof name, "rt%u", bits[i]);
		struct proto_key key = keygen(name, bits[i]);
		for (size_t k = 0; k < ARRAY_LEN(shards); k++) {
			struct attest_blob segs;
			assert_string_equal(sign("m", name, "m/model.sig", shards[k], &report), "accepted");
			assert_string_equal(
				helper_verify(in("m/model.sig"), in("m"), &key, 1, &verdict, &segs),
				"accepted");
			assert_string_equal(verdict.signer, name);
			assert_memory_equal(verdict.key_id, key.id, sizeof key.id);
			assert_memory_equal(verdict.model, report.model, sizeof report.model);
			assert_int_equal(verdict.n_files, 3);
			assert_int_equal(verdict.bytes, 5 + 6 + 3 * SEGMENT_BYTES + 17);
			struct segments s;
			const char *why;
			assert_int_equal(segments_open(segs.data, segs.len, &s, &why), 0);
			assert_int_equal(s.h->n_segments, 1 + 4 + 1);
			assert_string_equal(s.files[1].path, "big");
			struct attest_blob big = helper_read(in("m/big"));
			u8 d[SHA256_BYTES];
			sha256_of(big.data, big.len, d);
			assert_memory_equal(s.files[1].digest, d, sizeof d);
			for (u64 n = 0; n < 4; n++) {
				sha256_of(big.data + n * SEGMENT_BYTES,
					MIN(big.len - n * SEGMENT_BYTES, (size_t)SEGMENT_BYTES), d);
				assert_memory_equal(s.digests[s.files[1].first + n], d, sizeof d);
			}
			attest_blob_fini(&big);
			attest_blob_fini(&segs);
		}
	}
	/* what was left out is recorded */
	struct attest_blob data = helper_read(in("m/model.sig"));
	struct attest_manifest *m;
	assert_int_equal(attest_bundle_peek(data.data, data.len, &m, &report), 0);
	static const char *const ignored[] = { ".git", ".gitattributes", ".github", ".gitignore",
		"model.sig" };
	assert_int_equal(m->n_ignore, ARRAY_LEN(ignored));
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		assert_string_equal(m->ignore[i], ignored[i]);
	attest_manifest_free(m);
	attest_blob_fini(&data);
	unlink(in("m/model.sig"));
}

/* Where no thread, or not every thread, can be made, the digests are the same. */
static void test_no_threads(void **state)
{
	struct attest_report report;
	struct proto_key key = keygen("threads", 256);
	assert_string_equal(sign("m", "threads", "threads.sig", 700001, &report), "accepted");
	struct attest_blob want, got;
	assert_string_equal(helper_verify(in("threads.sig"), in("m"), &key, 1, &report, &want), "accepted");
	helper_threads = 4;
	for (int n = 0; n < 3; n++) {
		threads_left = n;
		assert_string_equal(
			helper_verify(in("threads.sig"), in("m"), &key, 1, &report, &got), "accepted");
		assert_int_equal(threads_left, 0);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.data, want.data, want.len);
		attest_blob_fini(&got);
	}
	threads_left = -1;
	helper_threads = 0;
	attest_blob_fini(&want);
}

/* What the one pass writes to a stage is what it hashed. */
static void test_stage(void **state)
{
	struct attest_report report;
	struct proto_key key = keygen("stage", 256);
	assert_string_equal(sign("m", "stage", "stage.sig", 0, &report), "accepted");
	struct attest_blob data = helper_read(in("stage.sig")), segs = { 0 };
	struct attest_bundle_params b = { .data = data.data, .len = data.len, .keys = &key, .n_keys = 1 };
	struct attest_manifest *m;
	struct attest_tree tree;
	struct attest_tree_params t = { .path = in("m") };
	assert_int_equal(attest_bundle_verify(&b, &m, &report), 0);
	assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
	assert_int_equal(tree.n_files, 3);
	int stages[3];
	for (u32 i = 0; i < 3; i++)
		assert_true((stages[i] = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) >= 0);
	struct attest_model_params p = { .manifest = m, .files = tree.files, .n_files = 3, .stages = stages };
	assert_int_equal(attest_model_verify(&p, &segs, &report), 0);
	for (u32 i = 0; i < 3; i++) {
		u8 *x, *y;
		size_t nx, ny;
		assert_int_equal(fd_read_file(stages[i], 1u << 30, &x, &nx), 0);
		assert_int_equal(fd_read_file(tree.files[i].fd, 1u << 30, &y, &ny), 0);
		assert_int_equal(nx, ny);
		assert_memory_equal(x, y, nx);
		free(x);
		free(y);
		close(stages[i]);
	}
	/* a full stage is no verdict */
	stages[0] = stages[1] = stages[2] = open("/dev/full", O_WRONLY | O_CLOEXEC);
	attest_blob_fini(&segs);
	assert_int_equal(attest_model_verify(&p, &segs, &report), -ENOSPC);
	attest_report_undecided(&report, -ENOSPC, "model");
	assert_int_equal(report.verdict, ATTEST_UNDECIDED);
	close(stages[0]);
	attest_tree_fini(&tree);
	attest_manifest_free(m);
	attest_blob_fini(&data);
}

/* The size that was announced is not the size that is there. */
static void test_changed(void **state)
{
	struct attest_report report;
	struct proto_key key = keygen("changed", 256);
	helper_write(in("one"), "0123456789", 10);
	assert_string_equal(sign("one", "changed", "changed.sig", 0, &report), "accepted");
	struct attest_blob data = helper_read(in("changed.sig")), segs = { 0 };
	struct attest_bundle_params b = { .data = data.data, .len = data.len, .keys = &key, .n_keys = 1 };
	struct attest_manifest *m;
	struct attest_tree tree;
	struct attest_tree_params t = { .path = in("one") };
	assert_int_equal(attest_bundle_verify(&b, &m, &report), 0);
	assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
	assert_true(tree.single);
	struct attest_model_params p = { .manifest = m, .files = tree.files, .n_files = 1 };
	helper_write(in("one"), "0123456789x", 11);
	assert_int_equal(attest_model_verify(&p, &segs, &report), 1);
	assert_int_equal(report.reason, ATTEST_CHANGED);
	assert_int_equal(truncate(in("one"), 9), 0);
	assert_int_equal(attest_model_verify(&p, &segs, &report), 1);
	assert_int_equal(report.reason, ATTEST_CHANGED);
	/* names that come over a socket */
	static const char *const names[] = { "../one", "/one", "a//b", "", "." };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		memset(tree.files[0].path, 0, sizeof tree.files[0].path);
		memcpy(tree.files[0].path, names[i], strlen(names[i]));
		assert_int_equal(attest_model_verify(&p, &segs, &report), 1);
		assert_int_equal(report.reason, ATTEST_PATH);
	}
	struct attest_source two[2] = { { "one", tree.files[0].fd, 9 }, { "one", tree.files[0].fd, 9 } };
	p.files = two;
	p.n_files = 2;
	assert_int_equal(attest_model_verify(&p, &segs, &report), 1);
	assert_int_equal(report.reason, ATTEST_DUPLICATE_FILE);
	p.n_files = 0;
	assert_int_equal(attest_model_verify(&p, &segs, &report), 1);
	assert_int_equal(report.reason, ATTEST_EMPTY_MODEL);
	p.n_files = MODEL_FILES_MAX + 1;
	assert_int_equal(attest_model_verify(&p, &segs, &report), 1);
	assert_int_equal(report.reason, ATTEST_FILE_LIMIT);
	attest_tree_fini(&tree);
	attest_manifest_free(m);
	attest_blob_fini(&data);
}

/* The file changes while it is read: progress is called between two blocks. */
static off_t meanwhile;
static void change(void *ctx, u64 done, u64 total, const char *what)
{
	assert_int_equal(truncate(ctx, meanwhile), 0);
}

static void test_changed_meanwhile(void **state)
{
	static const off_t sizes[] = { 2 * SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES - 1, SEGMENT_BYTES };
	struct attest_report report;
	struct attest_blob data;
	keygen("mw", 256);
	struct attest_blob pem = helper_read(in("mw.key.pem"));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct attest_tree tree;
		const char *path = in("moving");
		struct attest_tree_params t = { .path = path };
		struct attest_progress progress = { change, (void *)(uintptr_t)path };
		helper_write(path, "", 0);
		assert_int_equal(truncate(path, 2 * SEGMENT_BYTES), 0);
		assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
		meanwhile = sizes[i];
		struct attest_sign_params p = {
			.tree = &tree, .key_pem = pem.data, .key_len = pem.len, .progress = &progress
		};
		assert_int_equal(attest_sign(&p, &data, &report), 1);
		assert_int_equal(report.reason, ATTEST_CHANGED);
		attest_tree_fini(&tree);
	}
	attest_blob_fini(&pem);
}

static u32 tree_reason(const char *path)
{
	struct attest_tree tree;
	struct attest_report report;
	struct attest_tree_params t = { .path = path };
	int r = attest_tree_open(&t, &tree, &report);
	assert_in_range(r, 0, 1);
	if (r == 0)
		attest_tree_fini(&tree);
	return report.reason;
}

static void test_tree(void **state)
{
	assert_int_equal(mkdir(in("t"), 0755), 0);
	assert_int_equal(tree_reason(in("t")), ATTEST_EMPTY_MODEL);
	helper_write(in("t/f"), "x", 1);
	assert_int_equal(symlink("f", in("t/link")), 0);
	assert_int_equal(tree_reason(in("t")), ATTEST_SYMLINK);
	unlink(in("t/link"));
	assert_int_equal(symlink("..", in("t/dirlink")), 0);
	assert_int_equal(tree_reason(in("t")), ATTEST_SYMLINK);
	assert_int_equal(tree_reason(in("t/dirlink")), ATTEST_SYMLINK);
	unlink(in("t/dirlink"));
	assert_int_equal(mkfifo(in("t/fifo"), 0644), 0);
	assert_int_equal(tree_reason(in("t")), ATTEST_SPECIAL_FILE);
	assert_int_equal(tree_reason(in("t/fifo")), ATTEST_SPECIAL_FILE);
	unlink(in("t/fifo"));
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof a.sun_path, "%s", in("t/sock"));
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(tree_reason(in("t")), ATTEST_SPECIAL_FILE);
	assert_int_equal(tree_reason(in("t/sock")), ATTEST_SPECIAL_FILE);
	close(s);
	unlink(in("t/sock"));
	helper_write(in("t/\xff"), "x", 1);
	assert_int_equal(tree_reason(in("t")), ATTEST_PATH);
	unlink(in("t/\xff"));
	helper_write(in("t/a\nb"), "x", 1);
	assert_int_equal(tree_reason(in("t")), ATTEST_PATH);
	unlink(in("t/a\nb"));
	assert_int_equal(tree_reason(in("t")), 0);
	assert_int_equal(tree_reason("/dev/null"), ATTEST_SPECIAL_FILE);
}

static void test_tree_ignored(void **state)
{
	assert_int_equal(mkdir(in("g"), 0755), 0);
	assert_int_equal(mkdir(in("g/.git"), 0755), 0);
	assert_int_equal(mkdir(in("g/sub"), 0755), 0);
	static const char *const files[] = { ".git/x", ".gitignore", ".gitattributes", ".github", "b",
		"model.sig", "sub/.gitignore", "sub/a", ".gitmodules" };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char name[64];
		snprintf(name, sizeof name, "g/%s", files[i]);
		helper_write(in(name), "x", 1);
	}
	assert_int_equal(symlink("x", in("g/.git/link")), 0); /* not looked at */
	struct attest_tree tree;
	struct attest_report report;
	struct attest_tree_params t = { .path = in("g"), .bundle_path = in("g/sub/../model.sig") };
	assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
	static const char *const want[] = { ".gitmodules", "b", "sub/.gitignore", "sub/a" };
	assert_int_equal(tree.n_files, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_string_equal(tree.files[i].path, want[i]);
	assert_string_equal(tree.bundle, "model.sig");
	assert_string_equal(tree.name, "g");
	attest_tree_fini(&tree);
	/* a manifest that lists such a name wants it */
	struct attest_file listed[] = { { ".gitattributes", 0, 1, UINT64_MAX } };
	static const char *const ignore[] = { "sub" };
	struct attest_manifest m = { .n_files = 1, .files = listed, .n_ignore = 1, .ignore = ignore };
	t.listed = &m;
	assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
	assert_int_equal(tree.n_files, 3);
	assert_string_equal(tree.files[0].path, ".gitattributes");
	attest_tree_fini(&tree);
}

/* Directories as deep as allowed, and one deeper; as many files as allowed, and one more. */
static void test_tree_limits(void **state)
{
	char deep[600];
	size_t n = (size_t)snprintf(deep, sizeof deep, "%s", in("deep"));
	assert_int_equal(mkdir(deep, 0755), 0);
	for (u32 i = 1; i < TREE_DEPTH_MAX; i++) {
		n += (size_t)snprintf(deep + n, sizeof deep - n, "/d");
		assert_int_equal(mkdir(deep, 0755), 0);
	}
	snprintf(deep + n, sizeof deep - n, "/f");
	helper_write(deep, "x", 1);
	assert_int_equal(tree_reason(in("deep")), 0);
	snprintf(deep + n, sizeof deep - n, "/d");
	assert_int_equal(mkdir(deep, 0755), 0);
	assert_int_equal(tree_reason(in("deep")), ATTEST_FILE_LIMIT);

	assert_int_equal(mkdir(in("many"), 0755), 0);
	for (u32 i = 0; i < MODEL_FILES_MAX; i++) {
		char name[32];
		snprintf(name, sizeof name, "many/%04u", i);
		helper_write(in(name), "", 0);
	}
	assert_int_equal(tree_reason(in("many")), 0);
	helper_write(in("many/z"), "", 0);
	assert_int_equal(tree_reason(in("many")), ATTEST_FILE_LIMIT);

	assert_int_equal(mkdir(in("large"), 0755), 0);
	helper_write(in("large/a"), "", 0);
	if (truncate(in("large/a"), (off_t)MODEL_BYTES_MAX) == 0) { /* sparse */
		assert_int_equal(tree_reason(in("large")), 0);
		helper_write(in("large/b"), "x", 1);
		assert_int_equal(tree_reason(in("large")), ATTEST_FILE_LIMIT);
	}
}

static void test_sign_refused(void **state)
{
	struct attest_report report;
	keygen("sr", 256);
	assert_int_equal(mkdir(in("e"), 0755), 0);
	helper_write(in("e/empty"), "", 0);
	helper_write(in("e/full"), "x", 1);
	assert_string_equal(sign("e", "sr", "e.sig", 0, &report), "accepted");
	assert_string_equal(sign("e", "sr", "e.sig", 100, &report), "empty-file");
	assert_string_equal(report.object, "empty");
	assert_string_equal(sign("m", "sr", "e.sig", SHARD_BYTES_MAX + 1, &report), "shard");
	assert_string_equal(sign("m", "sr", "e.sig", 1, &report), "file-limit"); /* three million shards */
	struct attest_tree tree;
	struct attest_blob bundle;
	struct attest_tree_params t = { .path = in("m") };
	assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
	struct attest_blob pub = helper_read(in("sr.pub.pem"));
	struct attest_sign_params p = { .tree = &tree, .key_pem = pub.data, .key_len = pub.len };
	assert_int_equal(attest_sign(&p, &bundle, &report), 1);
	assert_int_equal(report.reason, ATTEST_KEY);
	attest_blob_fini(&pub);
	attest_tree_fini(&tree);
}

/* No byte flipped anywhere makes the bundle mean something else: it is refused, or it is the same statement and signer. One bit of each byte,
 * another one each time, and all of its bits. */
static void test_flipped_bytes(void **state)
{
	struct proto_key key;
	assert_int_equal(helper_keys(KEEP_VECTORS "/oms", "p256", &key, 1), 1);
	struct attest_blob good = helper_read(KEEP_VECTORS "/oms/good-p256.sig");
	struct attest_bundle_params b = { .data = good.data, .len = good.len, .keys = &key, .n_keys = 1 };
	struct attest_manifest *m;
	struct attest_report whole, report;
	assert_int_equal(attest_bundle_verify(&b, &m, &whole), 0);
	attest_manifest_free(m);
	u32 harmless = 0;
	for (size_t i = 0; i < 2 * good.len; i++) {
		u8 flip = i % 2 ? 0xff : (u8)(1u << i / 2 % 8);
		good.data[i / 2] ^= flip;
		int r = attest_bundle_verify(&b, &m, &report);
		good.data[i / 2] ^= flip;
		assert_in_range(r, 0, 1);
		if (r)
			continue;
		harmless++;
		assert_memory_equal(report.model, whole.model, sizeof whole.model);
		assert_memory_equal(report.key_id, whole.key_id, sizeof whole.key_id);
		attest_manifest_free(m);
	}
	print_message("flips: %zu, harmless: %u\n", 2 * good.len, harmless);
	attest_blob_fini(&good);
}

/* Every prefix of a bundle is refused. */
static void test_prefixes(void **state)
{
	struct attest_blob good = helper_read(KEEP_VECTORS "/oms/good-p256.sig");
	struct attest_manifest *m;
	struct attest_report report;
	for (size_t n = 0; n < good.len; n++)
		assert_int_equal(attest_bundle_peek(good.data, n, &m, &report), 1);
	attest_blob_fini(&good);
}

/* A bundle as long as allowed (blanks behind it), and one byte longer. */
static void test_bundle_limit(void **state)
{
	struct attest_blob good = helper_read(KEEP_VECTORS "/oms/good-p256.sig");
	char *large = malloc(BUNDLE_BYTES_MAX + 1);
	memset(large, ' ', BUNDLE_BYTES_MAX + 1);
	memcpy(large, good.data, good.len);
	struct attest_manifest *m;
	struct attest_report report;
	assert_int_equal(attest_bundle_peek(large, BUNDLE_BYTES_MAX, &m, &report), 0);
	assert_false(m->verified);
	attest_manifest_free(m);
	assert_int_equal(attest_bundle_peek(large, BUNDLE_BYTES_MAX + 1, &m, &report), 1);
	assert_int_equal(report.reason, ATTEST_SIZE_LIMIT);
	free(large);
	attest_blob_fini(&good);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_keygen), cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_key_refused), cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_no_threads), cmocka_unit_test(test_stage),
		cmocka_unit_test(test_changed), cmocka_unit_test(test_changed_meanwhile),
		cmocka_unit_test(test_tree), cmocka_unit_test(test_tree_ignored),
		cmocka_unit_test(test_tree_limits), cmocka_unit_test(test_sign_refused),
		cmocka_unit_test(test_flipped_bytes), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_bundle_limit) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
