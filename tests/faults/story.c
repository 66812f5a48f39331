#define _GNU_SOURCE
#include "story.h"
#include "audit/tlog/note.h"
#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HELD	8u /* tickets that the fake runtime lets wait */
#define IDLE_MS 10

/* What the fake runtime saw, in shared memory: it is a process of its own. */
static struct seen {
	u32 n_tickets;
	u64 tickets[64]; /* indices of the intents */
	u32 n_loads;
} * seen;

void story_setup(void)
{
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen != MAP_FAILED);
}

static int memory_text(const char *text)
{
	int fd = -1;
	assert_int_equal(fd_memfd_sealed("text", text, strlen(text), &fd), 0);
	return fd;
}

static int answer(int s, const struct ipc_frame *ticket)
{
	struct proto_ticket t;
	memcpy(&t, ticket->body, sizeof t);
	struct proto_outcome o = { .session = t.session, .finish = FINISH_STOP, .kv_mode = KV_F16 };
	memcpy(o.request, t.digest, sizeof o.request);
	if (t.keep) {
		struct proto_answer p = { .session = t.session, .bytes = strlen(STORY_ANSWER) };
		int fd = memory_text(STORY_ANSWER);
		int r = ipc_send(s, GATE_ANSWER, ticket->h.id, &p, sizeof p, fd);
		close(fd);
		sha256_of(STORY_ANSWER, strlen(STORY_ANSWER), o.text);
		if (r)
			return r;
	}
	return ipc_send(s, GATE_OUTCOME, ticket->h.id, &o, sizeof o, -1);
}

/* Answer what waits when HELD tickets do, or none came for a while: so that requests come while others have their ticket and no outcome. */
static void runtime_conn(int s)
{
	static struct ipc_frame held[HELD];
	struct ipc_frame f;
	u32 n = 0;
	u64 unload = 0;
	for (int r = 0; !r;) {
		struct pollfd p = { .fd = s, .events = POLLIN };
		bool now = unload || n == HELD || (n && poll(&p, 1, IDLE_MS) == 0);
		for (u32 i = 0; now && i < n && !r; i++)
			r = answer(s, &held[i]);
		n = now ? 0 : n;
		if (unload && !r)
			r = ipc_send(s, GATE_UNLOADED, unload, NULL, 0, -1);
		unload = 0;
		if (now && !r)
			continue;
		if (r || ipc_recv(s, &f))
			break;
		if (f.h.type == GATE_LOAD) {
			struct proto_ready ready = { .device = "fake", .kv_mode = KV_F16, .ctx_tokens = 64 };
			seen->n_loads++;
			r = ipc_send(s, GATE_READY, f.h.id, &ready, sizeof ready, -1);
		} else if (f.h.type == GATE_TICKET) {
			struct proto_ticket t;
			memcpy(&t, f.body, sizeof t);
			seen->tickets[seen->n_tickets++ % ARRAY_LEN(seen->tickets)] = t.index;
			held[n++] = f;
		} else if (f.h.type == GATE_UNLOAD) {
			unload = f.h.id;
		}
		ipc_frame_fini(&f);
	}
	close(s);
}

void story_forget(void)
{
	memset(seen, 0, sizeof *seen);
}

pid_t story_runtime(int listening)
{
	story_forget();
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int s = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		if (s >= 0)
			runtime_conn(s);
	}
}

bool story_ack(struct acked *k, const struct rig_answer *a, const char *event)
{
	if (a->gone || a->status != END_DONE)
		return false;
	assert_true(k->n < ACKED_MAX);
	k->a[k->n].index = a->index;
	k->a[k->n++].event = event;
	return true;
}

/* Sends fail silently when keepd is gone; the answer says so. */
static struct rig_answer ask_name(int c, u32 type, const char *name, int fd)
{
	struct proto_name n = { 0 };
	struct rig_answer a = { .gone = true, .status = 99 };
	snprintf(n.name, sizeof n.name, "%s", name);
	if (ipc_send(c, type, 77, &n, sizeof n, fd) == 0)
		rig_answer(c, 77, &a);
	return a;
}

/* A certificate root with its file: what it vouches for is keep-attest's, which is a fake here. */
static struct rig_answer ask_trust(int c, u32 kind, const char *name, const char *text, bool replace)
{
	struct proto_trust t = { .kind = kind, .replace = replace };
	struct rig_answer a = { .gone = true, .status = 99 };
	int fd = memory_text(text);
	snprintf(t.name, sizeof t.name, "%s", name);
	if (ipc_send(c, CTL_TRUST_ADD, 78, &t, sizeof t, fd) == 0)
		rig_answer(c, 78, &a);
	close(fd);
	return a;
}

static void tell_models(struct rig *r, struct acked *k)
{
	static const struct rig_file files[] = { { "w.gguf", "weights" }, { "LICENSE", "free" } };
	struct rig_session s;
	struct rig_answer a;
	int c = rig_client(r), policy = memory_text("policy");
	for (u32 i = 0; i < 3; i++) {
		a = ask_trust(c, i ? TRUST_ROOT : TRUST_KEY, i ? "root" : "publisher", i == 1 ? "one" : "two",
			i == 2);
		story_ack(k, &a, "trust-add");
		if (a.gone)
			goto out;
	}
	a = ask_name(c, CTL_POLICY_SET, "", policy);
	story_ack(k, &a, "policy-set");
	if (a.gone)
		goto out;
	for (int i = 0; i < 2; i++) {
		a = rig_import(c, i ? "second" : "first", i ? "two" : "one", files, 2);
		story_ack(k, &a, "import-verdict");
		if (a.gone)
			goto out;
	}
	struct proto_session_want w = { .name = "first" };
	if (ipc_send(c, CTL_SESSION, 5, &w, sizeof w, -1))
		goto out;
	u32 st = rig_session_take(c, 5, &s, &a);
	if (a.gone)
		goto out;
	if (st == 0)
		story_ack(k, &a, "session");
	for (u32 i = 1; i <= 3; i++) {
		a = rig_begin(c, &(struct rig_begin){ s.id, i, REPLAY_NONE, "hello" });
		story_ack(k, &a, "request");
		if (a.gone)
			goto out;
	}
	a = ask_name(c, CTL_REVOKE, "first", -1);
	story_ack(k, &a, "revoke");
	if (a.gone)
		goto out;
	a = ask_name(c, CTL_REMOVE, "second", -1);
	story_ack(k, &a, "model-remove");
	k->whole = k->n == 12;
out:
	close(policy);
	close(c);
}

/* ---- many at once ---- */

#define CROWD 3u
#define EACH  4u /* requests on the way at once, of each client */

/* Requests first to first + EACH - 1 of every client, all sent before the first answer is read. */
static u32 crowd_asks(const int *sock, const struct rig_session *s, u64 first, struct acked *k)
{
	u32 granted = 0;
	for (u64 i = 0; i < EACH; i++)
		for (u32 c = 0; c < CROWD; c++)
			rig_begin_ask(
				sock[c], &(struct rig_begin){ s[c].id, first + i, REPLAY_NONE, "hello" });
	for (u32 c = 0; c < CROWD; c++)
		for (u64 i = 0; i < EACH; i++) {
			struct rig_answer a;
			rig_answer(sock[c], first + i, &a);
			granted += story_ack(k, &a, "request");
			if (a.gone)
				return granted;
		}
	return granted;
}

static const char *field(const char *json, const char *key)
{
	char want[32];
	snprintf(want, sizeof want, "\"%s\":\"", key);
	const char *at = json ? strstr(json, want) : NULL;
	return at ? at + strlen(want) : NULL;
}

/* A JSON string into out, its line feeds back. */
static void unescape(const char *s, char *out, size_t cap)
{
	size_t n = 0;
	for (; s && *s && *s != '"' && n + 1 < cap; s++)
		out[n++] = *s == '\\' && s[1] == 'n' ? (s++, '\n') : *s;
	out[n] = 0;
}

/* The newest checkpoint, cosigned by a witness that the policy names, comes home. True: both were granted. */
static bool witnessed(int c, struct acked *k)
{
	struct note_key w;
	char vkey[NOTE_VKEY_MAX], text[NOTE_VKEY_MAX + 64], note[4096], line[NOTE_SIGNATURE_MAX], all[8192];
	assert_int_equal(tlog_note_key_make("witness.example", NOTE_COSIGNATURE, &w), 0);
	tlog_note_vkey(&w, vkey, sizeof vkey);
	snprintf(text, sizeof text, "witness w %s\nquorum w\n", vkey);
	int fd = memory_text(text);
	struct rig_answer a = ask_name(c, CTL_WITNESSES, "", fd);
	close(fd);
	bool good = story_ack(k, &a, "witnesses");
	if (a.gone)
		return false;
	struct proto_query q = { .what = QUERY_CHECKPOINT };
	a = (struct rig_answer){ .gone = true };
	if (ipc_send(c, CTL_QUERY, 78, &q, sizeof q, -1) == 0)
		rig_answer(c, 78, &a);
	if (a.gone || a.status)
		return false;
	unescape(field(a.data, "note"), note, sizeof note);
	rig_answer_fini(&a);
	struct note n;
	assert_int_equal(tlog_note_parse(note, strlen(note), &n), 0);
	tlog_note_line(&w, n.text, n.text_len, (u64)time(NULL), line);
	snprintf(all, sizeof all, "%s%s", note, line);
	fd = memory_text(all);
	a = (struct rig_answer){ .gone = true };
	if (ipc_send(c, CTL_COSIGN, 79, NULL, 0, fd) == 0)
		rig_answer(c, 79, &a);
	close(fd);
	return story_ack(k, &a, "cosign") && good;
}

static void tell_crowd(struct rig *r, struct acked *k)
{
	static const struct rig_file files[] = { { "w.gguf", "weights" }, { "LICENSE", "free" } };
	int sock[CROWD];
	struct rig_session s[CROWD] = { { .sock = -1 }, { .sock = -1 }, { .sock = -1 } };
	struct rig_answer a;
	u32 sessions = 0;
	for (u32 i = 0; i < CROWD; i++)
		sock[i] = rig_client(r);
	a = rig_import(sock[0], "first", "one", files, 2);
	bool good = story_ack(k, &a, "import-verdict");
	for (u32 i = 0; i < CROWD && !a.gone; i++) {
		struct proto_session_want w = { .name = "first" };
		if (ipc_send(sock[i], CTL_SESSION, 5, &w, sizeof w, -1) ||
			rig_session_take(sock[i], 5, &s[i], &a) == 99)
			break;
		sessions += story_ack(k, &a, "session");
	}
	if (!a.gone && crowd_asks(sock, s, 1, k) == CROWD * EACH && witnessed(sock[0], k)) {
		/* a revocation among requests: those before it are granted, those behind it are not */
		for (u64 i = 0; i < EACH; i++)
			rig_begin_ask(
				sock[1], &(struct rig_begin){ s[1].id, EACH + 1 + i, REPLAY_NONE, "x" });
		a = ask_name(sock[0], CTL_REVOKE, "first", -1);
		k->whole = good && sessions == CROWD && story_ack(k, &a, "revoke");
		for (u64 i = 0; i < EACH && !a.gone; i++) {
			rig_answer(sock[1], EACH + 1 + i, &a);
			story_ack(k, &a, "request");
		}
	}
	for (u32 i = 0; i < CROWD; i++) {
		close(sock[i]);
		fd_close(&s[i].sock);
	}
}

/* ---- requests while others have no outcome yet ---- */

static void tell_stream(struct rig *r, struct acked *k)
{
	static const struct rig_file files[] = { { "w.gguf", "weights" }, { "LICENSE", "free" } };
	struct rig_session s = { .sock = -1 };
	struct rig_answer a;
	u32 granted = 0, waves = 6, each = 4;
	int c = rig_client(r);
	a = rig_import(c, "first", "one", files, 2);
	bool good = story_ack(k, &a, "import-verdict");
	struct proto_session_want w = { .name = "first" };
	if (a.gone || ipc_send(c, CTL_SESSION, 5, &w, sizeof w, -1) || rig_session_take(c, 5, &s, &a))
		goto out;
	story_ack(k, &a, "session");
	for (u64 i = 1; i <= waves * each + each; i++) {
		if (i <= waves * each)
			rig_begin_ask(c, &(struct rig_begin){ s.id, i, REPLAY_NONE, "hello" });
		if (i <= each) /* so many are always on the way */
			continue;
		rig_answer(c, i - each, &a);
		granted += story_ack(k, &a, "request");
		if (a.gone)
			goto out;
	}
	k->whole = good && granted == waves * each;
out:
	fd_close(&s.sock);
	close(c);
}

/* ---- a start after a crash ---- */

static void crash_first(struct rig *r, struct acked *k)
{
	assert_int_equal(rig_start(r), 0);
	tell_crowd(r, k);
	rig_end(r, SIGKILL);
	k->whole = false;
}

/* The start was the story; one more record says that it serves. */
static void tell_recovery(struct rig *r, struct acked *k)
{
	int c = rig_client(r);
	struct rig_answer a = ask_trust(c, TRUST_ROOT, "root", "one", false);
	k->whole = story_ack(k, &a, "trust-add");
	close(c);
}

const struct story stories[] = {
	{ .name = "models", .tell = tell_models },
	{ .name = "crowd", .tell = tell_crowd },
	{ .name = "stream", .tell = tell_stream },
	{ .name = "recovery", .tell = tell_recovery, .before = crash_first },
	{ .name = "office",
		.tell = office_tell,
		.before = office_before,
		.after = office_after,
		.files = true },
};
const u32 n_stories = ARRAY_LEN(stories);

/* ---- what must hold ---- */

static u32 count_in(const char *data, const char *a, const char *b)
{
	u32 n = 0;
	for (const char *line = data; *line; line = strchr(line, '\n') + 1) {
		size_t len = (size_t)(strchr(line, '\n') - line);
		n += memmem(line, len, a, strlen(a)) && memmem(line, len, b, strlen(b));
	}
	return n;
}

static void check_records(const char *data, const struct acked *k, const char *fault)
{
	char index[64];
	for (u32 i = 0; i < k->n; i++) {
		char event[64];
		snprintf(index, sizeof index, "{\"v\":1,\"index\":%llu,", (unsigned long long)k->a[i].index);
		snprintf(event, sizeof event, "\"event\":\"%s\"", k->a[i].event);
		if (count_in(data, index, event) != 1)
			fail_msg("%s: record %llu (%s) was acknowledged and is gone", fault,
				(unsigned long long)k->a[i].index, k->a[i].event);
	}
	for (u32 i = 0; i < seen->n_tickets; i++) {
		snprintf(index, sizeof index, "{\"v\":1,\"index\":%llu,",
			(unsigned long long)seen->tickets[i]);
		if (count_in(data, index, "\"event\":\"request\"") != 1)
			fail_msg("%s: a ticket for %llu was out, and there is no such record", fault,
				(unsigned long long)seen->tickets[i]);
	}
	/* every intent is answered once */
	static const char *const intents[] = { "import-intent", "grant", "request", "erase" };
	for (const char *line = data; *line; line = strchr(line, '\n') + 1) {
		unsigned long long at = strtoull(line + strlen("{\"v\":1,\"index\":"), NULL, 10);
		size_t len = (size_t)(strchr(line, '\n') - line);
		for (size_t i = 0; i < ARRAY_LEN(intents); i++) {
			char event[64], intent[64];
			snprintf(event, sizeof event, "\"event\":\"%s\"", intents[i]);
			snprintf(intent, sizeof intent, "\"intent\":%llu,", at);
			if (memmem(line, len, event, strlen(event)) && count_in(data, intent, "") != 1)
				fail_msg("%s: intent %llu has %u answers", fault, at,
					count_in(data, intent, ""));
		}
	}
}

/* The store and the state agree: stored models can be opened, and there are no other directories. */
static void check_store(struct rig *r, int c, const char *fault)
{
	struct rig_answer a = rig_query(c, QUERY_MODELS, 0, 0, NULL);
	u32 stored = count_in(a.data, "\"stored\":true", ""), n = 99;
	char cmd[512];
	rig_answer_fini(&a);
	snprintf(cmd, sizeof cmd,
		"[ $(ls %s/models | wc -l) = %u ] && [ $(find %s/models -type f | wc -l) = %u ]", r->store,
		stored, r->store, stored * 5);
	if (system(cmd))
		fail_msg("%s: the log speaks of %u stored models, the store does not hold them", fault,
			stored);
	snprintf(cmd, sizeof cmd, "[ -z \"$(ls %s/staging)\" ]", r->store);
	for (u32 i = 0; i < 100 && n; i++) {
		n = system(cmd) ? 1 : 0;
		if (n)
			usleep(10000);
	}
	if (n)
		fail_msg("%s: staging is not empty", fault);
}

int story_reader(struct rig *r)
{
	static const struct rig_person auditor = { 1003, 2004, 1 };
	return r->etc ? rig_client_as(r, &auditor) : rig_client(r);
}

/* What is open, by the log: the answer to a verification. */
static void verified(int c, const char *fault, const char *open, bool *ret_is)
{
	struct rig_answer a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	if (a.status != 0 || !strstr(a.data, "\"ok\":true"))
		fail_msg("%s: verify: %s", fault, a.data);
	*ret_is = strstr(a.data, open) != NULL;
	rig_answer_fini(&a);
}

/* Only what waits for a second person may stay open; a session that was asked for while keepd was dead may be on its way still. */
static void check_log(int c, const char *fault)
{
	struct rig_answer a = rig_query(c, QUERY_PENDING, 0, 0, NULL);
	char open[32];
	bool is = false;
	snprintf(open, sizeof open, "\"open_intents\":%u,", a.data ? count_in(a.data, "\"act\":", "") : 0);
	rig_answer_fini(&a);
	for (u32 i = 0; i < 200 && !is; i++) {
		if (i)
			usleep(10000);
		verified(c, fault, open, &is);
	}
	if (!is)
		fail_msg("%s: verify: not %s", fault, open);
}

void story_check(struct rig *r, const struct story *s, const struct acked *k, const char *fault)
{
	r->env = NULL;
	if (rig_start(r))
		fail_msg("%s: keepd does not start again", fault);
	int c = story_reader(r);
	check_log(c, fault);
	struct rig_answer a = rig_query(c, QUERY_RECORDS, 0, 0, NULL);
	check_records(a.data, k, fault);
	rig_answer_fini(&a);
	check_store(r, c, fault);
	close(c);
	if (s->after)
		s->after(r, k, fault);
}
