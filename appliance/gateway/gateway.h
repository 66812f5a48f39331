/* keep-gateway: HTTP for clients on one side, the gate's session protocol on the other. It holds prompts and answers while they pass,
 * and nothing else: no weight, no log, no key but TLS's. */
#pragma once

#include "gateway/api.h"
#include "gateway/door.h"
#include "gateway/http.h"
#include "gateway/seat.h"

struct gateway {
	struct event_base *base;
	int run_dir;
	struct door *door;
	struct tls *tls; /* NULL: no https */
	struct seats *seats;
	struct http_server *http, *metrics; /* metrics: NULL where no socket is for them */
	struct event *stop, *alive;	    /* alive: told to the supervisor, where it has a watchdog */
	struct answer *answers;
	bool stopping;
};

/* The name of whoever was admitted: "uid:1000". ret holds NAME_LEN_MAX + 1 bytes. */
void gateway_principal(const struct http_exchange *x, char *ret);

/* routes.c: every path, what it takes, and who answers it. */
/* What must be allowed for that path: enum access_use; 0: anybody may ask. */
u32 routes_use(const struct http_head *h);
void routes_serve(void *ctx, struct http_exchange *x);
void routes_refuse(void *ctx, struct http_exchange *x, u32 status, const char *why);
/* In the shape of that form; with lines of further headers, or with those that e's status has. */
void reply_error_with(
	struct http_exchange *x, enum api_form form, const struct api_error *e, const char *headers);
void reply_error(struct http_exchange *x, enum api_form form, const struct api_error *e);
/* Begins a stream of events. */
void reply_stream(struct http_exchange *x, const char *headers);
void reply_json(struct http_exchange *x, const char *headers, const struct jsonw *w);

/* answer.c: chat and completions. */
void gateway_answer_begin(struct gateway *g, struct http_exchange *x, enum api_form form);
/* Whoever still waits is told that the gateway stops. */
void gateway_answers_stop(struct gateway *g);

/* models.c: questions to keepd that end with one table. x is answered. */
void gateway_models_answer(struct gateway *g, struct http_exchange *x);
