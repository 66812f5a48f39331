/* What stands where. A page is a row here and two functions in a file of its own; a file is a row here and one in meson.build. */
#include "gateway/console/table.h"
#include "gateway/console/bundle.h"
#include "gateway/console/files.h"
#include "gateway/console/live.h"
#include "gateway/console/models.h"
#include "gateway/console/people.h"
#include "gateway/console/record.h"
#include "gateway/console/records.h"
#include "gateway/console/reviews.h"
#include "gateway/console/tiles.h"

#define TEXT   "text/plain; charset=utf-8"
#define BYTES  "application/octet-stream"
#define SCRIPT "text/javascript; charset=utf-8"

const struct console_page console_pages[] = {
	{ "GET", "/console", "Overview", "Overview", false, overview_ask, overview_show, NULL },
	{ "GET", "/console/records", "Records", "Records", false, records_ask, records_show, NULL },
	{ "GET", "/console/records/", NULL, "Record", false, record_ask, record_show, NULL },
	{ "GET", "/console/people", "People", "People", false, people_ask, people_show, NULL },
	{ "GET", "/console/people/", NULL, "Somebody", false, people_ask, people_show, NULL },
	{ "GET", "/console/used", "Use", "Models in use", false, used_ask, used_show, NULL },
	{ "GET", "/console/used/", NULL, "A model in use", false, used_ask, used_show, NULL },
	{ "GET", "/console/models", "Models", "Models", false, models_ask, models_show, NULL },
	{ "GET", "/console/models/", NULL, "A model", false, model_ask, model_show, NULL },
	{ "GET", "/console/reviews", "Reviews", "Reviews", false, reviews_ask, reviews_show, NULL },
	{ "POST", "/console/reviews", NULL, "A sign-off", false, signed_ask, signed_show, NULL },
	{ "GET", "/console/reviews/sign", NULL, "What is to be signed", false, sign_ask, sign_show, NULL },
	{ "GET", "/console/reviews/text", NULL, "What is to be signed", false, sign_ask, text_show, TEXT },
	{ "GET", "/console/reviews/evidence", NULL, "Evidence", false, bundle_ask, bundle_show, BYTES },
	{ "GET", "/console/reviews/report", NULL, "Report", false, report_ask, report_show, NULL },
	{ "GET", "/console/live", "Live", "Live", false, live_ask, live_show, NULL },
	{ "GET", "/console/log/", NULL, "Log", false, tiles_ask, tiles_show, BYTES, true },
	{ "GET", "/console/login", NULL, "Log in", true, NULL, login_show, NULL },
	{ "POST", "/console/login", NULL, "Log in", true, enter_ask, enter_show, NULL },
};
const size_t console_n_pages = ARRAY_LEN(console_pages);

const struct console_file console_files[] = {
	{ "/console/style.css", "text/css; charset=utf-8", console_style_css, &console_style_css_len },
	{ "/console/icon.svg", "image/svg+xml", console_icon_svg, &console_icon_svg_len },
	{ "/console/ed25519.js", SCRIPT, console_ed25519_js, &console_ed25519_js_len },
	{ "/console/verify.js", SCRIPT, console_verify_js, &console_verify_js_len },
	{ "/console/prove.js", SCRIPT, console_prove_js, &console_prove_js_len },
	{ "/console/choose.js", SCRIPT, console_choose_js, &console_choose_js_len },
	{ "/console/file.js", SCRIPT, console_file_js, &console_file_js_len },
	{ "/console/saved.js", SCRIPT, console_saved_js, &console_saved_js_len },
	{ "/console/record.js", SCRIPT, console_record_js, &console_record_js_len },
	{ "/console/range.js", SCRIPT, console_range_js, &console_range_js_len },
};
const size_t console_n_files = ARRAY_LEN(console_files);
