/* The layout job over models of every family whose metadata is bent, not broken: an input is a family, then changes, six bytes or more each: a metadata
 * entry or a tensor, and what becomes of it. So random bytes get past the reader of the file and reach what reads the network. */
#define _GNU_SOURCE
#include "tests/hostile/edit.h"
#include "tests/hostile/judge.h"
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEEDS_MAX 64u

static struct seed {
	u8 *data;
	size_t len;
} seeds[SEEDS_MAX];
static u32 n_seeds;

static int is_good(const struct dirent *d)
{
	size_t n = strlen(d->d_name);
	return !strncmp(d->d_name, "good-", 5) && n > 5 && !strcmp(d->d_name + n - 5, ".gguf") &&
	       strcmp(d->d_name, "good-alignment-64.gguf") != 0; /* edit.h knows one alignment */
}

/* The good models of tests/vectors/gguf, in the order of their names. */
static void load_seeds(void)
{
	struct dirent **e;
	int n = scandir(KEEP_VECTORS "/gguf", &e, is_good, alphasort);
	assert(n > 0 && n <= (int)SEEDS_MAX);
	_cleanup_fd_ int dir = open(KEEP_VECTORS "/gguf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < n; i++) {
		_cleanup_fd_ int fd = openat(dir, e[i]->d_name, O_RDONLY | O_CLOEXEC);
		int r = fd_read_file(fd, EDIT_BYTES_MAX, &seeds[i].data, &seeds[i].len);
		assert(r == 0);
		free(e[i]);
	}
	free(e);
	n_seeds = (u32)n;
}

/* Six bytes of the input: what, which, how, and a number. */
struct change {
	u8 what, which, how, low, high, shift;
};

static u64 number_of(const struct change *c)
{
	static const u64 odd[] = { 0, 1, 2, 3, 5, 7, 8, 15, 16, 32, 33, 255, 256, 512, 513, 1024, 1025, 65536,
		262144, 262145, INT32_MAX, 0x80000000u, UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63,
		UINT64_MAX };
	if (c->how & 0x80)
		return odd[c->low % ARRAY_LEN(odd)];
	return ((u64)c->high << 8 | c->low) << c->shift % 57;
}

/* Another number in place of that of an entry, of one type or of another, or of an array's count. */
static void bend_kv(struct edit *e, const struct change *c)
{
	static const u32 widths[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
	struct edit_kv *kv = &e->kvs[c->which % e->n_kvs];
	u64 v = number_of(c);
	if (sizeof e->room - e->used < kv->value_len + 16)
		return;
	u8 *own = e->room + e->used;
	memcpy(own, kv->value, kv->value_len);
	if (kv->type == 9 && kv->value_len >= 20) /* an array: an element, its type, or how many */
		memcpy(own + (c->how % 4 == 0	       ? 4
				     : c->how % 4 == 1 ? 0
						       : 12 + 4 * (c->high % ((kv->value_len - 12) / 4))),
			&v, c->how % 4 == 0 ? 8 : 4);
	else if (kv->type < 13)
		memcpy(own, &v, widths[kv->type]);
	if (c->how % 8 == 7) { /* another type, with as many bytes as it takes */
		kv->type = c->high % 13;
		memcpy(own, &v, 8);
		kv->value_len = kv->type == 8 ? 8 : kv->type == 9 ? kv->value_len : widths[kv->type];
		if (kv->type == 8)
			memset(own, 0, 8);
	}
	kv->value = own;
	e->used += (u32)kv->value_len + 8;
}

static void bend_tensor(struct edit *e, const struct change *c)
{
	struct edit_tensor *t = &e->tensors[c->which % e->n_tensors];
	u64 v = number_of(c);
	switch (c->how % 8) {
	case 0:
		t->type = (u32)v;
		break;
	case 1:
		t->offset = v;
		break;
	case 2:
		t->n_dims = (u32)(v % 6);
		break;
	case 3: /* the name of another */
		t->name = e->tensors[c->high % e->n_tensors].name;
		t->name_len = e->tensors[c->high % e->n_tensors].name_len;
		break;
	default:
		t->ne[c->how % 4] = v;
	}
}

/* An entry of another family's model, or none. */
static void swap_kv(struct edit *e, const struct change *c)
{
	static struct edit other;
	const struct seed *s = &seeds[c->high % n_seeds];
	if (c->how % 2) {
		e->kvs[c->which % e->n_kvs] = e->kvs[e->n_kvs - 1];
		e->n_kvs -= e->n_kvs > 1;
		e->say_kvs = e->n_kvs;
		return;
	}
	edit_open(&other, s->data, s->len);
	if (e->n_kvs < EDIT_KVS_MAX)
		e->kvs[e->n_kvs++] = other.kvs[c->low % other.n_kvs];
	e->say_kvs = e->n_kvs;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct edit e;
	struct attest_report report;
	if (!n_seeds)
		load_seeds();
	if (!size)
		return 0;
	const struct seed *s = &seeds[data[0] % n_seeds];
	edit_open(&e, s->data, s->len);
	for (size_t at = 1; at + sizeof(struct change) <= size && at < 96; at += sizeof(struct change)) {
		struct change c;
		memcpy(&c, data + at, sizeof c);
		(c.what % 8 < 5 ? bend_kv : c.what % 8 < 7 ? bend_tensor : swap_kv)(&e, &c);
	}
	u64 len;
	u8 *file = edit_write(&e, &len), *exact = malloc(len);
	assert(exact);
	memcpy(exact, file, len);
	hostile_judge(exact, len, &report);
	free(exact);
	free(file);
	return 0;
}
