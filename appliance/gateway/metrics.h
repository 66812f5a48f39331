/* What /metrics says: counts of this process, and what keepd says of gate, log and runtime. No number is told apart by whom it is of, and the
 * listener is the operator's: see keep-gateway(8). */
#pragma once

#include "gateway/gateway.h"

u64 metrics_now_ns(void);
/* A reply begins with that status. */
void metrics_status(u32 status);
/* A client hung up before its answer was over. */
void metrics_gone(void);
/* The gate refused: enum end_status. */
void metrics_refused(u32 end_status);
/* From the request's last byte to its first token. */
void metrics_first_token(u64 ns);
void metrics_outcome(const struct proto_outcome *o);

/* Requests that came by the listener for metrics. */
void metrics_serve(void *ctx, struct http_exchange *x);
