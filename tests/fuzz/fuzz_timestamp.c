/* A time stamp with what judges it: a length and the bytes that it should be about, the response, and the authority's certificates in PEM.
 * What holds must be about those bytes: the same stamp over others is refused. */
#define _GNU_SOURCE
#include "attest/bundle.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1795000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int judge(const struct stamps_params *p, struct signed_times *times)
{
	struct attest_report report;
	attest_report_init(&report);
	int r = stamps_verify(p, times, &report);
	assert((r == 1) == (report.verdict == ATTEST_REJECTED));
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_report report;
	struct attest_certs *certs = NULL;
	size_t n = size ? data[0] : 0;
	if (size < 1 + n)
		return 0;
	const u8 *stamp = data + 1 + n, *pem = memmem(stamp, size - 1 - n, "-----BEGIN", 10);
	if (!pem)
		return 0;
	u8 sig[256];
	memcpy(sig, data + 1, n);
	struct bundle b = { .sig = sig, .sig_len = n, .n_stamps = 1 };
	struct stamp_authority a = { .from = INT64_MIN, .to = INT64_MAX };
	struct stamps_params p = { .bundle = &b, .authorities = &a, .n_authorities = 1, .now = NOW };
	struct signed_times times = { 0 };
	b.stamps[0].len = (size_t)(pem - stamp);
	b.stamps[0].data = malloc(b.stamps[0].len + 1);
	assert(b.stamps[0].data);
	memcpy(b.stamps[0].data, stamp, b.stamps[0].len);
	if (attest_certs_add(&certs, pem, size - (size_t)(pem - data), &report) == 0) {
		a.certs = certs;
		if (judge(&p, &times) == 0 && times.n) {
			assert(times.at[0] <= NOW + (i64)SIGNED_AHEAD_S_MAX);
			sig[n] = 0;
			b.sig_len = n + 1;
			assert(judge(&p, &times) == 1);
		}
	}
	attest_certs_free(certs);
	free(b.stamps[0].data);
	return 0;
}
