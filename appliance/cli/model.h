/* What the verbs that meet a publisher's files share: keys, bundles, trees, verdicts. Everything is opened as the caller. */
#pragma once

#include "attest/attest.h"
#include "cli/cli.h"

/* Whole small file. 0; otherwise an exit status, said. The caller frees *ret. */
_must_use_ int model_read_file(const char *path, u64 max, u8 **ret, size_t *ret_len);
/* Write beside, then rename: no half-written file under its name. 0; otherwise an exit status, said. */
_must_use_ int model_write_file(const char *path, u32 mode, const void *data, size_t len);

/* Say a verdict: JSON to stdout, or for people an acceptance to stdout, anything else to stderr. index: of the record,
 * UINT64_MAX where there is none. Returns the exit status of the verdict. */
int model_say_verdict(const struct attest_report *r, const char *model, bool json, u64 index);
/* The same for what an attest function returned: r < 0 makes the report undecided first. */
int model_say_result(int r, struct attest_report *rep, const char *model, bool json);

/* Where a model's bundle is looked for: inside a directory (model.sig), else beside (NAME.sig). 0; otherwise an exit status, said. */
_must_use_ int model_find_bundle(const char *model, char ret_path[], size_t size);
/* Shows progress on stderr. */
extern const struct attest_progress model_progress;
