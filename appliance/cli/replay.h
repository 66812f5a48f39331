/* audit replay: run a recorded request again and compare the bits. */
#pragma once

#include "cli/lines.h"
#include "cli/session.h"

/* argv[0] is the index of a request's record or of its outcome's. An exit status: 0 the same bits, 1 not. */
int replay_run(struct cli *c, int argc, char **argv);
