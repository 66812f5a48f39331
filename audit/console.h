/* Who reads in the review console by a link.
 *
 * `keep console` makes 32 random bytes, tells keepd their hash (as of an API key, base/access.h), and prints a link with the bytes in it. Whoever
 * shows them to keep-gateway, once and within CONSOLE_LINK_S, is logged in as the user who asked: the gateway makes 32 other bytes for the
 * browser's cookie and tells keepd the hash of those. Every request proves the cookie anew, as it would an API key. So keepd holds no secret,
 * a link that was followed opens nothing, and a cookie is no link.
 *
 * Links and logins live in memory: they end with keepd, with their minutes, when their user's enrolment changes, and by `keep console --end`.
 * The records of link, login and end stay; what the login read names the record of its link as its credential. */
#pragma once

#include "base/access.h"
#include "proto.h"

struct keepd;
struct conn;
struct ipc_frame;
struct role_row;

struct console_login {
	u64 index; /* record of the link; 0: this place is free */
	u32 uid, reads, minutes;
	bool entered;		     /* it is a login; else a link */
	u64 until_ns, until_s;	     /* of keepd_now_ns, and of UTC */
	u8 link[SHA256_BYTES];	     /* hash of the link's proof */
	u8 login[SHA256_BYTES];	     /* hash of the cookie's */
	char name[NAME_LEN_MAX + 8]; /* the enrolled person, or "uid:1000" */
};

int console_frame(struct conn *c, struct ipc_frame *f);
int console_end_frame(struct conn *c, struct ipc_frame *f);
int enter_frame(struct conn *c, struct ipc_frame *f);
int prove_login_frame(struct conn *c, struct ipc_frame *f);

/* The login that p was proven by; NULL: it has ended. */
const struct console_login *console_login_of(const struct keepd *k, const struct proto_principal *p);
/* The enrolled person that p is by its login; NULL: nobody enrolled. */
const struct role_row *console_person(const struct keepd *k, const struct proto_principal *p);
/* Links and logins of that user end. Their number. */
u32 console_forget(struct keepd *k, u32 uid);
