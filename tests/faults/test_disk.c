/* A disk that fills: first down to the reserve, then to the last byte. On a small tmpfs of its own. */
#define _GNU_SOURCE
#include "rig.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *keepd_path;
static char disk[64];

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd >= 0) {
		ssize_t n = write(fd, text, strlen(text));
		(void)n; /* mount says whether it worked */
		close(fd);
	}
}

/* A mount namespace of our own, as root or as a user. */
static int mount_small(void **state)
{
	char map[64];
	snprintf(map, sizeof map, "0 %u 1", getuid());
	strcpy(disk, "/tmp/keep-disk.XXXXXX");
	assert_non_null(mkdtemp(disk));
	if (unshare(CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
			put("/proc/self/setgroups", "deny");
			put("/proc/self/uid_map", map);
			put("/proc/self/gid_map", map);
		}
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", disk, "tmpfs", 0, "size=72m") < 0) {
		print_message("no tmpfs of our own: %s\n", strerror(errno));
		rmdir(disk);
		disk[0] = 0;
	}
	return 0;
}

static int unmount(void **state)
{
	if (disk[0]) {
		umount2(disk, MNT_DETACH);
		rmdir(disk);
	}
	return 0;
}

static u64 room(void)
{
	struct statvfs v;
	assert_int_equal(statvfs(disk, &v), 0);
	return v.f_bavail * v.f_frsize;
}

/* Leave so many bytes free. */
static void leave(u64 bytes)
{
	static const char zero[4096];
	char path[128];
	snprintf(path, sizeof path, "%s/filler", disk);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	while (room() > bytes)
		if (write(fd, zero, sizeof zero) <= 0)
			break;
	close(fd);
}

static void unfill(void)
{
	char path[128];
	snprintf(path, sizeof path, "%s/filler", disk);
	unlink(path);
}

/* A number of the status. */
static u64 status_of(int c, const char *key)
{
	char want[64];
	struct rig_answer a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
	snprintf(want, sizeof want, "\"%s\":", key);
	assert_int_equal(a.status, 0);
	const char *at = strstr(a.data, want);
	assert_non_null(at);
	u64 v = strtoull(at + strlen(want), NULL, 10);
	rig_answer_fini(&a);
	return v;
}

static void rig_unloaded(int gate, u64 grant)
{
	assert_int_equal(ipc_send(gate, GATE_UNLOADED, grant, NULL, 0, -1), 0);
}

/* Crossing the marks, up and down, is recorded once each. */
static void marks(void **state)
{
	struct rig r;
	if (!disk[0]) /* only root can mount a small file system */
		skip();
	rig_init(&r, keepd_path, disk);
	assert_int_equal(rig_start(&r), 0);
	int c = rig_client(&r);
	u64 total = status_of(c, "disk_total");
	assert_int_equal(status_of(c, "disk_mark"), 0);
	leave(total / 5);
	while (status_of(c, "disk_mark") != 75)
		usleep(20000);
	leave(total / 50);
	while (status_of(c, "disk_mark") != 95)
		usleep(20000);
	unfill();
	while (status_of(c, "disk_mark") != 0)
		usleep(20000);
	assert_int_equal(rig_count(c, "\"event\":\"storage\"", NULL), 3);
	assert_int_equal(rig_count(c, "\"event\":\"storage\"", "\"level\":75,", NULL), 1);
	assert_int_equal(rig_count(c, "\"event\":\"storage\"", "\"level\":95,\"percent\":9", NULL), 1);
	rig_fini(&r);
}

static u32 ask_session(int c, const char *name)
{
	struct rig_session s;
	struct rig_answer a;
	rig_session_ask(c, 50, name);
	return rig_session_take(c, 50, &s, &a);
}

static void fills(void **state)
{
	static const struct rig_file files[] = { { "x.gguf", "abc" } };
	struct rig r;
	struct rig_session s;
	int gate;
	if (!disk[0]) /* only root can mount a small file system */
		skip();
	rig_init(&r, keepd_path, disk);
	assert_int_equal(rig_start(&r), 0);
	int c = rig_client(&r), auditor = rig_client(&r);
	rig_demo(&r, c, &gate, &s);
	struct rig_begin b = { s.id, 1, REPLAY_NONE, "x" };
	assert_int_equal(rig_begin(c, &b).status, 0);
	rig_take(gate, GATE_TICKET, NULL);

	/* a model larger than what is free beyond the reserve is refused before the first byte */
	struct proto_import big = { .n_files = 1, .bytes = room() - LOG_KEPT_BYTES + 1, .name = "big" };
	struct rig_answer a;
	assert_int_equal(ipc_send(auditor, CTL_IMPORT, 9, &big, sizeof big, 0), 0);
	rig_answer(auditor, 9, &a);
	assert_int_equal(a.status, END_REFUSED);
	assert_non_null(strstr(a.text, "kept for the log"));
	assert_int_equal(ipc_send(auditor, CTL_IMPORT_GO, 9, NULL, 0, -1), 0);

	/* the reserve: nothing new, but what is under way is recorded, the officer acts, the auditor reads */
	leave(LOG_KEPT_BYTES - 4096);
	b.request = 2;
	a = rig_begin(c, &b);
	assert_int_equal(a.status, END_REFUSED);
	assert_non_null(strstr(a.text, "kept for the log"));
	assert_int_equal(ask_session(auditor, "demo"), END_REFUSED);
	assert_int_equal(rig_import(auditor, "x", "good x", files, 1).status, END_REFUSED);
	assert_true(rig_quiet(gate, 50));
	rig_outcome(gate, s.id, 1, "x", "1", FINISH_STOP);
	while (!rig_count(auditor, "\"event\":\"outcome\"", NULL))
		usleep(50000);
	assert_int_equal(rig_name(auditor, CTL_TRUST_RM, "publisher", "", -1).status, 0);
	a = rig_query(auditor, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	unfill();
	assert_int_equal(rig_begin(c, &b).status, 0); /* and on it goes */
	rig_take(gate, GATE_TICKET, NULL);

	/* nothing is free: the reserve gives back, to the auditor who reads and the officer who acts, and to what is under way */
	assert_int_equal(
		status_of(auditor, "disk_reserve"), LOG_RESERVE_BYTES); /* behind it the marks take some */
	leave(0);
	rig_outcome(gate, s.id, 2, "x", "1", FINISH_STOP);
	while (rig_count(auditor, "\"event\":\"outcome\"", NULL) < 2)
		usleep(50000); /* each look is a record, and takes of what is left */
	u64 left = status_of(auditor, "disk_reserve");
	assert_true(left < LOG_RESERVE_BYTES && left > 0);
	assert_true(room() >= LOG_FREE_MIN_BYTES / 2);
	assert_true(rig_count(auditor, "\"event\":\"reserve\",", "\"why\":\"used\"", NULL) >= 1);
	b.request = 3;
	assert_int_equal(rig_begin(c, &b).status, END_REFUSED); /* but to nobody else */
	assert_int_equal(rig_name(auditor, CTL_REVOKE, "demo", "", -1).status, 0);
	rig_take(gate, GATE_SESSION_END, NULL);
	rig_take(gate, GATE_UNLOAD, NULL);
	rig_unloaded(gate, s.grant);
	close(s.sock);

	/* there is room again: the reserve is whole again, and the log says so */
	unfill();
	while (status_of(auditor, "disk_reserve") < LOG_RESERVE_BYTES)
		usleep(20000);
	while (!rig_count(auditor, "\"event\":\"reserve\",", "\"why\":\"whole\"", NULL))
		usleep(20000);
	assert_int_equal(rig_import(auditor, "demo2", "good 2", files, 1).status, 0);
	rig_session_ask(c, 60, "demo2");
	struct rig_grant g = rig_take_grant(gate);
	rig_ready(gate, g.id);
	rig_take(gate, GATE_SESSION, NULL);
	assert_int_equal(rig_session_take(c, 60, &s, &a), 0);
	b = (struct rig_begin){ s.id, 1, REPLAY_NONE, "x" };
	assert_int_equal(rig_begin(c, &b).status, 0);
	rig_take(gate, GATE_TICKET, NULL);

	/* the last byte, and what is given back is taken by somebody else: the write fails, the gate shuts, no ticket leaves */
	struct proto_import half = { .n_files = 2, .bytes = 2, .name = "half" };
	struct proto_file pf = { .bytes = 1, .path = "x" };
	int x = -1, importer = rig_client(&r);
	assert_int_equal(fd_memfd_sealed("x", "x", 1, &x), 0);
	assert_int_equal(ipc_send(importer, CTL_IMPORT, 1, &half, sizeof half, x), 0);
	assert_int_equal(ipc_send(importer, CTL_FILE, 1, &pf, sizeof pf, x), 0);
	a = rig_query(auditor, QUERY_STATUS, 0, 0, NULL); /* both were read by then, while there was room */
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	u32 st = 0;
	for (u32 i = 0; i < 400 && st == 0; i++) { /* several at once: each is answered */
		struct proto_query q = { .what = QUERY_RECORD };
		leave(0);
		for (u64 id = 1; id <= 3; id++)
			assert_int_equal(ipc_send(auditor, CTL_QUERY, id, &q, sizeof q, -1), 0);
		for (u64 id = 1; id <= 3; id++) {
			rig_answer(auditor, id, &a);
			rig_answer_fini(&a);
			assert_true(a.status == 0 || a.status == END_UNDECIDED);
			st |= a.status;
			if (a.status)
				assert_non_null(strstr(a.text, "gate is shut"));
		}
	}
	assert_int_equal(st, END_UNDECIDED);
	rig_answer(importer, 1, &a);
	assert_int_equal(a.status, END_UNDECIDED);
	pf.index = 1;
	assert_int_equal(ipc_send(importer, CTL_FILE, 1, &pf, sizeof pf, x), 0);
	assert_int_equal(ipc_send(importer, CTL_IMPORT_GO, 1, NULL, 0, -1), 0);
	struct ipc_frame f;
	assert_int_equal(rig_recv(s.sock, &f), 1);
	b.request = 2;
	a = rig_begin(c, &b);
	assert_int_equal(a.status, END_REFUSED);
	assert_non_null(strstr(a.text, "gate is shut"));
	while (rig_recv(gate, &f) == 0) {
		assert_int_not_equal(f.h.type, GATE_TICKET);
		ipc_frame_fini(&f);
	}
	a = rig_query(auditor, QUERY_STATUS, 0, 0, NULL); /* reading goes on */
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.data, "\"gate\":\"shut\""));
	rig_answer_fini(&a);
	unfill();
	assert_int_equal(rig_begin(c, &b).status, END_REFUSED); /* until recovery has verified */
	rig_end(&r, SIGTERM);
	assert_int_equal(rig_start(&r), 0);
	c = rig_client(&r);
	a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	assert_int_equal(rig_count(c, "\"event\":\"orphan\"", "found at start", NULL), 1); /* the request */
	rig_fini(&r);
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	keepd_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = { cmocka_unit_test(fills), cmocka_unit_test(marks) };
	return cmocka_run_group_tests(tests, mount_small, unmount);
}
