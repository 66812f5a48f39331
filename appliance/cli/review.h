/* audit summary, orphans, diff (cmd_audit_review.c) and sign-off (cmd_audit_sign.c). */
#pragma once

#include "cli/lines.h"

int review_summary(struct cli *c, int argc, char **argv);
int review_orphans(struct cli *c, int argc, char **argv);
int review_diff(struct cli *c, int argc, char **argv);
int review_sign_off(struct cli *c, int argc, char **argv);
