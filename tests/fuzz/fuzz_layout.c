/* Both tables that the runtime reads, from a captured keep-attest. */
#include "base/layout.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the runtime relies on when a layout was accepted. */
static void walk(const struct layout *l)
{
	for (u32 i = 0; i < l->h->n_layers; i++) {
		struct layout_layer y = layout_layer_at(l, i), from = layout_layer_at(l, y.kv_layer);
		assert(y.kv_layer <= i && from.kv_layer == y.kv_layer && from.head_dim == y.head_dim);
		assert(y.n_heads % y.n_kv_heads == 0 && y.rope_dim <= y.head_dim && y.ffn_dim > 0);
	}
	for (u32 i = 0, n = layout_want_count(l); i < n; i++) {
		struct layout_want w;
		assert(!layout_want_at(l, i, &w) || layout_tensor_find(l, w.name));
	}
	assert(layout_tensor_find(l, "token_embd.weight"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	struct segments s;
	struct layout l;
	u8 *copy = malloc(size + 1); /* exact, so that a byte too many is seen; malloc aligns */
	assert(copy);
	memcpy(copy, data, size);
	int a = segments_open(copy, size, &s, &why), b = layout_open(copy, size, NULL, &l, &why);
	assert((a == 0 || a == 1) && (b == 0 || b == 1) && (a == 0 || why));
	if (b == 0)
		walk(&l);
	free(copy);
	return 0;
}
