/* Runs a fuzz harness as a plain test, with any compiler: every corpus file as it is, then mutations of them that are the same in
 * every run, for a given number and at most a given time. Built with sanitizers it finds what they find.
 *
 *   fuzz_NAME [-n MUTATIONS] [-s SECONDS] [FILE|DIRECTORY …] */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define INPUT_BYTES_MAX (1u << 20)
#define SEEDS_MAX	1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct seed {
	u8 *data;
	size_t len;
} seeds[SEEDS_MAX];
static u32 n_seeds;

static u64 random_state = 0x9e3779b97f4a7c15;
static u64 rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static void load_file(int dir, const char *name)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || n_seeds == SEEDS_MAX)
		die(name);
	struct seed *s = &seeds[n_seeds];
	if (fd_read_file(fd, INPUT_BYTES_MAX, &s->data, &s->len) == 0)
		n_seeds++;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load(const char *path)
{
	struct dirent **e;
	int n = scandir(path, &e, NULL, by_name);
	if (n < 0 && errno == ENOTDIR) {
		load_file(AT_FDCWD, path);
		return;
	}
	if (n < 0)
		die(path);
	_cleanup_fd_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < n; i++) {
		if (e[i]->d_name[0] != '.')
			load_file(dir, e[i]->d_name);
		free(e[i]);
	}
	free(e);
}

/* A copy in an allocation of exactly its length, so that a sanitizer sees the first byte past it. */
static void run(const u8 *data, size_t len)
{
	u8 *exact = malloc(len ? len : 1);
	if (!exact)
		die("malloc");
	if (len)
		memcpy(exact, data, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static void mutate_once(u8 *b, size_t *len)
{
	static const u64 odd[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
		UINT64_MAX, UINT64_MAX - 7 };
	size_t n = *len, at = n ? rnd() % n : 0;
	u64 v = odd[rnd() % ARRAY_LEN(odd)];
	size_t width = 1u << rnd() % 4, piece = rnd() % 64;
	switch (rnd() % 8) {
	case 0:
		*len = n ? rnd() % n : 0;
		break;
	case 1: /* insert */
		if (n + piece <= INPUT_BYTES_MAX) {
			memmove(b + at + piece, b + at, n - at);
			for (size_t i = 0; i < piece; i++)
				b[at + i] = (u8)rnd();
			*len = n + piece;
		}
		break;
	case 2: /* remove */
		piece = MIN(piece, n - at);
		memmove(b + at, b + at + piece, n - at - piece);
		*len = n - piece;
		break;
	case 3: /* a piece of another seed */
		if (n_seeds) {
			const struct seed *s = &seeds[rnd() % n_seeds];
			piece = MIN(MIN(piece, s->len), n - at);
			if (piece)
				memcpy(b + at, s->data + rnd() % (s->len - piece + 1), piece);
		}
		break;
	case 4: /* an odd number */
	case 5:
		if (at + width <= n)
			memcpy(b + at, &v, width);
		break;
	default:
		if (n)
			b[at] ^= (u8)(1u << rnd() % 8);
	}
}

int main(int argc, char **argv)
{
	u64 mutations = 20000;
	time_t seconds = 10;
	for (int c; (c = getopt(argc, argv, "n:s:")) != -1;) {
		if (c == 'n')
			mutations = strtoull(optarg, NULL, 10);
		else if (c == 's')
			seconds = (time_t)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		load(argv[i]);
	for (u32 i = 0; i < n_seeds; i++)
		run(seeds[i].data, seeds[i].len);
	run(NULL, 0);
	u8 *b = malloc(INPUT_BYTES_MAX + 64);
	if (!b)
		die("malloc");
	time_t end = time(NULL) + seconds;
	u64 done = 0;
	for (; done < mutations && time(NULL) < end; done++) {
		size_t len = 0;
		if (n_seeds) {
			const struct seed *s = &seeds[rnd() % n_seeds];
			memcpy(b, s->data, len = s->len);
		}
		for (u64 k = 1 + rnd() % 6; k; k--)
			mutate_once(b, &len);
		run(b, len);
	}
	free(b);
	for (u32 i = 0; i < n_seeds; i++)
		free(seeds[i].data);
	printf("%u seeds, %llu mutations\n", n_seeds, (unsigned long long)done);
	return 0;
}
