#include "audit/tlog/policy.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line, cut at blanks and tabs. */
struct words {
	u32 n;
	struct tlog_line w[POLICY_WITNESSES_MAX + POLICY_GROUPS_MAX + 3];
};

static bool chars_ok(const struct tlog_line *l)
{
	for (size_t i = 0; i < l->len; i++)
		if (((u8)l->s[i] < 0x20 && l->s[i] != '\t') || l->s[i] == 0x7f)
			return false;
	return true;
}

/* 0; otherwise what is wrong with it. A comment has no words. */
static const char *cut(const struct tlog_line *l, struct words *ret)
{
	ret->n = 0;
	if (!chars_ok(l))
		return "a control character";
	for (size_t i = 0; i < l->len;) {
		size_t at = i;
		while (i < l->len && l->s[i] != ' ' && l->s[i] != '\t')
			i++;
		if (i == at) {
			i++;
			continue;
		}
		if (ret->n == 0 && l->s[at] == '#')
			return NULL;
		if (ret->n == ARRAY_LEN(ret->w))
			return "too many words";
		ret->w[ret->n++] = (struct tlog_line){ l->s + at, i - at };
	}
	return NULL;
}

static bool is(const struct tlog_line *w, const char *text)
{
	return strlen(text) == w->len && memcmp(text, w->s, w->len) == 0;
}

static u32 node_find(const struct tlog_policy *p, const struct tlog_line *name)
{
	for (u32 i = 0; i < p->n_nodes; i++)
		if (p->nodes[i].len == name->len && memcmp(p->nodes[i].name, name->s, name->len) == 0)
			return i;
	return POLICY_NONE;
}

/* May that name be defined? Then *ret is its new node, not yet counted. */
static const char *node_add(struct tlog_policy *p, const struct tlog_line *name, struct policy_node **ret)
{
	if (is(name, "none"))
		return "\"none\" cannot be defined";
	if (node_find(p, name) != POLICY_NONE)
		return "its name is defined twice";
	*ret = &p->nodes[p->n_nodes];
	**ret = (struct policy_node){ name->s, name->len, POLICY_NONE, 0, 0, POLICY_NONE };
	return NULL;
}

/* A key into keys[*n], of that type or ML-DSA-44, not there yet. */
static const char *key_add(struct note_key *keys, u32 *n, u32 max, const struct tlog_line *vkey, u32 type)
{
	struct note_key *k = &keys[*n];
	if (*n == max)
		return "one too many of its kind";
	if (tlog_note_key_from_vkey(vkey->s, vkey->len, k))
		return "not a verifier key";
	if (k->type != type && k->type != NOTE_MLDSA44)
		return type == NOTE_ED25519 ? "a log's key has type 1" : "a witness's key has type 4";
	for (u32 i = 0; i < *n; i++)
		if (memcmp(keys[i].public_key, k->public_key, sizeof k->public_key) == 0)
			return "that key stands there twice";
	++*n;
	return NULL;
}

static const char *on_log(struct tlog_policy *p, const struct words *w)
{
	if (w->n != 2 && w->n != 3)
		return "log takes a key and perhaps a URL";
	return key_add(p->logs, &p->n_logs, POLICY_LOGS_MAX, &w->w[1], NOTE_ED25519);
}

static const char *on_witness(struct tlog_policy *p, const struct words *w)
{
	struct policy_node *node;
	if (w->n != 3 && w->n != 4)
		return "witness takes a name, a key and perhaps a URL";
	const char *why = node_add(p, &w->w[1], &node);
	if (!why)
		why = key_add(
			p->witnesses, &p->n_witnesses, POLICY_WITNESSES_MAX, &w->w[2], NOTE_COSIGNATURE);
	if (why)
		return why;
	node->witness = p->n_witnesses - 1;
	p->n_nodes++;
	return NULL;
}

static const char *on_group(struct tlog_policy *p, const struct words *w)
{
	struct policy_node *node;
	u64 k = 0, n = w->n - 3;
	if (w->n < 4)
		return "group takes a name, a threshold and at least one member";
	if (p->n_nodes - p->n_witnesses == POLICY_GROUPS_MAX)
		return "one group too many";
	if (is(&w->w[2], "all"))
		k = n;
	else if (is(&w->w[2], "any"))
		k = 1;
	else if (bytes_decimal(w->w[2].s, w->w[2].len, &k))
		return "its threshold is not a number";
	if (k == 0 || k > n)
		return "its threshold is not from 1 to its members";
	const char *why = node_add(p, &w->w[1], &node);
	if (why)
		return why;
	for (u32 i = 3; i < w->n; i++) {
		u32 m = node_find(p, &w->w[i]);
		if (m == POLICY_NONE)
			return "a member is not defined above";
		if (p->nodes[m].parent != POLICY_NONE)
			return "a member is a member already";
		p->nodes[m].parent = p->n_nodes;
	}
	node->k = (u32)k;
	node->n = (u32)n;
	p->n_nodes++;
	return NULL;
}

static const char *on_quorum(struct tlog_policy *p, const struct words *w)
{
	if (w->n != 2)
		return "quorum takes one name";
	p->quorum = is(&w->w[1], "none") ? POLICY_NONE : node_find(p, &w->w[1]);
	return p->quorum == POLICY_NONE && !is(&w->w[1], "none") ? "its name is not defined above" : NULL;
}

static const char *on_line(struct tlog_policy *p, const struct words *w, bool *quorum)
{
	if (w->n == 0)
		return NULL;
	if (is(&w->w[0], "log"))
		return on_log(p, w);
	if (is(&w->w[0], "witness"))
		return on_witness(p, w);
	if (is(&w->w[0], "group"))
		return on_group(p, w);
	if (!is(&w->w[0], "quorum"))
		return "neither log, witness, group nor quorum";
	if (*quorum)
		return "a second quorum";
	*quorum = true;
	return on_quorum(p, w);
}

static int parse(struct tlog_policy *p, size_t len, char *why, size_t cap)
{
	struct tlog_text t = tlog_text(p->text, len);
	struct tlog_line line;
	struct words *w = malloc(sizeof *w);
	bool quorum = false;
	u32 n = 1;
	if (!w)
		return err_origin(-ENOMEM);
	for (; t.p < t.end; n++) {
		const char *bad =
			tlog_text_line(&t, &line) ? "it does not end in a line feed" : cut(&line, w);
		bad = bad ? bad : on_line(p, w, &quorum);
		if (bad) {
			snprintf(why, cap, "line %u: %s", n, bad);
			free(w);
			return 1;
		}
	}
	free(w);
	if (!quorum)
		snprintf(why, cap, "there is no quorum line");
	return quorum ? 0 : 1;
}

int tlog_policy_read(const void *data, size_t len, struct tlog_policy **ret, char *why, size_t cap)
{
	_cleanup_policy_ struct tlog_policy *p = NULL;
	if (len > POLICY_BYTES_MAX) {
		snprintf(why, cap, "longer than %u bytes", POLICY_BYTES_MAX);
		return 1;
	}
	p = calloc(1, sizeof *p);
	if (!p)
		return err_origin(-ENOMEM);
	p->text = malloc(len + 1);
	if (!p->text)
		return err_origin(-ENOMEM);
	if (len)
		memcpy(p->text, data, len);
	int r = parse(p, len, why, cap);
	if (r)
		return r;
	*ret = p;
	p = NULL;
	return 0;
}

void tlog_policy_free(struct tlog_policy **pp)
{
	if (*pp)
		free((*pp)->text);
	free(*pp);
	*pp = NULL;
}

bool tlog_policy_quorum(const struct tlog_policy *p, const struct note_signed *witnesses)
{
	u32 have[ARRAY_LEN(p->nodes)] = { 0 };
	if (p->quorum == POLICY_NONE)
		return true;
	for (u32 i = 0; i < p->n_nodes; i++) { /* members stand before their groups */
		const struct policy_node *node = &p->nodes[i];
		bool seen = node->witness != POLICY_NONE ? witnesses[node->witness].good : have[i] >= node->k;
		if (i == p->quorum)
			return seen;
		if (seen && node->parent != POLICY_NONE)
			have[node->parent]++;
	}
	return false;
}

enum policy_judged tlog_policy_judge(
	const struct tlog_policy *p, const void *note, size_t len, struct policy_verdict *ret)
{
	struct policy_verdict v = { .log = POLICY_NONE };
	struct note_signed logs[POLICY_LOGS_MAX] = { 0 };
	if (tlog_note_parse(note, len, &v.note) ||
		tlog_checkpoint_read(v.note.text, v.note.text_len, &v.checkpoint))
		return POLICY_MALFORMED;
	bool known = false;
	for (u32 i = 0; i < p->n_logs; i++)
		known |= tlog_checkpoint_key_fits(&v.checkpoint, &p->logs[i]);
	if (!known)
		return POLICY_UNKNOWN;
	if (tlog_note_judge(&v.note, p->logs, p->n_logs, logs) == 2 ||
		tlog_note_judge(&v.note, p->witnesses, p->n_witnesses, v.witnesses) == 2)
		return POLICY_FORGED;
	for (u32 i = p->n_logs; i-- > 0;)
		if (logs[i].good && tlog_checkpoint_key_fits(&v.checkpoint, &p->logs[i])) {
			v.n_logs++;
			v.log = i;
		}
	if (v.n_logs == 0)
		return POLICY_UNSIGNED;
	for (u32 i = 0; i < p->n_witnesses; i++)
		if (v.witnesses[i].good) {
			v.oldest = v.n_witnesses ? MIN(v.oldest, v.witnesses[i].time) : v.witnesses[i].time;
			v.n_witnesses++;
		}
	*ret = v;
	return tlog_policy_quorum(p, v.witnesses) ? POLICY_VALID : POLICY_NO_QUORUM;
}

const char *tlog_policy_words(enum policy_judged j)
{
	static const char *const words[] = { "valid", "not a signed checkpoint", "of no log of the policy",
		"not signed by its log", "a signature of a known key is wrong",
		"too few witnesses cosigned it" };
	return words[j];
}
