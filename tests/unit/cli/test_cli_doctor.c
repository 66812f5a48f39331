/* keep doctor: what its checks say of machines that are made up here, as the files that a kernel would show; and the reader of programs. */
#define _GNU_SOURCE
#include "cli/doctor.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct machine {
	char dir[64];
	struct doctor d;
	char said[8192]; /* "bad text|mend\n", one finding after the other */
};

static void tell(struct doctor *d, enum doctor_verdict v, const char *text, const char *mend)
{
	static const char *const words[] = { "ok", "note", "bad", "unknown" };
	struct machine *m = d->to;
	size_t at = strlen(m->said);
	snprintf(m->said + at, sizeof m->said - at, "%s %s|%s\n", words[v], text, mend ? mend : "");
}

static void put_bytes(struct machine *m, const char *path, const void *bytes, size_t n)
{
	char p[256];
	snprintf(p, sizeof p, "%s/%s", m->dir, path);
	for (char *s = p + strlen(m->dir) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = 0;
		assert_true(mkdir(p, 0700) == 0 || errno == EEXIST);
	}
	int fd = open(p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, n), 0);
	fd_close(&fd);
}

static void put(struct machine *m, const char *path, const char *text)
{
	put_bytes(m, path, text, strlen(text));
}

static int setup(void **state)
{
	struct machine *m = calloc(1, sizeof *m);
	strcpy(m->dir, "/tmp/doctor.XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	m->d = (struct doctor){
		.sys = open(m->dir, O_PATH | O_DIRECTORY | O_CLOEXEC), .store = m->dir, .tell = tell, .to = m
	};
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct machine *m = *state;
	char line[128];
	snprintf(line, sizeof line, "rm -rf %s", m->dir);
	fd_close(&m->d.sys);
	assert_int_equal(system(line), 0);
	free(m);
	return 0;
}

static const char *look(struct machine *m, void (*check)(struct doctor *d))
{
	m->said[0] = 0;
	check(&m->d);
	return m->said;
}

#define SAYS(m, check, what) assert_non_null(strstr(look(m, check), what))

#define DEV_HEAD "Inter-|   Receive\n face |bytes\n"

static void interfaces(void **state)
{
	struct machine *m = *state;
	SAYS(m, doctor_interfaces, "unknown ");
	put(m, "proc/net/dev", DEV_HEAD "    lo: 0 0\n");
	SAYS(m, doctor_interfaces, "ok none but loopback");
	put(m, "proc/net/dev", DEV_HEAD "    lo: 0 0\n  eth0: 5 0\n  eth1: 5 0\n");
	put(m, "sys/class/net/eth0/flags", "0x1003\n");
	put(m, "sys/class/net/eth1/flags", "0x1002\n");
	SAYS(m, doctor_interfaces, "note eth0 is up");
	assert_null(strstr(m->said, "eth1"));
	assert_non_null(strstr(m->said, "ip link set eth0 down\n"));
}

static void routes(void **state)
{
	struct machine *m = *state;
	SAYS(m, doctor_routes, "ok no default route");
	put(m, "proc/net/route",
		"Iface\tDestination\tGateway\tFlags\neth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n");
	put(m, "proc/net/ipv6_route",
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 ffffffff "
		"00000001 00000000 00200200       lo\n");
	SAYS(m, doctor_routes, "ok no default route");
	put(m, "proc/net/route",
		"Iface\tDestination\tGateway\tFlags\neth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n");
	SAYS(m, doctor_routes, "note a default route by eth0");
	assert_non_null(strstr(m->said, "|ip route del default"));
	put(m, "proc/net/ipv6_route",
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		"fe800000000000000000000000000001 00000400 "
		"00000001 00000000 00000003     eth1\n");
	SAYS(m, doctor_routes, "note a default route of IPv6 by eth1");
}

static void resolvers(void **state)
{
	struct machine *m = *state;
	SAYS(m, doctor_resolvers, "ok none");
	put(m, "etc/resolv.conf", "# nameserver 192.0.2.9\nsearch example\n");
	SAYS(m, doctor_resolvers, "ok none");
	put(m, "etc/resolv.conf", "nameserver 192.0.2.1\nnameserver 2001:db8::1");
	SAYS(m, doctor_resolvers, "note 192.0.2.1, 2001:db8::1:");
}

#define TCP_HEAD \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#define TCP(local, remote, st, inode)                                                                    \
	"   0: " local " " remote " " st " 00000000:00000000 00:00000000 00000000     0        0 " inode \
	" 1 0 100 0 0 10 0\n"

static void sockets(void **state)
{
	struct machine *m = *state;
	SAYS(m, doctor_sockets, "unknown ");
	put(m, "proc/net/tcp",
		TCP_HEAD TCP("0100007F:0016", "00000000:0000", "0A", "11")
			TCP("0100000A:0016", "0200000A:0016", "06", "12"));
	SAYS(m, doctor_sockets, "ok nothing listens");
	put(m, "proc/net/tcp",
		TCP_HEAD TCP("00000000:0016", "00000000:0000", "0A", "11")
			TCP("0100000A:1F90", "0200000A:01BB", "01", "12"));
	SAYS(m, doctor_sockets, "note tcp listens at 0.0.0.0:22|");
	assert_non_null(strstr(m->said, "note tcp from 10.0.0.1:8080 to 10.0.0.2:443|"));
	put(m, "proc/net/tcp6",
		TCP_HEAD TCP("00000000000000000000000000000000:0050", "00000000000000000000000000000000:0000",
			"0A", "13"));
	SAYS(m, doctor_sockets, "tcp6 listens at [0:0:0:0:0:0:0:0]:80|");
}

static void many_sockets(void **state)
{
	struct machine *m = *state;
	char *text = malloc(200000);
	strcpy(text, TCP_HEAD);
	for (int i = 0; i < 100; i++)
		strcat(text, TCP("00000000:0016", "00000000:0000", "0A", "11"));
	strcat(text, "malformed\n   0: zz zz 0A\n");
	put(m, "proc/net/tcp", text);
	free(text);
	SAYS(m, doctor_sockets, "note 36 more|");
}

static void put_process(struct machine *m, const char *pid, const char *comm, const char *status)
{
	char path[64];
	snprintf(path, sizeof path, "proc/%s/comm", pid);
	put(m, path, comm);
	snprintf(path, sizeof path, "proc/%s/status", pid);
	put(m, path, status);
}

/* so many seconds behind the start of the machine, which runs for so many */
static void started(struct machine *m, const char *pid, u64 at_s, u64 up_s)
{
	char path[64], text[128];
	snprintf(path, sizeof path, "proc/%s/stat", pid);
	snprintf(text, sizeof text, "%s (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %llu 99",
		pid, (unsigned long long)at_s * (unsigned long long)sysconf(_SC_CLK_TCK));
	put(m, path, text);
	snprintf(text, sizeof text, "%llu.25 17.00\n", (unsigned long long)up_s);
	put(m, "proc/uptime", text);
}

#define CLOSED "Name:\tx\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"

static void processes(void **state)
{
	struct machine *m = *state;
	char link[128];
	SAYS(m, doctor_processes, "unknown ");
	put_process(m, "7", "sshd\n", "Name:\tsshd\nSeccomp:\t0\n");
	SAYS(m, doctor_processes, "ok none of Keep's");
	put_process(
		m, "8", "keepd\n", "Name:\tkeepd\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\n");
	SAYS(m, doctor_processes, "bad keepd (process 8) is not in its sandbox");
	assert_non_null(strstr(m->said, "|kill 8, then keep doctor processes\n"));
	started(m, "8", 1000, 1059);
	SAYS(m, doctor_processes, "note keepd (process 8) was started just now");
	started(m, "8", 1000, 1060);
	SAYS(m, doctor_processes, "bad keepd (process 8) is not in its sandbox");
	put_bytes(m, "proc/8/cmdline", "keepd\0--device-test", 19);
	SAYS(m, doctor_processes, "note keepd (process 8) tests a device");
	put_bytes(m, "proc/8/cmdline", "keepd\0--store\0--device-test", 28);
	SAYS(m, doctor_processes, "bad keepd (process 8) is not in its sandbox");
	put_process(m, "8", "keepd\n", CLOSED);
	SAYS(m, doctor_processes,
		"unknown keepd (process 8) may open no network socket"); /* no fd directory that we may read */
	put(m, "proc/8/fd/x", "");
	SAYS(m, doctor_processes, "ok keepd (process 8) may open no network socket, and has none");
	put(m, "proc/8/net/tcp", TCP_HEAD TCP("0100000A:1F90", "0200000A:01BB", "01", "12345"));
	snprintf(link, sizeof link, "%s/proc/8/fd/5", m->dir);
	assert_int_equal(symlink("socket:[12345]", link), 0);
	SAYS(m, doctor_processes, "bad keepd (process 8) holds tcp 10.0.0.1:8080 to 10.0.0.2:443");
	put_process(m, "8", "keep-gateway\n", CLOSED);
	SAYS(m, doctor_processes, "ok keep-gateway (process 8)");
	m->d.installed = true;
	put_process(m, "8", "keep-runtime\n",
		"CapEff:\t0000000000000001\nCapEff:\t\nNoNewPrivs:\t1\nSeccomp:\t2\n");
	assert_null(strstr(look(m, doctor_processes), "ok "));
}

static void swap_and_memory(void **state)
{
	struct machine *m = *state;
	put(m, "proc/swaps", "Filename Type\n");
	SAYS(m, doctor_swap, "ok none");
	put(m, "proc/swaps", "Filename Type\n/dev/sda2 partition\n");
	SAYS(m, doctor_swap, "note /dev/sda2: prompts may be written");
	m->d.installed = true;
	SAYS(m, doctor_swap, "ok /dev/sda2 is in use by others");
	put(m, "proc/meminfo", "MemTotal: 8000000 kB\nMemFree: 1 kB\nMemAvailable: 4000000 kB\n");
	SAYS(m, doctor_memory, "ok ");
	put(m, "proc/meminfo", "MemTotal: 8000000 kB\nMemFree: 1 kB\nMemAvailable: 40000 kB\n");
	SAYS(m, doctor_memory, "note ");
	put(m, "proc/meminfo", "nothing\n");
	SAYS(m, doctor_memory, "unknown ");
}

static void units(void **state)
{
	struct machine *m = *state;
	SAYS(m, doctor_dropins, "ok the units are the package's");
	put(m, "etc/systemd/system/keepd.service.d/x.conf", "[Service]\nPrivateNetwork=no\n");
	SAYS(m, doctor_dropins, "note /etc/systemd/system/keepd.service.d changes");
	SAYS(m, doctor_key, "bad there is no log key");
	put(m, "etc/credstore.encrypted/keep.log.key", "x");
	SAYS(m, doctor_key, "ok sealed");
	put(m, "var/lib/keep/store/keys/log.key", "x");
	SAYS(m, doctor_key, "note the log's key lies in the store");
}

static void nodes(void **state)
{
	struct machine *m = *state;
	SAYS(m, doctor_nodes, "ok no GPU");
	SAYS(m, doctor_drivers, "note no Vulkan driver");
	put(m, "dev/dri/renderD128", "");
	put(m, "sys/class/drm/renderD128/device/vendor", "0x1002\n");
	look(m, doctor_nodes);
	assert_non_null(strstr(m->said, "AMD"));
	put(m, "usr/share/vulkan/icd.d/radeon.json", "{}");
	SAYS(m, doctor_drivers, "ok radeon.json");
}

static int named(void *to, const char *name)
{
	u32 *n = to;
	*n += strlen(name) > 0;
	return !strcmp(name, "mkdtemp") ? 9 : 0; /* this very program calls it */
}

/* This program is read; and every prefix and a thousand damaged copies of its head end in order. */
static void programs(void **state)
{
	u8 *elf = NULL;
	size_t len = 0;
	u32 n = 0;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_read_file(fd, 1u << 28, &elf, &len), 0);
	fd_close(&fd);
	assert_int_equal(doctor_imports(elf, len, named, &n), 9);
	assert_int_equal(doctor_imports(elf, 10, named, &n), -EBADMSG);
	assert_int_equal(doctor_imports(elf, len / 2, named, &n), -EBADMSG);
	u32 seed = 1;
	for (u32 i = 0; i < 1000; i++) {
		seed = seed * 1664525u + 1013904223u;
		size_t at = 4 + (seed >> 8) % 60;
		u8 was = elf[at];
		elf[at] = (u8)seed;
		int r = doctor_imports(elf, len, named, &n);
		assert_true(r == 9 || r == 0 || r == -EBADMSG);
		elf[at] = was;
	}
	free(elf);
	assert_true(doctor_forbidden("getaddrinfo"));
	assert_true(doctor_forbidden("gethostbyname_r"));
	assert_true(doctor_forbidden("system"));
	assert_false(doctor_forbidden("systematic"));
	assert_false(doctor_forbidden("socket"));
}

static void link_to(struct machine *m, const char *to, const char *path)
{
	char p[256];
	snprintf(p, sizeof p, "%s/%s", m->dir, path);
	assert_int_equal(symlink(to, p), 0);
}

/* A GPU without its profile; and the profile, which is the package's, unlike what somebody else puts beside it. */
static void profiles(void **state)
{
	static const char dir[] = "etc/systemd/system/keep-runtime.service.d";
	struct machine *m = *state;
	char path[128];
	put(m, "dev/nvidia0", "");
	look(m, doctor_nodes);
	assert_null(strstr(m->said, "profile"));
	m->d.installed = true;
	SAYS(m, doctor_nodes, "note the profile for GPUs of NVIDIA is not in place");
	snprintf(path, sizeof path, "%s/gpu-nvidia.conf", dir);
	put(m, "etc/systemd/system/keep-runtime.service.d/x", "");
	SAYS(m, doctor_dropins, "note /etc/systemd/system/keep-runtime.service.d changes");
	assert_int_equal(unlinkat(m->d.sys, "etc/systemd/system/keep-runtime.service.d/x", 0), 0);
	link_to(m, "/usr/share/keep/gpu/nvidia.conf", path);
	put(m, "usr/share/keep/gpu/nvidia.conf", "");
	SAYS(m, doctor_dropins, "ok the units are the package's");
	snprintf(path, sizeof path, "%s/more.conf", dir);
	link_to(m, "/usr/share/keep/gpu/../../../tmp/more.conf", path);
	SAYS(m, doctor_dropins, "note /etc/systemd/system/keep-runtime.service.d changes");
}

/* What the kernel holds of the slice, whatever its files say; and the answers' own drop-in is no change of somebody's. */
static void bounds(void **state)
{
#define SLICE "sys/fs/cgroup/keep.slice/"
	struct machine *m = *state;
	SAYS(m, doctor_bounds, "ok no process of Keep runs now");
	put(m, SLICE "cgroup.procs", "");
	SAYS(m, doctor_bounds, "note the kernel bounds no memory here");
	put(m, SLICE "memory.max", "max\n");
	SAYS(m, doctor_bounds, "bad Keep may take all memory");
	assert_non_null(strstr(m->said, "note the processors are not shared out"));
	put(m, SLICE "memory.max", "8589934592\n");
	put(m, SLICE "memory.swap.max", "max\n");
	put(m, SLICE "cpu.weight", "50\n");
	put(m, SLICE "cpu.max", "max 100000\n");
	put(m, SLICE "pids.max", "8192\n");
	SAYS(m, doctor_bounds, "bad prompts may be swapped");
	put(m, SLICE "memory.swap.max", "0\n");
	assert_string_equal(look(m, doctor_bounds),
		"ok memory at most 8.6 GB, processors by weight 50 of 100, 8192 tasks|\n");
	put(m, SLICE "cpu.max", "625000 100000\n");
	SAYS(m, doctor_bounds, "weight 50 of 100, at most 6.25 processors, 8192 tasks");
	put(m, "etc/systemd/system/keep.slice.d/keep-init.conf", "");
	SAYS(m, doctor_dropins, "ok the units are the package's");
	put(m, "etc/systemd/system/keep.slice.d/other.conf", "");
	SAYS(m, doctor_dropins, "note /etc/systemd/system/keep.slice.d changes");
	put(m, "etc/systemd/system/keepd.service.d/keep-init.conf", "");
	SAYS(m, doctor_dropins, "note /etc/systemd/system/keepd.service.d changes");
	assert_non_null(strstr(
		m->said, "|systemctl cat keepd.service, and read why; systemctl revert keepd.service\n"));
}

/* One (property, value) more. */
static size_t property(u8 *answer, size_t len, u32 what, u32 value)
{
	for (u32 i = 0; i < 4; i++) {
		answer[len + i] = (u8)(what >> (24 - 8 * i));
		answer[len + 4 + i] = (u8)(value >> (24 - 8 * i));
	}
	len += 8;
	answer[18]++;
	answer[4] = (u8)(len >> 8), answer[5] = (u8)len;
	return len;
}

static void tpm(void **state)
{
	struct machine *m = *state;
	u8 a[128] = { 0x80, 0x01, 0, 0, 0, 19, 0, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0 };
	struct tpm_lockout t;
	size_t n = property(a, 19, 0x200, 1u << 9);
	n = property(a, n, 0x20e, 3);
	n = property(a, n, 0x20f, 3);
	assert_false(doctor_tpm_parse(a, n, &t)); /* the interval is missing */
	n = property(a, n, 0x210, 1000);
	assert_true(doctor_tpm_parse(a, n, &t));
	assert_true(t.locked && t.count == 3 && t.most == 3 && t.interval_s == 1000);
	for (size_t k = 0; k < n; k++)
		assert_false(doctor_tpm_parse(a, k, &t));
	a[18] = 200; /* more than there is */
	assert_false(doctor_tpm_parse(a, n, &t));
	a[18] = 4;
	a[9] = 1; /* refused */
	assert_false(doctor_tpm_parse(a, n, &t));
	SAYS(m, doctor_tpm, "ok none: what is sealed");
	put(m, "dev/tpmrm0", "");
	SAYS(m, doctor_tpm, "bad /dev/tpmrm0: ");
}

static void addresses(void **state)
{
	char a[64];
	assert_true(doctor_address("0100007F:1F90", a));
	assert_string_equal(a, "127.0.0.1:8080");
	assert_true(doctor_address("B80D01200000000000000000010000FF:0035", a));
	assert_string_equal(a, "[2001:db8:0:0:0:0:ff00:1]:53");
	assert_false(doctor_address("0100007:1F90", a));
	assert_false(doctor_address("0100007F", a));
	assert_false(doctor_address("", a));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { CASE(interfaces), CASE(routes), CASE(resolvers), CASE(sockets),
		CASE(many_sockets), CASE(processes), CASE(swap_and_memory), CASE(units), CASE(nodes),
		CASE(profiles), CASE(bounds), CASE(tpm), cmocka_unit_test(programs),
		cmocka_unit_test(addresses) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
