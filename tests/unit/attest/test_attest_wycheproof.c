/* Wycheproof's signatures, where KEEP_SHARED points to them: each judged as documented. */
#include "helper.h"
#include "attest/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *shared;

static void hex_of(json_t *v, u8 **ret, size_t *ret_len)
{
	*ret_len = json_string_length(v) / 2;
	*ret = malloc(*ret_len + 1);
	assert_int_equal(bytes_unhex(json_string_value(v), *ret_len, *ret), 0);
}

static void wycheproof(const char *file, u32 *ret_valid, u32 *ret_invalid)
{
	char path[600];
	snprintf(path, sizeof path, "%s/vectors/oms/wycheproof/%s", shared, file);
	struct attest_blob text = helper_read(path);
	json_t *j = json_loadb((const char *)text.data, text.len, 0, NULL), *group, *test;
	size_t i, k;
	assert_non_null(j);
	json_array_foreach(json_object_get(j, "testGroups"), i, group)
	{
		struct proto_key key;
		struct attest_report report;
		json_t *pem = json_object_get(group, "publicKeyPem");
		assert_int_equal(
			attest_key_parse(json_string_value(pem), json_string_length(pem), &key, &report), 0);
		json_array_foreach(json_object_get(group, "tests"), k, test)
		{
			u8 *msg, *sig;
			size_t msg_len, sig_len;
			bool valid = !strcmp(json_string_value(json_object_get(test, "result")), "valid");
			hex_of(json_object_get(test, "msg"), &msg, &msg_len);
			hex_of(json_object_get(test, "sig"), &sig, &sig_len);
			int r = key_verify(&key, msg, msg_len, sig, sig_len, &report);
			if (r != (valid ? 0 : 1))
				fail_msg("%s test %lld: %d", file,
					json_integer_value(json_object_get(test, "tcId")), r);
			*(valid ? ret_valid : ret_invalid) += 1;
			free(msg);
			free(sig);
		}
	}
	json_decref(j);
	attest_blob_fini(&text);
}

static void test_wycheproof(void **state)
{
	u32 valid = 0, invalid = 0;
	wycheproof("ecdsa_secp256r1_sha256_test.json", &valid, &invalid);
	wycheproof("ecdsa_secp384r1_sha384_test.json", &valid, &invalid);
	wycheproof("ecdsa_secp521r1_sha512_test.json", &valid, &invalid);
	print_message("wycheproof: %u valid, %u invalid, all as documented\n", valid, invalid);
	assert_true(valid > 300 && invalid > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_wycheproof) };
	shared = getenv("KEEP_SHARED");
	if (!shared) { /* other people's vectors, which are not part of this tree */
		print_message("skipped: KEEP_SHARED does not point to the public vectors\n");
		return 77;
	}
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
