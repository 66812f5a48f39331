/* Method sigstore, keyless: a certificate of minutes for an identity, offline, against a trusted-root file.
 *
 * Order, so that nothing is believed before what it rests on held: 1. every log entry is in a log of the root (rekor.c), which gives signed
 * times; stamps of the root's authorities and of those that the caller pins give others (timestamp.c, before); without any, refused;
 * 2. at each of these times the leaf leads to an authority that the root trusted then (chain.c), and, where the root lists certificate
 * logs, one of them vouches for the leaf (sct.c); 3. the identity is the pinned one; 4. the signature holds; 5. every log entry is about
 * this signature, leaf and statement. */
#include "attest/sigstore.h"

#include <stdlib.h>
#include <string.h>

void keyless_fini(struct keyless *k)
{
	for (u32 i = 0; i < k->n; i++)
		json_decref(k->entries[i].body);
}

u32 keyless_authorities(const struct attest_trusted_root *root, struct stamp_authority *ret)
{
	for (u32 i = 0; i < root->n_tsas; i++)
		ret[i] =
			(struct stamp_authority){ root->tsas[i].certs, root->tsas[i].from, root->tsas[i].to };
	return root->n_tsas;
}

int keyless_times(const struct attest_bundle_params *p, const struct bundle *b, struct keyless *ret,
	struct signed_times *times, struct attest_report *report)
{
	int r = 0;
	for (size_t i = 0; i < json_array_size(b->entries) && !r; i++) {
		r = rekor_verify(p->trusted_root, json_array_get(b->entries, i), p->at, &ret->entries[ret->n],
			times, report);
		ret->n += r == 0;
	}
	if (r)
		return r;
	if (!times->n)
		return attest_reject(report, ATTEST_SIGNING_TIME, "verificationMaterial",
			"nothing signed says when the bundle was signed: no promise of a log, no stamp of a "
			"pinned authority");
	return 0;
}

/* Of several refusals the one that says most: an authority that was not trusted then, or that the leaf does not lead to, has little to
 * say. */
static int authority_find(const struct attest_bundle_params *p, const struct bundle *b, i64 at,
	struct attest_certs **ret_path, struct attest_report *report)
{
	const struct attest_trusted_root *root = p->trusted_root;
	struct attest_report worst = *report, one = *report;
	attest_reject(&worst, ATTEST_CHAIN, "certificate",
		"the leaf leads to no authority that the trusted root trusted when the bundle was signed");
	for (u32 i = 0; i < root->n_cas; i++) {
		const struct trusted_ca *ca = &root->cas[i];
		struct chain_params c = { .leaf = certs_at(b->chain, 0),
			.roots = ca->certs,
			.others = ca->certs,
			.at = at,
			.now = p->at };
		if (at < ca->from || at > ca->to)
			continue;
		int r = chain_verify(&c, ret_path, &one);
		if (r <= 0)
			return r;
		if (one.reason != ATTEST_CHAIN)
			worst = one;
	}
	*report = worst;
	return 1;
}

int keyless_path(const struct attest_bundle_params *p, const struct bundle *b, i64 at,
	struct attest_certs **ret_path, struct attest_report *report)
{
	int r = authority_find(p, b, at, ret_path, report);
	if (r || !p->trusted_root->wants_sct)
		return r;
	r = sct_verify(p->trusted_root, *ret_path, report);
	if (r)
		certs_put(ret_path);
	return r;
}

int keyless_matches(const struct keyless *k, const struct bundle *b, struct attest_report *report)
{
	int r = 0;
	for (u32 i = 0; i < k->n && !r; i++)
		r = rekor_matches(&k->entries[i], b, report);
	return r;
}
