/* keep-audit-verify: is what was carried out of a log what that log signed? For auditors, on a machine that has no Keep: no daemon, no
 * network, no configuration; reads what it is given and prints what it found. Ends with 0 when everything holds, 1 when something does not,
 * 2 when the words were wrong, 3 when it could not tell. */
#include "audit/tlog/evidence.h"
#include "audit/tlog/proof.h"
#include "audit/tlog/tiles.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOLDS, BROKEN, USAGE, UNDECIDED };

static const char usage_text[] =
	"usage: keep-audit-verify evidence DIR --vkey KEY [--unwitnessed]\n"
	"       keep-audit-verify tiles DIR (--vkey KEY | --policy FILE) [--older CHECKPOINT]\n"
	"       keep-audit-verify proof PROOF ENTRY (--vkey KEY | --policy FILE)\n"
	"\n"
	"  evidence   an excerpt that keep audit evidence made: records, proof, sign-offs, policies, every "
	"file\n"
	"  tiles      a whole log, or an archived period, as C2SP tlog-tiles\n"
	"  proof      one record, with the C2SP tlog-proof that is its receipt\n"
	"  --vkey     the log's verifier key, or a file that holds it: your own copy, not the one beside the "
	"evidence\n"
	"  --policy   a C2SP tlog-policy: the log's key, and which witnesses must have cosigned\n"
	"  --unwitnessed  the log's own signature is enough\n";

struct args {
	const char *words[4];
	int n;
	const char *vkey, *policy, *older;
	bool unwitnessed;
	struct note_key key;
};

static int say(int status, const char *fmt, ...) _printf_(2, 3);
static int say(int status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(status ? stderr : stdout, fmt, ap);
	va_end(ap);
	fputc('\n', status ? stderr : stdout);
	return status;
}

/* 0; otherwise a status, said. */
static int load(const char *path, u64 max, u8 **ret, size_t *ret_len)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : fd_read_file(fd, max, ret, ret_len);
	if (r < 0)
		return say(UNDECIDED, "%s: %s", path, strerror(-r));
	return r ? say(BROKEN, "%s: not a regular file of at most %" PRIu64 " bytes", path, max) : 0;
}

static int read_key(struct args *a)
{
	_cleanup_free_ u8 *text = NULL;
	size_t len = strlen(a->vkey);
	if (tlog_note_key_from_vkey(a->vkey, len, &a->key) == 0)
		return 0;
	int r = load(a->vkey, NOTE_VKEY_MAX, &text, &len);
	if (r)
		return r;
	len -= len && text[len - 1] == '\n';
	return tlog_note_key_from_vkey((const char *)text, len, &a->key)
		       ? say(BROKEN, "%s: neither a verifier key nor a file that holds one", a->vkey)
		       : 0;
}

/* Of --policy, or of a log that nobody needs to have witnessed. */
static int read_policy(const struct args *a, struct tlog_policy **ret)
{
	_cleanup_free_ u8 *text = NULL;
	char line[NOTE_VKEY_MAX + 32], vkey[NOTE_VKEY_MAX], why[160];
	size_t len;
	if (!a->policy) {
		tlog_note_vkey(&a->key, vkey, sizeof vkey);
		len = (size_t)snprintf(line, sizeof line, "log %s\nquorum none\n", vkey);
		return tlog_policy_read(line, len, ret, why, sizeof why) ? say(UNDECIDED, "out of memory")
									 : 0;
	}
	int r = load(a->policy, POLICY_BYTES_MAX, &text, &len);
	if (r)
		return r;
	r = tlog_policy_read(text, len, ret, why, sizeof why);
	return r ? say(r < 0 ? UNDECIDED : BROKEN, "%s: %s", a->policy, r < 0 ? strerror(-r) : why) : 0;
}

static int evidence(struct args *a)
{
	struct evidence_result r;
	const struct evidence_params p = { a->words[1], a->vkey ? &a->key : NULL, a->unwitnessed };
	int e = tlog_evidence_judge(&p, &r);
	if (e)
		return say(e < 0 ? UNDECIDED : BROKEN, "%s: %s", a->words[1], e < 0 ? strerror(-e) : r.why);
	printf("%s: it holds\n", a->words[1]);
	printf("log         %s\n", r.checkpoint.origin);
	printf("records     %" PRIu64 " to %" PRIu64 " of %" PRIu64 "\n", r.from, r.to - 1,
		r.checkpoint.size);
	printf("witnesses   %u cosigned\n", r.n_witnesses);
	printf("sign-offs   %u, with %u open questions\n", r.n_reviews, r.n_questions);
	printf("open        %" PRIu64 " intents are not answered in it\n", r.n_open);
	printf("files       %u, and %u records from elsewhere\n", r.n_files, r.n_context);
	if (!a->vkey)
		puts("key         not compared: it is the evidence's own word (--vkey)");
	return HOLDS;
}

static int tiles(struct args *a)
{
	struct tlog_policy *policy = NULL;
	_cleanup_free_ u8 *older = NULL;
	struct fsck_older o = { .name = a->older };
	static struct fsck_result res;
	int r = read_policy(a, &policy);
	if (!r && a->older) {
		r = load(a->older, NOTE_BYTES_MAX, &older, &o.len);
		o.note = (const char *)older;
	}
	if (r)
		return r;
	struct fsck_params p = {
		.dir = a->words[1], .policy = policy, .older = &o, .n_older = a->older ? 1 : 0
	};
	r = tlog_fsck(&p, &res);
	tlog_policy_free(&policy);
	if (r)
		return say(r < 0 ? UNDECIDED : BROKEN, "%s: %s", a->words[1], r < 0 ? strerror(-r) : res.why);
	return say(HOLDS, "%s: it holds: %" PRIu64 " records of %s, %u witnesses", a->words[1],
		res.checkpoint.checkpoint.size, res.checkpoint.checkpoint.origin, res.checkpoint.n_witnesses);
}

static int proof(struct args *a)
{
	struct tlog_policy *policy = NULL;
	_cleanup_free_ u8 *data = NULL, *entry = NULL;
	static struct tlog_proof_verdict v;
	size_t len, entry_len;
	const char *why;
	int r = read_policy(a, &policy);
	r = r ? r : load(a->words[1], PROOF_BYTES_MAX, &data, &len);
	r = r ? r : load(a->words[2], TLOG_ENTRY_BYTES_MAX, &entry, &entry_len);
	if (r)
		return r;
	struct merkle_hash leaf = tlog_merkle_leaf(entry, entry_len);
	r = tlog_proof_verify(policy, data, len, &leaf, &v, &why);
	tlog_policy_free(&policy);
	if (r)
		return say(BROKEN, "%s: %s", a->words[1], why);
	return say(HOLDS, "%s: it holds: record %" PRIu64 " of %s, %u witnesses", a->words[1], v.proof.index,
		v.checkpoint.checkpoint.origin, v.checkpoint.n_witnesses);
}

/* ---- words ---- */

/* What is wrong with them, or NULL; *ret_at is the word that it is about. */
static const char *parse(int argc, char **argv, struct args *a, const char **ret_at)
{
	const struct {
		const char *name;
		const char **to;
	} opts[] = { { "--vkey", &a->vkey }, { "--policy", &a->policy }, { "--older", &a->older } };
	for (int i = 1; i < argc; i++) {
		bool taken = !strcmp(argv[i], "--unwitnessed");
		a->unwitnessed |= taken;
		*ret_at = argv[i];
		for (size_t o = 0; !taken && o < ARRAY_LEN(opts); o++) {
			if (strcmp(argv[i], opts[o].name))
				continue;
			if (i + 1 == argc || *opts[o].to)
				return *opts[o].to ? "came before" : "needs a value";
			*opts[o].to = argv[++i];
			taken = true;
		}
		if (!taken && argv[i][0] == '-')
			return "no such option";
		if (!taken && a->n == (int)ARRAY_LEN(a->words))
			return "one too many";
		if (!taken)
			a->words[a->n++] = argv[i];
	}
	*ret_at = a->n ? a->words[0] : "evidence, tiles or proof";
	return a->n ? NULL : "which?";
}

struct form {
	const char *name;
	int words;
	bool keyless, older, unwitnessed;
	int (*func)(struct args *a);
};

/* Of these words: what is missing or too much, or NULL. */
static const char *misfit(const struct form *f, const struct args *a)
{
	if (a->n != f->words)
		return a->n < f->words ? "too few words" : "too many words";
	if (a->older && !f->older)
		return "takes no --older";
	if (a->unwitnessed && !f->unwitnessed)
		return "takes no --unwitnessed";
	if (a->policy && f->keyless)
		return "takes no --policy";
	if (a->policy && a->vkey)
		return "--vkey or --policy, not both";
	return a->policy || a->vkey || f->keyless ? NULL : "--vkey or --policy is missing";
}

static int misused(const char *at, const char *why)
{
	fprintf(stderr, "keep-audit-verify: %s: %s\n%s", at, why, usage_text);
	return USAGE;
}

int main(int argc, char **argv)
{
	static const struct form forms[] = { { "evidence", 2, true, false, true, evidence },
		{ "tiles", 2, false, true, false, tiles }, { "proof", 3, false, false, false, proof } };
	struct args a = { .n = 0 };
	const char *at, *why;
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return fputs(usage_text, stdout) < 0;
	if ((why = parse(argc, argv, &a, &at)))
		return misused(at, why);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (strcmp(at, forms[i].name))
			continue;
		if ((why = misfit(&forms[i], &a)))
			return misused(at, why);
		if (sodium_init() < 0)
			return say(UNDECIDED, "libsodium does not start");
		int r = a.vkey ? read_key(&a) : 0;
		r = r ? r : forms[i].func(&a);
		return fflush(stdout) ? UNDECIDED : r;
	}
	return misused(at, "no such question");
}
