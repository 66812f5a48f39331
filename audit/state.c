#include "audit/state.h"
#include "base/bytes.h"

/* Logs that never had any keep the digests that they have. */
static void access_hash(const struct audit_state *s, struct sha256 *h)
{
	static const struct access_head none;
	if (!s->n_access && !memcmp(&s->access, &none, sizeof none))
		return;
	sha256_update(h, &s->access, sizeof s->access);
	sha256_update(h, &s->n_access, sizeof s->n_access);
	sha256_update(h, s->ways, s->n_access * sizeof s->ways[0]);
}

void audit_state_digest(const struct audit_state *s, u8 ret[SHA256_BYTES])
{
	struct sha256 h;
	sha256_init(&h);
	sha256_update(&h, &s->policy, sizeof s->policy);
	sha256_update(&h, &s->clock, sizeof s->clock);
	sha256_update(&h, &s->n_trust, sizeof s->n_trust);
	sha256_update(&h, s->trust, s->n_trust * sizeof s->trust[0]);
	sha256_update(&h, &s->n_models, sizeof s->n_models);
	sha256_update(&h, s->models, s->n_models * sizeof s->models[0]);
	sha256_update(&h, &s->n_roles, sizeof s->n_roles);
	sha256_update(&h, s->roles, s->n_roles * sizeof s->roles[0]);
	sha256_update(&h, &s->n_pending, sizeof s->n_pending);
	sha256_update(&h, s->pending, s->n_pending * sizeof s->pending[0]);
	audit_retain_hash(&s->retain, &h);
	if (s->quota.bytes) { /* a log without quotas has the digest that it had before there were any */
		sha256_update(&h, &s->quota, sizeof s->quota);
		sha256_update(&h, &s->n_usage, sizeof s->n_usage);
		sha256_update(&h, s->usage, s->n_usage * sizeof s->usage[0]);
	}
	access_hash(s, &h);
	sha256_final(&h, ret);
}

/* Index of the first row whose key is not below. */
static u32 trust_at(const struct audit_state *s, const char *name)
{
	u32 i = 0;
	while (i < s->n_trust && strcmp(s->trust[i].name, name) < 0)
		i++;
	return i;
}

struct trust_row *audit_trust_find(struct audit_state *s, const char *name)
{
	u32 i = trust_at(s, name);
	return i < s->n_trust && strcmp(s->trust[i].name, name) == 0 ? &s->trust[i] : NULL;
}

int audit_trust_put(struct audit_state *s, const struct trust_row *row)
{
	struct trust_row *old = audit_trust_find(s, row->name);
	if (old) {
		*old = *row;
		return 0;
	}
	if (s->n_trust == TRUST_KEYS_MAX)
		return 1;
	u32 i = trust_at(s, row->name);
	memmove(&s->trust[i + 1], &s->trust[i], (s->n_trust - i) * sizeof *row);
	s->trust[i] = *row;
	s->n_trust++;
	return 0;
}

void audit_trust_drop(struct audit_state *s, const char *name)
{
	struct trust_row *row = audit_trust_find(s, name);
	if (!row)
		return;
	u32 i = (u32)(row - s->trust);
	memmove(row, row + 1, (s->n_trust - i - 1) * sizeof *row);
	s->n_trust--;
}

/* ---- persons ---- */

static u32 role_at(const struct audit_state *s, const char *name)
{
	u32 i = 0;
	while (i < s->n_roles && strcmp(s->roles[i].name, name) < 0)
		i++;
	return i;
}

struct role_row *audit_role_find(struct audit_state *s, const char *name)
{
	u32 i = role_at(s, name);
	return i < s->n_roles && strcmp(s->roles[i].name, name) == 0 ? &s->roles[i] : NULL;
}

const struct role_row *audit_role_by_uid(const struct audit_state *s, u32 uid)
{
	for (u32 i = 0; i < s->n_roles; i++)
		if (s->roles[i].uid == uid)
			return &s->roles[i];
	return NULL;
}

int audit_role_put(struct audit_state *s, const struct role_row *row)
{
	struct role_row *old = audit_role_find(s, row->name);
	if (old) {
		*old = *row;
		return 0;
	}
	if (s->n_roles == PERSONS_MAX)
		return 1;
	u32 i = role_at(s, row->name);
	memmove(&s->roles[i + 1], &s->roles[i], (s->n_roles - i) * sizeof *row);
	s->roles[i] = *row;
	s->n_roles++;
	return 0;
}

void audit_role_drop(struct audit_state *s, const char *name)
{
	struct role_row *row = audit_role_find(s, name);
	if (!row)
		return;
	u32 i = (u32)(row - s->roles);
	memmove(row, row + 1, (s->n_roles - i - 1) * sizeof *row);
	s->n_roles--;
}

/* ---- quotas ---- */

void audit_usage_put(struct audit_state *s, const struct usage_row *row)
{
	u32 lo = 0, hi = s->n_usage;
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;
		if (strcmp(s->usage[mid].principal, row->principal) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (s->n_usage == QUOTA_PRINCIPALS_MAX)
		return;
	memmove(&s->usage[lo + 1], &s->usage[lo], (s->n_usage - lo) * sizeof *row);
	s->usage[lo] = *row;
	s->n_usage++;
}

/* ---- ways in ---- */

static u32 access_at(const struct audit_state *s, const char *name)
{
	u32 low = 0, high = s->n_access;
	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (strcmp(s->ways[mid].what.name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct access_row *audit_access_find(struct audit_state *s, const char *name)
{
	u32 i = access_at(s, name);
	return i < s->n_access && strcmp(s->ways[i].what.name, name) == 0 ? &s->ways[i] : NULL;
}

int audit_access_put(struct audit_state *s, const struct access_row *row)
{
	if (s->n_access == ACCESS_MAX || audit_access_find(s, row->what.name))
		return 1;
	u32 i = access_at(s, row->what.name);
	memmove(&s->ways[i + 1], &s->ways[i], (s->n_access - i) * sizeof *row);
	s->ways[i] = *row;
	s->n_access++;
	return 0;
}

void audit_access_drop(struct audit_state *s, const char *name)
{
	struct access_row *row = audit_access_find(s, name);
	if (!row)
		return;
	u32 i = (u32)(row - s->ways);
	memmove(row, row + 1, (s->n_access - i - 1) * sizeof *row);
	s->n_access--;
}

/* ---- proposals ---- */

struct dual_row *audit_pending_find(struct audit_state *s, u64 index)
{
	for (u32 i = 0; i < s->n_pending; i++)
		if (s->pending[i].index == index)
			return &s->pending[i];
	return NULL;
}

int audit_pending_put(struct audit_state *s, const struct dual_row *row)
{
	if (s->n_pending == PENDING_MAX)
		return 1;
	s->pending[s->n_pending++] = *row;
	return 0;
}

void audit_pending_drop(struct audit_state *s, u64 index)
{
	struct dual_row *row = audit_pending_find(s, index);
	if (!row)
		return;
	u32 i = (u32)(row - s->pending);
	memmove(row, row + 1, (s->n_pending - i - 1) * sizeof *row);
	s->n_pending--;
}

bool audit_state_names(const struct audit_state *s, const u8 file[SHA256_BYTES])
{
	for (u32 i = 0; i < s->n_trust; i++)
		if (s->trust[i].bytes && memcmp(s->trust[i].key_id, file, SHA256_BYTES) == 0)
			return true;
	for (u32 i = 0; i < s->n_pending; i++)
		if (s->pending[i].file_bytes && memcmp(s->pending[i].file, file, SHA256_BYTES) == 0)
			return true;
	if (s->quota.bytes && memcmp(s->quota.digest, file, SHA256_BYTES) == 0)
		return true;
	return s->policy.bytes && memcmp(s->policy.digest, file, SHA256_BYTES) == 0;
}

/* ---- models ---- */

static u32 model_at(const struct audit_state *s, const u8 *digest)
{
	u32 i = 0;
	while (i < s->n_models && memcmp(s->models[i].digest, digest, MODEL_DIGEST_BYTES) < 0)
		i++;
	return i;
}

struct model_row *audit_model_by_digest(struct audit_state *s, const u8 digest[MODEL_DIGEST_BYTES])
{
	u32 i = model_at(s, digest);
	if (i == s->n_models || memcmp(s->models[i].digest, digest, MODEL_DIGEST_BYTES) != 0)
		return NULL;
	return &s->models[i];
}

struct model_row *audit_model_named(struct audit_state *s, const char *name)
{
	for (u32 i = 0; i < s->n_models; i++)
		if (s->models[i].stored && strcmp(s->models[i].name, name) == 0)
			return &s->models[i];
	return NULL;
}

#define PREFIX_MIN 8u

static struct model_row *by_prefix(struct audit_state *s, const char *prefix, u32 stored)
{
	struct model_row *found = NULL;
	size_t n = strlen(prefix);
	if (n < PREFIX_MIN || n > 2 * MODEL_DIGEST_BYTES)
		return NULL;
	for (u32 i = 0; i < s->n_models; i++) {
		char hex[2 * MODEL_DIGEST_BYTES + 1];
		bytes_hex(s->models[i].digest, MODEL_DIGEST_BYTES, hex);
		if (s->models[i].stored != stored || memcmp(hex, prefix, n) != 0)
			continue;
		if (found)
			return NULL;
		found = &s->models[i];
	}
	return found;
}

/* A name may have had several models one after the other: the one that changed last. */
static struct model_row *gone_named(struct audit_state *s, const char *name)
{
	struct model_row *found = NULL;
	for (u32 i = 0; i < s->n_models; i++)
		if (!s->models[i].stored && strcmp(s->models[i].name, name) == 0 &&
			(!found || s->models[i].changed > found->changed))
			found = &s->models[i];
	return found;
}

struct model_row *audit_model_find(struct audit_state *s, const char *name)
{
	struct model_row *m = audit_model_named(s, name);
	if (!m)
		m = by_prefix(s, name, 1);
	if (!m)
		m = gone_named(s, name);
	return m ? m : by_prefix(s, name, 0);
}

int audit_model_put(struct audit_state *s, const struct model_row *row)
{
	struct model_row *old = audit_model_by_digest(s, row->digest);
	if (old) {
		*old = *row;
		return 0;
	}
	if (s->n_models == MODELS_MAX)
		return 1;
	u32 i = model_at(s, row->digest);
	memmove(&s->models[i + 1], &s->models[i], (s->n_models - i) * sizeof *row);
	s->models[i] = *row;
	s->n_models++;
	return 0;
}

u64 audit_model_newest(const struct audit_state *s, const char *name)
{
	u64 newest = 0;
	for (u32 i = 0; i < s->n_models; i++)
		if (strcmp(s->models[i].name, name) == 0)
			newest = MAX(newest, s->models[i].sequence);
	return newest;
}

const char *audit_model_status(u32 status)
{
	static const char *const names[] = { [MODEL_ACCEPTED] = "accepted",
		[MODEL_QUARANTINED] = "quarantined",
		[MODEL_REVOKED] = "revoked",
		[MODEL_REMOVED] = "removed" };
	return status < ARRAY_LEN(names) && names[status] ? names[status] : "unknown";
}
