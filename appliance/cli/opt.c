#include "cli/cli.h"
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int opt_u64(const char *s, u64 max, u64 *ret)
{
	u64 v = 0;
	if (!*s)
		return 1;
	for (; *s; s++) {
		u64 d = (u64)(*s - '0');
		if (*s < '0' || *s > '9' || v > (UINT64_MAX - d) / 10)
			return 1;
		v = v * 10 + d;
	}
	if (v > max)
		return 1;
	*ret = v;
	return 0;
}

int opt_u32_list(const char *s, u32 **ret, size_t *ret_n)
{
	size_t n = 1, at = 0;
	for (const char *p = s; *p; p++)
		n += *p == ',';
	u32 *v = malloc(n * sizeof *v);
	if (!v)
		return err_origin(-ENOMEM);
	while (at < n) {
		char word[16];
		u64 x;
		size_t len = strcspn(s, ",");
		if (len >= sizeof word)
			break;
		memcpy(word, s, len);
		word[len] = 0;
		if (opt_u64(word, UINT32_MAX, &x))
			break;
		v[at++] = (u32)x;
		s += len + (s[len] == ',');
	}
	if (at < n) {
		free(v);
		return 1;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

static const struct opt *find(const struct opt_params *p, const char *arg, size_t len)
{
	for (size_t i = 0; i < p->n_opts; i++)
		if (strlen(p->opts[i].name) == len && !memcmp(p->opts[i].name, arg, len))
			return &p->opts[i];
	return NULL;
}

/* 0 stored; 1 the value is not of the option's kind. */
static int store(const struct opt *o, const char *value)
{
	u64 v;
	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)o->to = true;
		return 0;
	case OPT_STR:
		*(const char **)o->to = value;
		return 0;
	case OPT_U64:
		return opt_u64(value, UINT64_MAX, o->to);
	case OPT_U32:
		if (opt_u64(value, UINT32_MAX, &v))
			return 1;
		*(u32 *)o->to = (u32)v;
		return 0;
	case OPT_F32: {
		char *end;
		float f = strtof(value, &end);
		if (end == value || *end || !isfinite(f))
			return 1;
		*(f32 *)o->to = f;
		return 0;
	}
	case OPT_LIST: {
		struct opt_list *l = o->to;
		if (l->n == OPT_LIST_MAX)
			return 1;
		l->v[l->n++] = value;
		return 0;
	}
	}
	return 1;
}

/* One option at argv[*i]; moves *i over its value. 0; 1 an exit status is in *ret. */
static int take(const struct cli *c, const struct opt_params *p, int *i, int *ret)
{
	const char *arg = p->argv[*i], *eq = strchr(arg, '='), *value = NULL;
	size_t len = eq ? (size_t)(eq - arg) : strlen(arg);
	if (!strcmp(arg, "-h") || !strcmp(arg, "--help")) {
		char *name[] = { (char *)(uintptr_t)c->verb->name, NULL };
		*ret = cmd_help(&(struct cli){ .root = c->root, .verb = c->verb }, 1, name);
		return 1;
	}
	const struct opt *o = find(p, arg, len);
	if (!o) {
		*ret = out_usage(c, "%s: no such option", arg);
		return 1;
	}
	if (o->kind == OPT_FLAG && eq) {
		*ret = out_usage(c, "%s takes no value", o->name);
		return 1;
	}
	if (o->kind != OPT_FLAG) {
		value = eq ? eq + 1 : *i + 1 < p->argc ? p->argv[++*i] : NULL;
		if (!value) {
			*ret = out_usage(c, "%s needs a value", o->name);
			return 1;
		}
	}
	if (store(o, value)) {
		*ret = out_usage(c, "%s: \"%s\" is not a value for it", o->name, value);
		return 1;
	}
	if (o->given)
		*o->given = true;
	return 0;
}

/* "-1" and "-" are arguments, good or bad; "-x" and "--x" are words for us. */
static bool is_option(const char *arg)
{
	return arg[0] == '-' && (arg[1] == '-' || isalpha((u8)arg[1]));
}

int opt_parse(const struct cli *c, const struct opt_params *p, int *ret)
{
	int n = 0;
	bool ended = false;
	for (int i = 0; i < p->argc; i++) {
		char *arg = p->argv[i];
		if (!ended && !strcmp(arg, "--")) {
			ended = true;
		} else if (!ended && is_option(arg)) {
			if (take(c, p, &i, ret))
				return 1;
		} else {
			p->argv[n++] = arg;
		}
	}
	if (n < p->min_args) {
		*ret = out_usage(c, "too few arguments");
		return 1;
	}
	if (n > p->max_args) {
		*ret = out_usage(c, "too many arguments, from \"%s\" on", p->argv[p->max_args]);
		return 1;
	}
	*ret = n;
	return 0;
}

struct cli *opt_form(struct cli *c, const char *form)
{
	c->form = form;
	return c;
}

int opt_sub(struct cli *c, const struct opt_sub *subs, size_t n_subs, int argc, char **argv)
{
	char list[512] = "";
	int n;
	for (size_t i = 0; argc && i < n_subs; i++)
		if (!strcmp(argv[0], subs[i].name))
			return subs[i].func(opt_form(c, argv[0]), argc - 1, argv + 1);
	if (opt_parse(c, &(struct opt_params){ NULL, 0, argc, argv, 0, INT_MAX }, &n))
		return n;
	for (size_t i = 0, at = 0; i < n_subs && at < sizeof list; i++)
		at += (size_t)snprintf(list + at, sizeof list - at, "%s%s",
			i == 0		 ? ""
			: i + 1 < n_subs ? ", "
					 : " or ",
			subs[i].name);
	return argc ? out_usage(c, "%s: %s", argv[0], list) : out_usage(c, "%s?", list);
}
