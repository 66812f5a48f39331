#define _GNU_SOURCE
#include "cli/doctor.h"
#include "base/err.h"
#include "base/fd.h"
#include "cli/app.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the order in which one thing rests on another. */
const struct doctor_check doctor_checks[] = {
	{ "kernel", "features", DOCTOR_ALWAYS, doctor_kernel },
	{ "kernel", "sandbox", DOCTOR_ALWAYS, doctor_sandbox },
	{ "kernel", "cgroup", DOCTOR_INSTALLED, doctor_cgroup },
	{ "kernel", "swap", DOCTOR_ALWAYS, doctor_swap },
	{ "clock", "time", DOCTOR_ALWAYS, doctor_clock },
	{ "clock", "entropy", DOCTOR_ALWAYS, doctor_entropy },
	{ "room", "memory", DOCTOR_ALWAYS, doctor_memory },
	{ "room", "disk", DOCTOR_ALWAYS, doctor_disk },
	{ "device", "nodes", DOCTOR_ALWAYS, doctor_nodes },
	{ "device", "drivers", DOCTOR_ALWAYS, doctor_drivers },
	{ "device", "list", DOCTOR_SLOW, doctor_devices },
	{ "device", "self-test", DOCTOR_SLOW, doctor_selftest },
	{ "program", "files", DOCTOR_ALWAYS, doctor_programs },
	{ "program", "symbols", DOCTOR_ALWAYS, doctor_symbols },
	{ "unit", "sockets", DOCTOR_INSTALLED, doctor_units },
	{ "unit", "score", DOCTOR_INSTALLED, doctor_scores },
	{ "unit", "changes", DOCTOR_INSTALLED, doctor_dropins },
	{ "unit", "bounds", DOCTOR_INSTALLED, doctor_bounds },
	{ "unit", "log-key", DOCTOR_INSTALLED, doctor_key },
	{ "unit", "tpm", DOCTOR_INSTALLED, doctor_tpm },
	{ "egress", "interfaces", DOCTOR_ALWAYS, doctor_interfaces },
	{ "egress", "routes", DOCTOR_ALWAYS, doctor_routes },
	{ "egress", "resolvers", DOCTOR_ALWAYS, doctor_resolvers },
	{ "egress", "proxies", DOCTOR_ALWAYS, doctor_proxies },
	{ "egress", "sockets", DOCTOR_ALWAYS, doctor_sockets },
	{ "egress", "processes", DOCTOR_ALWAYS, doctor_processes },
};
const size_t doctor_n_checks = ARRAY_LEN(doctor_checks);

static const struct {
	const char *word;
	enum out_style style;
} verdicts[DOCTOR_N_VERDICTS] = {
	[DOCTOR_OK] = { "ok", OUT_GOOD },
	[DOCTOR_NOTE] = { "note", OUT_WARN },
	[DOCTOR_BAD] = { "bad", OUT_BAD },
	[DOCTOR_UNKNOWN] = { "unknown", OUT_WARN },
};

void doctor_find(struct doctor *d, enum doctor_verdict v, const char *mend, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	d->count[v]++;
	d->tell(d, v, text, v == DOCTOR_OK ? NULL : mend);
}

int doctor_read(const struct doctor *d, const char *path, char **ret)
{
	_cleanup_fd_ int fd = openat(d->sys, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	const size_t max = 1u << 20;
	_cleanup_free_ char *text = malloc(max + 1);
	size_t n = 0;
	if (!text)
		return err_origin(-ENOMEM);
	for (ssize_t k; n < max; n += (size_t)k) { /* files of /proc do not say how long they are */
		k = read(fd, text + n, max - n);
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
	}
	text[n] = 0;
	*ret = text;
	text = NULL;
	return 0;
}

bool doctor_there(const struct doctor *d, const char *path)
{
	return faccessat(d->sys, path, F_OK, 0) == 0;
}

static int collect(int fd, char **ret)
{
	const size_t max = 1u << 20;
	char *text = malloc(max + 1), drop[4096];
	size_t n = 0;
	if (!text)
		return err_origin(-ENOMEM);
	for (;;) {
		ssize_t k = n < max ? read(fd, text + n, max - n) : read(fd, drop, sizeof drop);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		n += n < max ? (size_t)k : 0;
	}
	text[n] = 0;
	*ret = text;
	return 0;
}

int doctor_ask(char *const argv[], char **ret_out, int *ret_status)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno();
	_cleanup_fd_ int rd = p[0];
	_cleanup_fd_ int wr = p[1];
	pid_t pid = fork();
	if (pid < 0)
		return err_errno();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0 || dup2(null, 0) < 0 || dup2(wr, 1) < 0 || dup2(null, 2) < 0)
			_exit(126);
		setenv("LC_ALL", "C", 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	fd_close(&wr);
	char *text = NULL;
	int r = collect(rd, &text);
	*ret_status = app_wait(pid);
	if (r)
		return r;
	*ret_out = text;
	return 0;
}

static void tell_people(struct doctor *d, enum doctor_verdict v, const char *text, const char *mend)
{
	char name[32];
	snprintf(name, sizeof name, "%s %s", d->check->area, d->check->name);
	printf("%s%-7s%s %-18s ", out_style(1, verdicts[v].style), verdicts[v].word, out_style(1, OUT_PLAIN),
		name);
	out_text(1, text, strlen(text));
	putchar('\n');
	if (mend) {
		printf("%26s %s", "", out_style(1, OUT_DIM));
		out_text(1, mend, strlen(mend));
		printf("%s\n", out_style(1, OUT_PLAIN));
	}
	fflush(stdout); /* some checks take their time */
}

static void tell_json(struct doctor *d, enum doctor_verdict v, const char *text, const char *mend)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "area", d->check->area, "check", d->check->name,
		"verdict", verdicts[v].word, "text", text);
	if (j && mend)
		json_object_set_new(j, "mend", json_string(mend));
	if (!j || json_dumpf(j, stdout, JSON_COMPACT) < 0)
		fputs("{\"verdict\":\"unknown\",\"text\":\"not UTF-8\"}", stdout);
	putchar('\n');
	json_decref(j);
}

static void summary(const struct doctor *d, bool json)
{
	const u32 *n = d->count;
	if (json)
		printf("{\"ok\":%u,\"note\":%u,\"bad\":%u,\"unknown\":%u}\n", n[DOCTOR_OK], n[DOCTOR_NOTE],
			n[DOCTOR_BAD], n[DOCTOR_UNKNOWN]);
	else
		printf("%u ok, %u to note, %u bad, %u unknown\n", n[DOCTOR_OK], n[DOCTOR_NOTE], n[DOCTOR_BAD],
			n[DOCTOR_UNKNOWN]);
}

/* Is it the one area or check that was asked for? */
static bool wanted(const struct doctor_check *c, int n, char **names)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(names[i], c->area) || !strcmp(names[i], c->name))
			return true;
	return n == 0;
}

int cmd_doctor(struct cli *c, int argc, char **argv)
{
	bool json = false, quick = false;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL },
		{ "--quick", OPT_FLAG, &quick, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, (int)doctor_n_checks },
		    &n))
		return n;
	struct doctor d = { .sys = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.store = "/var/lib/keep",
		.tell = json ? tell_json : tell_people };
	if (d.sys < 0)
		return out_fail(CLI_UNDECIDED, "/: %s", out_reason(errno));
	d.installed = doctor_there(&d, "run/keep.root") &&
		      (!c->root || !strcmp(c->root, "/run/keep") || access(c->root, F_OK));
	if (!d.installed && c->root)
		d.store = c->root;
	u32 looked = 0;
	for (size_t i = 0; i < doctor_n_checks; i++) {
		d.check = &doctor_checks[i];
		if (!wanted(d.check, n, argv))
			continue;
		looked++;
		if ((d.check->when == DOCTOR_INSTALLED && !d.installed) ||
			(d.check->when == DOCTOR_SLOW && quick))
			continue;
		d.check->look(&d);
	}
	fd_close(&d.sys);
	if (!looked)
		return out_usage(c, "%s: no such check", argv[0]);
	summary(&d, json);
	return d.count[DOCTOR_BAD] ? CLI_REFUSED : d.count[DOCTOR_UNKNOWN] ? CLI_UNDECIDED : CLI_DONE;
}
