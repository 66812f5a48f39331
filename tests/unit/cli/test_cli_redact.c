/* What leaves in a support bundle: people, hosts, addresses, digests and secrets do not, and everything else stays as it is. */
#define _GNU_SOURCE
#include "cli/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct redact r;

static void is(const char *text, const char *want)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	redact_write(&r, f, text, strlen(text));
	fclose(f);
	assert_string_equal(out, want);
	free(out);
}

static int setup(void **state)
{
	static char passwd[] = "root:x:0:0::/root:/bin/sh\nkeepd:x:998:998::/:/bin/false\nolga:x:1001:1001::/"
			       "home/olga:/bin/sh\n"
			       "otto:x:1002:1002::/srv/otto:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n";
	FILE *f = fmemopen(passwd, strlen(passwd), "r");
	r = (struct redact){ 0 };
	redact_machine(&r, f, "vault");
	fclose(f);
	return 0;
}

static int teardown(void **state)
{
	redact_fini(&r);
	return 0;
}

static void people(void **state)
{
	is("olga asked otto, and olga again in /srv/olga; olgas are many, root and keepd stay",
		"user-1 asked user-2, and user-1 again in "
		"/srv/user-1; olgas are many, root and keepd stay");
	is("Nov 23 vault keepd[12]: ready", "Nov 23 host-1 keepd[12]: ready");
	is("olga@example.org wrote; keep-attest@7.service and keep-attest@1-2-0.service did",
		"mail-1 wrote; keep-attest@7.service and "
		"keep-attest@1-2-0.service did");
	assert_int_equal(r.times[REDACT_USER], 4);
}

static void addresses(void **state)
{
	is("from 192.0.2.7:22 to 192.0.2.7 and 198.51.100.9.",
		"from address-1:22 to address-1 and address-2.");
	is("127.0.0.1:8080 0.0.0.0:22 ::1 :: [::1]:80 version 1.2.3.4.5 is 1.2.3",
		"127.0.0.1:8080 0.0.0.0:22 ::1 :: [::1]:80 version 1.2.3.4.5 is "
		"1.2.3");
	is("[2001:db8::7]:443 fe80:0:0:0:1:2:3:4", "[address-3]:443 address-4");
	is("at 12:34:56, 02:42:ac:11:00:02: up", "at 12:34:56, mac-1: up");
}

static void digests(void **state)
{
	is("sha256 \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\" 0x1234",
		"sha256 \"01234567...\" 0x1234");
	is("deadbeef", "deadbeef");
}

static void secrets(void **state)
{
	is("PRIVATE+KEY+keep/log+1234abcd+AbCdEf0123456789 x", "[secret] x");
	is("-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\nbehind",
		"[secret]\nbehind");
	is("-----BEGIN PRIVATE KEY-----\ncut off", "[secret]");
	is("token abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789 end", "token [secret] end");
	is("a-long-name-of-a-unit-that-is-no-secret-at-all.service",
		"a-long-name-of-a-unit-that-is-no-secret-at-all.service");
}

static void odd(void **state)
{
	is("", "");
	is(":", ":");
	is("@ . @. 1.2.3. ::: a:b", "@ . @. 1.2.3. ::: a:b");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { CASE(people), CASE(addresses), CASE(digests), CASE(secrets),
		CASE(odd) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
