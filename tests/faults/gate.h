/* What the tests of the gate have in common: a fresh appliance before each, and behind each a look at every record's fields. */
#pragma once

#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

extern const char *gate_keepd; /* program */

int gate_up(void **state);
/* The records' fields are those of the catalogue. */
int gate_down(void **state);
/* The peer has closed it. */
bool gate_closed(int sock);

#define GATE_TEST(f) cmocka_unit_test_setup_teardown(f, gate_up, gate_down)
