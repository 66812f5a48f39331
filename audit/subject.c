#include "audit/subject.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "KEEPSUB1";
static const struct subject empty;

static_assert(SUBJECT_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the key is the cipher's");
static_assert(SUBJECT_SEAL_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
					    crypto_aead_xchacha20poly1305_ietf_ABYTES,
	"nonce and tag");

/* ---- the file ---- */

static bool whole(const struct subject *s)
{
	u8 check[SHA256_BYTES];
	sha256_of(s, offsetof(struct subject, check), check);
	return memcmp(s->magic, magic, sizeof magic) == 0 && memcmp(check, s->check, sizeof check) == 0 &&
	       bytes_str_ok(s->name, sizeof s->name) && audit_subject_name_ok(s->name);
}

static bool is_empty(const struct subject *s)
{
	return memcmp(s, &empty, sizeof empty) == 0;
}

/* A damaged slot keeps its place on the disk and counts as a subject without a name. */
static void look(struct subjects *s)
{
	for (u32 i = 0; i < s->n; i++) {
		if (is_empty(&s->v[i]) || whole(&s->v[i]))
			continue;
		sodium_memzero(&s->v[i], sizeof s->v[i]);
		memset(s->v[i].magic, '?', sizeof s->v[i].magic);
		s->n_damaged++;
	}
}

static int open_file(int store, int *ret_fd)
{
	_cleanup_fd_ int keys = openat(store, "keys", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (keys < 0)
		return err_errno();
	bool fresh = faccessat(keys, "subjects", F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	_cleanup_fd_ int fd = openat(keys, "subjects", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || (fresh && fsync(keys) < 0))
		return err_errno();
	*ret_fd = fd_steal(&fd);
	return 0;
}

int audit_subjects_open(int store, struct subjects *ret)
{
	struct subjects s = SUBJECTS_NONE;
	u64 size;
	int r = open_file(store, &s.fd);
	if (!r)
		r = fd_regular_size(s.fd, &size);
	if (!r && (size % sizeof *s.v || size / sizeof *s.v > SUBJECTS_MAX))
		r = 1;
	if (!r) {
		s.v = sodium_allocarray(SUBJECTS_MAX, sizeof *s.v);
		r = s.v ? 0 : err_origin(-ENOMEM);
	}
	if (!r) {
		memset(s.v, 0, SUBJECTS_MAX * sizeof *s.v);
		s.n = (u32)(size / sizeof *s.v);
		r = fd_pread_all(s.fd, s.v, size, 0);
	}
	if (r) {
		audit_subjects_close(&s);
		return r;
	}
	look(&s);
	*ret = s;
	return 0;
}

void audit_subjects_close(struct subjects *s)
{
	sodium_free(s->v);
	s->v = NULL;
	fd_close(&s->fd);
}

static int put(struct subjects *s, u32 i, const struct subject *slot)
{
	int r = fd_pwrite_all(s->fd, slot, sizeof *slot, (u64)i * sizeof *slot);
	if (!r && fdatasync(s->fd) < 0)
		r = err_errno();
	return r;
}

/* ---- subjects ---- */

bool audit_subject_name_ok(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n <= NAME_LEN_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._:@-") == n;
}

struct subject *audit_subject_find(struct subjects *s, const char *name)
{
	for (u32 i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0 && !is_empty(&s->v[i]))
			return &s->v[i];
	return NULL;
}

int audit_subject_make(struct subjects *s, const char *name, u64 made, struct subject **ret)
{
	struct subject *slot = NULL;
	assert(audit_subject_name_ok(name) && !audit_subject_find(s, name));
	for (u32 i = 0; i < SUBJECTS_MAX && !slot; i++)
		if (is_empty(&s->v[i]))
			slot = &s->v[i];
	if (!slot)
		return 1;
	u32 at = (u32)(slot - s->v);
	memcpy(slot->magic, magic, sizeof magic);
	slot->made = made;
	strcpy(slot->name, name);
	randombytes_buf(slot->key, sizeof slot->key);
	randombytes_buf(slot->salt, sizeof slot->salt);
	sha256_of(slot, offsetof(struct subject, check), slot->check);
	int r = put(s, at, slot);
	if (r) { /* the disk may hold it: as a damaged slot it is not used again in this process */
		sodium_memzero(slot, sizeof *slot);
		memset(slot->magic, '?', sizeof slot->magic);
	}
	s->n = MAX(s->n, at + 1);
	if (!r)
		*ret = slot;
	return r;
}

int audit_subject_destroy(struct subjects *s, struct subject *subject)
{
	assert(subject >= s->v && subject < s->v + s->n);
	int r = put(s, (u32)(subject - s->v), &empty);
	if (!r)
		sodium_memzero(subject, sizeof *subject);
	return r;
}

/* ---- commitments ---- */

void audit_subject_salt(const struct subject *s, u64 intent, u8 ret[SHA256_BYTES])
{
	static const char what[] = "keep exchange\n";
	u8 text[sizeof what - 1 + sizeof intent];
	memcpy(text, what, sizeof what - 1);
	memcpy(text + sizeof what - 1, &intent, sizeof intent);
	crypto_generichash(ret, SHA256_BYTES, text, sizeof text, s->salt, sizeof s->salt);
}

void audit_subject_commit(
	const struct subject *s, u64 intent, const u8 digest[SHA256_BYTES], u8 ret[SHA256_BYTES])
{
	u8 both[2 * SHA256_BYTES];
	audit_subject_salt(s, intent, both);
	memcpy(both + SHA256_BYTES, digest, SHA256_BYTES);
	sha256_of(both, sizeof both, ret);
	sodium_memzero(both, sizeof both);
}

/* ---- texts ---- */

/* What is bound to a sealed text: of which record and of whom it is. */
struct bound {
	char what[8];
	u64 index;
	char name[NAME_LEN_MAX + 8];
};

static struct bound bound_of(const struct subject *s, u64 index)
{
	struct bound b = { .what = "KEEPTXT1", .index = index };
	memcpy(b.name, s->name, sizeof b.name);
	return b;
}

int audit_subject_seal(
	const struct subject *s, u64 index, const void *text, size_t len, u8 **ret_data, size_t *ret_len)
{
	struct bound b = bound_of(s, index);
	u8 *data = malloc(len + SUBJECT_SEAL_BYTES);
	unsigned long long n;
	if (!data)
		return err_origin(-ENOMEM);
	const size_t nonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
	randombytes_buf(data, nonce);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		data + nonce, &n, text, len, (const u8 *)&b, sizeof b, NULL, data, s->key);
	assert(n + nonce == len + SUBJECT_SEAL_BYTES);
	*ret_data = data;
	*ret_len = len + SUBJECT_SEAL_BYTES;
	return 0;
}

int audit_subject_unseal(const struct subject *s, u64 index, const void *data, size_t len, u8 *text)
{
	struct bound b = bound_of(s, index);
	const size_t nonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
	const u8 *p = data;
	if (len < SUBJECT_SEAL_BYTES)
		return 1;
	return crypto_aead_xchacha20poly1305_ietf_decrypt(
		       text, NULL, NULL, p + nonce, len - nonce, (const u8 *)&b, sizeof b, p, s->key) == 0
		       ? 0
		       : 1;
}
