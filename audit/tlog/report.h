/* What an evidence bundle's report.html says: gathered while the records pass by, written when all is known. It is for reading; what counts are the
 * records and the proof beside it. This is a library of its own, for it reads JSON: keepd does not have it. */
#pragma once

#include "base/types.h"

#include <stdio.h>

struct tlog_report;
/* Of records from to to - 1. 0; -ENOMEM. */
_must_use_ int tlog_report_new(u64 from, u64 to, struct tlog_report **ret);
void tlog_report_free(struct tlog_report **r);
#define _cleanup_tlog_report_ _cleanup_(tlog_report_free)
/* The next record, one line of JSON. 0; 1 it is malformed; -ENOMEM. */
_must_use_ int tlog_report_add(struct tlog_report *r, u64 index, const char *line, size_t len);

struct tlog_report_facts {
	const char *origin, *vkey; /* of the log */
	u64 size;		   /* of the checkpoint that the proof ends in */
	const u8 *root;		   /* and its root: 32 bytes */
	bool witnessed;		   /* as the log's witness policy asks */
	const char *witnesses;	   /* the witness policy; NULL: none is installed */
	const char *policy;	   /* NULL: none was set */
	const char *made;	   /* by which program */
};
/* The page. 0; -EIO: it could not be written. */
_must_use_ int tlog_report_write(struct tlog_report *r, const struct tlog_report_facts *f, FILE *out);

/* README.txt of such a bundle. */
extern const char tlog_report_readme[];
