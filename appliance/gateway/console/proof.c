#define _GNU_SOURCE
#include "gateway/console/proof.h"
#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

#define STEP  46 /* pixels between two hashes of the way */
#define WIDTH 720
#define BOX   210
#define MID   ((WIDTH - BOX) / 2)

/* ---- judging --------------------------------------------------------------------------------------------------------------- */

/* RFC 9162 2.1.3.2, with every hash on the way. */
static void climb(struct proof_view *v, const struct merkle_proof *path)
{
	u64 node = v->index, last = v->cp.size - 1;
	struct merkle_hash h = v->leaf;
	for (u32 i = 0; i < path->n; i++) {
		v->beside[i] = path->h[i];
		v->left[i] = node & 1 || node == last;
		h = v->left[i] ? tlog_merkle_node(&path->h[i], &h) : tlog_merkle_node(&h, &path->h[i]);
		while (v->left[i] && !(node & 1) && node) {
			node >>= 1;
			last >>= 1;
		}
		node >>= 1;
		last >>= 1;
		v->above[i] = h;
	}
	v->n = path->n;
}

static const char *judge(const struct proof_read *r, struct proof_view *v)
{
	struct tlog_proof proof;
	struct note_key key;
	size_t len;
	if (tlog_note_key_from_vkey(r->vkey, strlen(r->vkey), &key))
		return "the log's key cannot be read";
	if (tlog_proof_read(r->text, r->text_len, &proof) || proof.note_len >= sizeof v->note)
		return "it is malformed";
	if (tlog_note_open(proof.note, proof.note_len, &key, 1, &len) ||
		tlog_checkpoint_read(proof.note, len, &v->cp))
		return "its checkpoint is not signed by this log";
	if (!tlog_checkpoint_key_fits(&v->cp, &key))
		return "its checkpoint is of another log";
	v->index = r->index;
	v->leaf = tlog_merkle_leaf(r->entry, r->entry_len);
	memcpy(v->note, proof.note, proof.note_len);
	v->note[proof.note_len] = 0;
	const struct merkle_included in = { proof.index, v->cp.size, &v->leaf, &v->cp.root, proof.path.h,
		proof.path.n };
	if (proof.index != r->index || tlog_merkle_inclusion_check(&in))
		return "this record is not in the log that the checkpoint speaks of";
	climb(v, &proof.path);
	return NULL;
}

int proof_view_read(const struct proof_read *r, struct proof_view *ret, const char **ret_why)
{
	memset(ret, 0, sizeof *ret);
	*ret_why = judge(r, ret);
	return *ret_why != NULL;
}

/* ---- the picture ----------------------------------------------------------------------------------------------------------- */

struct hex {
	char s[2 * SHA256_BYTES + 1];
};
static struct hex hex_of(const struct merkle_hash *h)
{
	struct hex x;
	bytes_hex(h->b, sizeof h->b, x.s);
	return x;
}

struct box {
	i64 x, y;
	const char *class, *words;
	const struct merkle_hash *hash;
};
static void box(struct page *p, const struct box *b)
{
	struct hex h = hex_of(b->hash);
	page_html(p, "<g");
	page_attr(p, "class", b->class);
	page_html(p, "><title>");
	page_text(p, h.s);
	page_html(p, "</title><rect rx=\"4\" x=\"");
	page_int(p, b->x);
	page_html(p, "\" y=\"");
	page_int(p, b->y);
	page_html(p, "\" width=\"210\" height=\"26\"/><text x=\"");
	page_int(p, b->x + 10);
	page_html(p, "\" y=\"");
	page_int(p, b->y + 18);
	page_html(p, "\">");
	page_text(p, b->words);
	page_html(p, " ");
	page_textn(p, h.s, 12);
	page_html(p, "\xe2\x80\xa6</text></g>\n");
}

static void line(struct page *p, i64 x1, i64 y1, i64 x2, i64 y2)
{
	page_html(p, "<line x1=\"");
	page_int(p, x1);
	page_html(p, "\" y1=\"");
	page_int(p, y1);
	page_html(p, "\" x2=\"");
	page_int(p, x2);
	page_html(p, "\" y2=\"");
	page_int(p, y2);
	page_html(p, "\"/>");
}

/* Step i, from below: the hash above, with a line from the one below and one from what stands beside it. */
static void step(struct page *p, const struct proof_view *v, u32 i, i64 y)
{
	i64 below = y + STEP, x = v->left[i] ? 0 : WIDTH - BOX;
	line(p, WIDTH / 2, y + 26, WIDTH / 2, below);
	line(p, x + BOX / 2, below, WIDTH / 2, y + 26);
	box(p, &(struct box){ x, below, "beside", "beside", &v->beside[i] });
	box(p, &(struct box){ MID, y, i + 1 == v->n ? "root" : "node", i + 1 == v->n ? "root" : "hash",
		       &v->above[i] });
}

static void picture(const struct proof_view *v, struct page *p)
{
	i64 height = (i64)(v->n + 2) * STEP + 10, y = STEP;
	page_html(p, "<svg class=\"path\" viewBox=\"0 0 720 ");
	page_int(p, height);
	page_html(p, "\" role=\"img\" aria-labelledby=\"path-t path-d\">\n<title id=\"path-t\">The way from "
		     "the record "
		     "to the checkpoint</title><desc id=\"path-d\">");
	page_fmt(p,
		"%u hashes, each made of the one below and one beside it; the last is the root that the log "
		"has signed. "
		"The list below has them in full.",
		v->n);
	page_html(p, "</desc>\n<g class=\"signed\"><rect rx=\"4\" x=\"160\" y=\"2\" width=\"400\" "
		     "height=\"26\"/><text "
		     "x=\"170\" y=\"20\">signed checkpoint: ");
	page_count(p, v->cp.size);
	page_html(p, " records, root ");
	page_textn(p, hex_of(&v->cp.root).s, 12);
	page_html(p, "\xe2\x80\xa6</text></g>");
	line(p, WIDTH / 2, 28, WIDTH / 2, STEP);
	for (u32 i = v->n; i-- > 0; y += STEP)
		step(p, v, i, y);
	box(p, &(struct box){ MID, y, v->n ? "leaf" : "root", "record", &v->leaf });
	page_html(p, "</svg>\n");
}

static void list(const struct proof_view *v, struct page *p)
{
	page_html(p, "<details><summary>The same as a list</summary><ol class=\"hashes\"><li>record: ");
	page_digest(p, hex_of(&v->leaf).s);
	page_html(p, "</li>\n");
	for (u32 i = 0; i < v->n; i++) {
		page_html(p, "<li>");
		page_text(p, v->left[i] ? "with, left of it, " : "with, right of it, ");
		page_digest(p, hex_of(&v->beside[i]).s);
		page_text(p, i + 1 == v->n ? " makes the root " : " makes ");
		page_digest(p, hex_of(&v->above[i]).s);
		page_html(p, "</li>\n");
	}
	page_html(p, "</ol></details>\n");
}

void proof_view_write(const struct proof_view *v, struct page *p)
{
	page_html(p, "<figure>\n<div class=\"drawn\" tabindex=\"0\" role=\"region\" aria-label=\"The proof, "
		     "drawn\">");
	picture(v, p);
	page_html(p, "</div>\n");
	page_html(p,
		"<figcaption>Each hash is made of the two below it. Whoever has the record and the hashes "
		"beside "
		"the way finds the root; the log has signed it, and so it cannot put another record here."
		"</figcaption>\n");
	list(v, p);
	page_html(p, "</figure>\n");
}
