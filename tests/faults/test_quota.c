/* Quotas over the real gate: what is charged, what is left, who is refused; exact when many ask at once, and across restarts of every kind. */
#define _GNU_SOURCE
#include "rig.h"
#include "base/fd.h"
#include "base/quota.h"
#include "base/request.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY_S  86400
#define NOON_S 43200
#define CTX    64u /* what rig_ready says */
#define MANY   16u

enum { USERS = 2001, OPERATORS, OFFICERS, AUDITORS };
static const struct rig_person alice = { 1001, OFFICERS, 1 }, carol = { 1003, AUDITORS, 1 },
			       dave = { 1004, OPERATORS, 1 }, eve = { 1005, USERS, 1 },
			       gateway = { 1009, USERS, 1 };
static const char *keepd_path;
static char etc[192], clock_path[192], clock_env[224];
static struct rig r;

static void put(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", etc, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* Some seconds behind noon, so many days from now: no minute ends while a story is told. */
static void set_day(u32 days)
{
	static char page[4096];
	i64 now = (i64)time(NULL), want = now - now % DAY_S + NOON_S + DAY_S * (i64)(days + 1);
	memset(page, 0, sizeof page);
	snprintf(page, sizeof page, "%lld\n", (long long)(want - now));
	int fd = open(clock_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_pwrite_all(fd, page, sizeof page, 0), 0);
	close(fd);
}

static int up(void **state)
{
	rig_init(&r, keepd_path, NULL);
	snprintf(etc, sizeof etc, "%s/etc", r.root);
	snprintf(clock_path, sizeof clock_path, "%s/clock", r.root);
	snprintf(clock_env, sizeof clock_env, "KEEP_TEST_CLOCK=%s", clock_path);
	assert_int_equal(mkdir(etc, 0700), 0);
	put("group",
		"keep-user:x:2001:\nkeep-operator:x:2002:\nkeep-officer:x:2003:\nkeep-auditor:x:2004:\n");
	put("passwd", "keep-gateway:x:1009:1009::/:/bin/false\n");
	set_day(0);
	r.etc = etc;
	r.env = clock_env;
	return rig_start(&r);
}

static int down(void **state)
{
	rig_fini(&r);
	return 0;
}

/* ---- words ----------------------------------------------------------------------------------------------------------------- */

static struct rig_answer install_as(const struct rig_person *who, const char *text)
{
	_cleanup_fd_ int c = rig_client_as(&r, who), fd = memfd_create("quotas", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	return rig_name(c, CTL_QUOTA_SET, "", "as agreed", fd);
}

static void install(const char *text)
{
	assert_int_equal(install_as(&alice, text).status, END_DONE);
}

struct place { /* of somebody with the model */
	int c, gate;
	struct rig_session s;
	u64 last;
};

/* Trust and import: once. */
static void demo(void)
{
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" } };
	_cleanup_fd_ int a = rig_client_as(&r, &alice), d = rig_client_as(&r, &dave),
			 pem = memfd_create("key", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(pem, "a key", 5), 0);
	assert_int_equal(rig_name(a, CTL_TRUST_ADD, "publisher", "", pem).status, 0);
	assert_int_equal(rig_import(d, "demo", "good", files, 1).status, 0);
}

static u32 seat(struct place *p, const struct rig_person *who, const char *principal, struct rig_answer *a)
{
	struct proto_session_want w = { .name = "demo" };
	p->c = rig_client_as(&r, who);
	p->last = 0;
	if (principal[0]) {
		_cleanup_fd_ int officer = rig_client_as(&r, &alice);
		rig_prove(officer, p->c, principal);
	}
	assert_int_equal(ipc_send(p->c, CTL_SESSION, 5, &w, sizeof w, -1), 0);
	if (p->gate < 0) { /* the first of this keepd: it connects to the runtime */
		p->gate = rig_runtime(&r);
		rig_ready(p->gate, rig_take_grant(p->gate).id);
	}
	u32 status = rig_session_take(p->c, 5, &p->s, a);
	if (!status)
		rig_take(p->gate, GATE_SESSION, NULL);
	return status;
}

/* A place at a gate that another one has opened. */
static struct place sits(int gate, const struct rig_person *who, const char *principal)
{
	struct place p = { .gate = gate };
	struct rig_answer a;
	assert_int_equal(seat(&p, who, principal, &a), 0);
	return p;
}

static struct request_header header(u32 kind, u32 max_tokens)
{
	return (struct request_header){
		.magic = { 'K', 'E', 'E', 'P', 'R', 'E', 'Q', '1' }, .kind = kind, .max_tokens = max_tokens
	};
}

static void ask(struct place *p, const struct request_header *h)
{
	struct proto_begin b = { .session = p->s.id, .replay_of = REPLAY_NONE };
	_cleanup_fd_ int fd = -1;
	sha256_of(h, sizeof *h, b.digest);
	assert_int_equal(fd_memfd_sealed("request", h, sizeof *h, &fd), 0);
	assert_int_equal(ipc_send(p->c, CTL_BEGIN, ++p->last, &b, sizeof b, fd), 0);
}

static struct proto_end end_of(struct place *p)
{
	struct ipc_frame f;
	struct proto_end e;
	assert_int_equal(rig_recv(p->c, &f), 0);
	assert_int_equal(f.h.type, CTL_END);
	memcpy(&e, f.body, sizeof e);
	ipc_frame_fini(&f);
	return e;
}

static struct proto_end begin(struct place *p, u32 max_tokens)
{
	struct request_header h = header(REQUEST_GENERATE, max_tokens);
	ask(p, &h);
	return end_of(p);
}

static struct proto_ticket ticket(const struct place *p)
{
	struct ipc_frame f = rig_take(p->gate, GATE_TICKET, NULL);
	struct proto_ticket t;
	memcpy(&t, f.body, sizeof t);
	return t;
}

/* The ticket that a request gets: it is let through. */
static u32 tokens(struct place *p, u32 max_tokens)
{
	assert_int_equal(begin(p, max_tokens).status, END_DONE);
	return ticket(p).tokens_max;
}

static void outcome(
	const struct place *p, u64 request, u32 max_tokens, u32 n_prompt, u32 n_generated, u32 finish)
{
	struct request_header h = header(REQUEST_GENERATE, max_tokens);
	struct proto_outcome o = { .session = p->s.id,
		.finish = finish,
		.n_prompt = n_prompt,
		.n_generated = n_generated,
		.kv_mode = KV_F16 };
	sha256_of(&h, sizeof h, o.request);
	assert_int_equal(ipc_send(p->gate, GATE_OUTCOME, request, &o, sizeof o, -1), 0);
}

static u32 count(const char *what)
{
	_cleanup_fd_ int c = rig_client_as(&r, &carol);
	return rig_count(c, what, NULL);
}

static void await(const char *what, u32 n)
{
	for (u32 i = 0; i < 5000 && count(what) < n; i++)
		usleep(1000);
	assert_int_equal(count(what), n);
}

/* What somebody is told about a principal. */
static void usage_says(const struct rig_person *who, const char *name, const char *want)
{
	_cleanup_fd_ int c = rig_client_as(&r, who);
	struct rig_answer a = rig_query(c, QUERY_USAGE, 0, 0, name);
	assert_int_equal(a.status, 0);
	if (!strstr(a.data, want))
		fail_msg("%s is not in %s", want, a.data);
	rig_answer_fini(&a);
}

/* ---- stories --------------------------------------------------------------------------------------------------------------- */

#define SPENT "\"event\":\"quota-spent\""

/* What runs is charged with what it may become, and gives back what it was not. */
static void charged(void **state)
{
	demo();
	install("[principal uid:1005]\ntokens-per-day = 100\n[role operator]\nparallel = 0\n");
	struct rig_answer a;
	struct place p = { .gate = -1 };
	assert_int_equal(seat(&p, &eve, "", &a), 0);
	assert_int_equal(tokens(&p, 20), CTX);
	struct proto_end e = begin(&p, 20);
	assert_true(e.status == END_DONE && e.retry_s > DAY_S / 2 - 60 && e.retry_s <= DAY_S / 2);
	assert_int_equal(ticket(&p).tokens_max, 100 - CTX);
	e = begin(&p, 20);
	assert_true(e.status == END_SPENT && e.retry_s > DAY_S / 2 - 60 && e.retry_s <= DAY_S / 2);
	assert_non_null(strstr(e.text, "0 of the 100 tokens of this day are left (line 1 of the quotas)"));
	assert_int_equal(begin(&p, 20).status, END_SPENT);
	await(SPENT, 1);
	outcome(&p, 1, 20, 3, 2, FINISH_STOP);
	await("\"event\":\"outcome\"", 1);
	assert_int_equal(tokens(&p, 20), CTX - 5);
	usage_says(&eve, "",
		"\"tokens_per_day\":100,\"running\":2,\"minute_requests\":3,\"minute_tokens\":100,\"day_"
		"tokens\":100}");
	outcome(&p, 2, 20, 0, 0, FINISH_REFUSED); /* whatever it says: nothing was computed */
	await("\"event\":\"outcome\"", 2);
	usage_says(&eve, "", "\"day_tokens\":64}");
	await("\"quota\":{\"principal\":\"uid:1005\",\"at_s\":", 5);
	/* a runtime that says more than its ticket allows is none of ours */
	outcome(&p, 5, 20, CTX, 1, FINISH_STOP);
	await("\"event\":\"runtime-lost\"", 1);
	usage_says(&eve, "", "\"day_tokens\":64}");
}

static void exact(void **state)
{
	struct place all[MANY];
	struct rig_answer a;
	u64 sum = 0;
	u32 n = 0, refused = 0;
	demo();
	install("[everyone]\ntokens-per-day = 500\n");
	all[0] = (struct place){ .gate = -1 };
	assert_int_equal(seat(&all[0], &eve, "", &a), 0);
	for (u32 i = 1; i < MANY; i++)
		all[i] = sits(all[0].gate, &eve, "");
	struct request_header h = header(REQUEST_GENERATE, 30);
	for (u32 round = 0; round < 4; round++)
		for (u32 i = 0; i < MANY; i++)
			ask(&all[i], &h);
	for (u32 round = 0; round < 4; round++)
		for (u32 i = 0; i < MANY; i++) {
			struct proto_end e = end_of(&all[i]);
			assert_true(e.status == END_DONE || e.status == END_SPENT);
			refused += e.status == END_SPENT;
			n += e.status == END_DONE;
		}
	for (u32 i = 0; i < n; i++)
		sum += ticket(&all[0]).tokens_max;
	assert_int_equal(n, 500 / CTX + 1); /* seven whole contexts, and the rest of 52 */
	assert_int_equal(sum, 500);
	assert_int_equal(n + refused, 4 * MANY);
	usage_says(&carol, "uid:1005", "\"day_tokens\":500}");
}

/* Crash, stop, another day, another file. */
static void remembered(void **state)
{
	struct rig_answer a;
	struct place p = { .gate = -1 };
	demo();
	install("[principal uid:*]\ntokens-per-day = 200\n");
	assert_int_equal(seat(&p, &eve, "", &a), 0);
	assert_int_equal(tokens(&p, 1), CTX);
	outcome(&p, 1, 1, 10, 1, FINISH_LENGTH);
	await("\"event\":\"outcome\"", 1);
	assert_int_equal(tokens(&p, 1), CTX); /* open when the power goes: it stays charged */
	rig_end(&r, SIGKILL);
	assert_int_equal(rig_start(&r), 0);
	usage_says(&eve, "", "\"running\":0,\"minute_requests\":2,\"minute_tokens\":75,\"day_tokens\":75}");
	rig_end(&r, SIGTERM); /* in order: rows of state, a record */
	assert_int_equal(rig_start(&r), 0);
	await("\"event\":\"usage\"", 1);
	usage_says(&eve, "", "\"day_tokens\":75}");
	install("[principal uid:*]\ntokens-per-day = 100\n");
	usage_says(&eve, "",
		"\"tokens_per_day\":100,\"running\":0,\"minute_requests\":2,\"minute_tokens\":75,\"day_"
		"tokens\":75}");
	p.gate = -1;
	assert_int_equal(seat(&p, &eve, "", &a), 0);
	assert_int_equal(tokens(&p, 1), 25);
	outcome(&p, 1, 1, 24, 1, FINISH_LENGTH);
	await("\"event\":\"outcome\"", 2);
	assert_int_equal(begin(&p, 1).status, END_SPENT);
	rig_end(&r, SIGKILL);
	assert_int_equal(rig_start(&r), 0); /* the rows, and what the log says behind them */
	usage_says(&eve, "", "\"day_tokens\":100}");
	set_day(1);
	usage_says(&eve, "", "\"minute_requests\":0,\"minute_tokens\":0,\"day_tokens\":0}");
	_cleanup_fd_ int c = rig_client_as(&r, &carol);
	a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
}

/* The most that a ticket may ever hold, beside what it holds now. */
static struct proto_ticket begun(struct place *p, u32 max_tokens)
{
	assert_int_equal(begin(p, max_tokens).status, END_DONE);
	return ticket(p);
}

/* What is larger than all of a minute or a day is told so, and not to wait: nobody asks again for ever. */
static void never(void **state)
{
	static const struct {
		const char *rules, *why;
		u32 max_tokens;
	} rows[] = {
		{ "tokens-per-minute = 30",
			"max_tokens 30, with a prompt: line 1 of the quotas allows 30 tokens a minute", 30 },
		{ "tokens-per-day = 30",
			"max_tokens 31, with a prompt: line 1 of the quotas allows 30 tokens a day", 31 },
		{ "tokens-per-minute = 0", "allows 0 tokens a minute", 0 },
		{ "parallel = 0", "line 1 of the quotas allows no requests", 1 },
		{ "requests-per-minute = 0", "line 1 of the quotas allows no requests", 1 },
	};
	struct place p = { .gate = -1 };
	struct rig_answer a;
	char text[128];
	demo();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof text, "[everyone]\n%s\n", rows[i].rules);
		install(text);
		assert_int_equal(seat(&p, &eve, "", &a), 0);
		struct proto_end e = begin(&p, rows[i].max_tokens);
		assert_true(e.status == END_REFUSED && e.retry_s == 0);
		assert_non_null(strstr(e.text, rows[i].why));
	}
	install("[everyone]\ntokens-per-minute = 60\ntokens-per-day = 50\n");
	assert_int_equal(seat(&p, &eve, "", &a), 0);
	struct proto_ticket t = begun(&p, 20);
	assert_true(t.tokens_max == 50 && t.tokens_ever == 50);
	outcome(&p, 1, 20, 25, 5, FINISH_STOP);
	await("\"event\":\"outcome\"", 1);
	t = begun(&p, 19);
	assert_true(t.tokens_max == 20 && t.tokens_ever == 50);
	outcome(&p, 2, 19, 30, 0, FINISH_SPENT); /* the runtime's word, and nothing is charged for it */
	await("\"finish\":\"spent\"", 1);
	usage_says(&eve, "", "\"day_tokens\":30}");
	assert_int_equal(count(SPENT), 0);
}

/* Every other limit, one past it. */
static void limits(void **state)
{
	struct rig_answer a;
	struct place p = { .gate = -1 };
	demo();
	install("[principal uid:1005]\ncontext = 40\nmax-tokens = 30\nparallel = 2\nrequests-per-minute = "
		"4\ntokens-per-minute = 90\n");
	assert_int_equal(seat(&p, &eve, "", &a), 0);
	assert_int_equal(begin(&p, 31).status, END_REFUSED);
	assert_int_equal(tokens(&p, 30), 40);
	assert_int_equal(tokens(&p, 30), 40);
	struct proto_end e = begin(&p, 5);
	assert_true(e.status == END_SPENT && e.retry_s == 1 && strstr(e.text, "2 requests run at once"));
	outcome(&p, 2, 30, 20, 20, FINISH_STOP);
	await("\"event\":\"outcome\"", 1);
	e = begin(&p, 10); /* ten are left of the minute */
	assert_true(e.status == END_SPENT && e.retry_s <= 60 && e.retry_s > 1);
	assert_non_null(strstr(e.text, "10 of the 90 tokens of this minute are left"));
	assert_int_equal(tokens(&p, 9), 10);
	struct request_header h = header(REQUEST_TOKENIZE, 0);
	outcome(&p, 3, 30, 20, 20, FINISH_STOP);
	await("\"event\":\"outcome\"", 2);
	ask(&p, &h); /* counting is not charged, but it is a request */
	assert_int_equal(end_of(&p).status, END_DONE);
	assert_int_equal(ticket(&p).tokens_max, 0);
	outcome(&p, p.last - 1, 9, 1, 1, FINISH_STOP);
	await("\"event\":\"outcome\"", 3);
	e = begin(&p, 1);
	assert_true(e.status == END_SPENT && strstr(e.text, "4 requests came in this minute"));
	assert_int_equal(count(SPENT), 0);
	install("[principal uid:1005]\ncontext = 30\nmodels = other other-*\n");
	e = begin(&p, 1); /* the session is of the old quotas */
	assert_int_equal(e.status, END_AGAIN);
	assert_int_equal(seat(&p, &eve, "", &a), END_REFUSED);
	assert_non_null(strstr(a.text, "it is not among the models of line 1 of the quotas"));
	install("[principal uid:1005]\ncontext = 30\n");
	p = sits(p.gate, &eve, "");
	assert_int_equal(begin(&p, 30).status, END_REFUSED);
}

/* One's quota is nobody else's, and nobody else's business. */
static void apart(void **state)
{
	struct rig_answer a;
	struct place p = { .gate = -1 };
	demo();
	install("[principal anna]\ntokens-per-day = 70\nsystem = Be brief.\ntools = weather\n[role "
		"user]\ntokens-per-day = 64\n[everyone]\n");
	assert_int_equal(seat(&p, &gateway, "anna", &a), 0);
	struct place b = sits(p.gate, &gateway, "bert"), own = sits(p.gate, &eve, ""),
		     d = sits(p.gate, &dave, "");
	assert_int_equal(tokens(&p, 9), CTX);
	assert_int_equal(tokens(&b, 9), 64);
	assert_int_equal(tokens(&own, 9), 64);
	assert_int_equal(begin(&p, 9).status, END_SPENT);
	assert_int_equal(begin(&b, 9).status, END_SPENT);
	assert_int_equal(tokens(&d, 9), CTX);	     /* an operator: limited by nothing, but counted */
	a = rig_query(p.c, QUERY_USAGE, 0, 1, NULL); /* of whom that connection has proven to ask for */
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(
		a.data, "\"line\":1,\"tokens_per_day\":70,\"tools\":[\"weather\"],\"system\":\"Be brief.\""));
	rig_answer_fini(&a);
	a = rig_query(p.c, QUERY_USAGE, 0, 0, "Bert");
	assert_int_equal(a.status, END_REFUSED);
	usage_says(&carol, "anna", "\"day_tokens\":64");
	usage_says(&eve, "", "\"principal\":\"uid:1005\",\"line\":5");
	usage_says(&carol, "", "\"principal\":\"bert\"");
	_cleanup_fd_ int c = rig_client_as(&r, &eve);
	a = rig_query(c, QUERY_USAGE, 0, 0, "anna");
	assert_int_equal(a.status, END_REFUSED);
	a = rig_query(c, QUERY_USAGE, 0, 0, NULL);
	assert_null(strstr(a.data, "anna"));
	rig_answer_fini(&a);
}

/* Who may install, and what. */
static void installed(void **state)
{
	static const struct rig_person *const not [] = { &eve, &dave, &carol, &gateway };
	struct rig_answer a;
	for (size_t i = 0; i < ARRAY_LEN(not ); i++)
		assert_int_equal(install_as(not [i], "[everyone]\n").status, END_REFUSED);
	a = install_as(&alice, "[everyone]\nparallel = two\n");
	assert_int_equal(a.status, END_REFUSED);
	assert_non_null(strstr(a.text, "quotas: line 2: a number is decimal digits"));
	assert_int_equal(install_as(&alice, "").status, END_REFUSED);
	install("[everyone]\n# all\n");
	_cleanup_fd_ int c = rig_client_as(&r, &dave);
	a = rig_query(c, QUERY_QUOTA, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.data, "\"text\":\"[everyone]\\n# all\\n\""));
	rig_answer_fini(&a);
	await("\"sections\":1,\"reason\":\"as agreed\",\"state\":", 1);
	/* where the policy wants two people for policies, it wants two for this one */
	_cleanup_fd_ int al = rig_client_as(&r, &alice), two = memfd_create("policy", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(two, "two 2", 5), 0);
	assert_int_equal(rig_name(al, CTL_POLICY_SET, "", "", two).status, 0);
	a = install_as(&alice, "[everyone]\nparallel = 1\n");
	assert_non_null(strstr(a.text, "proposed: another officer says keep approve"));
	await("\"event\":\"quota-set\"", 1);
	await("\"act\":\"quota-set\",\"object\":\"quotas\"", 1);
	static char big[QUOTA_FILE_BYTES_MAX + 2];
	memset(big, '\n', sizeof big - 1);
	assert_int_equal(install_as(&alice, big).status, END_REFUSED);
}

#define STORY(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { STORY(charged), STORY(exact), STORY(remembered), STORY(limits),
		STORY(never), STORY(apart), STORY(installed) };
	assert_int_equal(argc, 2);
	keepd_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
