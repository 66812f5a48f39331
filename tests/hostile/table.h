#pragma once

#include "base/types.h"

struct hostile {
	const char *base;    /* tests/vectors/gguf/good-BASE.gguf */
	const char *changes; /* of edit.h */
	const char *code;    /* of attest/reason.h */
	const char *text;    /* in full; the file is m.gguf */
};
extern const struct hostile hostile_rows[];
extern const u32 hostile_rows_n;
