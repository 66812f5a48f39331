/* The review console's readers, over the real gate: a link works once, in time, and for its user alone; what it opens may read and change nothing;
 * each reading stands in the log under the reader's name. */
#define _GNU_SOURCE
#include "office.h"
#include "base/access.h"
#include "base/fd.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

static const char *keepd_path;
static struct office o;
static int gate;

static int up(void **state)
{
	static const struct rig_person gateway = { 1009, 2001, 1 };
	office_up(&o, keepd_path, "KEEP_TEST_CLOCK");
	gate = rig_client_as(&o.rig, &gateway);
	return 0;
}

static int down(void **state)
{
	fd_close(&gate);
	office_down(&o);
	return 0;
}

/* The proof of a secret, which is a word here. */
static void proof_of(const char *word, u8 ret[SHA256_BYTES])
{
	sha256_of(word, strlen(word), ret);
}

static struct rig_answer link_for(int person, const char *word, u32 minutes)
{
	struct proto_console c = { .minutes = minutes };
	u8 proof[SHA256_BYTES];
	proof_of(word, proof);
	access_key_hash(proof, c.hash);
	return office_ask(person, CTL_CONSOLE, &c, sizeof c);
}

static u32 enter(int sock, const char *link, const char *login)
{
	struct proto_enter e;
	u8 proof[SHA256_BYTES];
	proof_of(link, e.link);
	proof_of(login, proof);
	access_key_hash(proof, e.login);
	return office_ask(sock, CTL_ENTER, &e, sizeof e).status;
}

static u32 prove(int sock, const char *login)
{
	struct proto_prove_key p = { 0 };
	proof_of(login, p.proof);
	return office_ask(sock, CTL_PROVE_LOGIN, &p, sizeof p).status;
}

static u32 reads(int sock)
{
	struct rig_answer a = rig_query(sock, QUERY_RECORDS, 0, 1, NULL);
	rig_answer_fini(&a);
	return a.status;
}

static u32 count(const char *a, const char *b)
{
	struct rig_answer all = rig_query(o.alice, QUERY_RECORDS, 0, 0, NULL);
	u32 n = 0;
	for (char *line = all.data, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = 0;
		n += strstr(line, a) && strstr(line, b);
	}
	rig_answer_fini(&all);
	return n;
}

/* A link: for officers and auditors; spent by the first who shows it; the gateway alone shows it; what it became is no link, and it no login. */
static void once(void **state)
{
	assert_int_equal(link_for(o.eve, "eve", 60).status, END_REFUSED);
	assert_int_equal(link_for(o.dave, "dave", 60).status, END_REFUSED);
	assert_int_equal(link_for(gate, "gate", 60).status, END_REFUSED);
	assert_int_equal(link_for(o.carol, "link", 60).status, END_DONE);
	assert_int_equal(prove(gate, "link"), END_REFUSED);
	assert_int_equal(enter(o.eve, "link", "cookie"), END_REFUSED);
	assert_int_equal(enter(gate, "link", "cookie"), END_DONE);
	assert_int_equal(enter(gate, "link", "other"), END_REFUSED);
	assert_int_equal(enter(gate, "cookie", "other"), END_REFUSED);
	assert_int_equal(prove(gate, "other"), END_REFUSED);
	assert_int_equal(prove(o.eve, "cookie"), END_REFUSED);
	assert_int_equal(prove(o.carol, "cookie"), END_REFUSED);
	assert_int_equal(prove(gate, "cookie"), END_DONE);
	assert_int_equal(count("\"event\":\"console-link\"",
				 "\"principal\":\"uid:1003\",\"reads\":\"auditor\",\"minutes\":60"),
		1);
	assert_int_equal(
		count("\"event\":\"console-enter\"", "\"principal\":\"uid:1003\",\"how\":\"console-link\""),
		1);
	assert_true(count("\"event\":\"denied\"", "console-enter") >= 1);
}

/* What it may: read, under its name. What it may not: whatever an auditor or officer at ctl.sock may besides. */
static void reading(void **state)
{
	static const struct {
		u32 type, len;
	} acts[] = { { CTL_REVOKE, sizeof(struct proto_name) }, { CTL_TRUST_RM, sizeof(struct proto_name) },
		{ CTL_ROLE_ADD, sizeof(struct proto_role) }, { CTL_ROLE_RM, sizeof(struct proto_name) },
		{ CTL_LIFT, sizeof(struct proto_name) }, { CTL_SERVE, sizeof(struct proto_name) },
		{ CTL_ROTATE, sizeof(struct proto_name) }, { CTL_DECIDE, sizeof(struct proto_decide) },
		{ CTL_RETAIN, sizeof(struct proto_retain) }, { CTL_HOLD_ADD, sizeof(struct proto_hold) },
		{ CTL_HOLD_RM, sizeof(struct proto_name) }, { CTL_ERASE, sizeof(struct proto_name) },
		{ CTL_ARCHIVED, sizeof(struct proto_archive) }, { CTL_PRUNE, sizeof(struct proto_prune) },
		{ CTL_TEXT, sizeof(struct proto_record) }, { CTL_EXPORT, sizeof(struct proto_name) },
		{ CTL_ACCESS_ADD, sizeof(struct proto_access) }, { CTL_ACCESS_RM, sizeof(struct proto_name) },
		{ CTL_TLS_SET, sizeof(struct proto_tls) }, { CTL_CONSOLE, sizeof(struct proto_console) },
		{ CTL_CONSOLE_END, 0 } };
	const u8 zero[4096] = { 0 };
	struct proto_session_want w = { .name = "demo" };
	assert_int_equal(reads(gate), END_REFUSED); /* the gateway itself reads nothing */
	assert_int_equal(link_for(o.alice, "a", 60).status, END_DONE);
	assert_int_equal(link_for(o.carol, "c", 60).status, END_DONE);
	static const char *const logins[][2] = { { "a", "A" }, { "c", "C" } };
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(enter(gate, logins[i][0], logins[i][1]), END_DONE);
		assert_int_equal(reads(gate), END_DONE);
		for (size_t k = 0; k < ARRAY_LEN(acts); k++) {
			struct rig_answer no = office_ask(gate, acts[k].type, zero, acts[k].len);
			assert_int_equal(no.status, END_REFUSED);
			assert_non_null(strstr(no.text, " may not: ")); /* who asks, not what */
		}
		assert_int_equal(office_ask(gate, CTL_SESSION, &w, sizeof w).status, END_REFUSED);
	}
	assert_int_equal(
		count("\"event\":\"log-read\"",
			"\"principal\":\"uid:1001\",\"how\":\"console-link\",\"credential\":\"console-"),
		1);
	assert_int_equal(
		count("\"event\":\"log-read\"", "\"principal\":\"uid:1003\",\"how\":\"console-link\""), 1);
	/* one's cookie is nobody else's name; a wrong one leaves nobody */
	assert_int_equal(prove(gate, "A"), END_DONE);
	assert_int_equal(reads(gate), END_DONE);
	assert_int_equal(prove(gate, "B"), END_REFUSED);
	assert_int_equal(reads(gate), END_REFUSED);
	assert_int_equal(count("\"event\":\"log-read\"", "\"principal\":\"uid:1001\""), 2);
}

/* Keys and certificates are given the use by its name; a key of an auditor without it reads nothing. */
static void keys(void **state)
{
	struct proto_access a = {
		.kind = ACCESS_KEY, .role = ROLE_AUDITOR, .uses = USE_CONSOLE, .expires_s = (u64)4e9
	};
	struct proto_prove_key p = { .name = "review" };
	proof_of("k", p.proof);
	access_key_hash(p.proof, a.hash);
	struct rig_answer s = rig_query(o.alice, QUERY_STATUS, 0, 0, NULL);
	a.expires_s = strtoull(strstr(s.data, "\"judged_s\":") + 11, NULL, 10) + 86400;
	rig_answer_fini(&s);
	strcpy(a.name, "review");
	strcpy(a.principal, "carol");
	assert_int_equal(office_ask(o.alice, CTL_ACCESS_ADD, &a, sizeof a).status, END_DONE);
	assert_int_equal(office_ask(gate, CTL_PROVE_KEY, &p, sizeof p).status, END_DONE);
	assert_int_equal(reads(gate), END_DONE);
	assert_int_equal(count("\"event\":\"log-read\"",
				 "\"principal\":\"carol\",\"how\":\"api-key\",\"credential\":\"review\""),
		1);
	assert_int_equal(office_name(o.alice, CTL_ACCESS_RM, "review").status, END_DONE);
	assert_int_equal(reads(gate), END_REFUSED);
	a.uses = USE_ALL;
	assert_int_equal(office_ask(o.alice, CTL_ACCESS_ADD, &a, sizeof a).status, END_DONE);
	assert_int_equal(office_ask(gate, CTL_PROVE_KEY, &p, sizeof p).status, END_DONE);
	assert_int_equal(reads(gate), END_REFUSED);
}

/* By time, by its user, by a change of who he is, by keepd's end. */
static void ends(void **state)
{
	struct proto_role carol = { .name = "carol", .uid = 1003, .roles = ROLE_AUDITOR, .text = "hired" };
	link_for(o.carol, "late", 60);
	office_page(&o, "301");
	assert_int_equal(enter(gate, "late", "x"), END_REFUSED);
	link_for(o.carol, "1", 1);
	assert_int_equal(enter(gate, "1", "one"), END_DONE);
	assert_int_equal(reads(gate), END_DONE);
	office_page(&o, "400");
	assert_int_equal(reads(gate), END_REFUSED);
	assert_int_equal(prove(gate, "one"), END_REFUSED);
	link_for(o.carol, "2", 60);
	assert_int_equal(enter(gate, "2", "two"), END_DONE);
	assert_int_equal(office_ask(o.alice, CTL_CONSOLE_END, NULL, 0).status, END_DONE); /* hers */
	assert_int_equal(prove(gate, "two"), END_DONE);
	assert_int_equal(office_ask(o.carol, CTL_CONSOLE_END, NULL, 0).status, END_DONE);
	assert_int_equal(reads(gate), END_REFUSED);
	assert_int_equal(prove(gate, "two"), END_REFUSED);
	link_for(o.carol, "3", 60);
	assert_int_equal(enter(gate, "3", "three"), END_DONE);
	assert_int_equal(office_two(&o, CTL_ROLE_ADD, &carol, sizeof carol).status, END_DONE);
	assert_int_equal(prove(gate, "three"), END_REFUSED);
	link_for(o.alice, "4", 60);
	assert_int_equal(enter(gate, "4", "four"), END_DONE);
	fd_close(&gate);
	office_again(&o, SIGTERM);
	static const struct rig_person gateway = { 1009, 2001, 1 };
	gate = rig_client_as(&o.rig, &gateway);
	assert_int_equal(prove(gate, "four"), END_REFUSED);
}

/* As many as fit: of one user the oldest makes room, of all nobody's. */
static void full(void **state)
{
	char word[32];
	for (u32 i = 0; i <= CONSOLE_USER_MAX; i++) {
		snprintf(word, sizeof word, "own%u", i);
		assert_int_equal(link_for(o.carol, word, CONSOLE_MINUTES_MAX).status, END_DONE);
	}
	assert_int_equal(enter(gate, "own0", "x"), END_REFUSED);
	assert_int_equal(enter(gate, "own1", "y"), END_DONE);
	for (u32 i = CONSOLE_USER_MAX; i <= CONSOLE_LOGINS_MAX; i++) {
		const struct rig_person p = { 3000 + i / CONSOLE_USER_MAX, 2004, 1 };
		_cleanup_fd_ int s = rig_client_as(&o.rig, &p);
		snprintf(word, sizeof word, "all%u", i);
		assert_int_equal(
			link_for(s, word, 60).status, i < CONSOLE_LOGINS_MAX ? END_DONE : END_REFUSED);
	}
	assert_true(link_for(o.bob, "long", CONSOLE_MINUTES_MAX + 1).gone);
}

/* Where one user is all roles, a login that has ended does not fall back to what its bearer is. */
static void single(void **state)
{
	struct rig one;
	struct proto_console c = { .minutes = 60 };
	u8 proof[SHA256_BYTES];
	rig_init(&one, keepd_path, NULL);
	assert_int_equal(rig_start(&one), 0);
	int owner = rig_client(&one), listener = rig_client(&one);
	proof_of("link", proof);
	access_key_hash(proof, c.hash);
	assert_int_equal(office_ask(owner, CTL_CONSOLE, &c, sizeof c).status, END_DONE);
	assert_int_equal(reads(listener), END_DONE); /* it has proven nobody: it is the owner himself */
	assert_int_equal(enter(listener, "link", "cookie"), END_DONE);
	assert_int_equal(prove(listener, "cookie"), END_DONE);
	assert_int_equal(reads(listener), END_DONE);
	assert_int_equal(office_ask(owner, CTL_CONSOLE_END, NULL, 0).status, END_DONE);
	assert_int_equal(reads(listener), END_REFUSED);
	assert_int_equal(reads(owner), END_DONE);
	fd_close(&owner);
	fd_close(&listener);
	rig_fini(&one);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { STORY(once), STORY(reading), STORY(keys), STORY(ends),
		STORY(full), cmocka_unit_test(single) };
	assert_int_equal(argc, 2);
	keepd_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
