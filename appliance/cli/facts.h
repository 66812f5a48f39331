/* What a record is about, in one line for people. */
#pragma once

#include "cli/lines.h"

/* The members that matter, by event; "" for an event that has none. */
void facts_line(const json_t *record, char *buf, size_t size);
