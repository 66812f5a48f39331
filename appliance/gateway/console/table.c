/* What stands where. A page is a row here and two functions in a file of its own; a file is a row here and one in meson.build. */
#include "gateway/console/table.h"
#include "gateway/console/files.h"

const struct console_page console_pages[] = {
	{ "GET", "/console", "Overview", "Overview", false, overview_ask, overview_show, NULL },
	{ "GET", "/console/login", NULL, "Log in", true, NULL, login_show, NULL },
	{ "POST", "/console/login", NULL, "Log in", true, enter_ask, enter_show, NULL },
};
const size_t console_n_pages = ARRAY_LEN(console_pages);

const struct console_file console_files[] = {
	{ "/console/style.css", "text/css; charset=utf-8", console_style_css, &console_style_css_len },
	{ "/console/icon.svg", "image/svg+xml", console_icon_svg, &console_icon_svg_len },
};
const size_t console_n_files = ARRAY_LEN(console_files);
