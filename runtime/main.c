/* keep-runtime: computes requests on one device, for one gate.
 *
 * Order of life: take the inherited socket, open the device and prove that it computes rightly, say that we serve, accept one gate,
 * close everything else, enter the sandbox, and only then read the first byte that anybody sent. When the gate goes, everything is
 * overwritten and the process ends; the supervisor starts the next. */
#define _GNU_SOURCE
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "base/sandbox.h"
#include "runtime/device.h"
#include "runtime/device_list.h"
#include "runtime/op.h"
#include "runtime/serve.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct options {
	const char *devices[RUNTIME_DEVICES_MAX];
	u32 n_devices;
	u32 split[RUNTIME_DEVICES_MAX];
	u32 ctx; /* 0: as memory allows */
	bool list, test, json;
	u32 gate_uid;
};

static const char usage[] =
	"usage: keep-runtime [--device NAME ...] [--split LAYERS,LAYERS...] [--ctx N] [--gate-user NAME]\n"
	"                                                            serves the inherited socket\n"
	"       keep-runtime --device-ls [--json]\n"
	"       keep-runtime --device-test [NAME] [--json]\n";

/* What a driver may still open once the sandbox is closed. The device, its pipelines and its memory exist by then; what is left is what
 * kernel drivers' user halves open again while they work. */
static const struct sandbox_path gpu_paths[] = {
	{ "/dev/dri", SANDBOX_DEVICE },	      /* amdgpu, i915, xe, nouveau, msm: reopened for a new context */
	{ "/dev/kfd", SANDBOX_DEVICE },	      /* AMD compute queues */
	{ "/dev/nvidiactl", SANDBOX_DEVICE }, /* NVIDIA: every allocation opens it again */
	{ "/dev/nvidia0", SANDBOX_DEVICE },   /* NVIDIA: the cards */
	{ "/dev/nvidia1", SANDBOX_DEVICE }, { "/dev/nvidia2", SANDBOX_DEVICE },
	{ "/dev/nvidia3", SANDBOX_DEVICE }, { "/dev/nvidia4", SANDBOX_DEVICE },
	{ "/dev/nvidia5", SANDBOX_DEVICE }, { "/dev/nvidia6", SANDBOX_DEVICE },
	{ "/dev/nvidia7", SANDBOX_DEVICE },
	{ "/dev/nvidia-uvm", SANDBOX_DEVICE },	   /* NVIDIA: memory that the host sees */
	{ "/dev/nvidia-modeset", SANDBOX_DEVICE }, /* NVIDIA: asked for when a context is made */
	{ "/sys/dev/char", SANDBOX_READ },	   /* Mesa: which driver a node belongs to */
	{ "/sys/devices", SANDBOX_READ },	   /* Mesa: what the links in /sys/dev/char lead to */
	{ "/proc/driver/nvidia", SANDBOX_READ },   /* NVIDIA: parameters of the kernel driver */
};

/* Of a user of this machine. /etc/passwd itself: a name service could ask a network. 0; 1 there is none; -errno. */
static int user_id(const char *name, u32 *ret)
{
	FILE *f = fopen("/etc/passwd", "re");
	if (!f)
		return err_errno();
	struct passwd *p;
	do
		p = fgetpwent(f);
	while (p && strcmp(p->pw_name, name) != 0);
	if (p)
		*ret = p->pw_uid;
	fclose(f);
	return p ? 0 : 1;
}

static int add_device(struct options *o, const char *name)
{
	if (o->n_devices == RUNTIME_DEVICES_MAX) {
		daemon_say("--device: at most %u devices", RUNTIME_DEVICES_MAX);
		return 2;
	}
	o->devices[o->n_devices++] = name;
	return 0;
}

/* "12,20": layers of each device. */
static int parse_split(const char *text, struct options *o)
{
	u32 n = 0, all = 0;
	for (const char *at = text; at; n++) {
		char *end;
		unsigned long v = strtoul(at, &end, 10);
		if (n == o->n_devices || end == at || at[0] < '0' || at[0] > '9' || v > LAYERS_MAX ||
			(*end && *end != ','))
			goto wrong;
		o->split[n] = (u32)v;
		all += (u32)v;
		at = *end ? end + 1 : NULL;
	}
	if (n == o->n_devices && all)
		return 0;
wrong:
	daemon_say("--split: how many layers each of the %u devices computes, like 12,20", o->n_devices);
	return 2;
}

static int parse_ctx(const char *text, struct options *o)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	if (text[0] >= '1' && text[0] <= '9' && !*end && v <= CTX_TOKENS_MAX) {
		o->ctx = (u32)v;
		return 0;
	}
	daemon_say("--ctx: 1 to %u tokens", CTX_TOKENS_MAX);
	return 2;
}

/* 0; 2 it is wrong. */
static int take_option(int c, const char *word, struct options *o, const char **ret_split)
{
	switch (c) {
	case 'd':
		return add_device(o, word) ? 2 : 0;
	case 's':
		*ret_split = word;
		return 0;
	case 'c':
		return parse_ctx(word, o);
	case 'l':
		o->list = true;
		return 0;
	case 't':
		o->test = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'g':
		if (!user_id(word, &o->gate_uid))
			return 0;
		daemon_say("user %s: not in /etc/passwd", word);
		return 2;
	default:
		return 2;
	}
}

static int parse(int argc, char **argv, struct options *ret)
{
	const char *split = NULL;
	static const struct option longs[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "device-ls", no_argument, NULL, 'l' },
		{ "device-test", no_argument, NULL, 't' },
		{ "split", required_argument, NULL, 's' },
		{ "ctx", required_argument, NULL, 'c' },
		{ "gate-user", required_argument, NULL, 'g' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct options o = { .gate_uid = getuid() };
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (take_option(c, optarg, &o, &split))
			return 2;
	if (o.test && optind == argc - 1)
		(void)!add_device(&o, argv[optind++]);
	if (optind != argc || (o.list && o.test) || (o.json && !o.list && !o.test))
		return 2;
	if (split && parse_split(split, &o))
		return 2;
	*ret = o;
	return 0;
}

/* The device of that name, proven right. 0; 1 said why not; -errno. */
static int open_device(const char *name, struct rt_device **ret)
{
	const char *why = NULL, *kernel = NULL;
	struct rt_device *d = NULL;
	int r = rt_device_open(name, &d, &why);
	if (r > 0)
		daemon_say("device %s: %s", name ? name : "(any)", why);
	if (r)
		return r;
	r = rt_selftest(d, &kernel);
	if (r > 0)
		daemon_say("device %s (%s): kernel %s computes wrongly: refused", rt_device_info(d).name,
			rt_device_info(d).driver, kernel);
	if (r) {
		rt_device_close(d);
		return r;
	}
	*ret = d;
	return 0;
}

/* Until somebody knocks; the watchdog hears meanwhile that this is no hang. */
static void await_knock(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	for (u64 alive; (alive = daemon_alive()) != UINT64_MAX;)
		if (poll(&p, 1, (int)(alive / 1000000 + 1)) != 0)
			return;
}

/* One connection of the gate's own user; others are closed. 0; -errno. */
static int accept_gate(int listener, u32 uid, int *ret)
{
	for (;;) {
		await_knock(listener);
		_cleanup_fd_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		struct ipc_peer peer;
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return err_errno();
		int r = ipc_peer(fd, &peer);
		if (r)
			return r;
		if (peer.uid == uid || peer.uid == getuid()) {
			*ret = fd_steal(&fd);
			return 0;
		}
		daemon_say("gate socket: a connection by user %u was refused", peer.uid);
	}
}

static int enter_sandbox(struct rt_device *const *d, u32 n)
{
	bool cpu = false, none = true;
	for (u32 i = 0; i < n; i++) {
		struct rt_device_info info = rt_device_info(d[i]);
		bool software = strcmp(info.kind, "cpu") == 0;
		cpu = cpu || software;
		none = none &&
		       (software || strcmp(info.kind, "reference") == 0 || strcmp(info.kind, "native") == 0);
	}
	struct sandbox_params p = { .role = SANDBOX_RUNTIME,
		.paths = none ? NULL : gpu_paths,
		.n_paths = none ? 0 : ARRAY_LEN(gpu_paths),
		.exec_memory = cpu }; /* software drivers compile at run time */
	return sandbox_enter(&p);
}

/* All devices, each proven right. */
static int open_devices(const struct options *o, struct rt_device **d)
{
	for (u32 i = 0; i < MAX(o->n_devices, 1u); i++) {
		int r = open_device(o->devices[i], &d[i]);
		if (r)
			return r;
		for (u32 k = 0; k < i; k++)
			if (!strcmp(rt_device_info(d[k]).name, rt_device_info(d[i]).name)) {
				daemon_say("device %s: is named twice", rt_device_info(d[i]).name);
				return 1;
			}
	}
	return 0;
}

static int serve_on(const struct options *o, struct rt_device **d, int *listener)
{
	_cleanup_fd_ int gate = -1;
	struct grant_params params = { .ctx_usual = o->ctx };
	u32 n = MAX(o->n_devices, 1u);
	memcpy(params.split, o->split, sizeof params.split);
	for (u32 i = 1; i < n; i++)
		params.others[params.n_others++] = d[i];
	fd_limit_raise(UINT64_MAX); /* a model may have more files than the usual limit */
	daemon_ready();
	int r = accept_gate(*listener, o->gate_uid, &gate);
	fd_close(listener);
	if (!r)
		r = enter_sandbox(d, n);
	return r ? r : serve_gate(d[0], &gate, &params);
}

static int serve(const struct options *o)
{
	_cleanup_fd_ int listener = -1;
	struct rt_device *d[RUNTIME_DEVICES_MAX] = { 0 };
	int r = daemon_inherited_fd(&listener);
	if (r > 0) {
		daemon_say("socket: exactly one must be inherited");
		return 1;
	}
	if (!r)
		r = open_devices(o, d);
	if (!r)
		r = serve_on(o, d, &listener);
	for (u32 i = 0; i < ARRAY_LEN(d); i++)
		rt_device_close(d[i]);
	return r;
}

int main(int argc, char **argv)
{
	struct options o;
	daemon_name("keep-runtime");
	if (parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	int r;
	if (o.list)
		r = rt_device_ls(o.json, stdout);
	else if (o.test)
		r = rt_device_test(o.devices[0], o.json, stdout);
	else
		r = serve(&o);
	if (r < 0 && r != -EPROTO) /* a broken frame has had its line */
		daemon_say("%s", strerror(-r));
	return r ? 1 : 0;
}
