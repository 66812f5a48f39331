/* What -DTYPE=... stands for: the numbers of base/tensor.h, and of a quantised type
 *   BLOCK_BYTES   of a block
 *   TERM_LEN      elements of a term of a product, 32 or 256: a block, but for NVFP4, whose block is two terms
 *   SCALE_LEN     elements that share an integer scale, 16 or 32; 0: there is none
 *   MIN_LEN       elements that share an integer minimum, 16 or 32; 0: there is none; ONE: it is 1 */
#define F32 0
#define F16 1
#define BF16 30
#define Q8_0 8
#define Q4_0 2
#define Q4_K 12
#define Q5_K 13
#define Q6_K 14
#define Q4_1 3
#define Q5_0 6
#define Q5_1 7
#define Q2_K 10
#define Q3_K 11
#define IQ4_NL 20
#define IQ4_XS 23
#define IQ2_XXS 16
#define IQ2_XS 17
#define IQ2_S 22
#define IQ3_XXS 18
#define IQ3_S 21
#define IQ1_S 19
#define IQ1_M 29
#define TQ1_0 34
#define TQ2_0 35
#define NVFP4 40
#define MXFP4 39

#define ONE 1

#if TYPE == Q8_0
#define BLOCK_BYTES 34u
#define TERM_LEN 32u
#define SCALE_LEN 0
#define MIN_LEN 0
#elif TYPE == Q4_0
#define BLOCK_BYTES 18u
#define TERM_LEN 32u
#define SCALE_LEN 0
#define MIN_LEN 0
#elif TYPE == Q4_K
#define BLOCK_BYTES 144u
#define TERM_LEN 256u
#define SCALE_LEN 32
#define MIN_LEN 32
#elif TYPE == Q5_K
#define BLOCK_BYTES 176u
#define TERM_LEN 256u
#define SCALE_LEN 32
#define MIN_LEN 32
#elif TYPE == Q6_K
#define BLOCK_BYTES 210u
#define TERM_LEN 256u
#define SCALE_LEN 16
#define MIN_LEN 0
#elif TYPE == Q4_1
#define BLOCK_BYTES 20u
#define TERM_LEN 32u
#define SCALE_LEN 0
#define MIN_LEN ONE
#elif TYPE == Q5_0
#define BLOCK_BYTES 22u
#define TERM_LEN 32u
#define SCALE_LEN 0
#define MIN_LEN 0
#elif TYPE == Q5_1
#define BLOCK_BYTES 24u
#define TERM_LEN 32u
#define SCALE_LEN 0
#define MIN_LEN ONE
#elif TYPE == Q2_K
#define BLOCK_BYTES 84u
#define TERM_LEN 256u
#define SCALE_LEN 16
#define MIN_LEN 16
#elif TYPE == Q3_K
#define BLOCK_BYTES 110u
#define TERM_LEN 256u
#define SCALE_LEN 16
#define MIN_LEN 0
#elif TYPE == IQ4_NL
#define BLOCK_BYTES 18u
#define TERM_LEN 32u
#define SCALE_LEN 0
#define MIN_LEN 0
#elif TYPE == IQ4_XS
#define BLOCK_BYTES 136u
#define TERM_LEN 256u
#define SCALE_LEN 32
#define MIN_LEN 0
#elif TYPE == IQ2_XXS
#define BLOCK_BYTES 66u
#define TERM_LEN 256u
#define SCALE_LEN 32
#define MIN_LEN 0
#elif TYPE == IQ2_XS
#define BLOCK_BYTES 74u
#define TERM_LEN 256u
#define SCALE_LEN 16
#define MIN_LEN 0
#elif TYPE == IQ2_S
#define BLOCK_BYTES 82u
#define TERM_LEN 256u
#define SCALE_LEN 16
#define MIN_LEN 0
#elif TYPE == IQ3_XXS
#define BLOCK_BYTES 98u
#define TERM_LEN 256u
#define SCALE_LEN 32
#define MIN_LEN 0
#elif TYPE == IQ3_S
#define BLOCK_BYTES 110u
#define TERM_LEN 256u
#define SCALE_LEN 32
#define MIN_LEN 0
#elif TYPE == IQ1_S
#define BLOCK_BYTES 50u
#define TERM_LEN 256u
#define SCALE_LEN 32
#define MIN_LEN 0
#elif TYPE == IQ1_M
#define BLOCK_BYTES 56u
#define TERM_LEN 256u
#define SCALE_LEN 16
#define MIN_LEN 0
#elif TYPE == TQ1_0
#define BLOCK_BYTES 54u
#define TERM_LEN 256u
#define SCALE_LEN 0
#define MIN_LEN 0
#elif TYPE == TQ2_0
#define BLOCK_BYTES 66u
#define TERM_LEN 256u
#define SCALE_LEN 0
#define MIN_LEN 0
#elif TYPE == NVFP4
#define BLOCK_BYTES 36u
#define TERM_LEN 32u
#define SCALE_LEN 0
#define MIN_LEN 0
#elif TYPE == MXFP4
#define BLOCK_BYTES 17u
#define TERM_LEN 32u
#define SCALE_LEN 0
#define MIN_LEN 0
#endif
