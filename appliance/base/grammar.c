#include "base/grammar.h"
#include "base/bytes.h"

static const char *check_header(const struct grammar_header *h, size_t len)
{
	if (memcmp(h->magic, GRAMMAR_MAGIC, sizeof h->magic) != 0)
		return "not a grammar";
	if (h->reserved[0] || h->reserved[1])
		return "reserved bytes of the grammar are not zero";
	if (h->n_states == 0 || h->n_states > GRAMMAR_STATES_MAX || h->n_edges > GRAMMAR_EDGES_MAX ||
		h->trigger_len > GRAMMAR_TRIGGER_BYTES_MAX)
		return "the grammar is larger than it may be";
	size_t want = sizeof *h + (h->n_states + 1) * sizeof(u32) + h->n_edges * sizeof(struct grammar_edge) +
		      ALIGN_UP((size_t)h->trigger_len, 4);
	if (want != len)
		return "the grammar has another length than its counts say";
	return h->start < h->n_states ? NULL : "the grammar starts in no state";
}

static const char *check_edge(const struct grammar_edge *e, u32 n_states)
{
	bool byte = e->kind == GRAMMAR_BYTE, call = e->kind == GRAMMAR_CALL, back = e->kind == GRAMMAR_RETURN;
	if (!byte && !call && !back && e->kind != GRAMMAR_NOTHING)
		return "the grammar has an unknown kind of edge";
	if (e->reserved || (!byte && (e->lo || e->hi)) || (!call && e->call) || (back && e->to))
		return "the grammar has an edge with more than it uses";
	if (e->to >= n_states || e->call >= n_states || e->lo > e->hi)
		return "the grammar has an edge to nowhere";
	return NULL;
}

static const char *check_body(const struct grammar *g)
{
	const struct grammar_header *h = g->h;
	if (g->first[0] != 0 || g->first[h->n_states] != h->n_edges)
		return "the grammar's edges belong to no state";
	for (u32 s = 0; s < h->n_states; s++)
		if (g->first[s] > g->first[s + 1])
			return "the grammar's edges are out of order";
	for (u32 i = 0; i < h->n_edges; i++) {
		const char *why = check_edge(&g->edges[i], h->n_states);
		if (why)
			return why;
	}
	for (u32 i = h->trigger_len; i % 4; i++)
		if (g->trigger[i])
			return "padding of the grammar is not zero";
	return NULL;
}

int grammar_open(const void *data, size_t len, struct grammar *ret, const char **ret_why)
{
	struct grammar g = { .h = data };
	assert(((uintptr_t)data & 3) == 0);
	const char *why =
		len < sizeof *g.h ? "the grammar is shorter than its header" : check_header(g.h, len);
	if (!why) {
		g.first = (const u32 *)(g.h + 1);
		g.edges = (const struct grammar_edge *)(g.first + g.h->n_states + 1);
		g.trigger = (const u8 *)(g.edges + g.h->n_edges);
		why = check_body(&g);
	}
	if (why) {
		*ret_why = why;
		return 1;
	}
	*ret = g;
	return 0;
}
