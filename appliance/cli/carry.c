#define _GNU_SOURCE
#include "cli/carry.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "cli/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX (2 * SHA256_BYTES + 8 + 4096u)

static int make(u64 bytes, u64 part_bytes, struct carry_list *ret)
{
	struct carry_list l = { .bytes = bytes, .part_bytes = part_bytes };
	if (!bytes || !part_bytes || (bytes - 1) / part_bytes >= TRANSFER_PARTS_MAX)
		return 1;
	l.n_parts = (u32)((bytes - 1) / part_bytes) + 1;
	l.digests = calloc(l.n_parts, sizeof *l.digests);
	l.has = calloc(l.n_parts, sizeof *l.has);
	if (!l.digests || !l.has) {
		carry_list_fini(&l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

int carry_list_make(const char *name, const u8 model[MODEL_DIGEST_BYTES], u64 bytes, u64 part_bytes,
	struct carry_list *ret)
{
	char hex[2 * MODEL_DIGEST_BYTES + 1];
	int r = make(bytes, part_bytes, ret);
	if (r)
		return r;
	bytes_hex(model, MODEL_DIGEST_BYTES, hex);
	snprintf(ret->name, sizeof ret->name, "%s", name);
	snprintf(ret->what, sizeof ret->what,
		"# keep transfer %s %s: %" PRIu64 " bytes in %u parts of %" PRIu64, name, hex, bytes,
		ret->n_parts, part_bytes);
	return 0;
}

void carry_list_fini(struct carry_list *l)
{
	free(l->digests);
	free(l->has);
	*l = (struct carry_list){ .n_parts = 0 };
}

u64 carry_part_bytes(const struct carry_list *l, u32 i)
{
	return i + 1 < l->n_parts ? l->part_bytes : l->bytes - (u64)i * l->part_bytes;
}

int carry_part_name(const char *file, u32 i, char *ret, size_t cap)
{
	return (size_t)snprintf(ret, cap, "%s.%03u", file, i + 1) >= cap;
}

static const char *base_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	return slash ? slash + 1 : file;
}

bool carry_split_ok(u64 part_bytes)
{
	return part_bytes >= TRANSFER_PART_BYTES_MIN;
}

/* ---- text ---- */

/* The first line says nothing that it could not have been made from. 0; 1 malformed; -ENOMEM. */
static int parse_what(const char *line, struct carry_list *ret)
{
	char name[NAME_LEN_MAX + 8], hex[2 * MODEL_DIGEST_BYTES + 1];
	u8 model[MODEL_DIGEST_BYTES];
	u64 bytes, part;
	u32 n;
	if (sscanf(line, "# keep transfer %71s %96[0-9a-f]: %" SCNu64 " bytes in %u parts of %" SCNu64, name,
		    hex, &bytes, &n, &part) != 5 ||
		!bytes_name_ok(name) || strlen(hex) != sizeof hex - 1 ||
		bytes_unhex(hex, sizeof model, model))
		return 1;
	int r = carry_list_make(name, model, bytes, part, ret);
	if (!r && strcmp(ret->what, line)) {
		carry_list_fini(ret);
		r = 1;
	}
	return r;
}

static int parse_part(char *line, const char *base, struct carry_list *l)
{
	char want[LINE_BYTES_MAX];
	char *name = line + 2 * SHA256_BYTES;
	u8 digest[SHA256_BYTES];
	if (strlen(line) < 2 * SHA256_BYTES + 2 || strncmp(name, "  ", 2))
		return 1;
	*name = 0;
	if (bytes_unhex(line, SHA256_BYTES, digest))
		return 1;
	for (u32 i = 0; i < l->n_parts; i++) {
		if (carry_part_name(base, i, want, sizeof want) || strcmp(want, name + 2))
			continue;
		if (l->has[i])
			return 1;
		l->has[i] = true;
		memcpy(l->digests[i], digest, sizeof digest);
		return 0;
	}
	return 1;
}

int carry_list_parse(const char *text, size_t len, const char *file, struct carry_list *ret)
{
	_cleanup_free_ char *copy = strndup(text, len);
	struct carry_list l = { .n_parts = 0 };
	char *save = NULL;
	if (!copy)
		return -ENOMEM;
	if (strlen(copy) != len || !len || text[len - 1] != '\n')
		return 1;
	char *line = strtok_r(copy, "\n", &save);
	int r = line ? parse_what(line, &l) : 1;
	while (!r && (line = strtok_r(NULL, "\n", &save)))
		r = parse_part(line, base_of(file), &l);
	if (r)
		carry_list_fini(&l);
	else
		*ret = l;
	return r;
}

int carry_list_text(const struct carry_list *l, const char *file, char **ret, size_t *ret_len)
{
	char hex[2 * SHA256_BYTES + 1], name[LINE_BYTES_MAX];
	FILE *f = open_memstream(ret, ret_len);
	if (!f)
		return -ENOMEM;
	fprintf(f, "%s\n", l->what);
	for (u32 i = 0; i < l->n_parts; i++) {
		if (!l->has[i] || carry_part_name(base_of(file), i, name, sizeof name))
			continue;
		bytes_hex(l->digests[i], SHA256_BYTES, hex);
		fprintf(f, "%s  %s\n", hex, name);
	}
	if (fclose(f) == 0)
		return 0;
	free(*ret);
	*ret = NULL;
	return -ENOMEM;
}

int carry_list_merge(struct carry_list *l, const struct carry_list *from)
{
	if (strcmp(l->what, from->what))
		return 1;
	for (u32 i = 0; i < l->n_parts; i++) {
		if (!from->has[i])
			continue;
		if (l->has[i] && memcmp(l->digests[i], from->digests[i], SHA256_BYTES))
			return 1;
		l->has[i] = true;
		memcpy(l->digests[i], from->digests[i], SHA256_BYTES);
	}
	return 0;
}

/* ---- files ---- */

int carry_list_load(const char *file, struct carry_list *ret)
{
	char path[4096], why[4200];
	_cleanup_free_ char *text = NULL;
	size_t len;
	if ((size_t)snprintf(path, sizeof path, "%s.sha256", file) >= sizeof path)
		return out_fail(CLI_REFUSED, "%s: %s", file, out_reason(ENAMETOOLONG));
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return -ENOENT;
	int r = file_read(path, TRANSFER_LIST_BYTES_MAX, &text, &len, why, sizeof why);
	if (r)
		return out_fail(r, "%s", why);
	r = carry_list_parse(text, len, file, ret);
	return r ? out_fail(r > 0 ? CLI_REFUSED : CLI_UNDECIDED, "%s: %s", path,
			   r > 0 ? "not the list of a transfer's parts" : out_reason(r))
		 : 0;
}

int carry_list_save(const struct carry_list *l, const char *file, const char *suffix)
{
	char path[4096];
	_cleanup_free_ char *text = NULL;
	size_t len;
	if ((size_t)snprintf(path, sizeof path, "%s%s", file, suffix) >= sizeof path)
		return out_fail(CLI_REFUSED, "%s: %s", file, out_reason(ENAMETOOLONG));
	int r = carry_list_text(l, file, &text, &len);
	return r ? out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r)) : file_write(path, text, len);
}
