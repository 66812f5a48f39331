/* audit export, receipt, witnesses, cosign, and the forms of audit checkpoint that leave the machine (cmd_audit_proofs.c). */
#pragma once

#include "cli/lines.h"

int proofs_export(struct cli *c, int argc, char **argv); /* cmd_audit_export.c */
/* export --tiles: an exit status. */
int proofs_tiles(struct cli *c, const char *dir, bool json);
int proofs_receipt(struct cli *c, int argc, char **argv);
int proofs_witnesses(struct cli *c, int argc, char **argv);
int proofs_cosign(struct cli *c, int argc, char **argv);
int proofs_checkpoint(struct cli *c, int argc, char **argv);
