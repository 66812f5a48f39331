#version 450
#include "common.glsl"
#include "group.h"

/* One workgroup. A lane has eight experts of its own, and alone counts and places what is theirs: nothing is added by several. */
#define LANES	    128u
#define OWN	    8u
#define EXPERTS_MAX (LANES * OWN)
layout(local_size_x = LANES) in;
BUF_IN(0, ids);
BUF_OUT(1, plan);
BUF_OUT(2, slots);
BUF_OUT(3, pairs);
BUF_OUT(4, rows);
BUF_OUT(5, owners);

shared u32 next[EXPERTS_MAX];
shared u32 sums[(GROUP_LISTS + 1u) * LANES]; /* of a lane: tiles of each list, slots */

#define SLOTS GROUP_LISTS

u32 tiles_of(u32 size, u32 list)
{
	u32 width_log = max(list, 1u) - 1u;
	u32 cut = (size + (1u << width_log) - 1u) >> width_log;
	return list == 0u ? min(size, 1u) : cut;
}

void count()
{
	for (u32 e = 0u; e < OWN; e++)
		next[LANE * OWN + e] = 0u;
	ROLLED for (u32 i = 0u; i < p.n; i++) {
		u32 e = ids[i];
		if (e / OWN == LANE)
			next[e] += 1u;
	}
}

void add_up()
{
	for (u32 q = 0u; q <= SLOTS; q++) {
		u32 s = 0u;
		for (u32 e = 0u; e < OWN; e++) {
			u32 size = next[LANE * OWN + e];
			s += q == SLOTS ? size : tiles_of(size, q);
		}
		sums[q * LANES + LANE] = s;
	}
	barrier();
}

/* What the lanes before this one have of q. */
u32 before(u32 q)
{
	u32 s = 0u;
	ROLLED for (u32 l = 0u; l < min(LANE, (p.experts + OWN - 1u) / OWN); l++)
		s += sums[q * LANES + l];
	return s;
}

void list_tiles(u32 list, u32 first)
{
	u32 tile = before(list);
	ROLLED for (u32 e = LANE * OWN; e < (LANE + 1u) * OWN; e++) {
		u32 size = next[e];
		u32 width = list == 0u ? size : 1u << (list - 1u);
		ROLLED for (u32 at = 0u; at < size; at += width) {
			u32 to = group_list_at(list, p.n) + 2u * tile;
			plan[to] = first + at;
			plan[to + 1u] = min(width, size - at) << GROUP_ID_BITS | e;
			tile++;
		}
		first += size;
	}
	if (LANE == LANES - 1u)
		plan[list] = tile;
}

void place(u32 first)
{
	for (u32 e = LANE * OWN; e < (LANE + 1u) * OWN; e++) {
		u32 size = next[e];
		next[e] = first;
		first += size;
	}
	ROLLED for (u32 i = 0u; i < p.n; i++) {
		u32 e = ids[i];
		if (e / OWN != LANE)
			continue;
		u32 s = next[e];
		next[e] = s + 1u;
		slots[i] = s;
		pairs[s] = i;
		rows[s] = i / p.used;
		owners[s] = e;
	}
}

void main()
{
	count();
	add_up();
	u32 first = before(SLOTS);
	ROLLED for (u32 list = 0u; list < GROUP_LISTS; list++)
		list_tiles(list, first);
	place(first);
}
