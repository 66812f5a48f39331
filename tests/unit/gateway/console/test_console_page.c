/* The writer of pages and the reader of forms: whatever a value holds, it stays one; whatever a browser sends is read one way or refused. */
#include "gateway/console/console.h"
#include "base/bytes.h"
#include "gateway/console/form.h"
#include "gateway/console/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct page p;

static int up(void **state)
{
	page_init(&p, 1u << 20);
	return 0;
}

static int down(void **state)
{
	page_fini(&p);
	return 0;
}

/* The text so far, and an empty page again. */
static const char *said(void)
{
	static char text[65536];
	assert_false(p.full);
	assert_true(p.len < sizeof text);
	if (p.len)
		memcpy(text, p.buf, p.len);
	text[p.len] = 0;
	p.len = 0;
	return text;
}

/* What hostile names become. */
static void escapes(void **state)
{
	static const struct {
		const char *is, *becomes;
	} rows[] = {
		{ "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;" },
		{ "\" onmouseover=\"x", "&quot; onmouseover=&quot;x" },
		{ "' autofocus onfocus='x", "&#39; autofocus onfocus=&#39;x" },
		{ "&lt;&#60;", "&amp;lt;&amp;#60;" },
		{ "--><!--]]>", "--&gt;&lt;!--]]&gt;" },
		{ "a\nb\tc\rd\x1b[31m\x7f", "a⟨U+000A⟩b⟨U+0009⟩c⟨U+000D⟩d⟨U+001B⟩[31m⟨U+007F⟩" },
		{ "model\xe2\x80\xae"
		  "fdp.gguf",
			"model⟨U+202E⟩fdp.gguf" },
		{ "\xe2\x81\xa6x\xe2\x81\xa9", "⟨U+2066⟩x⟨U+2069⟩" },
		{ "a\xe2\x80\x8b"
		  "b\xef\xbb\xbf\xc2\xad",
			"a⟨U+200B⟩b⟨U+FEFF⟩⟨U+00AD⟩" },
		{ "\xf3\xa0\x81\x81", "⟨U+E0041⟩" },
		{ "\xc2\x85\xe2\x80\xa8", "⟨U+0085⟩⟨U+2028⟩" },
		{ "\xff<\xc0\xbc\xed\xa0\x80\xf4\x90\x80\x80", "\xef\xbf\xbd&lt;\xef\xbf\xbd\xef\xbf\xbd"
							       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf"
							       "\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" }, /* cut */
		{ "\xe2<", "\xef\xbf\xbd&lt;" },	    /* what follows is not swallowed */
		{ "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x94\x92\xd7\xa9",
			"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x94\x92\xd7\xa9" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		page_text(&p, rows[i].is);
		assert_string_equal(said(), rows[i].becomes);
		page_fmt(&p, "%s", rows[i].is);
		assert_string_equal(said(), rows[i].becomes);
		page_attr(&p, "title", rows[i].is);
		const char *attr = said();
		assert_true(!strncmp(attr, " title=\"", 8));
		assert_true(!strncmp(attr + 8, rows[i].becomes, strlen(rows[i].becomes)));
	}
	page_textn(&p, "a\0<", 3);
	assert_string_equal(said(), "a⟨U+0000⟩&lt;");
	page_lines(&p, "a\n\tb\r<", 6);
	assert_string_equal(said(), "a\n\tb⟨U+000D⟩&lt;");
}

/* Every byte in every place: no tag begins, no attribute ends. */
static void every_byte(void **state)
{
	for (u32 a = 0; a < 256; a++)
		for (u32 b = 0; b < 256; b++) {
			const u8 s[4] = { (u8)a, (u8)b, '<', '"' };
			page_textn(&p, s, sizeof s);
			const char *t = said();
			assert_null(strpbrk(t, "<>\"'"));
			assert_true(bytes_utf8_ok(t, strlen(t)));
		}
}

static void values(void **state)
{
	page_count(&p, 0);
	page_html(&p, " ");
	page_count(&p, 1234567);
	page_html(&p, " ");
	page_count(&p, UINT64_MAX);
	assert_string_equal(said(), "0 1,234,567 18,446,744,073,709,551,615");
	page_size(&p, 999);
	page_html(&p, " ");
	page_size(&p, 4200000000ull);
	page_html(&p, " ");
	page_size(&p, 999999);
	assert_string_equal(said(), "999 bytes 4.2 GB 1.0 MB");
	page_age(&p, 59);
	page_html(&p, " ");
	page_age(&p, 86400 * 3);
	page_html(&p, " ");
	page_age(&p, 1);
	assert_string_equal(said(), "59 seconds 3 days 1 second");
	page_time(&p, 1769817600);
	assert_string_equal(said(), "<time datetime=\"2026-01-31T00:00:00Z\">2026-01-31 00:00:00 <abbr "
				    "title=\"coordinated universal "
				    "time\">UTC</abbr></time>");
	page_time(&p, UINT64_MAX);
	assert_string_equal(said(), "beyond all calendars");
	page_short(&p, "0123456789abcdef");
	assert_string_equal(
		said(), "<code class=\"digest\" title=\"0123456789abcdef\">0123456789ab\xe2\x80\xa6</code>");
}

static void addresses(void **state)
{
	struct page_url u;
	page_url(&u, "/console/models/");
	page_url_part(&u, "../<a>?b#c&\"%\xe2\x80\xae");
	page_url_param(&u, "q", "a b&c=d");
	page_url_param(&u, "none", "");
	page_url_param_u64(&u, "n", 7);
	page_link(&p, &u);
	assert_string_equal(said(),
		" href=\"/console/models/..%2F%3Ca%3E%3Fb%23c%26%22%25%E2%80%AE?q=a%20b%26c%3Dd&amp;n=7\"");
	for (u32 i = 0; i < PAGE_URL_BYTES_MAX; i++)
		page_url_part(&u, "x");
	page_link(&p, &u);
	assert_string_equal(said(), " href=\"/console\"");
}

/* One past what a page may have. */
static void full(void **state)
{
	struct page small;
	page_init(&small, 64);
	for (u32 i = 0; i < 63; i++)
		page_html(&small, "x");
	assert_false(small.full);
	page_html(&small, "x");
	assert_true(small.full);
	page_fini(&small);
	page_init(&small, CONSOLE_PAGE_BYTES_MAX);
	for (u32 i = 0; i < CONSOLE_PAGE_BYTES_MAX; i += 4096)
		page_fmt(&small, "%4096s", "");
	while (!small.full && small.len < CONSOLE_PAGE_BYTES_MAX)
		page_html(&small, "x");
	assert_true(small.full);
	assert_true(small.len < CONSOLE_PAGE_BYTES_MAX);
	page_fini(&small);
}

#define TYPE		  "multipart/form-data; boundary=XyZ"
#define PART(name, value) "--XyZ\r\nContent-Disposition: form-data; " name "\r\n\r\n" value "\r\n"
#define END		  "--XyZ--\r\n"

static int body(const char *type, const char *s, struct form *ret)
{
	return form_read_body(type, strlen(type), s, strlen(s), ret);
}

static void files(void **state)
{
	static const char *const good[] = { PART("name=\"note\"", "a+b%41\r\n--Xy") END,
		PART("filename=\"x; name=y\"; name=\"note\"\r\nContent-Type: text/plain", "a+b%41\r\n--Xy")
			END,
		PART("name=note", "a+b%41\r\n--Xy") PART("name=\"file\"; filename=\"\"", "") "--XyZ--" };
	static const char *const bad[] = { "", "--XyZ", END "x", "x" PART("name=a", "1") END,
		PART("name=a", "1"), PART("name=a", "1") "--XyZ-", PART("name=a", "1") "--XyZx",
		PART("name=\"\"", "1") END, PART("filename=a", "1") END,
		PART("name=a; name=b\r\nContent-Disposition: form-data; name=c", "1") END,
		PART("name=\"a", "1") END, PART("name=\"a\\\"b\"", "1") END,
		PART("name=a", "1") PART("name=a", "2") END, ("--XyZ\r\nname=a\r\n1\r\n" END) };
	static const char *const types[] = { "multipart/form-data",
		"multipart/form-data; boundary=", "multipart/form-data; boundary=\"XyZ",
		("multipart/form-data; "
		 "boundary=0123456789012345678901234567890123456789012345678901234567890123456789x") };
	struct form f;
	char many[8192] = "";
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(body(TYPE, good[i], &f), 0);
		assert_string_equal(form_get(&f, "note"), "a+b%41\r\n--Xy");
		assert_false(form_has(&f, "y"));
	}
	assert_int_equal(body("Multipart/Form-Data; a=b; boundary=\"XyZ\"", PART("name=a", "1") END, &f), 0);
	assert_int_equal(body("application/x-www-form-urlencoded", "a=%31", &f), 0);
	assert_string_equal(form_get(&f, "a"), "1");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (body(TYPE, bad[i], &f) != 1)
			fail_msg("%s was read", bad[i]);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		assert_int_equal(body(types[i], PART("name=a", "1") END, &f), 1);
	static const char zero[] = PART("name=a", "1\0") END;
	assert_int_equal(form_read_parts(TYPE, strlen(TYPE), zero, sizeof zero - 1, &f), 1);
	for (u32 i = 0; i < FORM_PAIRS_MAX; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), PART("name=a%u", "1"), i);
	size_t n = strlen(many);
	strcat(many, END);
	assert_int_equal(body(TYPE, many, &f), 0);
	strcpy(many + n, PART("name=b", "1") END);
	assert_int_equal(body(TYPE, many, &f), 1);
}

/* One byte more than fits. */
static void long_file(void **state)
{
	static const char head[] = "--XyZ\r\nContent-Disposition: form-data; name=a\r\n\r\n",
			  tail[] = "\r\n" END;
	struct form f;
	for (size_t more = 0; more < 2; more++) {
		size_t n = sizeof f.text - 3 + more; /* "a", its 0, and the value's */
		char *s = malloc(sizeof head + n + sizeof tail);
		memcpy(s, head, sizeof head);
		memset(s + sizeof head - 1, 'v', n);
		strcpy(s + sizeof head - 1 + n, tail);
		assert_int_equal(body(TYPE, s, &f), more);
		free(s);
	}
}

static void forms(void **state)
{
	static const char *const bad[] = { "a=%", "a=%4", "a=%zz", "a=%00", "a=1&a=2", "=1", "a=1&%61=2" };
	struct form f;
	char many[1024] = "";
	u64 n;
	assert_int_equal(form_read("", 0, &f), 0);
	assert_int_equal(f.n, 0);
	static const char good[] = "model=a%2Bb+c&since=2026-01-31&empty=&flag&n=42&big=18446744073709551616";
	assert_int_equal(form_read(good, sizeof good - 1, &f), 0);
	assert_string_equal(form_get(&f, "model"), "a+b c");
	assert_string_equal(form_get(&f, "empty"), "");
	assert_true(form_has(&f, "flag") && !form_has(&f, "fla"));
	assert_int_equal(form_u64(&f, "n", 42, &n), 0);
	assert_int_equal(n, 42);
	assert_int_equal(form_u64(&f, "n", 41, &n), 2);
	assert_int_equal(form_u64(&f, "big", UINT64_MAX, &n), 2);
	assert_int_equal(form_u64(&f, "model", UINT64_MAX, &n), 2);
	assert_int_equal(form_u64(&f, "none", UINT64_MAX, &n), 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(form_read(bad[i], strlen(bad[i]), &f), 1);
	for (u32 i = 0; i < FORM_PAIRS_MAX; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), "a%u=1&", i);
	assert_int_equal(form_read(many, strlen(many), &f), 0);
	strcat(many, "b=1");
	assert_int_equal(form_read(many, strlen(many), &f), 1);
	char *longest = calloc(1, sizeof f.text + 2);
	memset(longest, 'a', sizeof f.text + 1);
	assert_int_equal(form_read(longest, sizeof f.text - 2, &f), 0);
	assert_int_equal(form_read(longest, sizeof f.text - 1, &f), 1);
	free(longest);
}

static void parts(void **state)
{
	char ret[8];
	assert_int_equal(form_part("a%20b", 5, ret, sizeof ret), 0);
	assert_string_equal(ret, "a b");
	assert_int_equal(form_part("a+b", 3, ret, sizeof ret), 0);
	assert_string_equal(ret, "a+b");
	assert_int_equal(form_part("a/b", 3, ret, sizeof ret), 1);
	assert_int_equal(form_part("a%2fb", 5, ret, sizeof ret), 1);
	assert_int_equal(form_part("1234567", 7, ret, sizeof ret), 0);
	assert_int_equal(form_part("12345678", 8, ret, sizeof ret), 1);
}

/* A path has slashes; none of them is hidden. */
static void paths(void **state)
{
	char ret[8];
	assert_int_equal(form_path("a/b%20c", 7, ret, sizeof ret), 0);
	assert_string_equal(ret, "a/b c");
	assert_int_equal(form_path("a%2fb", 5, ret, sizeof ret), 1);
	assert_int_equal(form_path("a/b%2f", 6, ret, sizeof ret), 1);
	assert_int_equal(form_path("a%00", 4, ret, sizeof ret), 1);
	assert_int_equal(form_path("123/567", 7, ret, sizeof ret), 0);
	assert_int_equal(form_path("123/5678", 8, ret, sizeof ret), 1);
}

static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/* A header, where @ stands for a secret. */
static int cookie(const char *header, u8 ret[32])
{
	char h[512];
	size_t n = 0;
	for (; *header; header++)
		n += (size_t)snprintf(
			h + n, sizeof h - n, "%.*s", *header == '@' ? 64 : 1, *header == '@' ? hex : header);
	return form_cookie(h, n, CONSOLE_COOKIE, ret);
}

static void cookies(void **state)
{
	u8 got[32], want[32];
	assert_int_equal(bytes_unhex(hex, 32, want), 0);
	assert_int_equal(cookie("__Host-keep=@", got), 0);
	assert_memory_equal(got, want, 32);
	assert_int_equal(cookie("a=b; __Host-keep=@; c=d", got), 0);
	assert_int_equal(cookie("x__Host-keep=@", got), 1);
	assert_int_equal(cookie("__Host-keepx=@", got), 1);
	assert_int_equal(cookie("__Host-keep", got), 1);
	assert_int_equal(cookie("__Host-keep=@; __Host-keep=@", got), 2); /* which is meant? */
	assert_int_equal(cookie("__Host-keep=@0", got), 2);
	assert_int_equal(cookie("__Host-keep=\"@\"", got), 2);
	assert_int_equal(cookie("__Host-keep=", got), 2);
	assert_int_equal(cookie("", got), 1);
}

static struct http_str str(const char *s)
{
	return (struct http_str){ s, s ? strlen(s) : 0 };
}

/* A form of another page is not taken. */
static void posts(void **state)
{
	static const struct {
		const char *origin, *host;
		bool tls, taken;
	} rows[] = {
		{ "https://keep.test:8443", "keep.test:8443", true, true },
		{ "http://keep.test:8443", "keep.test:8443", true, false },
		{ "https://keep.test", "keep.test:8443", true, false },
		{ "https://keep.test:8443.evil.test", "keep.test:8443", true, false },
		{ "https://evil.test", "keep.test:8443", true, false },
		{ "null", "keep.test:8443", true, false },
		{ NULL, "keep.test:8443", true, false },
		{ "https://keep.test", NULL, true, false },
		{ "", "", true, false },
		{ NULL, "keep", false, true }, /* no browser */
		{ "https://keep", "keep", false, true },
		{ "https://evil.test", "keep", false, false },
		{ "null", "keep", false, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(!console_post_refused(str(rows[i].origin), str(rows[i].host), rows[i].tls),
			rows[i].taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(escapes, up, down),
		cmocka_unit_test_setup_teardown(every_byte, up, down),
		cmocka_unit_test_setup_teardown(values, up, down),
		cmocka_unit_test_setup_teardown(addresses, up, down),
		cmocka_unit_test(full),
		cmocka_unit_test(files),
		cmocka_unit_test(long_file),
		cmocka_unit_test(forms),
		cmocka_unit_test(parts),
		cmocka_unit_test(paths),
		cmocka_unit_test(cookies),
		cmocka_unit_test(posts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
