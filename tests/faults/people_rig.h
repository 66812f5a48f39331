/* A gate of several people, with the test's clock: who they are, what they say, and how two of them do what takes two. For test_people.c and
 * test_dual.c, with the keepd that people.c and clock.c are linked into. */
#pragma once

#include "rig.h"
#include "audit/tlog/note.h"

enum { USERS = 2001, OPERATORS, OFFICERS, AUDITORS, OTHERS };
#define ALICE                     \
	{                         \
		1001, OFFICERS, 3 \
	}
#define BOB                       \
	{                         \
		1002, OFFICERS, 1 \
	}
#define CAROL                     \
	{                         \
		1003, AUDITORS, 2 \
	}
#define DAVE                       \
	{                          \
		1004, OPERATORS, 1 \
	}
#define EVE                    \
	{                      \
		1005, USERS, 1 \
	}
#define FRANK                   \
	{                       \
		1006, OTHERS, 1 \
	}

extern const char *people_keepd;

/* Setup and teardown of cmocka: the state is the rig, and keepd runs. */
int people_up(void **state);
int people_down(void **state);
void people_put(const char *dir, const char *name, const char *text);
/* keepd's wall clock is so many seconds ahead. */
void people_clock(i64 seconds);

/* A command, signed before it when there is a key. */
struct rig_answer people_command(
	int sock, const struct note_key *key, const char *origin, u32 type, const void *body, u32 len);
struct rig_answer people_add(int sock, const char *name, u32 uid, u32 roles, const char *vkey);
struct rig_answer people_name(int sock, u32 type, const char *object);
/* How a question after the status ends. */
u32 people_status(int sock);
int people_text(const char *text);

/* The proposal as it is listed: its act's digest. False: it does not wait. */
bool people_pending(int sock, u64 index, u8 digest[SHA256_BYTES]);
/* Something that waits says these words. */
void people_listed(int sock, const char *words);
struct proto_decide people_decision(int sock, u64 index, bool approve);
struct rig_answer people_decide(int sock, u64 index, bool approve);
/* The record that answers a proposal. */
u64 people_answer_of(int sock, u64 index);
