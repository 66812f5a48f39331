/* route: the experts of each token, with what weights, from what the router says of them.
 *
 * buffers: 0 logits [rows, experts] f32; 1 bias [experts] f32, only read where `biased`; 2 ids [rows, used] u32, 3 weights [rows, used] f32 (written)
 * work:    x = rows.  logits and bias pass the window when read. A row's ids ascend.
 *
 * Scores: the logits, or where biased window(sigmoid(logit) + bias); the `used` highest are chosen, of equal ones the lower index.
 * Weights, before norm and scale:
 *   ROUTE_SOFTMAX  window(e_i * recip(S)), e_i = exp(window(logit_i - max)), S the sum over all experts, max their largest logit
 *   ROUTE_SIGMOID  window(sigmoid(logit_i))
 *   ROUTE_CHOSEN   as ROUTE_SOFTMAX, of the chosen ones alone
 * norm: window(w_i * recip(s)), s the sum of the chosen ones' weights.  scale, where it is not 0: window(w_i * scale).  A sum of 0 has the recip 0.
 * Every sum runs over ascending indices from 0, left to right. */
#ifndef KEEP_SHADERS_ROUTE_H
#define KEEP_SHADERS_ROUTE_H
#include "lang.h"

/* the numbers of enum arch_routing */
#define ROUTE_SOFTMAX 1u
#define ROUTE_SIGMOID 2u
#define ROUTE_CHOSEN  3u

PUSH(route)
{
	u32 rows, experts, used, kind;
	u32 biased, norm; /* 0, 1 */
	u32 scale_bits;	  /* float32, in the window */
}
PUSH_END

#ifndef VULKAN
void ref_route(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
