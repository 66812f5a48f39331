#include "attest/internal.h"
#include "base/bytes.h"
#include "base/jsonshape.h"

int json_strict_load(
	const void *data, size_t len, const char *object, json_t **ret, struct attest_report *report)
{
	if (len > BUNDLE_BYTES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, object,
			"%s is %zu bytes long; at most %u are read", object, len, BUNDLE_BYTES_MAX);
	if (!bytes_utf8_ok(data, len))
		return attest_reject(report, ATTEST_UTF8, object, "%s is not UTF-8", object);
	int shape = json_shape_check(data, len);
	if (shape == 1)
		return attest_reject(report, ATTEST_DEPTH_LIMIT, object, "%s is nested deeper than %u",
			object, JSON_DEPTH_MAX);
	if (shape)
		return attest_reject(report, ATTEST_SIZE_LIMIT, object,
			"%s holds more than %u values and one for each %u bytes", object, JSON_VALUES_FREE,
			JSON_VALUE_BYTES_MIN);
	json_error_t e;
	json_t *j = json_loadb(data, len, JSON_REJECT_DUPLICATES, &e);
	if (!j) {
		enum json_error_code code = json_error_code(&e);
		if (code == json_error_out_of_memory)
			return err_origin(-ENOMEM);
		u32 reason = code == json_error_duplicate_key ? ATTEST_DUPLICATE_KEY : ATTEST_JSON;
		return attest_reject(report, reason, object, "%s, byte %d: %s", object, e.position, e.text);
	}
	if (!json_is_object(j)) {
		json_decref(j);
		return attest_reject(report, ATTEST_JSON, object, "%s is not a JSON object", object);
	}
	*ret = j;
	return 0;
}

int json_only(json_t *object, const char *where, const char *const *keys, struct attest_report *report)
{
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value)
	{
		size_t i = 0;
		while (keys[i] && strcmp(keys[i], key))
			i++;
		if (!keys[i])
			return attest_reject(report, ATTEST_FIELD, key,
				"%s has a field \"%s\" that the format does not know", where, key);
	}
	return 0;
}

static const char *type_name(json_type t)
{
	switch (t) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a real number";
	case JSON_NULL:
		return "null";
	default:
		return "a boolean";
	}
}

json_t *json_field(
	json_t *object, const char *where, const char *key, json_type type, struct attest_report *report)
{
	json_t *v = json_object_get(object, key);
	if (!v) {
		attest_reject(report, ATTEST_FIELD, key, "%s lacks the field \"%s\"", where, key);
		return NULL;
	}
	bool same = json_typeof(v) == type || (type == JSON_TRUE && json_is_boolean(v));
	if (!same) {
		attest_reject(report, ATTEST_FIELD, key, "\"%s\" in %s is %s", key, where,
			type_name(json_typeof(v)));
		attest_expected(report, type_name(type), type_name(json_typeof(v)));
		return NULL;
	}
	return v;
}
