#define _GNU_SOURCE
#include "base/fd.h"
#include "cli/app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir -p, 0700 where it makes something. 0; -errno. */
static int make_dirs(const char *path)
{
	char p[PATH_MAX];
	if (snprintf(p, sizeof p, "%s", path) >= (int)sizeof p)
		return -ENAMETOOLONG;
	for (char *s = p + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = 0;
		if (mkdir(p, 0700) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	return mkdir(p, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Leave nothing half-made: an empty directory of ours goes away again. */
static void unmake(const char *root)
{
	char p[PATH_MAX + 8];
	static const char *const subs[] = { "/run", "/store", "" };
	for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
		snprintf(p, sizeof p, "%s%s", root, subs[i]);
		rmdir(p);
	}
}

/* The appliance of this machine: a script that an administrator can read does it. */
static int make_system(const struct cli *c, const char *answers, bool template)
{
	char *args[] = { (char *)(uintptr_t)(template  ? "--template"
					     : answers ? "--answers"
						       : NULL),
		(char *)(uintptr_t)answers, NULL };
	if (c->root_given)
		return out_usage(c, "--system and --root do not go together");
	return app_become(APP_SETUP, args);
}

/* An appliance of one user. */
static int make_own(struct cli *c)
{
	char run[PATH_MAX + 8], store[PATH_MAX + 8], root[PATH_MAX], program[PATH_MAX];
	struct stat st;
	if (!c->root)
		return out_fail(CLI_USAGE,
			"where shall the appliance be? give --root DIR before the verb, or set KEEP_ROOT");
	if (app_program_path(APP_KEEPD, program))
		return out_fail(CLI_UNDECIDED, "%s: not there", program);
	if (!c->root_given && !strcmp(c->root, "/run/keep"))
		return out_fail(CLI_REFUSED,
			"this machine has an appliance; --root DIR makes another one, of your own");
	int r = make_dirs(c->root);
	if (r || !realpath(c->root, root))
		return out_fail(CLI_UNDECIDED, "%s: %s", c->root, out_reason(r ? r : errno));
	snprintf(store, sizeof store, "%s/store", root);
	snprintf(run, sizeof run, "%s/run", root);
	if (lstat(store, &st) == 0)
		return out_fail(CLI_REFUSED, "%s: is an appliance already", root);
	if (mkdir(run, 0700) < 0 && errno != EEXIST)
		return out_fail(CLI_UNDECIDED, "%s: %s", run, out_reason(errno));
	char *args[] = { "--store", store, "--init", NULL };
	pid_t pid;
	r = app_spawn(
		&(struct app_spawn){
			.program = APP_KEEPD, .args = args, .listen_fd = -1, .err_fd = -1, .out_fd = 1 },
		&pid);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s: %s", program, out_reason(r));
	if ((r = app_wait(pid))) {
		unmake(root);
		return out_fail(r == CLI_REFUSED ? CLI_REFUSED : CLI_UNDECIDED,
			"%s: the appliance was not made", root);
	}
	out_say("%s: made. Write the line above down: it is the key that this log's checkpoints are signed "
		"with",
		root);
	if (c->root_given)
		out_next("export KEEP_ROOT=%s", root);
	out_next("keep trust add NAME --key PUB.pem, then keep import PATH");
	return CLI_DONE;
}

int cmd_init(struct cli *c, int argc, char **argv)
{
	const char *answers = NULL;
	bool system = false, template = false;
	int n;
	const struct opt opts[] = { { "--system", OPT_FLAG, &system, NULL },
		{ "--answers", OPT_STR, &answers, NULL }, { "--template", OPT_FLAG, &template, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (!system && (answers || template))
		return out_usage(c, "--answers and --template go with --system");
	if (answers && template)
		return out_usage(c, "--answers or --template");
	return system ? make_system(c, answers, template) : make_own(c);
}
