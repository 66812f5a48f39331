#define _GNU_SOURCE
#include "gateway/http.h"
#include "gateway/tls.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "base/limits.h"
#include "gateway/crowd.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#define HTTP_HEAD_S 15 /* a head, from its first byte */
#define HTTP_BODY_S 60 /* a body; and a reply that nobody reads */
#define HTTP_LINGER_S \
	2 /* what is still under way is read and thrown away, or the reply would be lost with it */
#define HTTP_HANDSHAKE_S   10 /* of TLS, from the first byte of the connection to the last of it */
#define HTTP_ADMIT_S	   15 /* for keepd to say who it is */
#define HTTP_LISTENERS_MAX 4u
#define HTTP_FULL_MS	   50 /* nobody is accepted for so long when there are too many */

enum http_state {
	CONN_HANDSHAKE,
	CONN_IDLE,
	CONN_HEAD,
	CONN_ADMIT,
	CONN_BODY,
	CONN_ANSWER,
	CONN_STREAM,
	CONN_LAST,
	CONN_LINGER
};

struct http_conn {
	struct http_conn *next, **prev;
	struct http_server *server;
	struct bufferevent *bev;
	struct event *deadline;
	enum http_state state;
	struct guest *from;
	u64 body_bytes; /* that are taken for its body */
	bool chunked, keep;
	bool silent; /* a HEAD: what is said of a body is said, and the body is not */
	bool late;   /* its client does not read: it is about to be lost */
	size_t head_len;
	char *head_text;
	struct http_head head;
	struct http_exchange x;
};

struct http_server {
	struct http_params p;
	struct http_listener {
		struct http_server *server;
		struct evconnlistener *l;
		struct tls *tls;
	} listeners[HTTP_LISTENERS_MAX];
	u32 n_listeners;
	struct event *full;
	struct http_conn *conns;
	u32 n;
	struct crowd crowd;
};

static void parse(struct http_conn *c);

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

static void body_over(struct http_conn *c)
{
	crowd_give(&c->server->crowd, c->from, c->body_bytes);
	c->body_bytes = 0;
}

static void conn_free(struct http_conn *c)
{
	body_over(c);
	crowd_leave(&c->server->crowd, c->from);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->server->n--;
	if (c->deadline)
		event_free(c->deadline);
	if (c->bev)
		bufferevent_free(c->bev);
	free(c->x.who);
	free(c->head_text);
	free(c);
}

/* The client is gone, or as good as that. */
static void conn_lost(struct http_conn *c)
{
	if ((c->state == CONN_ADMIT || c->state == CONN_ANSWER || c->state == CONN_STREAM) && c->x.gone)
		c->x.gone(&c->x);
	conn_free(c);
}

static void deadline(struct http_conn *c, u32 seconds)
{
	struct timeval t = { .tv_sec = seconds };
	if (seconds)
		event_add(c->deadline, &t);
	else
		event_del(c->deadline);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	conn_lost(ctx);
}

u32 http_connections(const struct http_server *s)
{
	return s->n;
}

/* ---- replies --------------------------------------------------------------------------------------------------------------- */

static const char *status_text(u32 status)
{
	static const struct {
		u32 status;
		const char *text;
	} all[] = { { 200, "OK" }, { 303, "See Other" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 413, "Content Too Large" }, { 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
		{ 501, "Not Implemented" }, { 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" } };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].status == status)
			return all[i].text;
	return "Status";
}

static struct evbuffer *output(struct http_conn *c)
{
	return bufferevent_get_output(c->bev);
}

static void head_write(struct http_conn *c, u32 status, const char *type, const char *headers)
{
	char date[40];
	time_t now = time(NULL);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	evbuffer_add_printf(output(c),
		"HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\nx-request-id: %s\r\nrequest-id: %s\r\n%s%s",
		status, status_text(status), date, type, c->x.id, c->x.id,
		c->keep ? "" : "Connection: close\r\n", headers);
}

static void exchange_end(struct http_conn *c)
{
	free(c->x.who);
	c->x = (struct http_exchange){ 0 };
}

/* The answer is written; what comes next? */
static void answered(struct http_conn *c)
{
	exchange_end(c);
	if (!c->keep) {
		c->state = CONN_LAST;
		deadline(c, HTTP_BODY_S);
		if (!evbuffer_get_length(output(c)))
			bufferevent_trigger(c->bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
		return;
	}
	c->state = CONN_IDLE;
	deadline(c, GATEWAY_IDLE_S);
	bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
}

void http_reply(struct http_exchange *x, u32 status, const char *type, const char *headers, const void *body,
	size_t len)
{
	struct http_conn *c = x->conn;
	assert(c->state == CONN_ANSWER || c->state == CONN_ADMIT);
	c->keep &= c->state == CONN_ANSWER ||
		   !c->head.body_len; /* a body that nobody read would be the next request */
	head_write(c, status, type, headers);
	evbuffer_add_printf(output(c), "Content-Length: %zu\r\n\r\n", len);
	if (!c->silent)
		evbuffer_add(output(c), body, len);
	answered(c);
}

void http_begin(struct http_exchange *x, u32 status, const char *type, const char *headers)
{
	struct http_conn *c = x->conn;
	assert(c->state == CONN_ANSWER);
	c->keep &= c->chunked;
	head_write(c, status, type, headers);
	evbuffer_add_printf(output(c), "%s\r\n", c->chunked ? "Transfer-Encoding: chunked\r\n" : "");
	c->state = CONN_STREAM;
}

void http_send(struct http_exchange *x, const void *data, size_t len)
{
	struct http_conn *c = x->conn;
	assert(c->state == CONN_STREAM);
	if (!len || c->late || c->silent)
		return;
	if (evbuffer_get_length(output(c)) + len > GATEWAY_BACKLOG_BYTES_MAX) {
		c->late = true;
		event_active(c->deadline, EV_TIMEOUT, 0);
		return;
	}
	if (c->chunked)
		evbuffer_add_printf(output(c), "%zx\r\n", len);
	evbuffer_add(output(c), data, len);
	if (c->chunked)
		evbuffer_add(output(c), "\r\n", 2);
}

void http_end(struct http_exchange *x)
{
	struct http_conn *c = x->conn;
	assert(c->state == CONN_STREAM);
	if (c->late) /* told by nobody any more */
		c->x.gone = NULL;
	if (c->late)
		return;
	if (c->chunked && !c->silent)
		evbuffer_add(output(c), "0\r\n\r\n", 5);
	answered(c);
}

void http_cut(struct http_exchange *x)
{
	struct http_conn *c = x->conn;
	exchange_end(c);
	c->keep = false;
	if (c->late)
		return;
	c->state = CONN_LAST;
	deadline(c, HTTP_BODY_S);
	bufferevent_trigger(c->bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

static void exchange_begin(struct http_conn *c)
{
	deadline(c, 0);
	c->state = CONN_ANSWER;
	c->x = (struct http_exchange){ .conn = c, .head = &c->head };
	u64 drawn = 0; /* a count would tell a client how many others there are */
	(void)!getrandom(&drawn, sizeof drawn, 0);
	snprintf(c->x.id, sizeof c->x.id, "req-%016llx", (unsigned long long)drawn);
}

static void refuse(struct http_conn *c, u32 status, const char *why)
{
	c->keep = false;
	exchange_begin(c);
	c->server->p.refuse(c->server->p.ctx, &c->x, status, why);
}

/* A whole head is in the buffer: take it out. False: refused. */
static bool take_head(struct http_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	const char *why;
	free(c->head_text);
	c->head_text = malloc(c->head_len);
	if (!c->head_text || evbuffer_remove(in, c->head_text, c->head_len) != (int)c->head_len) {
		refuse(c, 503, "out of memory");
		return false;
	}
	u32 bad = http_head_parse(c->head_text, c->head_len, &c->head, &why);
	c->keep = !bad && c->head.keep_alive;
	c->chunked = c->head.is_11;
	c->silent = http_asks_head(&c->head);
	if (!bad && c->head.body_len > GATEWAY_BODY_BYTES_MAX) {
		bad = 413;
		why = "the body is too long";
	}
	if (bad)
		refuse(c, bad, why);
	return !bad;
}

void http_admit(struct http_exchange *x)
{
	struct http_conn *c = x->conn;
	assert(c->state == CONN_ADMIT);
	x->gone = NULL;
	x->ctx = NULL;
	if (!crowd_take(&c->server->crowd, c->from, c->head.body_len)) {
		c->server->p.refuse(
			c->server->p.ctx, x, 503, "too many long bodies are under way: ask again");
		return;
	}
	c->body_bytes = c->head.body_len;
	c->state = CONN_BODY;
	deadline(c, HTTP_BODY_S);
	if (c->head.expects_continue && c->head.body_len)
		evbuffer_add_printf(output(c), "HTTP/1.1 100 Continue\r\n\r\n");
	bufferevent_setwatermark(c->bev, EV_READ, 0, c->head.body_len + GATEWAY_HEADER_BYTES_MAX + 4);
	bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
}

int http_socket(const struct http_exchange *x)
{
	return (int)bufferevent_getfd(x->conn->bev);
}

bool http_is_local(const struct http_exchange *x)
{
	return x->conn->from->is.local;
}

struct ssl_st *http_ssl(const struct http_exchange *x)
{
	return tls_of(x->conn->bev);
}

static void want_head(struct http_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t have = MIN(evbuffer_get_length(in), (size_t)GATEWAY_HEADER_BYTES_MAX + 4);
	if (!have)
		return;
	if (c->state == CONN_IDLE) {
		c->state = CONN_HEAD;
		deadline(c, HTTP_HEAD_S);
	}
	c->head_len = http_head_len((const char *)evbuffer_pullup(in, (ssize_t)have), have);
	if (c->head_len > GATEWAY_HEADER_BYTES_MAX || (!c->head_len && have > GATEWAY_HEADER_BYTES_MAX)) {
		c->silent = false;
		refuse(c, 431, "the headers are too long");
		return;
	}
	if (!c->head_len || !take_head(c))
		return;
	exchange_begin(c);
	c->state = CONN_ADMIT;
	deadline(c, HTTP_ADMIT_S);
	if (c->server->p.admit)
		c->server->p.admit(c->server->p.ctx, &c->x);
	else
		http_admit(&c->x);
}

static void want_body(struct http_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t n = c->head.body_len;
	if (evbuffer_get_length(in) < n)
		return;
	deadline(c, 0);
	c->state = CONN_ANSWER;
	u8 *body = malloc(n + 1);
	if (!body || evbuffer_remove(in, body, n) != (int)n) {
		free(body);
		c->keep = false;
		c->server->p.refuse(c->server->p.ctx, &c->x, 503, "out of memory");
		return;
	}
	body[n] = 0;
	c->x.body = body;
	bufferevent_setwatermark(c->bev, EV_READ, 0, GATEWAY_HEADER_BYTES_MAX + 4);
	c->server->p.serve(c->server->p.ctx, &c->x);
	free(body);
	body_over(c);
}

static void parse(struct http_conn *c)
{
	if (c->state == CONN_IDLE || c->state == CONN_HEAD)
		want_head(c);
	if (c->state == CONN_BODY)
		want_body(c);
	if (c->state == CONN_LAST || c->state == CONN_LINGER) {
		struct evbuffer *in = bufferevent_get_input(c->bev);
		evbuffer_drain(in, evbuffer_get_length(in));
	}
}

/* ---- libevent -------------------------------------------------------------------------------------------------------------- */

static void on_read(struct bufferevent *bev, void *ctx)
{
	parse(ctx);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct http_conn *c = ctx;
	if (c->state != CONN_LAST || evbuffer_get_length(output(c)))
		return;
	c->state = CONN_LINGER;
	tls_bye(bev);
	shutdown(bufferevent_getfd(bev), SHUT_WR);
	deadline(c, HTTP_LINGER_S);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct http_conn *c = ctx;
	if (what & BEV_EVENT_CONNECTED) {
		c->state = CONN_IDLE;
		deadline(c, GATEWAY_IDLE_S);
		return;
	}
	if ((what & BEV_EVENT_EOF) &&
		c->state == CONN_LAST) /* it has asked, hung up its half, and may still read */
		return;
	conn_lost(c);
}

static struct origin origin_of(evutil_socket_t fd, const struct sockaddr *a)
{
	struct origin o = { 0 };
	struct ipc_peer peer = { 0 };
	static const u8 v4_in_v6[12] = { [10] = 0xff, [11] = 0xff };
	const u8 *raw = (const u8 *)
		a; /* the addresses stand at byte 4 and byte 8: no header of the resolver's is wanted here */
	if (a->sa_family == AF_INET6) {
		memcpy(o.b, raw + 8, memcmp(raw + 8, v4_in_v6, sizeof v4_in_v6) ? 8 : 16);
	} else if (a->sa_family == AF_INET) {
		memcpy(o.b, v4_in_v6, sizeof v4_in_v6);
		memcpy(o.b + 12, raw + 4, 4);
	} else if (a->sa_family == AF_UNIX && ipc_peer(fd, &peer) == 0) {
		o.local = true;
		memcpy(o.b, &peer.uid, sizeof peer.uid);
	}
	return o;
}

/* A connection, by TLS or bare; fd is taken where it succeeds. */
static struct bufferevent *bev_make(struct http_server *s, evutil_socket_t fd, struct tls *tls)
{
	return tls ? tls_accept(tls, s->p.base, fd)
		   : bufferevent_socket_new(s->p.base, fd, BEV_OPT_CLOSE_ON_FREE);
}

/* fd and from are taken. 0; -ENOMEM. */
static int conn_make(struct http_listener *l, evutil_socket_t fd, struct guest *from)
{
	struct http_server *s = l->server;
	struct http_conn *c = calloc(1, sizeof *c);
	if (!c) {
		crowd_leave(&s->crowd, from);
		evutil_closesocket(fd);
		return -ENOMEM;
	}
	c->server = s;
	c->from = from;
	c->state = l->tls ? CONN_HANDSHAKE : CONN_IDLE;
	c->next = s->conns;
	c->prev = &s->conns;
	if (c->next)
		c->next->prev = &c->next;
	s->conns = c;
	s->n++;
	c->deadline = evtimer_new(s->p.base, on_deadline, c);
	c->bev = bev_make(s, fd, l->tls);
	if (!c->bev)
		evutil_closesocket(fd);
	if (!c->bev || !c->deadline) {
		conn_free(c);
		return -ENOMEM;
	}
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, GATEWAY_HEADER_BYTES_MAX + 4);
	deadline(c, l->tls ? HTTP_HANDSHAKE_S : GATEWAY_IDLE_S);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	return 0;
}

/* Who waits in the queue of the kernel costs nothing here. */
static void pause_accepting(struct http_server *s)
{
	struct timeval pause = { .tv_usec = HTTP_FULL_MS * 1000 };
	for (u32 i = 0; i < s->n_listeners; i++)
		evconnlistener_disable(s->listeners[i].l);
	event_add(s->full, &pause);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len, void *ctx)
{
	struct http_listener *from = ctx;
	struct http_server *s = from->server;
	struct origin o = origin_of(fd, a);
	struct guest *g = s->n < s->p.n_max ? crowd_enter(&s->crowd, &o) : NULL;
	if (g && g->n > s->p.n_client) {
		crowd_leave(&s->crowd, g);
		evutil_closesocket(fd);
		return;
	}
	if (g && !conn_make(from, fd, g))
		return;
	if (!g)
		evutil_closesocket(fd);
	pause_accepting(s);
}

static void on_accept_error(struct evconnlistener *l, void *ctx)
{
	pause_accepting(((struct http_listener *)ctx)->server);
}

static void on_room(evutil_socket_t fd, short what, void *ctx)
{
	struct http_server *s = ctx;
	for (u32 i = 0; i < s->n_listeners; i++)
		evconnlistener_enable(s->listeners[i].l);
}

int http_create(const struct http_params *p, struct http_server **ret)
{
	struct http_server *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->p = *p;
	s->p.n_max = MIN(p->n_max ? p->n_max : UINT32_MAX, GATEWAY_CONNECTIONS_MAX);
	s->full = evtimer_new(p->base, on_room, s);
	if (!s->full || getrandom(&s->crowd.seed, sizeof s->crowd.seed, 0) != sizeof s->crowd.seed) {
		http_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

int http_listen(struct http_server *s, int listener, struct tls *tls)
{
	assert(s->n_listeners < HTTP_LISTENERS_MAX);
	struct http_listener *l = &s->listeners[s->n_listeners];
	*l = (struct http_listener){ .server = s, .tls = tls };
	l->l = evconnlistener_new(s->p.base, on_accept, l, LEV_OPT_CLOSE_ON_EXEC, 0, listener);
	if (!l->l)
		return -ENOMEM;
	evconnlistener_set_error_cb(l->l, on_accept_error);
	s->n_listeners++;
	return 0;
}

struct http_server *http_free(struct http_server *s)
{
	while (s && s->conns)
		conn_lost(s->conns);
	for (u32 i = 0; s && i < s->n_listeners; i++)
		evconnlistener_free(s->listeners[i].l);
	if (s && s->full)
		event_free(s->full);
	free(s);
	return NULL;
}
