/* Who hashes where the processor has no SHA extensions, or where it must be theirs: OpenSSL (sha256_lib.c). A program that is to do without
 * OpenSSL brings these functions itself (audit/verify). Each aborts where there is nothing to decide. */
#pragma once

#include "base/sha256.h"

void *sha256_lib_new(void);
void sha256_lib_update(void *ctx, const void *data, size_t len);
void sha256_lib_final(void *ctx, u8 ret_digest[SHA256_BYTES]);
void sha256_lib_free(void *ctx);
/* Must every digest be theirs? */
bool sha256_lib_always(void);
