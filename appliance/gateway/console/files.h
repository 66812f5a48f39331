/* What the build embeds: each file of meson.build's list, and its length. */
#pragma once

#include <stddef.h>

extern const char console_style_css[];
extern const size_t console_style_css_len;
extern const char console_icon_svg[];
extern const size_t console_icon_svg_len;
