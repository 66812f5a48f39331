/* The frame tables of keepd, in process: clients, a runtime and an attest job say what the input says, in any order. The input is a list
 * of steps {who, type, how, id, n, n bytes}: the body is a right one (how & 1) or zeros, changed by the bytes; turns end where how & 8.
 * Whatever is said, the log must not fail, every intent must be open or answered, and the state must stay that of the log. */
#define _GNU_SOURCE
#include "audit/keepd.h"
#include "audit/quota.h"
#include "base/daemon.h"
#include "base/fd.h"
#include "base/layout.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct {
	u32 type, len;
} words[] = {
	{ CTL_QUERY, sizeof(struct proto_query) },
	{ CTL_TRUST_ADD, sizeof(struct proto_trust) },
	{ CTL_TRUST_RM, sizeof(struct proto_name) },
	{ CTL_IMPORT, sizeof(struct proto_import) },
	{ CTL_FILE, sizeof(struct proto_file) },
	{ CTL_IMPORT_GO, 0 },
	{ CTL_REVOKE, sizeof(struct proto_name) },
	{ CTL_REMOVE, sizeof(struct proto_name) },
	{ CTL_SESSION, sizeof(struct proto_session_want) },
	{ CTL_BEGIN, sizeof(struct proto_begin) },
	{ JOB_PROGRESS, sizeof(struct proto_progress) },
	{ JOB_KEY_INFO, sizeof(struct proto_key) },
	{ JOB_RESULT, sizeof(struct proto_data) },
	{ JOB_REPORT, sizeof(struct attest_report) },
	{ GATE_LOADING, sizeof(struct proto_progress) },
	{ GATE_READY, sizeof(struct proto_ready) },
	{ GATE_LOAD_FAILED, sizeof(struct proto_load_failed) },
	{ GATE_OUTCOME, sizeof(struct proto_outcome) },
	{ GATE_UNLOADED, 0 },
	/* behind the others: seeds count words */
	{ CTL_BUNDLE, sizeof(struct proto_index) },
	{ CTL_POLICY_SET, sizeof(struct proto_name) },
	{ CTL_EXPLAIN, sizeof(struct proto_name) },
	{ JOB_SIGNER, sizeof(struct proto_signer) },
	{ JOB_RULE, sizeof(struct proto_rule) },
	{ CTL_SIGN, sizeof(struct proto_sign) },
	{ CTL_ROLE_ADD, sizeof(struct proto_role) },
	{ CTL_ROLE_RM, sizeof(struct proto_name) },
	{ CTL_LIFT, sizeof(struct proto_name) },
	{ CTL_SERVE, sizeof(struct proto_name) },
	{ CTL_ROTATE, sizeof(struct proto_name) },
	{ CTL_DECIDE, sizeof(struct proto_decide) },
	{ CTL_PLAN, sizeof(struct proto_session_want) },
	{ GATE_PLANNED, sizeof(struct proto_plan) },
	{ CTL_EXPORT, sizeof(struct proto_name) },
	{ CTL_STOP, sizeof(struct proto_name) },
	{ GATE_BUSY, sizeof(struct proto_busy) },
};

enum { HOW_RIGHT = 1, HOW_NO_FD = 2, HOW_CLOSE = 4, HOW_TURN = 8 };

static struct keepd k;
static int model_file = -1, attest_sock = -1, runtime_sock = -1;
static u8 file_digest[SHA256_BYTES];

/* A stored model, so that there is something to grant. */
static void store_model(const char *root)
{
	char path[512];
	struct model_row m = {
		.name = "demo", .status = MODEL_ACCEPTED, .stored = 1, .n_files = 1, .bytes = 1
	};
	static const char *const names[] = { "bundle", "segments", "layout", "0000" };
	snprintf(path, sizeof path, "%s/store/models/%096d", root, 0);
	assert(mkdir(path, 0700) == 0);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int r = audit_store_stage_put(dir, names[i], "x", 1);
		assert(r == 0);
	}
	close(dir);
	memcpy(m.segments, file_digest, sizeof m.segments);
	memcpy(m.layout, file_digest, sizeof m.layout);
	int r = audit_model_put(&k.state, &m);
	assert(r == 0);
}

static char root[64];

static void clean(void)
{
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf %s", root);
	if (system(cmd))
		fprintf(stderr, "%s: left behind\n", root);
}

static void begin(void)
{
	char path[128], vkey[256];
	struct note_key key;
	const char *why;
	struct audit_check c;
	daemon_name("fuzz_keepd");
	assert(sodium_init() >= 0);
	strcpy(root, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-fuzz.XXXXXX" : "/tmp/keep-fuzz.XXXXXX");
	assert(mkdtemp(root));
	atexit(clean);
	snprintf(path, sizeof path, "%s/store", root);
	int r = audit_store_create(path, "fuzz", vkey, sizeof vkey);
	r = r ? r : audit_store_open(path, &k.store, &key, &why);
	r = r ? r : audit_log_open(k.store.db_path, &key, &k.log, &why);
	r = r ? r : audit_check_begin(&c, k.log);
	r = r ? r : audit_check_step(&c, k.log, UINT64_MAX);
	assert(r == 0 && c.ok);
	audit_log_adopt(k.log, &c);
	audit_check_fini(&c);
	k.run_dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = ipc_listen(k.run_dir, "attest.sock", &attest_sock);
	r = r ? r : ipc_listen(k.run_dir, "runtime.sock", &runtime_sock);
	r = r ? r : fd_memfd_sealed("x", "x", 1, &model_file);
	assert(r == 0);
	k.listen = k.signals = k.journal.fd = k.reserve.fd = -1;
	k.effects_end = &k.effects;
	k.tickets_end = &k.tickets;
	r = quota_load(&k);
	assert(r == 0);
	sha256_of("x", 1, file_digest);
	store_model(root);
}

/* The body that would be right now. */
static void right_body(u32 type, u8 *body)
{
	const struct session *s = k.sessions;
	const struct ticket *t = k.tickets;
	if (type == CTL_QUERY)
		((struct proto_query *)(void *)body)->what = QUERY_RECORDS;
	if (type == CTL_TRUST_ADD) {
		struct proto_trust p = { .name = "demo", .kind = TRUST_KEY };
		memcpy(body, &p, sizeof p);
	}
	if (type == CTL_EXPLAIN || type == CTL_TRUST_RM || type == CTL_REVOKE || type == CTL_REMOVE ||
		type == CTL_EXPORT || type == CTL_STOP)
		strcpy(((struct proto_name *)(void *)body)->name, "demo");
	if (type == CTL_LIFT || type == CTL_SERVE || type == CTL_ROLE_RM)
		strcpy(((struct proto_name *)(void *)body)->name, "demo");
	if (type == CTL_ROLE_ADD) {
		struct proto_role p = { .name = "demo", .uid = 7, .roles = ROLE_AUDITOR };
		memcpy(body, &p, sizeof p);
	}
	if (type == CTL_DECIDE && k.state.n_pending) {
		struct proto_decide p = { .index = k.state.pending[0].index, .approve = 1 };
		memcpy(p.digest, k.state.pending[0].digest, sizeof p.digest);
		memcpy(body, &p, sizeof p);
	}
	if (type == CTL_IMPORT) {
		struct proto_import p = { .name = "new", .n_files = 1, .bytes = 1 };
		memcpy(body, &p, sizeof p);
	}
	if (type == CTL_FILE) {
		struct proto_file p = { .bytes = 1, .path = "x" };
		memcpy(body, &p, sizeof p);
	}
	if (type == CTL_SESSION)
		strcpy(((struct proto_session_want *)(void *)body)->name, "demo");
	if (type == CTL_BEGIN) {
		struct proto_begin p = { .session = s ? s->id : 0, .replay_of = REPLAY_NONE };
		memcpy(p.digest, file_digest, sizeof p.digest);
		memcpy(body, &p, sizeof p);
	}
	if (type == JOB_KEY_INFO) {
		struct proto_key p = { .der_len = 9, .curve_bits = 256 };
		memcpy(body, &p, sizeof p);
	}
	if (type == JOB_REPORT)
		memcpy(((struct attest_report *)(void *)body)->result, file_digest, sizeof file_digest);
	if (type == GATE_READY)
		((struct proto_ready *)(void *)body)->kv_mode = KV_F16;
	if (type == GATE_LOAD_FAILED) {
		struct proto_load_failed p = { .reason = LOAD_MEMORY, .file = LAYOUT_NONE };
		memcpy(body, &p, sizeof p);
	}
	if (type == GATE_OUTCOME) {
		struct proto_outcome p = { .session = t ? t->session->id : 0, .finish = FINISH_STOP };
		memcpy(p.request, file_digest, sizeof p.request);
		memcpy(body, &p, sizeof p);
	}
}

static u64 right_id(u32 type, u64 given)
{
	if (type == GATE_OUTCOME)
		return k.tickets ? k.tickets->request : given;
	if (type == GATE_BUSY)
		return k.sessions ? k.sessions->id : given;
	return type >= GATE_LOADING && k.grants ? k.grants->id : given;
}

/* Keep the other ends open, and unread. */
static int ends[256];
static u32 n_ends;

static struct conn *client(u32 n)
{
	for (struct conn *c = k.conns; c; c = c->next)
		if (c->kind == CONN_CLIENT && !c->dead && n-- == 0)
			return c;
	int a = -1, b = -1;
	int r = ipc_pair(&a, &b);
	assert(r == 0);
	if (n_ends < ARRAY_LEN(ends))
		ends[n_ends++] = b;
	else
		close(b);
	struct conn *c = conn_add(&k, CONN_CLIENT, &a, CLIENT_IDLE);
	if (c) { /* where there are several users: officers, each another one */
		c->peer.uid = 1000 + k.n_clients;
		c->group_roles = ROLE_OFFICER;
	}
	return c;
}

static struct conn *peer(u32 who)
{
	if (who < 2)
		return client(who);
	if (who == 2)
		return k.runtime;
	for (struct conn *c = k.conns; c; c = c->next)
		if (c->kind == CONN_JOB && !c->dead)
			return c;
	return NULL;
}

static void say(struct conn *c, const u8 *step, const u8 *change, u32 n)
{
	u32 w = step[1] % (u32)ARRAY_LEN(words);
	struct ipc_frame f = { .h = { .type = words[w].type, .len = words[w].len, .id = step[3] }, .fd = -1 };
	if (step[2] & HOW_RIGHT) {
		right_body(f.h.type, f.body);
		f.h.id = right_id(f.h.type, f.h.id);
	}
	for (u32 i = 0; i + 1 < n && f.h.len; i += 2)
		f.body[change[i] * 7u % f.h.len] ^= change[i + 1];
	bool fd = f.h.type == CTL_TRUST_ADD || f.h.type == CTL_BUNDLE || f.h.type == CTL_POLICY_SET ||
		  f.h.type == CTL_IMPORT || f.h.type == CTL_FILE || f.h.type == CTL_BEGIN ||
		  f.h.type == JOB_RESULT;
	if (fd != !!(step[2] & HOW_NO_FD))
		f.fd = fcntl(model_file, F_DUPFD_CLOEXEC, 3);
	int r = c->kind == CONN_CLIENT	  ? client_frame(c, &f)
		: c->kind == CONN_RUNTIME ? runtime_frame(c, &f)
					  : job_frame(c, &f);
	assert(r <= 0);
	if (r)
		conn_drop(c, "it closed");
	ipc_frame_fini(&f);
}

static void take_ends(void)
{
	const int socks[] = { attest_sock, runtime_sock };
	for (int i = 0; i < 2; i++)
		for (int fd;
			n_ends < ARRAY_LEN(ends) && (fd = accept4(socks[i], NULL, NULL, SOCK_NONBLOCK)) >= 0;)
			ends[n_ends++] = fd;
}

static void check(void)
{
	u32 tickets = 0, sessions = 0;
	for (const struct ticket *t = k.tickets; t; t = t->next)
		tickets++;
	for (const struct session *s = k.sessions; s; s = s->next, sessions++)
		assert(s->client || s->n_open);
	assert(tickets == k.n_tickets && sessions == k.n_sessions);
	if (audit_log_failed(k.log)) {
		fprintf(stderr, "%s\n", audit_log_failed(k.log));
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct audit_state first;
	if (!k.log) {
		begin();
		assert(fcntl(attest_sock, F_SETFL, O_NONBLOCK) == 0 &&
			fcntl(runtime_sock, F_SETFL, O_NONBLOCK) == 0);
		first = k.state;
	}
	u32 steps = 0;
	k.single_user = len == 0 || data[0] < 0x80;
	for (const u8 *p = data, *end = data + len; end - p >= 5 && steps < 64; steps++) {
		u32 n = MIN((u32)p[4], (u32)(end - p - 5));
		struct conn *c = peer(p[0] & 3);
		if (c && !c->dead && p[2] & HOW_CLOSE)
			conn_drop(c, "it closed");
		else if (c && !c->dead)
			say(c, p, p + 5, n);
		if (p[2] & HOW_TURN) {
			keepd_turn_end(&k);
			take_ends();
		}
		check();
		p += 5 + n;
	}
	keepd_turn_end(&k);
	check();
	keepd_close_all(&k);
	while (n_ends)
		close(ends[--n_ends]);
	while (audit_store_sweep(&k.store, NULL) > 0)
		;
	k.n_clients = 0;
	k.import = NULL;
	k.state = first;
	return 0;
}
