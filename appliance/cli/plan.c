#include "cli/plan.h"
#include "base/bytes.h"
#include "base/jsonw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static u64 need_of(const struct proto_plan_part *q)
{
	return q->weights + q->kv + q->work;
}

/* ---- for programs --------------------------------------------------------------------------------------------------------- */

static void part_json(struct jsonw *w, const struct proto_plan_part *q)
{
	jsonw_object(w);
	jsonw_kv_str(w, "device", q->device);
	jsonw_kv_u64(w, "first_layer", q->first);
	jsonw_kv_u64(w, "layers", q->end - q->first);
	jsonw_kv_u64(w, "weight_bytes", q->weights);
	jsonw_kv_u64(w, "kv_bytes", q->kv);
	jsonw_kv_u64(w, "work_bytes", q->work);
	jsonw_kv_u64(w, "taken_bytes", q->taken);
	jsonw_kv_u64(w, "memory_bytes", q->have);
	jsonw_object_end(w);
}

static int show_json(const char *model, const struct proto_plan *p)
{
	struct jsonw w;
	jsonw_init_grow(&w, 65536);
	jsonw_object(&w);
	jsonw_kv_str(&w, "model", model);
	jsonw_kv_bool(&w, "fits", p->fits);
	jsonw_kv_str(&w, "reason", p->text);
	jsonw_kv_u64(&w, "layers", p->n_layers);
	jsonw_kv_str(&w, "kv_mode", session_kv_name(p->kv_mode));
	jsonw_kv_u64(&w, "ctx_tokens", p->ctx_tokens);
	jsonw_kv_u64(&w, "kv_tokens", p->kv_tokens);
	if (p->tail_tokens) {
		jsonw_kv_u64(&w, "window", p->window);
		jsonw_kv_u64(&w, "window_tokens", p->tail_tokens);
	}
	jsonw_key(&w, "devices");
	jsonw_array(&w);
	for (u32 i = 0; i < p->n_parts; i++)
		part_json(&w, &p->part[i]);
	jsonw_array_end(&w);
	jsonw_key(&w, "would_fit");
	jsonw_array(&w);
	for (u32 i = 0; i < p->n_remedies; i++) {
		jsonw_object(&w);
		jsonw_kv_str(&w, "kv_mode", session_kv_name(p->remedy[i].kv_mode));
		jsonw_kv_u64(&w, "ctx_tokens", p->remedy[i].ctx_tokens);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	int r = out_json(&w);
	return r ? r : p->fits ? CLI_DONE : CLI_REFUSED;
}

/* ---- for people ----------------------------------------------------------------------------------------------------------- */

static void show_parts(const struct proto_plan *p)
{
	struct out_table t = { .n_cols = 7 };
	out_table_row(&t, "DEVICE", "LAYERS", "WEIGHTS", "CACHE", "WORK", "OTHERS", "OF", NULL);
	for (u32 i = 0; i < p->n_parts; i++) {
		const struct proto_plan_part *q = &p->part[i];
		char layers[32];
		snprintf(layers, sizeof layers, "%u to %u", q->first, q->end - 1);
		out_table_row(&t, q->device, layers, out_size(q->weights).s, out_size(q->kv).s,
			out_size(q->work).s, out_size(q->taken).s, out_size(q->have).s, NULL);
	}
	out_table_print(&t);
}

static void show_remedies(const struct proto_plan *p)
{
	u64 most = 0;
	for (u32 i = 0; i < p->n_remedies; i++) {
		const struct proto_plan_remedy *r = &p->remedy[i];
		printf("would fit: --kv %s --ctx %u\n", session_kv_name(r->kv_mode), r->ctx_tokens);
	}
	for (u32 i = 0; i < p->n_parts; i++)
		most += need_of(&p->part[i]);
	if (most)
		printf("would do: devices that have %s together (keep up --device A --device B)\n",
			out_size(most).s);
}

static int show(const char *model, const struct proto_plan *p)
{
	printf("%s: %u layers, context of %u tokens, keys and values in %s\n", model, p->n_layers,
		p->ctx_tokens, session_kv_name(p->kv_mode));
	if (p->n_parts)
		show_parts(p);
	if (p->fits) {
		printf("fits; the cache holds %u tokens of all requests together\n", p->kv_tokens);
		if (p->tail_tokens)
			printf("layers with a window of %u tokens hold %u of them\n", p->window,
				p->tail_tokens);
		return CLI_DONE;
	}
	printf("does not fit: %s\n", p->text);
	show_remedies(p);
	return CLI_REFUSED;
}

int plan_show(struct cli *c, const struct session_want *w, bool json)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	struct proto_session_want b = { .kv_mode = w->kv_mode, .ctx_tokens = w->ctx_tokens };
	struct proto_plan p;
	if (bytes_put_str(b.name, sizeof b.name, w->model))
		return out_fail(
			CLI_USAGE, "%s: a model's name has at most %u characters", w->model, NAME_LEN_MAX);
	int r = ctl_open(c, &k);
	if (!r)
		r = ctl_ask(&k, CTL_PLAN, &b, sizeof b, -1, &a);
	if (r)
		return r;
	if (!a.has_data || a.data.len != sizeof p)
		return out_fail(CLI_UNDECIDED, "keepd: no plan came");
	memcpy(&p, a.data.data, sizeof p);
	if (!p.n_layers || p.n_parts > RUNTIME_DEVICES_MAX || p.n_remedies > PLAN_REMEDIES_MAX)
		return out_fail(CLI_REFUSED, "%s: %s", w->model, p.text);
	return json ? show_json(w->model, &p) : show(w->model, &p);
}
