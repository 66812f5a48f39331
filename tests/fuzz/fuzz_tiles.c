/* The path of a tile, which has one spelling, and an entry bundle, of which no byte is left over. */
#include "audit/tlog/tiles.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[256], again[TILE_PATH_MAX];
	struct tile_name t;
	struct merkle_hash h[TILE_WIDTH];
	u32 n;
	if (size < sizeof path) {
		memcpy(path, data, size);
		path[size] = 0;
		if (tlog_tile_path_read(path, &t) == 0) {
			tlog_tile_path(&t, again);
			assert(strcmp(path, again) == 0 && t.width >= 1 && t.width <= TILE_WIDTH);
		}
	}
	if (tlog_bundle_leaves(data, size, h, &n) == 0) {
		const u8 *p = data;
		for (u32 i = 0; i < n; i++)
			p += 2 + ((size_t)p[0] << 8 | p[1]);
		assert(p == data + size);
	}
	return 0;
}
