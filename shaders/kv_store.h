/* kv_store: write the keys and values of this step into the pages of their sequences.
 *
 * buffers: 0 K cache (written); 1 V cache (written); 2 page tables [n_seqs, pages_per_seq] u32; 3 k [n, width] f32; 4 v [n, width] f32;
 *          5 seq [n] u32; 6 pos [n] u32
 * work:    x = n * width / 2, pairs of elements
 *
 * width = kv_heads * head_dim, even. Position p of sequence s is row tables[s, p / KV_PAGE] * KV_PAGE + p % KV_PAGE of the cache, of
 * width elements: float32 in the window, or float16 (exact_to_half of the windowed value), two a word, the even element low. */
#ifndef KEEP_SHADERS_KV_STORE_H
#define KEEP_SHADERS_KV_STORE_H
#include "lang.h"

#define KV_PAGE 32u /* positions of a page, and of an attention block: RT_KV_PAGE */

PUSH(kv_store)
{
	u32 n, width, pages_per_seq;
}
PUSH_END

#ifndef VULKAN
void ref_kv_store_f32(const void *push, void *const buf[], u32 first, u32 end);
void ref_kv_store_f16(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
