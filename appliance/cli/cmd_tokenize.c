#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/jsonw.h"
#include "cli/ask.h"

#include <stdio.h>

static void print_ids(const struct fd_map *data, bool json)
{
	size_t n = data->len / sizeof(u32);
	if (json)
		fputs("{\"tokens\":[", stdout);
	for (size_t i = 0; i < n; i++)
		printf("%s%u", i ? json ? "," : " " : "", bytes_u32le(data->data + i * sizeof(u32)));
	puts(json ? "]}" : "");
}

int cmd_tokenize(struct cli *c, int argc, char **argv)
{
	bool special = false, json = false;
	int n;
	const struct opt opts[] = { { "--special", OPT_FLAG, &special, NULL },
		{ "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ u8 *blob = NULL;
	size_t text_len, len;
	const struct request_header h = {
		.kind = REQUEST_TOKENIZE, .flags = special ? 0 : REQUEST_RAW, .top_p = 1, .repeat_penalty = 1
	};
	if (out_tty(0))
		out_say("reading the text from the terminal; Ctrl-D ends it");
	int r = ask_read_stdin(REQUEST_BYTES_MAX, &text, &text_len);
	r = r ? r : ask_text(&h, special ? REQUEST_TRUSTED : REQUEST_TEXT, text, text_len, &blob, &len);
	if (r)
		return r;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_session_ struct session s = SESSION_NONE;
	_cleanup_result_ struct session_result res = SESSION_RESULT_NONE;
	r = ctl_open(c, &k);
	const struct session_want w = { .model = argv[0] };
	const struct session_request q = { .data = blob, .len = len, .replay_of = REPLAY_NONE };
	r = r ? r : session_once(&k, &w, &q, &s, &res);
	if (r)
		return r;
	if (res.data.len % sizeof(u32))
		return out_fail(CLI_UNDECIDED, "the runtime: no whole ids came");
	print_ids(&res.data, json);
	return CLI_DONE;
}
