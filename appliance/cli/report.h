/* What an evidence bundle's report.html says: gathered while the records pass by, written when all is known. */
#pragma once

#include "cli/excerpt.h"

struct report;
_must_use_ int report_new(u64 from, u64 to, struct report **ret);
void report_free(struct report **r);
#define _cleanup_report_ _cleanup_(report_free)
/* The next record. 0; an exit status, said. */
_must_use_ int report_add(struct report *r, u64 index, const char *line, size_t len);

struct report_facts {
	const struct excerpt *e;
	const char *policy; /* "" where none was set */
	u32 n_witnesses;    /* that the log's witness policy names */
	const char *made;   /* by which program */
};
/* The page. 0; 1 out of memory, or it could not be written. */
_must_use_ int report_write(struct report *r, const struct report_facts *f, FILE *out);
