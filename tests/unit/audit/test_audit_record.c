/* Records: canonical bytes, the fixed head, and what hostile strings cannot do. */
#include "audit/record.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct audit_record_start start = {
	.index = 41,
	.time_ns = 1700000000000000001u,
	.boottime_ns = 5,
	.intent = INTENT_NONE,
	.event = EVENT_REVOKE,
	.actor = { .uid = 1000, .pid = 77 },
	.boot = "00112233445566778899aabbccddeeff",
};

static void exact(void **state)
{
	struct audit_record r;
	audit_record_start(&r, &start);
	audit_record_str(&r, "name", "de\"mo\n", 64);
	assert_int_equal(audit_record_finish(&r), 0);
	assert_string_equal(r.w.buf,
		"{\"v\":1,\"index\":41,\"time_ns\":1700000000000000001,\"boot\":"
		"\"00112233445566778899aabbccddeeff\",\"boottime_ns\":5,\"event\":\"revoke\","
		"\"actor\":{\"uid\":1000,\"pid\":77,\"auth\":\"peer-credentials\"},\"name\":\"de\\\"mo?\"}");
	struct audit_record_start s = start;
	s.event = EVENT_OUTCOME;
	s.intent = 40;
	s.actor.self = true;
	audit_record_start(&r, &s);
	assert_int_equal(audit_record_finish(&r), 0);
	assert_non_null(strstr(r.w.buf, "\"event\":\"outcome\",\"intent\":40,\"actor\":{\"uid\":1000,\"pid\":"
					"77,\"auth\":\"self\"}}"));
}

static void catalogue(void **state)
{
	u32 n = 0;
	for (u32 e = 0; e < EVENT_NUMBERS_MAX; e++) {
		const struct audit_event_info *i = audit_event_info(e);
		if (!i)
			continue;
		n++;
		assert_int_equal(i->event, e);
		assert_false((i->flags & EVENT_OPENS) && (i->flags & EVENT_CLOSES));
		for (u32 o = 0; o < e; o++)
			assert_true(!audit_event_info(o) || strcmp(audit_event_info(o)->name, i->name) != 0);
		/* every event's head can be read back */
		struct audit_record r;
		struct audit_record_head h;
		struct audit_record_start s = start;
		s.event = e;
		s.intent = i->flags & EVENT_CLOSES ? 3 : INTENT_NONE;
		audit_record_start(&r, &s);
		assert_int_equal(audit_record_finish(&r), 0);
		assert_int_equal(audit_record_head(r.w.buf, r.w.len, &h), 0);
		assert_int_equal(h.event, e);
		assert_int_equal(h.index, 41);
		assert_true(h.intent == s.intent);
	}
	assert_true(n >= 48); /* test_audit_events counts them exactly */
}

/* The head is one text; any other is refused. */
static void heads(void **state)
{
	struct audit_record r;
	struct audit_record_head h;
	audit_record_start(&r, &start);
	assert_int_equal(audit_record_finish(&r), 0);
	size_t head = (size_t)(strstr(r.w.buf, "1000") - r.w.buf);
	for (size_t i = 0; i < head; i++) {
		char line[RECORD_BYTES_MAX];
		memcpy(line, r.w.buf, r.w.len + 1);
		memmove(line + i, line + i + 1, r.w.len - i); /* one byte less */
		bool digit = r.w.buf[i] >= '0' && r.w.buf[i] <= '9' && i > 5;
		if (!audit_record_head(line, r.w.len - 1, &h) && !digit)
			fail_msg("read without byte %zu", i);
		assert_int_equal(audit_record_head(r.w.buf, i, &h), 1); /* cut */
	}
	static const char *const bad[] = {
		"{\"v\":1,\"index\":041,\"time_ns\":1,\"boot\":\"00112233445566778899aabbccddeeff\","
		"\"boottime_ns\":5,\"event\":"
		"\"revoke\",\"actor\":{\"uid\":1}}",
		"{\"v\":1,\"index\":41,\"time_ns\":1,\"boot\":\"00112233445566778899aabbccddeeff\","
		"\"boottime_ns\":5,\"event\":"
		"\"revok\",\"actor\":{\"uid\":1}}",
		"{\"v\":1,\"index\":41,\"time_ns\":1,\"boot\":\"00112233445566778899aabbccddeeff\","
		"\"boottime_ns\":5,\"event\":"
		"\"outcome\",\"intent\":41,\"actor\":{\"uid\":1}}",
		"{\"v\":1,\"index\":41,\"time_ns\":1,\"boot\":\"00112233445566778899aabbccddeeff\","
		"\"boottime_ns\":5,\"event\":"
		"\"outcome\",\"actor\":{\"uid\":1}}",
		"{\"v\":1,\"index\":18446744073709551616,\"time_ns\":1,\"boot\":"
		"\"00112233445566778899aabbccddeeff\","
		"\"boottime_ns\":5,\"event\":\"revoke\",\"actor\":{\"uid\":1}}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(audit_record_head(bad[i], strlen(bad[i]), &h), 1);
}

static int read_index(const char *digits, size_t n, u64 *ret)
{
	char line[256];
	struct audit_record_head h = { 0 };
	int at = snprintf(line, sizeof line, "{\"v\":1,\"index\":");
	memcpy(line + at, digits, n);
	snprintf(line + at + n, sizeof line - (size_t)at - n,
		",\"time_ns\":1,\"boot\":\"00112233445566778899aabbccddeeff\",\"boottime_ns\":5,\"event\":"
		"\"revoke\",\"actor\":{\"uid\":1}}");
	int r = audit_record_head(line, (size_t)at + n + strlen(line + at + n), &h);
	*ret = h.index;
	return r;
}

/* Numbers of every length, eight digits at a time or one by one; and none with any other byte at any place of it. */
static void numbers(void **state)
{
	u64 v = 1, got;
	char text[32];
	for (u32 len = 1; len <= 20; len++, v = len < 20 ? v * 10 : UINT64_MAX)
		for (u32 i = 0; i < 5; i++) {
			const u64 some[] = { v, v + 1, v / 10 * 9 + v, UINT64_MAX / (v / 2 + 1), v - 1 };
			int n = snprintf(text, sizeof text, "%llu", (unsigned long long)some[i]);
			if (read_index(text, (size_t)n, &got))
				fail_msg("%s was refused", text);
			assert_true(got == some[i]);
		}
	for (u32 at = 0; at < 19; at++)
		for (u32 byte = 0; byte < 256; byte++) {
			snprintf(text, sizeof text, "1234567890123456789");
			text[at] = (char)byte;
			bool digit = byte >= '0' && byte <= '9' && (at > 0 || byte != '0');
			assert_int_equal(read_index(text, 19, &got), digit ? 0 : 1);
		}
	assert_int_equal(read_index("18446744073709551616", 20, &got), 1);
	assert_int_equal(read_index("99999999999999999999", 20, &got), 1);
	assert_int_equal(read_index("100000000000000000000", 21, &got), 1);
	assert_int_equal(read_index("01", 2, &got), 1);
	assert_int_equal(read_index("", 0, &got), 1);
}

/* The worst that a captured process can say fits, is valid JSON, and forges no field. */
static void hostile(void **state)
{
	static const u8 digest[32] = { 0xab };
	struct audit_record r;
	char longest[1024], forged[256];
	memset(longest, '"', sizeof longest);
	audit_record_start(&r, &start);
	audit_record_str(&r, "object", longest, PATH_LEN_MAX + 1);
	memset(longest, 0xff, sizeof longest);
	audit_record_str(&r, "expected", longest, 136);
	audit_record_str(&r, "found", longest, 136);
	audit_record_str(&r, "detail", longest, REASON_LEN_MAX + 1);
	snprintf(forged, sizeof forged, "x\",\"digest\":\"ab%062d\",\"y\":\"", 0);
	audit_record_str(&r, "why", forged, sizeof forged);
	for (int i = 0; i < 8; i++)
		jsonw_kv_hex(&r.w, "k", longest, 48);
	assert_int_equal(audit_record_finish(&r), 0);
	assert_false(audit_record_has_hex(r.w.buf, r.w.len, "digest", digest, sizeof digest));
	json_t *j = json_loadb(r.w.buf, r.w.len, 0, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "why")), forged);
	json_decref(j);
	audit_record_start(&r, &start);
	jsonw_kv_hex(&r.w, "digest", digest, sizeof digest);
	assert_int_equal(audit_record_finish(&r), 0);
	assert_true(audit_record_has_hex(r.w.buf, r.w.len, "digest", digest, sizeof digest));
	/* one byte over the limit is refused, not cut */
	audit_record_start(&r, &start);
	while (!r.w.full)
		jsonw_kv_str(&r.w, "k", "0123456789");
	assert_int_equal(audit_record_finish(&r), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(exact), cmocka_unit_test(catalogue),
		cmocka_unit_test(heads), cmocka_unit_test(numbers), cmocka_unit_test(hostile) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
