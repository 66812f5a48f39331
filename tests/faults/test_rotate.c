/* A new key for the log, by two officers: what it leaves behind, after a crash in between, and where the key is a sealed credential. */
#define _GNU_SOURCE
#include "rig.h"
#include "audit/tlog/checkpoint.h"
#include "audit/tlog/note.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *keepd_path, *keep_path;
static char etc[192], credentials[192], env[224];
static const struct rig_person alice = { 1001, 2003, 1 }, bob = { 1002, 2003, 1 };

static void path_of(const char *dir, const char *name, char ret[288])
{
	snprintf(ret, 288, "%s/%s", dir, name);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[288];
	path_of(dir, name, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* "" where there is none. */
static void get(const char *dir, const char *name, char ret[2048])
{
	char path[288];
	path_of(dir, name, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, 2047);
	ret[n > 0 ? n : 0] = 0;
	close(fd);
}

static void drop(const char *dir, const char *name)
{
	char path[288];
	path_of(dir, name, path);
	assert_int_equal(unlink(path), 0);
}

static int up(void **state)
{
	static struct rig r;
	rig_init(&r, keepd_path, NULL);
	snprintf(etc, sizeof etc, "%s/etc", r.root);
	snprintf(credentials, sizeof credentials, "%s/credentials", r.root);
	snprintf(env, sizeof env, "CREDENTIALS_DIRECTORY=%s", credentials);
	assert_int_equal(mkdir(etc, 0700), 0);
	assert_int_equal(mkdir(credentials, 0700), 0);
	put(etc, "group", "keep-officer:x:2003:\n");
	r.etc = etc;
	*state = &r;
	return 0;
}

static int down(void **state)
{
	rig_fini(*state);
	return 0;
}

static struct note_key key_in(const char *dir, const char *name)
{
	char text[2048];
	struct note_key k;
	get(dir, name, text);
	if (tlog_note_key_from_secret(text, &k))
		fail_msg("%s: \"%.40s\" is no key", name, text);
	return k;
}

/* Propose and approve. The answer to the approval. */
static struct rig_answer rotate(struct rig *r)
{
	int a = rig_client_as(r, &alice), b = rig_client_as(r, &bob);
	struct rig_answer x = rig_name(a, CTL_ROTATE, "", "every year", -1);
	if (x.status == 0) {
		struct proto_decide d = { .index = x.index, .approve = 1 };
		struct rig_answer l = rig_query(b, QUERY_PENDING, 0, 0, NULL);
		const char *at = strstr(l.data, "\"act_digest\":\"");
		assert_int_equal(bytes_unhex(at + 14, sizeof d.digest, d.digest), 0);
		rig_answer_fini(&l);
		assert_int_equal(ipc_send(b, CTL_DECIDE, 77, &d, sizeof d, -1), 0);
		rig_answer(b, 77, &x);
	}
	close(a);
	close(b);
	return x;
}

/* The newest checkpoint and its vkey. */
static struct note_key head(struct rig *r, char note[2048])
{
	int a = rig_client_as(r, &alice);
	struct rig_answer x = rig_query(a, QUERY_CHECKPOINT, 0, 0, NULL);
	json_t *j = json_loads(x.data, 0, NULL);
	const char *vkey = json_string_value(json_object_get(j, "vkey"));
	struct note_key k;
	snprintf(note, 2048, "%s", json_string_value(json_object_get(j, "note")));
	assert_int_equal(tlog_note_key_from_vkey(vkey, strlen(vkey), &k), 0);
	json_decref(j);
	rig_answer_fini(&x);
	close(a);
	return k;
}

static bool signed_by(const char *note, const struct note_key *k)
{
	size_t len;
	return tlog_note_open(note, strlen(note), k, 1, &len) == 0;
}

static void whole(struct rig *r)
{
	int a = rig_client_as(r, &alice);
	struct rig_answer x = rig_query(a, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(x.status, 0);
	assert_non_null(strstr(x.data, "\"ok\":true"));
	rig_answer_fini(&x);
	close(a);
}

/* The old key's secret is gone, its last word is the checkpoint that names both, and the log goes on under the new one. */
static void changes(void **state)
{
	struct rig *r = *state;
	char note[2048], text[2048], keys[200];
	snprintf(keys, sizeof keys, "%s/keys", r->store);
	assert_int_equal(rig_start(r), 0);
	struct note_key old = key_in(keys, "log.key");
	for (u32 i = 0; i < 3; i++) {
		struct rig_answer x = rotate(r);
		assert_int_equal(x.status, 0);
		struct note_key now = key_in(keys, "log.key"), says = head(r, note);
		assert_memory_not_equal(now.public_key, old.public_key, 32);
		assert_memory_equal(now.public_key, says.public_key, 32);
		assert_string_equal(now.name, old.name);
		assert_true(signed_by(note, &old) &&
			    signed_by(note, &now)); /* whoever knows the old one meets the new */
		int a = rig_client_as(r, &alice);
		assert_int_equal(rig_count(a, "\"event\":\"key\"", "\"old\":\"", "\"reason\":\"every year\"",
					 "\"proposal\":", NULL),
			i + 1);
		close(a);
		says = head(r, note);
		assert_true(!signed_by(note, &old) && signed_by(note, &now));
		get(keys, "log.key.next", text);
		assert_string_equal(text, "");
		get(keys, "log.vkey", text);
		struct note_key shown;
		assert_int_equal(tlog_note_key_from_vkey(text, strlen(text), &shown), 0);
		assert_memory_equal(shown.public_key, now.public_key, 32);
		whole(r);
		rig_end(r, i == 1 ? SIGKILL : SIGTERM);
		assert_int_equal(rig_start(r), 0);
		whole(r);
		old = now;
	}
}

/* Killed between the commit and the files, keepd finds out by the head whose key it is; a key that nothing was committed with is dropped. */
static void crashes(void **state)
{
	struct rig *r = *state;
	char keys[200], before[2048], after[2048], text[2048];
	snprintf(keys, sizeof keys, "%s/keys", r->store);
	assert_int_equal(rig_start(r), 0);
	get(keys, "log.key", before);
	assert_int_equal(rotate(r).status, 0);
	rig_end(r, SIGKILL);
	get(keys, "log.key", after);
	put(keys, "log.key", before);
	put(keys, "log.key.next", after);
	assert_int_equal(rig_start(r), 0);
	whole(r);
	get(keys, "log.key", text);
	assert_string_equal(text, after);
	rig_end(r, SIGTERM);
	put(keys, "log.key.next", before); /* of a rotation that was never committed */
	assert_int_equal(rig_start(r), 0);
	whole(r);
	get(keys, "log.key.next", text);
	assert_string_equal(text, "");
	get(keys, "log.key", text);
	assert_string_equal(text, after);
	rig_end(r, SIGTERM);
	put(keys, "log.key", before); /* only the old one is left: the log is not its any more */
	assert_int_equal(rig_start(r), 0);
	int a = rig_client_as(r, &alice);
	struct rig_answer x = rig_query(a, QUERY_STATUS, 0, 0, NULL);
	assert_non_null(strstr(x.data, "\"gate\":\"shut\""));
	rig_answer_fini(&x);
	close(a);
}

/* The new key cannot be written: whoever approved hears so, the gate is shut, and the next start finds the old key and nothing else. */
static void fails(void **state)
{
	struct rig *r = *state;
	char keys[200], path[288], before[2048], text[2048];
	snprintf(keys, sizeof keys, "%s/keys", r->store);
	assert_int_equal(rig_start(r), 0);
	get(keys, "log.key", before);
	path_of(keys, "new", path);
	assert_int_equal(mkdir(path, 0700), 0); /* in the place of the file that becomes log.key.next */
	struct rig_answer x = rotate(r);
	assert_int_equal(x.status, END_UNDECIDED);
	assert_non_null(strstr(x.text, "the gate is shut"));
	rig_end(r, SIGTERM);
	assert_int_equal(rmdir(path), 0);
	put(keys, "new", "half of a ke"); /* a crash */
	assert_int_equal(rig_start(r), 0);
	whole(r);
	get(keys, "log.key", text);
	assert_string_equal(text, before);
	assert_int_equal(access(path, F_OK), -1);
}

/* The command line as an auditor: its exit status. */
static int keep(const struct rig *r, const char *args)
{
	char cmd[1200];
	snprintf(cmd, sizeof cmd, "%s --root %s %s >%s/out 2>&1", keep_path, r->root, args, r->root);
	int st = system(cmd);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 99;
}

static void vkey_of(const struct note_key *k, char policy[400])
{
	char vkey[NOTE_VKEY_MAX];
	tlog_note_vkey(k, vkey, sizeof vkey);
	snprintf(policy, 400, "log %.350s\nquorum none\n", vkey);
}

/* What leaves after a rotation is accepted by whoever has the new key, and the checkpoint of the change by whoever has either. */
static void leaves(void **state)
{
	struct rig *r = *state;
	char keys[200], policy[400], group[128], note[2048], args[512];
	snprintf(keys, sizeof keys, "%s/keys", r->store);
	snprintf(group, sizeof group, "keep-officer:x:2003:\nkeep-auditor:x:%u:\n", (unsigned)getgid());
	put(etc, "group", group);
	assert_int_equal(rig_start(r), 0);
	struct note_key old = key_in(keys, "log.key");
	assert_int_equal(rotate(r).status, 0);
	struct note_key now = key_in(keys, "log.key");
	vkey_of(&old, policy);
	put(r->root, "old", policy);
	vkey_of(&now, policy);
	put(r->root, "new", policy);
	head(r, note);
	put(r->root, "change", note);
	int a = rig_client_as(r, &alice);
	struct rig_answer x = rig_query(a, QUERY_CHECKPOINT, 0, 0, NULL);
	tlog_note_vkey(&old, args, sizeof args);
	assert_non_null(strstr(x.data, args));
	assert_non_null(strstr(x.data, "\"earlier\":[{\"until\":"));
	rig_answer_fini(&x);
	close(a);
	for (int i = 0; i < 2; i++) {
		tlog_note_vkey(i ? &now : &old, note, sizeof note);
		snprintf(args, sizeof args, "tlog checkpoint --vkey %.350s %s/change", note, r->root);
		assert_int_equal(keep(r, args), 0);
	}
	assert_int_equal(
		keep(r, "audit show 0"), 0); /* reading is a record: from here on only the new key signs */
	snprintf(args, sizeof args, "audit export --tiles %s/tiles", r->root);
	assert_int_equal(keep(r, args), 0);
	snprintf(args, sizeof args, "tlog fsck %s/tiles --policy %s/new --older %s/change", r->root, r->root,
		r->root);
	assert_int_equal(keep(r, args), 0);
	snprintf(args, sizeof args, "tlog fsck %s/tiles --policy %s/old", r->root, r->root);
	assert_int_equal(keep(r, args), 1);
	/* a record of the old key's time, under a checkpoint of the new one's */
	snprintf(args, sizeof args, "audit receipt 0 --out %s/proof --entry %s/entry", r->root, r->root);
	assert_int_equal(keep(r, args), 0);
	snprintf(args, sizeof args, "tlog proof-verify --policy %s/new %s/proof %s/entry", r->root, r->root,
		r->root);
	assert_int_equal(keep(r, args), 0);
}

/* keepd --store DIR --next */
static void make_next(const struct rig *r, const char *name)
{
	char cmd[640];
	snprintf(cmd, sizeof cmd, "%s --store %s --next >%s/%s", keepd_path, r->store, credentials, name);
	assert_int_equal(system(cmd), 0);
}

/* The key as a credential: no secret lies in the store, and the next one must be sealed before. */
static void sealed(void **state)
{
	struct rig *r = *state;
	char keys[200], text[2048];
	snprintf(keys, sizeof keys, "%s/keys", r->store);
	get(keys, "log.key", text);
	put(credentials, "keep.log.key", text);
	drop(keys, "log.key");
	r->env = env;
	assert_int_equal(rig_start(r), 0);
	struct rig_answer x = rotate(r);
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "keep.log.key.next"));
	rig_end(r, SIGTERM);
	make_next(r, "keep.log.key.next");
	struct note_key next = key_in(credentials, "keep.log.key.next");
	assert_int_equal(rig_start(r), 0);
	assert_int_equal(rotate(r).status, 0);
	struct note_key says = head(r, text);
	assert_memory_equal(says.public_key, next.public_key, 32);
	get(keys, "log.key", text);
	assert_string_equal(text, "");
	assert_int_equal(rotate(r).status, END_REFUSED); /* there is no further one */
	rig_end(r, SIGTERM);
	assert_int_equal(rig_start(r), 0); /* both are there: the head says which */
	whole(r);
	rig_end(r, SIGTERM);
	get(credentials, "keep.log.key.next", text);
	put(credentials, "keep.log.key", text);
	drop(credentials, "keep.log.key.next");
	assert_int_equal(rig_start(r), 0);
	whole(r);
	rig_end(r, SIGTERM);
	drop(credentials, "keep.log.key");
	assert_int_equal(rig_start(r), 1); /* without any it does not start */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(changes, up, down),
		cmocka_unit_test_setup_teardown(crashes, up, down),
		cmocka_unit_test_setup_teardown(fails, up, down),
		cmocka_unit_test_setup_teardown(sealed, up, down),
		cmocka_unit_test_setup_teardown(leaves, up, down),
	};
	assert(argc == 3 && sodium_init() >= 0);
	keepd_path = argv[1];
	keep_path = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
