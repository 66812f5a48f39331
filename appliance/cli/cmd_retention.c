/* retention, hold, erase: what is kept, what must be kept, and what is forgotten. */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "cli/filter.h"
#include "cli/head.h"
#include "cli/look.h"
#include "cli/person.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- retention ---- */

static const char *const texts_words[] = { "digests", "commitments", "content" };

static const char *days_words(u64 days, char out[32])
{
	if (days == 0)
		return "for ever";
	snprintf(out, 32, "%" PRIu64 " days", days);
	return out;
}

static void show_archives(const json_t *archives)
{
	struct out_table t = { .n_cols = 6 };
	size_t i;
	json_t *a;
	out_table_row(&t, "ARCHIVE", "FROM", "TO", "PRUNED", "SHA-256", "LABEL", NULL);
	json_array_foreach(archives, i, a) out_table_row(&t, lines_cell(a, "archive").s,
		lines_cell(a, "from").s, lines_cell(a, "to").s, lines_cell(a, "records_pruned").s,
		lines_short(a, "digest").s, lines_cell(a, "label").s, NULL);
	if (json_array_size(archives))
		out_table_print(&t);
	out_table_fini(&t);
}

static int show(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	char use[32], operate[32];
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_RETAIN, LOOK_ALONE }, &l))
		return l.status;
	for (json_t *j; (j = look_next(&l));) {
		printf("texts     %s\n", lines_cell(j, "texts").s);
		printf("use       %s (sessions, requests, outcomes, reading the log)\n",
			days_words(lines_u64(j, "use_days"), use));
		printf("operate   %s (start, stop, clock, imports, loading)\n",
			days_words(lines_u64(j, "operate_days"), operate));
		printf("control   for ever\n");
		printf("kept      %s texts of %zu subjects, %s\n", lines_cell(j, "texts_kept").s,
			json_array_size(json_object_get(j, "subjects")),
			out_size(lines_u64(j, "texts_bytes")).s);
		if (lines_u64(j, "subjects_damaged"))
			printf("damaged   the secrets of %s subjects: their texts are lost\n",
				lines_cell(j, "subjects_damaged").s);
		show_archives(json_object_get(j, "archives"));
	}
	return l.status;
}

/* What holds now, into p. */
static int current(struct ctl *k, struct proto_retain *p)
{
	_cleanup_json_ json_t *j = NULL;
	int r = head_one(k, &(struct ctl_query){ .what = QUERY_RETAIN }, &j);
	if (r)
		return r;
	struct cell texts = lines_cell(j, "texts");
	for (u32 i = 0; i < ARRAY_LEN(texts_words); i++)
		if (!strcmp(texts.s, texts_words[i]))
			p->texts = i;
	p->days[RETAIN_USE] = (u32)lines_u64(j, "use_days");
	p->days[RETAIN_OPERATE] = (u32)lines_u64(j, "operate_days");
	return 0;
}

struct wanted {
	const char *texts, *use, *operate;
};

/* "for-ever", or a number of days. */
static int days(const struct cli *c, const char *option, const char *s, u32 *to)
{
	u64 v = 0;
	if (!s)
		return 0;
	if (strcmp(s, "for-ever") != 0 && (opt_u64(s, UINT32_MAX, &v) || v == 0))
		return out_usage(c, "%s: a number of days, or for-ever", option);
	*to = (u32)v;
	return 0;
}

static int change(const struct cli *c, const struct wanted *w, struct proto_retain *p)
{
	u32 texts = 0;
	while (w->texts && texts < ARRAY_LEN(texts_words) && strcmp(w->texts, texts_words[texts]) != 0)
		texts++;
	if (texts == ARRAY_LEN(texts_words))
		return out_usage(c, "--texts: digests, commitments or content");
	if (w->texts)
		p->texts = texts;
	int r = days(c, "--use", w->use, &p->days[RETAIN_USE]);
	return r ? r : days(c, "--operate", w->operate, &p->days[RETAIN_OPERATE]);
}

static int set(struct cli *c, int argc, char **argv)
{
	struct person_opts o = PERSON_OPTS_NONE;
	struct wanted w = { 0 };
	struct proto_retain p = { 0 };
	int n;
	const struct opt opts[] = { { "--texts", OPT_STR, &w.texts, NULL },
		{ "--use", OPT_STR, &w.use, NULL }, { "--operate", OPT_STR, &w.operate, NULL },
		PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (!w.texts && !w.use && !w.operate)
		return out_usage(c, "--texts, --use or --operate is needed");
	if (bytes_put_str(p.reason, sizeof p.reason, o.reason))
		return out_fail(CLI_USAGE, "--reason: at most %u bytes", REASON_LEN_MAX);
	struct proto_retain look = { 0 };
	int r = change(c, &w, &look); /* before anything is asked */
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	r = r ? r : ctl_open(c, &k);
	r = r ? r : current(&k, &p);
	r = r ? r : change(c, &w, &p);
	r = r ? r : person_sign(&k, o.key, &(struct person_command){ CTL_RETAIN, &p, sizeof p, -1 });
	r = r ? r : ctl_ask(&k, CTL_RETAIN, &p, sizeof p, -1, &a);
	if (r == 0)
		person_told(&o, &a, "set");
	return r;
}

int cmd_retention(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "show", show }, { "set", set } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}

/* ---- erase ---- */

/* A user's number is the subject "uid:N". */
static int put_subject(char out[NAME_LEN_MAX + 8], const char *s)
{
	char uid[NAME_LEN_MAX + 8];
	bool number = *s && strspn(s, "0123456789") == strlen(s);
	if (number && snprintf(uid, sizeof uid, "uid:%s", s) >= (int)sizeof uid)
		return 1;
	return bytes_put_str(out, NAME_LEN_MAX + 1, number ? uid : s);
}

int cmd_erase(struct cli *c, int argc, char **argv)
{
	struct person_opts o = PERSON_OPTS_NONE;
	struct proto_name p = { 0 };
	int n;
	const struct opt opts[] = { PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (put_subject(p.name, argv[0]) || bytes_put_str(p.text, sizeof p.text, o.reason))
		return out_fail(CLI_USAGE, "%s: subject or reason is too long", argv[0]);
	return person_ask(c, &o, &(struct person_command){ CTL_ERASE, &p, sizeof p, -1 });
}

/* ---- hold ---- */

static int hold_add(struct cli *c, int argc, char **argv)
{
	struct person_opts o = PERSON_OPTS_NONE;
	const char *subject = "", *range = NULL;
	struct proto_hold p = { .to = UINT64_MAX };
	int n;
	const struct opt opts[] = { { "--subject", OPT_STR, &subject, NULL },
		{ "--range", OPT_STR, &range, NULL }, PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (range && filter_range(range, &p.from, &p.to))
		return out_usage(c, "%s: not a range FROM..TO of records", range);
	if (bytes_put_str(p.name, sizeof p.name, argv[0]) || put_subject(p.subject, subject) ||
		bytes_put_str(p.reason, sizeof p.reason, o.reason))
		return out_fail(CLI_USAGE, "%s: name, subject or reason is too long", argv[0]);
	return person_ask(c, &o, &(struct person_command){ CTL_HOLD_ADD, &p, sizeof p, -1 });
}

static int hold_rm(struct cli *c, int argc, char **argv)
{
	return person_named(c, argc, argv, CTL_HOLD_RM);
}

static int hold_ls(struct cli *c, int argc, char **argv)
{
	_cleanup_look_ struct look l = LOOK_NONE;
	size_t n = 0, i;
	json_t *h;
	if (!look_ask(&(struct look_verb){ c, argc, argv, QUERY_RETAIN, LOOK_ALONE }, &l))
		return l.status;
	struct out_table t = { .n_cols = 5 };
	out_table_row(&t, "HOLD", "SUBJECT", "RECORDS", "SINCE", "REASON", NULL);
	for (json_t *j; (j = look_next(&l));)
		json_array_foreach(json_object_get(j, "holds"), i, h)
		{
			char range[64];
			struct cell subject = lines_cell(h, "subject");
			snprintf(range, sizeof range, "%.24s..%.24s", lines_cell(h, "from").s,
				lines_cell(h, "to").s);
			out_table_row(&t, lines_cell(h, "name").s, subject.s[0] ? subject.s : "everybody",
				range, lines_cell(h, "index").s, lines_cell(h, "reason").s, NULL);
			n++;
		}
	if (n)
		out_table_print(&t);
	out_table_fini(&t);
	if (!n && l.status == CLI_DONE)
		out_say("nothing is held");
	return l.status;
}

int cmd_hold(struct cli *c, int argc, char **argv)
{
	static const struct opt_sub subs[] = { { "ls", hold_ls }, { "add", hold_add }, { "rm", hold_rm } };
	return opt_sub(c, subs, ARRAY_LEN(subs), argc, argv);
}
