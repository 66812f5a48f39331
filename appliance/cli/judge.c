/* A verdict about a publisher's files without an appliance: what verify and verify-model share. */
#define _GNU_SOURCE
#include "base/build_time.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/limits.h"
#include "cli/model.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

/* A whole file that the verdict depends on. 0; otherwise an exit status, said: with --json as a verdict. */
int model_read_judged(const char *path, u64 max, u8 **ret, size_t *ret_len, bool json)
{
	struct attest_report rep;
	if (!json)
		return model_read_file(path, max, ret, ret_len);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r = fd < 0 ? -errno : fd_read_file(fd, max, ret, ret_len);
	if (r == 0)
		return 0;
	attest_report_init(&rep);
	if (r < 0)
		return model_say_result(r, &rep, path, json);
	rep.verdict = ATTEST_REJECTED;
	rep.reason = r == 1 ? ATTEST_SPECIAL_FILE : ATTEST_SIZE_LIMIT;
	snprintf(rep.code, sizeof rep.code, "%s", attest_reason_code(rep.reason));
	snprintf(rep.object, sizeof rep.object, "%s", path);
	snprintf(rep.detail, sizeof rep.detail, "%s", attest_reason_text(rep.reason));
	return model_say_verdict(&rep, path, json, UINT64_MAX);
}

/* The publisher's key, named after its file. 0; otherwise an exit status, said. */
int model_read_key(const char *path, struct proto_key *ret, bool json)
{
	_cleanup_free_ u8 *pem = NULL;
	struct attest_report rep;
	size_t len;
	int r = model_read_judged(path, KEY_PEM_BYTES_MAX, &pem, &len, json);
	if (r)
		return r;
	attest_report_init(&rep);
	r = attest_key_parse(pem, len, ret, &rep);
	if (r)
		return model_say_result(r, &rep, path, json);
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	memset(ret->name, 0, sizeof ret->name);
	memcpy(ret->name, base, MIN(strlen(base), (size_t)NAME_LEN_MAX));
	return 0;
}

void model_certs_free(struct attest_certs **c)
{
	*c = attest_certs_free(*c);
}

/* Append the certificates of a file. 0; otherwise an exit status, said. */
int model_read_roots(const char *path, struct attest_certs **certs, bool json)
{
	_cleanup_free_ u8 *pem = NULL;
	struct attest_report rep;
	size_t len;
	int r = model_read_judged(path, CERTS_PEM_BYTES_MAX, &pem, &len, json);
	if (r)
		return r;
	attest_report_init(&rep);
	r = attest_certs_add(certs, pem, len, &rep);
	return r ? model_say_result(r, &rep, path, json) : 0;
}

void model_crls_free(struct attest_crls **c)
{
	*c = attest_crls_free(*c);
}

int model_read_crls(const char *path, struct attest_crls **crls, bool json)
{
	_cleanup_free_ u8 *pem = NULL;
	struct attest_report rep;
	size_t len;
	int r = model_read_judged(path, CRLS_PEM_BYTES_MAX, &pem, &len, json);
	if (r)
		return r;
	attest_report_init(&rep);
	r = attest_crls_add(crls, pem, len, &rep);
	return r ? model_say_result(r, &rep, path, json) : 0;
}

int model_read_trusted_root(const char *path, struct attest_trusted_root **ret, bool json)
{
	_cleanup_free_ u8 *data = NULL;
	struct attest_report rep;
	size_t len;
	int r = model_read_judged(path, TRUSTED_ROOT_BYTES_MAX, &data, &len, json);
	if (r)
		return r;
	attest_report_init(&rep);
	r = attest_trusted_root_parse(data, len, ret, &rep);
	return r ? model_say_result(r, &rep, path, json) : 0;
}

bool model_pins_any(const struct model_pins *p)
{
	return p->leaf || p->san || p->provider || p->issuer || p->policy_oid;
}

int model_read_pins(const struct cli *c, const struct model_pins *p, struct proto_identity *ret)
{
	struct proto_identity id = { 0 };
	const struct {
		const char *option, *text;
		char *field;
		size_t size;
	} texts[] = { { "--identity", p->san, id.san, sizeof id.san },
		{ "--identity-provider", p->provider, id.provider, sizeof id.provider },
		{ "--issuer", p->issuer, id.issuer, sizeof id.issuer },
		{ "--policy-oid", p->policy_oid, id.policy_oid, sizeof id.policy_oid } };
	if (p->leaf && (strlen(p->leaf) != 2 * SHA256_BYTES || bytes_unhex(p->leaf, SHA256_BYTES, id.leaf)))
		return out_usage(c, "--leaf: 64 lower-case hexadecimal digits are needed");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].text &&
			(!texts[i].text[0] || bytes_put_str(texts[i].field, texts[i].size, texts[i].text)))
			return out_usage(
				c, "%s: from 1 to %zu bytes are needed", texts[i].option, texts[i].size - 1);
	if (model_pins_any(p) && !attest_identity_ok(&id))
		return out_usage(c, "--policy-oid: a number like 1.3.6.1.4.1.99999.1 is needed");
	*ret = id;
	return 0;
}

i64 model_now(void)
{
	i64 wall = (i64)time(NULL), build = (i64)build_time();
	return MAX(wall, build);
}

/* The signature held: what it said about the model belongs into whatever is said about its files. */
static void keep_signer(const struct attest_report *bundle, struct attest_report *rep)
{
	memcpy(rep->model, bundle->model, sizeof rep->model);
	memcpy(rep->bundle, bundle->bundle, sizeof rep->bundle);
	memcpy(rep->key_id, bundle->key_id, sizeof rep->key_id);
	memcpy(rep->signer, bundle->signer, sizeof rep->signer);
	rep->time_source = bundle->time_source;
	rep->time_judged = bundle->time_judged;
}

/* The names in the tree, then its bytes. Returns as attest does. */
static int judge_files(
	const struct model_judge_params *p, const struct attest_manifest *m, struct attest_report *rep)
{
	struct attest_tree tree = { 0 };
	int r = attest_tree_open(&(struct attest_tree_params){ .path = p->model,
					 .bundle_path = p->bundle,
					 .listed = m,
					 .only_listed = p->only_listed,
					 .transfers = !p->bundle,
					 .ignore = p->ignore,
					 .n_ignore = p->n_ignore },
		&tree, rep);
	if (r == 0)
		r = attest_model_verify(&(struct attest_model_params){ .manifest = m,
						.files = tree.files,
						.n_files = tree.n_files,
						.progress = &model_progress },
			NULL, rep);
	attest_tree_fini(&tree);
	return r;
}

int model_judge(const struct model_judge_params *p, struct attest_report *rep)
{
	struct attest_manifest *m = NULL;
	int r = attest_bundle_verify(&p->trust, &m, rep);
	if (r)
		return r;
	const struct attest_report signature = *rep;
	attest_report_init(rep);
	r = judge_files(p, m, rep);
	keep_signer(&signature, rep);
	attest_manifest_free(m);
	return r;
}
