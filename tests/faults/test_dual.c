/* What takes two people: proposed, waiting, approved or rejected, signed, and done by whoever may. */
#define _GNU_SOURCE
#include "people_rig.h"
#include "audit/role.h"
#include "audit/tlog/command.h"
#include "base/bytes.h"

#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <unistd.h>

#define DAY_S 86400

static const struct rig_person alice = ALICE, bob = BOB, carol = CAROL, dave = DAVE, eve = EVE, frank = FRANK;

/* ---- two people ---- */

static void two_people(void **state)
{
	struct rig *r = *state;
	int a = rig_client_as(r, &alice), b = rig_client_as(r, &bob), o = rig_client_as(r, &dave),
	    c = rig_client_as(r, &carol), f = rig_client_as(r, &frank);
	struct rig_answer x = people_add(a, "frank", frank.uid, ROLE_AUDITOR, NULL);
	assert_int_equal(x.status, 0);
	u64 index = x.index;
	people_listed(b,
		"\"detail\":{\"name\":\"frank\",\"person_uid\":1006,\"roles\":[\"auditor\"],\"vkey\":\"\"}");
	assert_int_equal(people_status(f), END_REFUSED); /* proposed is not done */
	x = people_decide(a, index, true);		 /* not its own */
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "cannot approve it"));
	int a2 = rig_client_as(r, &alice); /* nor from elsewhere */
	assert_int_equal(people_decide(a2, index, true).status, END_REFUSED);
	x = people_decide(o, index, true);
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "it takes the role officer"));
	assert_int_equal(people_decide(c, index, true).status, END_REFUSED);
	struct proto_decide d = people_decision(b, index, true);
	d.digest[5] ^= 1; /* another act than the one that waits */
	assert_int_equal(people_command(b, NULL, NULL, CTL_DECIDE, &d, sizeof d).status, END_REFUSED);
	assert_int_equal(people_add(b, "frank", frank.uid, ROLE_AUDITOR, NULL).status,
		END_REFUSED); /* waits already */
	/* who tried it alone, or without the role, or another act, stands in the log: once for a connection */
	int reader = rig_client_as(r, &carol);
	assert_int_equal(rig_count(reader, "\"event\":\"denied\"", "\"uid\":1001,", "\"what\":\"decide\"",
				 "\"needs\":\"two people\"", "whoever proposed it cannot approve it", NULL),
		2);
	assert_int_equal(rig_count(reader, "\"event\":\"denied\"", "it takes the role officer", NULL), 2);
	assert_int_equal(rig_count(reader, "\"event\":\"denied\"", "\"uid\":1002,", "another act", NULL), 1);
	close(reader);

	/* a restart later it still waits, and was no orphan */
	rig_end(r, SIGKILL);
	assert_int_equal(rig_start(r), 0);
	b = rig_client_as(r, &bob), c = rig_client_as(r, &carol), f = rig_client_as(r, &frank);
	assert_int_equal(rig_count(c, "\"event\":\"orphan\"", NULL), 0);
	x = people_decide(b, index, true);
	assert_int_equal(x.status, 0);
	assert_int_equal(x.index, people_answer_of(c, index) + 1);
	assert_int_equal(people_status(f), 0);
	assert_int_equal(people_name(f, CTL_REVOKE, "x").status, END_REFUSED);
	char proposal[48];
	snprintf(proposal, sizeof proposal, "\"role\":\"officer\",\"proposal\":%llu}",
		(unsigned long long)index);
	assert_int_equal(rig_count(c, "\"event\":\"role-add\"", proposal, "\"uid\":1002,",
				 "\"person_uid\":1006", NULL),
		1);
	assert_int_equal(people_command(b, NULL, NULL, CTL_DECIDE, &d, sizeof d).status,
		END_REFUSED); /* it no longer waits */

	/* and is an auditor after another one */
	rig_end(r, SIGTERM);
	assert_int_equal(rig_start(r), 0);
	f = rig_client_as(r, &frank);
	assert_int_equal(rig_count(f, "\"event\":\"role-add\"", "\"name\":\"frank\"", NULL), 1);
	x = rig_query(f, QUERY_VERIFY, 0, 0, NULL);
	assert_non_null(strstr(x.data, "\"ok\":true"));
	rig_answer_fini(&x);
}

/* The command line of an act that was decided: nothing waits under its index any more. */
static void rejected(void **state)
{
	struct rig *r = *state;
	int a = rig_client_as(r, &alice), b = rig_client_as(r, &bob), c = rig_client_as(r, &carol);
	struct rig_answer x = people_add(a, "zoe", 1010, ROLE_USER, NULL);
	assert_int_equal(people_decide(b, x.index, false).status, 0);
	assert_int_equal(rig_count(c, "\"event\":\"reject\"", "\"object\":\"zoe\"", NULL), 1);
	x = people_add(a, "zoe", 1010, ROLE_USER, NULL); /* whoever proposed it may take it back */
	assert_int_equal(people_decide(a, x.index, false).status, 0);
	x = people_add(a, "zoe", 1010, ROLE_USER, NULL);
	assert_int_equal(x.status, 0);
	u64 index = x.index;
	people_clock(8 * DAY_S); /* and what nobody answers is void */
	while (!rig_count(c, "\"event\":\"expire\"", "\"object\":\"zoe\"", NULL))
		usleep(20000);
	u8 digest[SHA256_BYTES];
	assert_false(people_pending(b, index, digest));
	people_clock(0);
	static const struct {
		const char *name;
		u32 uid, roles;
	} bad[] = { { "x", 1, ROLE_OFFICER | ROLE_AUDITOR }, { "x", 1, ROLE_OFFICER | ROLE_OPERATOR },
		{ "x", 1, 0 }, { "x", 1, 16 }, { "x", 1008, ROLE_USER }, { "x", 1009, ROLE_USER },
		{ "X", 1, ROLE_USER } };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_not_equal(people_add(a, bad[i].name, bad[i].uid, bad[i].roles, NULL).status, 0);
	assert_int_equal(people_name(a, CTL_ROLE_RM, "nobody").status, END_REFUSED);
	/* as many as may wait, and one more */
	for (u32 i = 0; i <= PENDING_MAX; i++) {
		char who[16];
		snprintf(who, sizeof who, "p%u", i);
		assert_int_equal(people_add(a, who, 3000 + i, ROLE_USER, NULL).status,
			i < PENDING_MAX ? 0 : END_REFUSED);
	}
}

/* ---- keys ---- */

static void keys(void **state)
{
	struct rig *r = *state;
	struct note_key key, other;
	char vkey[NOTE_VKEY_MAX];
	int a = rig_client_as(r, &alice), b = rig_client_as(r, &bob), c = rig_client_as(r, &carol);
	assert_int_equal(tlog_note_key_make("bob", NOTE_ED25519, &key), 0);
	assert_int_equal(tlog_note_key_make("bob", NOTE_ED25519, &other), 0);
	tlog_note_vkey(&key, vkey, sizeof vkey);
	struct rig_answer x = rig_query(a, QUERY_CHECKPOINT, 0, 0, NULL);
	json_t *j = json_loads(x.data, 0, NULL);
	char origin[256];
	snprintf(origin, sizeof origin, "%s", json_string_value(json_object_get(j, "origin")));
	json_decref(j);
	rig_answer_fini(&x);
	assert_int_equal(people_add(b, "bob", bob.uid, ROLE_OFFICER, "no key").status, END_REFUSED);
	x = people_add(b, "bob", bob.uid, ROLE_OFFICER, vkey);
	assert_int_equal(x.status, 0);
	assert_int_equal(people_decide(a, x.index, true).status, 0);
	b = rig_client_as(r, &bob); /* who was connected, is no longer */
	/* from now on bob signs: neither nothing, nor another key, nor another command, will do */
	x = people_add(a, "zoe", 1010, ROLE_USER, NULL);
	u64 index = x.index;
	x = people_decide(b, index, true);
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "must sign"));
	assert_int_equal(
		rig_count(c, "\"event\":\"denied\"", "\"uid\":1002,", "\"needs\":\"a signature\"", NULL), 1);
	struct proto_decide d = people_decision(b, index, true);
	assert_int_equal(people_command(b, &other, origin, CTL_DECIDE, &d, sizeof d).status, END_REFUSED);
	assert_int_equal(
		people_command(b, &key, "another.log/", CTL_DECIDE, &d, sizeof d).status, END_REFUSED);
	assert_int_equal(people_command(a, &key, origin, CTL_DECIDE, &d, sizeof d).status,
		END_REFUSED); /* alice with bob's */
	x = people_command(b, &key, origin, CTL_DECIDE, &d, sizeof d);
	assert_int_equal(x.status, 0);
	/* the record holds what was signed and the signature: anybody can check them */
	x = rig_query(c, QUERY_RECORD, x.index - 1, 1, NULL);
	j = json_loads(x.data, 0, NULL);
	json_t *actor = json_object_get(j, "actor");
	u8 digest[SHA256_BYTES], want[SHA256_BYTES], signature[64], none[SHA256_BYTES] = { 0 };
	assert_string_equal(json_string_value(json_object_get(j, "event")), "approve");
	assert_string_equal(json_string_value(json_object_get(actor, "auth")), "signature");
	assert_string_equal(json_string_value(json_object_get(actor, "person")), "bob");
	assert_int_equal(
		bytes_unhex(json_string_value(json_object_get(actor, "signed")), sizeof digest, digest), 0);
	assert_int_equal(bytes_unhex(json_string_value(json_object_get(actor, "signature")), sizeof signature,
				 signature),
		0);
	tlog_command_digest(CTL_DECIDE, &d, sizeof d, none, want);
	assert_memory_equal(digest, want, sizeof want);
	assert_true(tlog_command_signed(&key, origin, digest, signature));
	json_decref(j);
	rig_answer_fini(&x);
	/* nobody else gets the same key, or the same uid */
	assert_int_equal(people_add(a, "twin", 1099, ROLE_OFFICER, vkey).status, END_REFUSED);
	assert_int_equal(people_add(a, "twin", bob.uid, ROLE_OFFICER, NULL).status, END_REFUSED);
}

/* ---- acts ---- */

/* Who counts as a witness is a matter of trust: two people, and until then the old policy counts. */
static void witnesses(struct rig *r, int a, int b, int c)
{
	static const char none[] = "quorum none\n";
	int text = people_text(none), bad = people_text("quorum two\n");
	assert_int_equal(rig_name(a, CTL_WITNESSES, "", "", bad).status, END_REFUSED);
	struct rig_answer x = rig_name(a, CTL_WITNESSES, "", "yearly", text);
	assert_int_equal(x.status, 0);
	assert_non_null(strstr(x.text, "proposed"));
	assert_int_equal(rig_count(c, "\"event\":\"witnesses\"", NULL), 0);
	people_listed(b, "\"file_bytes\":12,\"detail\":{}");
	assert_int_equal(people_decide(a, x.index, true).status, END_REFUSED); /* its own */
	assert_int_equal(people_decide(b, x.index, true).status, 0);
	assert_int_equal(
		rig_count(c, "\"event\":\"witnesses\"", "\"reason\":\"yearly\"", "\"proposal\":", NULL), 1);
	x = rig_name(a, CTL_WITNESSES, "", "again", text);
	assert_int_equal(people_decide(b, x.index, false).status, 0);
	assert_int_equal(rig_count(c, "\"event\":\"witnesses\"", NULL), 1);
	x = rig_query(c, QUERY_VERIFY, 0, 0, NULL); /* the file of the policy that counts stayed */
	assert_non_null(strstr(x.data, "\"ok\":true"));
	rig_answer_fini(&x);
	close(text);
	close(bad);
}

/* What the policy wants two people for, and what always needs them. */
static void acts(void **state)
{
	struct rig *r = *state;
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" } };
	int a = rig_client_as(r, &alice), b = rig_client_as(r, &bob), o = rig_client_as(r, &dave),
	    c = rig_client_as(r, &carol), u = rig_client_as(r, &eve);
	int pem = people_text("a key");
	assert_int_equal(
		rig_name(a, CTL_TRUST_ADD, "publisher", "", pem).status, 0); /* one officer, as yet */
	assert_int_equal(rig_import(o, "demo", "good", files, 1).status, 0);
	assert_int_equal(rig_import(a, "demo2", "good 2", files, 1).status, END_REFUSED);
	int text = people_text("two 7");
	assert_int_equal(rig_name(a, CTL_POLICY_SET, "", "from now on two", text).status, 0);
	/* trust: two now */
	int second = people_text("another key");
	struct rig_answer x = rig_name(a, CTL_TRUST_ADD, "second", "", second);
	assert_int_equal(x.status, 0);
	assert_non_null(strstr(x.text, "proposed"));
	assert_int_equal(rig_count(c, "\"event\":\"trust-add\"", "\"name\":\"second\"", NULL), 0);
	people_listed(b, "\"detail\":{\"name\":\"second\",\"kind\":\"key\",\"key_id\":\"");
	assert_int_equal(people_decide(b, x.index, true).status, 0);
	assert_int_equal(
		rig_count(c, "\"event\":\"trust-add\"", "\"name\":\"second\"", "\"proposal\":", NULL), 1);
	x = people_name(a, CTL_TRUST_RM, "second");
	assert_int_equal(people_decide(b, x.index, true).status, 0);
	witnesses(r, a, b, c);
	/* a file waits in the database, and goes with a rejection */
	struct proto_trust root = {
		.name = "root", .kind = TRUST_ROOT, .models = "*", .identity = { .san = "x" }
	};
	int pems = people_text("certificates that wait");
	x = rig_trust(a, &root, pems);
	assert_int_equal(x.status, 0);
	rig_end(r, SIGKILL);
	assert_int_equal(rig_start(r), 0);
	a = rig_client_as(r, &alice), b = rig_client_as(r, &bob), o = rig_client_as(r, &dave);
	c = rig_client_as(r, &carol), u = rig_client_as(r, &eve);
	assert_int_equal(people_decide(b, x.index, true).status, 0);
	assert_int_equal(
		rig_count(c, "\"event\":\"trust-add\"", "\"name\":\"root\"", "\"proposal\":", NULL), 1);
	/* a model waits for two */
	struct rig_session s;
	rig_session_ask(u, 50, "demo");
	assert_int_equal(rig_session_take(u, 50, &s, &x), END_REFUSED);
	assert_non_null(strstr(x.text, "two people"));
	x = people_name(o, CTL_SERVE, "demo");
	assert_int_equal(people_decide(a, x.index, true).status, 0);
	rig_session_ask(u, 51, "demo");
	int gate = rig_runtime(r);
	struct rig_grant g = rig_take_grant(gate);
	rig_ready(gate, g.id);
	rig_take(gate, GATE_SESSION, NULL);
	assert_int_equal(rig_session_take(u, 51, &s, &x), 0);
	/* revoked by one, lifted by two */
	assert_int_equal(people_name(o, CTL_REVOKE, "demo").status, END_REFUSED);
	assert_int_equal(people_name(a, CTL_LIFT, "demo").status, END_REFUSED);
	assert_int_equal(people_name(a, CTL_REVOKE, "demo").status, 0);
	x = people_name(b, CTL_LIFT, "demo");
	assert_int_equal(people_decide(a, x.index, true).status, 0);
	x = rig_query(o, QUERY_MODEL, 0, 0, "demo");
	assert_non_null(strstr(x.data, "\"status\":\"accepted\""));
	rig_answer_fini(&x);
	/* the policy itself */
	text = people_text("two 0");
	x = rig_name(b, CTL_POLICY_SET, "", "no longer", text);
	assert_non_null(strstr(x.text, "proposed"));
	assert_int_equal(people_decide(a, x.index, true).status, 0);
	text = people_text("two 1");
	assert_null(strstr(rig_name(b, CTL_POLICY_SET, "", "alone", text).text, "proposed"));
	x = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_non_null(strstr(x.data, "\"ok\":true"));
	rig_answer_fini(&x);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_people, people_up, people_down),
		cmocka_unit_test_setup_teardown(rejected, people_up, people_down),
		cmocka_unit_test_setup_teardown(keys, people_up, people_down),
		cmocka_unit_test_setup_teardown(acts, people_up, people_down),
	};
	assert(argc == 2 && sodium_init() >= 0);
	people_keepd = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
