/* Requests that are answered with guesses and without: every sampler, free and held by a grammar. */
#pragma once

#include "tests/logits/asks.h"
#include "tests/logits/tiny_model.h"

#define ASKS	  8u
#define GUESS_NEW 50u

struct ask guess_asked(u32 i);
/* Everything that was computed and said is equal. */
void guess_same(const struct ask *a, const struct ask *b);
