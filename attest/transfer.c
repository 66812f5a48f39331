/* Threats: a header that promises more than the file holds, a name that leads elsewhere, a member that another tar would see
 * otherwise than we do. The last one matters little, because only what the signature covers is ever used. */
#define _GNU_SOURCE
#include "attest/transfer.h"
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK	       TRANSFER_BLOCK
#define PAX_BYTES_MAX  4096u /* of the records before one member */
#define END_BLOCKS_MAX 128u  /* zeros that tars put at the end; GNU's fill 20 blocks */
#define NAME_BYTES     (sizeof((struct attest_transfer *)0)->name)

/* POSIX.1-2017, pax, "ustar Interchange Format". */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6],
		version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
static_assert(sizeof(struct header) == BLOCK, "a header is a block");

struct reader {
	int fd;
	u64 size, at;
	struct attest_transfer *t;
	struct attest_report *report;
	u32 cap;
	char path[PATH_LEN_MAX + NAME_BYTES + 2]; /* of the member */
	u64 bytes;
	bool pax_path, pax_size; /* said by the records before it */
};

static int wrong(struct reader *r, const char *why)
{
	char path[PATH_LEN_MAX + 1] = "";
	attest_text(path, sizeof path, r->path, strlen(r->path));
	return attest_reject(
		r->report, ATTEST_TRANSFER, path, "transfer, at byte %" PRIu64 ": %s", r->at, why);
}

/* ---- numbers ---- */

static u32 checksum(const struct header *h)
{
	const u8 *b = (const u8 *)h;
	u32 sum = 0;
	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= offsetof(struct header, sum) && i < offsetof(struct header, type) ? ' ' : b[i];
	return sum;
}

/* Octal digits with blanks before and a blank or 0 behind. 0; 1 it is none. */
static int octal(const char *s, size_t n, u64 *ret)
{
	u64 v = 0;
	size_t i = 0, digits = 0;
	while (i < n && s[i] == ' ')
		i++;
	for (; i < n && s[i] >= '0' && s[i] <= '7'; i++, digits++) {
		if (v >> 61)
			return 1;
		v = v << 3 | (u64)(s[i] - '0');
	}
	if (!digits || (i < n && s[i] && s[i] != ' '))
		return 1;
	*ret = v;
	return 0;
}

/* Octal, or a first byte of 0x80 and the number behind it. */
static int size_field(const char s[12], u64 *ret)
{
	if ((u8)s[0] != 0x80)
		return octal(s, 12, ret);
	u64 v = 0;
	for (size_t i = 1; i < 12; i++) {
		if (v >> 56)
			return 1;
		v = v << 8 | (u8)s[i];
	}
	*ret = v;
	return 0;
}

static int decimal(const char *s, size_t n, u64 *ret)
{
	u64 v = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' || v > (UINT64_MAX - 9) / 10)
			return 1;
		v = v * 10 + (u64)(s[i] - '0');
	}
	*ret = v;
	return n == 0;
}

/* ---- pax records: "LENGTH KEY=VALUE\n", the length of all of it ---- */

static int pax_record(struct reader *r, const char *s, size_t len)
{
	const char *eq = memchr(s, '=', len);
	if (!eq)
		return wrong(r, "a pax record has no value");
	const char *v = eq + 1;
	size_t key = (size_t)(eq - s), n = len - key - 1;
	if (key == 4 && !memcmp(s, "path", 4)) {
		if (n >= sizeof r->path || memchr(v, 0, n))
			return wrong(r, "a name is too long, or no text");
		memcpy(r->path, v, n);
		r->path[n] = 0;
		r->pax_path = true;
	} else if (key == 4 && !memcmp(s, "size", 4)) {
		if (decimal(v, n, &r->bytes))
			return wrong(r, "a size is no number");
		r->pax_size = true;
	}
	return 0;
}

static int pax_read(struct reader *r, u64 bytes)
{
	char data[PAX_BYTES_MAX];
	if (bytes > sizeof data)
		return wrong(r, "the records before a member are too long");
	int e = fd_pread_all(r->fd, data, bytes, r->at + BLOCK);
	for (size_t at = 0; !e && at < bytes;) {
		char *blank = memchr(data + at, ' ', bytes - at);
		size_t digits = blank ? (size_t)(blank - data) - at : 0;
		u64 len = 0;
		if (!blank || decimal(data + at, digits, &len) || len < digits + 3 || len > bytes - at ||
			data[at + len - 1] != '\n')
			return wrong(r, "a pax record is malformed");
		e = pax_record(r, blank + 1, len - digits - 2);
		at += len;
	}
	return e;
}

/* ---- members ---- */

/* The header's name, where no record has said another. 0; 1 rejected. */
static int name_of(struct reader *r, const struct header *h)
{
	bool ustar = !memcmp(h->magic, "ustar", 6);
	size_t prefix = ustar ? strnlen(h->prefix, sizeof h->prefix) : 0,
	       n = strnlen(h->name, sizeof h->name);
	if (r->pax_path)
		return 0;
	r->path[0] = 0;
	if (prefix + n + 2 > sizeof r->path)
		return wrong(r, "a name is too long");
	memcpy(r->path, h->prefix, prefix);
	if (prefix)
		r->path[prefix++] = '/';
	memcpy(r->path + prefix, h->name, n);
	r->path[prefix + n] = 0;
	return 0;
}

/* The first member is NAME.sig. */
static int first(struct reader *r)
{
	struct attest_transfer *t = r->t;
	size_t n = strlen(r->path);
	if (n < 5 || n - 4 >= sizeof t->name || strcmp(r->path + n - 4, ".sig") || strchr(r->path, '/') ||
		!path_ok(r->path, n))
		return wrong(r, "its first member is not the bundle NAME.sig");
	memcpy(t->name, r->path, n - 4);
	return 0;
}

/* The path within the model of a member that is one of its files, or NULL. */
static const char *file_path(const struct reader *r)
{
	size_t n = strlen(r->t->name);
	if (strncmp(r->path, r->t->name, n))
		return NULL;
	return r->path[n] == '/' ? r->path + n + 1 : r->path[n] == 0 ? r->t->name : NULL;
}

static int add_file(struct reader *r, const char *path)
{
	struct attest_transfer *t = r->t;
	size_t n = strlen(path);
	if (!path_ok(path, n))
		return attest_reject(r->report, ATTEST_PATH, r->path,
			"the name is not plain UTF-8 of at most %u bytes", PATH_LEN_MAX);
	if (t->n_files == MODEL_FILES_MAX)
		return attest_reject(r->report, ATTEST_FILE_LIMIT, path, "the model has more than %u files",
			MODEL_FILES_MAX);
	if (t->single || (path == t->name && t->n_files))
		return wrong(r, "a model is one file or a directory of files");
	if (t->n_files == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 16;
		struct attest_transfer_member *more = reallocarray(t->files, r->cap, sizeof *more);
		if (!more)
			return err_origin(-ENOMEM);
		t->files = more;
	}
	struct attest_transfer_member *m = &t->files[t->n_files++];
	*m = (struct attest_transfer_member){ .offset = r->at + BLOCK, .bytes = r->bytes };
	memcpy(m->path, path, n);
	t->single = path == t->name;
	return 0;
}

static int add_bundle(struct reader *r)
{
	struct attest_transfer *t = r->t;
	char want[NAME_BYTES + 16];
	snprintf(want, sizeof want, t->n_bundles ? "%s.%u.sig" : "%s.sig", t->name, t->n_bundles);
	if (strcmp(want, r->path))
		return wrong(r, "a member is neither a file below NAME nor the next bundle");
	if (t->n_bundles == BUNDLES_MAX || t->n_files)
		return wrong(r, t->n_files ? "a bundle stands behind files" : "it has too many bundles");
	if (r->bytes > BUNDLE_BYTES_MAX)
		return wrong(r, "a bundle is longer than 64 MiB");
	t->bundles[t->n_bundles++] =
		(struct attest_transfer_member){ .offset = r->at + BLOCK, .bytes = r->bytes };
	return 0;
}

static int add_member(struct reader *r, char type)
{
	if (type == '5')
		return r->bytes ? wrong(r, "a directory has bytes") : 0;
	if (type != '0' && type != 0)
		return wrong(r, "a member is neither a file nor a directory");
	int e = r->t->n_bundles ? 0 : first(r);
	if (e)
		return e;
	const char *path = r->t->n_bundles ? file_path(r) : NULL;
	return path ? add_file(r, path) : add_bundle(r);
}

/* From one header to the next. 0; 1 rejected; 2 the end; -errno. */
static int step(struct reader *r)
{
	static const struct header zero;
	struct header h;
	u64 bytes;
	if (r->size - r->at < BLOCK)
		return wrong(r, "it ends too early");
	int e = fd_pread_all(r->fd, &h, sizeof h, r->at);
	if (e)
		return e;
	if (!memcmp(&h, &zero, sizeof h))
		return 2;
	u64 sum;
	if (octal(h.sum, sizeof h.sum, &sum) || sum != checksum(&h) || memcmp(h.magic, "ustar", 5) ||
		size_field(h.size, &bytes))
		return wrong(r, "that is no header of a tar archive");
	if (h.type == 'x' || !r->pax_size)
		r->bytes = bytes;
	bytes = r->bytes;
	if (bytes > r->size - r->at - BLOCK)
		return wrong(r, "a member reaches beyond the end");
	e = h.type == 'x' ? pax_read(r, bytes) : name_of(r, &h);
	if (!e && h.type != 'x') {
		e = add_member(r, h.type);
		r->pax_path = r->pax_size = false;
	}
	r->at += BLOCK + bytes + attest_transfer_padding(bytes);
	return e || r->at <= r->size ? e : wrong(r, "it ends too early");
}

/* Behind the members there is nothing. */
static int end(struct reader *r)
{
	static const u8 zero[BLOCK];
	u8 block[BLOCK];
	r->path[0] = 0;
	if (r->size - r->at > END_BLOCKS_MAX * BLOCK || (r->size - r->at) % BLOCK)
		return wrong(r, "more than zeros stands behind its members");
	for (; r->at < r->size; r->at += BLOCK) {
		int e = fd_pread_all(r->fd, block, sizeof block, r->at);
		if (e || memcmp(block, zero, sizeof block))
			return e ? e : wrong(r, "more than zeros stands behind its members");
	}
	return r->t->n_files ? 0
			     : attest_reject(r->report, ATTEST_EMPTY_MODEL, r->t->name,
				       "the transfer holds no file");
}

/* ---- all ---- */

bool attest_transfer_is(int fd)
{
	struct header h;
	u64 size;
	return fd_regular_size(fd, &size) == 0 && size >= sizeof h &&
	       fd_pread_all(fd, &h, sizeof h, 0) == 0 && !memcmp(h.magic, "ustar", 5);
}

int attest_transfer_read(int fd, struct attest_transfer *ret, struct attest_report *report)
{
	struct attest_transfer t = { .n_files = 0 };
	struct reader r = { .fd = fd, .t = &t, .report = report };
	int e = fd_regular_size(fd, &r.size);
	if (e)
		return e > 0 ? wrong(&r, "not a regular file") : e;
	while (!e)
		e = step(&r);
	e = e == 2 ? end(&r) : e;
	if (e) {
		attest_transfer_fini(&t);
		return e == -ENODATA ? wrong(&r, "it became shorter while it was read") : e;
	}
	*ret = t;
	return 0;
}

void attest_transfer_fini(struct attest_transfer *t)
{
	free(t->files);
	t->files = NULL;
}

int attest_transfer_bundle(int fd, const struct attest_transfer *t, u32 i, u8 **ret, size_t *ret_len)
{
	assert(i < t->n_bundles);
	size_t n = (size_t)t->bundles[i].bytes;
	_cleanup_free_ u8 *data = malloc(n + 1);
	int r = data ? fd_pread_all(fd, data, n, t->bundles[i].offset) : err_origin(-ENOMEM);
	if (r)
		return r;
	data[n] = 0;
	*ret = data;
	*ret_len = n;
	data = NULL;
	return 0;
}

/* ---- writing ---- */

#define SIZE_MAX_OCTAL 077777777777ull

static void put_octal(char *field, size_t n, u64 v)
{
	field[n - 1] = 0;
	for (size_t i = n - 1; i-- > 0; v >>= 3)
		field[i] = (char)('0' + (v & 7));
}

/* Where to cut a name into prefix and name; 0: it needs no prefix; SIZE_MAX: it does not fit. */
static size_t cut_at(const char *s, size_t n)
{
	struct header h;
	if (n <= sizeof h.name)
		return 0;
	for (size_t i = MIN(n, sizeof h.prefix + 1); i-- > 1;)
		if (s[i] == '/')
			return n - i - 1 <= sizeof h.name ? i : SIZE_MAX;
	return SIZE_MAX;
}

static void put_header(struct header *h, const char *name, u64 bytes, char type)
{
	size_t n = strlen(name), cut = cut_at(name, n);
	memset(h, 0, sizeof *h);
	if (cut == SIZE_MAX) { /* the pax record has it */
		n = sizeof h->name;
		cut = 0;
	}
	memcpy(h->prefix, name, cut);
	memcpy(h->name, name + cut + (cut > 0), n - cut - (cut > 0));
	put_octal(h->mode, sizeof h->mode, 0644);
	put_octal(h->uid, sizeof h->uid, 0);
	put_octal(h->gid, sizeof h->gid, 0);
	put_octal(h->size, sizeof h->size, MIN(bytes, SIZE_MAX_OCTAL));
	put_octal(h->mtime, sizeof h->mtime, 0);
	h->type = type;
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	put_octal(h->sum, 7, checksum(h));
	h->sum[7] = ' ';
}

/* "LENGTH key=value\n", where the length counts its own digits. */
static size_t put_record(char *out, size_t cap, const char *key, const char *value)
{
	size_t n = strlen(key) + strlen(value) + 3, len = n + 1;
	while (len != n + (size_t)snprintf(NULL, 0, "%zu", len))
		len = n + (size_t)snprintf(NULL, 0, "%zu", len);
	int w = snprintf(out, cap, "%zu %s=%s\n", len, key, value);
	assert(w > 0 && (size_t)w == len && len < cap);
	return len;
}

size_t attest_transfer_header(const char *member, u64 bytes, u8 ret[TRANSFER_HEADER_MAX])
{
	char records[2 * BLOCK], number[32];
	size_t n = 0, at = 0;
	assert(strlen(member) < NAME_BYTES + PATH_LEN_MAX + 16);
	if (cut_at(member, strlen(member)) == SIZE_MAX)
		n += put_record(records, sizeof records, "path", member);
	snprintf(number, sizeof number, "%" PRIu64, bytes);
	if (bytes > SIZE_MAX_OCTAL)
		n += put_record(records + n, sizeof records - n, "size", number);
	memset(ret, 0, TRANSFER_HEADER_MAX);
	if (n) {
		put_header((struct header *)ret, "pax", n, 'x');
		memcpy(ret + BLOCK, records, n);
		at = BLOCK + n + attest_transfer_padding(n);
	}
	struct header h;
	put_header(&h, member, bytes, '0');
	memcpy(ret + at, &h, sizeof h);
	return at + BLOCK;
}
