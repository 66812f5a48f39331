/* keep-gateway: takes its listening sockets, makes none, connects to keepd alone. */
#define _GNU_SOURCE
#include "gateway/gateway.h"
#include "base/daemon.h"
#include "base/fd.h"
#include "base/sandbox.h"
#include "gateway/metrics.h"
#include "gateway/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS_MAX	     5u
#define FDS_RESERVED	     (4 * GATEWAY_SEATS_MAX + 256) /* of seats, and of what is made meanwhile */
#define CREDENTIAL_BYTES_MAX 65536u /* a key, or a certificate with the CAs behind it */

static int out_of_memory(void)
{
	daemon_say("out of memory");
	return 1;
}

static int usage(void)
{
	daemon_say("usage: keep-gateway --run DIR      serves the inherited sockets");
	return 2;
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	struct gateway *g = ctx;
	gateway_answers_stop(g);
	event_base_loopbreak(g->base);
}

static void on_alive(evutil_socket_t fd, short what, void *ctx)
{
	struct gateway *g = ctx;
	u64 ns = daemon_alive();
	struct timeval t = { (time_t)(ns / 1000000000u), (suseconds_t)(ns % 1000000000u / 1000 + 1) };
	if (ns != UINT64_MAX && event_add(g->alive, &t))
		on_stop(fd, what, ctx); /* out of memory; the supervisor would end it soon */
}

/* For how many connections there are descriptors. */
static u32 connections_max(void)
{
	u64 have = fd_limit_raise(GATEWAY_CONNECTIONS_MAX + FDS_RESERVED);
	u64 n = have > 2 * FDS_RESERVED ? have - FDS_RESERVED : have / 2;
	if (n < GATEWAY_CONNECTIONS_MAX)
		daemon_say("descriptors for %llu connections, not %u: LimitNOFILE= or ulimit -Hn is %llu",
			(unsigned long long)n, GATEWAY_CONNECTIONS_MAX, (unsigned long long)have);
	return (u32)MIN(n, (u64)GATEWAY_CONNECTIONS_MAX);
}

/* Hash tables of what strangers write are seeded now: later there is no such call. */
static int prepare(void)
{
	size_t seed = 0;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return -EIO;
	json_object_seed(seed ? seed : 1);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* ---- sockets, by their names (FileDescriptorName=) --------------------------------------------------------------------------- */

static int listen_http(struct gateway *g, int fd)
{
	return http_listen(g->http, fd, NULL) ? out_of_memory() : 0;
}

/* Certificate and key are credentials: sealed until the unit starts, and never a file that a path here could reach. */
static int open_tls(struct gateway *g)
{
	_cleanup_free_ u8 *cert = NULL, *key = NULL;
	struct tls_params p = { .now_s = (u64)time(NULL), .comes = who_refresh, .ctx = g };
	const char *why = NULL;
	int r = daemon_credential("keep.tls.crt", CREDENTIAL_BYTES_MAX, &cert, &p.cert_len);
	r = r ? r : daemon_credential("keep.tls.key", CREDENTIAL_BYTES_MAX, &key, &p.key_len);
	if (r) {
		daemon_say("https: credentials keep.tls.crt and keep.tls.key: %s",
			r > 0 ? "not there: keep tls csr, keep tls install" : strerror(-r));
		return 1;
	}
	p.cert = cert;
	p.key = key;
	r = tls_create(&p, &g->tls, &why);
	explicit_bzero(key, p.key_len);
	if (r)
		daemon_say("https: %s", r > 0 ? why : strerror(-r));
	return r != 0;
}

static int listen_https(struct gateway *g, int fd)
{
	if (!g->tls && open_tls(g))
		return 1;
	return http_listen(g->http, fd, g->tls) ? out_of_memory() : 0;
}

/* A server of its own: whoever may connect there reads numbers, and no request of that kind is a client's. */
static int listen_metrics(struct gateway *g, int fd)
{
	const struct http_params p = { .base = g->base,
		.n_client = GATEWAY_CLIENT_CONNECTIONS_MAX,
		.serve = metrics_serve,
		.refuse = routes_refuse,
		.ctx = g };
	if (!g->metrics && http_create(&p, &g->metrics))
		return out_of_memory();
	return http_listen(g->metrics, fd, NULL) ? out_of_memory() : 0;
}

/* What each socket is served as. The first takes those without a name. */
static const struct {
	const char *name;
	int (*listen)(struct gateway *g, int fd);
} kinds[] = {
	{ "http", listen_http },
	{ "https", listen_https },
	{ "metrics", listen_metrics },
};

static int listen_one(struct gateway *g, const struct daemon_socket *s)
{
	int flags = fcntl(s->fd, F_GETFL);
	if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		daemon_say("socket %s: %s", s->name, strerror(errno));
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(s->name, kinds[i].name) || (i == 0 && !s->name[0]))
			return kinds[i].listen(g, s->fd);
	daemon_say("socket %s: FileDescriptorName= is http, https or metrics", s->name);
	return 1;
}

static int open_all(struct gateway *g, const char *run)
{
	struct daemon_socket sockets[SOCKETS_MAX];
	u32 n = 0;
	int r = daemon_inherited_fds(sockets, SOCKETS_MAX, &n);
	if (r) {
		daemon_say("listening sockets: %s", r > 0 ? "one to five must be inherited" : strerror(-r));
		return 1;
	}
	g->run_dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (g->run_dir < 0) {
		daemon_say("%s: %s", run, strerror(errno));
		return 1;
	}
	g->base = event_base_new();
	const struct seats_params seats = { g->base, g->run_dir };
	const struct door_params door = { g->base, g->run_dir };
	const struct http_params http = { .base = g->base,
		.n_max = connections_max(),
		.n_client = GATEWAY_CLIENT_CONNECTIONS_MAX,
		.admit = who_admit,
		.serve = routes_serve,
		.refuse = routes_refuse,
		.ctx = g };
	if (g->base)
		g->stop = evsignal_new(g->base, SIGTERM, on_stop, g);
	if (g->base)
		g->alive = evtimer_new(g->base, on_alive, g);
	if (!g->stop || !g->alive || event_add(g->stop, NULL) || seats_create(&seats, &g->seats) ||
		door_create(&door, &g->door) || http_create(&http, &g->http))
		return out_of_memory();
	for (u32 i = 0; i < n && !r; i++)
		r = listen_one(g, &sockets[i]);
	return r;
}

static void close_all(struct gateway *g)
{
	gateway_answers_stop(g);
	g->http = http_free(g->http);
	g->metrics = http_free(g->metrics);
	g->seats = seats_free(g->seats);
	g->door = door_free(g->door);
	g->tls = tls_free(g->tls);
	if (g->stop)
		event_free(g->stop);
	if (g->alive)
		event_free(g->alive);
	if (g->base)
		event_base_free(g->base);
	fd_close(&g->run_dir);
}

int main(int argc, char **argv)
{
	struct gateway g = { .run_dir = -1 };
	daemon_name("keep-gateway");
	prctl(PR_SET_DUMPABLE, 0);
	if (argc != 3 || strcmp(argv[1], "--run"))
		return usage();
	if (prepare())
		return 1;
	int r = open_all(&g, argv[2]);
	if (!r)
		who_refresh(&g);
	if (!r && sandbox_enter(&(struct sandbox_params){ .role = SANDBOX_GATEWAY })) {
		daemon_say("sandbox: could not be entered");
		r = 1;
	}
	if (!r) {
		daemon_ready();
		on_alive(-1, 0, &g);
		r = event_base_dispatch(g.base) < 0;
	}
	close_all(&g);
	return r;
}
