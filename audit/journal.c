/* Records that somebody should hear of at once, also to the journal, by its native protocol: a datagram of FIELD=value lines to a socket
 * that was connected before the sandbox. The log is what counts: what the journal does not take at once is dropped, and requests with
 * their outcomes are never sent, since at some thousand a second they would push out what matters. No library is linked for it. */
#define _GNU_SOURCE
#include "audit/keepd.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Priorities of syslog. */
enum { PRIORITY_WARNING = 4, PRIORITY_NOTICE = 5 };

void journal_open(struct keepd *k, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	k->journal.fd = -1;
	if (strlen(path) >= sizeof a.sun_path)
		return;
	memcpy(a.sun_path, path, strlen(path) + 1);
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		k->journal.fd = fd_steal(&fd);
}

static void note(void *arg, const struct audit_record *r)
{
	struct journal *j = &((struct keepd *)arg)->journal;
	if (j->fd < 0 || (audit_event_info(r->event)->flags & EVENT_QUIET))
		return;
	if (j->n == ARRAY_LEN(j->v)) {
		j->dropped++;
		return;
	}
	j->v[j->n++] = (struct journal_entry){ r->index, r->event, r->uid };
}

void journal_watch(struct keepd *k)
{
	audit_log_watch(k->log, note, k);
}

static void send_one(const struct keepd *k, const struct journal_entry *e)
{
	const struct audit_event_info *info = audit_event_info(e->event);
	char id[33], text[512];
	audit_event_message_id(e->event, id);
	int n = snprintf(text, sizeof text,
		"MESSAGE=%s (record %" PRIu64 ", %s)\nPRIORITY=%d\nSYSLOG_IDENTIFIER=keepd\nMESSAGE_ID=%s\n"
		"KEEP_EVENT=%s\nKEEP_INDEX=%" PRIu64 "\nKEEP_UID=%" PRIu32 "\n",
		info->what, e->index, info->name,
		info->flags & EVENT_WARNS ? PRIORITY_WARNING : PRIORITY_NOTICE, id, info->name, e->index,
		e->uid);
	ssize_t sent = send(k->journal.fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)sent; /* the log has it */
}

void journal_send(struct keepd *k, bool durable)
{
	struct journal *j = &k->journal;
	for (u32 i = 0; durable && i < j->n; i++)
		send_one(k, &j->v[i]);
	j->n = 0;
}
