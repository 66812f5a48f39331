/* Rows of pipelines.c without exactness, to see what it costs. */
#pragma once

#include "shaders/pipelines.h"

/* The same code without a single NoContraction: a compiler may fuse and rearrange. 0; -ENOMEM. ret is for loose_free. */
_must_use_ int loose_row(const struct pipeline_row *row, struct pipeline_row *ret);
void loose_free(struct pipeline_row *row);
