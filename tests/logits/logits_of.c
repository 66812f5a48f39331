/* Logits of a GGUF file without an appliance: the layout is made as the layout job does, then the model is loaded and run as the runtime
 * does. Used where another program's logits are compared.
 *
 *   logits_of MODEL.gguf --tokens 1,2,3 --out FILE [--kv f32|f16|int8] [--device NAME]    float32 [n_tokens, n_vocab]
 *   logits_of MODEL.gguf --tokens 1,2,3 --generate N [...]    what a step of one token takes: the median of N, at random, behind these */
#define _GNU_SOURCE
#include "attest/attest.h"
#include "base/bytes.h"
#include "base/request.h"
#include "runtime/answer.h"
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *out_path;
static int failed;

_printf_(1, 2) static _noreturn_ void die(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* The segment table of one file. */
static u8 *make_segments(int fd, u64 bytes, size_t *ret_len)
{
	struct segments_header h = { .segment_bytes = SEGMENT_BYTES, .n_files = 1, .bytes = bytes };
	struct segments_file f = { .bytes = bytes, .path = "model.gguf" };
	h.n_segments = f.count = DIV_UP(bytes, SEGMENT_BYTES);
	memcpy(h.magic, SEGMENTS_MAGIC, 8);
	size_t len = sizeof h + sizeof f + h.n_segments * SHA256_BYTES;
	u8 *table = aligned_alloc(8, ALIGN_UP(len, 8u)), *block = malloc(SEGMENT_BYTES);
	struct sha256 whole;
	if (!table || !block)
		die("no memory");
	sha256_init(&whole);
	for (u64 i = 0; i < f.count; i++) {
		u64 n = MIN(SEGMENT_BYTES, bytes - i * SEGMENT_BYTES);
		if (fd_pread_all(fd, block, n, i * SEGMENT_BYTES))
			die("the model cannot be read");
		sha256_of(block, n, table + sizeof h + sizeof f + i * SHA256_BYTES);
		sha256_update(&whole, block, n);
	}
	sha256_final(&whole, f.digest);
	memcpy(table, &h, sizeof h);
	memcpy(table + sizeof h, &f, sizeof f);
	free(block);
	*ret_len = len;
	return table;
}

static void collect(const char *path, u32 kv_mode, struct grant *ret)
{
	struct grant g = {
		.state = GRANT_COLLECTING, .id = 1, .n_files = 1, .layout_fd = -1, .segments_fd = -1
	};
	struct attest_source source = { .path = "model.gguf" };
	struct attest_blob layout = { 0 };
	struct attest_report report;
	struct segments segs;
	const char *why;
	size_t len;
	source.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (source.fd < 0 || fd_regular_size(source.fd, &source.bytes))
		die("%s: cannot be opened", path);
	u8 *table = make_segments(source.fd, source.bytes, &len);
	if (segments_open(table, len, &segs, &why))
		die("segments: %s", why);
	struct attest_layout_params p = { .segments = &segs, .files = &source, .n_files = 1 };
	if (attest_prepare() || attest_layout_make(&p, &layout, &report))
		die("%s: %s: %s", path, report.code, report.detail);
	g.want = (struct proto_grant){ .n_files = 1, .kv_mode = kv_mode };
	sha256_of(table, len, g.want.segments);
	sha256_of(layout.data, layout.len, g.want.layout);
	if (fd_memfd_sealed("segments", table, len, &g.segments_fd) ||
		fd_memfd_sealed("layout", layout.data, layout.len, &g.layout_fd))
		die("no memory");
	g.files = malloc(sizeof *g.files);
	g.files[0] = source.fd;
	attest_blob_fini(&layout);
	free(table);
	*ret = g;
}

static int on_tokens(struct answer *a, const struct proto_tokens *t)
{
	return 0;
}

static void on_result(struct answer *a, int fd, u64 bytes)
{
	struct fd_map map;
	_cleanup_fd_ int out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0 || fd_map_sealed(fd, bytes, &map) || fd_write_all(out, map.data, map.len))
		die("%s: cannot be written", out_path);
	fd_unmap(&map);
}

static void on_over(struct answer *a)
{
	failed = a->outcome.finish != FINISH_LENGTH;
	fprintf(stderr, "%u tokens, %.3f s, %s\n", a->outcome.n_prompt,
		(f64)(a->outcome.prompt_ns + a->outcome.generate_ns) / 1e9, a->outcome.device);
	answer_fini(a);
}

#define STEPS_MAX 1000u

/* Steps until nothing is left; with several the median of what they took, of which the first reads the prompt. */
static void step_all(struct grant *g)
{
	static f64 took[STEPS_MAX + 1];
	u32 n = 0;
	while (!sched_idle(&g->sched)) {
		f64 start = bench_now();
		if (sched_step(&g->sched))
			die("the device failed");
		if (n <= STEPS_MAX)
			took[n++] = bench_now() - start;
	}
	if (n > 2)
		fprintf(stderr, "%.3f ms a step, the median of %u\n", 1e3 * bench_median(took + 1, n - 1),
			n - 1);
}

static void run(struct grant *g, const char *list, u32 generate)
{
	static struct answer a = { .on_tokens = on_tokens, .on_result = on_result, .on_over = on_over };
	struct request_header h = { .kind = generate ? REQUEST_GENERATE : REQUEST_LOGITS,
		.flags = REQUEST_RAW | (generate ? REQUEST_IGNORE_EOS : 0),
		.max_tokens = generate,
		.temperature = generate ? 1 : 0,
		.top_p = 1,
		.repeat_penalty = 1 };
	struct request_builder b;
	struct tok_ids ids = { 0 };
	struct request rq;
	const char *why;
	u8 *blob;
	size_t len;
	for (char *end; *list; list = *end ? end + 1 : end)
		if (tok_ids_add(&ids, (u32)strtoul(list, &end, 10)) || end == list)
			die("--tokens: numbers, separated by commas");
	request_build(&b, &h);
	request_add(&b, REQUEST_TOKENS, ids.id, ids.n * sizeof *ids.id);
	if (request_built(&b, &blob, &len) || request_open(blob, len, &rq, &why))
		die("the request cannot be made");
	if (answer_begin(&a, g, &rq, 1, &why))
		die("refused: %s", why);
	step_all(g);
	tok_ids_fini(&ids);
	free(blob);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "tokens", 1, NULL, 't' }, { "out", 1, NULL, 'o' },
		{ "kv", 1, NULL, 'k' }, { "device", 1, NULL, 'd' }, { "generate", 1, NULL, 'g' }, { 0 } };
	const char *tokens = NULL, *device = "reference", *why;
	u32 kv_mode = KV_F32, generate = 0;
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (c == 't')
			tokens = optarg;
		else if (c == 'o')
			out_path = optarg;
		else if (c == 'k')
			kv_mode = strcmp(optarg, "int8") == 0  ? KV_INT8
				  : strcmp(optarg, "f16") == 0 ? KV_F16
							       : KV_F32;
		else if (c == 'd')
			device = optarg;
		else if (c == 'g')
			generate = (u32)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (optind + 1 != argc || !tokens || !out_path == !generate || generate > STEPS_MAX)
		return 2;
	struct rt_device *d;
	struct grant g;
	/* said, so that LongRoPE takes the factors of what it was trained on, as the peer does */
	struct grant_params p = { .wake = -1, .ctx_usual = CTX_TOKENS_USUAL };
	struct proto_load_failed f = { 0 };
	if (rt_device_open(device, &d, &why))
		die("device %s: %s", device, why);
	collect(argv[optind], kv_mode, &g);
	int r = grant_load(&g, d, &p, &f);
	if (!r)
		r = grant_ready(&g, &p, &f);
	if (r)
		die("load: %s", r > 0 ? f.text : strerror(-r));
	run(&g, tokens, generate);
	grant_fini(&g);
	rt_device_close(d);
	return failed;
}
