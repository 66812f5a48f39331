/* Numbers between two bounds, as decimal digits: while what was written equals the beginning of a bound, the next digit is held by
 * it; after the first digit that differs it is free. A multiple of M / 10^d has at most d digits behind the point that are no zeros, and
 * its digits up to there are a number that M divides: the remainder so far is part of the state. */
#include "chat/grammar_build.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 15u

struct decimal {
	bool given, open, negative, zero;
	u8 whole[DIGITS_MAX], part[DIGITS_MAX]; /* digits; part is filled with zeros */
	u32 n;					/* digits of whole */
	u32 n_part;				/* digits of part that are not trailing zeros */
};

static bool decimal_read(const char *s, struct decimal *d)
{
	u32 i;
	d->negative = *s == '-';
	s += d->negative;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (d->n == DIGITS_MAX)
			return false;
		d->whole[d->n++] = (u8)(*s - '0');
	}
	if (*s == '.')
		for (s++, i = 0; *s >= '0' && *s <= '9'; s++, i++) {
			if (i == DIGITS_MAX)
				return false;
			d->part[i] = (u8)(*s - '0');
			d->n_part = d->part[i] ? i + 1 : d->n_part;
		}
	d->zero = d->n == 1 && d->whole[0] == 0 && d->n_part == 0;
	d->negative = d->negative && !d->zero;
	d->given = true;
	return *s == 0 && d->n > 0;
}

static bool decimal_of(
	struct chat_gb *b, const struct chat_val *v, bool open, const char *where, struct decimal *ret)
{
	char text[40];
	f64 f;
	*ret = (struct decimal){ .open = open };
	if (!v)
		return true;
	if (v->kind == CHAT_INT)
		snprintf(text, sizeof text, "%lld", (long long)v->i);
	else if (v->kind == CHAT_FLOAT && chat_number(v, &f))
		chat_float_text(f, text);
	else
		return chat_gb_fail(b, where, "a bound is not a number");
	return decimal_read(text, ret) ||
	       chat_gb_fail(b, where, "the bound %s has more than %u digits", text, DIGITS_MAX);
}

/* Magnitudes from lo to hi. Four states side by side: bit 0, lo still holds; bit 1, hi still holds; and of each as many as there are
 * remainders. */
struct between {
	struct chat_gb *b;
	const struct decimal *lo, *hi;
	u32 places;  /* digits behind the point, at most */
	u32 divisor; /* M; 1: any number */
	u32 scale;   /* d: M divides the number times 10^d */
	u32 to;
	u32 *at; /* [4 * divisor]; 0: not there */
};

/* May it stop where k digits behind the point are written? */
static bool may_stop(const struct between *x, u32 held, u32 k)
{
	bool lo_ok = !(held & 1) || (x->lo->n_part <= k && !x->lo->open);
	bool hi_ok = !(held & 2) || x->hi->n_part > k || !x->hi->open;
	return lo_ok && hi_ok;
}

static u32 *at_new(const struct between *x)
{
	return chat_alloc(x->b->r, 4 * (size_t)x->divisor * sizeof(u32));
}

/* What is written has k digits behind the point: does M divide it, times 10^d? */
static bool divides(const struct between *x, u32 rest, u32 k)
{
	for (; k < x->scale; k++)
		rest = rest * 10 % x->divisor;
	return rest == 0;
}

static void stops(struct between *x, u32 k)
{
	for (u32 i = 0; i < 4 * x->divisor && chat_gb_ok(x->b); i++)
		if (x->at[i] && may_stop(x, i / x->divisor, k) && divides(x, i % x->divisor, k))
			chat_gb_skip(x->b, x->at[i], x->to);
}

/* From one of the states, a digit; lo and hi are those of the bounds in this place. */
static void digit_from(struct between *x, u32 i, u8 d, u8 lo, u8 hi, u32 *at)
{
	u32 held = i / x->divisor, rest = i % x->divisor;
	if ((held & 1 && d < lo) || (held & 2 && d > hi))
		return;
	u32 next = (held & 1 && d == lo) | (held & 2 && d == hi) << 1;
	u32 to = next * x->divisor + (rest * 10 + d) % x->divisor;
	if (!at[to])
		at[to] = chat_gb_state(x->b);
	chat_gb_byte(x->b, x->at[i], (u8)('0' + d), (u8)('0' + d), at[to]);
}

/* One digit from least on. */
static void digit(struct between *x, u8 least, u8 lo, u8 hi)
{
	u32 *at = at_new(x);
	for (u32 i = 0; at && i < 4 * x->divisor && chat_charge(x->b->r, 0) && chat_gb_ok(x->b); i++)
		for (u8 d = least; x->at[i] && d <= 9; d++)
			digit_from(x, i, d, lo, hi, at);
	x->at = at ? at : x->at;
}

static void of_length(struct between x, u32 from, u32 n)
{
	u32 held = (x.lo->given && n == x.lo->n) | (x.hi->given && n == x.hi->n) << 1;
	if (!(x.at = at_new(&x)))
		return;
	x.at[held * x.divisor] = from;
	for (u32 k = 0; k < n; k++)
		digit(&x, k == 0 && n > 1, held & 1 ? x.lo->whole[k] : 0, held & 2 ? x.hi->whole[k] : 9);
	stops(&x, 0);
	if (x.places == 0)
		return;
	for (u32 i = 0; i < 4 * x.divisor; i++)
		if (x.at[i])
			x.at[i] = chat_gb_str(x.b, x.at[i], ".");
	for (u32 k = 0; k < x.places; k++) {
		digit(&x, 0, x.lo->part[k], x.hi->part[k]);
		stops(&x, k + 1);
	}
}

static void magnitudes(struct between x, u32 from, const struct decimal *lo, const struct decimal *hi)
{
	x.lo = lo;
	x.hi = hi;
	for (u32 n = lo->n; n <= (hi->given ? hi->n : DIGITS_MAX) && chat_gb_ok(x.b); n++)
		of_length(x, from, n);
}

/* ---- multiples ----------------------------------------------------------------------------------------------------------- */

/* The number as M / 10^d with the least d: digits before and behind the point, without trailing zeros. */
static bool read_multiple(
	struct chat_gb *b, const struct chat_val *v, bool integer, const char *where, struct between *x)
{
	struct decimal m;
	u64 divisor = 0;
	x->divisor = 1;
	if (!v)
		return true;
	if (!decimal_of(b, v, false, where, &m))
		return false;
	for (u32 i = 0; i < m.n + m.n_part && divisor <= UINT32_MAX; i++)
		divisor = divisor * 10 + (i < m.n ? m.whole[i] : m.part[i - m.n]);
	x->scale = m.n_part;
	if (integer) /* M / 10^d divides an integer where M / gcd(M, 10^d) does */
		for (; x->scale && divisor; x->scale--) {
			divisor = divisor % 2 == 0 ? divisor / 2 : divisor;
			divisor = divisor % 5 == 0 ? divisor / 5 : divisor;
		}
	if (m.negative || divisor == 0 || divisor > GRAMMAR_MULTIPLE_MAX)
		return chat_gb_fail(
			b, where, "multipleOf is not above 0, or its digits are beyond GRAMMAR_MULTIPLE_MAX");
	x->divisor = (u32)divisor;
	x->places = integer ? 0 : x->scale;
	return true;
}

u32 chat_gb_range(struct chat_gb *b, u32 from, const struct chat_range *p, const char *where)
{
	struct decimal lo, hi, zero = { .given = true, .zero = true, .n = 1 }, above = zero;
	u32 to = chat_gb_state(b), begin = chat_gb_state(b);
	chat_gb_skip(b, from, begin);
	struct between x = { .b = b, .to = to, .places = p->integer ? 0 : DIGITS_MAX };
	if (!decimal_of(b, p->lo, p->lo_open, where, &lo) || !decimal_of(b, p->hi, p->hi_open, where, &hi) ||
		!read_multiple(b, p->multiple, p->integer, where, &x))
		return to;
	above.open = true; /* there is no -0 */
	if (!lo.given || lo.negative)
		magnitudes(x, chat_gb_str(b, begin, "-"), hi.given && hi.negative ? &hi : &above, &lo);
	if (!hi.given || !hi.negative)
		magnitudes(x, begin, lo.given && !lo.negative ? &lo : &zero, &hi);
	return to;
}
