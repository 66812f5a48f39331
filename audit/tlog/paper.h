/* Bytes that are printed and typed again.
 *
 *   line = two digits of its number SP four groups of four SP two check characters LF
 *
 * Characters are Crockford's base 32: no I, L, O or U; read in either case, with O as 0 and I and L as 1, blanks and dashes ignored. A line
 * carries 10 bytes; its check, a CRC of 10 bits over number and bytes, finds every wrong character and every two neighbours swapped; the line
 * that is wrong is named. The last line carries the number of bytes. */
#pragma once

#include "base/types.h"

#include <stdio.h>

void tlog_paper_write(FILE *f, const void *data, size_t len);
/* 0 done, *ret to be freed, a 0 byte behind it; 1 line *ret_line is wrong or missing; -ENOMEM. */
_must_use_ int tlog_paper_read(const char *text, size_t len, u8 **ret, size_t *ret_len, u32 *ret_line);
