/* Roles: who may do what.
 *
 *   user       uses granted models
 *   operator   imports, serves, removes, carries checkpoints
 *   officer    trust roots, policies, roles, revocation, whatever needs two people
 *   auditor    reads and verifies the log, repeats what it says, and nothing else
 *
 * Who connects is known from the kernel: SO_PEERCRED and SO_PEERGROUPS. An enrolled person (a row of state, by uid) has the roles of
 * that row; anybody else those of the groups keep-user, keep-operator, keep-officer and keep-auditor, whose numbers are read once, at
 * start. An auditor has no other role and an officer is no operator: who comes with both, has none. Keep's own users have none, but for
 * keep-gateway, which is a user and nothing else, whatever it comes with: the network can use and read, never change. In an
 * appliance of one user that user has all, and the records say so.
 *
 * Where a person has an enrolled key (an Ed25519 vkey), what needs two people must be signed with it: SIGN comes right before the
 * command, over what audit/tlog/command.h says. What was signed and the signature go into the
 * actor of each record that the command makes. */
#pragma once

#include "audit/record.h"
#include "audit/state.h"

#define ROLE_ANY   (ROLE_USER | ROLE_OPERATOR | ROLE_OFFICER | ROLE_AUDITOR)
#define ROLE_STAFF (ROLE_OPERATOR | ROLE_OFFICER | ROLE_AUDITOR)
#define ROLE_LOG   (ROLE_OFFICER | ROLE_AUDITOR) /* they may read the log and use the reserve */
#define ROLE_SERVED                  \
	(ROLE_USER | ROLE_OPERATOR | \
		ROLE_AUDITOR) /* they may ask a model; an auditor only what the log holds already */
#define ROLE_COUNT 4u

/* What /etc says of Keep's groups and users; read once. */
struct role_groups {
	bool has[ROLE_COUNT];
	u32 gid[ROLE_COUNT];
	u32 n_units, units[3]; /* users of Keep's own units */
	bool has_gateway;
	u32 gateway;
};
/* From `group` and `passwd` in the directory. A file that is not there: nothing of it. 0 done; -errno. */
_must_use_ int audit_role_groups_read(const char *etc, struct role_groups *ret);

/* Roles of somebody with these groups; conflicts are not yet looked at. */
u32 audit_role_of_groups(const struct role_groups *g, const u32 *gids, size_t n);
/* Why these roles do not go together, or NULL. */
const char *audit_role_conflict(u32 roles);
/* The word of one role; "" for none. */
const char *audit_role_name(u32 role);
/* "officer or auditor". */
struct role_words {
	char s[64];
};
struct role_words audit_role_words(u32 roles);

/* ---- in a running keepd (role_keepd.c) ---- */

struct keepd;
struct conn;
struct ipc_frame;

/* At the start of a connection: what the kernel says of it. 0; -errno. */
_must_use_ int role_peer(struct conn *c);
/* May its sessions name a principal? keep-gateway's may: nobody else says for whom he asks. */
bool role_speaks_for_others(const struct conn *c);
/* The roles that whoever is at the other end of a unix socket would have at ctl.sock. 0, *ret may be none and *ret_why says why; -errno. */
_must_use_ int role_of_socket(const struct keepd *k, int fd, u32 *ret, const char **ret_why);
/* One more was refused of whom anybody may send any number: has the log heard of enough in this hour? */
bool role_denied_often(struct keepd *k);
/* The record that somebody was refused, with how many before it the log has not heard of. */
void role_denied_put(
	struct keepd *k, const struct audit_actor *who, const char *what, const char *needs, const char *why);
/* That this client was, of `type`: once for a connection, and seldom of who has no role, so that nobody fills the log with what he may not do. */
void role_denied(struct conn *c, u32 type, const char *needs, const char *why);
/* The roles that it has now; 0 and *ret_why when none. */
u32 role_of(const struct conn *c, const char **ret_why);
/* The roles by which it reads what the console shows: those of whom keep-gateway has proven for it, else its own. Nothing but what
 * role_keepd.c lists is read so, and nothing is changed. */
u32 role_reads(const struct conn *c);
/* Its enrolled person, or NULL. */
const struct role_row *role_row_of(const struct conn *c);
/* A command begins: who acts, and does the signature before it hold? 0 go on; 1 END was sent. */
_must_use_ int role_begin(struct conn *c, const struct ipc_frame *f, u32 allowed);
/* A person with an enrolled key did not sign: that is recorded, END is sent and true returned. */
bool role_unsigned(struct conn *c, u32 type, u64 id);
/* Does the file that a signed command brought have the digest that was signed? True where nothing was signed. */
bool role_file_ok(const struct conn *c, const void *data, size_t len);

int sign_frame(struct conn *c, struct ipc_frame *f);
int role_add_frame(struct conn *c, struct ipc_frame *f);
/* Persons and groups, one JSON line each. */
void role_list(const struct keepd *k, struct jsonw *w);
