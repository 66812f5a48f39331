/* What keep bench is made of: prompts that nobody asked before, samples and their spread, what the memory of this machine gives, and
 * what kind of device computed. */
#pragma once

#include "cli/session.h"

#define BENCH_REPEAT_MAX 100u /* samples of one line */
#define BENCH_LIST_MAX	 16u  /* numbers of --parallel or --ctx-sweep */

/* SplitMix64. */
u64 bench_random(u64 *state);
/* n token ids below n_vocab, n_vocab > 0. The same state gives the same ids. */
void bench_prompt(u64 *state, u32 n_vocab, u32 *ret_ids, u32 n);

u64 bench_now_ns(void);

struct bench_spread {
	double median, min, max;
};
/* Sorts v[n], n > 0. The median of an even number is the mean of the middle two. */
struct bench_spread bench_spread(double *v, u32 n);

/* Bytes of weights that generating one token reads at least: every tensor once, but of an embedding that is not the output as well
 * only one row. KV cache not counted. */
u64 bench_token_bytes(const struct layout *l);

/* Read loops over memory of this process with 1, 2, 4, … and with as many threads as this process may use. */
#define BENCH_READS_MAX 12u
struct bench_read {
	u8 *mem;
	u64 bytes;
	u32 n, threads[BENCH_READS_MAX];
	double gb[BENCH_READS_MAX][BENCH_REPEAT_MAX]; /* 10^9 bytes a second */
};
/* bytes is rounded to whole pieces, within 64 and 512 MiB. 0; -ENOMEM. */
_must_use_ int bench_read_open(u64 bytes, struct bench_read *ret);
void bench_read_close(struct bench_read *b);
/* One sample for every number of threads, as the sample-th. 0; -errno: a thread could not be started. */
_must_use_ int bench_read_sample(struct bench_read *b, u32 sample);

/* The kind of the device of that name, as keep device ls tells it: "native", "reference", "cpu" compute on this machine's CPU.
 * 0 done; 1 it cannot be found out. */
_must_use_ int bench_device_kind(const char *device, char ret_kind[32]);
bool bench_kind_is_cpu(const char *kind);
