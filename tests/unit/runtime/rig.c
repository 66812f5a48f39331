#define _GNU_SOURCE
#include "tests/unit/runtime/rig.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct tiny tiny;

void start(struct runtime *rt, const char *device)
{
	char dir[] = "/tmp/keep-gate-XXXXXX";
	const char *program = getenv("KEEP_RUNTIME");
	assert_non_null(program);
	assert_non_null(mkdtemp(dir));
	int dirfd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC), listener = -1;
	assert_int_equal(ipc_listen(dirfd, "runtime.sock", &listener), 0);
	rt->pid = fork();
	assert_true(rt->pid >= 0);
	if (rt->pid == 0) {
		char pid[16];
		snprintf(pid, sizeof pid, "%d", getpid());
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_PID", pid, 1);
		if (listener == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(listener, 3);
		execl(program, program, "--device", device, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(ipc_connect(dirfd, "runtime.sock", &rt->gate), 0);
	unlinkat(dirfd, "runtime.sock", 0);
	rmdir(dir);
	close(dirfd);
	close(listener);
	rt->next_session = 1;
}

int ended(struct runtime *rt)
{
	int status;
	fd_close(&rt->gate);
	assert_int_equal(waitpid(rt->pid, &status, 0), rt->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void tell(int sock, u32 type, u64 id, const void *body, u32 len, int fd)
{
	assert_int_equal(ipc_send(sock, type, id, body, len, fd), 0);
}

/* The next frame of that type; others are skipped. */
struct ipc_frame *hear(int sock, u32 type)
{
	static struct ipc_frame f;
	ipc_frame_fini(&f);
	for (;;) {
		struct pollfd p = { .fd = sock, .events = POLLIN };
		assert_int_equal(poll(&p, 1, 60000), 1);
		int r = ipc_recv(sock, &f);
		if (r)
			fprintf(stderr, "waiting for %#x: the socket ended (%d)\n", type, r);
		assert_int_equal(r, 0);
		if (f.h.type == type)
			return &f;
		ipc_frame_fini(&f);
	}
}

void offer_as(struct runtime *rt, const struct tiny *t, const struct proto_grant *want, u64 id)
{
	int layout = -1, segments = -1;
	assert_int_equal(fd_memfd_sealed("layout", t->layout, t->layout_len, &layout), 0);
	assert_int_equal(fd_memfd_sealed("segments", t->segments, t->segments_len, &segments), 0);
	tell(rt->gate, GATE_GRANT, id, want, sizeof *want, layout);
	tell(rt->gate, GATE_SEGMENTS, id, NULL, 0, segments);
	for (u32 i = 0; i < TINY_FILES; i++) {
		struct proto_index p = { .index = i };
		tell(rt->gate, GATE_FILE, id, &p, sizeof p, t->files[i]);
	}
	tell(rt->gate, GATE_LOAD, id, NULL, 0, -1);
	close(layout);
	close(segments);
}

void offer(struct runtime *rt, const struct tiny *t, const struct proto_grant *want)
{
	offer_as(rt, t, want, GRANT);
}

int session(struct runtime *rt, u64 *ret_id)
{
	int ours = -1, theirs = -1;
	struct proto_session p = { .grant = GRANT, .principal = 1000 };
	assert_int_equal(ipc_pair(&ours, &theirs), 0);
	*ret_id = rt->next_session++;
	tell(rt->gate, GATE_SESSION, *ret_id, &p, sizeof p, theirs);
	close(theirs);
	return ours;
}

struct sealed seal(const struct request_header *h, const char *text)
{
	struct request_builder b;
	struct sealed s = { .fd = -1 };
	u8 *blob;
	size_t len;
	request_build(&b, h);
	request_add(&b, REQUEST_TEXT, text, strlen(text));
	assert_int_equal(request_built(&b, &blob, &len), 0);
	sha256_of(blob, len, s.digest);
	assert_int_equal(fd_memfd_sealed("request", blob, len, &s.fd), 0);
	free(blob);
	return s;
}

void ticket(struct runtime *rt, u64 session_id, u64 id, const u8 *digest)
{
	struct proto_ticket t = { .session = session_id, .index = id };
	memcpy(t.digest, digest, sizeof t.digest);
	tell(rt->gate, GATE_TICKET, id, &t, sizeof t, -1);
}

struct proto_outcome done(int sock, u64 id)
{
	struct proto_outcome o;
	struct ipc_frame *f = hear(sock, SESSION_DONE);
	assert_int_equal(f->h.id, id);
	memcpy(&o, f->body, sizeof o);
	return o;
}

struct proto_outcome outcome(struct runtime *rt, u64 id)
{
	struct proto_outcome o;
	struct ipc_frame *f = hear(rt->gate, GATE_OUTCOME);
	assert_int_equal(f->h.id, id);
	memcpy(&o, f->body, sizeof o);
	return o;
}

/* What the gate hears of work under way comes when it comes. */
static bool busy_ahead(int sock)
{
	struct ipc_header h;
	return recv(sock, &h, sizeof h, MSG_PEEK | MSG_DONTWAIT) == sizeof h && h.type == GATE_BUSY;
}

bool silent(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int n;
	while ((n = poll(&p, 1, 50)) == 1 && busy_ahead(sock))
		(void)hear(sock, GATE_BUSY);
	return n == 0;
}

int rig_open(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q4_0, .seed = 11, .ctx = 1024 };
	signal(SIGPIPE, SIG_IGN);
	tiny_make(&spec, &tiny);
	return 0;
}

int rig_close(void **state)
{
	tiny_fini(&tiny);
	return 0;
}

void start_loaded(struct runtime *rt)
{
	struct proto_grant want = tiny_wants(&tiny, KV_DEFAULT, 0);
	start(rt, "reference");
	offer(rt, &tiny, &want);
	struct ipc_frame *f = hear(rt->gate, GATE_READY);
	struct proto_ready ready;
	memcpy(&ready, f->body, sizeof ready);
	assert_int_equal(f->h.id, GRANT);
	assert_string_equal(ready.device, "reference");
	assert_int_equal(ready.ctx_tokens, 1024);
	assert_int_equal(ready.numerics, RT_NUMERICS);
	assert_true(ready.weight_bytes > 0 && ready.kv_bytes > 0);
}

struct sealed generation_at(f32 temperature, u32 n)
{
	struct request_header h = { .kind = REQUEST_GENERATE,
		.flags = REQUEST_IGNORE_EOS,
		.max_tokens = n,
		.temperature = temperature,
		.top_p = 1,
		.repeat_penalty = 1,
		.seed = 3 };
	return seal(&h, "a small question");
}

struct sealed generation(u32 n)
{
	return generation_at(0.9f, n);
}

u32 drain(int sock, bool *ret_other)
{
	struct ipc_frame f;
	u32 n = 0;
	*ret_other = false;
	while (ipc_recv(sock, &f) == 0) {
		if (f.h.type == SESSION_TOKENS)
			n++;
		else
			*ret_other = true;
		ipc_frame_fini(&f);
	}
	return n;
}
