/* Texts over the real gate: kept sealed, shown to an auditor, forgotten by two officers; and then in no byte of any file. */
#define _GNU_SOURCE
#include "office.h"
#include "audit/subject.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUESTION "Does the patient in room four have the virus?"
#define ANSWER	 "The patient in room four has no virus."

static const char *keepd_path;
static struct office o;

static int up(void **state)
{
	office_up(&o, keepd_path, "KEEP_TEST_DESTROY");
	return 0;
}

static int down(void **state)
{
	office_down(&o);
	return 0;
}

static void setting(u32 texts)
{
	struct proto_retain p = { .texts = texts, .reason = "case 7" };
	assert_int_equal(office_ask(o.alice, CTL_RETAIN, &p, sizeof p).status, 0);
}

/* An outcome; text NULL: nothing is handed over before it. */
static void outcome(
	int gate, u64 session, u64 request, const char *question, const char *text, const char *said)
{
	struct proto_answer p = { .session = session, .bytes = text ? strlen(text) : 0 };
	struct proto_outcome x = {
		.session = session, .finish = FINISH_STOP, .kv_mode = KV_F16, .device = "fake"
	};
	_cleanup_fd_ int fd = -1;
	if (text) {
		assert_int_equal(fd_memfd_sealed("answer", text, p.bytes, &fd), 0);
		assert_int_equal(ipc_send(gate, GATE_ANSWER, request, &p, sizeof p, fd), 0);
	}
	sha256_of(question, strlen(question), x.request);
	sha256_of(said, strlen(said), x.text);
	assert_int_equal(ipc_send(gate, GATE_OUTCOME, request, &x, sizeof x, -1), 0);
}

static void await(const char *what, u32 n)
{
	for (u32 i = 0; i < 2000 && rig_count(o.carol, what, NULL) < n; i++)
		usleep(1000);
	assert_int_equal(rig_count(o.carol, what, NULL), n);
}

/* Ask and be answered; the index of the request's record. */
static u64 exchange(int gate, const struct rig_session *s, u64 request, bool kept)
{
	struct proto_ticket t;
	u32 n = rig_count(o.carol, "\"event\":\"outcome\"", NULL);
	struct rig_answer a = rig_begin(o.eve, &(struct rig_begin){ s->id, request, REPLAY_NONE, QUESTION });
	assert_int_equal(a.status, 0);
	struct ipc_frame f = rig_take(gate, GATE_TICKET, NULL);
	memcpy(&t, f.body, sizeof t);
	assert_int_equal(t.keep, kept);
	outcome(gate, s->id, request, QUESTION, kept ? ANSWER : NULL, ANSWER);
	await("\"event\":\"outcome\"", n + 1);
	return a.index;
}

static struct rig_answer text(int sock, u64 index)
{
	return office_ask(sock, CTL_TEXT, &(struct proto_record){ index }, sizeof(struct proto_record));
}

static void shows(u64 index, const char *want)
{
	struct rig_answer a = text(o.carol, index);
	struct proto_text h;
	assert_int_equal(a.status, 0);
	memcpy(&h, a.data, sizeof h);
	assert_int_equal(h.kept, want != NULL);
	assert_string_equal(h.subject, "uid:1005");
	if (want) {
		assert_int_equal(h.bytes, strlen(want));
		assert_memory_equal(a.data + sizeof h, want, strlen(want));
	}
	rig_answer_fini(&a);
}

static u64 outcome_of(u64 intent)
{
	struct rig_answer a = rig_query(o.carol, QUERY_RECORDS, 0, 0, NULL);
	char want[64];
	snprintf(want, sizeof want, "\"event\":\"outcome\",\"intent\":%llu,", (unsigned long long)intent);
	char *at = strstr(a.data, want), *line = at;
	assert_non_null(at);
	while (line > a.data && line[-1] != '\n')
		line--;
	u64 index = strtoull(strstr(line, "\"index\":") + 8, NULL, 10);
	rig_answer_fini(&a);
	return index;
}

/* What of the subject lies on the disk: its slot, and the first bytes of every sealed text. */
struct secrets {
	struct subject slot;
	u8 sealed[96][48];
	u32 n;
};

static struct secrets secrets(void)
{
	struct secrets s = { .n = 0 };
	char path[256], cmd[1200];
	sqlite3 *db;
	sqlite3_stmt *st;
	snprintf(path, sizeof path, "%s/keys/subjects", o.rig.store);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_pread_all(fd, &s.slot, sizeof s.slot, 0), 0);
	const char *list = getenv("KEEP_TEST_SECRETS"); /* not on the medium that is searched */
	snprintf(path, sizeof path, "%s.db", list ? list : o.rig.store);
	snprintf(cmd, sizeof cmd, "cp %s/log.db %s && cp %s/log.db-wal %s-wal", o.rig.store, path,
		o.rig.store, path);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT data FROM contents", -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW && s.n < ARRAY_LEN(s.sealed))
		memcpy(s.sealed[s.n++], sqlite3_column_blob(st, 0), sizeof s.sealed[0]);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return s;
}

static bool any_left(const struct secrets *s)
{
	bool left = office_holds(&o, s->slot.key, sizeof s->slot.key) ||
		    office_holds(&o, s->slot.salt, sizeof s->slot.salt);
	for (u32 i = 0; i < s->n; i++)
		left |= office_holds(&o, s->sealed[i], sizeof s->sealed[i]);
	return left || office_holds(&o, "room four", 9);
}

static void whole(void)
{
	struct rig_answer a = rig_query(o.carol, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.data, "\"ok\":true"));
	rig_answer_fini(&a);
}

/* How many records fit these words. */
static u32 with_words(int sock, const char *words)
{
	struct proto_look q = { .what = LOOK_RECORDS, .to = UINT64_MAX, .until_ns = UINT64_MAX };
	struct rig_answer a;
	u32 n = 0;
	snprintf(q.text, sizeof q.text, "%s", words);
	assert_int_equal(ipc_send(sock, CTL_LOOK, 600, &q, sizeof q, -1), 0);
	rig_answer(sock, 600, &a);
	assert_int_equal(a.status, 0);
	for (const char *p = a.data; p && (p = strchr(p, '\n')); p++)
		n++;
	rig_answer_fini(&a);
	return n;
}

/* Words are looked for in kept texts, for an auditor only; the record of it does not hold them. */
static void searched(void)
{
	assert_int_equal(with_words(o.carol, "in room four"), 2);
	assert_int_equal(with_words(o.carol, "has no virus"), 1);
	assert_int_equal(with_words(o.carol, "in room five"), 0);
	assert_int_equal(with_words(o.alice, "in room four"), 0); /* an officer: in records only */
	assert_int_equal(rig_count(o.carol, "(also in kept texts)", "text=sha256:", NULL), 3);
	assert_int_equal(rig_count(o.carol, "\"filter\":\"text=in room four\"", NULL), 1); /* the officer's */
}

/* By the setting, and only to an auditor. */
static void texts(void **state)
{
	int gate;
	struct rig_session s;
	office_session(&o, &gate, &s);
	struct proto_retain p = { .texts = 2, .days = { 182, 0 } }; /* RETAIN_DAYS_MIN less one */
	assert_int_equal(office_ask(o.alice, CTL_RETAIN, &p, sizeof p).status, END_REFUSED);
	assert_int_equal(office_ask(o.dave, CTL_RETAIN, &p, sizeof p).status, END_REFUSED);
	u64 plain = exchange(gate, &s, 1, false);
	assert_int_equal(text(o.carol, plain).status, END_REFUSED);
	setting(1);
	u64 committed = exchange(gate, &s, 2, false);
	shows(committed, NULL);
	setting(2);
	u64 kept = exchange(gate, &s, 3, true);
	shows(kept, QUESTION);
	shows(outcome_of(kept), ANSWER);
	assert_int_equal(text(o.alice, kept).status, END_REFUSED);
	assert_int_equal(text(o.eve, kept).status, END_REFUSED);
	assert_int_equal(text(o.carol, 0).status, END_REFUSED);
	assert_int_equal(text(o.carol, 99999).status, END_REFUSED);
	assert_false(office_holds(&o, "room four", 9));
	searched();
	/* an answer that never comes is not kept, and the record says so */
	u32 n = rig_count(o.carol, "\"retained\":false", NULL);
	assert_int_equal(rig_begin(o.eve, &(struct rig_begin){ s.id, 4, REPLAY_NONE, QUESTION }).status, 0);
	rig_take(gate, GATE_TICKET, NULL);
	outcome(gate, s.id, 4, QUESTION, NULL, ANSWER);
	await("\"retained\":false", n + 1);
	/* another answer than the one that is reported: the runtime lies */
	assert_int_equal(rig_begin(o.eve, &(struct rig_begin){ s.id, 5, REPLAY_NONE, QUESTION }).status, 0);
	rig_take(gate, GATE_TICKET, NULL);
	outcome(gate, s.id, 5, QUESTION, "something else", ANSWER);
	await("\"event\":\"runtime-lost\"", 1);
	office_again(&o, SIGTERM);
	shows(kept, QUESTION);
	whole();
}

/* A subject is whom the client speaks for, where it has proven that. */
static void principals(void **state)
{
	static const char *const said[] = { "eve", "eve.machine" };
	int gate, eve = o.eve;
	struct rig_session s;
	office_session(&o, &gate, &s);
	setting(2);
	o.eve = rig_client_as(&o.rig, &(struct rig_person){ 1009, 2001, 1 }); /* the gateway, in her place */
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		struct proto_session_want w = { .name = "demo" };
		struct rig_answer a;
		struct proto_text h;
		rig_prove(o.alice, o.eve, said[i]);
		assert_int_equal(ipc_send(o.eve, CTL_SESSION, 60 + i, &w, sizeof w, -1), 0);
		rig_take(gate, GATE_SESSION, NULL);
		assert_int_equal(rig_session_take(o.eve, 60 + i, &s, &a), 0);
		u64 kept = exchange(gate, &s, 1, true);
		a = text(o.carol, kept);
		assert_int_equal(a.status, 0);
		memcpy(&h, a.data, sizeof h);
		rig_answer_fini(&a);
		assert_string_equal(h.subject, said[i]);
	}
	close(o.eve);
	o.eve = eve;
}

/* An answer that nobody asked for, one of more than ANSWER_BYTES_MAX, one that is not sealed, a second one. */
static void answers(void **state)
{
	for (u32 how = 0; how < 4; how++) {
		int gate, plain = -1;
		struct rig_session s;
		if (how)
			up(NULL);
		office_session(&o, &gate, &s);
		setting(how ? 2 : 1);
		assert_int_equal(
			rig_begin(o.eve, &(struct rig_begin){ s.id, 1, REPLAY_NONE, QUESTION }).status, 0);
		rig_take(gate, GATE_TICKET, NULL);
		size_t len = how == 1 ? ANSWER_BYTES_MAX + 1 : 4;
		char *data = calloc(1, len);
		struct proto_answer p = { .session = s.id, .bytes = len };
		_cleanup_fd_ int fd = -1;
		assert_int_equal(fd_memfd_sealed("answer", data, len, &fd), 0);
		plain = memfd_create("plain", MFD_CLOEXEC);
		assert_int_equal(ftruncate(plain, 4), 0);
		assert_int_equal(ipc_send(gate, GATE_ANSWER, 1, &p, sizeof p, how == 2 ? plain : fd), 0);
		if (how == 3)
			assert_int_equal(ipc_send(gate, GATE_ANSWER, 1, &p, sizeof p, fd), 0);
		await("\"event\":\"runtime-lost\"", 1);
		free(data);
		close(plain);
		if (how < 3)
			down(NULL);
	}
}

/* Held, then free, then erased by two; the key, the salt, the sealed texts are nowhere, and the log is whole. */
static void erased(void **state)
{
	int gate;
	struct rig_session s;
	struct proto_name who = { .name = "uid:1005", .text = "she asked for it" },
			  held = { .name = "case-7" };
	struct proto_hold hold = { .name = "case-7", .subject = "uid:1005", .to = UINT64_MAX };
	office_session(&o, &gate, &s);
	setting(2);
	u64 kept = exchange(gate, &s, 1, true);
	struct secrets before = secrets();
	assert_int_equal(before.n, 2);
	assert_string_equal(before.slot.name, "uid:1005");
	assert_true(any_left(&before));
	assert_int_equal(
		office_two(&o, CTL_ERASE, &(struct proto_name){ .name = "uid:1" }, sizeof who).status,
		END_REFUSED);
	assert_int_equal(office_ask(o.carol, CTL_HOLD_ADD, &hold, sizeof hold).status, 0);
	struct rig_answer a = office_two(&o, CTL_ERASE, &who, sizeof who);
	assert_int_equal(a.status, END_REFUSED);
	assert_non_null(strstr(a.text, "the hold case-7"));
	assert_int_equal(office_two(&o, CTL_HOLD_RM, &held, sizeof held).status, 0);
	a = office_ask(o.alice, CTL_ERASE, &who, sizeof who);
	assert_int_equal(a.status, 0);
	/* held again before the second one says yes */
	assert_int_equal(office_ask(o.carol, CTL_HOLD_ADD, &hold, sizeof hold).status, 0);
	assert_int_equal(office_approve(o.bob, a.index).status, END_REFUSED);
	assert_int_equal(
		rig_count(o.carol, "\"event\":\"denied\"", "\"what\":\"decide\"", "the hold case-7", NULL),
		1);
	assert_int_equal(office_two(&o, CTL_HOLD_RM, &held, sizeof held).status, 0);
	/* not while a request of hers runs */
	assert_int_equal(rig_begin(o.eve, &(struct rig_begin){ s.id, 2, REPLAY_NONE, QUESTION }).status, 0);
	rig_take(gate, GATE_TICKET, NULL);
	assert_int_equal(office_approve(o.bob, a.index).status, END_REFUSED);
	outcome(gate, s.id, 2, QUESTION, ANSWER, ANSWER);
	await("\"event\":\"outcome\"", 2);
	before = secrets();
	assert_int_equal(before.n, 4);
	assert_int_equal(office_approve(o.bob, a.index).status, 0);
	assert_false(any_left(&before));
	assert_int_equal(rig_count(o.carol, "\"event\":\"erase\"", "\"texts\":4", "\"proposal\":", NULL), 1);
	assert_int_equal(rig_count(o.carol, "\"event\":\"erased\"", "overwritten", NULL), 1);
	a = text(o.carol, kept);
	assert_int_equal(a.status, END_REFUSED);
	assert_non_null(strstr(a.text, "erased"));
	assert_int_equal(with_words(o.carol, "in room four"), 0);
	whole();
	/* nothing can be compared with it any more; and whoever comes back has other secrets */
	a = rig_begin(o.eve, &(struct rig_begin){ s.id, 3, kept, QUESTION });
	assert_int_equal(a.status, END_REFUSED);
	assert_non_null(strstr(a.text, "erased"));
	u64 later = exchange(gate, &s, 4, true);
	shows(later, QUESTION);
	assert_int_equal(text(o.carol, kept).status, END_REFUSED);
	struct secrets after = secrets();
	assert_memory_not_equal(after.slot.key, before.slot.key, sizeof after.slot.key);
	office_again(&o, SIGTERM);
	assert_false(any_left(&before));
	shows(later, QUESTION);
	whole();
}

/* Killed, or failed, between the record and the overwriting: the next start finishes it. */
static void cut_short(void **state)
{
	static const char *const how[] = { "k", "e" };
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		int gate;
		struct rig_session s;
		struct proto_name who = { .name = "uid:1005", .text = "she asked for it" };
		if (i)
			up(NULL);
		office_session(&o, &gate, &s);
		setting(2);
		exchange(gate, &s, 1, true);
		struct secrets before = secrets();
		office_page(&o, how[i]);
		struct rig_answer a = office_ask(o.alice, CTL_ERASE, &who, sizeof who);
		assert_int_equal(a.status, 0);
		a = office_approve(o.bob, a.index);
		assert_int_not_equal(a.status, 0); /* no yes before it is done */
		assert_true(office_holds(&o, before.slot.key, sizeof before.slot.key));
		office_page(&o, "");
		office_again(&o, SIGTERM);
		assert_false(any_left(&before));
		assert_int_equal(rig_count(o.carol, "\"event\":\"erased\"", "finished at start", NULL), 1);
		assert_int_equal(rig_count(o.carol, "\"event\":\"orphan\"", "\"of\":\"erase\"", NULL), 0);
		whole();
		if (i == 0)
			down(NULL);
	}
}

/* Approved, and then it cannot even be said what goes: both officers are answered, and no half of it is kept. */
static void half_way(void **state)
{
	int gate;
	struct rig_session s;
	struct proto_name who = { .name = "uid:1005", .text = "she asked for it" };
	office_session(&o, &gate, &s);
	setting(2);
	u64 kept = exchange(gate, &s, 1, true);
	struct rig_answer a = office_ask(o.alice, CTL_ERASE, &who, sizeof who);
	assert_int_equal(a.status, 0);
	office_page(&o, "r");
	u64 proposal = a.index;
	a = office_approve(o.bob, proposal);
	assert_int_equal(a.status, END_UNDECIDED);
	assert_non_null(strstr(a.text, "could not be carried out"));
	office_page(&o, "");
	office_again(&o, SIGTERM);
	assert_int_equal(rig_count(o.carol, "\"event\":\"approve\"", NULL), 0);
	shows(kept, QUESTION);
	whole();
	assert_int_equal(office_approve(o.bob, proposal).status, 0);
	assert_int_equal(rig_count(o.carol, "\"event\":\"erased\"", "overwritten", NULL), 1);
}

static void write_down(FILE *f, const char *what, const void *data, size_t len)
{
	char hex[2 * 64 + 1];
	bytes_hex(data, len, hex);
	fprintf(f, "%s %s\n", what, hex);
}

/* For a disk image (scenario l12): the story of an erasure, with much traffic around it; what must be gone is written down elsewhere. */
static void medium(void **state)
{
	static const char canary[] = "this stays on the disk";
	int gate;
	struct rig_session s;
	const char *list = getenv("KEEP_TEST_SECRETS");
	struct proto_name who = { .name = "uid:1005", .text = "she asked for it" };
	FILE *f = list ? fopen(list, "we") : NULL;
	assert_non_null(f);
	office_session(&o, &gate, &s);
	setting(2);
	for (u32 i = 1; i <= 40; i++)
		exchange(gate, &s, i, true);
	struct secrets before = secrets();
	struct proto_retain p = { .texts = 2 };
	strcpy(p.reason, canary);
	assert_int_equal(office_ask(o.alice, CTL_RETAIN, &p, sizeof p).status, 0);
	assert_int_equal(office_two(&o, CTL_ERASE, &who, sizeof who).status, 0);
	write_down(f, "key", before.slot.key, sizeof before.slot.key);
	write_down(f, "salt", before.slot.salt, sizeof before.slot.salt);
	for (u32 i = 0; i < before.n; i++)
		write_down(f, "sealed", before.sealed[i], sizeof before.sealed[i]);
	write_down(f, "question", QUESTION, 20);
	write_down(f, "answer", ANSWER, 20);
	write_down(f, "canary", canary, sizeof canary - 1);
	fclose(f);
}

/* One hold more than HOLDS_MAX; names, subjects and ranges that are none. */
static void holds(void **state)
{
	struct proto_hold h = { .to = UINT64_MAX };
	for (u32 i = 0; i <= HOLDS_MAX; i++) {
		snprintf(h.name, sizeof h.name, "hold-%u", i);
		assert_int_equal(office_ask(o.alice, CTL_HOLD_ADD, &h, sizeof h).status, i == HOLDS_MAX);
	}
	assert_int_equal(office_name(o.alice, CTL_HOLD_RM, "hold-99").status, END_REFUSED);
	struct rig_answer a = rig_query(o.carol, QUERY_RETAIN, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.data, "\"hold-63\""));
	rig_answer_fini(&a);
	struct proto_name n = { .name = "hold-0" };
	assert_int_equal(office_two(&o, CTL_HOLD_RM, &n, sizeof n).status, 0);
	static const struct proto_hold bad[] = { { .name = "", .to = 5 }, { .name = "A", .to = 5 },
		{ .name = "a", .from = 5, .to = 5 }, { .name = "a", .to = 5, .subject = "A" },
		{ .name = "hold-1", .to = 5 } };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			office_ask(o.alice, CTL_HOLD_ADD, &bad[i], sizeof bad[i]).status, END_REFUSED);
	assert_int_equal(office_ask(o.eve, CTL_HOLD_ADD, &h, sizeof h).status, END_REFUSED);
	office_again(&o, SIGKILL);
	whole();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(texts, up, down),
		cmocka_unit_test_setup_teardown(principals, up, down),
		cmocka_unit_test_setup_teardown(answers, up, down),
		cmocka_unit_test_setup_teardown(erased, up, down),
		cmocka_unit_test_setup_teardown(cut_short, up, down),
		cmocka_unit_test_setup_teardown(half_way, up, down),
		cmocka_unit_test_setup_teardown(holds, up, down),
	};
	const struct CMUnitTest on_medium[] = { cmocka_unit_test_setup_teardown(medium, up, down) };
	if (argc < 2 || argc > 3 || sodium_init() < 0)
		return 2;
	keepd_path = argv[1];
	return argc == 3 ? cmocka_run_group_tests(on_medium, NULL, NULL)
			 : cmocka_run_group_tests(tests, NULL, NULL);
}
