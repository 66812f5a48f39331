#define _GNU_SOURCE
#include "rig.h"
#include "base/access.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define must(x) assert_true((x) >= 0)

/* ---- the appliance ---- */

static int run_wait(char *const argv[])
{
	pid_t pid;
	int st = -1, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	posix_spawn_file_actions_t fa;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, null, 1);
	assert_int_equal(posix_spawn(&pid, argv[0], &fa, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&fa);
	close(null);
	waitpid(pid, &st, 0);
	return st;
}

void rig_init(struct rig *r, const char *keepd, const char *base)
{
	const char *tmp = base ? base : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	*r = (struct rig){ .keepd = keepd };
	snprintf(r->root, sizeof r->root, "%.100s/keep-rig.XXXXXX", tmp);
	assert_non_null(mkdtemp(r->root));
	snprintf(r->store, sizeof r->store, "%s/store", r->root);
	snprintf(r->run, sizeof r->run, "%s/run", r->root);
	assert_int_equal(mkdir(r->run, 0700), 0);
	r->run_dir = open(r->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(r->run_dir);
	assert_int_equal(ipc_listen(r->run_dir, "ctl.sock", &r->ctl), 0);
	assert_int_equal(ipc_listen(r->run_dir, "attest.sock", &r->attest_sock), 0);
	assert_int_equal(ipc_listen(r->run_dir, "runtime.sock", &r->runtime_sock), 0);
	char *argv[] = { (char *)(uintptr_t)keepd, "--store", r->store, "--init", NULL };
	assert_int_equal(run_wait(argv), 0);
	r->attest_pid = rig_attest(r->attest_sock);
}

static void exec_keepd(struct rig *r)
{
	char *argv[] = { (char *)(uintptr_t)r->keepd, "--store", r->store, "--run", r->run, "--journal",
		(char *)(uintptr_t)(r->journal ? r->journal : "/nonexistent"),
		r->etc ? "--etc" : "--single-user", (char *)(uintptr_t)r->etc, NULL };
	char *env[8] = { "LISTEN_FDS=1" };
	u32 n = 1;
	static char trace[] = "KEEP_TRACE=1";
	if (getenv("KEEP_TRACE"))
		env[n++] = trace;
	if (r->env)
		env[n++] = (char *)(uintptr_t)r->env;
	static const char *const handed[] = { "ASAN_OPTIONS", "KEEP_BENCH_SYNC_US" };
	for (size_t i = 0; i < ARRAY_LEN(handed); i++)
		if (getenv(handed[i]))
			env[n++] = getenv(handed[i]) - strlen(handed[i]) - 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int copy = fcntl(r->ctl, F_DUPFD, 10); /* without close-on-exec at 3 */
	if (copy < 0 || dup2(copy, 3) < 0)
		_exit(120);
	if (!getenv("KEEP_TEST_STDERR")) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 2);
	}
	close_range(4, ~0u, 0);
	execve(r->keepd, argv, env);
	_exit(121);
}

/* The rig whose keepd runs. */
static struct rig *current;

int rig_start(struct rig *r)
{
	current = r;
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0)
		exec_keepd(r);
	int s = rig_client(r);
	struct proto_query q = { .what = QUERY_STATUS };
	int up = ipc_send(s, CTL_QUERY, 1, &q, sizeof q, -1);
	for (struct pollfd p = { .fd = s, .events = POLLIN }; !up;) {
		struct ipc_frame f;
		int st;
		if (poll(&p, 1, 50) > 0) {
			int e = ipc_recv(s, &f);
			if (e)
				up = 1;
			else if (ipc_frame_fini(&f), f.h.type == CTL_END)
				break;
		} else if (waitpid(r->pid, &st, WNOHANG) == r->pid) {
			r->pid = 0;
			up = 1;
		}
	}
	close(s);
	return up ? 1 : 0;
}

int rig_end(struct rig *r, int sig)
{
	int st = 0;
	if (r->pid <= 0)
		return -1;
	kill(r->pid, sig);
	waitpid(r->pid, &st, 0);
	r->pid = 0;
	return st;
}

bool rig_ended(struct rig *r, u32 ms)
{
	int st;
	for (u32 i = 0; i < ms; i += 10) {
		if (r->pid <= 0 || waitpid(r->pid, &st, WNOHANG) == r->pid) {
			r->pid = 0;
			return true;
		}
		usleep(10000);
	}
	return false;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void rig_fini(struct rig *r)
{
	rig_end(r, SIGKILL);
	kill(r->attest_pid, SIGKILL);
	waitpid(r->attest_pid, NULL, 0);
	fd_close(&r->ctl);
	fd_close(&r->attest_sock);
	fd_close(&r->runtime_sock);
	fd_close(&r->run_dir);
	nftw(r->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- frames ---- */

/* A dead keepd leaves its listening socket with us: connections wait there for ever. */
static bool keepd_gone(void)
{
	int st;
	if (current && current->pid > 0 && waitpid(current->pid, &st, WNOHANG) == current->pid)
		current->pid = 0;
	return current && current->pid == 0;
}

char rig_doing[96];

int rig_recv(int sock, struct ipc_frame *f)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct rig_idle idle = { 0 };
	bool gone = false;
	while (poll(&p, 1, 100) <= 0) {
		if (gone)
			return 1;
		gone = keepd_gone(); /* one more look for what it sent before */
		rig_idle(&idle);
	}
	int r = ipc_recv(sock, f);
	assert_true(r == 0 || r == 1);
	return r;
}

bool rig_quiet(int sock, u32 ms)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	return poll(&p, 1, (int)ms) == 0;
}

int rig_client(struct rig *r)
{
	int s = -1;
	assert_int_equal(ipc_connect(r->run_dir, "ctl.sock", &s), 0);
	return s;
}

int rig_client_as(struct rig *r, const struct rig_person *p)
{
	static u32 n;
	struct sockaddr_un me = { .sun_family = AF_UNIX }, to = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	must(s);
	int len = snprintf(me.sun_path + 1, sizeof me.sun_path - 1, "keep-as %u %u %u %d.%u", p->uid, p->gid,
		p->n_groups ? p->n_groups : 1, (int)getpid(), n++);
	snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/ctl.sock", r->run_dir);
	assert_int_equal(bind(s, (struct sockaddr *)&me,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)),
		0);
	assert_int_equal(connect(s, (struct sockaddr *)&to, sizeof to), 0);
	return s;
}

static void take_data(struct rig_answer *a, int fd)
{
	struct fd_map m;
	assert_int_equal(fd_map_sealed(fd, 1u << 30, &m), 0);
	free(a->data);
	a->data = calloc(1, m.len + 1);
	if (m.len)
		memcpy(a->data, m.data, m.len);
	fd_unmap(&m);
}

void rig_answer(int sock, u64 id, struct rig_answer *a)
{
	*a = (struct rig_answer){ 0 };
	for (;;) {
		struct ipc_frame f;
		if (rig_recv(sock, &f)) {
			a->gone = true;
			a->status = 99;
			return;
		}
		if (f.h.type == CTL_DATA)
			take_data(a, f.fd);
		if (f.h.type == CTL_VERDICT) {
			memcpy(&a->report, f.body, sizeof a->report);
			a->has_report = true;
		}
		a->n_rules += f.h.type == CTL_RULE;
		ipc_frame_fini(&f);
		if (f.h.type != CTL_END || f.h.id != id)
			continue;
		struct proto_end e;
		memcpy(&e, f.body, sizeof e);
		a->status = e.status;
		a->index = e.index;
		memcpy(a->text, e.text, sizeof a->text);
		return;
	}
}

void rig_answer_fini(struct rig_answer *a)
{
	free(a->data);
	a->data = NULL;
}

static u64 next_id = 1000;

struct rig_answer rig_query(int sock, u32 what, u64 first, u64 count, const char *name)
{
	struct proto_query q = { .what = what, .first = first, .count = count };
	struct rig_answer a;
	u64 id = next_id++;
	if (name)
		snprintf(q.name, sizeof q.name, "%s", name);
	assert_int_equal(ipc_send(sock, CTL_QUERY, id, &q, sizeof q, -1), 0);
	rig_answer(sock, id, &a);
	return a;
}

struct rig_answer rig_trust(int sock, const struct proto_trust *t, int fd)
{
	struct rig_answer a;
	u64 id = next_id++;
	assert_int_equal(ipc_send(sock, CTL_TRUST_ADD, id, t, sizeof *t, fd), 0);
	rig_answer(sock, id, &a);
	return a;
}

struct rig_answer rig_name(int sock, u32 type, const char *name, const char *text, int fd)
{
	struct proto_name n = { 0 };
	struct proto_trust t = { .kind = TRUST_KEY };
	struct rig_answer a;
	u64 id = next_id++;
	if (type == CTL_TRUST_ADD) {
		snprintf(t.name, sizeof t.name, "%s", name);
		return rig_trust(sock, &t, fd);
	}
	snprintf(n.name, sizeof n.name, "%s", name);
	snprintf(n.text, sizeof n.text, "%s", text);
	assert_int_equal(ipc_send(sock, type, id, &n, sizeof n, fd), 0);
	rig_answer(sock, id, &a);
	return a;
}

static int text_file(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	must(fd);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	return fd;
}

struct rig_answer rig_import(
	int sock, const char *name, const char *bundle, const struct rig_file *files, u32 n)
{
	struct proto_import im = { .n_files = n };
	struct rig_answer a;
	u64 id = next_id++;
	int fd = text_file(bundle);
	snprintf(im.name, sizeof im.name, "%s", name);
	for (u32 i = 0; i < n; i++)
		im.bytes += strlen(files[i].text);
	int sent = ipc_send(sock, CTL_IMPORT, id, &im, sizeof im, fd);
	fd_close(&fd);
	if (sent == -EPIPE) /* it died behind its last answer */
		return (struct rig_answer){ .gone = true, .status = 99 };
	assert_int_equal(sent, 0);
	for (u32 i = 0; i < n; i++) {
		struct proto_file pf = { .bytes = strlen(files[i].text), .index = i };
		snprintf(pf.path, sizeof pf.path, "%s", files[i].path);
		fd = text_file(files[i].text);
		int r = ipc_send(sock, CTL_FILE, id, &pf, sizeof pf, fd);
		fd_close(&fd);
		if (r)
			break;
	}
	int r = ipc_send(sock, CTL_IMPORT_GO, id, NULL, 0, -1);
	(void)r; /* a dead keepd shows in the answer */
	rig_answer(sock, id, &a);
	return a;
}

/* By keepd's clock, which may be the test's. */
static u64 judged_s(int sock)
{
	static const char mark[] = "\"judged_s\":";
	struct rig_answer a = rig_query(sock, QUERY_STATUS, 0, 0, NULL);
	const char *at = a.data ? strstr(a.data, mark) : NULL;
	assert_non_null(at);
	u64 s = strtoull(at + sizeof mark - 1, NULL, 10);
	rig_answer_fini(&a);
	return s;
}

void rig_prove(int officer, int gateway, const char *principal)
{
	struct proto_access a = {
		.kind = ACCESS_KEY, .role = ROLE_USER, .uses = USE_ALL, .expires_s = judged_s(officer) + 86400
	};
	struct proto_prove_key p = { 0 };
	struct rig_answer said;
	snprintf(a.name, sizeof a.name, "%s", principal);
	snprintf(a.principal, sizeof a.principal, "%s", principal);
	snprintf(p.name, sizeof p.name, "%s", principal);
	sha256_of(principal, strlen(principal), p.proof);
	access_key_hash(p.proof, a.hash);
	assert_int_equal(ipc_send(officer, CTL_ACCESS_ADD, 9001, &a, sizeof a, -1), 0);
	rig_answer(officer, 9001, &said);
	assert_int_equal(ipc_send(gateway, CTL_PROVE_KEY, 3, &p, sizeof p, -1), 0);
	rig_answer(gateway, 3, &said);
	assert_int_equal(said.status, END_DONE);
}

void rig_session_ask(int sock, u64 id, const char *name)
{
	struct proto_session_want w = { 0 };
	snprintf(w.name, sizeof w.name, "%s", name);
	assert_int_equal(ipc_send(sock, CTL_SESSION, id, &w, sizeof w, -1), 0);
}

u32 rig_session_take(int sock, u64 id, struct rig_session *ret, struct rig_answer *a)
{
	*a = (struct rig_answer){ 0 };
	*ret = (struct rig_session){ .sock = -1 };
	for (;;) {
		struct ipc_frame f;
		if (rig_recv(sock, &f)) {
			a->gone = true;
			return 99;
		}
		if (f.h.type == CTL_SESSION_OPEN) {
			struct proto_session_open so;
			memcpy(&so, f.body, sizeof so);
			ret->id = so.session;
			ret->grant = so.grant;
			ret->sock = fd_steal(&f.fd);
		}
		ipc_frame_fini(&f);
		if (f.h.type != CTL_END || f.h.id != id)
			continue;
		struct proto_end e;
		memcpy(&e, f.body, sizeof e);
		a->status = e.status;
		a->index = e.index;
		memcpy(a->text, e.text, sizeof a->text);
		return e.status;
	}
}

void rig_begin_ask(int sock, const struct rig_begin *b)
{
	struct proto_begin p = { .session = b->session, .replay_of = b->replay_of };
	int fd = -1;
	sha256_of(b->text, strlen(b->text), p.digest);
	p.digest[0] ^= b->wrong_digest;
	if (b->unsealed)
		fd = text_file(b->text);
	else
		assert_int_equal(fd_memfd_sealed("request", b->text, strlen(b->text), &fd), 0);
	int r = ipc_send(sock, CTL_BEGIN, b->request, &p, sizeof p, fd);
	(void)r; /* a dead keepd shows in the answer */
	fd_close(&fd);
}

struct rig_answer rig_begin(int sock, const struct rig_begin *b)
{
	struct rig_answer a;
	rig_begin_ask(sock, b);
	rig_answer(sock, b->request, &a);
	return a;
}

/* ---- the runtime's side ---- */

int rig_runtime(struct rig *r)
{
	struct pollfd p = { .fd = r->runtime_sock, .events = POLLIN };
	if (poll(&p, 1, 10000) <= 0)
		fail_msg("keepd does not connect to the runtime");
	int s = accept4(r->runtime_sock, NULL, NULL, SOCK_CLOEXEC);
	must(s);
	return s;
}

struct ipc_frame rig_take(int gate, u32 type, int *ret_fd)
{
	struct ipc_frame f;
	assert_int_equal(rig_recv(gate, &f), 0);
	assert_int_equal(f.h.type, type);
	if (ret_fd)
		*ret_fd = fd_steal(&f.fd);
	ipc_frame_fini(&f);
	return f;
}

struct rig_grant rig_take_grant(int gate)
{
	struct rig_grant g = { 0 };
	struct ipc_frame f = rig_take(gate, GATE_GRANT, NULL);
	g.id = f.h.id;
	memcpy(&g.g, f.body, sizeof g.g);
	rig_take(gate, GATE_SEGMENTS, NULL);
	for (g.n_files = 0; g.n_files < g.g.n_files; g.n_files++)
		rig_take(gate, GATE_FILE, NULL);
	rig_take(gate, GATE_LOAD, NULL);
	return g;
}

void rig_ready(int gate, u64 grant)
{
	struct proto_ready r = { .device = "fake",
		.driver = "none",
		.numerics = 1,
		.kv_mode = KV_F16,
		.ctx_tokens = 64,
		.n_vocab = 32 };
	assert_int_equal(ipc_send(gate, GATE_READY, grant, &r, sizeof r, -1), 0);
}

void rig_outcome(int gate, u64 session, u64 request, const char *text, const char *tokens, u32 finish)
{
	struct proto_outcome o = { .session = session,
		.finish = finish,
		.n_prompt = 3,
		.n_generated = 2,
		.kv_mode = KV_F16,
		.seed = 7,
		.device = "fake" };
	sha256_of(text, strlen(text), o.request);
	sha256_of(tokens, strlen(tokens), o.tokens);
	assert_int_equal(ipc_send(gate, GATE_OUTCOME, request, &o, sizeof o, -1), 0);
}

/* ---- whole stories ---- */

u32 rig_count(int sock, ...)
{
	struct rig_answer a = rig_query(sock, QUERY_RECORDS, 0, 0, NULL);
	u32 n = 0;
	assert_int_equal(a.status, 0);
	for (char *line = a.data, *lf; line && (lf = strchr(line, '\n')); line = lf + 1) {
		va_list ap;
		bool all = true;
		*lf = 0;
		va_start(ap, sock);
		for (const char *want; (want = va_arg(ap, const char *));)
			all = all && strstr(line, want);
		va_end(ap);
		n += all;
	}
	rig_answer_fini(&a);
	return n;
}

void rig_demo(struct rig *r, int client, int *ret_gate, struct rig_session *ret)
{
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" },
		{ "LICENSE", "free" } };
	int pem = text_file("a key");
	struct rig_answer a = rig_name(client, CTL_TRUST_ADD, "publisher", "", pem);
	assert_int_equal(a.status, 0);
	fd_close(&pem);
	a = rig_import(client, "demo", "good", files, 2);
	assert_int_equal(a.status, 0);
	rig_session_ask(client, 5, "demo");
	*ret_gate = rig_runtime(r);
	struct rig_grant g = rig_take_grant(*ret_gate);
	rig_ready(*ret_gate, g.id);
	int s = -1;
	rig_take(*ret_gate, GATE_SESSION, &s);
	fd_close(&s);
	assert_int_equal(rig_session_take(client, 5, ret, &a), 0);
}
