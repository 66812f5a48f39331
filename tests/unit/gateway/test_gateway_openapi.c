/* What the gateway says of itself is what it does: every field that bodies are read by is described, and every one that is described is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/openapi.h"

#include <jansson.h>
#include <string.h>

static void same_fields(void **state)
{
	const char *key;
	u32 forms, n = 0;
	for (size_t i = 0; (key = api_field_at(i, &forms)); i++)
		for (u32 form = API_CHAT; form <= API_TOKENIZE; form++) {
			n += forms >> form & 1;
			if ((forms >> form & 1) && !openapi_field((enum api_form)form, key))
				fail_msg("%s of form %u is read and not described", key, form);
		}
	assert_int_equal(n, openapi_n_fields());
	assert_null(openapi_field(API_CHAT, "prompt"));
}

static void document(void **state)
{
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	openapi_write(&w);
	assert_false(w.full);
	json_t *j = json_loadb(w.buf, w.len, JSON_REJECT_DUPLICATES, NULL),
	       *paths = json_object_get(j, "paths"), *path;
	const char *name;
	assert_string_equal(json_string_value(json_object_get(j, "openapi")), "3.1.0");
	assert_int_equal(json_object_size(paths), 8);
	json_object_foreach(paths, name, path) assert_true(json_object_size(path) == 1 && *name == '/');
	json_t *chat = json_object_get(json_object_get(paths, "/v1/chat/completions"), "post");
	json_t *schema = json_object_get(
		json_object_get(
			json_object_get(json_object_get(chat, "requestBody"), "content"), "application/json"),
		"schema");
	json_t *n = json_object_get(json_object_get(json_object_get(schema, "properties"), "n"), "maximum");
	assert_int_equal(json_integer_value(n), CHOICES_MAX);
	assert_int_equal(json_array_size(json_object_get(schema, "required")), 2);
	json_decref(j);
	jsonw_fini(&w);
}

/* No script, no style, nothing from anywhere. */
static void page(void **state)
{
	static const char *const never[] = { "<script", "http://", "https://", "src=", "style", "@import" };
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	openapi_page(&w);
	assert_false(w.full);
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_null(strstr(w.buf, never[i]));
	assert_non_null(strstr(w.buf, "<code>POST /v1/responses</code>"));
	assert_non_null(strstr(w.buf, "<code>top_logprobs</code>"));
	jsonw_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(same_fields), cmocka_unit_test(document),
		cmocka_unit_test(page) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
