/* A transfer in parts: FILE.001, FILE.002, … are the bytes of FILE one after the other, and FILE.sha256 is their list, as sha256sum(1)
 * reads it. Its first line is a comment that says what the parts are of:
 *
 *     # keep transfer NAME DIGEST: BYTES bytes in N parts of PART
 *     <64 digits>  FILE.001
 *
 * A list may name some of the parts only: each small medium carries the parts that are on it. */
#pragma once

#include "base/sha256.h"
#include "cli/cli.h"
#include "proto.h"

struct carry_list {
	char what[256]; /* the first line; equal in all lists of one transfer */
	char name[NAME_LEN_MAX + 8];
	u64 bytes, part_bytes;
	u32 n_parts;
	u8 (*digests)[SHA256_BYTES]; /* n_parts */
	bool *has;		     /* n_parts: is it named? */
};

/* A list of n parts that names none. 0; 1 more parts than TRANSFER_PARTS_MAX, or none; -ENOMEM. */
_must_use_ int carry_list_make(const char *name, const u8 model[MODEL_DIGEST_BYTES], u64 bytes,
	u64 part_bytes, struct carry_list *ret);
void carry_list_fini(struct carry_list *l);
/* May somebody ask for parts of so many bytes? */
bool carry_split_ok(u64 part_bytes);
/* Bytes of part i. */
u64 carry_part_bytes(const struct carry_list *l, u32 i);
/* "FILE.001" of part 0 into ret[cap]. 0; 1 too long. */
_must_use_ int carry_part_name(const char *file, u32 i, char *ret, size_t cap);

/* Read text[len]; file is FILE, whose base name the lines must have. 0; 1 malformed; -ENOMEM. */
_must_use_ int carry_list_parse(const char *text, size_t len, const char *file, struct carry_list *ret);
/* The text, to be freed. 0; -ENOMEM. */
_must_use_ int carry_list_text(const struct carry_list *l, const char *file, char **ret, size_t *ret_len);
/* Take over what `from` names. 0; 1 they are not of one transfer, or disagree. */
_must_use_ int carry_list_merge(struct carry_list *l, const struct carry_list *from);
/* Of FILE.sha256; absent: -ENOENT and nothing said. 0; otherwise an exit status, said. */
_must_use_ int carry_list_load(const char *file, struct carry_list *ret);
_must_use_ int carry_list_save(const struct carry_list *l, const char *file, const char *suffix);
