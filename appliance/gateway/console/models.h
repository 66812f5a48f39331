/* Models (models.c): all, and one with where it comes from (model.c). */
#pragma once

#include "gateway/console/console.h"

void models_ask(struct console *c);
void models_show(struct console *c, struct page *p);
void model_ask(struct console *c);
void model_show(struct console *c, struct page *p);

/* A table of QUERY_MODELS' rows, each with a link to its page. */
void models_table(struct page *p, const json_t *models);
/* The grants of keepd's status, of that digest; NULL: all. */
void models_grants(struct page *p, const json_t *status, const char *model);
/* What a model's status says, with its mark. */
void models_put_status(struct page *p, const char *status);
enum page_mark models_mark(const char *status);
