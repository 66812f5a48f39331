/* export: a stored model as one file that can be carried (attest/transfer.h), whole or in parts (carry.h). What is written was held against the
 * digests of the import as it was read, and is read again from the medium. */
#define _GNU_SOURCE
#include "attest/transfer.h"
#include "base/bytes.h"
#include "cli/carry.h"
#include "cli/person.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was typed. */
struct args {
	const char *model, *file, *label, *key;
	u64 split;
	u32 part; /* 1 …; 0: all of them */
	bool json, split_given;
};

/* Where the bytes go. */
struct sink {
	const struct args *a;
	struct carry_list list;
	u32 part;	 /* that is being written */
	u64 left, at;	 /* of it; of all */
	int fd;		 /* -1: nobody wants it */
	char path[4096]; /* of the part */
	char tmp[4104];
	struct sha256 sum;
	bool there; /* it is there already, and is only held against what it should be */
};

static void sink_close(struct sink *s)
{
	if (s->fd >= 0 && !s->there)
		unlink(s->tmp);
	fd_close(&s->fd);
	carry_list_fini(&s->list);
}

static int about(const struct sink *s, int r)
{
	return out_fail(CLI_UNDECIDED, "%s: %s", s->path, out_reason(r));
}

static int part_begin(struct sink *s)
{
	struct stat st;
	u32 i = s->part;
	s->left = carry_part_bytes(&s->list, i);
	sha256_init(&s->sum);
	if (s->a->part && s->a->part != i + 1)
		return 0;
	int len = s->a->split_given
			  ? carry_part_name(s->a->file, i, s->path, sizeof s->path)
			  : snprintf(s->path, sizeof s->path, "%s", s->a->file) >= (int)sizeof s->path;
	if (len)
		return out_fail(CLI_REFUSED, "%s: %s", s->a->file, out_reason(ENAMETOOLONG));
	s->there = s->list.has[i] && stat(s->path, &st) == 0 && (u64)st.st_size == s->left;
	snprintf(s->tmp, sizeof s->tmp, "%s.tmp", s->path);
	s->fd = s->there ? open(s->path, O_RDONLY | O_CLOEXEC)
			 : open(s->tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	return s->fd < 0 ? about(s, -errno) : 0;
}

/* Does the medium give back what was written? */
static int read_back(struct sink *s, u32 i, const u8 want[SHA256_BYTES])
{
	_cleanup_free_ u8 *buf = malloc(SEGMENT_BYTES);
	u64 bytes = carry_part_bytes(&s->list, i);
	struct sha256 sum;
	u8 got[SHA256_BYTES];
	if (!buf)
		return about(s, -ENOMEM);
	posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
	sha256_init(&sum);
	for (u64 at = 0; at < bytes; at += SEGMENT_BYTES) {
		size_t n = (size_t)MIN((u64)SEGMENT_BYTES, bytes - at);
		int r = fd_pread_all(s->fd, buf, n, at);
		if (r)
			return about(s, r);
		sha256_update(&sum, buf, n);
	}
	sha256_final(&sum, got);
	return memcmp(got, want, sizeof got) == 0
		       ? 0
		       : out_fail(CLI_REFUSED, "%s: the medium gives back other bytes than were written",
				 s->path);
}

/* Durable under its name, then in the list. */
static int part_end(struct sink *s)
{
	u8 digest[SHA256_BYTES];
	u32 i = s->part++;
	sha256_final(&s->sum, digest);
	if (s->fd < 0)
		return 0;
	if (s->there && memcmp(s->list.digests[i], digest, sizeof digest))
		return out_fail(CLI_REFUSED, "%s: %s.sha256 has another digest for it", s->path, s->a->file);
	if (!s->there && fsync(s->fd) < 0)
		return about(s, -errno);
	int r = read_back(s, i, digest);
	if (r)
		return r;
	if (!s->there && rename(s->tmp, s->path) < 0)
		return about(s, -errno);
	fd_close(&s->fd);
	memcpy(s->list.digests[i], digest, sizeof digest);
	s->list.has[i] = true;
	return s->a->split_given ? carry_list_save(&s->list, s->a->file, ".sha256") : 0;
}

static int sink_put(struct sink *s, const u8 *data, size_t len)
{
	while (len) {
		int r = s->left ? 0 : part_begin(s);
		size_t n = (size_t)MIN((u64)len, s->left);
		if (r)
			return r;
		sha256_update(&s->sum, data, n);
		r = s->fd >= 0 && !s->there ? fd_write_all(s->fd, data, n) : 0;
		if (r)
			return about(s, r);
		s->left -= n;
		s->at += n;
		data += n;
		len -= n;
		if (s->left == 0 && (r = part_end(s)))
			return r;
		out_progress(s->a->model, s->at, s->list.bytes);
	}
	return 0;
}

static int sink_pad(struct sink *s, u64 bytes)
{
	static const u8 zero[TRANSFER_END_BYTES];
	return sink_put(s, zero, (size_t)bytes);
}

/* ---- members ---- */

struct job {
	const struct args *a;
	struct ctl_answer answer;
	struct segments seg;
	struct sink sink;
	const char *name; /* of the model */
};
#define JOB_NONE                                               \
	{                                                      \
		.answer = CTL_ANSWER_NONE, .sink = {.fd = -1 } \
	}

static void job_fini(struct job *j)
{
	sink_close(&j->sink);
	ctl_answer_fini(&j->answer);
}

/* The name of member i: bundles, then files. */
static void member_name(const struct job *j, u32 i, char ret[NAME_LEN_MAX + PATH_LEN_MAX + 16])
{
	u32 bundles = j->answer.n_bundles;
	if (i == 0)
		sprintf(ret, "%s.sig", j->name);
	else if (i < bundles)
		sprintf(ret, "%s.%u.sig", j->name, i);
	else if (strcmp(j->seg.files[i - bundles].path, "."))
		sprintf(ret, "%s/%s", j->name, j->seg.files[i - bundles].path);
	else
		sprintf(ret, "%s", j->name);
}

/* The whole transfer's length. 0; otherwise an exit status, said. */
static int measure(struct job *j, u64 *ret)
{
	char name[NAME_LEN_MAX + PATH_LEN_MAX + 16];
	u8 header[TRANSFER_HEADER_MAX];
	u32 bundles = j->answer.n_bundles;
	*ret = TRANSFER_END_BYTES;
	for (u32 i = 0; i < bundles + j->answer.n_files; i++) {
		u64 bytes = i < bundles ? 0 : j->seg.files[i - bundles].bytes;
		if (i < bundles && fd_regular_size(j->answer.stored[i], &bytes))
			return out_fail(CLI_UNDECIDED, "%s: its stored bundle cannot be read", j->name);
		member_name(j, i, name);
		*ret += attest_transfer_header(name, bytes, header) + bytes + attest_transfer_padding(bytes);
	}
	return 0;
}

static int put_header(struct job *j, u32 i, u64 bytes)
{
	char name[NAME_LEN_MAX + PATH_LEN_MAX + 16];
	u8 header[TRANSFER_HEADER_MAX];
	member_name(j, i, name);
	size_t n = attest_transfer_header(name, bytes, header);
	return sink_put(&j->sink, header, n);
}

static int put_bundle(struct job *j, u32 i)
{
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	int r = fd_read_file(j->answer.stored[i], BUNDLE_BYTES_MAX, &data, &len);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s: its stored bundle cannot be read", j->name);
	r = put_header(j, i, len);
	r = r ? r : sink_put(&j->sink, data, len);
	return r ? r : sink_pad(&j->sink, attest_transfer_padding(len));
}

/* A file, each segment held against its digest before it goes on. */
static int put_file(struct job *j, u32 i, u8 *buf)
{
	const struct segments_file *f = &j->seg.files[i];
	int fd = j->answer.stored[j->answer.n_bundles + i];
	int r = put_header(j, j->answer.n_bundles + i, f->bytes);
	for (u64 k = 0; !r && k < f->count; k++) {
		size_t n = (size_t)MIN((u64)SEGMENT_BYTES, f->bytes - k * SEGMENT_BYTES);
		u8 digest[SHA256_BYTES];
		int e = fd_pread_all(fd, buf, n, k * SEGMENT_BYTES);
		if (e)
			return out_fail(CLI_UNDECIDED, "%s: %s: %s", j->name, f->path, out_reason(e));
		sha256_of(buf, n, digest);
		if (memcmp(digest, j->seg.digests[f->first + k], sizeof digest))
			return out_fail(CLI_REFUSED, "%s: %s: the stored bytes at %" PRIu64 " were changed",
				j->name, f->path, k * SEGMENT_BYTES);
		r = sink_put(&j->sink, buf, n);
	}
	return r ? r : sink_pad(&j->sink, attest_transfer_padding(f->bytes));
}

static int put_all(struct job *j)
{
	_cleanup_free_ u8 *buf = malloc(SEGMENT_BYTES);
	int r = buf ? 0 : out_fail(CLI_UNDECIDED, "%s: %s", j->name, out_reason(-ENOMEM));
	for (u32 i = 0; !r && i < j->answer.n_bundles; i++)
		r = put_bundle(j, i);
	for (u32 i = 0; !r && i < j->answer.n_files; i++)
		r = put_file(j, i, buf);
	r = r ? r : sink_pad(&j->sink, TRANSFER_END_BYTES);
	out_progress_end();
	return r;
}

/* ---- the list ---- */

/* How it is cut, and what of it is there already. */
static int plan(struct job *j)
{
	const struct args *a = j->a;
	struct carry_list old;
	u64 bytes = 0;
	int r = measure(j, &bytes);
	if (r)
		return r;
	r = carry_list_make(
		j->name, j->answer.model, bytes, a->split_given ? a->split : bytes, &j->sink.list);
	if (r)
		return out_fail(r > 0 ? CLI_REFUSED : CLI_UNDECIDED,
			"--split: %s is more than %u parts of that size", out_size(bytes).s,
			TRANSFER_PARTS_MAX);
	if (a->part > j->sink.list.n_parts)
		return out_fail(CLI_REFUSED, "--part: it has %u parts", j->sink.list.n_parts);
	r = a->split_given ? 0 : -ENOENT;
	r = r ? r : carry_list_load(a->file, &old);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = carry_list_merge(&j->sink.list, &old);
	carry_list_fini(&old);
	return r ? out_fail(CLI_REFUSED, "%s.sha256: is the list of another transfer", a->file) : 0;
}

static int ask(struct cli *c, struct ctl *k, struct job *j)
{
	struct proto_name n = { 0 };
	const char *why;
	if (bytes_put_str(n.name, sizeof n.name, j->a->model) ||
		bytes_put_str(n.text, sizeof n.text, j->a->label))
		return out_usage(c, "the name or --label is too long");
	const struct person_command p = { CTL_EXPORT, &n, sizeof n, -1 };
	int r = person_sign(k, j->a->key, &p);
	r = r ? r : ctl_ask(k, p.type, p.body, p.len, p.file_fd, &j->answer);
	if (r)
		return r;
	if (!j->answer.n_files) {
		person_proposed(&j->answer);
		out_say("then this command, given again, does it");
		return CLI_REFUSED;
	}
	if (!j->answer.has_data || segments_open(j->answer.data.data, j->answer.data.len, &j->seg, &why) ||
		j->seg.h->n_files != j->answer.n_files || !j->answer.n_bundles)
		return out_fail(CLI_UNDECIDED, "keepd: its answer is malformed");
	j->name = j->answer.stored_name;
	return 0;
}

static void say(const struct job *j)
{
	const struct carry_list *l = &j->sink.list;
	char hex[2 * SHA256_BYTES + 1] = "";
	if (!j->a->split_given)
		bytes_hex(l->digests[0], SHA256_BYTES, hex);
	if (j->a->json)
		printf("{\"name\":\"%s\",\"bytes\":%" PRIu64
		       ",\"parts\":%u,\"sha256\":\"%s\",\"index\":%" PRIu64 "}\n",
			j->name, l->bytes, l->n_parts, hex, j->answer.end.index);
	else if (j->a->part)
		out_say("%s: part %u of %u, record %" PRIu64, j->a->file, j->a->part, l->n_parts,
			j->answer.end.index);
	else if (j->a->split_given)
		out_say("%s.001 to .%03u: %s, written and read again, record %" PRIu64
			"; sha256sum -c %s.sha256 checks them",
			j->a->file, l->n_parts, out_size(l->bytes).s, j->answer.end.index, j->a->file);
	else
		out_say("%s: %s, written and read again, record %" PRIu64 ", SHA-256 %s", j->a->file,
			out_size(l->bytes).s, j->answer.end.index, hex);
}

int cmd_export(struct cli *c, int argc, char **argv)
{
	struct args a = { .label = "" };
	bool part_given = false;
	int n;
	_cleanup_(job_fini) struct job j = JOB_NONE;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	const struct opt opts[] = { { "--split", OPT_U64, &a.split, &a.split_given },
		{ "--part", OPT_U32, &a.part, &part_given }, { "--label", OPT_STR, &a.label, NULL },
		{ "--sign-with", OPT_STR, &a.key, NULL }, { "--json", OPT_FLAG, &a.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 2, 2 }, &n))
		return n;
	a.model = argv[0];
	a.file = argv[1];
	if (a.split_given && !carry_split_ok(a.split))
		return out_usage(c, "--split: a part has at least %u bytes", TRANSFER_PART_BYTES_MIN);
	if (part_given && (!a.split_given || !a.part))
		return out_usage(c, "--part: counts from 1, of the parts of --split");
	if (!a.split_given && access(a.file, F_OK) == 0)
		return out_fail(CLI_REFUSED, "%s: is there already", a.file);
	j.a = &a;
	j.sink.a = &a;
	fd_limit_raise(MODEL_FILES_MAX + BUNDLES_MAX + 64);
	int r = ctl_open(c, &k);
	r = r ? r : ask(c, &k, &j);
	r = r ? r : plan(&j);
	r = r ? r : put_all(&j);
	if (r == 0)
		say(&j);
	return r;
}
