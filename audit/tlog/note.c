#include "audit/tlog/note.h"
#include "audit/tlog/checkpoint.h"
#include "base/bytes.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define DASH	      "\xe2\x80\x94 " /* U+2014 and a blank: how a signature line starts */
#define MLDSA44_BYTES 1312u	      /* of its public key */
#define ED25519_BLOB  (4 + crypto_sign_BYTES)
#define COSIGN_BLOB   (4 + 8 + crypto_sign_BYTES)

/* ---- keys ---- */

/* Length of the Unicode space that stands at s, or 0. */
static size_t space_at(const u8 *s, size_t left)
{
	if (*s == ' ' || (*s >= 0x09 && *s <= 0x0d))
		return 1;
	if (left >= 2 && s[0] == 0xc2 && (s[1] == 0x85 || s[1] == 0xa0))
		return 2;
	if (left < 3)
		return 0;
	u32 c = (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
	bool three = (s[0] & 0xf0) == 0xe0;
	return three && (c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
				c == 0x202f || c == 0x205f || c == 0x3000)
		       ? 3
		       : 0;
}

/* May that be a key's name? Length is not looked at. */
static bool name_ok(const char *s, size_t n)
{
	if (n == 0 || !bytes_utf8_ok(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((u8)s[i] < 0x20 || s[i] == '+' || space_at((const u8 *)s + i, n - i))
			return false;
	return true;
}

static void key_id(const struct note_key *k, const void *public_key, size_t len, u8 ret[4])
{
	u8 h[SHA256_BYTES], type = (u8)k->type;
	struct sha256 s;
	sha256_init(&s);
	sha256_update(&s, k->name, strlen(k->name));
	sha256_update(&s, "\n", 1);
	sha256_update(&s, &type, 1);
	sha256_update(&s, public_key, len);
	sha256_final(&s, h);
	memcpy(ret, h, 4);
}

int tlog_note_key_make(const char *name, enum note_type type, struct note_key *ret)
{
	struct note_key k = { .type = type };
	u8 h[SHA256_BYTES];
	char hex[17];
	assert(type == NOTE_ED25519 || type == NOTE_COSIGNATURE);
	if (name && (strlen(name) > NOTE_NAME_MAX || !name_ok(name, strlen(name))))
		return 1;
	crypto_sign_keypair(k.public_key, k.secret_key);
	sha256_of(k.public_key, sizeof k.public_key, h);
	bytes_hex(h, 8, hex);
	if (name)
		snprintf(k.name, sizeof k.name, "%s", name);
	else
		snprintf(k.name, sizeof k.name, "keep.local/%s", hex);
	key_id(&k, k.public_key, sizeof k.public_key, k.id);
	*ret = k;
	sodium_memzero(&k, sizeof k);
	return 0;
}

/* "[prefix]name+hexid+base64(type || 32 bytes)" */
static void key_text(const char *prefix, const struct note_key *k, const u8 key[32], char *out, size_t cap)
{
	u8 raw[33] = { (u8)k->type };
	char id[9], b[48];
	memcpy(raw + 1, key, 32);
	bytes_hex(k->id, 4, id);
	tlog_base64(raw, sizeof raw, b);
	int n = snprintf(out, cap, "%s%s+%s+%s", prefix, k->name, id, b);
	assert(n > 0 && (size_t)n < cap && k->type != NOTE_MLDSA44);
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

/* Split "name+hexid+base64(type || key)" and decode it; raw holds the type and the key. */
static int key_read(const char *text, size_t len, struct note_key *k, u8 *raw, size_t cap, size_t *ret_n)
{
	const char *p1 = memchr(text, '+', len);
	size_t name_len = p1 ? (size_t)(p1 - text) : 0;
	if (!p1 || name_len > NOTE_NAME_MAX || !name_ok(text, name_len) || len - name_len < 11 ||
		p1[9] != '+')
		return 1;
	memcpy(k->name, text, name_len);
	if (bytes_unhex(p1 + 1, 4, k->id) || tlog_unbase64(p1 + 10, len - name_len - 10, raw, cap, ret_n) ||
		*ret_n == 0)
		return 1;
	k->type = raw[0];
	return 0;
}

int tlog_note_key_from_vkey(const char *text, size_t len, struct note_key *ret)
{
	struct note_key k = { 0 };
	u8 raw[1 + MLDSA44_BYTES], id[4];
	size_t n;
	if (key_read(text, len, &k, raw, sizeof raw, &n))
		return 1;
	bool ed = k.type == NOTE_ED25519 || k.type == NOTE_COSIGNATURE;
	if (!(ed && n == 33) && !(k.type == NOTE_MLDSA44 && n == sizeof raw))
		return 1;
	key_id(&k, raw + 1, n - 1, id);
	if (memcmp(id, k.id, sizeof id) != 0)
		return 1;
	if (ed)
		memcpy(k.public_key, raw + 1, 32);
	else
		sha256_of(raw + 1, n - 1, k.public_key);
	*ret = k;
	return 0;
}

int tlog_note_key_from_secret(const char *text, struct note_key *ret)
{
	static const char prefix[] = "PRIVATE+KEY+";
	const size_t plen = sizeof prefix - 1;
	struct note_key k = { 0 };
	u8 id[4], raw[33];
	size_t len = strlen(text), n;
	if (len && text[len - 1] == '\n')
		len--;
	if (len < plen || memcmp(text, prefix, plen) != 0)
		return 1;
	int r = key_read(text + plen, len - plen, &k, raw, sizeof raw, &n);
	if (!r && n == sizeof raw && (k.type == NOTE_ED25519 || k.type == NOTE_COSIGNATURE)) {
		crypto_sign_seed_keypair(k.public_key, k.secret_key, raw + 1);
		key_id(&k, k.public_key, sizeof k.public_key, id);
		r = memcmp(id, k.id, sizeof id) != 0;
	} else {
		r = 1;
	}
	if (!r)
		*ret = k;
	sodium_memzero(raw, sizeof raw);
	sodium_memzero(&k, sizeof k);
	return r;
}

bool tlog_note_key_same(const struct note_key *a, const struct note_key *b)
{
	return strcmp(a->name, b->name) == 0 && memcmp(a->id, b->id, sizeof a->id) == 0;
}

/* ---- reading ---- */

/* A signature line, its pieces. */
struct sig {
	struct tlog_line name, blob;
	size_t n; /* bytes of the blob */
};

static int sig_parse(const struct tlog_line *line, struct sig *ret)
{
	struct tlog_line rest;
	if (!tlog_line_after(line, DASH, &rest))
		return 1;
	const char *sp = memchr(rest.s, ' ', rest.len);
	if (!sp)
		return 1;
	struct sig s = { .name = { rest.s, (size_t)(sp - rest.s) } };
	s.blob = (struct tlog_line){ sp + 1, rest.len - s.name.len - 1 };
	if (!name_ok(s.name.s, s.name.len) || tlog_unbase64(s.blob.s, s.blob.len, NULL, 0, &s.n) || s.n < 5)
		return 1;
	*ret = s;
	return 0;
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

int tlog_note_parse(const char *note, size_t len, struct note *ret)
{
	if (len == 0 || len > NOTE_BYTES_MAX || note[len - 1] != '\n' || !text_ok(note, len))
		return 1;
	size_t gap = len; /* of the last empty line: signatures stand behind it */
	for (size_t i = len - 1; i-- > 0 && gap == len;)
		if (note[i] == '\n' && note[i + 1] == '\n')
			gap = i;
	if (gap == len)
		return 1;
	struct note n = { note, gap + 1, note + gap + 2, len - gap - 2, 0 };
	struct tlog_text t = tlog_text(n.lines, n.lines_len);
	struct tlog_line line;
	struct sig s;
	bool good = n.lines_len != 0;
	for (; good && tlog_text_line(&t, &line) == 0; n.n_lines++)
		good = n.n_lines < NOTE_SIGNATURES_MAX && sig_parse(&line, &s) == 0;
	*ret = n;
	return good ? 0 : 2;
}

bool tlog_note_names(const struct note *n, const struct note_key *k)
{
	struct tlog_text t = tlog_text(n->lines, n->lines_len);
	struct tlog_line line, rest;
	size_t len = strlen(k->name);
	while (tlog_text_line(&t, &line) == 0)
		if (tlog_line_after(&line, DASH, &rest) && rest.len > len &&
			memcmp(rest.s, k->name, len) == 0 && rest.s[len] == ' ')
			return true;
	return false;
}

static bool sig_is_of(const struct sig *s, const struct note_key *k)
{
	u8 head[6];
	size_t n;
	if (strlen(k->name) != s->name.len || memcmp(k->name, s->name.s, s->name.len) != 0)
		return false;
	return tlog_unbase64(s->blob.s, 8, head, sizeof head, &n) == 0 && n >= 4 &&
	       memcmp(head, k->id, 4) == 0;
}

/* What a cosignature covers, to be freed. */
static u8 *cosigned(const char *text, size_t len, u64 time, size_t *ret_len)
{
	char head[64];
	int n = snprintf(head, sizeof head, "cosignature/v1\ntime %" PRIu64 "\n", time);
	u8 *p = malloc((size_t)n + len);
	if (!p)
		abort(); /* as SHA-256 does: there is nothing to decide */
	memcpy(p, head, (size_t)n);
	memcpy(p + n, text, len);
	*ret_len = (size_t)n + len;
	return p;
}

static bool cosignature_holds(const struct note *n, const struct note_key *k, const u8 *blob, u64 *ret_time)
{
	struct checkpoint cp;
	u64 time = bytes_u64be(blob + 4);
	size_t len;
	if (time > INT64_MAX || tlog_checkpoint_read(n->text, n->text_len, &cp))
		return false;
	u8 *msg = cosigned(n->text, n->text_len, time, &len);
	bool ok = crypto_sign_verify_detached(blob + 12, msg, len, k->public_key) == 0;
	free(msg);
	*ret_time = time;
	return ok;
}

static bool sig_holds(const struct note *n, const struct sig *s, const struct note_key *k, u64 *ret_time)
{
	u8 blob[COSIGN_BLOB];
	size_t len;
	*ret_time = 0;
	if (tlog_unbase64(s->blob.s, s->blob.len, blob, sizeof blob, &len))
		return false;
	if (k->type == NOTE_COSIGNATURE)
		return len == COSIGN_BLOB && cosignature_holds(n, k, blob, ret_time);
	return len == ED25519_BLOB &&
	       crypto_sign_verify_detached(blob + 4, (const u8 *)n->text, n->text_len, k->public_key) == 0;
}

int tlog_note_judge(const struct note *n, const struct note_key *keys, size_t n_keys, struct note_signed *ret)
{
	struct tlog_text t = tlog_text(n->lines, n->lines_len);
	struct tlog_line line;
	struct sig s;
	bool any = false, wrong = false;
	for (size_t i = 0; i < n_keys; i++)
		ret[i] = (struct note_signed){ 0 };
	while (tlog_text_line(&t, &line) == 0 && sig_parse(&line, &s) == 0) {
		for (size_t i = 0; i < n_keys; i++) {
			u64 time;
			if (keys[i].type == NOTE_MLDSA44 || !sig_is_of(&s, &keys[i]))
				continue;
			if (!sig_holds(n, &s, &keys[i], &time)) {
				wrong = true;
				continue;
			}
			any = ret[i].good = true;
			ret[i].time = MAX(ret[i].time, time);
		}
	}
	return wrong ? 2 : any ? 0 : 3;
}

int tlog_note_line_of(const struct note *n, const struct note_key *key, size_t *at, struct tlog_line *ret)
{
	struct tlog_text t = tlog_text(n->lines + *at, n->lines_len - *at);
	struct tlog_line line;
	struct sig s;
	while (tlog_text_line(&t, &line) == 0) {
		if (sig_parse(&line, &s) || !sig_is_of(&s, key))
			continue;
		*at = (size_t)(t.p - n->lines);
		*ret = (struct tlog_line){ line.s, line.len + 1 };
		return 0;
	}
	return 1;
}

int tlog_note_open(
	const char *note, size_t len, const struct note_key *keys, size_t n_keys, size_t *ret_text_len)
{
	struct note n;
	struct note_signed *s = calloc(n_keys ? n_keys : 1, sizeof *s);
	if (!s)
		abort();
	int r = tlog_note_parse(note, len, &n) ? 1 : tlog_note_judge(&n, keys, n_keys, s);
	free(s);
	if (r == 0)
		*ret_text_len = n.text_len;
	return r;
}

/* ---- signing ---- */

void tlog_note_line(const struct note_key *k, const char *text, size_t len, u64 time, char *out)
{
	u8 blob[COSIGN_BLOB];
	char b[4 * DIV_UP(sizeof blob, 3) + 1];
	size_t n = ED25519_BLOB;
	memcpy(blob, k->id, 4);
	if (k->type == NOTE_COSIGNATURE) {
		size_t msg_len;
		assert(time <= INT64_MAX);
		u8 *msg = cosigned(text, len, time, &msg_len);
		bytes_put_u64be(blob + 4, time);
		crypto_sign_detached(blob + 12, NULL, msg, msg_len, k->secret_key);
		free(msg);
		n = COSIGN_BLOB;
	} else {
		assert(k->type == NOTE_ED25519);
		crypto_sign_detached(blob + 4, NULL, (const u8 *)text, len, k->secret_key);
	}
	tlog_base64(blob, n, b);
	int w = snprintf(out, NOTE_SIGNATURE_MAX, DASH "%s %s\n", k->name, b);
	assert(w > 0 && (size_t)w < NOTE_SIGNATURE_MAX);
}

int tlog_note_sign(const struct note_key *k, const char *text, char *out, size_t cap)
{
	char line[NOTE_SIGNATURE_MAX];
	assert(k->type == NOTE_ED25519);
	tlog_note_line(k, text, strlen(text), 0, line);
	int n = snprintf(out, cap, "%s\n%s", text, line);
	return n > 0 && (size_t)n < cap ? 0 : 1;
}
