/* What a model's signed files say of the model: its licence and its sequence. Only files of the segment table are read, each compared
 * with its digest there before a byte of it is looked at. */
#include "attest/internal.h"
#include "attest/policy.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A small signed file. 0; 1 rejected; 2 there is none of that name, or it is longer than max; -errno. */
static int file_read(const struct attest_content_params *p, const char *name, u64 max, u8 **ret,
	size_t *ret_len, struct attest_report *report)
{
	u32 i = 0, j = 0;
	while (i < p->segments->h->n_files && strcmp(p->segments->files[i].path, name))
		i++;
	while (j < p->n_files && strcmp(p->files[j].path, name))
		j++;
	if (i == p->segments->h->n_files || j == p->n_files || p->segments->files[i].bytes > max)
		return 2;
	size_t len = (size_t)p->segments->files[i].bytes;
	_cleanup_free_ u8 *data = calloc(1, len + 1);
	if (!data)
		return err_origin(-ENOMEM);
	u8 digest[SHA256_BYTES];
	int r = len ? fd_pread_all(p->files[j].fd, data, len, 0) : 0;
	if (r == -ENODATA)
		return attest_reject(
			report, ATTEST_CHANGED, name, "%s became shorter while it was read", name);
	if (r)
		return attest_about(report, r, name);
	sha256_of(data, len, digest);
	if (memcmp(digest, p->segments->files[i].digest, sizeof digest)) {
		attest_reject(report, ATTEST_DIGEST, name, "%s is not the file that was signed", name);
		attest_expected_hex(report, p->segments->files[i].digest, digest);
		return 1;
	}
	*ret = data;
	data = NULL;
	*ret_len = len;
	return 0;
}

/* ---- sequence: one decimal number and at most a line feed ---------------------------------------------------------------------- */

static int sequence_read(
	const struct attest_content_params *p, struct attest_policy_content *c, struct attest_report *report)
{
	_cleanup_free_ u8 *data = NULL;
	size_t len = 0;
	u64 v = 0;
	for (u32 i = 0; i < p->segments->h->n_files; i++)
		c->has_sequence |= !strcmp(p->segments->files[i].path, SEQUENCE_FILE);
	if (!c->has_sequence)
		return 0;
	int r = file_read(p, SEQUENCE_FILE, SEQUENCE_BYTES_MAX, &data, &len, report);
	if (r == 1 || r < 0)
		return r;
	size_t n = len && data[len - 1] == '\n' ? len - 1 : len;
	bool ok = r == 0 && n > 0 && data[0] != '0';
	for (size_t i = 0; ok && i < n; i++)
		ok = data[i] >= '0' && data[i] <= '9' && !__builtin_mul_overflow(v, 10u, &v) &&
		     !__builtin_add_overflow(v, (u64)(data[i] - '0'), &v);
	c->sequence = ok && v <= INT64_MAX ? v : 0;
	return 0;
}

/* ---- licence: of the header, of the card --------------------------------------------------------------------------------------- */

/* A scalar of one line without its quotes and blanks. */
static void trim(const char **p, size_t *n)
{
	while (*n && (**p == ' ' || **p == '\t'))
		(*p)++, (*n)--;
	while (*n && ((*p)[*n - 1] == ' ' || (*p)[*n - 1] == '\t' || (*p)[*n - 1] == '\r'))
		(*n)--;
	if (*n >= 2 && (**p == '"' || **p == '\'') && (*p)[*n - 1] == **p) {
		(*p)++;
		*n -= 2;
	}
}

/* The value of "license:" in the front matter (between a first line "---" and the next) of a card. False: there is none. */
static bool card_licence(const char *s, size_t len, const char **ret, size_t *ret_len)
{
	static const char key[] = "license:";
	bool inside = false;
	for (size_t at = 0; at < len;) {
		const char *line = s + at, *end = memchr(line, '\n', len - at);
		size_t n = end ? (size_t)(end - line) : len - at, bare = n && line[n - 1] == '\r' ? n - 1 : n;
		bool fence = bare == 3 && !memcmp(line, "---", 3);
		if (fence == inside)
			return false; /* no front matter, or its end */
		inside = true;
		if (n > sizeof key - 1 && !memcmp(line, key, sizeof key - 1)) {
			*ret = line + sizeof key - 1;
			*ret_len = n - (sizeof key - 1);
			trim(ret, ret_len);
			return *ret_len > 0;
		}
		at += n + 1;
	}
	return false;
}

static void licence_take(
	const char *p, size_t n, const char *from, char *licence, struct attest_policy_content *c)
{
	bool had = c->licence || c->licence_why;
	if (n > LICENCE_BYTES_MAX || !bytes_utf8_ok(p, n) || memchr(p, 0, n)) {
		c->licence_why = "the licence that it states is not text, or is too long";
	} else if (c->licence && (strlen(c->licence) != n || strncasecmp(c->licence, p, n))) {
		c->licence_why = "its header and its card state different licences";
	} else if (!had) {
		memcpy(licence, p, n);
		licence[n] = 0;
		c->licence = licence;
		c->licence_from = from;
	}
	if (c->licence_why)
		c->licence = NULL;
}

static int licences_read(const struct attest_content_params *p, char *licence,
	struct attest_policy_content *c, struct attest_report *report)
{
	_cleanup_free_ u8 *card = NULL;
	struct layout l;
	const char *why, *text;
	size_t len;
	if (layout_open(p->layout, p->layout_len, NULL, &l, &why))
		return err_origin(-EINVAL);
	if (l.h->license.len)
		licence_take(l.strings + l.h->license.off, l.h->license.len, "general.license", licence, c);
	int r = file_read(p, "README.md", CARD_BYTES_MAX, &card, &len, report);
	if (r == 1 || r < 0)
		return r;
	if (r == 0 && card_licence((const char *)card, len, &text, &len))
		licence_take(text, len, "README.md", licence, c);
	if (!c->licence && !c->licence_why)
		c->licence_why = "it states no licence";
	return 0;
}

int attest_content_read(const struct attest_content_params *p, char *licence,
	struct attest_policy_content *ret, struct attest_report *report)
{
	struct attest_policy_content c = *ret;
	c.licence = c.licence_why = NULL;
	c.licence_from = "";
	c.has_sequence = false;
	c.sequence = 0;
	int r = licences_read(p, licence, &c, report);
	r = r ? r : sequence_read(p, &c, report);
	if (!r)
		*ret = c;
	return r;
}
