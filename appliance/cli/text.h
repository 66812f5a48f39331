/* Texts that were kept, and the salts of commitments (cmd_text.c). */
#pragma once

#include "base/sha256.h"
#include "cli/lines.h"

struct text {
	struct proto_text h;
	const u8 *data; /* h.bytes of them */
};
/* What is kept with record `index`; *a holds the text, and is freed by the caller. 0; otherwise an exit status, said. */
_must_use_ int text_ask(struct ctl *k, u64 index, struct ctl_answer *a, struct text *ret);
/* What a record shows of something with that digest, in hexadecimal: SHA-256(salt ‖ digest). */
void text_shown(
	const u8 salt[SHA256_BYTES], const u8 digest[SHA256_BYTES], char ret_hex[2 * SHA256_BYTES + 1]);
/* audit show with --content among its words: is it that, and the verb itself. */
bool text_wanted(int argc, char **argv);
int text_show(struct cli *c, int argc, char **argv);
