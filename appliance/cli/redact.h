/* What is taken out of a text before it is shown to somebody who helps: people, hosts, addresses, secrets, digests. The same thing becomes the
 * same word everywhere, so that the text can still be followed. */
#pragma once

#include "base/types.h"

#include <stdio.h>

enum redact_kind {
	REDACT_USER,	/* user-1: a name of /etc/passwd that is a person's */
	REDACT_HOST,	/* host-1 */
	REDACT_ADDRESS, /* address-1: IPv4 and IPv6, but loopback and "any" */
	REDACT_MAC,
	REDACT_MAIL,
	REDACT_DIGEST, /* the first eight digits stay */
	REDACT_SECRET, /* [secret]: private keys, and what looks like one */
	REDACT_N_KINDS,
};
const char *redact_kind_name(enum redact_kind k);

struct redact {
	struct {
		enum redact_kind kind;
		u32 number;
		char *text;
	} * known;
	size_t n, cap;
	u32 numbers[REDACT_N_KINDS]; /* different things so far */
	u32 times[REDACT_N_KINDS];
	bool failed; /* out of memory: what was written is not to be shown */
};

/* A name that is to become user-N or host-N wherever it stands as a word. */
void redact_add(struct redact *r, enum redact_kind kind, const char *name);
/* People of a passwd file (uid 1000 and above, nobody excepted), and this host's name. */
void redact_machine(struct redact *r, FILE *passwd, const char *host);
/* Write text[len] to f without them. */
void redact_write(struct redact *r, FILE *f, const char *text, size_t len);
void redact_fini(struct redact *r);
