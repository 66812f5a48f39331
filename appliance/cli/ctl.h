/* The CLI's end of keepd's ctl socket. When nobody listens there, the appliance is started for this one command and stops when the
 * command ends; commands that run meanwhile keep it too (run/hold.sock). */
#pragma once

#include "base/fd.h"
#include "cli/app.h"
#include "proto.h"

#include <sys/types.h>

struct ctl {
	struct app app;
	int sock;
	int hold;	   /* -1: somebody else keeps the appliance up */
	pid_t supervisor;  /* ours to wait for; 0: none */
	off_t log_from;	   /* of keep.log, when this command started the appliance */
	const char *about; /* a file that goes along: a refusal begins with its name; NULL: none */
};

/* 0; otherwise an exit status, said. */
_must_use_ int ctl_open(const struct cli *c, struct ctl *ret);
/* Hang up; when this command started the appliance, wait until it has stopped. */
void ctl_close(struct ctl *k);
#define CTL_NONE                                                \
	{                                                       \
		.app = { .run_fd = -1 }, .sock = -1, .hold = -1 \
	}
#define _cleanup_ctl_ _cleanup_(ctl_close)

/* What came before END. */
struct ctl_answer {
	struct proto_end end;
	bool has_verdict, has_session;
	struct attest_report verdict;
	struct proto_session_open session;
	u32 n_signers, n_rules;
	struct proto_signer signers[BUNDLES_MAX];
	struct proto_rule rules[2 * RULES_MAX]; /* of two jobs */
	int session_fd;				/* -1: none */
	/* files of an exported model: the bundles, then the files of the segments */
	u32 n_bundles, n_files;
	u8 model[MODEL_DIGEST_BYTES];
	char stored_name[NAME_LEN_MAX + 8];
	int stored[BUNDLES_MAX + MODEL_FILES_MAX];
	struct fd_map data;
	bool has_data;
};
#define CTL_ANSWER_NONE          \
	{                        \
		.session_fd = -1 \
	}
void ctl_answer_fini(struct ctl_answer *a);
#define _cleanup_answer_ _cleanup_(ctl_answer_fini)

/* Send; 0, or an exit status, said. fd is borrowed. */
_must_use_ int ctl_send(struct ctl *k, u32 type, u64 id, const void *body, u32 len, int fd);
/* Collect frames until END, showing progress. 0 and *ret (END's status may still be a refusal); otherwise an exit status, said. */
_must_use_ int ctl_finish(struct ctl *k, struct ctl_answer *ret);
/* Send one frame, finish, and say END's text when it is not done. Returns the exit status. */
_must_use_ int ctl_ask(struct ctl *k, u32 type, const void *body, u32 len, int fd, struct ctl_answer *ret);
/* ctl_ask for a query. name may be NULL. */
struct ctl_query {
	u32 what;
	const char *name;
	u64 first, count;
};
_must_use_ int ctl_query(struct ctl *k, const struct ctl_query *q, struct ctl_answer *ret);

/* The last lines of what the processes of single commands said, to stderr. */
void ctl_say_log(const struct ctl *k);
