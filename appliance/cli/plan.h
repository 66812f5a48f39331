/* keep run --plan: what a model would take, and where, before anything of it is loaded. */
#pragma once

#include "cli/session.h"

/* Ask and print. Returns the exit status: CLI_REFUSED where it does not fit. */
_must_use_ int plan_show(struct cli *c, const struct session_want *w, bool json);
