/* Archives and pruning over the real gate: what is too young, held, not archived or not witnessed stays; what two officers prune is gone from every
 * file, and the log goes on. */
#define _GNU_SOURCE
#include "office.h"
#include "audit/tlog/checkpoint.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400u

static const char *keepd_path;
static struct office o;
static struct note_key witness;
static u64 next_request;

static int up(void **state)
{
	office_up(&o, keepd_path, "KEEP_TEST_DESTROY");
	next_request = 1;
	return 0;
}

static int down(void **state)
{
	office_down(&o);
	return 0;
}

static struct rig_answer file(int sock, u32 type, const void *body, u32 len, const char *text)
{
	static u64 id = 9000;
	struct rig_answer a;
	_cleanup_fd_ int fd = -1;
	assert_int_equal(fd_memfd_sealed("file", text, strlen(text), &fd), 0);
	assert_int_equal(ipc_send(sock, type, ++id, body, len, fd), 0);
	rig_answer(sock, id, &a);
	return a;
}

static void witnesses(void)
{
	char text[NOTE_VKEY_MAX + 64], vkey[NOTE_VKEY_MAX];
	struct proto_name n = { .text = "the second office" };
	assert_int_equal(tlog_note_key_make("example.org/w", NOTE_COSIGNATURE, &witness), 0);
	tlog_note_vkey(&witness, vkey, sizeof vkey);
	snprintf(text, sizeof text, "witness w %s\nquorum w\n", vkey);
	assert_int_equal(file(o.alice, CTL_WITNESSES, &n, sizeof n, text).status, 0);
}

/* The newest checkpoint. */
static struct checkpoint newest(char note[1200])
{
	struct rig_answer a = rig_query(o.carol, QUERY_CHECKPOINT, 0, 0, NULL);
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

/* A witness saw it so many days ago. */
static struct checkpoint seen(u32 days)
{
	char note[2400], line[NOTE_SIGNATURE_MAX];
	struct checkpoint cp = newest(note);
	size_t text = (size_t)(strstr(note, "\n\n") - note) + 1;
	tlog_note_line(&witness, note, text, (u64)time(NULL) - days * DAY_S, line);
	strcat(note, line);
	struct rig_answer a = file(o.dave, CTL_COSIGN, NULL, 0, note);
	if (a.status)
		fail_msg("%s", a.text);
	return cp;
}

/* So many requests of eve's, with their outcomes. */
static void use(int gate, const struct rig_session *s, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct rig_answer a =
			rig_begin(o.eve, &(struct rig_begin){ s->id, next_request, REPLAY_NONE, "question" });
		assert_int_equal(a.status, 0);
		rig_take(gate, GATE_TICKET, NULL);
		rig_outcome(gate, s->id, next_request++, "question", "12", FINISH_STOP);
	}
	for (bool open = true; open; usleep(1000)) {
		struct rig_answer a = rig_query(o.carol, QUERY_STATUS, 0, 0, NULL);
		open = !strstr(a.data, "\"requests_open\":0,");
		rig_answer_fini(&a);
	}
}

static struct rig_answer archive(u64 from, u64 to, const struct checkpoint *cp)
{
	struct proto_archive p = { .from = from, .to = to, .size = cp->size, .label = "shelf 4" };
	memcpy(p.root, cp->root.b, sizeof p.root);
	memset(p.digest, 0xa5, sizeof p.digest);
	return office_ask(o.carol, CTL_ARCHIVED, &p, sizeof p);
}

static struct rig_answer prune(u64 archive)
{
	struct proto_prune p = { .archive = archive, .text = "kept long enough" };
	return office_two(&o, CTL_PRUNE, &p, sizeof p);
}

static void refused(u64 archive, const char *why)
{
	struct rig_answer a = prune(archive);
	assert_int_equal(a.status, END_REFUSED);
	if (!strstr(a.text, why))
		fail_msg("\"%s\", not \"%s\"", a.text, why);
}

static void days(u32 use, u32 operate)
{
	struct proto_retain p = { .days = { use, operate }, .reason = "the board" };
	assert_int_equal(office_ask(o.alice, CTL_RETAIN, &p, sizeof p).status, 0);
}

static json_t *whole(void)
{
	struct rig_answer a = rig_query(o.carol, QUERY_VERIFY, 0, 0, NULL);
	if (a.status)
		fail_msg("%s", a.text);
	json_t *j = json_loads(a.data, JSON_DISABLE_EOF_CHECK, NULL);
	assert_true(json_is_true(json_object_get(j, "ok")));
	rig_answer_fini(&a);
	return j;
}

/* The leaf hash of a record, as a line says it once the record is pruned. */
static void line_of(u64 index, char *out, size_t cap)
{
	struct rig_answer a = rig_query(o.carol, QUERY_RECORD, index, 1, NULL);
	assert_int_equal(a.status, 0);
	snprintf(out, cap, "%s", a.data);
	rig_answer_fini(&a);
}

/* Who lists everything sees that something is gone; who looks for something does not. */
static void listed(void)
{
	struct proto_look q = { .what = LOOK_RECORDS, .to = 200, .until_ns = UINT64_MAX };
	struct rig_answer a = office_ask(o.carol, CTL_LOOK, &q, sizeof q);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.data, "{\"v\":1,\"index\":100,\"pruned\":"));
	rig_answer_fini(&a);
	strcpy(q.events[q.n_events++], "policy-set");
	a = office_ask(o.carol, CTL_LOOK, &q, sizeof q);
	assert_int_equal(a.status, 0);
	assert_true(!a.data || !strstr(a.data, "\"pruned\""));
	rig_answer_fini(&a);
}

static void story(void **state)
{
	int gate;
	struct rig_session s;
	char first[4096], later[4096];
	struct proto_hold hold = { .name = "case-9", .from = 10, .to = 20 };
	struct proto_name held = { .name = "case-9" };
	office_session(&o, &gate, &s);
	use(gate, &s, 150);
	struct checkpoint unseen = newest(first);
	assert_true(unseen.size > 300);
	struct rig_answer a = archive(0, 300, &unseen);
	assert_int_equal(a.status, 0);
	u64 old = a.index;
	days(183, 0);
	refused(old, "no quorum of witnesses");
	witnesses();
	seen(183);
	use(gate, &s, 1);
	seen(0); /* it is now */
	days(0, 183);
	a = prune(old); /* of that class something is due as well */
	assert_int_equal(a.status, 0);
	days(0, 0);
	refused(old, "nothing in it is due");
	days(190, 183);
	refused(old, "nothing in it is due");
	days(183, 183);
	assert_int_equal(office_ask(o.alice, CTL_HOLD_ADD, &hold, sizeof hold).status, 0);
	refused(old, "the hold case-9");
	assert_int_equal(office_two(&o, CTL_HOLD_RM, &held, sizeof held).status, 0);
	refused(old + 1, "there is none");
	/* younger records: archived, and seen, but not for long enough */
	use(gate, &s, 100);
	struct checkpoint cp = seen(182);
	use(gate, &s, 1);
	seen(0);
	a = archive(300, cp.size, &cp);
	assert_int_equal(a.status, 0);
	refused(a.index, "younger");
	a = archive(255, 512, &cp);
	assert_int_equal(a.status, END_REFUSED); /* records of the old one are pruned */
	assert_non_null(strstr(a.text, "pruned already"));

	/* the requests of the old archive go, and only they */
	line_of(100, first, sizeof first);
	assert_true(strstr(first, "\"event\":\"request\"") || strstr(first, "\"event\":\"outcome\""));
	line_of(290, later, sizeof later);
	char unique[30];
	snprintf(unique, sizeof unique, "%s", strstr(first, "\"time_ns\":"));
	assert_true(office_holds(&o, unique, 29));
	a = prune(old);
	assert_int_equal(a.status, 0);
	assert_false(office_holds(&o, unique, 29));
	line_of(100, first, sizeof first);
	assert_non_null(strstr(first, "{\"v\":1,\"index\":100,\"pruned\":\""));
	line_of(290, first, sizeof first); /* of a bundle that the archive holds in part */
	assert_string_equal(first, later);
	refused(old, "nothing in it is due");
	listed();
	json_t *j = whole();
	const json_t *p = json_array_get(json_object_get(j, "pruned"), 0);
	assert_int_equal(json_integer_value(json_object_get(p, "archive")), old);
	assert_true(json_integer_value(json_object_get(p, "records_pruned")) > 200);
	assert_string_equal(json_string_value(json_object_get(p, "label")), "shelf 4");
	json_decref(j);
	/* it goes on: receipts of what is pruned and what is not, new records, a restart */
	for (u64 i = 99; i < 300; i += 200) {
		a = rig_query(o.carol, QUERY_RECEIPT, i, 0, NULL);
		assert_int_equal(a.status, 0);
		rig_answer_fini(&a);
	}
	use(gate, &s, 5);
	office_again(&o, SIGKILL);
	json_decref(whole());
	assert_false(office_holds(&o, unique, 29));
	assert_int_equal(rig_count(o.carol, "\"event\":\"prune\"", "\"proposal\":", NULL), 2);
	assert_int_equal(rig_count(o.carol, "\"event\":\"init\"", NULL), 1); /* kept for ever */
}

/* What an archive may not claim. */
static void archives(void **state)
{
	char note[2400];
	struct checkpoint cp = newest(note), other = cp;
	other.root.b[0] ^= 1;
	assert_int_equal(archive(0, 1, &other).status, END_REFUSED); /* another root */
	other = cp;
	other.size--;
	assert_int_equal(archive(0, 1, &other).status, END_REFUSED);
	assert_int_equal(archive(1, 1, &cp).status, END_REFUSED);
	assert_int_equal(archive(0, cp.size + 1, &cp).status, END_REFUSED);
	other.size = UINT64_MAX;
	assert_int_equal(archive(0, ARCHIVE_RECORDS_MAX + 1, &other).status, END_REFUSED);
	struct proto_archive p = { .to = 1, .size = 1 };
	assert_int_equal(office_ask(o.dave, CTL_ARCHIVED, &p, sizeof p).status, END_REFUSED);
	assert_int_equal(office_ask(o.dave, CTL_PRUNE, &(struct proto_prune){ .archive = 1 },
				 sizeof(struct proto_prune))
				 .status,
		END_REFUSED);
	u64 some = 0;
	for (u32 i = 0; i <= ARCHIVES_MAX; i++) {
		struct rig_answer a = archive(0, 1, &cp);
		assert_int_equal(a.status, i == ARCHIVES_MAX);
		some = i == 3 ? a.index : some;
	}
	witnesses();
	seen(200);
	days(183, 183);
	refused(some, "no whole bundle");
	json_decref(whole());
}

/* At most HASHES_PER_QUERY hashes of what is there. */
static void hashes(void **state)
{
	struct rig_answer a = rig_query(o.carol, QUERY_LEAVES, 0, HASHES_PER_QUERY + 1, NULL);
	assert_int_equal(a.status, END_REFUSED);
	a = rig_query(o.carol, QUERY_LEAVES, 0, 99999, NULL);
	assert_int_equal(a.status, END_REFUSED);
	a = rig_query(o.carol, QUERY_SUBTREES, 0, 1, NULL);
	assert_int_equal(a.status, END_REFUSED); /* no bundle is full */
	a = rig_query(o.carol, QUERY_LEAVES, 0, 1, NULL);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	a = rig_query(o.eve, QUERY_LEAVES, 0, 1, NULL);
	assert_int_equal(a.status, END_REFUSED);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(story, up, down),
		cmocka_unit_test_setup_teardown(archives, up, down),
		cmocka_unit_test_setup_teardown(hashes, up, down),
	};
	if (argc != 2 || sodium_init() < 0)
		return 2;
	keepd_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
