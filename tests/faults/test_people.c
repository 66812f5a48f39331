/* Several people at one gate: who may do what, and what the log says of each. */
#define _GNU_SOURCE
#include "people_rig.h"
#include "audit/role.h"

#include <signal.h>
#include <sodium.h>
#include <unistd.h>

static const struct rig_person alice = ALICE, carol = CAROL, dave = DAVE, eve = EVE, frank = FRANK,
			       unit = { 1008, OFFICERS, 1 };

static u64 next_id = 9000;

static struct rig_answer session_for(int sock)
{
	struct proto_prove_key p = { .name = "nobody" };
	struct rig_answer a;
	assert_int_equal(ipc_send(sock, CTL_PROVE_KEY, next_id, &p, sizeof p, -1), 0);
	rig_answer(sock, next_id++, &a);
	return a;
}

/* ---- roles ---- */

/* Every question and a command of each kind, and who gets past the role: the answer may still be no, but not for want of one. */
static void matrix(void **state)
{
	struct rig *r = *state;
	const struct rig_person *who[] = { &eve, &dave, &alice, &carol };
	static const struct {
		u32 query, type;
		const char *may; /* u operator o officer f auditor a */
	} rows[] = {
		{ QUERY_STATUS, 0, "uofa" },
		{ QUERY_MODELS, 0, "uofa" },
		{ QUERY_TRUST, 0, "ofa" },
		{ QUERY_RECORDS, 0, "fa" },
		{ QUERY_RECORD, 0, "fa" },
		{ QUERY_RECEIPT, 0, "fa" },
		{ QUERY_VERIFY, 0, "ofa" },
		{ QUERY_CHECKPOINT, 0, "uofa" },
		{ QUERY_ROLES, 0, "ofa" },
		{ QUERY_PENDING, 0, "ofa" },
		{ QUERY_EVENTS, 0, "uofa" },
		{ 0, CTL_TRUST_RM, "f" },
		{ 0, CTL_REVOKE, "f" },
		{ 0, CTL_REMOVE, "o" },
		{ 0, CTL_EXPORT, "o" },
		{ 0, CTL_STOP, "of" }, /* a model; sessions of one's own are everybody's */
		{ 0, CTL_EXPLAIN, "ofa" },
		{ 0, CTL_LIFT, "f" },
		{ 0, CTL_SERVE, "of" },
		{ 0, CTL_ROLE_RM, "f" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t w = 0; w < ARRAY_LEN(who); w++) {
			int c = rig_client_as(r, who[w]);
			struct rig_answer a = rows[i].query ? rig_query(c, rows[i].query, 0, 1, NULL)
							    : people_name(c, rows[i].type, "nothing");
			bool may = strchr(rows[i].may, "uofa"[w]), was = !strstr(a.text, "it takes the role");
			if (a.gone || may != was)
				fail_msg("row %zu, person %zu: %s", i, w, a.text);
			rig_answer_fini(&a);
			close(c);
		}
	int c = rig_client_as(r, &carol);
	assert_true(rig_count(c, "\"event\":\"denied\"", "\"what\":\"revoke\"", "\"needs\":\"officer\"",
			    "\"uid\":1005,", NULL) == 1);
	assert_true(rig_count(c, "\"event\":\"log-read\"",
			    "\"auth\":\"peer-credentials\",\"role\":\"auditor\"}", NULL) > 0);
	close(c);
}

/* Who has no role is told so; who has two that exclude each other, has none; and so has one of our own units. */
static void strangers(void **state)
{
	struct rig *r = *state;
	static const struct {
		struct rig_person p;
		const char *says;
	} rows[] = { { { 1006, OTHERS, 1 }, "in none of the groups" },
		{ { 1008, OFFICERS, 1 }, "own units" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int c = rig_client_as(r, &rows[i].p);
		struct rig_answer a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
		assert_int_equal(a.status, END_REFUSED);
		assert_non_null(strstr(a.text, rows[i].says));
		close(c);
	}
	/* they are recorded, but cannot fill the log: these two, the one that looked whether keepd is up, and as many as fit and one more */
	for (u32 i = 0; i <= DENIALS_PER_HOUR; i++) {
		int c = rig_client_as(r, &frank);
		assert_int_equal(people_status(c), END_REFUSED);
		close(c);
	}
	int reader = rig_client_as(r, &carol);
	assert_int_equal(rig_count(reader, "\"event\":\"denied\"", NULL), DENIALS_PER_HOUR);
	assert_int_equal(people_name(reader, CTL_REVOKE, "x").status,
		END_REFUSED); /* somebody with a role always is */
	assert_int_equal(rig_count(reader, "\"event\":\"denied\"", "\"left_out\":4}", NULL), 1);
	close(reader);
	/* the gateway uses and reads, whatever group it was put into */
	int g = rig_client_as(r, &(struct rig_person){ 1009, OFFICERS, 1 });
	assert_int_equal(people_status(g), 0);
	assert_int_equal(people_name(g, CTL_REVOKE, "x").status, END_REFUSED);
	assert_int_equal(rig_query(g, QUERY_RECORDS, 0, 0, NULL).status, END_REFUSED);
	/* it alone says for whom it asks */
	assert_null(strstr(session_for(g).text, "somebody else"));
	close(g);
	g = rig_client_as(r, &dave);
	struct rig_answer said = session_for(g);
	assert_int_equal(said.status, END_REFUSED);
	assert_non_null(strstr(said.text, "asks for somebody else"));
	close(g);
	/* as many groups as are read, and one more */
	struct rig_person most = { 1003, AUDITORS, PEER_GROUPS_MAX },
			  more = { 1003, AUDITORS, PEER_GROUPS_MAX + 1 };
	int c = rig_client_as(r, &most);
	assert_int_equal(people_status(c), 0);
	int d = rig_client_as(r, &more);
	struct ipc_frame f;
	assert_int_equal(rig_recv(d, &f), 1);
	close(c);
	close(d);
}

/* An auditor repeats, and asks nothing new. */
static void auditor(void **state)
{
	struct rig *r = *state;
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" } };
	int a = rig_client_as(r, &alice), o = rig_client_as(r, &dave), u = rig_client_as(r, &eve),
	    c = rig_client_as(r, &carol);
	assert_int_equal(rig_name(a, CTL_TRUST_ADD, "publisher", "", people_text("a key")).status, 0);
	assert_int_equal(rig_import(o, "demo", "good", files, 1).status, 0);
	struct rig_session s, t;
	struct rig_answer x;
	rig_session_ask(u, 50, "demo");
	int gate = rig_runtime(r);
	struct rig_grant g = rig_take_grant(gate);
	rig_ready(gate, g.id);
	rig_take(gate, GATE_SESSION, NULL);
	assert_int_equal(rig_session_take(u, 50, &s, &x), 0);
	x = rig_begin(u, &(struct rig_begin){ s.id, 1, REPLAY_NONE, "hello" });
	assert_int_equal(x.status, 0);
	u64 intent = x.index;
	rig_take(gate, GATE_TICKET, NULL);
	rig_outcome(gate, s.id, 1, "hello", "12", FINISH_STOP);
	rig_session_ask(c, 51, "demo");
	rig_take(gate, GATE_SESSION, NULL);
	assert_int_equal(rig_session_take(c, 51, &t, &x), 0);
	x = rig_begin(c, &(struct rig_begin){ t.id, 1, REPLAY_NONE, "hello" });
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "an auditor repeats"));
	assert_int_equal(rig_begin(c, &(struct rig_begin){ t.id, 2, intent, "hello" }).status, 0);
	rig_session_ask(a, 52, "demo"); /* an officer asks nothing at all */
	assert_int_equal(rig_session_take(a, 52, &t, &x), END_REFUSED);
}

/* One user has all roles, the records say so, and nothing that needs two is pretended. */
static void one_user(void **state)
{
	struct rig *r = *state;
	rig_end(r, SIGTERM);
	r->etc = NULL;
	assert_int_equal(rig_start(r), 0);
	int c = rig_client(r);
	struct rig_answer x = people_add(c, "frank", frank.uid, ROLE_AUDITOR, NULL);
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "this appliance has one user"));
	assert_int_equal(people_name(c, CTL_LIFT, "demo").status, END_REFUSED);
	assert_true(rig_count(c, "\"event\":\"log-read\"", "\"auth\":\"single-user\"", NULL) +
			    rig_count(c, "\"event\":\"log-read\"", "\"auth\":\"single-user\"", NULL) >
		    0);
	x = rig_query(c, QUERY_STATUS, 0, 0, NULL);
	assert_non_null(strstr(x.data, "\"single_user\":true"));
	rig_answer_fini(&x);
	close(rig_client_as(r, &unit)); /* and nobody else gets in */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(matrix, people_up, people_down),
		cmocka_unit_test_setup_teardown(strangers, people_up, people_down),
		cmocka_unit_test_setup_teardown(auditor, people_up, people_down),
		cmocka_unit_test_setup_teardown(one_user, people_up, people_down),
	};
	assert(argc == 2 && sodium_init() >= 0);
	people_keepd = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
