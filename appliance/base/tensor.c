#include "base/tensor.h"

const struct tensor_type_info *tensor_type_info(u32 type)
{
#define FLOATS(name, c, number, block, bytes)		  [number] = { #name, block, bytes, 0 },
#define BLOCKS(name, c, number, block, bytes, group, ...) [number] = { #name, block, bytes, group },
	static const struct tensor_type_info types[] = { TENSOR_FLOATS(FLOATS) TENSOR_BLOCKS(BLOCKS) };
	return type < ARRAY_LEN(types) && types[type].name ? &types[type] : NULL;
}
