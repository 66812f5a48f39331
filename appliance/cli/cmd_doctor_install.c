/* What was installed: programs, the names they import, units. */
#define _GNU_SOURCE
#include "cli/doctor.h"
#include "base/err.h"
#include "base/fd.h"
#include "cli/app.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM_MAX_BYTES (256ull << 20)

/* ---- programs ---- */

void doctor_programs(struct doctor *d)
{
	char path[PATH_MAX];
	struct stat st;
	u32 good = 0;
	for (u32 i = 0; i < APP_N_PROGRAMS; i++) {
		if (app_program_path(i, path) || stat(path, &st) < 0) {
			doctor_find(d, DOCTOR_BAD, "apt install --reinstall keep", "%s: not there", path);
			continue;
		}
		if (st.st_mode & (S_ISUID | S_ISGID))
			doctor_find(d, DOCTOR_BAD, "apt install --reinstall keep",
				"%s runs as somebody else than who starts it", path);
		else if (d->installed && (st.st_uid != 0 || (st.st_mode & 0022)))
			doctor_find(d, DOCTOR_BAD, "apt install --reinstall keep; dpkg --verify keep",
				"%s can be changed by others than root", path);
		else
			good++;
	}
	if (good == APP_N_PROGRAMS)
		doctor_find(d, DOCTOR_OK, NULL, "%u are there, none runs with more rights than who starts it",
			good);
}

bool doctor_forbidden(const char *name)
{
	/* whole names, or with a star what names begin with */
	static const char *const never[] = { "getaddrinfo", "getaddrinfo_a", "freeaddrinfo", "getnameinfo",
		"gethostby*", "gethostent", "getservby*", "getnetby*", "gai_*", "res_*", "__res_*", "ns_*",
		"dn_comp", "dn_expand", "inet_*", "curl_*", "soup_*", "nghttp2_*", "evhttp_*", "evdns_*",
		"OSSL_HTTP_*", "BIO_s_connect", "BIO_new_connect", "BIO_connect", "BIO_lookup*",
		"sd_resolve_*", "popen", "system", "wordexp" };
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		size_t n = strlen(never[i]);
		if (never[i][n - 1] == '*' ? !strncmp(name, never[i], n - 1) : !strcmp(name, never[i]))
			return true;
	}
	return false;
}

#if __SIZEOF_POINTER__ == 8
#define ELF_CLASS   ELFCLASS64
#define elf_head    Elf64_Ehdr
#define elf_section Elf64_Shdr
#define elf_symbol  Elf64_Sym
#else
#define ELF_CLASS   ELFCLASS32
#define elf_head    Elf32_Ehdr
#define elf_section Elf32_Shdr
#define elf_symbol  Elf32_Sym
#endif

/* Does [at, at + n) lie within len? */
static bool within(u64 at, u64 n, size_t len)
{
	return at <= len && n <= len - at;
}

int doctor_imports(const u8 *elf, size_t len, int (*fn)(void *to, const char *name), void *to)
{
	elf_head h;
	if (len < sizeof h || memcmp(elf, ELFMAG, SELFMAG) || elf[EI_CLASS] != ELF_CLASS)
		return -EBADMSG;
	memcpy(&h, elf, sizeof h);
	if (h.e_shentsize != sizeof(elf_section) ||
		!within(h.e_shoff, (u64)h.e_shnum * sizeof(elf_section), len))
		return -EBADMSG;
	for (u32 i = 0; i < h.e_shnum; i++) {
		elf_section s, names;
		memcpy(&s, elf + h.e_shoff + i * sizeof s, sizeof s);
		if (s.sh_type != SHT_DYNSYM)
			continue;
		if (s.sh_link >= h.e_shnum || !within(s.sh_offset, s.sh_size, len))
			return -EBADMSG;
		memcpy(&names, elf + h.e_shoff + s.sh_link * sizeof names, sizeof names);
		if (!within(names.sh_offset, names.sh_size, len) || !names.sh_size ||
			elf[names.sh_offset + names.sh_size - 1])
			return -EBADMSG;
		for (u64 k = 0; k + sizeof(elf_symbol) <= s.sh_size; k += sizeof(elf_symbol)) {
			elf_symbol sym;
			memcpy(&sym, elf + s.sh_offset + k, sizeof sym);
			if (sym.st_name >= names.sh_size)
				return -EBADMSG;
			int r = sym.st_shndx == SHN_UNDEF
					? fn(to, (const char *)elf + names.sh_offset + sym.st_name)
					: 0;
			if (r)
				return r;
		}
	}
	return 0;
}

static int keep_forbidden(void *to, const char *name)
{
	if (!doctor_forbidden(name))
		return 0;
	*(const char **)to = name;
	return 1;
}

static bool imports_well(struct doctor *d, const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ u8 *data = NULL;
	const char *name = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : fd_read_file(fd, PROGRAM_MAX_BYTES, &data, &len);
	if (!r)
		r = doctor_imports(data, len, keep_forbidden, &name);
	if (name)
		doctor_find(d, DOCTOR_BAD, "apt install --reinstall keep; dpkg --verify keep",
			"%s imports %s", path, name);
	else if (r)
		doctor_find(d, DOCTOR_UNKNOWN, "dpkg --verify keep", "%s: %s", path,
			r < 0 ? strerror(-r) : "not a regular file");
	return r == 0;
}

void doctor_symbols(struct doctor *d)
{
	char path[PATH_MAX];
	u32 good = 0;
	for (u32 i = 0; i < APP_N_DAEMONS; i++)
		good += app_program_path(i, path) == 0 && imports_well(d, path);
	good += imports_well(d, "/proc/self/exe");
	if (good == APP_N_DAEMONS + 1)
		doctor_find(d, DOCTOR_OK, NULL,
			"no program imports a resolver, an HTTP client or a way to start a shell");
}

/* ---- units ---- */

void doctor_units(struct doctor *d)
{
	static const char *const sockets[] = { "keepd.socket", "keep-attest.socket", "keep-runtime.socket" };
	u32 good = 0;
	for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
		char *out = NULL;
		int st = 0;
		char *argv[] = { (char *)(uintptr_t) "systemctl", (char *)(uintptr_t) "is-active",
			(char *)(uintptr_t)sockets[i], NULL };
		if (doctor_ask(argv, &out, &st) || st == 127)
			doctor_find(d, DOCTOR_UNKNOWN, NULL, "systemctl cannot be asked");
		else if (st)
			doctor_find(d, DOCTOR_BAD,
				"keep init --system, or systemctl enable --now keepd.socket "
				"keep-attest.socket keep-runtime.socket",
				"%s is %.*s", sockets[i], (int)strcspn(out, "\n"), out);
		else
			good++;
		free(out);
	}
	if (good == ARRAY_LEN(sockets))
		doctor_find(d, DOCTOR_OK, NULL, "the gate's, the verifier's and the runtime's are open");
}

void doctor_scores(struct doctor *d)
{
	/* exposure as systemd-analyze reckons it, in tenths; tests hold the same, and the runtime's with a GPU's profile */
	static const struct {
		const char *unit, *most;
		u32 tenths;
	} units[] = { { "keepd.service", "3", 3 }, { "keep-attest@.service", "1", 1 },
		{ "keep-runtime.service", "7", 7 }, { "keep-gateway.service", "4", 4 },
		{ "keep-tpm.service", "11", 11 } };
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		char most[32], path[128], mend[192], *out = NULL;
		int st = 0;
		snprintf(most, sizeof most, "--threshold=%s", units[i].most);
		snprintf(path, sizeof path, "%s", units[i].unit);
		snprintf(mend, sizeof mend, "systemctl cat %s, and take out the drop-in that loosened it",
			units[i].unit);
		char *argv[] = { (char *)(uintptr_t) "systemd-analyze", (char *)(uintptr_t) "security",
			(char *)(uintptr_t) "--offline=true", (char *)(uintptr_t) "--no-pager", most, path,
			NULL };
		int r = doctor_ask(argv, &out, &st);
		const char *p = out ? strstr(out, "exposure level") : NULL;
		p = p ? strstr(p, ": ") : NULL;
		if (r || !p)
			doctor_find(d, DOCTOR_UNKNOWN, "systemd-analyze security --offline=true",
				"%s: systemd-analyze cannot judge it", path);
		else if (st)
			doctor_find(d, DOCTOR_BAD, mend, "%s is exposed at %.3s, not %u.%u at most", path,
				p + 2, units[i].tenths / 10, units[i].tenths % 10);
		else
			doctor_find(d, DOCTOR_OK, NULL, "%s: exposure %.3s of 10", path, p + 2);
		free(out);
	}
}

static bool is_profile(const char *to)
{
	static const char *const places[] = { "/usr/share/keep/gpu/", "/usr/local/share/keep/gpu/" };
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (!strncmp(to, places[i], strlen(places[i])))
			return !strchr(to + strlen(places[i]), '/');
	return false;
}

/* Are there but links to the package's own profiles of GPUs, and for the slice what the answers said (both by keep init --system)? What
 * becomes of the latter is looked at in the kernel: doctor_bounds. */
static bool only_ours(const struct doctor *d, const char *path)
{
	int fd = openat(d->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool only = dir != NULL, slice = strstr(path, "/keep.slice.d") != NULL;
	if (!dir)
		fd_close(&fd);
	for (struct dirent *e; only && (e = readdir(dir));) {
		char to[64] = { 0 };
		if (e->d_name[0] != '.' && !(slice && !strcmp(e->d_name, "keep-init.conf")))
			only = readlinkat(fd, e->d_name, to, sizeof to - 1) > 0 && is_profile(to);
	}
	if (dir)
		closedir(dir);
	return only;
}

void doctor_dropins(struct doctor *d)
{
	static const char *const units[] = { "keepd.service", "keep-attest@.service", "keep-runtime.service",
		"keep-gateway.service", "keepd.socket", "keep-attest.socket", "keep-runtime.socket",
		"keep-gateway.socket", "keep-tpm.service", "keep.slice" };
	static const char *const places[] = { "etc/systemd/system", "run/systemd/system" };
	u32 n = 0;
	for (size_t i = 0; i < ARRAY_LEN(units) * ARRAY_LEN(places); i++) {
		char path[128], mend[192];
		const char *unit = units[i % ARRAY_LEN(units)], *place = places[i / ARRAY_LEN(units)];
		snprintf(path, sizeof path, "%s/%s", place, unit);
		snprintf(
			mend, sizeof mend, "systemctl cat %s, and read why; systemctl revert %s", unit, unit);
		if (doctor_there(d, path))
			doctor_find(d, DOCTOR_NOTE, mend, "/%s stands in place of the package's", path), n++;
		snprintf(path, sizeof path, "%s/%s.d", place, unit);
		if (doctor_there(d, path) && !only_ours(d, path))
			doctor_find(d, DOCTOR_NOTE, mend, "/%s changes the package's unit", path), n++;
	}
	if (!n)
		doctor_find(d, DOCTOR_OK, NULL, "the units are the package's");
}

#define SLICE "sys/fs/cgroup/keep.slice/"

/* The line of a file of the slice; "" where it cannot be read. */
static void slice_line(const struct doctor *d, const char *file, char ret[32])
{
	char path[64];
	_cleanup_free_ char *text = NULL;
	snprintf(path, sizeof path, SLICE "%s", file);
	ret[0] = 0;
	if (doctor_read(d, path, &text) == 0)
		snprintf(ret, 32, "%.*s", (int)strcspn(text, "\n"), text);
}

/* How many processors' time: "" where there is no such bound. */
static void slice_processors(const struct doctor *d, char ret[80])
{
	char word[32];
	unsigned long long quota = 0, period = 0;
	ret[0] = 0;
	slice_line(d, "cpu.max", word);
	if (sscanf(word, "%llu %llu", &quota, &period) == 2 && period)
		snprintf(ret, 80, "at most %llu.%02llu processors", quota / period,
			quota % period * 100 / period);
}

/* What the kernel holds of the bounds that keep.slice names, which drop-ins may have changed. */
void doctor_bounds(struct doctor *d)
{
	char memory[32], swap[32], weight[32], tasks[32], processors[80];
	unsigned long long bytes = 0;
	if (!doctor_there(d, SLICE "cgroup.procs")) {
		doctor_find(d, DOCTOR_OK, NULL,
			"no process of Keep runs now; keep.slice bounds them when they do");
		return;
	}
	if (!doctor_there(d, SLICE "memory.max")) {
		doctor_find(d, DOCTOR_NOTE, "keep doctor cgroup",
			"the kernel bounds no memory here: what keep.slice says does not hold");
		return;
	}
	slice_line(d, "memory.max", memory);
	slice_line(d, "memory.swap.max", swap);
	slice_line(d, "cpu.weight", weight);
	slice_line(d, "pids.max", tasks);
	slice_processors(d, processors);
	bool bounded = sscanf(memory, "%llu", &bytes) == 1;
	if (!bounded)
		doctor_find(d, DOCTOR_BAD,
			"systemctl cat keep.slice, mend its drop-ins, systemctl daemon-reload",
			"Keep may take all memory: memory.max of keep.slice is \"%s\"", memory);
	if (swap[0] && strcmp(swap, "0"))
		doctor_find(d, DOCTOR_BAD,
			"systemctl cat keep.slice, mend its drop-ins, systemctl daemon-reload",
			"prompts may be swapped: memory.swap.max of keep.slice is %s", swap);
	if (!weight[0])
		doctor_find(d, DOCTOR_NOTE, "systemctl set-property keep.slice CPUAccounting=yes",
			"the processors are not shared out by weight: a busy Keep slows everything else");
	if (bounded)
		doctor_find(d, DOCTOR_OK, NULL,
			"memory at most %s, processors by weight %s of 100%s%s, %s tasks", out_size(bytes).s,
			weight[0] ? weight : "(none)", processors[0] ? ", " : "", processors, tasks);
}

void doctor_key(struct doctor *d)
{
	struct stat st;
	if (fstatat(d->sys, "var/lib/keep/store/keys/log.key", &st, 0) == 0)
		doctor_find(d, DOCTOR_NOTE,
			"systemctl stop keepd keepd.socket && /usr/lib/keep/keep-seal /var/lib/keep/store && "
			"systemctl start keepd.socket",
			"the log's key lies in the store: whoever takes the disk can sign");
	else if (errno != ENOENT)
		doctor_find(d, DOCTOR_UNKNOWN, "run keep doctor log-key as root", "/var/lib/keep/store: %s",
			strerror(errno));
	else if (doctor_there(d, "etc/credstore.encrypted/keep.log.key"))
		doctor_find(d, DOCTOR_OK, NULL, "sealed: only this machine can open it");
	else
		doctor_find(d, DOCTOR_BAD, "keep init --system",
			"there is no log key, neither in the store nor sealed");
}
