/* console: a one-time link to the review console, and the end of what links began. */
#define _GNU_SOURCE
#include "base/access.h"
#include "base/bytes.h"
#include "cli/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define URL_DEFAULT	"https://localhost:8443" /* where the packaged unit listens */
#define MINUTES_DEFAULT 480u

static bool url_ok(const char *url)
{
	size_t n = strlen(url);
	for (const char *s = url; *s; s++)
		if ((u8)*s <= 0x20 || (u8)*s >= 0x7f || strchr("\"\\<>?#", *s))
			return false;
	return !strncmp(url, "https://", 8) && n > 8 && n < 256;
}

static void print_link(const char *url, const char *secret, bool json, const struct proto_end *end)
{
	size_t n = strlen(url);
	int len = (int)(url[n - 1] == '/' ? n - 1 : n);
	if (json)
		printf("{\"url\":\"%.*s/console/login?link=%s\",\"index\":%" PRIu64 "}\n", len, url, secret,
			end->index);
	else
		printf("%.*s/console/login?link=%s\n", len, url, secret);
}

/* keepd is told the hash, the link has the secret. An exit status. */
static int link_make(struct ctl *k, const char *url, u32 minutes, bool json)
{
	u8 secret[ACCESS_SECRET_BYTES], proof[SHA256_BYTES];
	char hex[2 * ACCESS_SECRET_BYTES + 1];
	struct proto_console want = { .minutes = minutes };
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		return out_fail(CLI_UNDECIDED, "no random numbers: %s", out_reason(-errno));
	access_key_proof(secret, proof);
	access_key_hash(proof, want.hash);
	bytes_hex(secret, sizeof secret, hex);
	int r = ctl_ask(k, CTL_CONSOLE, &want, sizeof want, -1, &a);
	if (!r) {
		print_link(url, hex, json, &a.end);
		r = fflush(stdout) ? CLI_UNDECIDED : CLI_DONE;
		out_say("good for one use within %u minutes; it opens the console for %u minutes",
			CONSOLE_LINK_S / 60, minutes);
	}
	explicit_bzero(secret, sizeof secret);
	explicit_bzero(proof, sizeof proof);
	explicit_bzero(hex, sizeof hex);
	return r;
}

static int end_all(struct ctl *k)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_ask(k, CTL_CONSOLE_END, NULL, 0, -1, &a);
	if (!r)
		out_say("%s, record %" PRIu64, a.end.text, a.end.index);
	return r;
}

int cmd_console(struct cli *c, int argc, char **argv)
{
	const char *url = URL_DEFAULT;
	u32 minutes = MINUTES_DEFAULT;
	bool end = false, json = false;
	int n;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	const struct opt opts[] = { { "--url", OPT_STR, &url, NULL },
		{ "--minutes", OPT_U32, &minutes, NULL }, { "--end", OPT_FLAG, &end, NULL },
		{ "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (!minutes || minutes > CONSOLE_MINUTES_MAX)
		return out_fail(CLI_USAGE, "--minutes: 1 to %u", CONSOLE_MINUTES_MAX);
	if (!url_ok(url))
		return out_fail(CLI_USAGE, "--url: https://HOST[:PORT], as the gateway is reached");
	int r = ctl_open(c, &k);
	if (r)
		return r;
	if (k.hold >= 0)
		return out_fail(
			CLI_REFUSED, "the appliance is not up: a link lasts as long as it runs (keep up)");
	return end ? end_all(&k) : link_make(&k, url, minutes, json);
}
