/* Jobs: one connection to keep-attest is one process and one job. What it says is believed only as far as keepd can compare it, and
 * only after the process has gone. */
#include "audit/keepd.h"
#include "base/bytes.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int job_start(struct keepd *k, const struct proto_job *p, int *fd, struct conn **ret)
{
	_cleanup_fd_ int taken = fd_steal(fd), sock = -1;
	int r = ipc_connect(k->run_dir, "attest.sock", &sock);
	if (r)
		return r;
	struct job *j = calloc(1, sizeof *j);
	struct conn *c = j ? conn_add(k, CONN_JOB, &sock, JOB_ON) : NULL;
	if (!c) {
		free(j);
		return err_origin(-ENOMEM);
	}
	j->kind = p->kind;
	j->result = -1;
	c->job = j;
	conn_send(c, JOB_BEGIN, 0, p, sizeof *p, &taken);
	*ret = c;
	return 0;
}

struct attest_report job_report(u32 verdict, const char *code, const char *fmt, ...)
{
	struct attest_report r = { .verdict = verdict,
		.reason = verdict == ATTEST_ACCEPTED ? 0 : UINT32_MAX };
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r.detail, sizeof r.detail, fmt, ap);
	va_end(ap);
	snprintf(r.code, sizeof r.code, "%s", code);
	return r;
}

static int on_progress(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	struct proto_progress p;
	memcpy(&p, f->body, sizeof p);
	if (!bytes_str_ok(p.what, sizeof p.what))
		return -EPROTO;
	if (c->job->client)
		client_progress(c->job->client, p.done, p.total, p.what);
	return 0;
}

static int on_key(void *conn, struct ipc_frame *f)
{
	struct job *j = ((struct conn *)conn)->job;
	if (j->kind != JOB_KIND_KEY)
		return -EPROTO;
	memcpy(&j->key, f->body, sizeof j->key);
	j->has_key = true;
	return 0;
}

static int on_signer(void *conn, struct ipc_frame *f)
{
	struct job *j = ((struct conn *)conn)->job;
	struct proto_signer s;
	memcpy(&s, f->body, sizeof s);
	if (j->n_signers == BUNDLES_MAX || s.reserved || !bytes_str_ok(s.name, sizeof s.name) ||
		!bytes_str_ok(s.serial, sizeof s.serial) || !bytes_str_ok(s.identity, sizeof s.identity))
		return -EPROTO;
	j->signers[j->n_signers++] = s;
	return 0;
}

static int on_rule(void *conn, struct ipc_frame *f)
{
	struct job *j = ((struct conn *)conn)->job;
	struct proto_rule r;
	memcpy(&r, f->body, sizeof r);
	if (j->n_rules == RULES_MAX || r.holds > 1 || !bytes_str_ok(r.text, sizeof r.text))
		return -EPROTO;
	j->rules[j->n_rules++] = r;
	return 0;
}

static int on_result(void *conn, struct ipc_frame *f)
{
	struct job *j = ((struct conn *)conn)->job;
	if (j->kind != JOB_KIND_VERIFY && j->kind != JOB_KIND_LAYOUT)
		return -EPROTO;
	j->result = fd_steal(&f->fd);
	return 0;
}

static bool report_ok(const struct attest_report *r)
{
	return (r->verdict == ATTEST_ACCEPTED || r->verdict == ATTEST_REJECTED ||
		       r->verdict == ATTEST_UNDECIDED) &&
	       bytes_str_ok(r->code, sizeof r->code) && bytes_str_ok(r->object, sizeof r->object) &&
	       bytes_str_ok(r->expected, sizeof r->expected) && bytes_str_ok(r->found, sizeof r->found) &&
	       bytes_str_ok(r->detail, sizeof r->detail) && bytes_str_ok(r->signer, sizeof r->signer);
}

static int on_report(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	struct job *j = c->job;
	memcpy(&j->report, f->body, sizeof j->report);
	if (!report_ok(&j->report))
		return -EPROTO;
	j->reported = true;
	c->state = JOB_OVER;
	return 0;
}

static const struct ipc_rule rules[] = {
	{ JOB_PROGRESS, JOB_ON, sizeof(struct proto_progress), false, false, on_progress },
	{ JOB_KEY_INFO, JOB_ON, sizeof(struct proto_key), false, true, on_key },
	{ JOB_RESULT, JOB_ON, sizeof(struct proto_data), true, true, on_result },
	{ JOB_REPORT, JOB_ON, sizeof(struct attest_report), false, true, on_report },
	{ JOB_SIGNER, JOB_ON, sizeof(struct proto_signer), false, false, on_signer },
	{ JOB_RULE, JOB_ON, sizeof(struct proto_rule), false, false, on_rule },
};

int job_frame(struct conn *c, struct ipc_frame *f)
{
	const struct ipc_rule *r = ipc_match(rules, ARRAY_LEN(rules), c->state, &c->seen, f);
	int e = r ? r->handler(c, f) : -EPROTO;
	if (e)
		c->job->reported = false; /* whatever it said before does not count */
	return e;
}

/* The process has gone: now its report counts. */
void job_closed(struct conn *c)
{
	struct job *j = c->job;
	c->job = NULL;
	if (!j->reported)
		j->report = job_report(ATTEST_UNDECIDED, "attest-lost",
			"keep-attest ended without a report%s%s", strcmp(c->why, "it closed") ? ": " : "",
			strcmp(c->why, "it closed") ? c->why : "");
	if (j->kind == JOB_KIND_KEY || j->kind == JOB_KIND_TRUST)
		trust_job_done(c->k, j);
	else if (j->kind == JOB_KIND_POLICY)
		policy_job_done(c->k, j);
	else if (j->kind == JOB_KIND_EXPLAIN)
		explain_job_done(c->k, j);
	else if (j->import)
		import_job_done(c->k, j);
	fd_close(&j->result);
	free(j->data);
	free(j);
}
