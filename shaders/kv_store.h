/* kv_store: write the keys and values of this step into the pages of their sequences.
 *
 * buffers: 0 K cache (written); 1 V cache (written); 2 page tables [n_seqs, pages_per_seq] u32; 3 k [n, width] f32; 4 v [n, width] f32;
 *          5 seq [n] u32; 6 pos [n] u32
 * work:    x = n * width / 2, pairs of elements; int8: x = n * heads
 *
 * width = heads * head_dim, even; heads of K and V. Position p of sequence s is row p % KV_PAGE of page tables[s, p / KV_PAGE].
 *
 * float32, float16: the cache is [pages, KV_PAGE, width]: floats in the window, or float16 (exact_to_half of the windowed value), two a word,
 * the even element low.
 * int8: a page is [KV_PAGE, heads, words] of four int8 each, element 0 low, zeros behind the last; then [KV_PAGE, heads] float32, the scale of each
 * of these heads of a row. Elements and scale are those that quantize.h makes of the head_dim elements, as one group, without the sums. So the scale
 * belongs to one head of one position: neither what shares its page nor what came in its step has a part in it. */
#ifndef KEEP_SHADERS_KV_STORE_H
#define KEEP_SHADERS_KV_STORE_H
#include "act.h"
#include "lang.h"

#define KV_PAGE 32u /* positions of a page, and of an attention block: RT_KV_PAGE */

PUSH(kv_store)
{
	u32 n, width, pages_per_seq;
	u32 head_dim; /* read where caches are int8 */
}
PUSH_END

#ifndef VULKAN
enum kv_cache { KV_CACHE_F32, KV_CACHE_F16, KV_CACHE_INT8 };

void ref_kv_store_f32(const void *push, void *const buf[], u32 first, u32 end);
void ref_kv_store_f16(const void *push, void *const buf[], u32 first, u32 end);
void ref_kv_store_int8(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
