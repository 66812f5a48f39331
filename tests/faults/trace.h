/* What keepd_faulty does to its database and says to its peers, in order (KEEP_FAULT=trace:PATH): each event, then len bytes. */
#pragma once

#include "base/types.h"

enum trace_kind { TRACE_WRITE = 1, TRACE_TRUNCATE, TRACE_SYNC, TRACE_DELETE, TRACE_SEND };
enum trace_file { TRACE_DB, TRACE_WAL, TRACE_OTHER };

struct trace_event {
	u32 kind, file;
	u64 off; /* of a truncation: the size; of a sync, which stands where it ended: how many events there were when it began */
	u32 len, zero;
};
SIZE_PIN(trace_event, 24);
