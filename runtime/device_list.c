#include "runtime/device_list.h"
#include "runtime/cpu.h"
#include "runtime/gpu.h"
#include "runtime/selftest.h"

#include "base/err.h"
#include "base/jsonw.h"

#include <errno.h>
#include <string.h>

#define LIST_BYTES_MAX \
	(1u << 20) /* of JSON: some hundred bytes a row, at most GPU_DEVICES_MAX * some 80 rows */

static bool chosen(const struct pipeline_row *row, const struct pipeline_caps *caps)
{
	const struct pipeline_row *two[2];
	pipeline_rows_choose(pipeline_rows, pipeline_rows_n, caps, row->kernel, two);
	return row == two[0] || row == two[1];
}

/* Is row i the first of its variant? */
static bool variant_first(u32 i)
{
	for (u32 k = 0; k < i; k++)
		if (!strcmp(pipeline_rows[k].variant, pipeline_rows[i].variant))
			return false;
	return true;
}

static bool coopmat_built(void)
{
	for (u32 i = 0; i < pipeline_rows_n; i++)
		if (pipeline_rows[i].needs & PIPELINE_COOPMAT)
			return true;
	return false;
}

static u32 variant_count(const char *variant)
{
	u32 n = 0;
	for (u32 i = 0; i < pipeline_rows_n; i++)
		n += !strcmp(pipeline_rows[i].variant, variant);
	return n;
}

/* ---- text ---- */

static void build_text(FILE *out)
{
	fprintf(out, "rows of this build:");
	for (u32 i = 0; i < pipeline_rows_n; i++)
		if (variant_first(i))
			fprintf(out, " %s (%u)", pipeline_rows[i].variant,
				variant_count(pipeline_rows[i].variant));
	fprintf(out, "\n%s",
		coopmat_built() ? "" : "not in this build: cm (cooperative matrix; needs a newer glslc)\n");
}

static void info_text(FILE *out, const struct rt_device_info *info)
{
	fprintf(out, "%s\n    kind     %s\n    driver   %s\n", info->name, info->kind, info->driver);
	if (info->memory_bytes)
		fprintf(out, "    memory   %.1f GiB\n", (double)info->memory_bytes / (1u << 30));
	fprintf(out, "    kernels  ");
	for (u32 i = 0; i < 8; i++)
		fprintf(out, "%02x", info->kernel_set[i]);
	fprintf(out, "\n");
}

static void found_text(FILE *out, const struct gpu_found *f)
{
	info_text(out, &f->info);
	if (f->unfit) {
		fprintf(out, "    cannot be used: %s\n", f->unfit);
		return;
	}
	fprintf(out, "    features baseline%s%s\n    rows    ",
		f->caps.int_dot ? ", integer dot product" : "",
		f->caps.tile.m ? ", int8 cooperative matrix" : "");
	for (u32 i = 0; i < pipeline_rows_n; i++)
		if (variant_first(i) && pipeline_row_runs(&pipeline_rows[i], &f->caps))
			fprintf(out, " %s%s", pipeline_rows[i].variant,
				chosen(&pipeline_rows[i], &f->caps) ? "*" : "");
	fprintf(out, "   (* used)\n");
}

/* ---- JSON ---- */

static void info_json(struct jsonw *w, const struct rt_device_info *info, const char *why)
{
	jsonw_kv_str(w, "name", info->name);
	jsonw_kv_str(w, "kind", info->kind);
	jsonw_kv_str(w, "driver", info->driver);
	jsonw_kv_u64(w, "memory_bytes", info->memory_bytes);
	jsonw_kv_hex(w, "kernel_set", info->kernel_set, sizeof(info->kernel_set));
	jsonw_kv_bool(w, "usable", why == NULL);
	if (why)
		jsonw_kv_str(w, "reason", why);
}

static void rows_json(struct jsonw *w, const struct pipeline_caps *caps)
{
	jsonw_key(w, "rows");
	jsonw_array(w);
	for (u32 i = 0; i < pipeline_rows_n; i++) {
		if (caps && !pipeline_row_runs(&pipeline_rows[i], caps))
			continue;
		jsonw_object(w);
		jsonw_kv_str(w, "kernel", kernel_refs[pipeline_rows[i].kernel].name);
		jsonw_kv_str(w, "variant", pipeline_rows[i].variant);
		if (caps)
			jsonw_kv_bool(w, "used", chosen(&pipeline_rows[i], caps));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void found_json(struct jsonw *w, const struct gpu_found *f)
{
	jsonw_object(w);
	info_json(w, &f->info, f->unfit);
	jsonw_key(w, "features");
	jsonw_object(w);
	jsonw_kv_bool(w, "integer_dot_product", f->caps.int_dot);
	jsonw_kv_bool(w, "cooperative_matrix", f->caps.tile.m != 0);
	jsonw_object_end(w);
	if (!f->unfit)
		rows_json(w, &f->caps);
	jsonw_object_end(w);
}

static int json_out(struct jsonw *w, FILE *out)
{
	int r = 0;
	jsonw_newline(w);
	if (w->full)
		r = err_origin(-ENOMEM);
	else if (fwrite(w->buf, 1, w->len, out) != w->len)
		r = err_origin(-EIO);
	jsonw_fini(w);
	return r;
}

static int ls_json(const struct gpu_instance *g, const struct rt_device_info *host, u32 n_host, FILE *out)
{
	struct jsonw w;
	jsonw_init_grow(&w, LIST_BYTES_MAX);
	jsonw_object(&w);
	jsonw_key(&w, "devices");
	jsonw_array(&w);
	for (u32 i = 0; i < g->n_found; i++)
		found_json(&w, &g->found[i]);
	for (u32 i = 0; i < n_host; i++) {
		jsonw_object(&w);
		info_json(&w, &host[i], NULL);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "build");
	jsonw_object(&w);
	rows_json(&w, NULL);
	jsonw_kv_bool(&w, "cooperative_matrix", coopmat_built());
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	return json_out(&w, out);
}

int rt_device_ls(bool json, FILE *out)
{
	struct gpu_instance *g;
	struct rt_device *ref;
	int r = gpu_instance_create(false, &g);
	if (r < 0)
		return r;
	r = dev_ref_open(&ref);
	if (r < 0) {
		gpu_instance_destroy(g);
		return r;
	}
	struct rt_device_info host[2] = { [1] = rt_device_info(ref) };
	cpu_info(cpu_level_best(), &host[0]);
	if (json) {
		r = ls_json(g, host, ARRAY_LEN(host), out);
	} else {
		for (u32 i = 0; i < g->n_found; i++)
			found_text(out, &g->found[i]);
		for (u32 i = 0; i < ARRAY_LEN(host); i++)
			info_text(out, &host[i]);
		build_text(out);
	}
	rt_device_close(ref);
	gpu_instance_destroy(g);
	return r;
}

/* ---- test ---- */

/* Runs the cases of one kernel. 0; 1 one is wrong; -errno. */
static int kernel_test(struct rt_device *d, enum kernel k)
{
	int worst = 0;
	for (u32 i = 0; i < selftest_cases_n; i++) {
		if (selftest_cases[i].kernel != k)
			continue;
		int r = selftest_run(d, i);
		if (r < 0)
			return r;
		worst |= r;
	}
	return worst;
}

static int test_open(struct rt_device *d, struct jsonw *w, FILE *out)
{
	const struct rt_device_info info = rt_device_info(d);
	u32 bad = 0;
	if (w) {
		jsonw_kv_str(w, "name", info.name);
		jsonw_kv_str(w, "driver", info.driver);
		jsonw_key(w, "kernels");
		jsonw_array(w);
	} else {
		fprintf(out, "%s\n    %s\n", info.name, info.driver);
	}
	for (u32 k = 0; k < KERNELS_N; k++) {
		int r = kernel_test(d, k);
		if (r < 0)
			return r;
		bad += r > 0;
		if (w) {
			jsonw_object(w);
			jsonw_kv_str(w, "kernel", kernel_refs[k].name);
			jsonw_kv_bool(w, "ok", r == 0);
			jsonw_object_end(w);
		} else {
			fprintf(out, "    %-16s %s\n", kernel_refs[k].name, r ? "BAD" : "ok");
			fflush(out);
		}
	}
	if (w)
		jsonw_array_end(w);
	else if (bad)
		fprintf(out,
			"    %u of %u kernels compute wrongly on this driver: Keep refuses this device\n",
			bad, KERNELS_N);
	return bad > 0;
}

static int test_one(const char *name, struct jsonw *w, FILE *out)
{
	struct rt_device *d;
	const char *why = "";
	if (w)
		jsonw_object(w);
	int r = rt_device_open(name, &d, &why);
	if (r == 0) {
		r = test_open(d, w, out);
		rt_device_close(d);
	} else if (r == 1 && w) {
		jsonw_kv_str(w, "name", name);
		jsonw_kv_str(w, "reason", why);
	} else if (r == 1) {
		fprintf(out, "%s: %s\n", name, why);
	}
	if (w) {
		jsonw_kv_bool(w, "ok", r == 0);
		jsonw_object_end(w);
	}
	return r;
}

static int test_all(struct jsonw *w, FILE *out)
{
	struct gpu_instance *g;
	int r = gpu_instance_create(false, &g), worst = 0;
	if (r < 0)
		return r;
	static const char *const host[] = { "native", "reference" };
	for (u32 i = 0; i < g->n_found + ARRAY_LEN(host) && r >= 0; i++) {
		r = test_one(i < g->n_found ? g->found[i].info.name : host[i - g->n_found], w, out);
		worst |= r > 0;
	}
	gpu_instance_destroy(g);
	return r < 0 ? r : worst;
}

int rt_device_test(const char *name, bool json, FILE *out)
{
	struct jsonw w, *to = json ? &w : NULL;
	if (json) {
		jsonw_init_grow(&w, LIST_BYTES_MAX);
		jsonw_object(&w);
		jsonw_key(&w, "devices");
		jsonw_array(&w);
	}
	int r = name ? test_one(name, to, out) : test_all(to, out);
	if (!json)
		return r;
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	int e = json_out(&w, out);
	return r < 0 || e == 0 ? r : e;
}
