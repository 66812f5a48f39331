/* A rule and what a gateway says of a certificate, byte for byte as they come; keys as clients send them. Whoever comes by a rule has the name that it
 * gives, or one that the certificate has, whole. */
#include "base/access.h"
#include "base/bytes.h"

#include <string.h>

static void rules(const uint8_t *data, size_t len)
{
	static struct proto_access a;
	static struct proto_prove_cert c;
	char who[NAME_LEN_MAX + 8];
	memset(&a, 0, sizeof a);
	memset(&c, 0, sizeof c);
	memcpy(&a, data, MIN(len, sizeof a));
	if (len > sizeof a)
		memcpy(&c, data + sizeof a, MIN(len - sizeof a, sizeof c));
	if (access_check(&a) || !access_cert_ok(&c) || !access_rule_fits(&a, &c, who))
		return;
	assert(a.kind == ACCESS_CERT && !strcmp(a.ca, c.ca) && bytes_str_ok(who, sizeof who) && who[0]);
	bool has = false;
	for (u32 i = 0; i < c.n_names; i++)
		has |= !strcmp(c.names[i], who);
	assert(a.principal[0] ? !strcmp(who, a.principal) : has);
	assert(strchr(a.san, '*') || !a.san[0] || a.principal[0] || !strcmp(who, a.san));
}

static void key(const char *text, size_t len)
{
	struct proto_prove_key k, twin;
	if (access_key_read(text, len, &k))
		return;
	assert(access_key_meant(text, len) && bytes_name_ok(k.name) && bytes_str_ok(k.name, sizeof k.name));
	assert(len == 5 + strlen(k.name) + 1 + 2 * ACCESS_SECRET_BYTES &&
		!memcmp(text + 5, k.name, strlen(k.name)));
	assert(!access_key_read(text, len, &twin) && access_same(k.proof, twin.proof));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char pattern[64] = "";
	if (len && data[0] == 'k')
		key((const char *)data, len);
	else
		rules(data, len);
	memcpy(pattern, data, MIN(len, sizeof pattern - 1));
	assert(access_like(pattern, pattern) || strpbrk(pattern, "*?"));
	return 0;
}
