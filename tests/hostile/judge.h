/* The layout job over one GGUF file in memory, called m.gguf. */
#pragma once

#include "attest/attest.h"

/* 0 accepted; 1 rejected. Asserts that nothing else comes of it, that a report fits the verdict, and that what was accepted is no nonsense. */
int hostile_judge(const u8 *data, size_t len, struct attest_report *report);
