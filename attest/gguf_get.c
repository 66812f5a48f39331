/* Values of the metadata by key, each of the one kind that its reader wants. */
#include "attest/internal.h"
#include "base/bytes.h"

#include <math.h>
#include <string.h>

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key)
{
	size_t lo = 0, hi = g->n_kv;
	u32 len = (u32)strlen(key);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = gguf_key_compare(key, len, g->kv[mid].key, g->kv[mid].key_len);
		if (c == 0)
			return &g->kv[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

const u8 *gguf_next_string(const u8 **at, u64 *ret_len)
{
	*ret_len = bytes_u64le(*at);
	const u8 *s = *at + 8;
	*at = s + *ret_len;
	return s;
}

static int wrong_type(const struct gguf *g, const char *key, const char *want, struct attest_report *report)
{
	return attest_reject(report, ATTEST_GGUF_VALUE, key, "%s: %s is not %s", g->name, key, want);
}

int gguf_get_u32(const struct gguf *g, const char *key, u32 *ret, struct attest_report *report)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	if (!kv)
		return 2;
	i64 v;
	switch (kv->type) {
	case GGUF_U8:
		v = kv->value[0];
		break;
	case GGUF_I8:
		v = (i8)kv->value[0];
		break;
	case GGUF_U16:
		v = bytes_u16le(kv->value);
		break;
	case GGUF_I16:
		v = (i16)bytes_u16le(kv->value);
		break;
	case GGUF_U32:
		v = bytes_u32le(kv->value);
		break;
	case GGUF_I32:
		v = (i32)bytes_u32le(kv->value);
		break;
	case GGUF_U64:
	case GGUF_I64:
		v = (i64)bytes_u64le(kv->value);
		break;
	default:
		return wrong_type(g, key, "an integer", report);
	}
	if (v < 0 || v > UINT32_MAX)
		return wrong_type(g, key, "an integer from 0 to 4294967295", report);
	*ret = (u32)v;
	return 0;
}

int gguf_get_f32(const struct gguf *g, const char *key, f32 *ret, struct attest_report *report)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	if (!kv)
		return 2;
	f32 v;
	if (kv->type == GGUF_F32) {
		memcpy(&v, kv->value, sizeof v);
	} else if (kv->type == GGUF_F64) {
		f64 d;
		memcpy(&d, kv->value, sizeof d);
		if (!(d >= -3e38 && d <= 3e38))
			return wrong_type(g, key, "a finite number", report);
		v = (f32)d;
	} else {
		return wrong_type(g, key, "a number", report);
	}
	if (!isfinite(v))
		return wrong_type(g, key, "a finite number", report);
	*ret = v;
	return 0;
}

int gguf_get_bool(const struct gguf *g, const char *key, bool *ret, struct attest_report *report)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	if (!kv)
		return 2;
	if (kv->type != GGUF_BOOL)
		return wrong_type(g, key, "a boolean", report);
	*ret = kv->value[0] == 1;
	return 0;
}

int gguf_get_string(const struct gguf *g, const char *key, const char **ret, size_t *ret_len,
	struct attest_report *report)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	if (!kv)
		return 2;
	if (kv->type != GGUF_STRING || !bytes_utf8_ok(kv->value, kv->n) || memchr(kv->value, 0, kv->n))
		return wrong_type(g, key, "a text in UTF-8", report);
	*ret = (const char *)kv->value;
	*ret_len = kv->n;
	return 0;
}
