/* What surrounds the chain: its place in a bundle, the encoding of a certificate, files of certificates, signing with a chain. */
#define _GNU_SOURCE
#include "chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *plain_list(void)
{
	json_t *list = json_array();
	chain_push(list, plain[0]);
	chain_push(list, plain[1]);
	return list;
}

static void expect_list(json_t *list, const char *want)
{
	struct attest_report report;
	char *text = chain_bundle(list, false);
	const char *code = chain_judge(text, plain_root, NOW, &report);
	if (strcmp(code, want))
		fail_msg("%s (%s), expected %s", code, report.detail, want);
	free(text);
	json_decref(list);
}
void test_reading(void **state)
{
	struct attest_report report;
	json_t *list = plain_list(), *mixed;
	expect_list(plain_list(), "accepted");
	expect_list(json_array(), "material");
	mixed = json_pack("[O,s]", json_array_get(list, 0), "x");
	expect_list(mixed, "field");
	mixed = json_pack("[{s:s,s:s}]", "rawBytes", "AAAA", "x", "y");
	expect_list(mixed, "field");
	expect_list(json_pack("[{}]"), "field");
	expect_list(json_pack("[{s:s}]", "rawBytes", "AA=A"), "base64");
	expect_list(json_pack("[{s:s}]", "rawBytes", ""), "base64");
	expect_list(json_pack("[{s:s}]", "rawBytes", "AAAA"), "certificate");
	mixed = json_pack("[O,{s:s}]", json_array_get(list, 0), "rawBytes", "MAA=");
	expect_list(mixed, "certificate");
	/* leaf last */
	mixed = json_pack("[O,O]", json_array_get(list, 1), json_array_get(list, 0));
	expect_list(mixed, "key-usage");
	/* without the CA between */
	mixed = json_pack("[O]", json_array_get(list, 0));
	expect_list(mixed, "chain");
	/* the largest number of certificates, and one past */
	mixed = plain_list();
	while (json_array_size(mixed) < CERTS_MAX)
		json_array_append(mixed, json_array_get(list, 1));
	expect_list(json_deep_copy(mixed), "accepted");
	json_array_append(mixed, json_array_get(list, 1));
	expect_list(mixed, "size-limit");
	json_decref(list);
	/* no root: the method is refused; peeking only shows what was signed */
	char *text = chain_bundle((list = plain_list()), false);
	struct attest_manifest *m = NULL;
	assert_string_equal(chain_judge(text, NULL, NOW, &report), "method");
	assert_int_equal(attest_bundle_peek(text, strlen(text), &m, &report), 0);
	assert_false(m->verified);
	attest_manifest_free(m);
	free(text);
	json_decref(list);
}

/* Bytes behind, a length in the long form, a signed part that is no DER: the certificate is refused before anything is believed. */
void test_der(void **state)
{
	u8 *der = NULL, copy[4096];
	struct attest_report report;
	struct attest_certs *c = NULL;
	int n = i2d_X509(plain[0], &der);
	assert_true(n > 256 && n < 4000 && der[1] == 0x82);
	assert_int_equal(certs_add_der(&c, der, (size_t)n, &report), 0);
	memcpy(copy, der, (size_t)n);
	copy[n] = 0;
	assert_int_equal(certs_add_der(&c, copy, (size_t)n + 1, &report), 1);
	assert_string_equal(report.code, "certificate");
	assert_int_equal(certs_add_der(&c, copy, (size_t)n - 1, &report), 1);
	copy[1] = 0x83; /* 83 00 hi lo */
	copy[2] = 0;
	memcpy(copy + 3, der + 2, (size_t)n - 2);
	assert_int_equal(certs_add_der(&c, copy, (size_t)n + 1, &report), 1);
	assert_string_equal(report.code, "certificate");
	/* the same inside: the signed part's length, hidden from the outer encoder */
	assert_true(der[4] == 0x30 && der[5] == 0x81);
	memcpy(copy, der, 6);
	copy[5] = 0x82;
	copy[6] = 0;
	memcpy(copy + 7, der + 6, (size_t)n - 6);
	copy[2] = (u8)((u32)(n - 3) >> 8);
	copy[3] = (u8)(n - 3);
	assert_int_equal(certs_add_der(&c, copy, (size_t)n + 1, &report), 1);
	assert_string_equal(report.code, "certificate");
	assert_int_equal(attest_certs_count(c), 1);
	u8 *large = calloc(1, CERT_BYTES_MAX + 1);
	assert_int_equal(certs_add_der(&c, large, CERT_BYTES_MAX, &report), 1);
	assert_string_equal(report.code, "certificate");
	assert_int_equal(certs_add_der(&c, large, CERT_BYTES_MAX + 1, &report), 1);
	assert_string_equal(report.code, "size-limit");
	free(large);
	attest_certs_free(c);
	OPENSSL_free(der);
}

void test_files(void **state)
{
	static const struct {
		const char *name, *want;
	} none[] = { { "p256.pub.pem", "certificate" }, { "bad-empty.pem", "certificate" },
		{ "bad-certificate.pem", "certificate" } };
	struct attest_report report;
	struct attest_certs *c = NULL;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		char path[300];
		snprintf(path, sizeof path, KEEP_VECTORS "/oms/keys/%s", none[i].name);
		struct attest_blob pem = helper_read(path);
		assert_int_equal(attest_certs_add(&c, pem.data, pem.len, &report), 1);
		assert_string_equal(report.code, none[i].want);
		attest_blob_fini(&pem);
	}
	char *large = calloc(1, CERTS_PEM_BYTES_MAX + 1);
	memset(large, '\n', CERTS_PEM_BYTES_MAX + 1);
	assert_int_equal(attest_certs_add(&c, large, CERTS_PEM_BYTES_MAX, &report), 1);
	assert_string_equal(report.code, "certificate");
	assert_int_equal(attest_certs_add(&c, large, CERTS_PEM_BYTES_MAX + 1, &report), 1);
	assert_string_equal(report.code, "size-limit");
	free(large);
	for (u32 i = 0; i < CERTS_MAX; i++)
		assert_int_equal(chain_add(&c, plain[2]), 0);
	assert_int_equal(chain_add(&c, plain[2]), 1);
	assert_int_equal(attest_certs_count(c), CERTS_MAX);
	attest_certs_free(c);
}

void test_sign(void **state)
{
	struct attest_report report;
	struct attest_blob b = { 0 };
	struct attest_certs *c = NULL;
	assert_int_equal(chain_add(&c, plain[0]) | chain_add(&c, plain[1]), 0);
	assert_int_equal(chain_sign(keys.p521, c, &b, &report), 1);
	assert_string_equal(report.code, "key");
	assert_int_equal(chain_sign(keys.leaf, c, &b, &report), 0);
	char *text = strndup((char *)b.data, b.len);
	assert_string_equal(chain_judge(text, plain_root, NOW, &report), "accepted");
	free(text);
	attest_blob_fini(&b);
	attest_certs_free(c);
}
