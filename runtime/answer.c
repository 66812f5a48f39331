#define _GNU_SOURCE
#include "runtime/answer.h"
#include "base/bytes.h"
#include "base/err.h"
#include "runtime/probs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static u64 results_under_way;
static _Thread_local char why_text[REASON_LEN_MAX];

u64 answer_result_bytes(void)
{
	return results_under_way;
}

/* ---- the prompt as ids -------------------------------------------------------------------------------------------------- */

static int add_tokens(const struct grant *g, const u8 *data, u32 len, struct tok_ids *ids)
{
	for (u32 i = 0; i < len; i += sizeof(u32)) {
		u32 id = bytes_u32le(data + i);
		if (id >= g->model.n_vocab) {
			snprintf(why_text, sizeof why_text, "token %u is beyond the vocabulary of %u", id,
				g->model.n_vocab);
			return 1;
		}
		int r = tok_ids_add(ids, id);
		if (r)
			return r;
	}
	return 0;
}

static int add_pieces(const struct grant *g, const struct request *rq, struct tok_ids *ids)
{
	const u8 *data;
	const struct request_part *part = NULL;
	bool first = true;
	for (u32 i = 0; i < rq->h->n_pieces; i++) {
		part = request_next(rq, part, &data);
		int r = 0;
		if (part->kind == REQUEST_TOKENS)
			r = add_tokens(g, data, part->len, ids);
		else if (part->len)
			r = tok_encode(g->tok, data, part->len, part->kind == REQUEST_TRUSTED, first, ids);
		if (r)
			return r;
		first = first && part->len == 0;
	}
	return 0;
}

static int add_prompt(const struct grant *g, const struct request *rq, struct tok_ids *ids)
{
	bool raw = rq->h->flags & REQUEST_RAW;
	u32 bos = tok_bos(g->tok), eos = tok_eos_added(g->tok);
	int r = !raw && bos != LAYOUT_NONE ? tok_ids_add(ids, bos) : 0;
	if (!r)
		r = add_pieces(g, rq, ids);
	if (!r && !raw && eos != LAYOUT_NONE)
		r = tok_ids_add(ids, eos);
	return r;
}

/* ---- the end ------------------------------------------------------------------------------------------------------------ */

static void finish(struct answer *a, u32 how, const char *why)
{
	struct proto_outcome *o = &a->outcome;
	u64 now = clock_ns();
	if (a->over)
		return;
	a->over = true;
	o->finish = how;
	o->stop_string = how == FINISH_STRING ? 1 + a->stops.met : 0;
	o->n_cached = a->seq.n_cached;
	o->n_drafted = a->seq.all_drafted;
	o->n_accepted = a->seq.all_right;
	o->n_model_drafted = a->seq.model_drafted;
	o->n_model_accepted = a->seq.model_right;
	o->n_aside = a->seq.n_aside;
	o->prompt_ns = (a->first_ns ? a->first_ns : now) - a->started_ns;
	o->generate_ns = a->first_ns ? now - a->first_ns : 0;
	sha256_final(&a->tokens, o->tokens);
	sha256_final(&a->text, o->text);
	snprintf(o->why, sizeof o->why, "%s", why);
}

/* Seal the result, hand it over, and be over. */
static void finish_result(struct answer *a)
{
	if (fcntl(a->result, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
		finish(a, FINISH_ERROR, "the result could not be sealed");
		return;
	}
	a->on_result(a, a->result, a->result_bytes);
	finish(a, FINISH_LENGTH, "");
}

/* ---- what was said, for the gate ---------------------------------------------------------------------------------------- */

static int keep_begin(struct answer *a)
{
	a->kept = a->keep ? memfd_create("keep-answer", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
	return a->keep && a->kept < 0 ? 1 : 0;
}

/* An answer that is longer, or that memory cannot hold, is not kept; its outcome says so. */
static void keep_text(struct answer *a, const char *text, size_t n)
{
	if (a->kept < 0 || n == 0)
		return;
	if (a->kept_bytes + n > ANSWER_BYTES_MAX || fd_pwrite_all(a->kept, text, n, a->kept_bytes))
		fd_close(&a->kept);
	a->kept_bytes += n;
}

int answer_kept(struct answer *a, u64 *ret_bytes)
{
	if (a->kept >= 0 &&
		fcntl(a->kept, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		fd_close(&a->kept);
	*ret_bytes = a->kept_bytes;
	return a->kept;
}

/* ---- text and tokens on their way out ----------------------------------------------------------------------------------- */

/* The longest piece of text that ends with a whole character and fits into a frame. */
static size_t frame_text(const char *text, size_t n)
{
	struct proto_tokens t;
	if (n <= sizeof t.text)
		return n;
	n = sizeof t.text;
	while (n && ((u8)text[n] & 0xc0u) == 0x80u)
		n--;
	return n;
}

/* Show the first n held bytes, with the id that freed them in the first frame. */
static int show(struct answer *a, const u32 *id, size_t n)
{
	while (id || n) {
		struct proto_tokens t = { .n_tokens = id ? 1 : 0 };
		if (id)
			t.tokens[0] = *id;
		t.text_len = (u32)frame_text(a->stops.held, n);
		memcpy(t.text, a->stops.held, t.text_len);
		sha256_update(&a->text, t.text, t.text_len);
		keep_text(a, t.text, t.text_len);
		stops_shown(&a->stops, t.text_len);
		n -= t.text_len;
		id = NULL;
		if (a->on_tokens(a, &t))
			return 1;
	}
	return 0;
}

/* The stream is at its end: what is still held is shown, up to a stop string that this completes. */
static int show_rest(struct answer *a, const u32 *id, u32 how)
{
	size_t n = tok_stream_end(&a->stream, stops_room(&a->stops), STOPS_TOKEN_TEXT_MAX), free_bytes;
	if (stops_push(&a->stops, n, &free_bytes))
		how = FINISH_STRING;
	else
		free_bytes = a->stops.n_held;
	if (show(a, id, free_bytes))
		finish(a, FINISH_CANCELLED, "the client reads too slowly");
	finish(a, how, "");
	return 1;
}

/* One generated id. Returns 1 when it was the last. */
static int say(struct answer *a, u32 id)
{
	struct grant *g = a->g;
	size_t n, free_bytes;
	sha256_update(&a->tokens, &id, sizeof id);
	a->outcome.n_generated++;
	if (!(a->flags & REQUEST_IGNORE_EOS) && tok_ends(g->tok, id))
		return show_rest(a, &id, FINISH_STOP);
	bool control = tok_name(g->tok, id, &n) !=
		       NULL; /* no character and no stop string goes across one: what is held comes first */
	n = control ? tok_stream_end(&a->stream, stops_room(&a->stops), STOPS_TOKEN_TEXT_MAX)
		    : tok_stream_push(g->tok, &a->stream, id, stops_room(&a->stops), STOPS_TOKEN_TEXT_MAX);
	if (stops_push(&a->stops, n, &free_bytes)) {
		if (show(a, &id, free_bytes))
			finish(a, FINISH_CANCELLED, "the client reads too slowly");
		finish(a, FINISH_STRING, "");
		return 1;
	}
	free_bytes = control ? a->stops.n_held : free_bytes;
	if (a->complete || a->outcome.n_generated == a->seq.n_new) {
		if (show(a, &id, free_bytes)) {
			finish(a, FINISH_CANCELLED, "the client reads too slowly");
			return 1;
		}
		return show_rest(a, NULL, a->complete ? FINISH_STOP : FINISH_LENGTH);
	}
	if (!show(a, &id, free_bytes))
		return 0;
	finish(a, FINISH_CANCELLED, "the client reads too slowly");
	return 1;
}

/* ---- an answer that a grammar holds, and reasoning, which none holds ---------------------------------------------------------- */

static const u8 *token_bytes(const struct answer *a, u32 id, size_t *ret_len)
{
	return mask_token_bytes(&a->g->trie, a->g->tok, id, ret_len);
}

static int stuck(struct answer *a, const char *why)
{
	finish(a, FINISH_ERROR, why);
	return 1;
}

/* Which tokens may come. 0; 1 the answer is over. */
static int hold(struct answer *a)
{
	const char *why;
	a->sampling.allowed = NULL;
	if (!a->mask || a->think.inside || !mask_allowed(a->mask, &a->sampling.allowed, &why))
		return 0;
	return stuck(a, why);
}

/* A token that ends reasoning: the grammar begins behind the tag, with what the token says there but for blanks. *ret_id is another one
 * where that does not fit: the end as the request has it. 0; 1 the answer is over. */
static int leave_reasoning(struct answer *a, const u8 *rest, size_t n, u32 *ret_id)
{
	const char *why;
	bool fits = true;
	for (; n && (*rest == ' ' || *rest == '\n'); n--)
		rest++;
	if ((!mask_waits(a->mask) && mask_again(a->mask, &why)) ||
		(n && mask_push_bytes(a->mask, rest, n, &fits, &a->complete, &why)))
		return stuck(a, why);
	if (fits || a->think.forced)
		return 0;
	think_end(&a->think);
	(void)think_forces(&a->think, ret_id);
	return 0;
}

/* The token that was chosen, or the one that must be said in its place. forced: it is of the end of reasoning.
 * 0; 1 the answer is over. */
static int follow(struct answer *a, bool forced, u32 *id)
{
	const char *why;
	size_t len, rest;
	const u8 *s = token_bytes(a, *id, &len);
	bool held = a->mask && !a->think.inside && !forced;
	if (tok_ends(a->g->tok, *id))
		return 0;
	if (a->mask && think_look(&a->think, s, len, &rest) == THINK_CLOSES) {
		if (leave_reasoning(a, s + len - rest, rest, id))
			return 1;
		s = token_bytes(a, *id, &len);
	}
	if (held && mask_push(a->mask, *id, &a->complete, &why))
		return stuck(a, why);
	think_said(&a->think, s, len);
	if (held && !a->think.inside &&
		!mask_waits(a->mask)) /* the grammar has begun: a tag of reasoning in it is text */
		a->think.may_begin = a->think.may_begin && a->think.n_said == a->think.at;
	return 0;
}

/* ---- what the scheduler calls --------------------------------------------------------------------------------------------- */

/* What the model held likely where it says this: of every token but the one that ends the text. 0; 1 the answer is over. */
static int show_probs(struct answer *a, const f32 *logits, u32 id)
{
	struct proto_probs p;
	size_t n;
	if (!a->n_logprobs || (!(a->flags & REQUEST_IGNORE_EOS) && tok_ends(a->g->tok, id)))
		return 0;
	probs_of_row(logits, a->g->model.n_vocab, id, a->n_logprobs - 1, &p);
	for (u32 i = 0; i < p.n; i++) {
		const void *name = tok_name(a->g->tok, p.v[i].id, &n);
		const void *text = name ? name : tok_bytes(a->g->tok, p.v[i].id, &n);
		probs_text(&p, i, text, n);
	}
	if (!a->on_probs(a, &p))
		return 0;
	finish(a, FINISH_CANCELLED, "the client reads too slowly");
	return 1;
}

static struct sampler_need need(const struct sched_seq *q)
{
	const struct answer *a = (const struct answer *)q;
	if (a->n_logprobs)
		return (struct sampler_need){ 0 };
	return sampler_need(&a->sampling, a->mask, q->n_ids);
}

/* The next token, from its row or from what the device says of that; as sched_seq.few. */
static int generate(struct answer *a, const f32 *logits, const struct sampler_few *few, u32 *ret_next)
{
	struct sampler *s = &a->g->sampler;
	const u32 *ids = a->seq.ids;
	if (!a->first_ns)
		a->first_ns = clock_ns();
	bool forced = think_forces(&a->think, ret_next);
	if (!forced) {
		if (hold(a))
			return 1;
		int r = few ? sampler_pick_few(s, &a->sampling, few, ids, a->seq.n_ids, ret_next)
			    : sampler_pick(s, &a->sampling, logits, ids, a->seq.n_ids, ret_next);
		if (r && few)
			return SAMPLER_WHOLE;
		if (r) {
			finish(a, FINISH_ERROR, "the device computed a logit that is not finite");
			return 1;
		}
	}
	if (follow(a, forced, ret_next) || (logits && show_probs(a, logits, *ret_next)))
		return 1;
	return say(a, *ret_next);
}

static int row_generate(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next)
{
	return generate((struct answer *)q, logits, NULL, ret_next);
}

static int few_generate(struct sched_seq *q, u32 pos, const struct sampler_few *few, u32 *ret_next)
{
	return generate((struct answer *)q, NULL, few, ret_next);
}

/* While the row is computed that chooses what comes next: the mask of that choice, and of those behind what is guessed. */
static void ahead(struct sched_seq *q, u32 n_guesses)
{
	struct answer *a = (struct answer *)q;
	if (a->mask && !a->think.inside && !a->think.forced)
		mask_ahead(a->mask, q->ids + q->n_ids, n_guesses);
}

static int row_logits(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next)
{
	struct answer *a = (struct answer *)q;
	size_t bytes = a->g->model.n_vocab * sizeof *logits;
	if (!a->first_ns)
		a->first_ns = clock_ns();
	sha256_update(&a->tokens, logits, bytes);
	if (fd_write_all(a->result, logits, bytes)) {
		finish(a, FINISH_ERROR, "no memory for the result");
		return 1;
	}
	return 0;
}

static void ended(struct sched_seq *q)
{
	struct answer *a = (struct answer *)q;
	if (a->kind == REQUEST_LOGITS && !a->over)
		finish_result(a);
	assert(a->over);
	a->on_over(a);
}

/* ---- beginning ------------------------------------------------------------------------------------------------------------ */

static void copy_request(struct answer *a, const struct request *rq)
{
	const struct request_header *h = rq->h;
	const struct request_part *part = NULL;
	const u8 *data;
	a->kind = h->kind;
	a->flags = h->flags;
	a->n_logprobs = h->n_logprobs;
	a->sampling = (struct sampler_params){ .temperature = h->temperature,
		.top_p = h->top_p,
		.min_p = h->min_p,
		.repeat_penalty = h->repeat_penalty,
		.top_k = h->top_k,
		.repeat_last_n = h->repeat_last_n,
		.choice = h->choice,
		.seed = h->seed };
	a->outcome.seed = h->seed;
	while ((part = request_next(rq, part, &data))) {
		if (part->kind != REQUEST_STOP)
			continue;
		a->stops.len[a->stops.n] = part->len;
		memcpy(a->stops.text[a->stops.n++], data, part->len);
	}
}

/* 0; 1 refused, why_text says why. */
static int begin_grammar(struct answer *a, const struct request *rq)
{
	const struct request_part *part = NULL;
	const u8 *data;
	const char *why;
	while ((part = request_next(rq, part, &data))) {
		if (part->kind != REQUEST_GRAMMAR)
			continue;
		int r = mask_create(&a->g->trie, a->g->tok, data, part->len, &a->mask, &why);
		if (r)
			snprintf(why_text, sizeof why_text, "%s", r > 0 ? why : "no memory for the grammar");
		return r ? 1 : 0;
	}
	return 0;
}

/* 0; 1 refused, why_text says why. */
static int begin_think(struct answer *a, const struct request *rq)
{
	const struct request_part *part = NULL;
	const u8 *data;
	while ((part = request_next(rq, part, &data)))
		if (part->kind == REQUEST_THINK && think_begin(&a->think, a->g->tok, data)) {
			snprintf(why_text, sizeof why_text, "no memory for reasoning");
			return 1;
		}
	return 0;
}

static int open_result(struct answer *a)
{
	a->result = memfd_create("keep-result", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return a->result < 0 ? err_errno() : 0;
}

/* The ids are the result. */
static int begin_tokenize(struct answer *a, const struct tok_ids *ids)
{
	size_t bytes = ids->n * sizeof *ids->id;
	if (open_result(a) || fd_write_all(a->result, ids->id, bytes)) {
		snprintf(why_text, sizeof why_text, "no memory for the result");
		return 1;
	}
	sha256_update(&a->tokens, ids->id, bytes);
	a->result_bytes = bytes;
	a->outcome.n_prompt = (u32)ids->n;
	finish_result(a);
	a->on_over(a);
	return 0;
}

/* How many tokens are generated at most. */
static u32 tokens_new(const struct answer *a, const struct request_header *h, size_t n_prompt)
{
	bool fill = h->flags & REQUEST_FILL && n_prompt < a->g->ctx_tokens;
	return fill ? MIN(h->max_tokens, a->g->ctx_tokens - (u32)n_prompt) : h->max_tokens;
}

/* What the quota leaves it. 0; 1 less than it takes, for good; 2 for now. */
static int quota_short(const struct answer *a, size_t n_prompt, u32 n_new)
{
	u64 total = (u64)n_prompt + n_new;
	if (!a->tokens_max || total <= a->tokens_max)
		return 0;
	bool later = total <= a->tokens_ever;
	snprintf(why_text, sizeof why_text,
		"%zu tokens of prompt and %u to generate exceed the %u tokens that a quota %s", n_prompt,
		n_new, later ? a->tokens_max : a->tokens_ever, later ? "leaves now" : "allows");
	return later ? 2 : 1;
}

/* Room for all rows of logits. 0; 1 there is none, why_text says so. */
static int logits_room(struct answer *a, size_t n_rows)
{
	u64 bytes = (u64)n_rows * a->g->model.n_vocab * sizeof(f32);
	if (bytes > RESULT_BYTES_MAX - results_under_way) {
		snprintf(why_text, sizeof why_text, "logits of %zu tokens are %llu MiB; %llu MiB are free",
			n_rows, (unsigned long long)(bytes >> 20),
			(unsigned long long)((RESULT_BYTES_MAX - results_under_way) >> 20));
		return 1;
	}
	if (open_result(a)) {
		snprintf(why_text, sizeof why_text, "no memory for the result");
		return 1;
	}
	a->result_bytes = bytes;
	results_under_way += bytes;
	return 0;
}

static void hear_rows(struct answer *a)
{
	bool logits = a->kind == REQUEST_LOGITS;
	a->seq.want = logits ? SCHED_EVERY_ROW : SCHED_LAST_ROW;
	a->seq.row = logits ? row_logits : row_generate;
	a->seq.need = logits ? NULL : need;
	a->seq.few = few_generate;
	a->seq.ahead = logits ? NULL : ahead;
	a->seq.ended = ended;
}

/* 0; 1 refused, why_text says why; 2 likewise, for what the quota leaves now. */
static int begin_compute(struct answer *a, const struct request_header *h, struct tok_ids *ids)
{
	struct sched_seq *q = &a->seq;
	u32 n_new = tokens_new(a, h, ids->n);
	u64 total = (u64)ids->n + n_new;
	if (total > a->g->ctx_tokens) {
		snprintf(why_text, sizeof why_text,
			"%zu tokens of prompt and %u to generate exceed the context of %u tokens", ids->n,
			n_new, a->g->ctx_tokens);
		return 1;
	}
	int r = quota_short(a, ids->n, n_new);
	if (r)
		return r;
	if (a->kind == REQUEST_LOGITS && logits_room(a, ids->n))
		return 1;
	q->ids = calloc(total, sizeof *q->ids);
	if (!q->ids) {
		snprintf(why_text, sizeof why_text, "no memory for %llu tokens", (unsigned long long)total);
		return 1;
	}
	memcpy(q->ids, ids->id, ids->n * sizeof *q->ids);
	q->n_prompt = a->outcome.n_prompt = (u32)ids->n;
	q->n_new = n_new;
	hear_rows(a);
	r = sched_add(&a->g->sched, q);
	if (r)
		snprintf(why_text, sizeof why_text, "%s",
			r > 0 ? "the cache cannot hold so many tokens" : "no memory");
	return r ? 1 : 0;
}

int answer_begin(
	struct answer *a, struct grant *g, const struct request *request, u64 principal, const char **ret_why)
{
	struct tok_ids ids = { 0 };
	a->g = g;
	a->result = a->kept = -1;
	a->started_ns = clock_ns();
	a->seq.principal = principal;
	a->outcome.numerics = RT_NUMERICS;
	a->outcome.kv_mode = g->kv_mode;
	memcpy(a->outcome.kernel_set, g->ready.kernel_set, sizeof a->outcome.kernel_set);
	memcpy(a->outcome.device, g->ready.device, sizeof a->outcome.device);
	sha256_init(&a->tokens);
	sha256_init(&a->text);
	copy_request(a, request);
	*ret_why = why_text;
	int r = keep_begin(a) ? -ENOMEM : add_prompt(g, request, &ids);
	if (r < 0)
		snprintf(why_text, sizeof why_text, "no memory for the prompt");
	if (!r && ids.n == 0 && a->kind != REQUEST_TOKENIZE) {
		snprintf(why_text, sizeof why_text, "the prompt has no tokens");
		r = 1;
	}
	if (!r)
		r = begin_grammar(a, request) || begin_think(a, request);
	if (!r)
		r = a->kind == REQUEST_TOKENIZE ? begin_tokenize(a, &ids)
						: begin_compute(a, request->h, &ids);
	if (ids.id)
		explicit_bzero(ids.id, ids.cap * sizeof *ids.id);
	tok_ids_fini(&ids);
	return r < 0 ? 1 : r;
}

void answer_abort(struct answer *a, u32 how, const char *why)
{
	sched_remove(&a->g->sched, &a->seq);
	finish(a, how, why);
	a->on_over(a);
}

void answer_fini(struct answer *a)
{
	if (a->seq.queued || a->seq.running)
		sched_remove(&a->g->sched, &a->seq);
	if (a->kind == REQUEST_LOGITS)
		results_under_way -= a->result_bytes;
	a->result_bytes = 0;
	if (a->seq.ids) {
		explicit_bzero(a->seq.ids, ((size_t)a->seq.n_prompt + a->seq.n_new) * sizeof *a->seq.ids);
		free(a->seq.ids);
		a->seq.ids = NULL;
	}
	explicit_bzero(&a->stops, sizeof a->stops);
	a->mask = mask_destroy(a->mask);
	think_fini(&a->think);
	sha256_fini(&a->tokens);
	sha256_fini(&a->text);
	if (a->result > 0)
		fd_close(&a->result);
	if (a->kept > 0)
		fd_close(&a->kept);
}
