/* Numbers between two bounds, as decimal digits: while what was written equals the beginning of a bound, the next digit is held by
 * it; after the first digit that differs it is free. */
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

/* Magnitudes from lo to hi. Four states side by side: bit 0, lo still holds; bit 1, hi still holds. */
struct between {
	struct chat_gb *b;
	const struct decimal *lo, *hi;
	bool integer;
	u32 to;
	bool is[4];
	u32 at[4];
};

/* May it stop where k digits behind the point are written? */
static bool may_stop(const struct between *x, u32 held, u32 k)
{
	bool lo_ok = !(held & 1) || (x->lo->n_part <= k && !x->lo->open);
	bool hi_ok = !(held & 2) || x->hi->n_part > k || !x->hi->open;
	return lo_ok && hi_ok;
}

static void stops(struct between *x, u32 k)
{
	for (u32 held = 0; held < 4; held++)
		if (x->is[held] && may_stop(x, held, k))
			chat_gb_skip(x->b, x->at[held], x->to);
}

/* One digit from least on; lo and hi are those of the bounds in this place. */
static void digit(struct between *x, u8 least, u8 lo, u8 hi)
{
	struct between y = *x;
	memset(y.is, 0, sizeof y.is);
	for (u32 held = 0; held < 4; held++)
		for (u8 d = least; x->is[held] && d <= 9; d++) {
			if ((held & 1 && d < lo) || (held & 2 && d > hi))
				continue;
			u32 next = (held & 1 && d == lo) | (held & 2 && d == hi) << 1;
			if (!y.is[next]) {
				y.is[next] = true;
				y.at[next] = chat_gb_state(x->b);
			}
			chat_gb_byte(x->b, x->at[held], (u8)('0' + d), (u8)('0' + d), y.at[next]);
		}
	*x = y;
}

static void of_length(struct between x, u32 from, u32 n)
{
	u32 held = (x.lo->given && n == x.lo->n) | (x.hi->given && n == x.hi->n) << 1;
	memset(x.is, 0, sizeof x.is);
	x.is[held] = true;
	x.at[held] = from;
	for (u32 k = 0; k < n; k++)
		digit(&x, k == 0 && n > 1, held & 1 ? x.lo->whole[k] : 0, held & 2 ? x.hi->whole[k] : 9);
	stops(&x, 0);
	if (x.integer)
		return;
	for (u32 h = 0; h < 4; h++)
		if (x.is[h])
			x.at[h] = chat_gb_str(x.b, x.at[h], ".");
	for (u32 k = 0; k < DIGITS_MAX; k++) {
		digit(&x, 0, x.lo->part[k], x.hi->part[k]);
		stops(&x, k + 1);
	}
}

static void magnitudes(
	struct chat_gb *b, u32 from, const struct decimal *lo, const struct decimal *hi, bool integer, u32 to)
{
	struct between x = { .b = b, .lo = lo, .hi = hi, .integer = integer, .to = to };
	for (u32 n = lo->n; n <= (hi->given ? hi->n : DIGITS_MAX) && chat_gb_ok(b); n++)
		of_length(x, from, n);
}

u32 chat_gb_range(struct chat_gb *b, u32 from, const struct chat_range *p, const char *where)
{
	struct decimal lo, hi, zero = { .given = true, .zero = true, .n = 1 }, above = zero;
	u32 to = chat_gb_state(b);
	if (!decimal_of(b, p->lo, p->lo_open, where, &lo) || !decimal_of(b, p->hi, p->hi_open, where, &hi))
		return to;
	above.open = true; /* there is no -0 */
	if (!lo.given || lo.negative)
		magnitudes(b, chat_gb_str(b, from, "-"), hi.given && hi.negative ? &hi : &above, &lo,
			p->integer, to);
	if (!hi.given || !hi.negative)
		magnitudes(b, from, lo.given && !lo.negative ? &lo : &zero, &hi, p->integer, to);
	return to;
}
