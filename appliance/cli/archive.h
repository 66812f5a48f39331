/* audit archive and audit prune (cmd_archive.c). */
#pragma once

#include "cli/cli.h"

int archive_run(struct cli *c, int argc, char **argv);
int archive_prune(struct cli *c, int argc, char **argv);
