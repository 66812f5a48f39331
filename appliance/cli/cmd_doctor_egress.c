/* What could carry something away: interfaces, routes, resolvers, proxies, sockets, and what Keep's own processes may do. */
#define _GNU_SOURCE
#include "cli/doctor.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TCP_ESTABLISHED 1
#define TCP_LISTEN	10
#define UDP_UNCONNECTED 7
#define STARTING_S	60 /* a runtime opens its driver and proves its kernels before it enters its sandbox */
#define FOUND_MAX	64 /* sockets or processes that are named; the others are counted */

/* The next line of text, cut at its end; NULL behind the last. */
static char *line_next(char **at)
{
	char *line = *at, *end = line ? strchr(line, '\n') : NULL;
	if (!line || !*line)
		return NULL;
	*at = end ? end + 1 : NULL;
	if (end)
		*end = 0;
	return line;
}

/* ---- the machine's network ---- */

void doctor_interfaces(struct doctor *d)
{
	_cleanup_free_ char *text = NULL;
	u32 up = 0;
	if (doctor_read(d, "proc/net/dev", &text)) {
		doctor_find(d, DOCTOR_UNKNOWN, NULL, "/proc/net/dev cannot be read");
		return;
	}
	char *at = text, *line, path[128], mend[96];
	line_next(&at), line_next(&at);
	while ((line = line_next(&at))) {
		_cleanup_free_ char *flags = NULL;
		char name[32];
		if (sscanf(line, " %31[^: ]:", name) != 1 || !strcmp(name, "lo"))
			continue;
		snprintf(path, sizeof path, "sys/class/net/%s/flags", name);
		if (!doctor_read(d, path, &flags) && !(strtoul(flags, NULL, 16) & 1))
			continue;
		up++;
		snprintf(mend, sizeof mend, "only if it should carry nothing: ip link set %s down", name);
		doctor_find(d, DOCTOR_NOTE, mend,
			"%s is up: clients of the gateway may come that way, and other programs may leave",
			name);
	}
	if (!up)
		doctor_find(d, DOCTOR_OK, NULL, "none but loopback is up");
}

/* The device of a default route of /proc/net/route, or of /proc/net/ipv6_route. */
static bool default_route(char *line, bool six, char ret[32])
{
	char dest[40], gate[40];
	unsigned flags, len;
	if (!six)
		return sscanf(line, "%31s %8s %8s %x", ret, dest, gate, &flags) == 4 &&
		       !strcmp(dest, "00000000") && (flags & 1);
	return sscanf(line, "%39s %x %*s %*s %39s %*s %*s %*s %x %31s", dest, &len, gate, &flags, ret) == 5 &&
	       len == 0 && (flags & 1) && !(flags & 0x200) /* reject */ && strcmp(ret, "lo");
}

void doctor_routes(struct doctor *d)
{
	static const char *const files[] = { "proc/net/route", "proc/net/ipv6_route" };
	u32 n = 0;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *text = NULL;
		char dev[40];
		if (doctor_read(d, files[i], &text))
			continue; /* a kernel without that family */
		char *at = text, *line;
		while ((line = line_next(&at))) {
			if (!default_route(line, i == 1, dev))
				continue;
			n++;
			doctor_find(d, DOCTOR_NOTE, i ? "ip -6 route del default" : "ip route del default",
				"a default route%s by %s: other programs of this machine can reach what is "
				"beyond this network",
				i ? " of IPv6" : "", dev);
		}
	}
	if (!n)
		doctor_find(d, DOCTOR_OK, NULL, "no default route");
}

void doctor_resolvers(struct doctor *d)
{
	_cleanup_free_ char *text = NULL;
	char list[256] = "";
	if (!doctor_read(d, "etc/resolv.conf", &text)) {
		char *at = text, *line, name[64];
		while ((line = line_next(&at)))
			if (sscanf(line, " nameserver %63s", name) == 1)
				snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
					*list ? ", " : "", name);
	}
	if (*list)
		doctor_find(d, DOCTOR_NOTE, "take the nameserver lines out of /etc/resolv.conf",
			"%s: names can carry data out; Keep asks none", list);
	else
		doctor_find(d, DOCTOR_OK, NULL, "none");
}

void doctor_proxies(struct doctor *d)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY",
		"HTTPS_PROXY", "ALL_PROXY" };
	char mend[32];
	u32 n = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *v = getenv(names[i]);
		if (!v || !*v)
			continue;
		n++;
		snprintf(mend, sizeof mend, "unset %s", names[i]);
		doctor_find(d, DOCTOR_NOTE, mend,
			"%s is set here: somebody foresaw a way out; Keep does not read it", names[i]);
	}
	if (!n)
		doctor_find(d, DOCTOR_OK, NULL, "none in the environment");
}

/* ---- sockets ---- */

bool doctor_address(const char *hex, char ret[64])
{
	size_t n = strspn(hex, "0123456789ABCDEFabcdef");
	u8 b[16];
	unsigned port;
	if ((n != 8 && n != 32) || hex[n] != ':' || sscanf(hex + n + 1, "%4x", &port) != 1)
		return false;
	for (size_t i = 0; i < n / 2; i++) { /* words of the machine's own order */
		unsigned v;
		sscanf(hex + 2 * i, "%2x", &v);
		b[(i & ~3u) + (3 - (i & 3u))] = (u8)v;
	}
	if (n == 8) {
		snprintf(ret, 64, "%u.%u.%u.%u:%u", b[0], b[1], b[2], b[3], port);
		return true;
	}
	char text[48] = "";
	for (size_t i = 0; i < 16; i += 2)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%x", i ? ":" : "",
			(unsigned)(b[i] << 8 | b[i + 1]));
	snprintf(ret, 64, "[%s]:%u", text, port);
	return true;
}

struct sockets {
	struct {
		unsigned long inode;
		const char *kind;
		bool listens;
		char local[64], remote[64];
	} s[FOUND_MAX];
	u32 n, more;
};

static void sockets_of(const struct doctor *d, const char *dir, const char *kind, struct sockets *ret)
{
	char path[64], local[80], remote[80];
	_cleanup_free_ char *text = NULL;
	snprintf(path, sizeof path, "%s/%s", dir, kind);
	if (doctor_read(d, path, &text))
		return;
	char *at = text, *line;
	line_next(&at);
	while ((line = line_next(&at))) {
		unsigned state;
		unsigned long inode;
		if (sscanf(line, " %*u: %79s %79s %x %*s %*s %*s %*u %*u %lu", local, remote, &state,
			    &inode) != 4)
			continue;
		bool tcp = kind[0] == 't', listens = tcp ? state == TCP_LISTEN : state == UDP_UNCONNECTED;
		if (tcp && !listens && state != TCP_ESTABLISHED)
			continue;
		if (ret->n == FOUND_MAX) {
			ret->more++;
			continue;
		}
		if (!doctor_address(local, ret->s[ret->n].local) ||
			!doctor_address(remote, ret->s[ret->n].remote))
			continue;
		ret->s[ret->n].inode = inode;
		ret->s[ret->n].kind = kind;
		ret->s[ret->n++].listens = listens;
	}
}

static void sockets_all(const struct doctor *d, const char *dir, struct sockets *ret)
{
	static const char *const kinds[] = { "tcp", "tcp6", "udp", "udp6", "raw", "raw6" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		sockets_of(d, dir, kinds[i], ret);
}

static bool loopback(const char *address)
{
	return !strncmp(address, "127.", 4) || !strncmp(address, "[0:0:0:0:0:0:0:1]", 17) ||
	       !strncmp(address, "[0:0:0:0:0:ffff:7f", 18);
}

void doctor_sockets(struct doctor *d)
{
	_cleanup_free_ struct sockets *all = calloc(1, sizeof *all);
	u32 told = 0;
	if (!all || !doctor_there(d, "proc/net/tcp")) {
		doctor_find(d, DOCTOR_UNKNOWN, NULL, "/proc/net/tcp cannot be read");
		return;
	}
	sockets_all(d, "proc/net", all);
	for (u32 i = 0; i < all->n; i++) {
		const char *kind = all->s[i].kind, *local = all->s[i].local, *remote = all->s[i].remote;
		if (loopback(local))
			continue;
		told++;
		if (all->s[i].listens)
			doctor_find(d, DOCTOR_NOTE, "ss -lnptu, then stop what should not listen",
				"%s listens at %s", kind, local);
		else
			doctor_find(d, DOCTOR_NOTE, "ss -nptu, then stop what should not be connected",
				"%s from %s to %s", kind, local, remote);
	}
	if (all->more)
		doctor_find(d, DOCTOR_NOTE, "ss -anptu", "%u more", all->more);
	if (!told)
		doctor_find(d, DOCTOR_OK, NULL, "nothing listens or is connected beyond loopback");
}

/* ---- Keep's own processes ---- */

static const struct {
	const char *comm;
	bool may_listen; /* on what it was handed */
} ours[] = { { "keepd", false }, { "keep-attest", false }, { "keep-runtime", false },
	{ "keep-gateway", true } };

static bool field_is(const char *status, const char *name, const char *value)
{
	const char *p = strstr(status, name);
	return p && !strncmp(p + strlen(name) + strspn(p + strlen(name), "\t "), value, strlen(value));
}

/* Which network sockets a process holds: found one by one. False: its descriptors may not be read. */
static bool held(struct doctor *d, const char *pid, size_t which)
{
	char path[64], link[64];
	_cleanup_free_ struct sockets *all = calloc(1, sizeof *all);
	snprintf(path, sizeof path, "proc/%.16s/net", pid);
	if (!all)
		return false;
	sockets_all(d, path, all);
	sockets_all(d, "proc/net", all); /* what it was handed may be of the machine's own network */
	snprintf(path, sizeof path, "proc/%.16s/fd", pid);
	int fd = openat(d->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		fd_close(&fd);
		return false;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);
		if (n <= 0)
			continue;
		link[n] = 0;
		unsigned long inode = strncmp(link, "socket:[", 8) ? 0 : strtoul(link + 8, NULL, 10);
		for (u32 i = 0; inode && i < all->n; i++)
			if (all->s[i].inode == inode && !(ours[which].may_listen))
				doctor_find(d, DOCTOR_BAD, "report this, and keep revoke what it serves",
					"%s (process %s) holds %s %s to %s", ours[which].comm, pid,
					all->s[i].kind, all->s[i].local, all->s[i].remote);
	}
	closedir(dir);
	return true;
}

/* Seconds since a process was started; UINT64_MAX: not to be told. */
static u64 age_of(struct doctor *d, const char *pid)
{
	char path[64];
	_cleanup_free_ char *stat = NULL, *up = NULL;
	unsigned long long ticks;
	snprintf(path, sizeof path, "proc/%.16s/stat", pid);
	if (doctor_read(d, path, &stat) || doctor_read(d, "proc/uptime", &up))
		return UINT64_MAX;
	const char *p = strrchr(stat, ')'); /* its name may hold blanks; 20 fields behind it is its start */
	for (u32 i = 0; p && i < 20; i++)
		p = strchr(p + 1, ' ');
	if (!p || sscanf(p, " %llu", &ticks) != 1)
		return UINT64_MAX;
	u64 began = ticks / (u64)sysconf(_SC_CLK_TCK), now = strtoull(up, NULL, 10);
	return now > began ? now - began : 0;
}

/* Our own name and an option that has it look at a device, say so and end: no socket, nobody's bytes, no sandbox. */
static bool only_tests(struct doctor *d, const char *pid)
{
	char path[64];
	_cleanup_free_ char *line = NULL;
	snprintf(path, sizeof path, "proc/%.16s/cmdline", pid);
	return !doctor_read(d, path, &line) && *line && !strncmp(line + strlen(line) + 1, "--device-", 9);
}

static void unboxed(struct doctor *d, const char *pid, size_t which)
{
	char mend[96];
	snprintf(mend, sizeof mend, "kill %.16s, then keep doctor processes", pid);
	if (only_tests(d, pid))
		doctor_find(d, DOCTOR_NOTE, NULL,
			"%s (process %s) tests a device, without a sandbox, and ends: it takes nothing from "
			"anybody",
			ours[which].comm, pid);
	else if (age_of(d, pid) < STARTING_S)
		doctor_find(d, DOCTOR_NOTE, "keep doctor processes",
			"%s (process %s) was started just now, and is not in its sandbox yet",
			ours[which].comm, pid);
	else
		doctor_find(d, DOCTOR_BAD, mend,
			"%s (process %s) is not in its sandbox: it may open any socket", ours[which].comm,
			pid);
}

static void process(struct doctor *d, const char *pid, size_t which)
{
	char path[64];
	_cleanup_free_ char *status = NULL;
	snprintf(path, sizeof path, "proc/%.16s/status", pid);
	if (doctor_read(d, path, &status))
		return; /* it has ended meanwhile */
	bool filter = field_is(status, "\nSeccomp:", "2"), stays = field_is(status, "\nNoNewPrivs:", "1"),
	     bare = field_is(status, "\nCapEff:", "0000000000000000");
	if (!filter || !stays)
		unboxed(d, pid, which);
	else if (!bare && d->installed)
		doctor_find(d, DOCTOR_BAD, "systemctl cat its unit: CapabilityBoundingSet= must be empty",
			"%s (process %s) has capabilities", ours[which].comm, pid);
	else if (!held(d, pid, which))
		doctor_find(d, DOCTOR_UNKNOWN, "run keep doctor processes as root",
			"%s (process %s) may open no network socket; which it holds, only root may see",
			ours[which].comm, pid);
	else
		doctor_find(d, DOCTOR_OK, NULL, "%s (process %s) may open no network socket%s",
			ours[which].comm, pid,
			ours[which].may_listen ? ", and has those that it was handed" : ", and has none");
}

void doctor_processes(struct doctor *d)
{
	int fd = openat(d->sys, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	u32 n = 0;
	if (!dir) {
		fd_close(&fd);
		doctor_find(d, DOCTOR_UNKNOWN, NULL, "/proc cannot be read");
		return;
	}
	for (struct dirent *e; (e = readdir(dir)) && n < FOUND_MAX;) {
		char path[300];
		_cleanup_free_ char *comm = NULL;
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof path, "proc/%s/comm", e->d_name);
		if (doctor_read(d, path, &comm))
			continue;
		comm[strcspn(comm, "\n")] = 0;
		for (size_t i = 0; i < ARRAY_LEN(ours); i++)
			if (!strcmp(comm, ours[i].comm))
				process(d, e->d_name, i), n++;
	}
	closedir(dir);
	if (!n)
		doctor_find(d, DOCTOR_OK, NULL, "none of Keep's runs now");
}
