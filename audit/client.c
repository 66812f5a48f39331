/* The ctl socket: what a client may ask. */
#include "audit/keepd.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IDLE (CLIENT_IDLE | CLIENT_SKIP)

static int skip_frame(void *conn, struct ipc_frame *f);
#define H(fn) ((int (*)(void *, struct ipc_frame *))(fn))

static const struct ipc_rule rules[] = {
	{ CTL_QUERY, IDLE, sizeof(struct proto_query), false, false, H(query_frame) },
	{ CTL_TRUST_ADD, IDLE, sizeof(struct proto_trust), true, false, H(trust_add_frame) },
	{ CTL_TRUST_RM, IDLE, sizeof(struct proto_name), false, false, H(trust_rm_frame) },
	{ CTL_IMPORT, IDLE, sizeof(struct proto_import), true, false, H(import_frame) },
	{ CTL_FILE, CLIENT_FILES, sizeof(struct proto_file), true, false, H(import_file_frame) },
	{ CTL_BUNDLE, CLIENT_FILES, sizeof(struct proto_index), true, false, H(import_bundle_frame) },
	{ CTL_IMPORT_GO, CLIENT_FILES, 0, false, false, H(import_go_frame) },
	{ CTL_FILE, CLIENT_SKIP, sizeof(struct proto_file), true, false, skip_frame },
	{ CTL_BUNDLE, CLIENT_SKIP, sizeof(struct proto_index), true, false, skip_frame },
	{ CTL_IMPORT_GO, CLIENT_SKIP, 0, false, false, skip_frame },
	{ CTL_POLICY_SET, IDLE, sizeof(struct proto_name), true, false, H(policy_set_frame) },
	{ CTL_WITNESSES, IDLE, sizeof(struct proto_name), true, false, H(witnesses_frame) },
	{ CTL_COSIGN, IDLE, 0, true, false, H(cosign_frame) },
	{ CTL_EXPLAIN, IDLE, sizeof(struct proto_name), false, false, H(explain_frame) },
	{ CTL_REVOKE, IDLE, sizeof(struct proto_name), false, false, H(revoke_frame) },
	{ CTL_REMOVE, IDLE, sizeof(struct proto_name), false, false, H(remove_frame) },
	{ CTL_SESSION, IDLE, sizeof(struct proto_session_want), false, false, H(session_frame) },
	{ CTL_BEGIN, IDLE | CLIENT_WAIT, sizeof(struct proto_begin), true, false, H(begin_frame) },
};

static int skip_frame(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	if (f->h.type == CTL_IMPORT_GO)
		c->state = CLIENT_IDLE;
	return 0;
}

int client_frame(struct conn *c, struct ipc_frame *f)
{
	const struct ipc_rule *r = ipc_match(rules, ARRAY_LEN(rules), c->state, &c->seen, f);
	if (!r)
		return -EPROTO;
	if (f->h.type != CTL_BEGIN)
		c->cmd_id = f->h.id;
	if (r->state == IDLE)
		c->state = CLIENT_IDLE;
	return r->handler(c, f);
}

void client_closed(struct conn *c)
{
	if (c->import)
		import_cancel(c->import, "the client closed its connection", true);
	c->grant = NULL;
	for (struct conn *o = c->k->conns; o; o = o->next)
		if (o->job && o->job->client == c)
			o->job->client = NULL;
	if (c->check) {
		audit_check_fini(c->check);
		free_ptr(&c->check);
	}
	gate_client_gone(c);
}

_printf_(5, 0) static void send_end(
	struct conn *c, u64 id, u32 status, u64 index, const char *fmt, va_list ap)
{
	struct proto_end end = { .status = status, .index = index };
	vsnprintf(end.text, sizeof end.text, fmt, ap);
	size_t len = strlen(end.text);
	memset(end.text + len, 0, sizeof end.text - len);
	conn_send(c, CTL_END, id, &end, sizeof end, NULL);
}

void client_end(struct conn *c, u64 id, u32 status, u64 index, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	send_end(c, id, status, index, fmt, ap);
	va_end(ap);
}

void client_done(struct conn *c, u32 status, u64 index, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	send_end(c, c->cmd_id, status, index, fmt, ap);
	va_end(ap);
	c->state = CLIENT_IDLE;
}

void client_progress(struct conn *c, u64 done, u64 total, const char *what)
{
	struct proto_progress p = { .done = done, .total = total };
	snprintf(p.what, sizeof p.what, "%s", what);
	conn_send(c, CTL_PROGRESS, c->cmd_id, &p, sizeof p, NULL);
}

int client_data(struct conn *c, u64 id, const void *data, size_t len)
{
	int fd = -1;
	int r = fd_memfd_sealed("keep-data", data, len, &fd);
	if (r)
		return r;
	struct proto_data d = { .bytes = len };
	conn_send(c, CTL_DATA, id, &d, sizeof d, &fd);
	return 0;
}

bool client_refused(struct conn *c, u64 id, u64 need_space)
{
	const char *why = audit_log_failed(c->k->log);
	u64 free_bytes = 0;
	if (why) {
		client_end(
			c, id, END_REFUSED, UINT64_MAX, "the gate is shut until keepd is restarted: %s", why);
		return true;
	}
	if (c->k->stopping) {
		client_end(c, id, END_REFUSED, UINT64_MAX, "keepd is stopping");
		return true;
	}
	if (need_space == 0)
		return false;
	int r = audit_store_free(&c->k->store, &free_bytes);
	if (r) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "store: free space: %s", strerror(-r));
		return true;
	}
	if (free_bytes < LOG_RESERVE_BYTES || free_bytes - LOG_RESERVE_BYTES < need_space) {
		client_end(c, id, END_REFUSED, UINT64_MAX,
			"store: %" PRIu64 " bytes are free; %" PRIu64
			" are needed beyond the %u kept for the log",
			free_bytes, need_space, LOG_RESERVE_BYTES);
		return true;
	}
	return false;
}
