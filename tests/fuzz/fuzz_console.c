/* What a browser writes: pairs, paths, cookies, filters. What is taken is taken whole, stays what it says when it is written again, and never leaves
 * its place on a page. */
#define _GNU_SOURCE
#include "gateway/console/filter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void filters(const struct form *form)
{
	static struct filter f, again;
	static struct proto_look q;
	static struct page_url u;
	static struct form second;
	const char *why;
	if (filter_read(form, &f, &why))
		return;
	assert(f.since_ns <= UINT64_MAX && f.from < UINT64_MAX);
	if (!filter_look(&f, &q, &why))
		assert(q.n_actors + q.n_names <= LOOK_ANY_MAX && q.n_events <= LOOK_ANY_MAX);
	page_url(&u, "");
	filter_url(&f, &u);
	if (u.full || !u.len)
		return;
	assert(!form_read(u.s + 1, u.len - 1, &second) && !filter_read(&second, &again, &why));
	assert(!strcmp(f.who, again.who) && !strcmp(f.text, again.text) && !strcmp(f.since, again.since));
	assert(f.from == again.from && f.to == again.to && f.until_ns == again.until_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct form form;
	const char *s = (const char *)data;
	char part[256];
	u8 secret[32];
	if (!form_read(s, size, &form)) {
		for (u32 i = 0; i < form.n; i++)
			assert(form_has(&form, form.text + form.v[i].name));
		filters(&form);
	}
	/* a header up to the first line feed, and a body: what is taken stands in it as it is */
	const char *lf = memchr(s, '\n', size);
	if (lf && !form_read_parts(s, (size_t)(lf - s), lf + 1, size - (size_t)(lf - s) - 1, &form))
		for (u32 i = 0; i < form.n; i++) {
			const char *value = form.text + form.v[i].value;
			assert(form_has(&form, form.text + form.v[i].name));
			assert(memmem(lf + 1, size - (size_t)(lf - s) - 1, value, strlen(value)));
		}
	if (!form_part(s, size, part, sizeof part))
		assert(strlen(part) <= size && !strchr(part, '/'));
	if (!form_path(s, size, part, sizeof part))
		assert(strlen(part) <= size);
	(void)!form_cookie(s, size, "__Host-keep", secret);
	struct page p;
	page_init(&p, 1u << 20);
	page_textn(&p, data, size);
	assert(p.full || !p.len || !memchr(p.buf, '<', p.len));
	page_fini(&p);
	return 0;
}
