/* The pages of the console, in the order of the navigation, and its files. */
#pragma once

#include "gateway/console/console.h"

extern const struct console_page console_pages[];
extern const size_t console_n_pages;

/* A file of ours that pages use; it holds nothing of anybody. */
struct console_file {
	const char *path, *type;
	const char *data;
	const size_t *len;
};
extern const struct console_file console_files[];
extern const size_t console_n_files;
