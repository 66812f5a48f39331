/* What this gateway speaks, as an OpenAPI document and as a page for people: both made from one table of fields, which a test holds against the
 * one that bodies are read by. The page needs no script, and nothing from elsewhere. */
#pragma once

#include "gateway/api.h"

/* The document, of OpenAPI 3.1. */
void openapi_write(struct jsonw *w);
/* The page, in HTML. */
void openapi_page(struct jsonw *w);
/* What is said of a field of that form; NULL: it is not described. */
const char *openapi_field(enum api_form form, const char *key);
u32 openapi_n_fields(void);
