/* "office": five people, and what takes two of them. Eve asks and her texts are kept; a hold is made and ended; records that are old enough are
 * archived and pruned; the log gets a new key; eve is forgotten, and asks again.
 *
 * What happened before (a model, a setting, 300 records that a witness saw 200 days ago) is told once and copied for each telling. */
#define _GNU_SOURCE
#include "story.h"
#include "audit/subject.h"
#include "audit/tlog/checkpoint.h"
#include "audit/tlog/note.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUESTION "who may read the letter"
#define OLD	 260u /* records at least, before the checkpoint that was seen */
#define DAY_S	 86400u

static const struct rig_person alice = { 1001, 2003, 1 }, bob = { 1002, 2003, 1 }, carol = { 1003, 2004, 1 },
			       dave = { 1004, 2002, 1 }, eve = { 1005, 2001, 1 };

static struct template
{
	char dir[64], store[72];
	struct checkpoint seen;
	char pruned[32]; /* bytes of a record that may be pruned, and of no other */
	struct subject slot;
}
was;

static int memory(const char *text)
{
	int fd = -1;
	assert_int_equal(fd_memfd_sealed("text", text, strlen(text), &fd), 0);
	return fd;
}

static void drop_tree(const char *dir)
{
	char cmd[512];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	assert_int_equal(system(cmd), 0);
}

static void copy_tree(const char *from, const char *to)
{
	char cmd[512];
	snprintf(cmd, sizeof cmd, "cp -a %s %s", from, to);
	assert_int_equal(system(cmd), 0);
}

/* ---- one command of one person, over a connection of its own; keepd may be gone or shut ---- */

static bool lost; /* it is gone: what is sent now would be done at the next start */

static struct rig_answer say(
	struct rig *r, const struct rig_person *who, u32 type, const void *body, u32 len, const char *file)
{
	static u64 id = 50000;
	struct rig_answer a = { .gone = true, .status = 99 };
	if (lost)
		return a;
	int c = rig_client_as(r, who);
	_cleanup_fd_ int fd = file ? memory(file) : -1;
	if (ipc_send(c, type, ++id, body, len, fd) == 0)
		rig_answer(c, id, &a);
	lost = a.gone;
	close(c);
	return a;
}

static struct rig_answer query(struct rig *r, u32 what, u64 first)
{
	struct proto_query q = { .what = what, .first = first, .count = 1 };
	return say(r, &carol, CTL_QUERY, &q, sizeof q, NULL);
}

static bool done(struct acked *k, struct rig_answer a, const char *event)
{
	bool good = story_ack(k, &a, event);
	rig_answer_fini(&a);
	return good;
}

/* Alice proposes, bob approves. The answer to the last that was said. */
static struct rig_answer two(struct rig *r, u32 type, const void *body, u32 len)
{
	struct rig_answer a = say(r, &alice, type, body, len, NULL);
	if (a.status)
		return a;
	struct proto_decide d = { .index = a.index, .approve = 1, .text = "seen" };
	char want[48];
	snprintf(want, sizeof want, "{\"index\":%llu,", (unsigned long long)a.index);
	a = query(r, QUERY_PENDING, 0);
	const char *line = a.data ? strstr(a.data, want) : NULL;
	const char *at = line ? strstr(line, "\"act_digest\":\"") : NULL;
	int bad = at ? bytes_unhex(at + 14, SHA256_BYTES, d.digest) : 1;
	rig_answer_fini(&a);
	return bad ? (struct rig_answer){ .status = 99 } : say(r, &bob, CTL_DECIDE, &d, sizeof d, NULL);
}

/* ---- what happened before ---- */

static void people(struct rig *r)
{
	static char etc[192];
	char path[256];
	snprintf(etc, sizeof etc, "%s/etc", r->root);
	assert_int_equal(mkdir(etc, 0700), 0);
	snprintf(path, sizeof path, "%s/group", etc);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "keep-user:x:2001:\nkeep-operator:x:2002:\nkeep-officer:x:2003:\nkeep-auditor:x:2004:\n");
	fclose(f);
	r->etc = etc;
}

/* A session of eve's; false: there is none. */
static bool session(struct rig *r, int *ret_sock, struct rig_session *ret, struct acked *k)
{
	struct rig_answer a = { .gone = true };
	struct proto_session_want w = { .name = "demo" };
	*ret_sock = rig_client_as(r, &eve);
	*ret = (struct rig_session){ .sock = -1 };
	return ipc_send(*ret_sock, CTL_SESSION, 5, &w, sizeof w, -1) == 0 &&
	       rig_session_take(*ret_sock, 5, ret, &a) == 0 && story_ack(k, &a, "session");
}

static bool asks(int sock, const struct rig_session *s, u64 request, struct acked *k)
{
	rig_begin_ask(sock, &(struct rig_begin){ s->id, request, REPLAY_NONE, QUESTION });
	struct rig_answer a;
	rig_answer(sock, request, &a);
	return story_ack(k, &a, "request");
}

static struct checkpoint newest(struct rig *r, char note[1200])
{
	struct rig_answer a = query(r, QUERY_CHECKPOINT, 0);
	json_t *j = json_loads(a.data, JSON_DISABLE_EOF_CHECK, NULL);
	struct checkpoint cp;
	struct note n;
	snprintf(note, 1200, "%s", json_string_value(json_object_get(j, "note")));
	assert_int_equal(tlog_note_parse(note, strlen(note), &n), 0);
	assert_int_equal(tlog_checkpoint_read(n.text, n.text_len, &cp), 0);
	json_decref(j);
	rig_answer_fini(&a);
	return cp;
}

/* A witness sees the newest checkpoint, so many days ago. */
static struct checkpoint seen(struct rig *r, const struct note_key *w, u64 days)
{
	char note[2400], line[NOTE_SIGNATURE_MAX];
	struct checkpoint cp = newest(r, note);
	size_t len = (size_t)(strstr(note, "\n\n") - note) + 1;
	tlog_note_line(w, note, len, (u64)time(NULL) - days * DAY_S, line);
	strcat(note, line);
	assert_int_equal(say(r, &dave, CTL_COSIGN, NULL, 0, note).status, 0);
	return cp;
}

/* It saw all of this 200 days ago, and is still there. */
static void witnessed(struct rig *r)
{
	char vkey[NOTE_VKEY_MAX], text[NOTE_VKEY_MAX + 64];
	struct note_key w;
	struct proto_name n = { .text = "the second office" };
	assert_int_equal(tlog_note_key_make("example.org/w", NOTE_COSIGNATURE, &w), 0);
	tlog_note_vkey(&w, vkey, sizeof vkey);
	snprintf(text, sizeof text, "witness w %s\nquorum w\n", vkey);
	assert_int_equal(say(r, &alice, CTL_WITNESSES, &n, sizeof n, text).status, 0);
	was.seen = seen(r, &w, 200);
	(void)seen(r, &w, 0);
}

/* Every request has its outcome. */
static void settled(struct rig *r)
{
	for (bool open = true; open; usleep(1000)) {
		struct rig_answer a = query(r, QUERY_STATUS, 0);
		open = !strstr(a.data, "\"requests_open\":0,");
		rig_answer_fini(&a);
	}
}

static void first_use(struct rig *r)
{
	struct acked k = { 0 };
	struct rig_session s;
	int sock;
	assert_true(session(r, &sock, &s, &k));
	for (u64 i = 1; i <= OLD / 2; i++) {
		k.n = 0;
		assert_true(asks(sock, &s, i, &k));
		if (i % TICKETS_WAITING_MAX == 0) /* a runtime that the machine lets wait, too */
			settled(r);
	}
	settled(r);
	close(sock);
	close(s.sock);
}

/* Bytes by which the record at the index is known wherever it stands. */
static void remember(struct rig *r, u64 index)
{
	struct rig_answer a = query(r, QUERY_RECORD, index);
	const char *at = a.data ? strstr(a.data, "\"time_ns\":") : NULL;
	assert_non_null(at);
	assert_true(strstr(a.data, "\"event\":\"request\"") || strstr(a.data, "\"event\":\"outcome\""));
	snprintf(was.pruned, sizeof was.pruned, "%.29s", at);
	rig_answer_fini(&a);
}

static void clean_up(void)
{
	drop_tree(was.dir);
}

static void make_template(struct rig *r)
{
	static const struct rig_file files[] = { { "w.gguf", "weights" }, { "LICENSE", "free" } };
	struct proto_trust t = { .kind = TRUST_KEY, .name = "publisher" };
	struct proto_retain keep = { .texts = TEXTS_CONTENT, .days = { 183, 183 }, .reason = "the board" };
	assert_int_equal(rig_start(r), 0);
	assert_int_equal(say(r, &alice, CTL_TRUST_ADD, &t, sizeof t, "a key").status, 0);
	int c = rig_client_as(r, &dave);
	assert_int_equal(rig_import(c, "demo", "good", files, 2).status, 0);
	close(c);
	assert_int_equal(say(r, &alice, CTL_RETAIN, &keep, sizeof keep, NULL).status, 0);
	first_use(r);
	witnessed(r);
	assert_true(was.seen.size >= OLD);
	remember(r, 100);
	rig_end(r, SIGTERM);
	strcpy(was.dir,
		access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-office.XXXXXX" : "/tmp/keep-office.XXXXXX");
	assert_non_null(mkdtemp(was.dir));
	atexit(clean_up);
	snprintf(was.store, sizeof was.store, "%s/store", was.dir);
	copy_tree(r->store, was.store);
}

void office_before(struct rig *r, struct acked *k)
{
	char path[256];
	people(r);
	lost = false;
	if (!was.dir[0])
		make_template(r);
	drop_tree(r->store);
	copy_tree(was.store, r->store);
	snprintf(path, sizeof path, "%s/keys/subjects", r->store);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_pread_all(fd, &was.slot, sizeof was.slot, 0), 0);
	assert_string_equal(was.slot.name, "uid:1005");
	story_forget();
}

/* ---- the story ---- */

static void held(struct rig *r, struct acked *k)
{
	struct proto_hold hold = { .name = "case-7", .subject = "uid:1005", .to = UINT64_MAX };
	struct proto_name name = { .name = "case-7" };
	done(k, say(r, &carol, CTL_HOLD_ADD, &hold, sizeof hold, NULL), "hold-add");
	done(k, two(r, CTL_HOLD_RM, &name, sizeof name), "hold-remove");
}

static void pruned(struct rig *r, struct acked *k)
{
	struct proto_archive p = { .to = 256, .size = was.seen.size, .label = "shelf 4" };
	memcpy(p.root, was.seen.root.b, sizeof p.root);
	memset(p.digest, 0xa5, sizeof p.digest);
	struct rig_answer a = say(r, &carol, CTL_ARCHIVED, &p, sizeof p, NULL);
	struct proto_prune w = { .archive = a.index, .text = "kept long enough" };
	if (done(k, a, "archive"))
		done(k, two(r, CTL_PRUNE, &w, sizeof w), "prune");
}

void office_tell(struct rig *r, struct acked *k)
{
	struct proto_name year = { .text = "every year" },
			  who = { .name = "uid:1005", .text = "she asked for it" };
	struct rig_session s;
	int sock;
	lost = false;
	bool good = session(r, &sock, &s, k) && asks(sock, &s, 1, k);
	held(r, k);
	pruned(r, k);
	done(k, two(r, CTL_ROTATE, &year, sizeof year), "key");
	for (u32 i = 0; i < 5000; i++) { /* not while a request of hers runs; ten seconds, as rig_recv */
		struct rig_answer a = query(r, QUERY_STATUS, 0);
		bool open = a.data && !strstr(a.data, "\"requests_open\":0,");
		rig_answer_fini(&a);
		if (!open)
			break;
		usleep(2000);
	}
	done(k, two(r, CTL_ERASE, &who, sizeof who), "erase");
	good = good && asks(sock, &s, 2, k);
	close(sock);
	fd_close(&s.sock);
	k->whole = good && k->n == 9;
}

/* ---- what must hold ---- */

static const void *sought;
static size_t sought_len;
static bool found;

static int look(const char *path, const struct stat *st, int type, struct FTW *f)
{
	_cleanup_fd_ int fd = -1;
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size == 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_read_file(fd, 1u << 30, &data, &len), 0);
	found |= memmem(data, len, sought, sought_len) != NULL;
	return 0;
}

static bool holds(struct rig *r, const void *what, size_t len)
{
	sought = what;
	sought_len = len;
	found = false;
	assert_int_equal(nftw(r->store, look, 16, FTW_PHYS), 0);
	return found;
}

/* Is there a record of that event? */
static bool recorded(struct rig *r, const char *event)
{
	int c = rig_client_as(r, &carol);
	char want[64];
	snprintf(want, sizeof want, "\"event\":\"%s\"", event);
	u32 n = rig_count(c, want, NULL);
	close(c);
	return n > 0;
}

static void expect(bool is, bool should, const char *fault, const char *what)
{
	if (is != should)
		fail_msg("%s: %s", fault, what);
}

void office_after(struct rig *r, const struct acked *k, const char *fault)
{
	bool erased = recorded(r, "erase"), gone = recorded(r, "prune");
	expect(holds(r, was.slot.key, sizeof was.slot.key), !erased, fault,
		erased ? "her key is still there" : "nobody erased her, and her key is gone");
	expect(holds(r, was.slot.salt, sizeof was.slot.salt), !erased, fault,
		erased ? "her salt is still there" : "nobody erased her, and her salt is gone");
	expect(recorded(r, "erased"), erased, fault, "an erasure has no end");
	expect(holds(r, was.pruned, strlen(was.pruned)), !gone, fault,
		gone ? "a pruned record is still there" : "nobody pruned it, and a record is gone");
	expect(holds(r, QUESTION, strlen(QUESTION)) || holds(r, STORY_ANSWER, strlen(STORY_ANSWER)), false,
		fault, "a text stands in the clear");
	static const char *const others[] = { "log.key.next", "new" };
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		char path[256];
		snprintf(path, sizeof path, "%s/keys/%s", r->store, others[i]);
		expect(access(path, F_OK) == 0, false, fault, "a second key of the log lies there");
	}
}
