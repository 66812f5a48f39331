#include "gateway/console/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512u

struct head {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6],
		version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct head) == BLOCK, "a block of ustar");

static void padding(struct page *p, size_t len)
{
	static const char zero[BLOCK];
	page_markup(p, zero, (BLOCK - len % BLOCK) % BLOCK);
}

u64 tar_bytes(const struct tar_file *f)
{
	return BLOCK + ALIGN_UP((u64)f->len, (u64)BLOCK);
}

void tar_put(struct page *p, const struct tar_file *f, u64 time_s)
{
	struct head h = {
		.mode = "0000644", .uid = "0000000", .gid = "0000000", .type = '0', .magic = "ustar"
	};
	u32 sum = 0;
	assert(strlen(f->name) <= TAR_NAME_MAX && f->len < (u64)1 << 33);
	memcpy(h.name, f->name, strlen(f->name));
	snprintf(h.size, sizeof h.size, "%011" PRIo64, (u64)f->len);
	snprintf(h.mtime, sizeof h.mtime, "%011" PRIo64, time_s & (((u64)1 << 33) - 1));
	memcpy(h.version, "00", sizeof h.version);
	memset(h.sum, ' ', sizeof h.sum);
	for (size_t i = 0; i < sizeof h; i++)
		sum += ((const u8 *)&h)[i];
	snprintf(h.sum, sizeof h.sum, "%06" PRIo32, sum);
	page_markup(p, &h, sizeof h);
	page_markup(p, f->data, f->len);
	padding(p, f->len);
}

void tar_end(struct page *p)
{
	static const char zero[2 * BLOCK];
	page_markup(p, zero, sizeof zero);
}
