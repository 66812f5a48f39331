#define _GNU_SOURCE
#include "cli/model.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/jsonw.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int model_read_file(const char *path, u64 max, u8 **ret, size_t *ret_len)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r = fd < 0 ? -errno : fd_read_file(fd, max, ret, ret_len);
	if (r == 0)
		return 0;
	if (r < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r));
	return out_fail(CLI_REFUSED, "%s: %s", path, r == 1 ? "not a file" : "longer than Keep reads");
}

static const char *verdict_name(u32 verdict)
{
	return verdict == ATTEST_ACCEPTED   ? "accepted"
	       : verdict == ATTEST_REJECTED ? "rejected"
					    : "undecided";
}

static const char *time_source_name(u32 source)
{
	static const char *const names[] = { "none", "clock", "log", "stamp" };
	return source < ARRAY_LEN(names) ? names[source] : "unknown";
}

static void json_grounds(struct jsonw *w, const struct attest_report *r, const struct model_grounds *g)
{
	jsonw_kv_hex(w, "policy", r->policy, sizeof r->policy);
	jsonw_kv_u64(w, "sequence", r->sequence);
	jsonw_key(w, "signers");
	jsonw_array(w);
	for (u32 i = 0; i < g->n_signers; i++) {
		const struct proto_signer *s = &g->signers[i];
		jsonw_object(w);
		jsonw_kv_str(w, "name", s->name);
		jsonw_kv_hex(w, "key_id", s->key_id, sizeof s->key_id);
		jsonw_kv_hex(w, "leaf", s->leaf, s->identity[0] ? sizeof s->leaf : 0);
		jsonw_kv_str(w, "serial", s->serial);
		jsonw_kv_str(w, "identity", s->identity);
		jsonw_kv_u64(w, "time_s", s->time);
		jsonw_kv_str(w, "time_source", time_source_name(s->time_source));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_key(w, "rules");
	jsonw_array(w);
	for (u32 i = 0; i < g->n_rules; i++) {
		jsonw_object(w);
		jsonw_kv_u64(w, "line", g->rules[i].line);
		jsonw_kv_bool(w, "holds", g->rules[i].holds);
		jsonw_kv_str(w, "text", g->rules[i].text);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static int print_json(
	const struct attest_report *r, const struct model_grounds *g, const char *model, u64 index)
{
	struct jsonw w;
	jsonw_init_grow(&w, 65536);
	jsonw_object(&w);
	jsonw_kv_str(&w, "verdict", verdict_name(r->verdict));
	jsonw_kv_str(&w, "code", r->code);
	jsonw_kv_u64(&w, "reason", r->reason);
	jsonw_kv_str(&w, "path", model);
	jsonw_kv_str(&w, "object", r->object);
	jsonw_kv_str(&w, "expected", r->expected);
	jsonw_kv_str(&w, "found", r->found);
	jsonw_kv_str(&w, "detail", r->detail);
	jsonw_kv_hex(&w, "model", r->model, sizeof r->model);
	jsonw_kv_hex(&w, "bundle", r->bundle, sizeof r->bundle);
	jsonw_kv_hex(&w, "key_id", r->key_id, sizeof r->key_id);
	jsonw_kv_str(&w, "signer", r->signer);
	jsonw_kv_u64(&w, "bytes", r->bytes);
	jsonw_kv_u64(&w, "n_files", r->n_files);
	jsonw_kv_str(&w, "time_source", time_source_name(r->time_source));
	jsonw_kv_u64(&w, "time_s", r->time_judged);
	if (g)
		json_grounds(&w, r, g);
	if (index != UINT64_MAX)
		jsonw_kv_u64(&w, "index", index);
	return out_json(&w);
}

static void line(int fd, const char *name, const char *value)
{
	FILE *f = fd == 1 ? stdout : stderr;
	if (!value[0])
		return;
	fprintf(f, "  %s%-9s%s ", out_style(fd, OUT_DIM), name, out_style(fd, OUT_PLAIN));
	out_text(fd, value, strlen(value));
	fputc('\n', f);
}

static void rule_line(int fd, const struct proto_rule *r)
{
	FILE *f = fd == 1 ? stdout : stderr;
	char line_no[24] = "";
	if (r->line)
		snprintf(line_no, sizeof line_no, "line %u: ", r->line);
	fprintf(f, "  %s%-9s%s %s", out_style(fd, OUT_DIM), r->holds ? "holds" : "fails",
		out_style(fd, OUT_PLAIN), line_no);
	out_text(fd, r->text, strlen(r->text));
	fputc('\n', f);
}

static void print_people(
	const struct attest_report *r, const struct model_grounds *g, const char *model, u64 index)
{
	bool ok = r->verdict == ATTEST_ACCEPTED;
	int fd = ok ? 1 : 2;
	FILE *f = ok ? stdout : stderr;
	char hex[2 * MODEL_DIGEST_BYTES + 1], num[32] = "";
	fprintf(f, "%s%s%s: ", out_style(fd, ok ? OUT_GOOD : OUT_BAD), verdict_name(r->verdict),
		out_style(fd, OUT_PLAIN));
	out_text(fd, model, strlen(model));
	if (r->detail[0]) {
		fputs(": ", f);
		out_text(fd, r->detail, strlen(r->detail));
	}
	fputc('\n', f);
	bytes_hex(r->model, sizeof r->model, hex);
	if (!ok)
		line(fd, "reason", r->code);
	line(fd, "object", r->object);
	line(fd, "expected", r->expected);
	line(fd, "found", r->found);
	line(fd, "signer", r->signer);
	if (ok) {
		line(fd, "digest", hex);
		fprintf(f, "  %s%-9s%s %u, %s\n", out_style(fd, OUT_DIM), "files", out_style(fd, OUT_PLAIN),
			r->n_files, out_size(r->bytes).s);
	}
	if (index != UINT64_MAX)
		snprintf(num, sizeof num, "%llu", (unsigned long long)index);
	line(fd, "record", num);
	for (u32 i = 0; g && i < g->n_rules; i++)
		rule_line(fd, &g->rules[i]);
}

int model_say_verdict(const struct attest_report *r, const char *model, bool json, u64 index)
{
	return model_say_grounded(r, NULL, model, json, index);
}

int model_say_grounded(
	const struct attest_report *r, const struct model_grounds *g, const char *model, bool json, u64 index)
{
	out_progress_end();
	int status = CLI_DONE;
	if (json)
		status = print_json(r, g, model, index);
	else
		print_people(r, g, model, index);
	if (status)
		return status;
	return r->verdict == ATTEST_ACCEPTED   ? CLI_DONE
	       : r->verdict == ATTEST_REJECTED ? CLI_REFUSED
					       : CLI_UNDECIDED;
}

int model_say_result(int r, struct attest_report *rep, const char *model, bool json)
{
	if (r < 0)
		attest_report_undecided(rep, r, rep->object[0] ? rep->object : model);
	return model_say_verdict(rep, model, json, UINT64_MAX);
}

int model_find_bundle(const char *model, char ret_path[], size_t size)
{
	struct stat st;
	size_t n = strlen(model);
	while (n > 1 && model[n - 1] == '/')
		n--;
	const char *slash = memrchr(model, '/', n);
	for (u32 i = 0; i < 3; i++) {
		int len;
		if (i < 2)
			len = snprintf(ret_path, size, "%.*s%s", (int)n, model, i ? ".sig" : "/model.sig");
		else if (stat(model, &st) == 0 && S_ISDIR(st.st_mode))
			continue; /* beside a directory a model.sig may be anybody's */
		else
			len = slash ? snprintf(ret_path, size, "%.*s/model.sig", (int)(slash - model), model)
				    : snprintf(ret_path, size, "model.sig");
		if (len > 0 && (size_t)len < size && access(ret_path, F_OK) == 0)
			return 0;
	}
	if (access(model, F_OK) < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", model, out_reason(errno));
	return out_fail(CLI_REFUSED,
		"%s: no bundle model.sig inside and no .sig beside it; --bundle F names another", model);
}

static void show(void *ctx, u64 done, u64 total, const char *what)
{
	(void)ctx;
	out_progress(what, done, total);
}

const struct attest_progress model_progress = { .call = show };
