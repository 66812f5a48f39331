/* Masks: each bit against what happens when the token is said, triggers, forgetting, and one past each bound. The grammars that chat
 * makes are tested beside chat; here they are put together by hand. */
#include "runtime/mask.h"
#include "tests/tok/byte_vocab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *const CONTROLS[] = { "<|tool|>", "<|pad|>", "</s>", NULL };

static struct byte_vocab small, large;
static struct mask_trie small_trie, large_trie;

/* small: some texts with common beginnings. large: all texts of three letters of 28. */
static int setup(void **state)
{
	static const char *const texts[] = { "a", "ab", "abc", "abd", "(((", "))", "x)", "<t>", "<t", "t>",
		"<t>(", "<t>z", "((x", "ab", "\xc3\xa9" };
	byte_vocab_init(&small);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		byte_vocab_add(&small, TOK_NORMAL, texts[i]);
	byte_vocab_init(&large);
	for (u32 i = 0; i < 28 * 28 * 28; i++) {
		char s[4] = { (char)('a' + i / 784), (char)('a' + i / 28 % 28), (char)('a' + i % 28), 0 };
		byte_vocab_add(&large, TOK_NORMAL, s);
	}
	return byte_vocab_done(&small, CONTROLS) || byte_vocab_done(&large, CONTROLS) ||
	       mask_trie_create(small.tok, &small_trie) || mask_trie_create(large.tok, &large_trie);
}

static int teardown(void **state)
{
	mask_trie_fini(&small_trie);
	mask_trie_fini(&large_trie);
	byte_vocab_fini(&small);
	byte_vocab_fini(&large);
	return 0;
}

/* ---- grammars by hand ---------------------------------------------------------------------------------------------------- */

/* Edges are given in the order of their states. */
struct net {
	struct grammar_edge e[100000];
	u32 from[100000], n, n_states;
	u32 blob[500000];
	size_t len;
};
static struct net net;

static void edge(u32 from, struct grammar_edge e)
{
	assert_true(net.n < ARRAY_LEN(net.e) && (net.n == 0 || net.from[net.n - 1] <= from));
	net.from[net.n] = from;
	net.e[net.n++] = e;
}

static void byte(u32 from, u8 lo, u8 hi, u32 to)
{
	edge(from, (struct grammar_edge){ .kind = GRAMMAR_BYTE, .lo = lo, .hi = hi, .to = to });
}

static void pass(u32 from, u32 to)
{
	edge(from, (struct grammar_edge){ .kind = GRAMMAR_NOTHING, .to = to });
}

static void call(u32 from, u32 entry, u32 to)
{
	edge(from, (struct grammar_edge){ .kind = GRAMMAR_CALL, .to = to, .call = entry });
}

static void back(u32 from)
{
	edge(from, (struct grammar_edge){ .kind = GRAMMAR_RETURN });
}

static void begin(u32 n_states)
{
	net.n = 0;
	net.n_states = n_states;
}

static void finish(const char *trigger)
{
	struct grammar_header h = { .magic = "KEEPGRM",
		.n_states = net.n_states,
		.n_edges = net.n,
		.trigger_len = trigger ? (u32)strlen(trigger) : 0 };
	memcpy(h.magic, GRAMMAR_MAGIC, 8);
	u8 *p = (u8 *)net.blob;
	u32 at = 0;
	memset(net.blob, 0, sizeof net.blob);
	memcpy(p, &h, sizeof h);
	p += sizeof h;
	for (u32 s = 0; s <= net.n_states; s++, p += 4) {
		while (at < net.n && net.from[at] < s)
			at++;
		memcpy(p, &at, 4);
	}
	memcpy(p, net.e, net.n * sizeof net.e[0]);
	p += net.n * sizeof net.e[0];
	if (trigger)
		memcpy(p, trigger, strlen(trigger));
	net.len = (size_t)(p - (u8 *)net.blob) + ALIGN_UP(h.trigger_len, 4);
}

/* 0: ( 1 | x 3; 1: call 0, 2; 2: ) 3; 3: return */
static void brackets(const char *trigger)
{
	begin(4);
	byte(0, '(', '(', 1);
	byte(0, 'x', 'x', 3);
	call(1, 0, 2);
	byte(2, ')', ')', 3);
	back(3);
	finish(trigger);
}

static struct mask *open_net(bool big)
{
	struct mask *m = NULL;
	const char *why = "no memory";
	if (mask_create(big ? &large_trie : &small_trie, big ? large.tok : small.tok, net.blob, net.len, &m,
		    &why))
		fail_msg("%s", why);
	return m;
}

static bool bit(const u64 *bits, u32 id)
{
	return bits[id / 64] >> id % 64 & 1;
}

static const u64 *allowed(struct mask *m)
{
	const u64 *bits = NULL;
	const char *why = "";
	if (mask_allowed(m, &bits, &why))
		fail_msg("%s", why);
	return bits;
}

static int push(struct mask *m, u32 id)
{
	bool over;
	const char *why;
	return mask_push(m, id, &over, &why) ? -1 : over;
}

static u32 small_id(const char *text)
{
	for (u32 i = 256; i < small.h.n_vocab; i++)
		if (small.vocab[i].text.len == strlen(text) &&
			!memcmp(small.strings + small.vocab[i].text.off, text, strlen(text)))
			return i;
	fail_msg("no token %s", text);
	return 0;
}

/* ---- tests --------------------------------------------------------------------------------------------------------------- */

static u64 seed = 5;
static u32 rnd(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed % n);
}

/* Along random answers: a bit is set exactly if the token can be said. */
static void each_bit(void **state)
{
	for (u32 round = 0; round < 20; round++) {
		u32 said[24], n = 0;
		brackets(round % 2 ? "<t>" : NULL);
		struct mask *m = open_net(false);
		for (; n < ARRAY_LEN(said); n++) {
			const u64 *bits = allowed(m);
			for (u32 id = 0; id < small.h.n_vocab; id++) {
				size_t len;
				(void)tok_bytes(small.tok, id, &len);
				if (len == 0)
					continue;
				struct mask *again = open_net(false);
				for (u32 i = 0; i < n; i++)
					assert_true(push(again, said[i]) >= 0);
				assert_int_equal(push(again, id) >= 0, bit(bits, id));
				mask_destroy(again);
			}
			do
				said[n] = rnd(small.h.n_vocab);
			while (!bit(bits, said[n]));
			if (said[n] == small.h.eos || push(m, said[n]))
				break;
		}
		mask_destroy(m);
	}
}

static void ending(void **state)
{
	brackets(NULL);
	struct mask *m = open_net(false);
	assert_false(bit(allowed(m), small.h.eos));
	assert_false(bit(allowed(m), small.h.eos - 1)); /* <|pad|> */
	assert_int_equal(push(m, '('), 0);
	assert_int_equal(push(m, 'x'), 0);
	assert_false(bit(allowed(m), small.h.eos));
	assert_int_equal(push(m, ')'), 1);
	mask_destroy(m);
	begin(1);
	back(0);
	byte(0, 'a', 'a', 0);
	finish(NULL);
	m = open_net(false);
	assert_true(bit(allowed(m), small.h.eos));
	assert_int_equal(push(m, 'a'), 0);
	assert_true(bit(allowed(m), small.h.eos));
	assert_true(bit(allowed(m), small_id("a")));
	assert_false(bit(allowed(m), small_id("ab")));
	assert_int_equal(push(m, 'b'), -1);
	mask_destroy(m);
}

static void trigger(void **state)
{
	brackets("<t>");
	struct mask *m = open_net(false);
	const u64 *bits = allowed(m);
	assert_true(bit(bits, small.h.eos) && bit(bits, small.h.eos - 1) && bit(bits, small_id("<t>")));
	assert_true(bit(bits, small_id("<t>(")));
	assert_false(bit(bits, small_id("<t>z")));
	assert_int_equal(push(m, '<'), 0);
	assert_int_equal(push(m, '<'), 0);
	assert_int_equal(push(m, 't'), 0);
	assert_true(bit(allowed(m), 'q'));
	assert_int_equal(push(m, '>'), 0);
	assert_false(bit(allowed(m), 'q'));
	assert_false(bit(allowed(m), small.h.eos));
	assert_int_equal(push(m, 'x'), 1);
	mask_destroy(m);

	brackets("aab"); /* begins anew inside of itself */
	m = open_net(false);
	for (const char *s = "aaab"; *s; s++)
		assert_int_equal(push(m, (u8)*s), 0);
	assert_false(bit(allowed(m), 'q'));
	mask_destroy(m);

	brackets("\xff<|tool|>\xff"); /* a control token is told from its characters */
	m = open_net(false);
	assert_int_equal(push(m, small.h.eos - 1), 0);
	assert_true(bit(allowed(m), 'q'));
	assert_int_equal(push(m, small.h.eos - 2), 0);
	assert_false(bit(allowed(m), 'q'));
	assert_int_equal(push(m, small_id("((x")), 0);
	assert_int_equal(push(m, small_id("))")), 1);
	mask_destroy(m);
}

static void refused(const char *reason)
{
	struct mask *m = NULL;
	const char *why = "";
	const u64 *bits;
	int r = mask_create(&large_trie, large.tok, net.blob, net.len, &m, &why);
	if (!r)
		r = mask_allowed(m, &bits, &why);
	if (r != 1 || !strstr(why, reason))
		fail_msg("%d %s, not %s", r, why, reason);
	mask_destroy(m);
}

/* Brackets may be open as deep as calls go, and then the rest still ends. */
static void depth(void **state)
{
	brackets(NULL);
	struct mask *m = open_net(false);
	u32 n = 0;
	while (bit(allowed(m), '(') && n <= GRAMMAR_DEPTH_MAX + 2) {
		assert_int_equal(push(m, '('), 0);
		n++;
	}
	assert_in_range(n, GRAMMAR_DEPTH_MAX, GRAMMAR_DEPTH_MAX + 1);
	assert_int_equal(push(m, 'x'), 0);
	for (u32 i = 1; i < n; i++)
		assert_int_equal(push(m, ')'), 0);
	assert_int_equal(push(m, ')'), 1);
	mask_destroy(m);
}

static void configs(u32 n, const char *reason)
{
	begin(n + 1);
	for (u32 i = 1; i <= n; i++)
		pass(0, i);
	for (u32 i = 1; i <= n; i++)
		byte(i, 'a', 'a', i);
	finish(NULL);
	if (reason)
		refused(reason);
	else
		mask_destroy(open_net(false));
}

static void bounds(void **state)
{
	configs(GRAMMAR_CONFIGS_MAX - 1, NULL);
	configs(GRAMMAR_CONFIGS_MAX, "GRAMMAR_CONFIGS_MAX");

	/* 28 letters, each over a stack of its own, call what is open in 10,000 ways */
	const u32 ways = 10000;
	begin(ways + 100);
	for (u32 b = 0; b < 28; b++)
		byte(0, (u8)('a' + b), (u8)('a' + b), 1 + b);
	for (u32 b = 0; b < 28; b++)
		call(1 + b, 60, 30 + b);
	for (u32 b = 0; b < 28; b++)
		byte(30 + b, '!', '!', 0);
	for (u32 i = 0; i < ways; i++)
		pass(60, 61 + i);
	for (u32 i = 0; i < ways; i++)
		byte(61 + i, 'a', 'z', 61 + i);
	finish(NULL);
	assert_true(28 * ways > GRAMMAR_NODES_MAX);
	refused("GRAMMAR_NODES_MAX");
}

/* From here on as from no other of up to 26,000, so that none stands for another. */
static void own_way(u32 state, u32 i)
{
	const u8 a = (u8)(0x80 + i % 120), b = (u8)(1 + i / 120 % 31), c = (u8)(0x20 + i / 3720);
	byte(state, a, a, 0);
	byte(state, b, b, 0);
	byte(state, c, c, 0);
}

/* A state for each of the texts of up to three letters, so that each is a set of its own; with more ways beside them. */
static void texts(u32 beside, const char *reason)
{
	u32 first = 1, n = 28 + 784 + 21952;
	begin(n + 1 + beside);
	for (u32 b = 0; b < 28; b++)
		byte(0, (u8)('a' + b), (u8)('a' + b), first + b);
	for (u32 i = 0; i < beside; i++)
		pass(0, n + 1 + i);
	for (u32 i = 0; i < 28 + 784; i++)
		for (u32 b = 0; b < 28; b++)
			byte(first + i, (u8)('a' + b), (u8)('a' + b), first + 28 * (i + 1) + b);
	for (u32 i = 28 + 784; i < n; i++)
		own_way(first + i, i);
	for (u32 i = 0; i < beside; i++) {
		byte(n + 1 + i, 'a', 'z', n + 1 + i);
		own_way(n + 1 + i, i);
	}
	finish(NULL);
	assert_true(n > GRAMMAR_SETS_MAX && (u64)beside * GRAMMAR_SETS_MAX != GRAMMAR_WORK_MAX);
	refused(reason);
}

static void work(void **state)
{
	texts(0, "GRAMMAR_SETS_MAX");
	texts(2000, "GRAMMAR_WORK_MAX");
}

/* More sets than are kept, on one way: after forgetting it goes on as before. Each place is open in two ways, every other may be the
 * end. */
static void forgetting(void **state)
{
	const u32 n = 18000;
	begin(2 * n + 2);
	for (u32 i = 0; i < n; i++) {
		byte(2 * i, 'a', (u8)('b' + i % 3), 2 * i + 2);
		pass(2 * i, 2 * i + 1);
		byte(2 * i + 1, 'x', 'x', 2 * i + 2);
		if (i % 2)
			back(2 * i + 1);
	}
	back(2 * n);
	finish(NULL);
	struct mask *m = open_net(false);
	for (u32 i = 0; i < n; i++) {
		(void)allowed(m);
		const u64 *bits = allowed(m); /* again: now and then it was forgotten meanwhile */
		assert_true(bit(bits, 'a') && bit(bits, 'b') && bit(bits, 'x') &&
			    bit(bits, small.h.eos) == i % 2);
		assert_true(
			bit(bits, 'c') == (i % 3 > 0) && bit(bits, 'd') == (i % 3 > 1) && !bit(bits, 'e'));
		assert_int_equal(push(m, rnd(3) ? 'a' : 'x'), i + 1 == n);
	}
	assert_true(mask_stats(m).forgotten > 2);
	mask_destroy(m);
}

/* What is not a grammar is refused whole, whatever single word of it is changed. */
static void malformed(void **state)
{
	brackets("<t>");
	static const u32 values[] = { 0, 1, 2, 3, 4, 5, 255, 256, 65536, 0x7fffffff, 0xffffffff };
	u32 refusals = 0;
	for (size_t i = 0; i < net.len / 4; i++)
		for (size_t k = 0; k < ARRAY_LEN(values); k++) {
			struct grammar g;
			const char *why;
			u32 was = net.blob[i];
			net.blob[i] = values[k];
			if (grammar_open(net.blob, net.len, &g, &why) == 0) {
				struct mask *m = NULL;
				const u64 *bits;
				if (mask_create(&small_trie, small.tok, net.blob, net.len, &m, &why) == 0)
					(void)!mask_allowed(m, &bits, &why);
				mask_destroy(m);
			} else {
				refusals++;
			}
			net.blob[i] = was;
		}
	for (size_t len = 0; len < net.len; len++) {
		struct grammar g;
		const char *why;
		assert_int_equal(grammar_open(net.blob, len, &g, &why), 1);
	}
	assert_true(refusals > 200);
	struct grammar_header h;
	memcpy(&h, net.blob, sizeof h);
	const u32 beyond[][3] = { { GRAMMAR_STATES_MAX + 1, 0, 0 }, { 1, GRAMMAR_EDGES_MAX + 1, 0 },
		{ 1, 0, GRAMMAR_TRIGGER_BYTES_MAX + 1 } };
	for (size_t i = 0; i < 3; i++) {
		struct grammar g;
		const char *why = "";
		h.n_states = beyond[i][0];
		h.n_edges = beyond[i][1];
		h.trigger_len = beyond[i][2];
		memcpy(net.blob, &h, sizeof h);
		assert_int_equal(grammar_open(net.blob, sizeof net.blob, &g, &why), 1);
		assert_non_null(strstr(why, "larger than it may be"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit),
		cmocka_unit_test(ending),
		cmocka_unit_test(trigger),
		cmocka_unit_test(depth),
		cmocka_unit_test(bounds),
		cmocka_unit_test(work),
		cmocka_unit_test(forgetting),
		cmocka_unit_test(malformed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
