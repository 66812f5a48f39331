#include "base/jsonw.h"
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static bool tty[3], styled[3];

void out_init(void)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
	bool dumb = !term || !*term || !strcmp(term, "dumb");
	for (int fd = 0; fd < 3; fd++) {
		tty[fd] = isatty(fd) == 1;
		styled[fd] = tty[fd] && !dumb && !(no && *no);
	}
	tty[2] = tty[2] && !dumb; /* no bar that needs a carriage return */
}

bool out_tty(int fd)
{
	return tty[fd];
}

const char *out_style(int fd, enum out_style s)
{
	static const char *const seq[] = {
		[OUT_PLAIN] = "\033[0m",
		[OUT_BOLD] = "\033[1m",
		[OUT_DIM] = "\033[2m",
		[OUT_GOOD] = "\033[32m",
		[OUT_BAD] = "\033[31m",
		[OUT_WARN] = "\033[33m",
	};
	return styled[fd] ? seq[s] : "";
}

static bool bar; /* a progress bar stands on stderr */

void out_progress_end(void)
{
	if (bar)
		fputs("\r\033[K", stderr);
	bar = false;
}

static void vsay(const char *fmt, va_list ap) _printf_(1, 0);
static void vsay(const char *fmt, va_list ap)
{
	char line[2048];
	vsnprintf(line, sizeof line, fmt, ap);
	out_progress_end();
	fflush(stdout);
	fputs("keep: ", stderr);
	out_text(2, line, strlen(line));
	fputc('\n', stderr);
}

void out_say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
}

int out_fail(int status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	return status;
}

int out_json(struct jsonw *w)
{
	jsonw_object_end(w);
	jsonw_newline(w);
	int r = w->full ? out_fail(CLI_UNDECIDED, "out of memory") : CLI_DONE;
	if (!r)
		fwrite(w->buf, 1, w->len, stdout);
	fflush(stdout); /* a program may wait for it */
	jsonw_fini(w);
	return r;
}

void out_next(const char *fmt, ...)
{
	if (!tty[2])
		return;
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	fflush(stdout);
	fprintf(stderr, "%snext: %s%s\n", out_style(2, OUT_DIM), line, out_style(2, OUT_PLAIN));
}

int out_usage(const struct cli *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	if (!c->form || !cli_forms(stderr, c->verb, c->form))
		cli_forms(stderr, c->verb, NULL);
	return CLI_USAGE;
}

const char *out_reason(int r)
{
	return strerror(r < 0 ? -r : r);
}

void out_text(int fd, const char *s, size_t n)
{
	FILE *f = fd == 1 ? stdout : stderr;
	if (!tty[fd]) {
		fwrite(s, 1, n, f);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		u8 ch = (u8)s[i];
		/* C1 controls come as the two bytes c2 80..9f */
		bool c1 = ch == 0xc2 && i + 1 < n && (u8)s[i + 1] >= 0x80 && (u8)s[i + 1] < 0xa0;
		if ((ch < 0x20 && ch != '\n' && ch != '\t') || ch == 0x7f || c1) {
			fputs("\xef\xbf\xbd", f);
			i += c1;
		} else {
			fputc(ch, f);
		}
	}
}

static u64 now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

void out_progress(const char *what, u64 done, u64 total)
{
	static u64 last_ms;
	if (!tty[2] || (bar && done < total && now_ms() - last_ms < 100))
		return;
	last_ms = now_ms();
	bar = true;
	if (!total) {
		fprintf(stderr, "\r\033[K%s%.60s %s%s", out_style(2, OUT_DIM), what,
			done ? out_size(done).s : "...", out_style(2, OUT_PLAIN));
		fflush(stderr);
		return;
	}
	enum { WIDTH = 24 };
	double part = (double)MIN(done, total) / (double)total;
	int full = (int)(part * WIDTH);
	fprintf(stderr, "\r\033[K%-24.48s %s", what, out_style(2, OUT_GOOD));
	for (int i = 0; i < WIDTH; i++) {
		if (i == full)
			fputs(out_style(2, OUT_DIM), stderr);
		fputs(i < full ? "\xe2\x94\x81" : "\xe2\x94\x80", stderr);
	}
	fprintf(stderr, "%s %3d %%  %s", out_style(2, OUT_PLAIN), (int)(part * 100), out_size(total).s);
	fflush(stderr);
}

struct out_size out_size(u64 bytes)
{
	static const char *const unit[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	struct out_size r;
	double v = (double)bytes;
	size_t u = 0;
	for (; v >= 999.5 && u + 1 < ARRAY_LEN(unit); u++)
		v /= 1000;
	snprintf(r.s, sizeof r.s, u && v < 9.95 ? "%.1f %s" : "%.0f %s", v, unit[u]);
	return r;
}

void out_table_row(struct out_table *t, ...)
{
	va_list ap;
	va_start(ap, t);
	for (const char *s; (s = va_arg(ap, const char *));) {
		if (t->n_cells == t->cap) {
			size_t cap = t->cap ? t->cap * 2 : 64;
			char **p = realloc(t->cells, cap * sizeof *p);
			if (!p) {
				t->failed = true;
				break;
			}
			t->cells = p;
			t->cap = cap;
		}
		if (!(t->cells[t->n_cells] = strdup(s))) {
			t->failed = true;
			break;
		}
		t->n_cells++;
	}
	va_end(ap);
}

void out_table_fini(struct out_table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct out_table){ .n_cols = t->n_cols };
}

/* Characters of a UTF-8 string; wide ones count as one. */
static size_t width(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += ((u8)*s & 0xc0) != 0x80;
	return n;
}

/* Columns of the terminal on stdout; 0 where there is none: nothing is cut in a file. */
static size_t columns(void)
{
	struct winsize w;
	return tty[1] && ioctl(1, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

/* Print s, cut to at most max characters (0: whole). */
static void print_cut(const char *s, size_t max)
{
	size_t n = strlen(s), seen = 0;
	if (!max || width(s) <= max) {
		out_text(1, s, n);
		return;
	}
	for (n = 0; s[n] && seen < max; n++)
		seen += ((u8)s[n] & 0xc0) != 0x80;
	while (n && ((u8)s[n - 1] & 0xc0) == 0x80)
		n--;
	out_text(1, s, n ? n - 1 : 0);
	fputs("\xe2\x80\xa6", stdout);
}

void out_table_print(struct out_table *t)
{
	enum { COLS_MAX = 16 };
	size_t w[COLS_MAX] = { 0 };
	assert(t->n_cols > 0 && t->n_cols <= COLS_MAX);
	for (size_t i = 0; i < t->n_cells; i++)
		w[i % t->n_cols] = MAX(w[i % t->n_cols], width(t->cells[i]));
	size_t before = 0, term = columns();
	for (size_t i = 0; i + 1 < t->n_cols; i++)
		before += w[i] + 2;
	size_t last_max = term > before + 8 ? term - before : 0;
	for (size_t i = 0; i < t->n_cells; i++) {
		bool head = i < t->n_cols, last = i % t->n_cols == t->n_cols - 1;
		fputs(head ? out_style(1, OUT_DIM) : "", stdout);
		print_cut(t->cells[i], last ? last_max : 0);
		fputs(head ? out_style(1, OUT_PLAIN) : "", stdout);
		if (last)
			fputc('\n', stdout);
		else
			printf("%*s", (int)(w[i % t->n_cols] - width(t->cells[i]) + 2), "");
	}
	if (t->failed)
		out_say("the table is incomplete: out of memory");
	out_table_fini(t);
}
