#include "tests/hostile/edit.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(x)                                                                               \
	do {                                                                                  \
		if (!(x)) {                                                                   \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #x); \
			abort();                                                              \
		}                                                                             \
	} while (0)

/* ---- apart ---------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	u32 bytes;
} types[] = { { "u8", 1 }, { "i8", 1 }, { "u16", 2 }, { "i16", 2 }, { "u32", 4 }, { "i32", 4 }, { "f32", 4 },
	{ "bool", 1 }, { "str", 0 }, { "arr", 0 }, { "u64", 8 }, { "i64", 8 }, { "f64", 8 } };
#define STR 8u
#define ARR 9u

struct cut {
	const u8 *p;
	u64 at, len;
};

static const u8 *take(struct cut *c, u64 n)
{
	MUST(n <= c->len - c->at);
	c->at += n;
	return c->p + c->at - n;
}

static u64 take_u64(struct cut *c)
{
	return bytes_u64le(take(c, 8));
}

static u32 take_u32(struct cut *c)
{
	return bytes_u32le(take(c, 4));
}

static void skip_value(struct cut *c, u32 type)
{
	if (type == STR) {
		take(c, take_u64(c));
		return;
	}
	MUST(type < ARRAY_LEN(types));
	take(c, types[type].bytes);
}

static void kv_read(struct cut *c, struct edit_kv *kv)
{
	kv->key_len = take_u64(c);
	kv->key = take(c, kv->key_len);
	kv->type = take_u32(c);
	u64 from = c->at;
	if (kv->type == ARR) {
		u32 elem = take_u32(c);
		for (u64 n = take_u64(c); n; n--)
			skip_value(c, elem);
	} else {
		skip_value(c, kv->type);
	}
	kv->value = c->p + from;
	kv->value_len = c->at - from;
}

static void tensor_read(struct cut *c, struct edit_tensor *t)
{
	t->name_len = take_u64(c);
	t->name = take(c, t->name_len);
	t->n_dims = take_u32(c);
	MUST(t->n_dims <= ARRAY_LEN(t->ne));
	for (u32 i = 0; i < ARRAY_LEN(t->ne); i++)
		t->ne[i] = i < t->n_dims ? take_u64(c) : 1;
	t->type = take_u32(c);
	t->offset = take_u64(c);
}

void edit_open(struct edit *e, const u8 *file, u64 len)
{
	struct cut c = { file, 4, len };
	*e = (struct edit){ .version = take_u32(&c) };
	e->say_tensors = take_u64(&c);
	e->say_kvs = take_u64(&c);
	MUST(e->say_tensors <= EDIT_TENSORS_MAX && e->say_kvs <= EDIT_KVS_MAX);
	e->n_tensors = (u32)e->say_tensors;
	e->n_kvs = (u32)e->say_kvs;
	for (u32 i = 0; i < e->n_kvs; i++)
		kv_read(&c, &e->kvs[i]);
	for (u32 i = 0; i < e->n_tensors; i++)
		tensor_read(&c, &e->tensors[i]);
	take(&c, ALIGN_UP(c.at, (u64)32) - c.at);
	e->data = file + c.at;
	e->data_len = len - c.at;
}

/* ---- bent ----------------------------------------------------------------------------------------------------------- */

static u8 *room(struct edit *e, u64 n)
{
	MUST(n <= sizeof e->room - e->used);
	e->used += (u32)n;
	return e->room + e->used - n;
}

static struct edit_kv *kv_find(struct edit *e, const char *key, u64 len)
{
	for (u32 i = 0; i < e->n_kvs; i++)
		if (e->kvs[i].key_len == len && !memcmp(e->kvs[i].key, key, len))
			return &e->kvs[i];
	return NULL;
}

static u64 full_key(struct edit *e, const char *said, u64 len, const char **ret)
{
	static char key[512];
	const struct edit_kv *arch = kv_find(e, "general.architecture", 20);
	if (*said != '.') {
		*ret = said;
		return len;
	}
	MUST(arch && arch->value_len - 8 + len < sizeof key);
	memcpy(key, arch->value + 8, arch->value_len - 8);
	memcpy(key + arch->value_len - 8, said, len);
	*ret = key;
	return arch->value_len - 8 + len;
}

static struct edit_kv *kv_make(struct edit *e, const char *said, u64 len)
{
	const char *key;
	len = full_key(e, said, len, &key);
	struct edit_kv *kv = kv_find(e, key, len);
	if (kv)
		return kv;
	MUST(e->n_kvs < EDIT_KVS_MAX);
	kv = &e->kvs[e->n_kvs++];
	e->say_kvs++;
	u8 *own = room(e, len);
	memcpy(own, key, len);
	*kv = (struct edit_kv){ .key = own, .key_len = len };
	return kv;
}

static u32 type_of(const char *s, u64 len)
{
	for (u32 i = 0; i < ARRAY_LEN(types); i++)
		if (strlen(types[i].name) == len && !memcmp(types[i].name, s, len))
			return i;
	MUST(!"a type's name");
	return 0;
}

static u64 number(const char *s)
{
	return *s == '-' ? (u64)strtoll(s, NULL, 0) : strtoull(s, NULL, 0);
}

/* One value, len bytes of text. */
static void put_value(struct edit *e, u32 type, const char *s, u64 len)
{
	f64 d = type == 6 || type == 12 ? strtod(s, NULL) : 0;
	f32 f = (f32)d;
	u64 n = type == STR ? len : number(s);
	if (type == STR) {
		memcpy(room(e, 8), &n, 8);
		memcpy(room(e, len), s, len);
		return;
	}
	memcpy(room(e, types[type].bytes),
		type == 6    ? (void *)&f
		: type == 12 ? (void *)&d
			     : (void *)&n,
		types[type].bytes);
}

/* TYPE:VALUE, TYPE*N:VALUE or say:TYPE,N */
static void kv_say(struct edit *e, struct edit_kv *kv, const char *s, u64 len)
{
	const char *colon = memchr(s, ':', len), *star = colon ? memchr(s, '*', (size_t)(colon - s)) : NULL;
	MUST(colon);
	u64 rest = len - (u64)(colon + 1 - s), n = star ? number(star + 1) : 1;
	bool say = !memcmp(s, "say:", 4);
	const char *name = say ? colon + 1 : s, *comma = memchr(s, ',', len);
	u32 type = type_of(name, (u64)((say ? comma : star ? star : colon) - name)), first = e->used;
	kv->type = say || star ? ARR : type;
	if (say)
		n = number(comma + 1);
	if (say || star) {
		memcpy(room(e, 4), &type, 4);
		memcpy(room(e, 8), &n, 8);
	}
	for (u64 i = 0; i < n && !say; i++)
		put_value(e, type, colon + 1, rest);
	kv->value = e->room + first;
	kv->value_len = e->used - first;
}

static struct edit_tensor *tensor_find(struct edit *e, const char *name, u64 len)
{
	for (u32 i = 0; i < e->n_tensors; i++)
		if (e->tensors[i].name_len == len && !memcmp(e->tensors[i].name, name, len))
			return &e->tensors[i];
	fprintf(stderr, "no tensor %.*s\n", (int)len, name);
	abort();
}

static void tensor_say(struct edit *e, struct edit_tensor *t, const char *s, u64 len)
{
	const char *colon = memchr(s, ':', len);
	MUST(colon);
	u64 v = number(colon + 1);
	if (!memcmp(s, "type", 4)) {
		t->type = (u32)v;
	} else if (!memcmp(s, "dims", 4)) {
		t->n_dims = (u32)v;
	} else if (!memcmp(s, "offset", 6)) {
		t->offset = v;
	} else if (!memcmp(s, "ne", 2) && s[2] <= '4') {
		t->ne[s[2] - '0'] = v;
	} else {
		MUST(!memcmp(s, "name", 4));
		t->name_len = len - 5;
		t->name = memcpy(room(e, t->name_len), colon + 1, t->name_len);
	}
}

static void head_say(struct edit *e, const char *s)
{
	const char *colon = strchr(s, ':');
	MUST(colon);
	u64 v = number(colon + 1);
	if (s[1] == 'v')
		e->version = (u32)v;
	else if (s[1] == 'k')
		e->say_kvs = v;
	else
		e->say_tensors = v;
}

static void drop(struct edit *e, const char *s, u64 len)
{
	const char *key;
	if (s[1] == '~') {
		struct edit_tensor *t = tensor_find(e, s + 2, len - 2);
		*t = e->tensors[--e->n_tensors];
		e->say_tensors--;
		return;
	}
	u64 n = full_key(e, s + 1, len - 1, &key);
	struct edit_kv *kv = kv_find(e, key, n);
	MUST(kv);
	*kv = e->kvs[--e->n_kvs];
	e->say_kvs--;
}

static void one(struct edit *e, const char *s, u64 len)
{
	const char *tilde = memchr(s, '~', len), *is = memchr(s, '=', len);
	if (*s == '@')
		head_say(e, s);
	else if (*s == '-')
		drop(e, s, len);
	else if (is)
		kv_say(e, kv_make(e, s, (u64)(is - s)), is + 1, len - (u64)(is + 1 - s));
	else if (tilde)
		tensor_say(e, tensor_find(e, s, (u64)(tilde - s)), tilde + 1, len - (u64)(tilde + 1 - s));
	else
		MUST(!"a change");
}

void edit_say(struct edit *e, const char *changes)
{
	for (const char *s = changes; *s; s += strspn(s, " ")) {
		u64 len = strcspn(s, " ");
		one(e, s, len);
		s += len;
	}
}

/* ---- together ------------------------------------------------------------------------------------------------------- */

struct sink {
	u8 *p;
	u64 len;
};

static void put(struct sink *k, const void *p, u64 n)
{
	MUST(n <= EDIT_BYTES_MAX - k->len);
	if (n)
		memcpy(k->p + k->len, p, n);
	k->len += n;
}

static void put_text(struct sink *k, const u8 *p, u64 len)
{
	put(k, &len, 8);
	put(k, p, len);
}

u8 *edit_write(const struct edit *e, u64 *ret_len)
{
	struct sink k = { calloc(1, EDIT_BYTES_MAX), 0 };
	MUST(k.p);
	put(&k, "GGUF", 4);
	put(&k, &e->version, 4);
	put(&k, &e->say_tensors, 8);
	put(&k, &e->say_kvs, 8);
	for (u32 i = 0; i < e->n_kvs; i++) {
		put_text(&k, e->kvs[i].key, e->kvs[i].key_len);
		put(&k, &e->kvs[i].type, 4);
		put(&k, e->kvs[i].value, e->kvs[i].value_len);
	}
	for (u32 i = 0; i < e->n_tensors; i++) {
		const struct edit_tensor *t = &e->tensors[i];
		put_text(&k, t->name, t->name_len);
		put(&k, &t->n_dims, 4);
		put(&k, t->ne, 8 * MIN(t->n_dims, (u32)ARRAY_LEN(t->ne)));
		put(&k, &t->type, 4);
		put(&k, &t->offset, 8);
	}
	k.len = ALIGN_UP(k.len, (u64)32);
	put(&k, e->data, e->data_len);
	*ret_len = k.len;
	return k.p;
}
