/* An appliance with its people, for tests of what they do together: two officers, an operator, an auditor, a user. */
#pragma once

#include "rig.h"

struct office {
	struct rig rig;
	char etc[192], page[192],
		env[224]; /* page: a file that keepd maps; its first bytes say what the test's clock, or its disk, does */
	int alice, bob; /* officers, uids 1001 and 1002 */
	int carol;	/* auditor, 1003 */
	int dave;	/* operator, 1004 */
	int eve;	/* user, 1005 */
};

/* A keepd of that program, started; everybody connected. variable: of its environment, names the page. */
void office_up(struct office *o, const char *keepd, const char *variable);
void office_connect(struct office *o);
void office_hang_up(struct office *o);
/* Kill it, or end it, and start it again. */
void office_again(struct office *o, int sig);
void office_down(struct office *o);
void office_page(struct office *o, const char *text);

/* One command without a file. */
struct rig_answer office_ask(int sock, u32 type, const void *body, u32 len);
struct rig_answer office_name(int sock, u32 type, const char *name);
/* Propose as alice, approve as bob: the answer to the approval. */
struct rig_answer office_two(struct office *o, u32 type, const void *body, u32 len);
struct rig_answer office_approve(int sock, u64 index);

/* A session of eve's with a model, over the runtime that the test plays. */
void office_session(struct office *o, int *ret_gate, struct rig_session *ret);
/* Do the bytes stand anywhere below the store, in any file? */
bool office_holds(const struct office *o, const void *what, size_t len);
