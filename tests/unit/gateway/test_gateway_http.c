/* The server against clients of every kind, both in one process: one loop turns, the clients never block. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/limits.h"
#include "gateway/crowd.h"
#include "gateway/http.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct event_base *base;
static struct http_server *server;
static int listener = -1;
static struct sockaddr_un address;
static u32 n_served, n_refused, n_gone;
static struct http_exchange *held; /* of a request to /hold */
static char seen[64], got[1 << 16];

static void on_gone(struct http_exchange *x)
{
	n_gone++;
	if (held == x)
		held = NULL;
}

static void serve(void *ctx, struct http_exchange *x)
{
	n_served++;
	snprintf(seen, sizeof seen, "%.*s %.*s %.20s", (int)x->head->method.len, x->head->method.s,
		(int)x->head->path.len, x->head->path.s, (const char *)x->body);
	assert_true(http_is_local(x) && !http_ssl(x));
	x->gone = on_gone;
	if (http_str_is(x->head->path, "/hold"))
		held = x;
	else
		http_reply(x, 200, "text/plain", "X-A: b\r\n", "hello", 5);
}

static void refuse(void *ctx, struct http_exchange *x, u32 status, const char *why)
{
	n_refused++;
	http_reply(x, status, "text/plain", "", why, strlen(why));
}

static void turn(u32 n)
{
	for (u32 i = 0; i < n; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	turn(2);
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(4);
}

/* Everything that is there by now; -1: and the server has hung up. */
static int get(int fd)
{
	size_t n = 0;
	for (;;) {
		turn(2);
		ssize_t r = recv(fd, got + n, sizeof got - 1 - n, 0);
		if (r > 0)
			n += (size_t)r;
		got[n] = 0;
		if (r == 0 || (r < 0 && errno == ECONNRESET))
			return -1;
		if (r < 0)
			return (int)n;
	}
}

#define HOST "Host: k\r\n"

static void test_whole(void **state)
{
	int fd = client();
	put(fd, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na");
	assert_int_equal(get(fd), 0);
	put(fd, "bc");
	assert_true(get(fd) > 0);
	assert_string_equal(seen, "POST /x abc");
	assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(got, "\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello"));
	assert_null(strstr(got, "Connection: close"));
	/* one after the other, sent at once and byte by byte */
	put(fd, "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n");
	get(fd);
	assert_string_equal(seen, "GET /2 ");
	for (const char *p = "GET /3 HTTP/1.1\r\n" HOST "\r\n"; *p; p++)
		put(fd, (char[]){ *p, 0 });
	assert_true(get(fd) > 0);
	assert_string_equal(seen, "GET /3 ");
	put(fd, "GET /4 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_int_equal(get(fd), -1);
	assert_non_null(strstr(got, "Connection: close\r\n"));
	close(fd);
	fd = client();
	put(fd, "POST /5 HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n");
	get(fd);
	assert_string_equal(got, "HTTP/1.1 100 Continue\r\n\r\n");
	put(fd, "z");
	assert_true(get(fd) > 0);
	close(fd);
}

static void test_stream(void **state)
{
	int fd = client();
	put(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /next HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(held);
	http_begin(held, 200, "text/event-stream", "");
	http_send(held, "one", 3);
	get(fd);
	assert_non_null(strstr(got, "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n"));
	assert_string_equal(seen, "GET /hold "); /* the next waits */
	http_send(held, "", 0);
	http_end(held);
	get(fd);
	assert_int_equal(strncmp(got, "0\r\n\r\nHTTP/1.1 200 OK", 20), 0);
	assert_string_equal(seen, "GET /next ");
	/* HTTP/1.0 knows no chunks, whatever headers it has: the end of the connection is the end */
	int old = client();
	put(old, "GET /hold HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n");
	http_begin(held, 200, "text/event-stream", "");
	http_send(held, "two", 3);
	http_end(held);
	assert_int_equal(get(old), -1);
	assert_non_null(strstr(got, "Connection: close\r\n"));
	assert_non_null(strstr(got, "\r\n\r\ntwo"));
	assert_null(strstr(got, "chunked"));
	/* cut: no end of chunks */
	put(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	http_begin(held, 200, "text/event-stream", "");
	http_send(held, "three", 5);
	http_cut(held);
	assert_int_equal(get(fd), -1);
	assert_null(strstr(got, "0\r\n\r\n"));
	close(old);
	close(fd);
	held = NULL;
}

static void test_hang_up(void **state)
{
	u32 before = n_gone;
	int fd = client();
	put(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(held);
	close(fd);
	turn(4);
	assert_null(held);
	assert_int_equal(n_gone, before + 1);
	fd = client();
	put(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	http_begin(held, 200, "a/b", "");
	close(fd);
	turn(4);
	assert_null(held);
}

/* How many answers are in what came back. */
static u32 answers(void)
{
	u32 n = 0;
	for (const char *p = got; (p = strstr(p, "\r\nDate: ")); p++)
		n++;
	return n;
}

/* Of what two readers could take for one request or for two, one is answered, with a refusal, and nothing behind it is read: whatever stands in
 * chunks, in their extensions, in trailers, or behind a length that another would not believe. */
static void test_smuggling(void **state)
{
#define POST	 "POST /x HTTP/1.1\r\n" HOST
#define SMUGGLED "GET /smuggled HTTP/1.1\r\n" HOST "\r\n"
#define CHUNKED	 "Transfer-Encoding: chunked\r\n\r\n"
	static const struct {
		const char *status, *text;
	} rows[] = {
		{ "400", "GET / HTTP/1.1\r\n" SMUGGLED SMUGGLED },
		/* a length and chunks, in either order */
		{ "501", POST "Content-Length: 5\r\n" CHUNKED "0\r\n\r\n" SMUGGLED },
		{ "501", POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n23\r\n" SMUGGLED
			      "0\r\n\r\n" },
		{ "501", POST "Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n23\r\n" SMUGGLED },
		/* lengths that differ */
		{ "400", POST "Content-Length: 0\r\nContent-Length: 35\r\n\r\n" SMUGGLED },
		{ "400", POST "Content-Length: 35\r\nContent-Length: 0\r\n\r\n" SMUGGLED },
		{ "400", POST "Content-Length: 0, 35\r\n\r\n" SMUGGLED },
		/* a folded line that is a header, or is none */
		{ "400", POST "A: b\r\n Content-Length: 35\r\n\r\n" SMUGGLED },
		{ "400", POST "Content-Length:\r\n 35\r\n\r\n" SMUGGLED },
		/* extensions of chunks with line ends of their own */
		{ "501", POST CHUNKED "2;a\rb\r\nxy\r\n0\r\n\r\n" SMUGGLED },
		{ "501", POST CHUNKED "2;a\nxy\r\n0\r\n\r\n" SMUGGLED },
		{ "501", POST CHUNKED "0;\n" SMUGGLED "\r\n\r\n" },
		{ "501", POST CHUNKED "0x0\r\n\r\n" SMUGGLED },
		{ "501", POST CHUNKED "0\n\n" SMUGGLED },
		/* trailers that would frame, route or authorise */
		{ "501", POST CHUNKED "0\r\nContent-Length: 35\r\n\r\n" SMUGGLED },
		{ "501", POST "Trailer: Authorization\r\n" CHUNKED
			      "0\r\nAuthorization: Bearer x\r\nHost: l\r\n\r\n" SMUGGLED },
		/* targets that name a host of their own */
		{ "400", "GET http://other/ HTTP/1.1\r\n" HOST "\r\n" SMUGGLED },
		{ "505", "GET //other@keep HTTP/1.1 \x0b\r\n\r\n" SMUGGLED },
		{ "400", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n" SMUGGLED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = client();
		put(fd, rows[i].text);
		int left = get(fd);
		if (left != -1 || strncmp(got, "HTTP/1.1 ", 9) || strncmp(got + 9, rows[i].status, 3) ||
			answers() != 1 || strstr(seen, "smuggled"))
			fail_msg("row %zu: %d, %.200s", i, left, got);
		close(fd);
	}
	/* by a length that everybody believes it is a body */
	int fd = client();
	put(fd, POST "Content-Length: 35\r\n\r\n" SMUGGLED);
	assert_true(get(fd) > 0);
	assert_int_equal(answers(), 1);
	assert_string_equal(seen, "POST /x GET /smuggled HTTP/1");
	close(fd);
}

/* A HEAD is told the length of what it does not get: the next answer stands right behind it. */
static void test_head(void **state)
{
	int fd = client();
	put(fd, "HEAD /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n");
	assert_true(get(fd) > 0);
	const char *next = strstr(got, "\r\n\r\n");
	assert_non_null(next);
	assert_non_null(strstr(got, "Content-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n"));
	assert_string_equal(strstr(next + 4, "\r\n\r\n") + 4, "hello");
	put(fd, "HEAD /hold HTTP/1.1\r\n" HOST "\r\n");
	http_begin(held, 200, "a/b", "");
	http_send(held, "one", 3);
	http_end(held);
	assert_true(get(fd) > 0);
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
	/* nothing of it is left when a head cannot be read at all */
	put(fd, "\n\r\n\r\n");
	assert_int_equal(get(fd), -1);
	assert_non_null(strstr(got, "\r\n\r\na line does not end"));
	close(fd);
	held = NULL;
}

/* Several words in one header, and HTTP/1.0, whose client waits for no 100 Continue. */
static void test_connection_words(void **state)
{
	int fd = client();
	put(fd, "GET /x HTTP/1.1\r\n" HOST "Connection: keep-alive, close\r\n\r\n");
	assert_int_equal(get(fd), -1);
	assert_non_null(strstr(got, "Connection: close\r\n"));
	close(fd);
	fd = client();
	put(fd, "POST /x HTTP/1.0\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n");
	assert_int_equal(get(fd), 0);
	put(fd, "z");
	assert_int_equal(get(fd), -1);
	assert_int_equal(strncmp(got, "HTTP/1.1 200 OK", 15), 0);
	close(fd);
}

/* A client that does not read: its stream is cut one past what is kept for it. */
static void test_backlog(void **state)
{
	static char chunk[4096];
	u32 before = n_gone, n = 0;
	int fd = client();
	memset(chunk, 'x', sizeof chunk);
	put(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	http_begin(held, 200, "a/b", "");
	for (; held && n < 4 * GATEWAY_BACKLOG_BYTES_MAX / sizeof chunk; n++) {
		http_send(held, chunk, sizeof chunk);
		turn(1);
	}
	assert_null(held);
	assert_int_equal(n_gone, before + 1);
	assert_in_range(
		n, GATEWAY_BACKLOG_BYTES_MAX / sizeof chunk, 2 * GATEWAY_BACKLOG_BYTES_MAX / sizeof chunk);
	close(fd);
}

static void test_header_limit(void **state)
{
	static const char head[] = "GET /long HTTP/1.1\r\n" HOST "A: ";
	for (u32 past = 0; past < 2; past++) {
		u32 before = n_refused;
		char *text = malloc(GATEWAY_HEADER_BYTES_MAX + 2);
		size_t n = GATEWAY_HEADER_BYTES_MAX + past;
		memset(text, 'x', n);
		memcpy(text, head, sizeof head - 1);
		memcpy(text + n - 4, "\r\n\r\n", 5);
		int fd = client();
		put(fd, text);
		get(fd);
		assert_int_equal(n_refused, before + past);
		assert_non_null(strstr(got, past ? "HTTP/1.1 431 " : "HTTP/1.1 200 "));
		close(fd);
		free(text);
	}
	/* without end */
	int fd = client();
	char line[1024];
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = 0;
	for (u32 i = 0; i < GATEWAY_HEADER_BYTES_MAX / sizeof line + 2; i++)
		if (send(fd, line, sizeof line, MSG_NOSIGNAL) < 0)
			break;
		else
			turn(2);
	get(fd);
	assert_non_null(strstr(got, "HTTP/1.1 431 "));
	close(fd);
}

static void test_body_limit(void **state)
{
	char text[200];
	for (u32 past = 0; past < 2; past++) {
		int fd = client();
		snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" HOST "Content-Length: %u\r\n\r\n",
			GATEWAY_BODY_BYTES_MAX + past);
		put(fd, text);
		assert_int_equal(get(fd) != 0, past);
		if (past)
			assert_non_null(strstr(got, "HTTP/1.1 413 "));
		close(fd);
	}
}

/* As many clients as are served at once, in a process of their own, since each takes a descriptor at either end; until the pipe is closed. */
static pid_t crowd_begin(const int until[2])
{
	pid_t pid = fork();
	if (pid)
		return pid;
	char end;
	close(until[1]);
	for (u32 i = 0; i < GATEWAY_CONNECTIONS_MAX; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
			_exit(1);
	}
	_exit(read(until[0], &end, 1) != 0);
}

/* One past as many as are served: it waits until another goes. */
static void test_connection_limit(void **state)
{
	int crowd[2];
	/* as many descriptors are the kernel's to give: a hard limit of this session's own cannot be passed here */
	if (fd_limit_raise(GATEWAY_CONNECTIONS_MAX + 64) < GATEWAY_CONNECTIONS_MAX + 64) {
		printf("%u connections need as many descriptors: not tried (ulimit -Hn)\n",
			GATEWAY_CONNECTIONS_MAX);
		skip();
	}
	assert_int_equal(pipe(crowd), 0);
	turn(8);
	assert_int_equal(http_connections(server), 0);
	pid_t pid = crowd_begin(crowd);
	while (http_connections(server) < GATEWAY_CONNECTIONS_MAX)
		event_base_loop(base, EVLOOP_ONCE);
	turn(4);
	int past = client();
	assert_int_equal(http_connections(server), GATEWAY_CONNECTIONS_MAX);
	assert_int_equal(get(past), -1);
	close(past);
	close(crowd[1]); /* they go */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (http_connections(server))
		event_base_loop(base, EVLOOP_ONCE);
	close(crowd[0]);
	usleep(60000);
	int fd = client();
	put(fd, "GET /again HTTP/1.1\r\n" HOST "\r\n");
	assert_true(get(fd) > 0);
	close(fd);
	turn(4);
}

/* One past as many as one user may have: hung up on, while whom the kernel names otherwise would get in. */
static void test_client_limit(void **state)
{
	static int all[GATEWAY_CLIENT_CONNECTIONS_MAX];
	const struct http_params p = {
		.base = base, .n_client = GATEWAY_CLIENT_CONNECTIONS_MAX, .serve = serve, .refuse = refuse
	};
	http_free(server);
	assert_int_equal(http_create(&p, &server), 0);
	assert_int_equal(http_listen(server, listener, NULL), 0);
	for (u32 i = 0; i < GATEWAY_CLIENT_CONNECTIONS_MAX; i++)
		all[i] = client();
	assert_int_equal(http_connections(server), GATEWAY_CLIENT_CONNECTIONS_MAX);
	int past = client();
	assert_int_equal(get(past), -1);
	close(past);
	put(all[0], "GET /still HTTP/1.1\r\n" HOST "\r\n");
	assert_true(get(all[0]) > 0);
	close(all[0]);
	turn(4);
	all[0] = client();
	put(all[0], "GET /again HTTP/1.1\r\n" HOST "\r\n");
	assert_true(get(all[0]) > 0);
	for (u32 i = 0; i < GATEWAY_CLIENT_CONNECTIONS_MAX; i++)
		close(all[i]);
	turn(4);
}

/* Bodies are read as far as there is room for all of them: one past that of one client is told to ask again, and another's is read. Room
 * comes back when a body is served, and when its client goes. */
static void test_bodies_limit(void **state)
{
	static int all[GATEWAY_CLIENT_BODIES_BYTES_MAX / GATEWAY_BODY_BYTES_MAX];
	char text[200], small[] = "POST /small HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n";
	snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" HOST "Content-Length: %u\r\n\r\n",
		GATEWAY_BODY_BYTES_MAX);
	for (u32 i = 0; i < ARRAY_LEN(all); i++) {
		all[i] = client();
		put(all[i], text);
		assert_int_equal(get(all[i]), 0);
	}
	int past = client();
	put(past, small);
	assert_int_equal(get(past), -1);
	assert_non_null(strstr(got, "HTTP/1.1 503 "));
	close(past);
	close(all[0]);
	turn(4);
	all[0] = client();
	put(all[0], small);
	put(all[0], "z");
	assert_true(get(all[0]) > 0);
	put(all[0], text); /* what the small one had is free again */
	assert_int_equal(get(all[0]), 0);
	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		close(all[i]);
	turn(4);
	past = client();
	put(past, text);
	assert_int_equal(get(past), 0);
	close(past);
	turn(4);
}

/* All clients together, and who is who: by user or address, whoever else is there. */
static void test_crowd(void **state)
{
	static struct crowd c;
	struct origin user = { { 1 }, true }, address_of_same = { { 1 }, false };
	struct guest *g[GATEWAY_BODIES_BYTES_MAX / GATEWAY_CLIENT_BODIES_BYTES_MAX],
		*a = crowd_enter(&c, &user);
	assert_ptr_equal(crowd_enter(&c, &user), a);
	assert_int_equal(a->n, 2);
	struct guest *b = crowd_enter(&c, &address_of_same);
	assert_ptr_not_equal(a, b);
	assert_false(crowd_take(&c, b, GATEWAY_CLIENT_BODIES_BYTES_MAX + 1));
	for (u32 i = 0; i < ARRAY_LEN(g); i++) {
		struct origin o = { { 2, (u8)i }, false };
		g[i] = crowd_enter(&c, &o);
		assert_true(crowd_take(&c, g[i], GATEWAY_CLIENT_BODIES_BYTES_MAX));
	}
	assert_int_equal(c.bytes, GATEWAY_BODIES_BYTES_MAX);
	assert_false(crowd_take(&c, b, 1)); /* of all */
	crowd_give(&c, g[0], 1);
	assert_true(crowd_take(&c, b, 1));
	crowd_give(&c, b, 1);
	crowd_give(&c, g[0], GATEWAY_CLIENT_BODIES_BYTES_MAX - 1);
	for (u32 i = 1; i < ARRAY_LEN(g); i++)
		crowd_give(&c, g[i], GATEWAY_CLIENT_BODIES_BYTES_MAX);
	for (u32 i = 0; i < ARRAY_LEN(g); i++)
		crowd_leave(&c, g[i]);
	crowd_leave(&c, a);
	crowd_leave(&c, a);
	crowd_leave(&c, b);
	for (u32 i = 0; i < CROWD_BUCKETS; i++)
		assert_null(c.buckets[i]);
}

static int setup(void **state)
{
	char dir[] = "/tmp/keep-http-XXXXXX";
	signal(SIGPIPE, SIG_IGN); /* as main() does */
	fd_limit_raise(GATEWAY_CONNECTIONS_MAX + 64);
	base = event_base_new();
	if (!base || !mkdtemp(dir))
		return 1;
	address.sun_family = AF_UNIX;
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64))
		return 1;
	const struct http_params p = {
		.base = base, .n_client = UINT32_MAX, .serve = serve, .refuse = refuse
	};
	return http_create(&p, &server) || http_listen(server, listener, NULL);
}

static int teardown(void **state)
{
	http_free(server);
	event_base_free(base);
	close(listener);
	unlink(address.sun_path);
	*strrchr(address.sun_path, '/') = 0;
	return rmdir(address.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_whole), cmocka_unit_test(test_stream),
		cmocka_unit_test(test_hang_up), cmocka_unit_test(test_smuggling), cmocka_unit_test(test_head),
		cmocka_unit_test(test_connection_words), cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_header_limit), cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_connection_limit), cmocka_unit_test(test_client_limit),
		cmocka_unit_test(test_bodies_limit), cmocka_unit_test(test_crowd) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
