/* audit archive and audit prune (cmd_archive.c). */
#pragma once

#include "cli/cli.h"

int archive_run(struct cli *c, int argc, char **argv);
int archive_prune(struct cli *c, int argc, char **argv);
/* The text that was kept with record `index`, held against what the record shows. An exit status. */
int text_show(struct cli *c, u64 index, bool json);
