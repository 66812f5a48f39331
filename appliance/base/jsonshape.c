#include "base/jsonshape.h"
#include "base/limits.h"

int json_shape_check(const void *data, size_t len)
{
	const char *p = data;
	u64 values = 1, values_max = JSON_VALUES_FREE + len / JSON_VALUE_BYTES_MIN;
	u32 depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				in_string = false;
			continue;
		}
		if (p[i] == '"')
			in_string = true;
		else if ((p[i] == '{' || p[i] == '[') && ++depth > JSON_DEPTH_MAX)
			return 1;
		else if ((p[i] == '}' || p[i] == ']') && depth)
			depth--;
		values += p[i] == '{' || p[i] == '[' || p[i] == ',';
	}
	return values > values_max ? 2 : 0;
}
