/* Import: a model enters the store.
 *
 *   IMPORT, FILE…, GO    names and read-only descriptors from the client; nothing is opened by name; BUNDLE for further signatures
 *   intent record        commit
 *   verify job           keep-attest checks the signatures, holds who signed to the policy, hashes every file and writes what it hashed to
 *                        staging
 *   layout job           another keep-attest reads the staged files, says what the bytes mean, and holds that to the policy
 *   verdict record       with every digest, signer and rule, the time that it was judged at, and the model's row; commit
 *   publish              rename to models/<digest>; only then does the client hear of it
 *
 * A crash between the last two is finished at the next start. Here is what comes before the intent's commit; admit.c has the rest. */
#include "audit/import.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLLECT_NS_MAX 30000000000u /* between two FILE frames */

void import_free(struct import *im)
{
	for (u32 i = 0; i < im->n; i++)
		fd_close(&im->files[i].fd);
	for (u32 i = 0; i < im->n_bundles; i++) {
		fd_close(&im->bundles[i].fd);
		free(im->bundles[i].data);
	}
	free(im->files);
	fd_close(&im->stage);
	if (im->client)
		im->client->import = NULL;
	if (im->k->import == im)
		im->k->import = NULL;
	im->k->sweep = true;
	free(im);
}

/* ---- collecting ---- */

/* Refuse before anything was recorded: what the client had already sent is skipped. */
static int refuse(struct conn *c, u64 id, u32 status, const char *text)
{
	client_end(c, id, status, UINT64_MAX, "%s", text);
	c->state = CLIENT_SKIP;
	if (c->import)
		import_free(c->import);
	return 0;
}

static int want_check(struct conn *c, u64 id, const struct proto_import *want)
{
	struct keepd *k = c->k;
	char text[256];
	if (!bytes_name_ok(want->name))
		return refuse(c, id, END_USAGE,
			       "a name has 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit"),
		       1;
	const struct model_row *m = audit_model_named(&k->state, want->name);
	if (m) {
		snprintf(text, sizeof text, "model %s: the name is in use (record %" PRIu64 ")", want->name,
			m->index);
		return refuse(c, id, END_REFUSED, text), 1;
	}
	if (want->n_files == 0 || want->n_files > MODEL_FILES_MAX || want->bytes > MODEL_BYTES_MAX) {
		snprintf(text, sizeof text, "model %s: 1 to %u files and at most %llu bytes", want->name,
			MODEL_FILES_MAX, MODEL_BYTES_MAX);
		return refuse(c, id, END_REFUSED, text), 1;
	}
	if (k->import)
		return refuse(c, id, END_REFUSED, "another import is running"), 1;
	if (k->state.n_models == MODELS_MAX)
		return refuse(c, id, END_REFUSED, "the store holds as many models as fit"), 1;
	if (client_refused(c, id, want->bytes + BUNDLE_BYTES_MAX / 64)) {
		c->state = CLIENT_SKIP;
		return 1;
	}
	return 0;
}

int import_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_import want;
	memcpy(&want, f->body, sizeof want);
	if (want.n_bundles >= BUNDLES_MAX || !bytes_str_ok(want.name, sizeof want.name))
		return -EPROTO;
	if (want_check(c, f->h.id, &want))
		return 0;
	struct import *im = calloc(1, sizeof *im);
	if (!im)
		return refuse(c, f->h.id, END_UNDECIDED, "out of memory");
	im->files = calloc(want.n_files, sizeof *im->files);
	if (!im->files) {
		free(im);
		return refuse(c, f->h.id, END_UNDECIDED, "out of memory");
	}
	im->k = c->k;
	im->client = c;
	im->cmd_id = f->h.id;
	im->actor = conn_actor(c);
	im->want = want;
	im->bundles[0].fd = fd_steal(&f->fd);
	im->n_bundles = 1;
	im->since_ns = keepd_now_ns();
	im->stage = -1;
	c->import = im;
	c->k->import = im;
	c->state = CLIENT_FILES;
	return 0;
}

int import_bundle_frame(struct conn *c, struct ipc_frame *f)
{
	struct import *im = c->import;
	struct proto_index at;
	memcpy(&at, f->body, sizeof at);
	if (at.reserved || at.index != im->n_bundles || im->n_bundles > im->want.n_bundles)
		return -EPROTO;
	im->bundles[im->n_bundles++].fd = fd_steal(&f->fd);
	im->since_ns = keepd_now_ns();
	return 0;
}

int import_file_frame(struct conn *c, struct ipc_frame *f)
{
	struct import *im = c->import;
	struct proto_file pf;
	memcpy(&pf, f->body, sizeof pf);
	char text[256];
	u64 size;
	if (pf.reserved || pf.index != im->n || im->n == im->want.n_files ||
		!bytes_str_ok(pf.path, sizeof pf.path) || !pf.path[0])
		return -EPROTO;
	int r = fd_regular_size(f->fd, &size);
	u64 there = r						      ? 0
		    : !pf.offset				      ? size
		    : pf.offset > size || pf.bytes > size - pf.offset ? 0
								      : pf.bytes;
	if (r || there != pf.bytes || pf.bytes > im->want.bytes - im->sum) {
		snprintf(text, sizeof text, "file %.180s: %s", pf.path,
			r < 0 ? strerror(-r)
			: r   ? "not a regular file"
			      : "its size is not what was announced");
		return refuse(c, im->cmd_id, END_REFUSED, text);
	}
	struct import_file *file = &im->files[im->n++];
	file->fd = fd_steal(&f->fd);
	file->bytes = pf.bytes;
	file->offset = pf.offset;
	memcpy(file->path, pf.path, sizeof file->path);
	im->sum += pf.bytes;
	im->since_ns = keepd_now_ns();
	return 0;
}

/* One digest that stands for the list of names and sizes. */
static void files_digest(const struct import *im, u8 ret[SHA256_BYTES])
{
	struct sha256 s;
	sha256_init(&s);
	for (u32 i = 0; i < im->n; i++) {
		sha256_update(&s, &im->files[i].bytes, sizeof im->files[i].bytes);
		sha256_update(&s, im->files[i].path, strlen(im->files[i].path) + 1);
	}
	sha256_final(&s, ret);
}

/* The segment table exactly; a layout is mostly the vocabulary, and is checked once it is here. */
static u64 tables_bytes(const struct import *im)
{
	return sizeof(struct segments_header) + im->n * sizeof(struct segments_file) +
	       (im->sum / SEGMENT_BYTES + im->n) * SHA256_BYTES;
}

/* Every bundle whole; *ret_bytes of all. 0; 1 END was sent. */
static int read_bundles(struct conn *c, struct import *im, u64 *ret_bytes)
{
	*ret_bytes = 0;
	for (u32 i = 0; i < im->n_bundles; i++) {
		struct import_bundle *b = &im->bundles[i];
		int r = fd_read_file(b->fd, BUNDLE_BYTES_MAX, &b->data, &b->len);
		if (r) {
			refuse(c, im->cmd_id, r < 0 ? END_UNDECIDED : END_REFUSED,
				r < 0	 ? strerror(-r)
				: r == 1 ? "bundle: not a regular file"
					 : "bundle: longer than 64 MiB");
			c->state = CLIENT_IDLE;
			return 1;
		}
		sha256_of(b->data, b->len, b->digest);
		*ret_bytes += b->len;
	}
	return 0;
}

static void put_intent(struct import *im, struct audit_record *rec)
{
	u8 digest[SHA256_BYTES];
	files_digest(im, digest);
	jsonw_kv_str(&rec->w, "name", im->want.name);
	jsonw_kv_u64(&rec->w, "n_files", im->n);
	jsonw_kv_u64(&rec->w, "bytes", im->sum);
	jsonw_kv_hex(&rec->w, "files", digest, sizeof digest);
	jsonw_kv_hex(&rec->w, "bundle", im->bundles[0].digest, SHA256_BYTES);
	if (im->n_bundles > 1) {
		jsonw_key(&rec->w, "cosigned");
		jsonw_array(&rec->w);
		for (u32 i = 1; i < im->n_bundles; i++)
			jsonw_hex(&rec->w, im->bundles[i].digest, SHA256_BYTES);
		jsonw_array_end(&rec->w);
	}
	jsonw_kv_u64(&rec->w, "keys", im->k->state.n_trust);
	jsonw_kv_hex(
		&rec->w, "policy", im->k->state.policy.digest, im->k->state.policy.bytes ? SHA256_BYTES : 0);
}

int import_go_frame(struct conn *c, struct ipc_frame *f)
{
	struct import *im = c->import;
	u64 bundle_bytes;
	c->state = CLIENT_IDLE;
	c->cmd_id = im->cmd_id; /* END answers IMPORT */
	if (im->n != im->want.n_files || im->sum != im->want.bytes ||
		im->n_bundles != im->want.n_bundles + 1) {
		refuse(c, im->cmd_id, END_REFUSED, "the files are not as many, or not as long, as announced");
		c->state = CLIENT_IDLE;
		return 0;
	}
	if (read_bundles(c, im, &bundle_bytes))
		return 0;
	if (client_refused(c, im->cmd_id, im->sum + bundle_bytes + tables_bytes(im))) {
		import_free(im);
		return 0;
	}
	struct audit_record rec;
	audit_log_record(c->k->log, &rec, EVENT_IMPORT_INTENT, INTENT_NONE, &im->actor);
	put_intent(im, &rec);
	if (audit_log_append(c->k->log, &rec, NULL))
		return 0;
	im->intent = rec.index;
	im->intended = true;
	c->state = CLIENT_WAIT;
	keepd_effect(c->k, EFFECT_IMPORT, NULL, NULL);
	return 0;
}

/* ---- giving up ---- */

void import_cancel(struct import *im, const char *why, bool record)
{
	if (im->job) {
		im->job->job->import = NULL;
		conn_drop(im->job, "%s", "it closed");
		im->job = NULL;
	}
	if (!im->intended && im->client) {
		refuse(im->client, im->cmd_id, END_UNDECIDED, why);
		return;
	}
	if (!im->intended || !record || audit_log_failed(im->k->log)) {
		import_free(im);
		return;
	}
	struct attest_report rep = job_report(ATTEST_UNDECIDED, "cancelled", "%s", why);
	import_conclude(im, &rep);
}

/* A client that announces an import and then says nothing keeps others from theirs. */
void import_watch(struct keepd *k)
{
	struct import *im = k->import;
	if (im && !im->intended && im->client && keepd_now_ns() - im->since_ns > COLLECT_NS_MAX)
		refuse(im->client, im->cmd_id, END_REFUSED, "the files did not come");
}
