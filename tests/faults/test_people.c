/* Several people at one gate: who may do what, what takes two, and what the log says of them. */
#define _GNU_SOURCE
#include "rig.h"
#include "audit/role.h"
#include "audit/tlog/command.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_S 86400

static const char *keepd_path;
static char etc[192], clock_path[192], clock_env[224];

enum { USERS = 2001, OPERATORS, OFFICERS, AUDITORS, OTHERS };
static const struct rig_person alice = { 1001, OFFICERS, 3 }, bob = { 1002, OFFICERS, 1 },
			       carol = { 1003, AUDITORS, 2 }, dave = { 1004, OPERATORS, 1 },
			       eve = { 1005, USERS, 1 }, frank = { 1006, OTHERS, 1 },
			       unit = { 1008, OFFICERS, 1 };

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* The clock is mapped by keepd: its file is a page, and is written in place. */
static void set_clock(i64 seconds)
{
	static char page[4096];
	memset(page, 0, sizeof page);
	snprintf(page, sizeof page, "%lld\n", (long long)seconds);
	int fd = open(clock_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_pwrite_all(fd, page, sizeof page, 0), 0);
	close(fd);
}

static int up(void **state)
{
	static struct rig r;
	rig_init(&r, keepd_path, NULL);
	snprintf(etc, sizeof etc, "%s/etc", r.root);
	snprintf(clock_path, sizeof clock_path, "%s/clock", r.root);
	snprintf(clock_env, sizeof clock_env, "KEEP_TEST_CLOCK=%s", clock_path);
	assert_int_equal(mkdir(etc, 0700), 0);
	put(etc, "group",
		"root:x:0:\nkeep-user:x:2001:\nkeep-operator:x:2002:dave\nkeep-officer:x:2003:alice,bob\n"
		"keep-auditor:x:2004:\nother:x:2005:\n");
	put(etc, "passwd",
		"root:x:0:0::/:/bin/sh\nkeep-runtime:x:1008:1008::/:/bin/false\n"
		"keep-gateway:x:1009:1009::/:/bin/false\n");
	set_clock(0);
	r.etc = etc;
	r.env = clock_env;
	assert_int_equal(rig_start(&r), 0);
	*state = &r;
	return 0;
}

static int down(void **state)
{
	rig_fini(*state);
	return 0;
}

static u64 next_id = 5000;

/* A command, signed before it when there is a key. */
static struct rig_answer command(
	int sock, const struct note_key *key, const char *origin, u32 type, const void *body, u32 len)
{
	struct proto_sign s = { 0 };
	struct rig_answer a;
	u8 digest[SHA256_BYTES];
	u64 id = next_id++;
	if (key) {
		tlog_command_digest(type, body, len, s.file, digest);
		tlog_command_sign(key, origin, digest, s.signature);
		assert_int_equal(ipc_send(sock, CTL_SIGN, id, &s, sizeof s, -1), 0);
	}
	assert_int_equal(ipc_send(sock, type, id, body, len, -1), 0);
	rig_answer(sock, id, &a);
	return a;
}

static struct rig_answer add(int sock, const char *name, u32 uid, u32 roles, const char *vkey)
{
	struct proto_role p = { .uid = uid, .roles = roles };
	snprintf(p.name, sizeof p.name, "%s", name);
	snprintf(p.vkey, sizeof p.vkey, "%s", vkey ? vkey : "");
	snprintf(p.text, sizeof p.text, "because");
	return command(sock, NULL, NULL, CTL_ROLE_ADD, &p, sizeof p);
}

/* The proposal as it is listed: its act's digest. False: it does not wait. */
static bool pending(int sock, u64 index, u8 digest[SHA256_BYTES])
{
	struct rig_answer a = rig_query(sock, QUERY_PENDING, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	char want[48];
	snprintf(want, sizeof want, "{\"index\":%llu,", (unsigned long long)index);
	const char *line = a.data ? strstr(a.data, want) : NULL;
	const char *at = line ? strstr(line, "\"act_digest\":\"") : NULL;
	bool found = at && bytes_unhex(at + 14, SHA256_BYTES, digest) == 0;
	rig_answer_fini(&a);
	return found;
}

static struct proto_decide decision(int sock, u64 index, bool approve)
{
	struct proto_decide d = { .index = index, .approve = approve, .text = "seen" };
	if (!pending(sock, index, d.digest))
		fail_msg("proposal %llu does not wait", (unsigned long long)index);
	return d;
}

static struct rig_answer decide(int sock, u64 index, bool approve)
{
	struct proto_decide d = decision(sock, index, approve);
	return command(sock, NULL, NULL, CTL_DECIDE, &d, sizeof d);
}

/* The record that answers a proposal. */
static u64 answer_of(int sock, u64 index)
{
	struct rig_answer a = rig_query(sock, QUERY_RECORDS, index, 0, NULL);
	char want[64];
	snprintf(want, sizeof want, "\"event\":\"approve\",\"intent\":%llu,", (unsigned long long)index);
	const char *at = a.data ? strstr(a.data, want) : NULL;
	assert_non_null(at);
	while (at > a.data && at[-1] != '\n')
		at--;
	u64 found = strtoull(at + strlen("{\"v\":1,\"index\":"), NULL, 10);
	rig_answer_fini(&a);
	return found;
}

static struct rig_answer name(int sock, u32 type, const char *object)
{
	return rig_name(sock, type, object, "why", -1);
}

static struct rig_answer session_for(int sock)
{
	struct proto_prove_key p = { .name = "nobody" };
	struct rig_answer a;
	assert_int_equal(ipc_send(sock, CTL_PROVE_KEY, next_id, &p, sizeof p, -1), 0);
	rig_answer(sock, next_id++, &a);
	return a;
}

static u32 status(int sock)
{
	struct rig_answer a = rig_query(sock, QUERY_STATUS, 0, 0, NULL);
	rig_answer_fini(&a);
	return a.status;
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
							    : name(c, rows[i].type, "nothing");
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
		assert_int_equal(status(c), END_REFUSED);
		close(c);
	}
	int reader = rig_client_as(r, &carol);
	assert_int_equal(rig_count(reader, "\"event\":\"denied\"", NULL), DENIALS_PER_HOUR);
	assert_int_equal(
		name(reader, CTL_REVOKE, "x").status, END_REFUSED); /* somebody with a role always is */
	assert_int_equal(rig_count(reader, "\"event\":\"denied\"", "\"left_out\":4}", NULL), 1);
	close(reader);
	/* the gateway uses and reads, whatever group it was put into */
	int g = rig_client_as(r, &(struct rig_person){ 1009, OFFICERS, 1 });
	assert_int_equal(status(g), 0);
	assert_int_equal(name(g, CTL_REVOKE, "x").status, END_REFUSED);
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
	assert_int_equal(status(c), 0);
	int d = rig_client_as(r, &more);
	struct ipc_frame f;
	assert_int_equal(rig_recv(d, &f), 1);
	close(c);
	close(d);
}

/* ---- two people ---- */

static void two_people(void **state)
{
	struct rig *r = *state;
	int a = rig_client_as(r, &alice), b = rig_client_as(r, &bob), o = rig_client_as(r, &dave),
	    c = rig_client_as(r, &carol), f = rig_client_as(r, &frank);
	struct rig_answer x = add(a, "frank", frank.uid, ROLE_AUDITOR, NULL);
	assert_int_equal(x.status, 0);
	u64 index = x.index;
	assert_int_equal(status(f), END_REFUSED); /* proposed is not done */
	x = decide(a, index, true);		  /* not its own */
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "cannot approve it"));
	int a2 = rig_client_as(r, &alice); /* nor from elsewhere */
	assert_int_equal(decide(a2, index, true).status, END_REFUSED);
	x = decide(o, index, true);
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "it takes the role officer"));
	assert_int_equal(decide(c, index, true).status, END_REFUSED);
	struct proto_decide d = decision(b, index, true);
	d.digest[5] ^= 1; /* another act than the one that waits */
	assert_int_equal(command(b, NULL, NULL, CTL_DECIDE, &d, sizeof d).status, END_REFUSED);
	assert_int_equal(
		add(b, "frank", frank.uid, ROLE_AUDITOR, NULL).status, END_REFUSED); /* waits already */

	/* a restart later it still waits, and was no orphan */
	rig_end(r, SIGKILL);
	assert_int_equal(rig_start(r), 0);
	b = rig_client_as(r, &bob), c = rig_client_as(r, &carol), f = rig_client_as(r, &frank);
	assert_int_equal(rig_count(c, "\"event\":\"orphan\"", NULL), 0);
	x = decide(b, index, true);
	assert_int_equal(x.status, 0);
	assert_int_equal(x.index, answer_of(c, index) + 1);
	assert_int_equal(status(f), 0);
	assert_int_equal(name(f, CTL_REVOKE, "x").status, END_REFUSED);
	char proposal[48];
	snprintf(proposal, sizeof proposal, "\"role\":\"officer\",\"proposal\":%llu}",
		(unsigned long long)index);
	assert_int_equal(rig_count(c, "\"event\":\"role-add\"", proposal, "\"uid\":1002,",
				 "\"person_uid\":1006", NULL),
		1);
	assert_int_equal(command(b, NULL, NULL, CTL_DECIDE, &d, sizeof d).status,
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
	struct rig_answer x = add(a, "zoe", 1010, ROLE_USER, NULL);
	assert_int_equal(decide(b, x.index, false).status, 0);
	assert_int_equal(rig_count(c, "\"event\":\"reject\"", "\"object\":\"zoe\"", NULL), 1);
	x = add(a, "zoe", 1010, ROLE_USER, NULL); /* whoever proposed it may take it back */
	assert_int_equal(decide(a, x.index, false).status, 0);
	x = add(a, "zoe", 1010, ROLE_USER, NULL);
	assert_int_equal(x.status, 0);
	u64 index = x.index;
	set_clock(8 * DAY_S); /* and what nobody answers is void */
	while (!rig_count(c, "\"event\":\"expire\"", "\"object\":\"zoe\"", NULL))
		usleep(20000);
	u8 digest[SHA256_BYTES];
	assert_false(pending(b, index, digest));
	set_clock(0);
	static const struct {
		const char *name;
		u32 uid, roles;
	} bad[] = { { "x", 1, ROLE_OFFICER | ROLE_AUDITOR }, { "x", 1, ROLE_OFFICER | ROLE_OPERATOR },
		{ "x", 1, 0 }, { "x", 1, 16 }, { "x", 1008, ROLE_USER }, { "x", 1009, ROLE_USER },
		{ "X", 1, ROLE_USER } };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_not_equal(add(a, bad[i].name, bad[i].uid, bad[i].roles, NULL).status, 0);
	assert_int_equal(name(a, CTL_ROLE_RM, "nobody").status, END_REFUSED);
	/* as many as may wait, and one more */
	for (u32 i = 0; i <= PENDING_MAX; i++) {
		char who[16];
		snprintf(who, sizeof who, "p%u", i);
		assert_int_equal(
			add(a, who, 3000 + i, ROLE_USER, NULL).status, i < PENDING_MAX ? 0 : END_REFUSED);
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
	assert_int_equal(add(b, "bob", bob.uid, ROLE_OFFICER, "no key").status, END_REFUSED);
	x = add(b, "bob", bob.uid, ROLE_OFFICER, vkey);
	assert_int_equal(x.status, 0);
	assert_int_equal(decide(a, x.index, true).status, 0);
	b = rig_client_as(r, &bob); /* who was connected, is no longer */
	/* from now on bob signs: neither nothing, nor another key, nor another command, will do */
	x = add(a, "zoe", 1010, ROLE_USER, NULL);
	u64 index = x.index;
	x = decide(b, index, true);
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "must sign"));
	struct proto_decide d = decision(b, index, true);
	assert_int_equal(command(b, &other, origin, CTL_DECIDE, &d, sizeof d).status, END_REFUSED);
	assert_int_equal(command(b, &key, "another.log/", CTL_DECIDE, &d, sizeof d).status, END_REFUSED);
	assert_int_equal(command(a, &key, origin, CTL_DECIDE, &d, sizeof d).status,
		END_REFUSED); /* alice with bob's */
	x = command(b, &key, origin, CTL_DECIDE, &d, sizeof d);
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
	assert_int_equal(add(a, "twin", 1099, ROLE_OFFICER, vkey).status, END_REFUSED);
	assert_int_equal(add(a, "twin", bob.uid, ROLE_OFFICER, NULL).status, END_REFUSED);
}

/* ---- acts ---- */

static int text_fd(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	return fd;
}

/* Who counts as a witness is a matter of trust: two people, and until then the old policy counts. */
static void witnesses(struct rig *r, int a, int b, int c)
{
	static const char none[] = "quorum none\n";
	int text = text_fd(none), bad = text_fd("quorum two\n");
	assert_int_equal(rig_name(a, CTL_WITNESSES, "", "", bad).status, END_REFUSED);
	struct rig_answer x = rig_name(a, CTL_WITNESSES, "", "yearly", text);
	assert_int_equal(x.status, 0);
	assert_non_null(strstr(x.text, "proposed"));
	assert_int_equal(rig_count(c, "\"event\":\"witnesses\"", NULL), 0);
	assert_int_equal(decide(a, x.index, true).status, END_REFUSED); /* its own */
	assert_int_equal(decide(b, x.index, true).status, 0);
	assert_int_equal(
		rig_count(c, "\"event\":\"witnesses\"", "\"reason\":\"yearly\"", "\"proposal\":", NULL), 1);
	x = rig_name(a, CTL_WITNESSES, "", "again", text);
	assert_int_equal(decide(b, x.index, false).status, 0);
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
	int pem = text_fd("a key");
	assert_int_equal(
		rig_name(a, CTL_TRUST_ADD, "publisher", "", pem).status, 0); /* one officer, as yet */
	assert_int_equal(rig_import(o, "demo", "good", files, 1).status, 0);
	assert_int_equal(rig_import(a, "demo2", "good 2", files, 1).status, END_REFUSED);
	int text = text_fd("two 7");
	assert_int_equal(rig_name(a, CTL_POLICY_SET, "", "from now on two", text).status, 0);
	/* trust: two now */
	int second = text_fd("another key");
	struct rig_answer x = rig_name(a, CTL_TRUST_ADD, "second", "", second);
	assert_int_equal(x.status, 0);
	assert_non_null(strstr(x.text, "proposed"));
	assert_int_equal(rig_count(c, "\"event\":\"trust-add\"", "\"name\":\"second\"", NULL), 0);
	assert_int_equal(decide(b, x.index, true).status, 0);
	assert_int_equal(
		rig_count(c, "\"event\":\"trust-add\"", "\"name\":\"second\"", "\"proposal\":", NULL), 1);
	x = name(a, CTL_TRUST_RM, "second");
	assert_int_equal(decide(b, x.index, true).status, 0);
	witnesses(r, a, b, c);
	/* a file waits in the database, and goes with a rejection */
	struct proto_trust root = {
		.name = "root", .kind = TRUST_ROOT, .models = "*", .identity = { .san = "x" }
	};
	int pems = text_fd("certificates that wait");
	x = rig_trust(a, &root, pems);
	assert_int_equal(x.status, 0);
	rig_end(r, SIGKILL);
	assert_int_equal(rig_start(r), 0);
	a = rig_client_as(r, &alice), b = rig_client_as(r, &bob), o = rig_client_as(r, &dave);
	c = rig_client_as(r, &carol), u = rig_client_as(r, &eve);
	assert_int_equal(decide(b, x.index, true).status, 0);
	assert_int_equal(
		rig_count(c, "\"event\":\"trust-add\"", "\"name\":\"root\"", "\"proposal\":", NULL), 1);
	/* a model waits for two */
	struct rig_session s;
	rig_session_ask(u, 50, "demo");
	assert_int_equal(rig_session_take(u, 50, &s, &x), END_REFUSED);
	assert_non_null(strstr(x.text, "two people"));
	x = name(o, CTL_SERVE, "demo");
	assert_int_equal(decide(a, x.index, true).status, 0);
	rig_session_ask(u, 51, "demo");
	int gate = rig_runtime(r);
	struct rig_grant g = rig_take_grant(gate);
	rig_ready(gate, g.id);
	rig_take(gate, GATE_SESSION, NULL);
	assert_int_equal(rig_session_take(u, 51, &s, &x), 0);
	/* revoked by one, lifted by two */
	assert_int_equal(name(o, CTL_REVOKE, "demo").status, END_REFUSED);
	assert_int_equal(name(a, CTL_LIFT, "demo").status, END_REFUSED);
	assert_int_equal(name(a, CTL_REVOKE, "demo").status, 0);
	x = name(b, CTL_LIFT, "demo");
	assert_int_equal(decide(a, x.index, true).status, 0);
	x = rig_query(o, QUERY_MODEL, 0, 0, "demo");
	assert_non_null(strstr(x.data, "\"status\":\"accepted\""));
	rig_answer_fini(&x);
	/* the policy itself */
	text = text_fd("two 0");
	x = rig_name(b, CTL_POLICY_SET, "", "no longer", text);
	assert_non_null(strstr(x.text, "proposed"));
	assert_int_equal(decide(a, x.index, true).status, 0);
	text = text_fd("two 1");
	assert_null(strstr(rig_name(b, CTL_POLICY_SET, "", "alone", text).text, "proposed"));
	x = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_non_null(strstr(x.data, "\"ok\":true"));
	rig_answer_fini(&x);
}

/* An auditor repeats, and asks nothing new. */
static void auditor(void **state)
{
	struct rig *r = *state;
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" } };
	int a = rig_client_as(r, &alice), o = rig_client_as(r, &dave), u = rig_client_as(r, &eve),
	    c = rig_client_as(r, &carol);
	assert_int_equal(rig_name(a, CTL_TRUST_ADD, "publisher", "", text_fd("a key")).status, 0);
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
	struct rig_answer x = add(c, "frank", frank.uid, ROLE_AUDITOR, NULL);
	assert_int_equal(x.status, END_REFUSED);
	assert_non_null(strstr(x.text, "this appliance has one user"));
	assert_int_equal(name(c, CTL_LIFT, "demo").status, END_REFUSED);
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
		cmocka_unit_test_setup_teardown(matrix, up, down),
		cmocka_unit_test_setup_teardown(strangers, up, down),
		cmocka_unit_test_setup_teardown(two_people, up, down),
		cmocka_unit_test_setup_teardown(rejected, up, down),
		cmocka_unit_test_setup_teardown(keys, up, down),
		cmocka_unit_test_setup_teardown(acts, up, down),
		cmocka_unit_test_setup_teardown(auditor, up, down),
		cmocka_unit_test_setup_teardown(one_user, up, down),
	};
	assert(argc == 2 && sodium_init() >= 0);
	keepd_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
