/* A SoftHSM token with the longest PIN: it opens with it, and not with another; the key is the one that was put in. Without
 * softhsm2-util, or in a build without PKCS #11, skipped. The command's side is scenario a07. */
#define _GNU_SOURCE
#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir, pin[PIN_BYTES_MAX + 1];
static struct proto_key key;
static u32 asked;

static void shell(const char *what, const char *with)
{
	char command[1400];
	snprintf(command, sizeof command, "cd %s && %s %s >log 2>&1", dir, what, with);
	if (system(command))
		fail_msg("%s", command);
}

static int give_pin(void *ctx, const char *source, const char *label, char *ret, size_t *ret_len)
{
	const char *p = ctx;
	asked++;
	assert_string_equal(label, "keep");
	if (!p)
		return 1;
	memcpy(ret, p, *ret_len = strlen(p));
	return 0;
}

static const char *try(const char *uri, char *with, struct attest_report *report)
{
	struct attest_token *t = NULL;
	struct attest_token_params p = { .uri = uri, .pin = give_pin, .ctx = with };
	asked = 0;
	int r = attest_token_open(&p, &t, report);
	assert_in_range(r, 0, 1);
	assert_true((r == 0) == (t != NULL));
	attest_token_close(t);
	return report->code;
}

static void test_open(void **state)
{
	struct attest_report report;
	char wrong[] = "0000";
	assert_string_equal(try("pkcs11:token=keep;object=k", pin, &report), "accepted");
	assert_int_equal(asked, 1);
	assert_string_equal(try("pkcs11:token=keep;object=k", wrong, &report), "key");
	assert_int_equal(asked, 1); /* never again with the same one */
	assert_string_equal(try("pkcs11:token=keep;object=k", NULL, &report), "key");
	assert_string_equal(try("pkcs11:token=keep;object=other", pin, &report), "key");
	assert_string_equal(try("pkcs11:token=keep;object=k;type=private", pin, &report), "accepted");
	assert_string_equal(try("pkcs11:token=none", pin, &report), "key");
	assert_int_equal(asked, 0);
	assert_string_equal(try("pkcs11:token=keep;object=k?pin-value=1", pin, &report), "key");
	assert_string_equal(try("pkcs11:token=keep;object=k;colour=red", pin, &report), "key");
	assert_string_equal(try("pkcs11:token=%zz", pin, &report), "key");
	assert_string_equal(try("pkcs11:object=k?module-path=/nonexistent.so", pin, &report), "key");
	assert_int_equal(asked, 0);
}

static int setup(void **state)
{
	char path[600];
	dir = helper_tmp();
	memset(pin, '7', PIN_BYTES_MAX);
	snprintf(path, sizeof path, "%s/conf", dir);
	setenv("SOFTHSM2_CONF", path, 1);
	helper_write(path, "directories.tokendir = tokens\n", 30);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("tokens", 0700), 0);
	snprintf(path, sizeof path, "%s/k", dir);
	assert_int_equal(attest_keygen(path, 384, &key), 0);
	shell("softhsm2-util --init-token --free --label keep --so-pin 123456 --pin", pin);
	shell("softhsm2-util --import k.key.pem --token keep --label k --id 01 --pin", pin);
	return 0;
}

static int teardown(void **state)
{
	helper_rm(dir);
	return 0;
}

int main(void)
{
	struct attest_report report;
	struct attest_token *t;
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_open) };
	if (attest_prepare())
		return 1;
	if (system("command -v softhsm2-util >/dev/null")) {
		puts("skipped: softhsm2 is not installed");
		return 77;
	}
	if (attest_token_open(&(struct attest_token_params){ .uri = "pkcs11:token=none" }, &t, &report) ==
			1 &&
		strstr(report.detail, "no PKCS #11")) {
		puts("skipped: this build has no PKCS #11");
		return 77;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
