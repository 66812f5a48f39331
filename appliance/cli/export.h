/* Records in the words of other people's tools: one line each, for audit export --format. */
#pragma once

#include "cli/lines.h"

/* What an answer takes from its question, when that came before it in the same export. */
struct export_question {
	u64 index;
	bool there;
	char name[NAME_LEN_MAX + 8], model[2 * MODEL_DIGEST_BYTES + 8];
	u64 session, uid;
};
#define EXPORT_QUESTIONS 4096u /* questions that are remembered, by index modulo */
struct exporter {
	const char *origin; /* of the log */
	struct export_question *questions;
};

/* The record as parsed and as it stands in the log. 0; 1 out of memory. */
typedef int export_line(struct exporter *x, const json_t *record, const char *line, size_t len);
/* OCSF 1.7: one JSON object (export_ocsf.c). */
export_line export_ocsf;
/* RFC 5424, facility 13 (export_syslog.c). */
export_line export_syslog;
/* FHIR R4 AuditEvent (export_fhir.c). */
export_line export_fhir;
/* The record itself. */
export_line export_jsonl;

#define EXPORT_TIME_MAX 40
/* 2026-01-31T12:34:56.123456Z */
void export_time(u64 ns, char ret[EXPORT_TIME_MAX]);
