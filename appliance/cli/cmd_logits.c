#define _GNU_SOURCE
#include "base/jsonw.h"
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int print_json(const struct session *s, const struct session_result *res, const char *out, u64 rows)
{
	struct jsonw w;
	jsonw_init_grow(&w, 65536);
	jsonw_object(&w);
	jsonw_kv_str(&w, "model", s->open.name);
	jsonw_kv_str(&w, "out", out);
	jsonw_kv_u64(&w, "n_tokens", rows);
	jsonw_kv_u64(&w, "n_vocab", s->layout.h->n_vocab);
	jsonw_kv_str(&w, "kv_mode", session_kv_name(res->outcome.kv_mode));
	jsonw_kv_hex(&w, "digest", res->outcome.tokens, sizeof res->outcome.tokens);
	jsonw_kv_hex(&w, "kernel_set", res->outcome.kernel_set, sizeof res->outcome.kernel_set);
	jsonw_kv_str(&w, "device", res->outcome.device);
	jsonw_kv_u64(&w, "index", res->index);
	return out_json(&w);
}

static int write_out(const char *path, const struct fd_map *data)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r = fd < 0 ? -errno : fd_write_all(fd, data->data, data->len);
	if (r == 0 && close(fd_steal(&fd)) < 0)
		r = -errno;
	return r ? out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r)) : 0;
}

static int write_rows(const struct session *s, const struct session_result *res, const char *out, bool json)
{
	u64 row = (u64)s->layout.h->n_vocab * sizeof(f32), n = res->data.len / row;
	if (!res->data.len || res->data.len % row)
		return out_fail(CLI_UNDECIDED, "the runtime: no whole rows came");
	int r = write_out(out, &res->data);
	if (r)
		return r;
	if (json)
		return print_json(s, res, out, n);
	out_say("%s: %llu rows of %u logits, record %llu", out, (unsigned long long)n, s->layout.h->n_vocab,
		(unsigned long long)res->index);
	return CLI_DONE;
}

int cmd_logits(struct cli *c, int argc, char **argv)
{
	const char *tokens = NULL, *out = NULL, *kv_word = "f32";
	bool json = false;
	u32 kv;
	int n;
	const struct opt opts[] = { { "--tokens", OPT_STR, &tokens, NULL }, { "--out", OPT_STR, &out, NULL },
		{ "--kv", OPT_STR, &kv_word, NULL }, { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!tokens || !out)
		return out_usage(c, "--tokens and --out are needed");
	if (session_kv_parse(kv_word, &kv))
		return out_usage(c, "--kv: f32, f16 or int8");
	const struct request_header h = {
		.kind = REQUEST_LOGITS, .flags = REQUEST_RAW, .top_p = 1, .repeat_penalty = 1
	};
	_cleanup_free_ u8 *blob = NULL;
	size_t len;
	int r = ask_tokens(&h, tokens, &blob, &len);
	if (r)
		return r;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_session_ struct session s = SESSION_NONE;
	_cleanup_result_ struct session_result res = SESSION_RESULT_NONE;
	r = ctl_open(c, &k);
	const struct session_want w = { .model = argv[0], .kv_mode = kv };
	const struct session_request q = { .data = blob, .len = len, .replay_of = REPLAY_NONE };
	r = r ? r : session_once(&k, &w, &q, &s, &res);
	return r ? r : write_rows(&s, &res, out, json);
}
