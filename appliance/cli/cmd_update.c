#define _GNU_SOURCE
#include "cli/app.h"

#include <string.h>

/* A script that an administrator can read does it (packaging/systemd/keep-update). */
int cmd_update(struct cli *c, int argc, char **argv)
{
	static const struct {
		const char *word;
		int args;
	} forms[] = { { "apply", 1 }, { "rollback", 0 }, { "status", 0 }, { "adopt", 1 }, { "recover", 0 } };
	int n;
	if (opt_parse(c, &(struct opt_params){ NULL, 0, argc, argv, 1, 2 }, &n))
		return n;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (strcmp(argv[0], forms[i].word))
			continue;
		if (n - 1 != forms[i].args)
			return out_usage(
				c, forms[i].args ? "%s which medium?" : "%s takes no argument", argv[0]);
		char *args[] = { argv[0], n > 1 ? argv[1] : NULL, NULL };
		return app_become(APP_UPDATE, args);
	}
	return out_usage(c, "%s: apply, rollback, status, adopt or recover", argv[0]);
}
