/* Questions to keepd on behalf of a request, on a connection of their own, for the request's principal or for the gateway itself. */
#pragma once

#include "gateway/gateway.h"

/* What a verdict rests on: the answer to CTL_EXPLAIN. */
struct question_grounds {
	struct attest_report verdict;
	u32 n_rules, n_signers;
	struct proto_rule rules[RULES_MAX];
	struct proto_signer signers[BUNDLES_MAX];
};
/* One question, and what came back. */
struct question_one {
	u32 type; /* CTL_… */
	u32 len;  /* of body */
	union {
		struct proto_query query;
		struct proto_look look;
		struct proto_name name;
		struct proto_taken taken;
		struct proto_enter enter;
	} body;
	int fd; /* that goes with it, taken; -1: none */
	/* the answer */
	u32 status; /* enum end_status */
	u64 index;
	char text[REASON_LEN_MAX + 1];
	struct fd_map data;		 /* data NULL: none came */
	struct question_grounds *ground; /* NULL: none came */
	struct proto_principal *is;	 /* of CTL_ENTER; NULL: none came */
};
void question_one_fini(struct question_one *q);

/* Several, asked one after the other: a refusal is the answer of that one, and the next is asked all the same. The caller's, from
 * question_set_begin until over is called or question_set_stop. */
struct question_set {
	struct gateway *g;
	const struct proof *proof; /* shown first; NULL: the gateway asks for itself */
	struct question_one *const *v;
	u32 n;
	/* All are answered; or why: NULL, or that keepd does not answer, or does not take the proof any more. Now or later. */
	void (*over)(struct question_set *s, const char *why);
	/* its own */
	u32 at;
	int sock;
	bool proving;
	struct event *ev;
};
/* Fields up to over are the caller's to fill before. */
void question_set_begin(struct question_set *s);
/* over is not called any more. */
void question_set_stop(struct question_set *s);

/* ---- one question, one answer to the request ---- */

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
