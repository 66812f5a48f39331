#include "cli/cli.h"
#include "cli_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_ROOT "/run/keep" /* where the sockets of this machine's services are */

/* The appliance: --root, KEEP_ROOT, the user's own directory, and where there is none the machine's. NULL when nothing says where. */
static const char *default_root(void)
{
	static char path[4096];
	const char *e = getenv("KEEP_ROOT");
	if (e && *e)
		return e;
	int n = -1;
	if ((e = getenv("XDG_STATE_HOME")) && *e)
		n = snprintf(path, sizeof path, "%s/keep", e);
	else if ((e = getenv("HOME")) && *e)
		n = snprintf(path, sizeof path, "%s/.local/state/keep", e);
	if (n <= 0 || (size_t)n >= sizeof path)
		n = 0;
	if ((!n || access(path, F_OK)) && access(SYSTEM_ROOT "/ctl.sock", F_OK) == 0)
		return SYSTEM_ROOT;
	return n ? path : NULL;
}

/* Options before the verb. 0 go on, argv[*i] is the verb; 1 finished with *ret. */
static int global_options(struct cli *c, int argc, char **argv, int *i, int *ret)
{
	for (*i = 1; *i < argc && argv[*i][0] == '-'; ++*i) {
		const char *a = argv[*i];
		*ret = CLI_DONE;
		if (!strcmp(a, "--version")) {
			puts("keep " KEEP_VERSION);
			return 1;
		}
		if (!strcmp(a, "-h") || !strcmp(a, "--help")) {
			cli_help_all(stdout);
			return 1;
		}
		if (!strncmp(a, "--root=", 7)) {
			c->root = a + 7, c->root_given = true;
		} else if (!strcmp(a, "--root") && *i + 1 < argc) {
			c->root = argv[++*i], c->root_given = true;
		} else {
			*ret = out_fail(CLI_USAGE,
				!strcmp(a, "--root") ? "%s needs a directory" : "%s: no such option", a);
			return 1;
		}
	}
	if (c->root && !*c->root) {
		*ret = out_fail(CLI_USAGE, "--root: an empty name is not a directory");
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct cli c = { 0 };
	int i, r;
	out_init();
	if (global_options(&c, argc, argv, &i, &r))
		return fflush(stdout) ? CLI_UNDECIDED : r;
	if (i == argc) {
		cli_help_all(stderr);
		return CLI_USAGE;
	}
	c.verb = cli_verb_find(argv[i]);
	if (!c.verb) {
		const struct verb *near = cli_verb_near(argv[i]);
		if (near)
			return out_fail(CLI_USAGE, "%s: no such verb; did you mean \"keep %s\"?", argv[i],
				near->name);
		return out_fail(CLI_USAGE, "%s: no such verb; \"keep help\" lists them", argv[i]);
	}
	if (!c.root)
		c.root = default_root();
	r = c.verb->func(&c, argc - i - 1, argv + i + 1);
	out_progress_end();
	if ((fflush(stdout) || ferror(stdout)) && r == CLI_DONE)
		return out_fail(CLI_UNDECIDED, "standard output: could not be written");
	return r;
}
