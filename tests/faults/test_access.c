/* Who comes over the network, over the real gate: what the gateway can prove, what it cannot invent, and what ends when a key, a rule or a CA goes. */
#define _GNU_SOURCE
#include "rig.h"
#include "base/access.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { STRANGERS = 2001, OFFICERS = 2003, AUDITORS };
static const struct rig_person alice = { 1001, OFFICERS, 1 }, carol = { 1003, AUDITORS, 1 },
			       eve = { 1005, STRANGERS, 1 }, gateway = { 1009, STRANGERS, 1 };
static const char *keepd_path;
static char etc[192];
static struct rig r;
static int officer, gate;
static u64 id = 100;

static void put(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", etc, name);
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static int up(void **state)
{
	rig_init(&r, keepd_path, NULL);
	snprintf(etc, sizeof etc, "%s/etc", r.root);
	assert_int_equal(mkdir(etc, 0700), 0);
	char group[128]; /* this test is a user, by the group that it has */
	snprintf(group, sizeof group, "keep-user:x:%u:\nkeep-officer:x:2003:\nkeep-auditor:x:2004:\n",
		getgid());
	put("group", group);
	put("passwd", "keep-gateway:x:1009:1009::/:/bin/false\n");
	r.etc = etc;
	if (rig_start(&r))
		return 1;
	officer = rig_client_as(&r, &alice);
	gate = rig_client_as(&r, &gateway);
	return 0;
}

static int down(void **state)
{
	fd_close(&officer);
	fd_close(&gate);
	rig_fini(&r);
	return 0;
}

static struct rig_answer say(int sock, u32 type, const void *body, u32 len, int fd)
{
	struct rig_answer a;
	assert_int_equal(ipc_send(sock, type, ++id, body, len, fd), 0);
	rig_answer(sock, id, &a);
	return a;
}

static struct proto_access key(const char *name, u64 days)
{
	struct proto_access a = { .kind = ACCESS_KEY,
		.role = ROLE_USER,
		.uses = USE_ALL,
		.expires_s = (u64)time(NULL) + days * 86400 };
	u8 proof[SHA256_BYTES];
	snprintf(a.name, sizeof a.name, "%s", name);
	strcpy(a.principal, "anna");
	sha256_of(name, strlen(name), proof);
	access_key_hash(proof, a.hash);
	return a;
}

static u32 add(const struct proto_access *a)
{
	return say(officer, CTL_ACCESS_ADD, a, sizeof *a, -1).status;
}

static u32 prove(int sock, const char *name, const char *secret)
{
	struct proto_prove_key p = { 0 };
	snprintf(p.name, sizeof p.name, "%s", name);
	sha256_of(secret, strlen(secret), p.proof);
	return say(sock, CTL_PROVE_KEY, &p, sizeof p, -1).status;
}

/* Keys: whose, how long, how many; the gateway alone may show one; what is wrong is nobody, and a session of nobody is none. */
static void keys(void **state)
{
	struct proto_access a = key("k", 1), late = key("late", ACCESS_KEY_DAYS_MAX + 1),
			    most = key("most", ACCESS_KEY_DAYS_MAX - 1);
	_cleanup_fd_ int user = rig_client_as(&r, &eve), auditor = rig_client_as(&r, &carol);
	struct proto_session_want w = { .name = "demo" };
	assert_int_equal(say(user, CTL_ACCESS_ADD, &a, sizeof a, -1).status, END_REFUSED);
	assert_int_equal(say(gate, CTL_ACCESS_ADD, &a, sizeof a, -1).status, END_REFUSED);
	assert_int_equal(add(&a), END_DONE);
	assert_int_equal(add(&a), END_REFUSED); /* that name */
	struct proto_access twin = a;
	strcpy(twin.name, "twin");
	assert_int_equal(add(&twin), END_REFUSED); /* that key */
	assert_int_equal(add(&late), END_REFUSED);
	assert_int_equal(add(&most), END_DONE);
	late.expires_s = 1;
	assert_int_equal(add(&late), END_REFUSED);
	assert_int_equal(prove(gate, "k", "k"), END_DONE);
	assert_int_equal(prove(user, "k", "k"), END_REFUSED);
	assert_int_equal(prove(gate, "k", "most"), END_REFUSED);
	struct rig_answer s = say(gate, CTL_SESSION, &w, sizeof w, -1);
	assert_int_equal(s.status, END_REFUSED);
	assert_int_equal(prove(gate, "none", "k"), END_REFUSED);
	assert_int_equal(rig_name(officer, CTL_ACCESS_RM, "k", "lost", -1).status, END_DONE);
	assert_int_equal(rig_name(officer, CTL_ACCESS_RM, "k", "lost", -1).status, END_REFUSED);
	assert_int_equal(prove(gate, "k", "k"), END_REFUSED);
	assert_true(rig_count(auditor, "\"event\":\"denied\"", "prove-key", NULL) >= 3);
	assert_int_equal(rig_count(auditor, "\"event\":\"access-add\"", "\"principal\":\"anna\"", NULL), 2);
}

/* A connection with that name at the listener's end; both ends in ret. */
static void connection(const char *name, int ret[2])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(at.sun_path, sizeof at.sun_path, "%.80s/%s", r.root, name);
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ret[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(connect(ret[0], (struct sockaddr *)&at, sizeof at), 0);
	ret[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(ret[1] >= 0);
	struct rig_answer a = say(gate, CTL_PROVE_PEER, NULL, 0, l); /* the listener is nobody's connection */
	assert_int_equal(a.status, END_REFUSED);
	close(l);
	unlink(at.sun_path);
}

/* Users of this machine: the kernel's word, of a connection to http.sock and of nothing else. */
static void peers(void **state)
{
	int http[2], other[2];
	connection("http.sock", http);
	connection("journal.sock", other);
	_cleanup_fd_ int file = memfd_create("x", MFD_CLOEXEC);
	assert_int_equal(say(gate, CTL_PROVE_PEER, NULL, 0, other[1]).status, END_REFUSED);
	assert_int_equal(say(gate, CTL_PROVE_PEER, NULL, 0, http[0]).status, END_REFUSED);
	assert_int_equal(say(gate, CTL_PROVE_PEER, NULL, 0, file).status, END_REFUSED);
	/* the kernel says that it is this test */
	assert_int_equal(say(gate, CTL_PROVE_PEER, NULL, 0, http[1]).status, END_DONE);
	for (u32 i = 0; i < 2; i++) {
		close(http[i]);
		close(other[i]);
	}
}

/* As many as fit, and one more. */
static void full(void **state)
{
	char name[32];
	for (u32 i = 0; i <= ACCESS_MAX; i++) {
		snprintf(name, sizeof name, "k%u", i);
		struct proto_access a = key(name, 1);
		assert_int_equal(add(&a), i < ACCESS_MAX ? END_DONE : END_REFUSED);
	}
	assert_int_equal(prove(gate, "k511", "k511"), END_DONE);
}

static u32 show(struct proto_prove_cert *c, struct rig_answer *ret)
{
	*ret = say(gate, CTL_PROVE_CERT, c, sizeof *c, -1);
	return ret->status;
}

/* Certificates: judged by what is in force, fitting one rule; a CA that is not installed vouches for nobody. */
static void certificates(void **state)
{
	struct proto_access a = { .kind = ACCESS_CERT,
		.role = ROLE_AUDITOR,
		.uses = USE_LIST,
		.name = "staff",
		.ca = "corp",
		.san = "email:*@x" };
	struct proto_prove_cert c = {
		.ca = "corp", .until_s = UINT64_MAX, .n_names = 1, .names[0] = "email:ann@x"
	};
	struct proto_trust t = { .kind = TRUST_CLIENTS, .name = "corp" };
	_cleanup_fd_ int pem = memfd_create("ca", MFD_CLOEXEC);
	struct rig_answer said;
	assert_int_equal(add(&a), END_DONE);
	assert_int_equal(show(&c, &said), END_UNDECIDED); /* of an older generation */
	assert_true(said.index != UINT64_MAX && said.index > 0);
	c.generation = said.index;
	assert_int_equal(show(&c, &said), END_REFUSED); /* no such CA */
	assert_int_equal(fd_write_all(pem, "a CA", 4), 0);
	assert_int_equal(rig_trust(officer, &t, pem).status, END_DONE);
	assert_int_equal(show(&c, &said), END_UNDECIDED);
	c.generation = said.index;
	assert_int_equal(show(&c, &said), END_DONE);
	strcpy(c.names[0], "email:ann@y");
	assert_int_equal(show(&c, &said), END_REFUSED);
	strcpy(c.names[0], "email:ann@x");
	c.until_s = 1;
	assert_int_equal(show(&c, &said), END_REFUSED);
	c.until_s = UINT64_MAX;
	strcpy(a.name, "staff2"); /* as narrow as the first: nobody knows which is meant */
	assert_int_equal(add(&a), END_DONE);
	assert_int_equal(show(&c, &said), END_UNDECIDED);
	c.generation = said.index;
	assert_int_equal(show(&c, &said), END_REFUSED);
	assert_int_equal(rig_name(officer, CTL_ACCESS_RM, "staff2", "", -1).status, END_DONE);
	assert_int_equal(show(&c, &said), END_UNDECIDED);
	c.generation = said.index;
	assert_int_equal(show(&c, &said), END_DONE);
	/* an auditor asks nothing new, whoever says so */
	c.n_names = ACCESS_NAMES_MAX + 1; /* no honest gateway: its connection ends */
	assert_int_equal(ipc_send(gate, CTL_PROVE_CERT, ++id, &c, sizeof c, -1), 0);
	struct rig_answer gone;
	rig_answer(gate, id, &gone);
	assert_true(gone.gone);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { STORY(keys), STORY(peers), STORY(certificates), STORY(full) };
	assert_int_equal(argc, 2);
	keepd_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
