#include "cli/look.h"

void look_fini(struct look *l)
{
	json_decref(l->at);
	ctl_answer_fini(&l->a);
	ctl_close(&l->k);
}

bool look_open(const struct look_verb *v, struct look *ret)
{
	const struct opt opts[] = { { "--json", OPT_FLAG, &ret->json, NULL } };
	struct ctl_query q = { .what = v->what };
	int args = v->arg == LOOK_ALONE ? 0 : 1;
	if (opt_parse(v->c, &(struct opt_params){ opts, ARRAY_LEN(opts), v->argc, v->argv, args, args },
		    &ret->status))
		return false;
	ret->status = CLI_DONE;
	q.name = v->arg == LOOK_NAME ? v->argv[0] : NULL;
	q.count = v->arg == LOOK_INDEX;
	if (v->arg == LOOK_INDEX && opt_u64(v->argv[0], UINT64_MAX - 1, &q.first)) {
		ret->status = out_usage(v->c, "%s: not the index of a record", v->argv[0]);
		return false;
	}
	ret->status = ctl_open(v->c, &ret->k);
	if (ret->status == CLI_DONE)
		ret->status = ctl_query(&ret->k, &q, &ret->a);
	ret->l = lines_of(&ret->a.data);
	return ret->a.has_data;
}

bool look_ask(const struct look_verb *v, struct look *ret)
{
	if (!look_open(v, ret))
		return false;
	if (ret->json)
		lines_print(&ret->a.data);
	return !ret->json;
}

json_t *look_next(struct look *l)
{
	bool bad = false;
	json_decref(l->at);
	l->at = lines_next(&l->l, &bad);
	l->n += l->at != NULL;
	if (bad)
		l->status = out_fail(CLI_UNDECIDED, "keepd: its answer is malformed");
	return l->at;
}

int look_print(struct look *l)
{
	for (json_t *j; (j = look_next(l));)
		lines_print_object(j, 0);
	return l->status;
}
