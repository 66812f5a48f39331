/* A period of a log on a medium of its own, to be verified there for ever.
 *
 *   archive               "keep archive v1", "from N", "to M", each with its line feed: entries from..to-1 are here
 *   checkpoint            of the log then, with the witnesses' cosignatures
 *   policy                whom to believe, as the log said; who verifies brings an own one
 *   tile/entries/<N>…     the bundles of from..to-1, whole ones, so that the range may have been rounded out
 *   tile/0/<N>…           the leaves of these bundles, and those of the log's last one while that is not full
 *   tile/<L>/<N>…         all of the other levels: with them the archive proves its entries, and 256 entries outside of it cost 32 bytes
 *   SHA256SUMS            of all these, as sha256sum -c reads it; its own digest is in the log's record of the archive
 *
 * It is a tlog-tiles directory that leaves bundles out, and `keep tlog fsck` judges it as one. */
#pragma once

#include "audit/tlog/tiles.h"

#define ARCHIVE_FILE	 "archive"
#define ARCHIVE_SUMS	 "SHA256SUMS"
#define ARCHIVE_TEXT_MAX 128u /* bytes of the file "archive" */

struct archive_range {
	u64 from, to;
};
/* Rounded out to whole bundles, or to the checkpoint's size. */
struct archive_range tlog_archive_round(struct archive_range r, u64 size);
/* Text of the file "archive"; out holds ARCHIVE_TEXT_MAX. */
void tlog_archive_text(const struct archive_range *r, char *out);
/* 0 done; 1 not the one spelling of it, or an empty range. */
_must_use_ int tlog_archive_read(const char *text, size_t len, struct archive_range *ret);

/* Write SHA256SUMS over every file below dir, read again from the medium; sync. 0 done, *ret its digest; 1 something is there that belongs to no archive,
 * why[cap]; -errno. */
_must_use_ int tlog_archive_sums(const char *dir, u8 ret[SHA256_BYTES], char *why, size_t cap);
