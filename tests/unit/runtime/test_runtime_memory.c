/* What the real program takes: at its peak hardly more than weights and cache and a stated part of its own, and after a hundred thousand tokens
 * no more than after the first ten thousand. On the native device. KEEP_RUNTIME names the program. */
#define _GNU_SOURCE
#include "tests/unit/runtime/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define AT_ONCE 16u
#define ANSWER	200u /* tokens: what a socket holds of them, so that hardly any wait for whoever reads */
#define MANY	60u  /* answers that run while a long prompt comes: the rows of a step are used nearly all */

#define OWN_BYTES \
	(32ull << 20) /* beside weights, cache and work: program, staging, activations laid out, tokenizer; told in runtime/README */

static u64 status_kib(pid_t pid, const char *key)
{
	char path[64], line[256];
	unsigned long long kib = 0;
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, key, strlen(key)))
			kib = strtoull(line + strlen(key), NULL, 10);
	fclose(f);
	assert_true(kib > 0);
	return kib;
}

static struct proto_ready load(struct runtime *rt, const struct tiny *t)
{
	struct proto_grant want = tiny_wants(t, KV_F16, 0);
	struct proto_ready ready;
	start(rt, "native");
	offer(rt, t, &want);
	memcpy(&ready, hear(rt->gate, GATE_READY)->body, sizeof ready);
	return ready;
}

/* A request and its ticket. */
static void send(struct runtime *rt, int sock, u64 sid, u64 id, const char *text, u32 n)
{
	const struct request_header h = { .kind = REQUEST_GENERATE,
		.flags = REQUEST_IGNORE_EOS,
		.max_tokens = n,
		.top_p = 1,
		.repeat_penalty = 1 };
	struct sealed s = seal(&h, text);
	tell(sock, SESSION_REQUEST, id, NULL, 0, s.fd);
	ticket(rt, sid, id, s.digest);
	close(s.fd);
}

static void await(struct runtime *rt, int sock, u32 n)
{
	while (n--) {
		struct proto_outcome o;
		memcpy(&o, hear(sock, SESSION_DONE)->body, sizeof o);
		assert_int_equal(o.finish, FINISH_LENGTH);
		(void)hear(rt->gate, GATE_OUTCOME);
	}
}

static void peak_is_weights_cache_and_little_more(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 3, .ctx = 1024, .ffn = 65536 };
	struct tiny t;
	struct runtime rt;
	u64 sid, id = 0;
	tiny_make(&spec, &t);
	struct proto_ready r = load(&rt, &t);
	int sock = session(&rt, &sid);
	for (u32 i = 0; i < MANY; i++)
		send(&rt, sock, sid, ++id, "a question", 40);
	char text[100];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	send(&rt, sock, sid, ++id, text, 4);
	await(&rt, sock, MANY + 1);
	u64 peak = status_kib(rt.pid, "VmHWM:") << 10, asked = r.weight_bytes + r.kv_bytes;
	printf("peak %.1f MiB = weights %.1f + cache %.1f + work %.1f + %.1f of its own (at most %.1f)\n",
		(f64)peak / 0x1p20, (f64)r.weight_bytes / 0x1p20, (f64)r.kv_bytes / 0x1p20,
		(f64)r.work_bytes / 0x1p20, ((f64)peak - (f64)(asked + r.work_bytes)) / 0x1p20,
		(f64)OWN_BYTES / 0x1p20);
	assert_true(r.weight_bytes > 96u << 20 && peak > r.weight_bytes);
	assert_true(peak <= asked + asked / 20 + r.work_bytes + OWN_BYTES);
	close(sock);
	assert_int_equal(ended(&rt), 0);
	tiny_fini(&t);
}

/* What is mapped to be written, not what is resident: which pages of its tables a runtime has touched after so many tokens depends on how many
 * requests met, and grows towards a bound; what is leaked must be mapped. The allocator maps to the page here, so that nothing hides in its slack. */
static void a_hundred_thousand_tokens_add_nothing(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 3, .ctx = 1024, .ffn = 32 };
	struct tiny t;
	struct runtime rt;
	u64 sid[AT_ONCE], id = 0, tokens = 0, before = 0;
	int sock[AT_ONCE];
	tiny_make(&spec, &t);
	assert_int_equal(setenv("MALLOC_TOP_PAD_", "0", 1), 0);
	(void)load(&rt, &t);
	for (u32 i = 0; i < AT_ONCE; i++)
		sock[i] = session(&rt, &sid[i]);
	while (tokens < 110000) {
		for (u32 i = 0; i < AT_ONCE; i++)
			send(&rt, sock[i], sid[i], ++id, "a question", ANSWER);
		for (u32 i = 0; i < AT_ONCE; i++)
			await(&rt, sock[i], 1);
		tokens += AT_ONCE * ANSWER;
		if (!before && tokens >= 10000)
			before = status_kib(rt.pid, "VmData:");
	}
	u64 after = status_kib(rt.pid, "VmData:");
	printf("%llu KiB mapped after 10,000 tokens, %llu KiB after %llu\n", (unsigned long long)before,
		(unsigned long long)after, (unsigned long long)tokens);
	assert_true(after <= before + 128); /* 1.3 bytes a token would be more */
	for (u32 i = 0; i < AT_ONCE; i++)
		close(sock[i]);
	assert_int_equal(ended(&rt), 0);
	tiny_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peak_is_weights_cache_and_little_more),
		cmocka_unit_test(a_hundred_thousand_tokens_add_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
