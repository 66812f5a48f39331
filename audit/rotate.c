/* A new key for the log: an act of two officers. The new secret is in its place before the record is committed, and takes the old one's after;
 * a crash in between is seen at the next start, by whose key signed the head. */
#include "audit/dual.h"
#include "base/bytes.h"
#include "base/daemon.h"
#include "base/err.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

bool rotate_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	struct proto_name n;
	const char *text = NULL;
	u32 had = 0;
	memcpy(&n, row->body, sizeof n);
	if (n.name[0])
		text = "it is about the log's key, which has no name of its own";
	else if (k->key.sealed && !k->key.has_next)
		text = "the key is a sealed credential: seal the next one as keep.log.key.next, and restart "
		       "keepd";
	else if (audit_log_rotating(k->log))
		text = "it is changing at this moment";
	else if (audit_log_keys_count(k->log, &had) || had == LOG_KEYS_MAX)
		text = "the log has had as many keys as can be followed";
	if (text)
		snprintf(why, REASON_LEN_MAX + 1, "rotate: %s", text);
	return text != NULL;
}

/* 0 *ret; -errno. */
static int next_key(struct keepd *k, struct note_key *ret)
{
	if (!k->key.sealed)
		return audit_store_key_next(&k->store, audit_log_key(k->log)->name, ret);
	*ret = k->key.next;
	return 0;
}

int rotate_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct note_key fresh, old = *audit_log_key(k->log);
	struct proto_name n;
	struct audit_record rec;
	char vkey[NOTE_VKEY_MAX];
	memcpy(&n, d->row->body, sizeof n);
	sodium_memzero(old.secret_key, sizeof old.secret_key);
	int r = next_key(k, &fresh);
	if (r) {
		audit_log_fail(k->log, "store: the new key: %s", strerror(-r));
		return r;
	}
	audit_log_record(k->log, &rec, EVENT_KEY, INTENT_NONE, &d->who);
	*ret_index = rec.index;
	tlog_note_vkey(&old, vkey, sizeof vkey);
	jsonw_kv_str(&rec.w, "old", vkey);
	tlog_note_vkey(&fresh, vkey, sizeof vkey);
	jsonw_kv_str(&rec.w, "vkey", vkey);
	u64 previous = audit_log_key_index(k->log);
	if (previous != INTENT_NONE)
		jsonw_kv_u64(&rec.w, "previous", previous);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	r = audit_log_append(k->log, &rec, &k->state);
	if (!r) {
		audit_log_rotate(k->log, &fresh);
		keepd_effect(k, EFFECT_KEY, NULL, NULL);
		k->key.has_next = false;
	}
	sodium_memzero(&fresh, sizeof fresh);
	return r;
}

int rotate_settle(struct keepd *k)
{
	daemon_say("log: it has a new key; give its vkey to whoever verifies it");
	return audit_store_key_settle(&k->store, audit_log_key(k->log));
}

int rotate_choose(struct keepd *k, const char **ret_why)
{
	struct store_keys keys;
	int r = audit_store_keys(&k->store, &keys, ret_why);
	if (r)
		return r;
	bool known = audit_log_choose(k->log, keys.v, keys.n);
	const struct note_key *is = audit_log_key(k->log);
	bool fresh = false;
	for (u32 i = 0; i < keys.n && known; i++) {
		bool same = memcmp(keys.v[i].public_key, is->public_key, sizeof is->public_key) == 0;
		if (same)
			k->key.sealed = keys.credential[i];
		if (same && keys.next[i] && !keys.credential[i])
			fresh = true; /* committed, and not yet in its place */
		if (!same && keys.next[i] && keys.credential[i] && strcmp(keys.v[i].name, is->name) == 0) {
			k->key.next = keys.v[i];
			k->key.has_next = true;
		}
	}
	sodium_memzero(&keys, sizeof keys);
	if (!known)
		return 0; /* the check says so */
	return fresh ? audit_store_key_settle(&k->store, is) : audit_store_key_drop(&k->store);
}

void rotate_list(const struct keepd *k, struct jsonw *w)
{
	u32 n = 0;
	char vkey[NOTE_VKEY_MAX];
	if (audit_log_keys_count(k->log, &n))
		n = 0; /* the check says so */
	jsonw_key(w, "earlier");
	jsonw_array(w);
	for (u32 i = 0; i < n; i++) {
		u64 until;
		tlog_note_vkey(audit_log_key_before(k->log, i, &until), vkey, sizeof vkey);
		jsonw_object(w);
		jsonw_kv_u64(w, "until", until);
		jsonw_kv_str(w, "vkey", vkey);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}
