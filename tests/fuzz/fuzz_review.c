/* A sign-off: what is read as a text is written again byte for byte, and only the key that it names is believed. */
#include "audit/tlog/review.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tlog_review v;
	char *again;
	if (tlog_review_read((const char *)data, size, &v) == 0) {
		assert(v.from < v.to && v.n_questions <= REVIEW_QUESTIONS_MAX);
		if (tlog_review_text(&v, &again) == 0) {
			assert(strlen(again) == size && memcmp(again, data, size) == 0);
			free(again);
		}
	}
	if (tlog_review_open((const char *)data, size, &v) == 0)
		assert(v.key.type == NOTE_ED25519);
	return 0;
}
