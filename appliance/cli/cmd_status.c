#define _GNU_SOURCE
#include "cli/lines.h"

#include <stdio.h>

int cmd_status(struct cli *c, int argc, char **argv)
{
	bool json = false, bad = false;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : ctl_query(&k, &(struct ctl_query){ .what = QUERY_STATUS }, &a);
	if (r)
		return r;
	if (json) {
		lines_print(&a.data);
		return CLI_DONE;
	}
	const char *style = out_style(1, k.hold < 0 ? OUT_GOOD : OUT_WARN);
	printf("%s%s%s at %s\n", style, k.hold < 0 ? "up" : "not up", out_style(1, OUT_PLAIN), k.app.root);
	struct lines l = lines_of(&a.data);
	for (json_t *j; (j = lines_next(&l, &bad)); json_decref(j))
		lines_print_object(j, 2);
	if (k.hold >= 0)
		out_next("keep up");
	return bad ? out_fail(CLI_UNDECIDED, "keepd: its answer is malformed") : CLI_DONE;
}
