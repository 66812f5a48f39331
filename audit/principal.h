/* Who comes over the network. keep-gateway says so and shows why; keepd decides.
 *
 * A connection of the gateway's proves somebody and then opens a session, which is for that principal and no other. What it can prove:
 *
 *   peer         the client's own connection to http.sock, as a descriptor: keepd asks the kernel who is at its other end, and that user
 *                has the roles that it would have at ctl.sock
 *   key          what the gateway makes of an API key (base/access.h); only who was shown the key can make it
 *   login        what a one-time link to the review console became (audit/console.h)
 *   certificate  what the gateway read in a certificate whose path it judged: the rules, which are rows of state, say who that is
 *
 * So a captured gateway can speak for those who come to it while it is captured, for as long as their keys are good, and for whom a rule
 * for certificates provides; it can invent no user of the machine, and nobody who comes by key. Keys and rules are added and removed by officers, two
 * of them where the policy says so (two-persons = access); removing a key takes one, at once, and ends its sessions. */
#pragma once

#include "audit/record.h"
#include "audit/state.h"

struct keepd;
struct conn;
struct ipc_frame;

/* END says that nobody was proven, and nothing that follows may be taken for the client's own. Keys are tried by strangers: so many are
 * recorded in an hour, the rest is counted. 0. */
int principal_unproven(struct conn *c, u64 id, const char *word, const char *detail);
/* PRINCIPAL and END: what follows on this connection is for p. 0. */
int principal_proven(struct conn *c, u64 id, const struct proto_principal *p);
/* It may not ask for somebody else, or nothing can be recorded: END is sent and true returned. */
bool principal_may_not(struct conn *c, u64 id);

int prove_peer_frame(struct conn *c, struct ipc_frame *f);
int prove_key_frame(struct conn *c, struct ipc_frame *f);
int prove_cert_frame(struct conn *c, struct ipc_frame *f);

/* Is what was proven still so: key or rule there, not expired, nothing newer to judge by? NULL; otherwise why not. A principal
 * without a name is the client itself, and always is. */
const char *principal_ended(const struct keepd *k, const struct proto_principal *p);
/* "api-key"; "" for none. */
const char *principal_how_name(u32 how);
/* May it use that model? */
bool principal_may_use(const struct proto_principal *p, const char *model);
/* "principal", "how" and "credential" into a record; nothing for a client that asks for itself. */
void principal_fields(const struct proto_principal *p, struct audit_record *rec);

int access_add_frame(struct conn *c, struct ipc_frame *f);
int access_rm_frame(struct conn *c, struct ipc_frame *f);
/* Keys and rules, one JSON line each. */
void access_list(const struct keepd *k, struct jsonw *w);
/* QUERY_CLIENTS. 0; -errno. */
_must_use_ int clients_answer(struct conn *c, u64 id, u64 known);

int tls_set_frame(struct conn *c, struct ipc_frame *f);
/* Record when the gateway's certificate comes near its end. */
void tls_watch(struct keepd *k);
void tls_status(const struct keepd *k, struct jsonw *w);
