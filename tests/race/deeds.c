#define _GNU_SOURCE
#include "deeds.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const names[FILES] = { "big", "config.json", "sub/tokens", "sub/deep/x" };
const u32 sizes[FILES] = { BIG_BYTES, 300, 5000, 1 };
u8 *content[FILES], *other;
int at_model = -1;
_Atomic u64 random_state = 88172645463325252;

_noreturn_ void die(const char *what)
{
	perror(what);
	exit(2);
}

u64 rnd(void)
{
	u64 x = atomic_fetch_add(&random_state, 0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void put(int at, const char *name, const void *data, size_t len)
{
	_cleanup_fd_ int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, data, len))
		die(name);
}

/* In place; a file that is not there any more is left alone. */
static void flip_byte(u32 f)
{
	_cleanup_fd_ int fd = openat(at_model, names[f], O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	u64 at = rnd() % sizes[f];
	u8 b = content[f][at] ^ 0x40;
	if (fd >= 0)
		(void)!pwrite(fd, &b, 1, (off_t)at);
}
static void flip_and_back(u32 f)
{
	_cleanup_fd_ int fd = openat(at_model, names[f], O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	u64 at = rnd() % sizes[f];
	u8 b = content[f][at] ^ 0x40;
	if (fd < 0)
		return;
	(void)!pwrite(fd, &b, 1, (off_t)at);
	(void)!pwrite(fd, &content[f][at], 1, (off_t)at);
}
static void write_mapped(u32 f)
{
	_cleanup_fd_ int fd = openat(at_model, names[f], O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (u64)st.st_size < sizes[f])
		return;
	u8 *p = mmap(NULL, sizes[f], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	p[rnd() % sizes[f]] ^= 1;
	munmap(p, sizes[f]);
}
static void shorten(u32 f)
{
	_cleanup_fd_ int fd = openat(at_model, names[f], O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0)
		(void)!ftruncate(fd, (off_t)(rnd() % sizes[f]));
}
static void lengthen(u32 f)
{
	_cleanup_fd_ int fd =
		openat(at_model, names[f], O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0)
		(void)!write(fd, other, 1 + rnd() % 5000);
}
static void shorten_and_refill(u32 f)
{
	_cleanup_fd_ int fd = openat(at_model, names[f], O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && ftruncate(fd, 0) == 0)
		(void)!write(fd, other, sizes[f]);
}
static void replace(u32 f)
{
	put(at_model, "../new", other, sizes[f]);
	(void)!renameat(at_model, "../new", at_model, names[f]);
}
static void hard_link(u32 f)
{
	(void)!unlinkat(at_model, "../link", 0);
	(void)!linkat(at_model, "../evil/big", at_model, "../link", 0);
	(void)!renameat(at_model, "../link", at_model, names[f]);
}
static void symbolic_link(u32 f)
{
	(void)!unlinkat(at_model, "../link", 0);
	(void)!symlinkat("../../good/big", at_model, "../link");
	(void)!renameat(at_model, "../link", at_model, names[f]);
}
static void fifo(u32 f)
{
	(void)!unlinkat(at_model, "../link", 0);
	(void)!mkfifoat(at_model, "../link", 0600);
	(void)!renameat(at_model, "../link", at_model, names[f]);
}
static void take_away(u32 f)
{
	(void)!unlinkat(at_model, names[f], 0);
}
static void add(u32 f)
{
	put(at_model, f % 2 ? "sub/extra" : "extra", "x", 1);
}
static void exchange_names(u32 f)
{
	(void)!renameat2(at_model, names[f], at_model, names[(f + 1) % FILES], RENAME_EXCHANGE);
}
static void swap_directory(u32 f)
{
	(void)!renameat2(at_model, "sub", at_model, "../evil/sub", RENAME_EXCHANGE);
}
static void link_directory(u32 f)
{
	(void)!renameat(at_model, "sub", at_model, "../away");
	(void)!symlinkat("../good/sub", at_model, "sub");
}
static void swap_model(u32 f)
{
	(void)!renameat2(at_model, "../m", at_model, "../evil", RENAME_EXCHANGE);
}

const struct deed deeds[] = {
	{ "byte flipped", flip_byte, true }, { "byte flipped and restored", flip_and_back, false },
	{ "byte written through a mapping", write_mapped, true }, { "shortened", shorten, true },
	{ "lengthened", lengthen, true }, { "shortened and refilled", shorten_and_refill, true },
	{ "replaced", replace, true }, { "hard link put in its place", hard_link, true },
	{ "symbolic link put in its place", symbolic_link, true }, { "FIFO put in its place", fifo, true },
	{ "removed", take_away, true }, { "file added", add, true },
	{ "two names exchanged", exchange_names, true },
	{ "directory exchanged", swap_directory, true, true },
	{ "directory became a link", link_directory, true, true },
	{ "model exchanged", swap_model,
		false }, /* before: the path leads to the other one, which is opened */
};
const size_t n_deeds = ARRAY_LEN(deeds);
