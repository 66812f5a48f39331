#define _GNU_SOURCE
#include "cli/app.h"

#include <stdio.h>
#include <string.h>

/* keep-runtime knows the devices; this only passes its words on. No appliance is needed. */
static int runtime(char *const *args)
{
	char path[PATH_MAX];
	pid_t pid;
	if (app_program_path(APP_RUNTIME, path))
		return out_fail(CLI_UNDECIDED, "%s: not there", path);
	fflush(stdout);
	int r = app_spawn(
		&(struct app_spawn){
			.program = APP_RUNTIME, .args = args, .listen_fd = -1, .err_fd = -1, .out_fd = 1 },
		&pid);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r));
	r = app_wait(pid);
	return r <= CLI_UNDECIDED ? r : out_fail(CLI_UNDECIDED, "keep-runtime ended with %d", r);
}

int cmd_device(struct cli *c, int argc, char **argv)
{
	bool json = false;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 2 }, &n))
		return n;
	if (n == 0)
		return out_usage(c, "ls or test");
	bool ls = !strcmp(argv[0], "ls"), test = !strcmp(argv[0], "test");
	if (!ls && !test)
		return out_usage(c, "%s: ls or test", argv[0]);
	if (ls && n > 1)
		return out_usage(c, "too many arguments, from \"%s\" on", argv[1]);
	char *args[5] = { ls ? "--device-ls" : "--device-test" };
	size_t at = 1;
	if (n > 1)
		args[at++] = argv[1];
	if (json)
		args[at++] = "--json";
	return runtime(args);
}
