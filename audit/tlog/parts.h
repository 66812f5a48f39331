/* A text that is longer than one QR code holds, in parts:
 *
 *   part = "keep-part " K "/" N " " LENGTH " " DIGEST LF, and LENGTH bytes of the text
 *
 * K counts from 1, numbers are decimal, DIGEST is the beginning of the SHA-256 of the whole text, 16 hex digits. What scanners put between
 * parts (line feeds, blanks) is passed over; parts may come in any order, and more than once. */
#pragma once

#include "base/types.h"

#define PARTS_MAX     64u
#define PART_HEAD_MAX 64u /* bytes of the first line of a part */

/* How many parts of at most `room` bytes (more than PART_HEAD_MAX) a text needs; 1: it goes as it is. More than PARTS_MAX: too many. */
u32 tlog_parts_count(size_t len, size_t room);
/* Part k of n (from 1) into out[room]; its length. */
size_t tlog_part_write(const void *text, size_t len, u32 k, u32 n, char *out, size_t room);
/* Parts into the text. 0 done, *ret to be freed, a 0 byte behind it; 1 these are no parts; 2 some are missing, or damaged, or of another
 * text: *ret_missing is the first that is not there; -ENOMEM. */
_must_use_ int tlog_parts_join(const char *text, size_t len, char **ret, size_t *ret_len, u32 *ret_missing);
