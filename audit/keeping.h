/* What a running keepd does about retention: the setting, holds, archives, pruning, and the questions about them. */
#pragma once

#include "audit/dual.h"

int retain_frame(struct conn *c, struct ipc_frame *f);
int hold_add_frame(struct conn *c, struct ipc_frame *f);
int archived_frame(struct conn *c, struct ipc_frame *f);

/* QUERY_RETAIN, QUERY_WITNESSED, QUERY_LEAVES, QUERY_SUBTREES. Another: -EPROTO. */
int keeping_query(struct conn *c, const struct proto_query *q, u64 id);
/* "pruned":[{from,to,records,archive,digest,label}…] into an object: what verify says openly. */
void keeping_put_pruned(const struct keepd *k, struct jsonw *w);

int prune_frame(struct conn *c, struct ipc_frame *f);

/* ---- acts of two people (dual.h) ---- */

bool hold_rm_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int hold_rm_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
bool prune_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int prune_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
/* Behind the commit of a prune: what was deleted is overwritten. 0; -errno. */
_must_use_ int prune_effect(struct keepd *k);
