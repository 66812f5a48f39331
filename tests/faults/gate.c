#define _GNU_SOURCE
#include "gate.h"
#include "audit/record.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

const char *gate_keepd;

/* A record's own fields are those of the catalogue, in its order; some events leave some out. */
static void check_fields(const char *line, size_t len)
{
	json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *v;
	struct audit_record_head h;
	const char *key;
	u32 n = 0;
	assert_non_null(o);
	assert_int_equal(audit_record_head(line, len, &h), 0);
	const char *at = audit_event_info(h.event)->fields;
	u32 skip = 7 + (h.intent != INTENT_NONE); /* v index time_ns boot boottime_ns event [intent] actor */
	json_object_foreach(o, key, v)
	{
		size_t k = strlen(key);
		if (n++ < skip)
			continue;
		while (*at && (strncmp(at, key, k) != 0 || (at[k] != ' ' && at[k]))) {
			at += strcspn(at, " ");
			at += *at == ' ';
		}
		if (!*at)
			fail_msg("%s is not a field of %s there", key, audit_event_info(h.event)->name);
	}
	json_decref(o);
}

int gate_up(void **state)
{
	static struct rig r;
	rig_init(&r, gate_keepd, NULL);
	assert_int_equal(rig_start(&r), 0);
	*state = &r;
	return 0;
}

int gate_down(void **state)
{
	struct rig *r = *state;
	if (r->pid > 0) {
		int c = rig_client(r);
		struct rig_answer a = rig_query(c, QUERY_RECORDS, 0, 0, NULL);
		for (const char *line = a.data, *lf; line && (lf = strchr(line, '\n')); line = lf + 1)
			check_fields(line, (size_t)(lf - line));
		rig_answer_fini(&a);
		close(c);
	}
	rig_fini(r);
	return 0;
}

bool gate_closed(int sock)
{
	struct ipc_frame f;
	return rig_recv(sock, &f) == 1;
}
