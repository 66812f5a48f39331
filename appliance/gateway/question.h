/* A question to keepd on behalf of a request: one table comes back. */
#pragma once

#include "gateway/gateway.h"

struct question_fns {
	/* x is to be answered, from what keepd said. */
	void (*answer)(struct gateway *g, struct http_exchange *x, const char *data, size_t len);
	bool as_client; /* asked for the request's principal: it is proven first */
	/* keepd does not answer, or refuses. */
	void (*failed)(struct gateway *g, struct http_exchange *x, const char *why);
};
/* One of the two is called, now or later; neither when the client hangs up before. */
void question_ask(struct gateway *g, struct http_exchange *x, const struct proto_query *q,
	const struct question_fns *fns);
