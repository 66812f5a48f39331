/* audit evidence (cmd_audit_evidence.c). */
#pragma once

#include "cli/cli.h"

int evidence_run(struct cli *c, int argc, char **argv);

/* The script that goes with every bundle (audit/verify/verify.py), built in. */
extern const char evidence_script[];
extern const size_t evidence_script_len;
