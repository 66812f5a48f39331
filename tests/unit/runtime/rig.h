/* The real keep-runtime as a child, and a gate for it: what tests send and hear. KEEP_RUNTIME names the program. What does not go as it must fails the
 * test that runs. */
#pragma once

#include "base/ipc.h"
#include "base/request.h"
#include "proto.h"
#include "tests/logits/tiny_model.h"

#include <sys/types.h>

#define GRANT 7u

struct runtime {
	pid_t pid;
	int gate;
	u64 next_session;
};

struct sealed {
	int fd;
	u8 digest[SHA256_BYTES];
};

/* Started on that device, the gate connected. */
void start(struct runtime *rt, const char *device);
/* Hang up; how it ended: its exit status, or minus the signal. */
int ended(struct runtime *rt);

void tell(int sock, u32 type, u64 id, const void *body, u32 len, int fd);
/* The next frame of that type, valid until the next call; others are skipped. */
struct ipc_frame *hear(int sock, u32 type);
/* Nothing comes for a while. */
bool silent(int sock);

/* A model for a grant, GRANT unless said: everything that keepd would send, up to LOAD. */
void offer_as(struct runtime *rt, const struct tiny *t, const struct proto_grant *want, u64 id);
void offer(struct runtime *rt, const struct tiny *t, const struct proto_grant *want);
/* A session on GRANT; the client's socket. */
int session(struct runtime *rt, u64 *ret_id);
/* The request as a sealed file that the caller closes. */
struct sealed seal(const struct request_header *h, const char *text);
void ticket(struct runtime *rt, u64 session_id, u64 id, const u8 *digest);
/* The outcome as the client hears it, and as the gate does. */
struct proto_outcome done(int sock, u64 id);
struct proto_outcome outcome(struct runtime *rt, u64 id);
/* Reads until the socket ends; how many frames of tokens came, and whether anything else did. */
u32 drain(int sock, bool *ret_other);

/* The model of most tests, made and taken away by these two, for a group of tests. */
extern struct tiny tiny;
int rig_open(void **state);
int rig_close(void **state);
/* On the reference device, with that model ready as GRANT. */
void start_loaded(struct runtime *rt);
/* A question with an answer of n tokens; 0.9 is the temperature unless said. */
struct sealed generation_at(f32 temperature, u32 n);
struct sealed generation(u32 n);
