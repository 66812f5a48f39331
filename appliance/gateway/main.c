/* keep-gateway: takes its one listening socket, binds none, connects to keepd alone. */
#define _GNU_SOURCE
#include "gateway/gateway.h"
#include "base/daemon.h"
#include "base/fd.h"
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int usage(void)
{
	daemon_say("usage: keep-gateway --run DIR      serves the inherited socket");
	return 2;
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	struct gateway *g = ctx;
	gateway_answers_stop(g);
	event_base_loopbreak(g->base);
}

/* Descriptors for every connection and seat, and for what is made meanwhile. */
static void raise_limits(void)
{
	struct rlimit l;
	const rlim_t want = GATEWAY_CONNECTIONS_MAX + 4 * GATEWAY_SEATS_MAX + 256;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < want) {
		l.rlim_cur = MIN(want, l.rlim_max);
		if (setrlimit(RLIMIT_NOFILE, &l) < 0)
			daemon_say("descriptors: %s", strerror(errno));
	}
}

/* Hash tables of what strangers write are seeded now: later there is no such call. */
static int prepare(void)
{
	size_t seed = 0;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return -EIO;
	json_object_seed(seed ? seed : 1);
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	return 0;
}

static int open_all(struct gateway *g, const char *run, int *listener)
{
	int r = daemon_inherited_fd(listener);
	if (r) {
		daemon_say("listening socket: %s", r > 0 ? "exactly one must be inherited" : strerror(-r));
		return 1;
	}
	g->run_dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int flags = fcntl(*listener, F_GETFL);
	if (g->run_dir < 0 || flags < 0 || fcntl(*listener, F_SETFL, flags | O_NONBLOCK) < 0) {
		daemon_say("%s: %s", run, strerror(errno));
		return 1;
	}
	g->base = event_base_new();
	const struct seats_params seats = { g->base, g->run_dir };
	const struct http_params http = { g->base, *listener, GATEWAY_CLIENT_CONNECTIONS_MAX, routes_serve,
		routes_refuse, g };
	if (g->base)
		g->stop = evsignal_new(g->base, SIGTERM, on_stop, g);
	if (!g->stop || event_add(g->stop, NULL) || seats_create(&seats, &g->seats) ||
		http_create(&http, &g->http)) {
		daemon_say("out of memory");
		return 1;
	}
	return 0;
}

static void close_all(struct gateway *g)
{
	gateway_answers_stop(g);
	g->http = http_free(g->http);
	g->seats = seats_free(g->seats);
	if (g->stop)
		event_free(g->stop);
	if (g->base)
		event_base_free(g->base);
	fd_close(&g->run_dir);
}

int main(int argc, char **argv)
{
	struct gateway g = { .run_dir = -1 };
	_cleanup_fd_ int listener = -1;
	daemon_name("keep-gateway");
	prctl(PR_SET_DUMPABLE, 0);
	if (argc != 3 || strcmp(argv[1], "--run"))
		return usage();
	if (prepare())
		return 1;
	int r = open_all(&g, argv[2], &listener);
	if (!r && sandbox_enter(&(struct sandbox_params){ .role = SANDBOX_GATEWAY })) {
		daemon_say("sandbox: could not be entered");
		r = 1;
	}
	if (!r) {
		daemon_ready();
		r = event_base_dispatch(g.base) < 0;
	}
	close_all(&g);
	return r;
}
