#define _GNU_SOURCE
#include "cli/session.h"
#include "base/bytes.h"
#include "base/ipc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void session_fini(struct session *s)
{
	fd_close(&s->sock);
	fd_unmap(&s->map);
}

void session_result_fini(struct session_result *r)
{
	fd_unmap(&r->data);
}

static const char *const kv_names[] = {
	[KV_DEFAULT] = "default", [KV_F32] = "f32", [KV_F16] = "f16", [KV_INT8] = "int8"
};

int session_kv_parse(const char *word, u32 *ret)
{
	u32 mode = KV_DEFAULT;
	while (word && ++mode < ARRAY_LEN(kv_names))
		if (!strcmp(word, kv_names[mode]))
			break;
	if (mode == ARRAY_LEN(kv_names))
		return 1;
	*ret = mode;
	return 0;
}

const char *session_kv_name(u32 kv_mode)
{
	return kv_names[kv_mode < ARRAY_LEN(kv_names) ? kv_mode : KV_DEFAULT];
}

const char *session_finish_name(u32 finish)
{
	static const char *const name[] = { [FINISH_STOP] = "stop",
		[FINISH_STRING] = "stop-string",
		[FINISH_LENGTH] = "length",
		[FINISH_CANCELLED] = "cancelled",
		[FINISH_REVOKED] = "revoked",
		[FINISH_REFUSED] = "refused",
		[FINISH_ERROR] = "error",
		[FINISH_SPENT] = "spent" };
	return finish < ARRAY_LEN(name) && name[finish] ? name[finish] : "unknown";
}

const char *session_token_text(const struct session *s, u32 id, size_t *ret_len)
{
	*ret_len = 0;
	if (id >= s->layout.h->n_vocab)
		return "";
	struct layout_str t = s->layout.vocab[id].text;
	*ret_len = t.len;
	return s->layout.strings + t.off;
}

int session_open(struct ctl *k, const struct session_want *w, struct session *ret)
{
	struct proto_session_want b = { .kv_mode = w->kv_mode, .ctx_tokens = w->ctx_tokens };
	if (bytes_put_str(b.name, sizeof b.name, w->model))
		return out_fail(
			CLI_USAGE, "%s: a model's name has at most %u characters", w->model, NAME_LEN_MAX);
	if (w->draft && bytes_put_str(b.draft, sizeof b.draft, w->draft))
		return out_fail(
			CLI_USAGE, "%s: a model's name has at most %u characters", w->draft, NAME_LEN_MAX);
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	out_progress("waiting for the runtime", 0, 0);
	int r = ctl_ask(k, CTL_SESSION, &b, sizeof b, -1, &a);
	if (r)
		return r;
	if (!a.has_session || !a.has_data)
		return out_fail(CLI_UNDECIDED, "keepd: no session came");
	struct session s = { .ctl = k, .sock = -1, .open = a.session };
	const char *why;
	if (layout_open(a.data.data, a.data.len, NULL, &s.layout, &why))
		return out_fail(CLI_UNDECIDED, "%s: its layout is malformed: %s", w->model, why);
	s.sock = fd_steal(&a.session_fd);
	s.map = a.data;
	a.data = (struct fd_map){ 0 };
	*ret = s;
	return 0;
}

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t interrupts;

static void on_interrupt(int sig)
{
	if (++interrupts > 1)
		_exit(128 + sig);
}

static void catch_interrupt(struct sigaction *ret_old)
{
	struct sigaction a = { .sa_handler = on_interrupt }; /* no SA_RESTART: poll returns */
	interrupts = 0;
	sigaction(SIGINT, &a, ret_old);
}

/* ---- one request ---- */

static int show_keepd(
	struct session *s, const struct session_request *q, u64 id, int fd, struct session_result *ret)
{
	struct proto_begin b = { .session = s->open.session, .replay_of = q->replay_of };
	sha256_of(q->data, q->len, b.digest);
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_send(s->ctl, CTL_BEGIN, id, &b, sizeof b, fd);
	r = r ? r : ctl_finish(s->ctl, &a);
	if (r)
		return r;
	if (a.end.status == END_SPENT)
		return out_fail(CLI_SPENT, "%s; try again in %u s", a.end.text, a.end.retry_s);
	if (a.end.status != END_DONE)
		return out_fail(a.end.status == END_AGAIN ? CLI_REFUSED : (int)a.end.status, "%s",
			a.end.text[0] ? a.end.text : "the gate refused the request");
	ret->index = a.end.index;
	ret->retry_s = a.end.retry_s;
	return 0;
}

/* The gate shut the socket, or the runtime is gone: say which, if keepd knows. */
static int lost(struct session *s)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	struct proto_query q = { .what = QUERY_MODEL };
	memcpy(q.name, s->open.name, sizeof q.name);
	s->over = true;
	out_progress_end();
	if (ipc_send(s->ctl->sock, CTL_QUERY, 0, &q, sizeof q, -1) == 0 && ctl_finish(s->ctl, &a) == 0 &&
		a.data.len) {
		static const char *const states[] = { "revoked", "quarantined", "removed" };
		char status[64];
		for (size_t i = 0; i < ARRAY_LEN(states); i++) {
			int n = snprintf(status, sizeof status, "\"status\":\"%s\"", states[i]);
			if (memmem(a.data.data, a.data.len, status, (size_t)n))
				return out_fail(CLI_REFUSED,
					"%s: the model was %s; the gate ended the session", s->open.name,
					states[i]);
		}
	}
	return out_fail(CLI_REFUSED, "%s: the session was ended; \"keep audit ls\" says why", s->open.name);
}

/* Nobody is at the other end any more. */
static bool hung_up(const struct session *s)
{
	struct pollfd pf = { s->sock, 0, 0 };
	return poll(&pf, 1, 0) > 0 && pf.revents & POLLHUP;
}

/* Requests in flight together: ids first, first + 1, … */
struct flight {
	const struct session_request *q;
	struct session_result *ret;
	size_t n, n_done;
	u64 first;
};

/* 0; -EPROTO. */
static int take(struct flight *l, struct ipc_frame *f)
{
	static const struct ipc_rule rules[] = {
		{ SESSION_TOKENS, 1, sizeof(struct proto_tokens), false, false, NULL },
		{ SESSION_RESULT, 1, sizeof(struct proto_data), true, false, NULL },
		{ SESSION_PROBS, 1, sizeof(struct proto_probs), false, false,
			NULL }, /* a replay does not show them */
		{ SESSION_DONE, 1, sizeof(struct proto_outcome), false, false, NULL },
	};
	u64 seen = 0, i = f->h.id - l->first;
	if (!ipc_match(rules, ARRAY_LEN(rules), 1, &seen, f) || i >= l->n || l->ret[i].done)
		return -EPROTO;
	if (f->h.type == SESSION_TOKENS) {
		const struct proto_tokens *t = (const void *)f->body;
		if (t->n_tokens > TOKENS_PER_FRAME || t->text_len > sizeof t->text)
			return -EPROTO;
		if (l->q[i].on_tokens)
			l->q[i].on_tokens(l->q[i].ctx, t);
		return 0;
	}
	if (f->h.type == SESSION_PROBS)
		return 0;
	if (f->h.type == SESSION_RESULT) {
		fd_unmap(&l->ret[i].data);
		return fd_map_sealed(f->fd, SIZE_MAX, &l->ret[i].data) ? -EPROTO : 0;
	}
	memcpy(&l->ret[i].outcome, f->body, sizeof l->ret[i].outcome);
	l->ret[i].done = true;
	l->n_done++;
	return 0;
}

static int cancel(struct session *s, const struct flight *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->ret[i].done && ipc_send(s->sock, SESSION_CANCEL, l->first + i, NULL, 0, -1))
			return lost(s);
	return 0;
}

static int stream(struct session *s, struct flight *l)
{
	bool cancelled = false;
	while (l->n_done < l->n) {
		struct pollfd pf = { s->sock, POLLIN, 0 };
		if (interrupts && !cancelled) {
			cancelled = true;
			int r = cancel(s, l);
			if (r)
				return r;
		}
		if (poll(&pf, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			return out_fail(CLI_UNDECIDED, "session: %s", out_reason(errno));
		}
		struct ipc_frame f;
		int r = ipc_recv(s->sock, &f);
		if (r == 1)
			return lost(s);
		if (r == 0)
			r = take(l, &f);
		ipc_frame_fini(&f);
		if (r < 0)
			return out_fail(CLI_UNDECIDED, "the runtime: %s", out_reason(r));
	}
	return 0;
}

/* Seal, record, send. */
static int begin(struct session *s, const struct session_request *q, u64 id, struct session_result *ret)
{
	_cleanup_fd_ int fd = -1;
	int r = fd_memfd_sealed("request", q->data, q->len, &fd);
	if (r)
		return out_fail(CLI_UNDECIDED, "request: %s", out_reason(r));
	r = show_keepd(s, q, id, fd, ret);
	if (r)
		return r;
	r = ipc_send(s->sock, SESSION_REQUEST, id, NULL, 0, fd);
	if (r == -EPIPE)
		return lost(s);
	return r ? out_fail(CLI_UNDECIDED, "the runtime: %s", out_reason(r)) : 0;
}

static int judge(const struct session *s, const struct session_result *res)
{
	const struct proto_outcome *o = &res->outcome;
	if (o->finish == FINISH_SPENT)
		return out_fail(CLI_SPENT, "%s; try again in %u s", o->why, res->retry_s);
	if (o->finish == FINISH_REFUSED || o->finish == FINISH_ERROR)
		return out_fail(CLI_REFUSED, "%s", o->why[0] ? o->why : "the runtime refused the request");
	if (o->finish == FINISH_REVOKED)
		return out_fail(CLI_REFUSED, "%s: the model was revoked", s->open.name);
	return 0;
}

int session_run_all(struct session *s, const struct session_request *q, size_t n, struct session_result *ret)
{
	struct flight l = { .q = q, .ret = ret, .n = n, .first = s->last_id + 1 };
	struct sigaction old;
	int r = hung_up(s) ? lost(s) : 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = begin(s, &q[i], ++s->last_id, &ret[i]);
	if (r)
		return r;
	catch_interrupt(&old);
	r = stream(s, &l);
	sigaction(SIGINT, &old, NULL);
	for (size_t i = 0; i < n && r == 0; i++)
		r = judge(s, &ret[i]);
	return r;
}

int session_run(struct session *s, const struct session_request *q, struct session_result *ret)
{
	return session_run_all(s, q, 1, ret);
}

int session_once(struct ctl *k, const struct session_want *w, const struct session_request *q,
	struct session *ret_session, struct session_result *ret)
{
	int r = session_open(k, w, ret_session);
	r = r ? r : session_run(ret_session, q, ret);
	if (r == 0 && ret->outcome.finish == FINISH_CANCELLED)
		return out_fail(CLI_REFUSED, "cancelled");
	return r;
}
