#define _GNU_SOURCE
#include "cli/ask.h"
#include "chat/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int ask_seed(u64 *ret)
{
	u64 seed;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return out_fail(CLI_UNDECIDED, "no random numbers: %s", out_reason(errno));
	*ret = seed >> 11; /* 53 bits: exact in every JSON reader */
	return 0;
}

int ask_read_stdin(size_t max, char **ret, size_t *ret_len)
{
	size_t len = 0, cap = 65536;
	_cleanup_free_ char *buf = malloc(cap);
	while (buf) {
		ssize_t n = read(0, buf + len, cap - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return out_fail(CLI_UNDECIDED, "standard input: %s", out_reason(errno));
		if (n == 0) {
			buf[len] = 0;
			*ret = buf;
			*ret_len = len;
			buf = NULL;
			return 0;
		}
		len += (size_t)n;
		if (len > max)
			return out_fail(CLI_REFUSED, "standard input: more than %zu bytes", max);
		if (len + 1 < cap)
			continue;
		char *p = realloc(buf, cap *= 2);
		if (!p)
			break;
		buf = p;
	}
	return out_fail(CLI_UNDECIDED, "standard input: out of memory");
}

/* A request that the runtime would refuse is a mistake of the user: checked here, where the reason can be said. */
static int finish(struct request_builder *b, u8 **ret_data, size_t *ret_len)
{
	struct request r;
	const char *why;
	if (!b->failed && request_open(b->buf, b->len, &r, &why))
		out_say("the request is malformed: %s", why);
	else
		why = NULL;
	int e = request_built(b, ret_data, ret_len);
	if (e > 0 && !why)
		out_say("the request is larger than %u bytes", REQUEST_BYTES_MAX);
	if (e < 0)
		return out_fail(CLI_UNDECIDED, "request: %s", out_reason(e));
	return e ? CLI_REFUSED : 0;
}

static void add_stops(struct request_builder *b, const struct ask_sampling *how)
{
	for (size_t i = 0; i < how->stops.n; i++)
		request_add(b, REQUEST_STOP, how->stops.v[i], strlen(how->stops.v[i]));
}

int ask_file(const char *path, const char *what, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	u8 *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : fd_read_file(fd, max, &text, &len);
	if (r > 0)
		return out_fail(CLI_REFUSED, "%s: %s%s", path, r == 1 ? "not a regular file" : "longer than ",
			r == 1 ? "" : what);
	if (r < 0)
		return out_fail(CLI_REFUSED, "%s: %s", path, out_reason(r));
	char *p = realloc(text, len + 1);
	if (!p) {
		free(text);
		return out_fail(CLI_UNDECIDED, "%s: out of memory", path);
	}
	p[len] = 0;
	*ret = p;
	*ret_len = len;
	return 0;
}

int ask_grammar(const char *path, enum chat_grammar_kind kind, struct arena *a, struct ask_sampling *how)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	const char *why;
	int r = ask_file(path, "a schema or grammar may be", GRAMMAR_SOURCE_BYTES_MAX, &text, &len);
	if (r)
		return r;
	struct chat_grammar g = { .kind = kind, .source = text, .source_len = len };
	r = chat_grammar_compile(&g, a, &how->grammar, &how->grammar_len, &why);
	if (r < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r));
	return r ? out_fail(CLI_REFUSED, "%s: %s", path, why) : 0;
}

int ask_sampled(const struct ask_sampling *how, u32 part_kind, const void *data, size_t len, u8 **ret_data,
	size_t *ret_len)
{
	struct request_builder b;
	request_build(&b, &how->h);
	request_add(&b, part_kind, data, len);
	add_stops(&b, how);
	if (how->grammar)
		request_add(&b, REQUEST_GRAMMAR, how->grammar, how->grammar_len);
	return finish(&b, ret_data, ret_len);
}

int ask_text(const struct request_header *h, u32 part_kind, const void *text, size_t len, u8 **ret_data,
	size_t *ret_len)
{
	return ask_sampled(&(struct ask_sampling){ .h = *h }, part_kind, text, len, ret_data, ret_len);
}

int ask_tokens(const struct request_header *h, const char *list, u8 **ret_data, size_t *ret_len)
{
	_cleanup_free_ u32 *ids = NULL;
	size_t n;
	int r = opt_u32_list(list, &ids, &n);
	if (r > 0)
		return out_fail(CLI_USAGE, "--tokens: \"%s\" is not a list of token ids like 1,2,3", list);
	if (r)
		return out_fail(CLI_UNDECIDED, "--tokens: %s", out_reason(r));
	return ask_text(h, REQUEST_TOKENS, ids, n * sizeof *ids, ret_data, ret_len);
}

static int build(const struct ask_sampling *how, const struct ask_turn *p, const struct chat_turn *t,
	struct arena *a, u8 **ret_data, size_t *ret_len)
{
	struct request_builder b;
	struct request_header head = how->h;
	const struct chat_ends ends = { how->grammar, how->grammar_len, p->think_budget };
	head.flags |= REQUEST_RAW;
	request_build(&b, &head);
	chat_request_pieces(&b, t);
	add_stops(&b, how);
	chat_request_ends(&b, t, &ends, a);
	return finish(&b, ret_data, ret_len);
}

int ask_chat(const struct session *s, const struct ask_sampling *how, const struct ask_turn *p,
	struct arena *a, struct chat_turn *ret_turn, u8 **ret_data, size_t *ret_len)
{
	struct chat_ask ask = { .source = p->template,
		.source_len = p->template_len,
		.messages = p->messages,
		.n_messages = p->n_messages,
		.tools = p->tools,
		.vars = p->vars,
		.choice = p->choice,
		.choice_name = p->choice_name,
		.one_call = p->one_call };
	const char *why = "it has none";
	int r = chat_ask_of(&s->layout, a, &ask);
	r = r ? r : chat_turn_begin(&ask, a, ret_turn, &why);
	if (r < 0)
		return out_fail(CLI_UNDECIDED, "chat template: %s", out_reason(r));
	if (r > 0 && p->tools)
		return out_fail(CLI_REFUSED, "%s", why);
	if (r > 0)
		return out_fail(CLI_REFUSED,
			"the model's chat template cannot be used: %s; --raw sends the prompt as it is", why);
	r = build(how, p, ret_turn, a, ret_data, ret_len);
	if (r)
		chat_turn_fini(ret_turn);
	return r;
}
