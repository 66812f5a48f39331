/* The last head, once more, in a file of its own beside the database: PATH-head, one signed note, written after each commit and never synced.
 *
 * SQLite takes a write-ahead log that is damaged for one that ends there, as after a loss of power: commits that were durable, and of
 * which somebody has heard, would be gone without a word. This file says how many records there were. It is written behind the sync of
 * its commit, so it never says more than was durable; after a loss of power it may say less, or be torn, and then says nothing. It is no
 * witness: who can write to the disk can put an older one back together with an older database. */
#include "audit/log_db.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LAST_BYTES 1024u /* the note, and zeros behind it */
static_assert(LAST_BYTES == sizeof(((struct audit_log *)0)->note), "the file holds any head");

void audit_last_open(struct audit_log *log, const char *path)
{
	char name[4096 + 8], note[LAST_BYTES] = "";
	struct checkpoint cp;
	size_t text_len;
	if ((size_t)snprintf(name, sizeof name, "%s-head", path) >= sizeof name)
		return;
	log->last_fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (log->last_fd < 0 || pread(log->last_fd, note, sizeof note, 0) <= 0)
		return;
	size_t n = strnlen(note, sizeof note);
	if (tlog_note_open(note, n, &log->key, 1, &text_len) || tlog_checkpoint_read(note, text_len, &cp) ||
		strcmp(cp.origin, log->key.name) != 0)
		return;
	log->last_size = cp.size;
	log->last_root = cp.root;
}

void audit_last_put(const struct audit_log *log)
{
	char note[LAST_BYTES] = "";
	if (log->last_fd < 0)
		return;
	memcpy(note, log->note, strnlen(log->note, sizeof log->note));
	ssize_t n = pwrite(log->last_fd, note, sizeof note, 0);
	(void)n; /* then it says less */
}
