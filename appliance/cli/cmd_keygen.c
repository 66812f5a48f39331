#define _GNU_SOURCE
#include "base/bytes.h"
#include "cli/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int cmd_keygen(struct cli *c, int argc, char **argv)
{
	static const struct {
		const char *name;
		u32 bits;
	} curves[] = { { "p256", 256 }, { "p384", 384 }, { "p521", 521 } };
	const char *out = NULL, *curve = "p384";
	struct proto_key key;
	char hex[2 * SHA256_BYTES + 1];
	u32 bits = 0;
	int n;
	const struct opt opts[] = { { "--out", OPT_STR, &out, NULL }, { "--curve", OPT_STR, &curve, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (!out || !*out)
		return out_usage(c, "--out PREFIX is needed");
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (!strcmp(curves[i].name, curve))
			bits = curves[i].bits;
	if (!bits)
		return out_usage(c, "--curve: p256, p384 or p521");
	int r = attest_prepare();
	r = r ? r : attest_keygen(out, bits, &key);
	if (r)
		return out_fail(r == -EEXIST ? CLI_REFUSED : CLI_UNDECIDED, "%s.key.pem, %s.pub.pem: %s", out,
			out, r == -EEXIST ? "there already; a key is never overwritten" : out_reason(r));
	bytes_hex(key.id, sizeof key.id, hex);
	out_say("%s.key.pem: secret; whoever has it signs in your name", out);
	out_say("%s.pub.pem: public, %s, %s", out, curve, hex);
	out_next("keep sign MODEL --key %s.key.pem", out);
	return CLI_DONE;
}
