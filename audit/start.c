/* What a start says to the log, in this order: the machine was started since; the last end was not in order; here we are; and intents that
 * nobody will answer any more. */
#include "audit/keepd.h"
#include "base/daemon.h"

#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>

struct last {
	struct audit_record_head h;
	bool found;
};

static int on_last(void *arg, u64 index, const char *line, size_t len)
{
	struct last *l = arg;
	l->found = audit_record_head(line, len, &l->h) == 0;
	return 1;
}

static int record_boot(struct keepd *k, const struct last *l)
{
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	struct utsname u;
	if (strcmp(l->h.boot, audit_log_boot(k->log)) == 0)
		return 0;
	audit_log_record(k->log, &rec, EVENT_BOOT, INTENT_NONE, &self);
	jsonw_kv_str(&rec.w, "previous", l->h.boot);
	audit_record_str(&rec, "kernel", uname(&u) == 0 ? u.release : "", sizeof u.release);
	return audit_log_append(k->log, &rec, NULL);
}

/* An intent that nobody will answer: neither waits it for a second person, nor is it an erasure, which goes on (erase.c). */
static bool orphan(struct keepd *k, const struct audit_open *o)
{
	return o->event != EVENT_ERASE && !audit_pending_find(&k->state, o->index);
}

static u32 orphans(struct keepd *k, const struct audit_check *c)
{
	u32 n = 0;
	for (size_t i = 0; i < c->tail.n_open; i++)
		n += orphan(k, &c->tail.open[i]);
	return n;
}

/* Every record that was acknowledged had been synced, and the check has just found them all: so nothing of them is lost. What is lost is
 * what nobody recorded: how the last process ended, and what its open intents came to. */
static int record_gap(struct keepd *k, const struct audit_check *c, const struct last *l)
{
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	if (l->h.event == EVENT_STOP || l->h.event == EVENT_INIT)
		return 0;
	audit_log_record(k->log, &rec, EVENT_GAP, INTENT_NONE, &self);
	jsonw_kv_u64(&rec.w, "after", l->h.index);
	jsonw_kv_str(&rec.w, "of", audit_event_info(l->h.event)->name);
	jsonw_kv_u64(&rec.w, "after_ns", l->h.time_ns);
	jsonw_kv_u64(&rec.w, "intents", orphans(k, c));
	jsonw_kv_str(&rec.w, "lost", "nothing that was acknowledged");
	daemon_say("log: the last end was not in order; %u intents have no outcome", orphans(k, c));
	return audit_log_append(k->log, &rec, NULL);
}

static int record_start(struct keepd *k, const struct audit_check *c)
{
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	audit_log_record(k->log, &rec, EVENT_START, INTENT_NONE, &self);
	jsonw_kv_str(&rec.w, "version", KEEPD_VERSION);
	jsonw_kv_bool(&rec.w, "single_user", k->single_user);
	jsonw_kv_u64(&rec.w, "size", c->size);
	jsonw_kv_hex(&rec.w, "root", c->head.root.b, sizeof c->head.root.b);
	keepd_clock_fields(k, &rec);
	jsonw_kv_hex(&rec.w, "policy", k->state.policy.digest, k->state.policy.bytes ? SHA256_BYTES : 0);
	int r = audit_log_append(k->log, &rec, &k->state);
	return r ? r : keepd_clock_put(k);
}

static int record_orphans(struct keepd *k, const struct audit_check *c)
{
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	int r = 0;
	for (size_t i = 0; i < c->tail.n_open && !r; i++) {
		if (!orphan(k, &c->tail.open[i]))
			continue;
		audit_log_record(k->log, &rec, EVENT_ORPHAN, c->tail.open[i].index, &self);
		jsonw_kv_str(&rec.w, "of", audit_event_info(c->tail.open[i].event)->name);
		jsonw_kv_str(&rec.w, "why", "found at start");
		r = audit_log_append(k->log, &rec, NULL);
	}
	return r;
}

int start_record(struct keepd *k, const struct audit_check *c)
{
	struct last l = { .found = false };
	int r = audit_log_lines(k->log, c->size - 1, 1, on_last, &l);
	r = r < 0 ? r : l.found ? record_boot(k, &l) : 0;
	if (!r && l.found)
		r = record_gap(k, c, &l);
	r = r ? r : record_start(k, c);
	return r ? r : record_orphans(k, c);
}

void keepd_fault(struct keepd *k, const char *object, const char *why)
{
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	daemon_say("%s: %s", object, why);
	if (audit_log_failed(k->log))
		return;
	audit_log_record(k->log, &rec, EVENT_FAULT, INTENT_NONE, &self);
	audit_record_str(&rec, "object", object, REASON_LEN_MAX);
	audit_record_str(&rec, "why", why, REASON_LEN_MAX);
	int r = audit_log_append(k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}
