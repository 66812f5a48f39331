#include "tests/tok/vocab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int nibble(char c)
{
	const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c) : NULL;
	return p ? (int)(p - digits) : -1;
}

long vocab_unhex(char *s)
{
	long n = 0;
	for (char *p = s; *p && *p != '\n'; p += 2) {
		int hi = nibble(p[0]), lo = hi < 0 ? -1 : nibble(p[1]);
		if (lo < 0)
			return -1;
		s[n++] = (char)(hi * 16 + lo);
	}
	return n;
}

static struct layout_str keep(struct vocab *v, char *hex)
{
	long n = vocab_unhex(hex);
	struct layout_str s = { v->h.strings_bytes, n < 0 ? 0 : (u32)n };
	memcpy(v->strings + s.off, hex, s.len);
	v->h.strings_bytes += s.len;
	return s;
}

static u32 number(const char *s)
{
	return s[0] == '-' ? LAYOUT_NONE : (u32)strtoul(s, NULL, 10);
}

static int line_read(struct vocab *v, char *line)
{
	char *w[8] = { 0 }, *save = NULL;
	size_t n = 0;
	for (char *p = strtok_r(line, " \n", &save); p && n < ARRAY_LEN(w); p = strtok_r(NULL, " \n", &save))
		w[n++] = p;
	if (n == 0)
		return 0;
	if (strcmp(w[0], "model") == 0 && n == 8) {
		v->h.tok_model = number(w[1]);
		v->h.tok_pre = number(w[2]);
		v->h.tok_flags = number(w[3]);
		v->h.bos = number(w[4]);
		v->h.eos = number(w[5]);
		v->h.eot = number(w[6]);
		v->h.unk = number(w[7]);
		v->h.pad = LAYOUT_NONE;
	} else if (strcmp(w[0], "t") == 0 && n == 4) {
		v->vocab[v->h.n_vocab++] = (struct layout_token){
			.type = number(w[1]), .score = strtof(w[2], NULL), .text = keep(v, w[3])
		};
	} else if (strcmp(w[0], "n") == 0 && n == 2) {
		v->h.charsmap = keep(v, w[1]);
	} else if (strcmp(w[0], "m") == 0 && n == 3) {
		struct layout_str left = keep(v, w[1]);
		v->merges[v->h.n_merges++] = (struct layout_merge){ left, keep(v, w[2]) };
	} else {
		return -EINVAL;
	}
	return 0;
}

static int lines_read(struct vocab *v, FILE *f, const char *path)
{
	char *line = NULL;
	size_t cap = 0;
	int r = 0;
	while (!r && getline(&line, &cap, f) >= 0)
		r = line_read(v, line);
	if (r)
		fprintf(stderr, "%s: not a vocabulary: %s\n", path, line);
	free(line);
	return r;
}

int vocab_read(const char *path, struct vocab *ret)
{
	struct vocab v = { 0 };
	FILE *f = fopen(path, "r");
	if (!f) {
		int e = errno;
		perror(path);
		return -e;
	}
	fseek(f, 0, SEEK_END);
	size_t size =
		(size_t)ftell(f) + 1; /* more than enough of everything: every line has more characters */
	rewind(f);
	v.vocab = calloc(size, sizeof *v.vocab);
	v.merges = calloc(size, sizeof *v.merges);
	v.strings = calloc(size, 1);
	int r = v.vocab && v.merges && v.strings ? lines_read(&v, f, path) : -ENOMEM;
	fclose(f);
	if (r) {
		vocab_fini(&v);
		return r;
	}
	*ret = v;
	ret->l = (struct layout){ .h = &ret->h, .vocab = v.vocab, .merges = v.merges, .strings = v.strings };
	return 0;
}

void vocab_fini(struct vocab *v)
{
	free(v->vocab);
	free(v->merges);
	free(v->strings);
}
