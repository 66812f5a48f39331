/* support-bundle: collect, redact, show, then write. */
#define _GNU_SOURCE
#include "base/fd.h"
#include "cli/app.h"
#include "cli/doctor.h"
#include "cli/file.h"
#include "cli/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SELF		"/proc/self/exe"
#define LOG_RECORDS	50u
#define LOG_RECORDS_MAX 10000u

/* What is collected: a program's output each. "@log" is replaced by the number of records; SELF is this program. Prompts, answers and names of
 * models' files are in none of it. */
static const struct {
	const char *title, *argv[12];
} sections[] = {
	{ "version", { SELF, "--version" } },
	{ "system", { "uname", "-srvm" } },
	{ "release", { "cat", "/etc/os-release" } },
	{ "packages", { "dpkg-query", "-W", "keep*", "mesa-vulkan-drivers", "libvulkan1", "linux-image-*",
			      "systemd" } },
	{ "doctor", { SELF, "doctor" } },
	{ "status", { SELF, "status", "--json" } },
	{ "models", { SELF, "ls", "--json" } },
	{ "trust", { SELF, "trust", "ls", "--json" } },
	{ "versions", { SELF, "update", "status" } },
	{ "units", { "systemctl", "--no-pager", "--full", "list-units", "--all", "keep*" } },
	{ "journal", { "journalctl", "--no-pager", "--quiet", "--output=short-iso", "--lines=200",
			     "--namespace=+keep", "--unit=keep*" } },
	{ "log", { SELF, "audit", "ls", "--json", "--last", "@log" } },
	{ "log check", { SELF, "audit", "verify" } },
};

struct collecting {
	struct cli *c;
	FILE *f;
	struct redact r;
	char records[16];
};

static void section(struct collecting *b, size_t i)
{
	char *argv[16], *out = NULL;
	int status = 0;
	size_t n = 0;
	for (const char *const *a = sections[i].argv; *a; a++) {
		if (n == 1 && !strcmp(argv[0], SELF) && b->c->root) { /* the same appliance */
			argv[n++] = (char *)(uintptr_t) "--root";
			argv[n++] = (char *)(uintptr_t)b->c->root;
		}
		argv[n++] = strcmp(*a, "@log") ? (char *)(uintptr_t)*a : b->records;
	}
	argv[n] = NULL;
	int r = doctor_ask(argv, &out, &status);
	fprintf(b->f, "==== %s (", sections[i].title);
	for (const char *const *a = sections[i].argv; *a; a++)
		fprintf(b->f, "%s%s", a == sections[i].argv ? "" : " ",
			!strcmp(*a, SELF)     ? "keep"
			: !strcmp(*a, "@log") ? b->records
					      : *a);
	if (r)
		fprintf(b->f, "): %s\n", out_reason(r));
	else if (status == 127)
		fprintf(b->f, "): not there\n");
	else
		fprintf(b->f, "): ended with %d\n", status);
	if (out)
		redact_write(&b->r, b->f, out, strlen(out));
	fputc('\n', b->f);
	free(out);
}

static void summary(const struct redact *r)
{
	fprintf(stderr, "taken out:");
	for (u32 k = 0; k < REDACT_N_KINDS; k++)
		fprintf(stderr, "%s %u times %s", k ? "," : "", r->times[k], redact_kind_name(k));
	fputc('\n', stderr);
}

static bool agreed(const char *path)
{
	char line[16];
	fprintf(stderr, "Write this, and nothing else, to %s? yes or no: ", path);
	return fgets(line, sizeof line, stdin) && !strcmp(line, "yes\n");
}

static int collect_all(struct collecting *b, char **ret, size_t *ret_len)
{
	char host[256] = "";
	FILE *passwd = fopen("/etc/passwd", "re");
	gethostname(host, sizeof host - 1);
	redact_machine(&b->r, passwd, host);
	if (passwd)
		fclose(passwd);
	b->f = open_memstream(ret, ret_len);
	if (!b->f)
		return out_fail(CLI_UNDECIDED, "out of memory");
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		out_progress("collect", i, ARRAY_LEN(sections));
		section(b, i);
	}
	out_progress_end();
	bool bad = ferror(b->f);
	if (fclose(b->f) || bad || b->r.failed)
		return out_fail(CLI_UNDECIDED, "out of memory: nothing was written");
	return CLI_DONE;
}

int cmd_support(struct cli *c, int argc, char **argv)
{
	const char *path = "keep-support.txt";
	bool yes = false, named = false;
	u32 records = LOG_RECORDS;
	int n;
	const struct opt opts[] = { { "--out", OPT_STR, &path, &named }, { "--yes", OPT_FLAG, &yes, NULL },
		{ "--log", OPT_U32, &records, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (records < 1 || records > LOG_RECORDS_MAX)
		return out_usage(c, "--log: 1 to %u", LOG_RECORDS_MAX);
	if (yes && !named)
		return out_usage(c, "--yes needs --out: what nobody is asked about must say where it goes");
	struct collecting b = { .c = c };
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	snprintf(b.records, sizeof b.records, "%u", records);
	int r = collect_all(&b, &text, &len);
	if (r == CLI_DONE) {
		out_text(1, text, len);
		fflush(stdout);
		summary(&b.r);
		if (!yes && !agreed(path))
			r = out_fail(CLI_REFUSED, "nothing was written");
		else
			r = file_write(path, text, len);
	}
	if (r == CLI_DONE)
		out_say("%s: %s. Read it once more before it leaves", path, out_size(len).s);
	redact_fini(&b.r);
	return r;
}
