/* What the build embeds: each file of meson.build's list, and its length. */
#pragma once

#include <stddef.h>

extern const char console_style_css[];
extern const size_t console_style_css_len;
extern const char console_icon_svg[];
extern const size_t console_icon_svg_len;
extern const char console_ed25519_js[];
extern const size_t console_ed25519_js_len;
extern const char console_verify_js[];
extern const size_t console_verify_js_len;
extern const char console_prove_js[];
extern const size_t console_prove_js_len;
extern const char console_choose_js[];
extern const size_t console_choose_js_len;
extern const char console_file_js[];
extern const size_t console_file_js_len;
extern const char console_verify_py[]; /* judges evidence */
extern const size_t console_verify_py_len;
extern const char console_saved_js[];
extern const size_t console_saved_js_len;
extern const char console_record_js[];
extern const size_t console_record_js_len;
extern const char console_range_js[];
extern const size_t console_range_js_len;
