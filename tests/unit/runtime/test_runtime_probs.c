/* What the model held likely: against sums in f64, in order, with the same bits everywhere; texts that fit and one that does not. */
#include "runtime/op.h"
#include "runtime/probs.h"
#include "base/bytes.h"
#include "base/request.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define VOCAB 50000u

static f32 row[VOCAB];

static void fill(u64 seed)
{
	for (u32 i = 0; i < VOCAB; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		row[i] = (f32)((f64)(seed >> 40) / (f64)(1u << 24) * 40 - 20);
	}
	row[77] = row[4711] = 21.5f; /* a tie: the lower index first */
}

static void exact(void **state)
{
	struct proto_probs p;
	fill(7);
	f64 sum = 0;
	for (u32 i = 0; i < VOCAB; i++)
		sum += exp((f64)row[i]);
	probs_of_row(row, VOCAB, 123, LOGPROBS_MAX, &p);
	assert_int_equal(p.n, 1 + LOGPROBS_MAX);
	assert_int_equal(p.v[0].id, 123);
	assert_true(p.v[1].id == 77 && p.v[2].id == 4711);
	assert_memory_equal(&p.v[1].logprob, &p.v[2].logprob, sizeof(f32));
	for (u32 i = 0; i < p.n; i++) {
		assert_true(fabs((f64)p.v[i].logprob - ((f64)row[p.v[i].id] - log(sum))) < 1e-5);
		assert_true(i < 2 || p.v[i].logprob <= p.v[i - 1].logprob);
	}
	for (u32 i = 0; i < VOCAB; i++) /* nobody better was left out */
		if (row[i] > row[p.v[LOGPROBS_MAX].id]) {
			bool found = false;
			for (u32 j = 1; j < p.n; j++)
				found = found || p.v[j].id == i;
			assert_true(found);
		}
}

/* The bits are those of the stated steps, whichever compiler and machine. */
static void bits(void **state)
{
	struct proto_probs p;
	char hex[2 * SHA256_BYTES + 1];
	u8 digest[SHA256_BYTES];
	struct sha256 h;
	sha256_init(&h);
	for (u64 seed = 1; seed < 4; seed++) {
		fill(seed);
		probs_of_row(row, VOCAB, (u32)seed, 5, &p);
		for (u32 i = 0; i < p.n; i++) {
			sha256_update(&h, &p.v[i].id, sizeof p.v[i].id);
			sha256_update(&h, &p.v[i].logprob, sizeof p.v[i].logprob);
		}
	}
	sha256_final(&h, digest);
	bytes_hex(digest, sizeof digest, hex);
	assert_string_equal(hex, "86a124cd3613fec4005c6ebbc92ea2ad003b63176bf8d31c7f11796f675c5e82");
}

static void few(void **state)
{
	struct proto_probs p;
	static const f32 three[] = { 1, 3, 2 };
	probs_of_row(three, 3, 0, 9, &p);
	assert_true(p.n == 4 && p.v[1].id == 1 && p.v[2].id == 2 && p.v[3].id == 0);
	assert_memory_equal(&p.v[0].logprob, &p.v[3].logprob, sizeof(f32));
	probs_of_row(three, 3, 2, 0, &p);
	assert_true(p.n == 1 && p.v[0].id == 2);
}

static void texts(void **state)
{
	static char long_text[TOKEN_BYTES_MAX];
	struct proto_probs p = { .n = 5 };
	memset(long_text, 'x', sizeof long_text);
	for (u32 i = 0; i < 3; i++)
		probs_text(&p, i, long_text, sizeof long_text);
	assert_int_equal(p.v[2].len, TOKEN_BYTES_MAX);
	probs_text(&p, 3, long_text, sizeof long_text);
	assert_int_equal(p.v[3].len, PROB_NO_TEXT);
	probs_text(&p, 4, "end", 3); /* a shorter one behind it has room */
	assert_memory_equal(p.text + 3 * TOKEN_BYTES_MAX, "end", 3);
}

/* Asked for in the request: only where something is generated, one past the limit refused. */
static void asked(void **state)
{
	for (u32 kind = REQUEST_GENERATE; kind <= REQUEST_TOKENIZE; kind++)
		for (u32 n = LOGPROBS_MAX + 1; n <= LOGPROBS_MAX + 2; n++) {
			struct request_header h = { .kind = kind,
				.max_tokens = kind == REQUEST_GENERATE,
				.top_p = 1,
				.repeat_penalty = 1,
				.n_logprobs = n };
			struct request_builder b;
			struct request q;
			const char *why;
			u8 *blob;
			size_t len;
			request_build(&b, &h);
			request_add(&b, REQUEST_TEXT, "x", 1);
			bool fine = kind == REQUEST_GENERATE && n == LOGPROBS_MAX + 1;
			int r = request_built(&b, &blob, &len); /* which looks at it as the runtime will */
			assert_int_equal(r, fine ? 0 : 1);
			if (r)
				continue;
			assert_int_equal(request_open(blob, len, &q, &why), 0);
			free(blob);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(exact), cmocka_unit_test(bits),
		cmocka_unit_test(few), cmocka_unit_test(texts), cmocka_unit_test(asked) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
