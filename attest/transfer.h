/* Transfers: a model and its bundles as one file that can be carried.
 *
 * A POSIX tar archive, which every tar lists and unpacks, of these members in this order:
 *
 *     NAME.sig            the bundle; it says who NAME is
 *     NAME.1.sig …        further bundles
 *     NAME/<path> …       the files; or NAME itself where one file was signed without a name
 *
 * Unpacked, `NAME` with `NAME.sig` beside it is a model like any other. Nothing in an archive is believed: what counts are the bytes of
 * its members, which the signature covers, under their names, which it covers too. They are read where they lie.
 * Read are ustar and GNU headers, sizes in base 256, and the pax records path and size; directories are passed over. Written are
 * ustar headers, and pax records where a name or a size does not fit them: the same model gives the same bytes. */
#pragma once

#include "attest/attest.h"

struct attest_transfer_member {
	char path[PATH_LEN_MAX + 1]; /* of a file: relative to the model; of a bundle: "" */
	u64 offset, bytes;
};
struct attest_transfer {
	char name[NAME_LEN_MAX + 8]; /* NAME */
	bool single;		     /* the model is NAME itself */
	u32 n_bundles, n_files;
	struct attest_transfer_member bundles[BUNDLES_MAX];
	struct attest_transfer_member *files; /* as they come */
};

/* Does this regular file begin as an archive does? */
bool attest_transfer_is(int fd);
/* Its members, each within the file. 1: ATTEST_TRANSFER, _PATH, _FILE_LIMIT; -errno. */
_must_use_ int attest_transfer_read(int fd, struct attest_transfer *ret, struct attest_report *report);
void attest_transfer_fini(struct attest_transfer *t);
/* The bytes of a bundle. 0; -errno. */
_must_use_ int attest_transfer_bundle(
	int fd, const struct attest_transfer *t, u32 i, u8 **ret, size_t *ret_len);

#define TRANSFER_BLOCK	    512u
#define TRANSFER_HEADER_MAX (5 * TRANSFER_BLOCK)
#define TRANSFER_END_BYTES  (2 * TRANSFER_BLOCK) /* zeros */
/* The header of a member. Returns its length, a multiple of the block. */
size_t attest_transfer_header(const char *member, u64 bytes, u8 ret[TRANSFER_HEADER_MAX]);
/* Zeros behind a member's bytes. */
static inline u64 attest_transfer_padding(u64 bytes)
{
	return -bytes & (TRANSFER_BLOCK - 1);
}
