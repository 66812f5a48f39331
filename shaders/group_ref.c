#include "shaders/group.h"

#include "base/limits.h"

struct lists {
	u32 *plan;
	u32 n;
};

static void add_tile(const struct lists *l, u32 list, u32 first, u32 size, u32 expert)
{
	u32 at = group_list_at(list, l->n) + 2 * l->plan[list]++;
	l->plan[at] = first;
	l->plan[at + 1] = size << GROUP_ID_BITS | expert;
}

static void add_tiles(const struct lists *l, u32 first, u32 size, u32 expert)
{
	add_tile(l, 0, first, size, expert);
	for (u32 list = 1; list < GROUP_LISTS; list++) {
		u32 width = 1u << (list - 1);
		for (u32 at = 0; at < size; at += width)
			add_tile(l, list, first + at, MIN(width, size - at), expert);
	}
}

void ref_group(const void *push, void *const buf[], u32 begin, u32 end)
{
	const struct push_group *p = push;
	const struct lists l = { .plan = buf[1], .n = p->n };
	const u32 *ids = buf[0];
	u32 *slots = buf[2], *pairs = buf[3], *rows = buf[4], *owners = buf[5];
	u32 next[EXPERTS_MAX] = { 0 }, at = 0;
	for (u32 i = 0; i < p->n; i++)
		next[ids[i]]++;
	memset(l.plan, 0, GROUP_LISTS * sizeof(u32));
	for (u32 e = 0; e < p->experts; e++) {
		u32 size = next[e];
		next[e] = at;
		if (size)
			add_tiles(&l, at, size, e);
		at += size;
	}
	for (u32 i = 0; i < p->n; i++) {
		u32 s = next[ids[i]]++;
		slots[i] = s;
		pairs[s] = i;
		rows[s] = i / p->used;
		owners[s] = ids[i];
	}
}
