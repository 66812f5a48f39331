/* A body as JSON: what nobody shall have to read is refused before anything is made of it. */
#include "gateway/api_forms.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/jsonshape.h"
#include "base/limits.h"

#include <errno.h>

int api_body_load(const void *body, size_t len, json_t **ret, struct api_error *e)
{
	json_error_t why;
	int shape = json_shape_check(body, len);
	if (!bytes_utf8_ok(body, len))
		return api_refuse(e, 400, "invalid_json", NULL, "the body is not UTF-8");
	if (shape)
		return api_refuse(e, 400, "invalid_json", NULL,
			shape == 1 ? "the body is nested deeper than %u"
				   : "the body holds more than %u values and one for each 16 bytes",
			shape == 1 ? JSON_DEPTH_MAX : JSON_VALUES_FREE);
	json_t *j = json_loadb(body, len, JSON_REJECT_DUPLICATES, &why);
	if (!j && json_error_code(&why) == json_error_out_of_memory)
		return err_origin(-ENOMEM);
	if (!j)
		return api_refuse(e, 400, "invalid_json", NULL, "the body is not JSON: %s, at byte %d",
			why.text, why.position);
	if (!json_is_object(j)) {
		json_decref(j);
		return api_refuse(e, 400, "invalid_json", NULL, "the body is not a JSON object");
	}
	*ret = j;
	return 0;
}
