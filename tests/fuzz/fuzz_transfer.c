/* An archive that is said to be a transfer: every member lies within it, under a name that leads nowhere. */
#define _GNU_SOURCE
#include "attest/transfer.h"
#include "base/fd.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_transfer t;
	struct attest_report report;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fd >= 0 && fd_write_all(fd, data, size) == 0);
	attest_report_init(&report);
	int r = attest_transfer_read(fd, &t, &report);
	assert(r >= 0 && (r == 0) == (report.verdict == ATTEST_ACCEPTED));
	for (u32 i = 0; r == 0 && i < t.n_files; i++) {
		const struct attest_transfer_member *m = &t.files[i];
		assert(m->offset >= TRANSFER_BLOCK && m->offset <= size && m->bytes <= size - m->offset);
		assert(m->path[0] && m->path[0] != '/' && !strstr(m->path, "//") && !strstr(m->path, "/../"));
	}
	if (r == 0)
		attest_transfer_fini(&t);
	close(fd);
	return 0;
}
