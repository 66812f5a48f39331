#include "audit/tlog/note.h"
#include "base/bytes.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#define ED25519_NOTE 0x01
#define DASH	     "\xe2\x80\x94 " /* U+2014 and a blank: how a signature line starts */

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void tlog_base64(const void *data, size_t len, char *out)
{
	const u8 *p = data;
	for (; len >= 3; len -= 3, p += 3) {
		u32 v = (u32)p[0] << 16 | (u32)p[1] << 8 | p[2];
		for (u32 i = 0; i < 4; i++)
			*out++ = b64[v >> (18 - 6 * i) & 63];
	}
	if (len) {
		u32 v = (u32)p[0] << 16 | (len == 2 ? (u32)p[1] << 8 : 0);
		*out++ = b64[v >> 18];
		*out++ = b64[v >> 12 & 63];
		*out++ = len == 2 ? b64[v >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out = 0;
}

int tlog_unbase64(const char *text, size_t len, u8 *ret, size_t cap, size_t *ret_len)
{
	if (len % 4)
		return 1;
	size_t n = 0;
	for (size_t i = 0; i < len; i += 4) {
		u32 pad = 0;
		if (i + 4 == len)
			pad = text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		u32 v = 0;
		for (u32 k = 0; k < 4; k++) {
			const char *c = k < 4 - pad && text[i + k] ? strchr(b64, text[i + k]) : NULL;
			if (!c && k < 4 - pad)
				return 1;
			v = v << 6 | (c ? (u32)(c - b64) : 0);
		}
		if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff)) || n + 3 - pad > cap)
			return 1;
		for (u32 k = 0; k < 3 - pad; k++)
			ret[n++] = (u8)(v >> (16 - 8 * k));
	}
	*ret_len = n;
	return 0;
}

static void key_id(struct note_key *k)
{
	u8 h[SHA256_BYTES], alg = ED25519_NOTE;
	struct sha256 s;
	sha256_init(&s);
	sha256_update(&s, k->name, strlen(k->name));
	sha256_update(&s, "\n", 1);
	sha256_update(&s, &alg, 1);
	sha256_update(&s, k->public_key, sizeof k->public_key);
	sha256_final(&s, h);
	memcpy(k->id, h, sizeof k->id);
}

void tlog_note_key_make(struct note_key *ret)
{
	struct note_key k = { 0 };
	u8 h[SHA256_BYTES];
	char hex[17];
	crypto_sign_keypair(k.public_key, k.secret_key);
	sha256_of(k.public_key, sizeof k.public_key, h);
	bytes_hex(h, 8, hex);
	snprintf(k.name, sizeof k.name, "keep.local/%s", hex);
	key_id(&k);
	*ret = k;
	sodium_memzero(&k, sizeof k);
}

/* "[prefix]name+hexid+base64(0x01 || 32 bytes)" */
static void key_text(const char *prefix, const struct note_key *k, const u8 key[32], char *out, size_t cap)
{
	u8 raw[33] = { ED25519_NOTE };
	char id[9], b[48];
	memcpy(raw + 1, key, 32);
	bytes_hex(k->id, 4, id);
	tlog_base64(raw, sizeof raw, b);
	int n = snprintf(out, cap, "%s%s+%s+%s", prefix, k->name, id, b);
	assert(n > 0 && (size_t)n < cap);
	sodium_memzero(raw, sizeof raw);
	sodium_memzero(b, sizeof b);
}

void tlog_note_key_secret_text(const struct note_key *k, char *out, size_t cap)
{
	key_text("PRIVATE+KEY+", k, k->secret_key, out, cap); /* the seed is the first half */
}

void tlog_note_vkey(const struct note_key *k, char *out, size_t cap)
{
	key_text("", k, k->public_key, out, cap);
}

static bool name_ok(const char *s, size_t n)
{
	if (n == 0 || n > NOTE_NAME_MAX || !bytes_utf8_ok(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((u8)s[i] <= 0x20 || s[i] == '+' || s[i] == 0x7f)
			return false;
	return true;
}

/* Split "name+hexid+base64" and decode it. */
static int key_read(const char *text, struct note_key *k, u8 ret_id[4], u8 ret_key[32])
{
	size_t len = strlen(text), n;
	const char *p1 = strchr(text, '+'), *p2 = p1 ? strchr(p1 + 1, '+') : NULL;
	u8 raw[33];
	if (!p2 || p2 - p1 != 9 || !name_ok(text, (size_t)(p1 - text)))
		return 1;
	memcpy(k->name, text, (size_t)(p1 - text));
	if (bytes_unhex(p1 + 1, 4, ret_id))
		return 1;
	if (tlog_unbase64(p2 + 1, len - (size_t)(p2 + 1 - text), raw, sizeof raw, &n) || n != sizeof raw ||
		raw[0] != ED25519_NOTE)
		return 1;
	memcpy(ret_key, raw + 1, 32);
	sodium_memzero(raw, sizeof raw);
	return 0;
}

int tlog_note_key_from_vkey(const char *text, struct note_key *ret)
{
	struct note_key k = { 0 };
	u8 id[4];
	if (key_read(text, &k, id, k.public_key))
		return 1;
	key_id(&k);
	if (memcmp(id, k.id, sizeof id))
		return 1;
	*ret = k;
	return 0;
}

int tlog_note_key_from_secret(const char *text, struct note_key *ret)
{
	static const char prefix[] = "PRIVATE+KEY+";
	struct note_key k = { 0 };
	u8 id[4], seed[32];
	char line[256];
	size_t len = strlen(text);
	if (len && text[len - 1] == '\n')
		len--;
	if (len >= sizeof line || len < sizeof prefix || memcmp(text, prefix, sizeof prefix - 1))
		return 1;
	memcpy(line, text, len);
	line[len] = 0;
	int r = key_read(line + sizeof prefix - 1, &k, id, seed);
	sodium_memzero(line, sizeof line);
	if (r)
		return 1;
	crypto_sign_seed_keypair(k.public_key, k.secret_key, seed);
	sodium_memzero(seed, sizeof seed);
	key_id(&k);
	if (memcmp(id, k.id, sizeof id))
		return 1;
	*ret = k;
	sodium_memzero(&k, sizeof k);
	return 0;
}

int tlog_note_sign(const struct note_key *k, const char *text, char *out, size_t cap)
{
	u8 blob[4 + crypto_sign_BYTES];
	char b[4 * DIV_UP(sizeof blob, 3) + 1];
	memcpy(blob, k->id, 4);
	crypto_sign_detached(blob + 4, NULL, (const u8 *)text, strlen(text), k->secret_key);
	tlog_base64(blob, sizeof blob, b);
	int n = snprintf(out, cap, "%s\n" DASH "%s %s\n", text, k->name, b);
	return n > 0 && (size_t)n < cap ? 0 : 1;
}

/* One signature line without its LF. 0 a known key's, right; 1 malformed; 2 a known key's, wrong; 3 unknown key. */
static int signature_check(const char *line, size_t len, const char *text, size_t text_len,
	const struct note_key *keys, size_t n_keys)
{
	const size_t dash = sizeof DASH - 1;
	if (len < dash || memcmp(line, DASH, dash))
		return 1;
	const char *name = line + dash, *end = line + len;
	const char *sp = memchr(name, ' ', (size_t)(end - name));
	u8 blob[NOTE_BYTES_MAX / 4 * 3];
	size_t n;
	if (!sp || !name_ok(name, (size_t)(sp - name)))
		return 1;
	if (tlog_unbase64(sp + 1, (size_t)(end - sp - 1), blob, sizeof blob, &n) || n < 5)
		return 1;
	for (size_t i = 0; i < n_keys; i++) {
		const struct note_key *k = &keys[i];
		if (strlen(k->name) != (size_t)(sp - name) || memcmp(k->name, name, (size_t)(sp - name)) ||
			memcmp(k->id, blob, 4))
			continue;
		if (n != 4 + crypto_sign_BYTES)
			return 2;
		return crypto_sign_verify_detached(blob + 4, (const u8 *)text, text_len, k->public_key) ? 2
													: 0;
	}
	return 3;
}

static bool text_ok(const char *s, size_t n)
{
	if (!bytes_utf8_ok(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((u8)s[i] < 0x20 && s[i] != '\n')
			return false;
	return true;
}

int tlog_note_open(
	const char *note, size_t len, const struct note_key *keys, size_t n_keys, size_t *ret_text_len)
{
	if (len == 0 || len > NOTE_BYTES_MAX || note[len - 1] != '\n' || !text_ok(note, len))
		return 1;
	size_t gap = len; /* of the last empty line: signatures stand behind it */
	for (size_t i = 0; i + 1 < len; i++)
		if (note[i] == '\n' && note[i + 1] == '\n')
			gap = i;
	if (gap == len || gap + 2 >= len)
		return 1;
	size_t text_len = gap + 1, n_lines = 0;
	bool good = false, wrong = false;
	for (size_t at = gap + 2; at < len; n_lines++) {
		const char *lf = memchr(note + at, '\n', len - at);
		size_t n = (size_t)(lf - (note + at));
		int r = signature_check(note + at, n, note, text_len, keys, n_keys);
		if (r == 1 || n_lines >= NOTE_SIGNATURES_MAX)
			return 1;
		good |= r == 0;
		wrong |= r == 2;
		at += n + 1;
	}
	if (wrong)
		return 2;
	if (!good)
		return 3;
	*ret_text_len = text_len;
	return 0;
}

void tlog_checkpoint_text(const char *origin, u64 size, const struct merkle_hash *root, char *out, size_t cap)
{
	char b[48];
	tlog_base64(root->b, sizeof root->b, b);
	int n = snprintf(out, cap, "%s\n%" PRIu64 "\n%s\n", origin, size, b);
	assert(n > 0 && (size_t)n < cap);
}

int tlog_checkpoint_read(const char *text, size_t len, struct checkpoint *ret)
{
	struct checkpoint c = { 0 };
	const char *end = text + len;
	const char *l1 = memchr(text, '\n', len);
	const char *l2 = l1 ? memchr(l1 + 1, '\n', (size_t)(end - l1 - 1)) : NULL;
	const char *l3 = l2 ? memchr(l2 + 1, '\n', (size_t)(end - l2 - 1)) : NULL;
	if (!l3 || l3 + 1 != end || !name_ok(text, (size_t)(l1 - text)))
		return 1;
	memcpy(c.origin, text, (size_t)(l1 - text));
	size_t digits = (size_t)(l2 - l1 - 1), n;
	if (digits == 0 || digits > 20 || (digits > 1 && l1[1] == '0'))
		return 1;
	for (const char *p = l1 + 1; p < l2; p++) {
		u64 next;
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(c.size, 10u, &next) ||
			__builtin_add_overflow(next, (u64)(*p - '0'), &c.size))
			return 1;
	}
	if (tlog_unbase64(l2 + 1, (size_t)(l3 - l2 - 1), c.root.b, sizeof c.root.b, &n) ||
		n != sizeof c.root.b)
		return 1;
	*ret = c;
	return 0;
}
