/* What the policy file is made of: words, names and patterns, numbers, times. */
#include "attest/policy_priv.h"
#include "base/bytes.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

bool policy_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of *s, words being parted by blanks and commas. False: there is none. */
bool policy_word(const char **s, const char **ret, size_t *ret_len)
{
	const char *p = *s;
	while (policy_blank(*p) || *p == ',')
		p++;
	size_t n = 0;
	while (p[n] && !policy_blank(p[n]) && p[n] != ',')
		n++;
	*ret = p;
	*ret_len = n;
	*s = p + n;
	return n > 0;
}

bool policy_word_is(const char *w, size_t n, const char *text)
{
	return strlen(text) == n && !memcmp(w, text, n);
}

bool policy_pattern_ok(const char *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((w[i] >= 'a' && w[i] <= 'z') || (w[i] >= '0' && w[i] <= '9') || w[i] == '.' ||
			    w[i] == '_' || w[i] == '-' || w[i] == '*' || w[i] == '?'))
			return false;
	return n > 0 && n <= NAME_LEN_MAX;
}

bool policy_role_ok(const char *w, size_t n)
{
	char name[NAME_LEN_MAX + 1];
	if (n == 0 || n > NAME_LEN_MAX)
		return false;
	memcpy(name, w, n);
	name[n] = 0;
	return bytes_name_ok(name) && strcmp(name, "any") != 0;
}

int policy_number(const char *w, size_t n, u64 *ret)
{
	return bytes_decimal(w, n, ret) || *ret > INT64_MAX;
}

bool policy_pattern_fits(const char *pattern, const char *name)
{
	const char *star = NULL, *from = NULL;
	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			from = name;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star + 1;
			name = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* ---- time -------------------------------------------------------------------------------------------------------------------- */

void attest_time_text(u64 seconds, char ret[24])
{
	time_t t = (time_t)MIN(seconds, (u64)253402300799); /* the last second of the year 9999 */
	struct tm tm;
	gmtime_r(&t, &tm);
	snprintf(ret, 24, "%04u-%02u-%02uT%02u:%02u:%02uZ", (u32)(tm.tm_year + 1900) % 10000u,
		(u32)(tm.tm_mon + 1) % 100u, (u32)tm.tm_mday % 100u, (u32)tm.tm_hour % 100u,
		(u32)tm.tm_min % 100u, (u32)tm.tm_sec % 100u);
}

int attest_time_parse(const char *text, u64 *ret)
{
	static const char form[] = "0000-00-00T00:00:00Z";
	u32 f[6] = { 0 }, k = 0;
	size_t n = strlen(text);
	if (n != 10 && n != sizeof form - 1)
		return 1;
	for (size_t i = 0; i < n; i++) {
		if (form[i] != '0') {
			if (text[i] != form[i])
				return 1;
			k++;
		} else if (text[i] < '0' || text[i] > '9') {
			return 1;
		} else {
			f[k] = f[k] * 10 + (u32)(text[i] - '0');
		}
	}
	struct tm tm = { .tm_year = (int)f[0] - 1900,
		.tm_mon = (int)f[1] - 1,
		.tm_mday = (int)f[2],
		.tm_hour = (int)f[3],
		.tm_min = (int)f[4],
		.tm_sec = (int)f[5] };
	time_t t = timegm(&tm);
	char again[24];
	if (f[0] < 1970 || t < 0)
		return 1;
	attest_time_text((u64)t, again); /* 2026-02-30 comes back as another day */
	if (memcmp(again, text, n))
		return 1;
	*ret = (u64)t;
	return 0;
}
