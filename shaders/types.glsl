/* Numbers of enum tensor_type (base/layout.h), for -DTYPE=... */
#define F32  0
#define F16  1
#define Q4_0 2
#define Q8_0 8
#define Q4_K 12
#define Q5_K 13
#define Q6_K 14
#define BF16 30
#define MXFP4 39

#if TYPE == Q8_0 || TYPE == Q4_0 || TYPE == MXFP4
#define BLOCK_LEN 32u
#else
#define BLOCK_LEN 256u
#endif
#if TYPE == Q8_0
#define BLOCK_BYTES 34u
#elif TYPE == Q4_0
#define BLOCK_BYTES 18u
#elif TYPE == MXFP4
#define BLOCK_BYTES 17u
#elif TYPE == Q4_K
#define BLOCK_BYTES 144u
#elif TYPE == Q5_K
#define BLOCK_BYTES 176u
#elif TYPE == Q6_K
#define BLOCK_BYTES 210u
#endif
