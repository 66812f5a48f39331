#define _GNU_SOURCE
#include "audit/role.h"
#include "base/err.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static const struct {
	u32 role;
	const char *name, *group;
} roles[ROLE_COUNT] = {
	{ ROLE_USER, "user", "keep-user" },
	{ ROLE_OPERATOR, "operator", "keep-operator" },
	{ ROLE_OFFICER, "officer", "keep-officer" },
	{ ROLE_AUDITOR, "auditor", "keep-auditor" },
};
/* The users of Keep's own units: nobody who speaks as one of them is a person. */
static const char *const units[] = { "keepd", "keep-attest", "keep-runtime" };
/* But this one, which speaks for those who come over the network. */
static const char gateway[] = "keep-gateway";
static_assert(ARRAY_LEN(units) == ARRAY_LEN(((struct role_groups *)0)->units), "one place for each unit");

const char *audit_role_name(u32 role)
{
	for (u32 i = 0; i < ROLE_COUNT; i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "";
}

struct role_words audit_role_words(u32 mask)
{
	struct role_words w = { "" };
	size_t n = 0;
	for (u32 i = 0; i < ROLE_COUNT; i++)
		if (mask & roles[i].role)
			n += (size_t)snprintf(
				w.s + n, sizeof w.s - n, "%s%s", n ? " or " : "", roles[i].name);
	return w;
}

const char *audit_role_conflict(u32 mask)
{
	if ((mask & ROLE_AUDITOR) && (mask & ~(u32)ROLE_AUDITOR))
		return "an auditor has no other role";
	if ((mask & ROLE_OFFICER) && (mask & ROLE_OPERATOR))
		return "an officer is no operator";
	return NULL;
}

/* ---- /etc, without NSS: Keep's groups are local, and nothing is asked that might ask a network ---- */

/* 0 *ret; 1 no such file; -errno. */
static int open_etc(const char *etc, const char *name, FILE **ret)
{
	char path[4096];
	if (snprintf(path, sizeof path, "%s/%s", etc, name) >= (int)sizeof path)
		return err_origin(-ENAMETOOLONG);
	*ret = fopen(path, "re");
	return *ret ? 0 : errno == ENOENT ? 1 : err_errno();
}

static int read_groups(const char *etc, struct role_groups *g)
{
	FILE *f;
	int r = open_etc(etc, "group", &f);
	if (r)
		return r;
	for (struct group *e; (e = fgetgrent(f));)
		for (u32 i = 0; i < ROLE_COUNT; i++)
			if (strcmp(e->gr_name, roles[i].group) == 0 && !g->has[i]) {
				g->has[i] = true;
				g->gid[i] = e->gr_gid;
			}
	fclose(f);
	return 0;
}

static int read_units(const char *etc, struct role_groups *g)
{
	FILE *f;
	int r = open_etc(etc, "passwd", &f);
	if (r)
		return r;
	for (struct passwd *e; (e = fgetpwent(f));) {
		for (u32 i = 0; i < ARRAY_LEN(units); i++)
			if (strcmp(e->pw_name, units[i]) == 0 && g->n_units < ARRAY_LEN(g->units))
				g->units[g->n_units++] = e->pw_uid;
		if (strcmp(e->pw_name, gateway) == 0) {
			g->has_gateway = true;
			g->gateway = e->pw_uid;
		}
	}
	fclose(f);
	return 0;
}

int audit_role_groups_read(const char *etc, struct role_groups *ret)
{
	struct role_groups g = { 0 };
	int r = read_groups(etc, &g);
	if (r >= 0)
		r = read_units(etc, &g);
	if (r < 0)
		return r;
	*ret = g;
	return 0;
}

u32 audit_role_of_groups(const struct role_groups *g, const u32 *gids, size_t n)
{
	u32 mask = 0;
	for (u32 i = 0; i < ROLE_COUNT; i++)
		for (size_t j = 0; j < n && g->has[i]; j++)
			if (gids[j] == g->gid[i])
				mask |= roles[i].role;
	return mask;
}
