/* What a token costs outside the device: plan, op calls, sampling, stream, digests and frames, one thread, medians.
 *
 *   bench_loop [ROUNDS]
 *
 * Steps run on a device that computes nothing, with frames into a socket that is read at once; sampling is timed by itself over rows of random
 * logits for the vocabularies of small and large models. */
#include "tests/logits/asks.h"
#include "tests/logits/still_device.h"
#include "tests/logits/tiny_model.h"
#include "runtime/outq.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS_MAX  10001u
#define SEQS_MAX    8u
#define LAYER_CALLS 16u /* of a layer of a llama with K-quants */

static struct tiny tiny;
static struct grant grant;
static struct ask asks[SEQS_MAX];
static struct outq queue;
static int pair[2];
static u64 times[ROUNDS_MAX];

static void fail(const char *what)
{
	fprintf(stderr, "bench_loop: %s\n", what);
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;
	return (x > y) - (x < y);
}

static f64 median_us(u32 n)
{
	qsort(times, n, sizeof *times, by_value);
	return (f64)times[n / 2] / 1e3;
}

static void receive(void)
{
	struct ipc_frame got;
	if (ipc_recv(pair[1], &got))
		fail("a frame was lost");
}

static int send_tokens(struct answer *a, const struct proto_tokens *t)
{
	struct outq_send f = { .type = SESSION_TOKENS, .id = 1, .body = t, .len = sizeof *t, .fd = -1 };
	return outq_put(&queue, pair[0], &f);
}

static void begin(u32 i)
{
	static const u32 prompt[3] = { 1, 5, 9 };
	asks[i] = (struct ask){ .ids = prompt, .n_ids = 3, .max_tokens = 300, .principal = i };
	ask_begin(&asks[i], &grant);
	if (asks[i].refused)
		fail(asks[i].refused);
	asks[i].a.seq.row = asks[i].row; /* without the test's digest over rows */
	asks[i].a.on_tokens = send_tokens;
}

static void step(void)
{
	if (sched_step(&grant.sched))
		fail("a step failed");
}

/* Microseconds of a step of n sequences, and the calls of kernels in it. */
static f64 step_us(u32 n, u32 rounds, u64 *ret_calls)
{
	u32 done = 0;
	while (done < rounds) {
		for (u32 i = 0; i < n; i++)
			begin(i);
		step();
		for (u32 i = 0; i < n; i++)
			receive();
		for (u32 k = 0; k < 290 && done < rounds; k++) {
			u64 calls = still_calls(grant.work.d), start = clock_ns();
			step();
			times[done++] = clock_ns() - start;
			*ret_calls = still_calls(grant.work.d) - calls;
			for (u32 i = 0; i < n; i++)
				receive();
		}
		for (u32 i = 0; i < n; i++)
			answer_abort(&asks[i].a, FINISH_CANCELLED, "");
	}
	return median_us(rounds);
}

static f64 forward_us(u32 rounds)
{
	const struct model_step s = { .n = 1, .n_out = 1 };
	for (u32 i = 0; i < rounds; i++) {
		u64 start = clock_ns();
		if (model_forward(grant.work.d, &grant.model, &grant.work, &s))
			fail("a step failed");
		times[i] = clock_ns() - start;
	}
	return median_us(rounds);
}

static void steps(u32 rounds)
{
	static const u32 counts[] = { 1, SEQS_MAX };
	u64 calls = 0;
	const struct grant_params p = { .wake = -1, .no_draft = true };
	struct rt_device *d = still_open();
	tiny_load(&tiny, d, &p, KV_F16, &grant);
	printf("| a step on a device that computes nothing, greedy, vocabulary of %u | us |\n| --- | --- |\n",
		grant.model.n_vocab);
	for (u32 i = 0; i < ARRAY_LEN(counts); i++)
		printf("| %u at once: plan, op calls, sampling, stream, digests, frames | %.1f |\n",
			counts[i], step_us(counts[i], rounds, &calls));
	f64 us = forward_us(rounds);
	printf("| of these the %llu op calls of %u layers, %.0f ns each | %.1f |\n",
		(unsigned long long)calls, grant.model.n_layers, us * 1e3 / (f64)calls, us);
	printf("| so many op calls as 24 layers of a llama have | %.1f |\n",
		us / (f64)calls * 24 * LAYER_CALLS);
	grant_fini(&grant);
	rt_device_close(d);
}

static void sampling(u32 n_vocab, u32 rounds)
{
	static const struct {
		const char *what;
		struct sampler_params p;
	} ways[] = {
		{ "greedy", { .top_p = 1, .repeat_penalty = 1 } },
		{ "greedy, penalty over 64", { .top_p = 1, .repeat_penalty = 1.1f, .repeat_last_n = 64 } },
		{ "top-k 40", { .temperature = 0.8f, .top_p = 1, .top_k = 40, .repeat_penalty = 1 } },
		{ "top-k 40, top-p 0.95, min-p 0.05", { .temperature = 0.8f,
							      .top_p = 0.95f,
							      .min_p = 0.05f,
							      .top_k = 40,
							      .repeat_penalty = 1 } },
		{ "min-p 0.05", { .temperature = 0.8f, .top_p = 1, .min_p = 0.05f, .repeat_penalty = 1 } },
		{ "top-p 0.95 alone: a whole sort",
			{ .temperature = 0.8f, .top_p = 0.95f, .repeat_penalty = 1 } },
	};
	struct sampler s;
	static u32 ids[64];
	f32 *l = malloc(n_vocab * sizeof *l);
	u64 seed = 1;
	u32 id;
	if (!l || sampler_create(n_vocab, &s))
		fail("no memory");
	for (u32 i = 0; i < n_vocab; i++) { /* a bell, as logits are */
		l[i] = 0;
		for (u32 k = 0; k < 6; k++)
			l[i] += (f32)(tiny_random(&seed) % 10000) / 2000.0f - 2.5f;
	}
	for (u32 w = 0; w < ARRAY_LEN(ways); w++) {
		for (u32 i = 0; i < rounds; i++) {
			u64 start = clock_ns();
			if (sampler_pick(&s, &ways[w].p, l, ids, 64, &id))
				fail("a logit is not finite");
			times[i] = clock_ns() - start;
		}
		printf("| %u | %s | %.1f |\n", n_vocab, ways[w].what, median_us(rounds));
	}
	sampler_fini(&s);
	free(l);
}

int main(int argc, char **argv)
{
	u32 rounds = argc > 1 ? (u32)atoi(argv[1]) : 1001;
	struct tiny_spec spec = { .type = TENSOR_Q4_K, .seed = 3, .ctx = 1024 };
	if (rounds < 1 || rounds > ROUNDS_MAX)
		fail("usage: bench_loop [ROUNDS]");
	tiny_make(&spec, &tiny);
	if (ipc_pair(&pair[0], &pair[1]) || fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
		fail("no sockets");
	steps(rounds);
	printf("\n| vocabulary | sampling | us |\n| --- | --- | --- |\n");
	sampling(32000, rounds);
	sampling(151936, MIN(rounds, 301u));
	outq_fini(&queue);
	tiny_fini(&tiny);
	return 0;
}
