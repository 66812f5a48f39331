#define _GNU_SOURCE
#include "gateway/question.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "gateway/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- several questions ------------------------------------------------------------------------------------------------------ */

static const char silent[] = "the gate does not answer";

void question_one_fini(struct question_one *q)
{
	fd_close(&q->fd);
	fd_unmap(&q->data);
	free(q->ground);
	free(q->is);
	q->ground = NULL;
	q->is = NULL;
}

void question_set_stop(struct question_set *s)
{
	if (s->ev)
		event_free(s->ev);
	s->ev = NULL;
	fd_close(&s->sock);
}

static void over(struct question_set *s, const char *why)
{
	question_set_stop(s);
	s->over(s, why);
}

/* 0; otherwise it cannot be sent. */
static int send_next(struct question_set *s)
{
	struct question_one *q = s->v[s->at];
	int r = ipc_send(s->sock, q->type, s->at, &q->body, q->len, q->fd);
	fd_close(&q->fd);
	return r;
}

static struct question_grounds *grounds(struct question_one *q)
{
	if (!q->ground)
		q->ground = calloc(1, sizeof *q->ground);
	return q->ground;
}

/* 0; otherwise it breaks the protocol, or memory ran out. */
static int take_ground(struct question_one *q, const struct ipc_frame *f)
{
	struct question_grounds *g = grounds(q);
	if (!g || q->type != CTL_EXPLAIN)
		return -EPROTO;
	if (f->h.type == CTL_VERDICT)
		memcpy(&g->verdict, f->body, sizeof g->verdict);
	else if (f->h.type == CTL_RULE && g->n_rules < RULES_MAX)
		memcpy(&g->rules[g->n_rules++], f->body, sizeof g->rules[0]);
	else if (f->h.type == CTL_SIGNER && g->n_signers < BUNDLES_MAX)
		memcpy(&g->signers[g->n_signers++], f->body, sizeof g->signers[0]);
	else
		return -EPROTO;
	return 0;
}

static int take_principal(struct question_one *q, const struct ipc_frame *f)
{
	if (q->type != CTL_ENTER)
		return -EPROTO;
	q->is = q->is ? q->is : malloc(sizeof *q->is);
	if (!q->is)
		return -ENOMEM;
	memcpy(q->is, f->body, sizeof *q->is);
	return bytes_str_ok(q->is->name, sizeof q->is->name) ? 0 : -EPROTO;
}

static int take_end(struct question_one *q, const struct ipc_frame *f)
{
	struct proto_end e;
	memcpy(&e, f->body, sizeof e);
	if (!bytes_str_ok(e.text, sizeof e.text))
		return -EPROTO;
	q->status = e.status;
	q->index = e.index;
	memcpy(q->text, e.text, sizeof q->text);
	return 0;
}

/* A frame about question q. 0; 1 that was its end; -errno. */
static int take(struct question_one *q, const struct ipc_frame *f)
{
	switch (f->h.type) {
	case CTL_PROGRESS:
		return 0;
	case CTL_DATA:
		fd_unmap(&q->data);
		return fd_map_sealed(f->fd, SIZE_MAX, &q->data) ? -EPROTO : 0;
	case CTL_PRINCIPAL:
		return take_principal(q, f);
	case CTL_END:
		return take_end(q, f) ? -EPROTO : 1;
	default:
		return take_ground(q, f);
	}
}

/* What comes before the first answer: the answer to the proof. As take. */
static int take_proof(const struct ipc_frame *f)
{
	struct question_one end;
	if (f->h.type == CTL_PRINCIPAL)
		return 0;
	return f->h.type == CTL_END && !take_end(&end, f) && end.status == END_DONE ? 1 : -EACCES;
}

static const struct ipc_rule rules[] = {
	{ .type = CTL_PRINCIPAL, .state = 1, .len = sizeof(struct proto_principal) },
	{ .type = CTL_PROGRESS, .state = 1, .len = sizeof(struct proto_progress) },
	{ .type = CTL_DATA, .state = 1, .len = sizeof(struct proto_data), .wants_fd = true },
	{ .type = CTL_SIGNER, .state = 1, .len = sizeof(struct proto_signer) },
	{ .type = CTL_RULE, .state = 1, .len = sizeof(struct proto_rule) },
	{ .type = CTL_VERDICT, .state = 1, .len = sizeof(struct attest_report) },
	{ .type = CTL_END, .state = 1, .len = sizeof(struct proto_end) },
};

static void on_frame(evutil_socket_t fd, short what, void *ctx)
{
	struct question_set *s = ctx;
	struct ipc_frame f;
	u64 seen = 0;
	int r = ipc_recv(s->sock, &f);
	if (r == 2)
		return;
	if (r) {
		over(s, silent);
		return;
	}
	if (!ipc_match(rules, ARRAY_LEN(rules), 1, &seen, &f))
		r = -EPROTO;
	else
		r = s->proving ? take_proof(&f) : take(s->v[s->at], &f);
	ipc_frame_fini(&f);
	if (r == 1) {
		s->at += !s->proving;
		s->proving = false;
		r = s->at < s->n ? send_next(s) : 0;
	}
	if (r || s->at == s->n)
		over(s, !r ? NULL : r == -EACCES ? "the gate does not know you any more" : silent);
}

/* 0; otherwise keepd cannot be asked. */
static int begin(struct question_set *s)
{
	int r = ipc_connect(s->g->run_dir, "ctl.sock", &s->sock);
	if (!r && fcntl(s->sock, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r)
		return r;
	s->proving = s->proof != NULL;
	r = s->proof ? proof_send(s->sock, 0, s->proof) : send_next(s);
	if (r)
		return r;
	s->ev = event_new(s->g->base, s->sock, EV_READ | EV_PERSIST, on_frame, s);
	return s->ev && !event_add(s->ev, NULL) ? 0 : -ENOMEM;
}

void question_set_begin(struct question_set *s)
{
	s->at = 0;
	s->sock = -1;
	s->ev = NULL;
	if (s->n && !begin(s))
		return;
	over(s, s->n ? silent : NULL);
}

/* ---- one question ----------------------------------------------------------------------------------------------------------- */

struct question {
	struct question_set set; /* first */
	struct http_exchange *x;
	const struct question_fns *fns;
	struct question_one one, *list[1];
};

static void question_free(struct question *q)
{
	question_set_stop(&q->set);
	question_one_fini(&q->one);
	free(q);
}

static void on_gone(struct http_exchange *x)
{
	question_free(x->ctx);
}

/* It is over: with data, or with why there is none. */
static void on_over(struct question_set *s, const char *why)
{
	struct question *q = (struct question *)s;
	q->x->gone = NULL;
	if (why || q->one.status != END_DONE)
		q->fns->failed(s->g, q->x, why ? why : "the gate did not answer");
	else
		q->fns->answer(s->g, q->x, (const char *)q->one.data.data, q->one.data.len);
	question_free(q);
}

void question_ask(struct gateway *g, struct http_exchange *x, const struct proto_query *body,
	const struct question_fns *fns)
{
	struct question *q = calloc(1, sizeof *q);
	if (!q) {
		fns->failed(g, x, "out of memory");
		return;
	}
	q->x = x;
	q->fns = fns;
	q->one = (struct question_one){
		.type = CTL_QUERY, .len = sizeof *body, .body.query = *body, .fd = -1
	};
	q->list[0] = &q->one;
	q->set = (struct question_set){ .g = g, .v = q->list, .n = 1, .over = on_over };
	if (fns->as_client && who_of(x))
		q->set.proof = &who_of(x)->proof;
	x->ctx = q;
	x->gone = on_gone;
	question_set_begin(&q->set);
}
