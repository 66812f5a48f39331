#include "audit/tlog/checkpoint.h"
#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>

void tlog_checkpoint_text(const char *origin, u64 size, const struct merkle_hash *root, char *out, size_t cap)
{
	char b[48];
	tlog_base64(root->b, sizeof root->b, b);
	int n = snprintf(out, cap, "%s\n%" PRIu64 "\n%s\n", origin, size, b);
	assert(n > 0 && (size_t)n < cap);
}

static bool origin_ok(const struct tlog_line *l)
{
	if (l->len == 0 || l->len > NOTE_NAME_MAX || !bytes_utf8_ok(l->s, l->len))
		return false;
	for (size_t i = 0; i < l->len; i++)
		if ((u8)l->s[i] < 0x20)
			return false;
	return true;
}

int tlog_checkpoint_read(const char *text, size_t len, struct checkpoint *ret)
{
	struct checkpoint c = { 0 };
	struct tlog_text t = tlog_text(text, len);
	struct tlog_line origin, size, root, more;
	if (tlog_text_line(&t, &origin) || tlog_text_line(&t, &size) || tlog_text_line(&t, &root))
		return 1;
	if (!origin_ok(&origin) || bytes_decimal(size.s, size.len, &c.size) ||
		tlog_hash(root.s, root.len, &c.root))
		return 1;
	for (; t.p < t.end; c.n_extensions++)
		if (tlog_text_line(&t, &more) || more.len == 0)
			return 1;
	memcpy(c.origin, origin.s, origin.len);
	*ret = c;
	return 0;
}

bool tlog_checkpoint_key_fits(const struct checkpoint *c, const struct note_key *k)
{
	return strcmp(c->origin, k->name) == 0 ||
	       (strcmp(c->origin, "go.sum database tree") == 0 && strcmp(k->name, "sum.golang.org") == 0);
}
