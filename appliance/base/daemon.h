/* What the main() of every daemon shares: inherited sockets (systemd's LISTEN_FDS protocol, which `keep up` speaks too), readiness,
 * one line of report. All main()s look alike: take descriptors, open what only this process may open, enter the sandbox, serve. */
#pragma once

#include "base/types.h"

/* The one inherited socket (LISTEN_FDS=1, descriptor 3), made close-on-exec. LISTEN_PID, where it stands, must name this process; a
 * supervisor that spawns without knowing the pid leaves it out. Also connects NOTIFY_SOCKET, for after the sandbox most roles may
 * make no socket; so call it first. The variables are removed. 0 done; 1 none, several, or not a socket; -errno. */
_must_use_ int daemon_inherited_fd(int *ret_fd);

/* Several, which LISTEN_FDNAMES tells apart (FileDescriptorName= of a socket unit), as the one above; without names all are "". At most max.
 * 0, *ret_n of them; 1 none, too many, or something that is no socket; -errno. */
struct daemon_socket {
	int fd;
	char name[32];
};
_must_use_ int daemon_inherited_fds(struct daemon_socket *ret, u32 max, u32 *ret_n);
/* A credential of the unit's, or of whoever started this ($CREDENTIALS_DIRECTORY/name), read whole. 0, *ret to be freed; 1 there is none, or it is
 * empty or longer than max; -errno. */
_must_use_ int daemon_credential(const char *name, size_t max, u8 **ret, size_t *ret_len);

/* Tell the supervisor (NOTIFY_SOCKET) that the process serves; no effect when nobody asked. */
void daemon_ready(void);
/* Tell it one line of state for `systemctl status`. */
void daemon_status(const char *text);

/* To be called in each turn of the loop that serves, and nowhere else: where the supervisor has a watchdog (WatchdogSec=), it hears, at most twice in its
 * interval, that the loop turns. Nanoseconds until it wants to hear again, for the loop must turn by then; UINT64_MAX when nobody asked. */
u64 daemon_alive(void);

/* One line on stderr: "keepd: object: reason". journald adds the rest. */
void daemon_say(const char *fmt, ...) _printf_(1, 2);
/* The program's name in daemon_say. */
void daemon_name(const char *name);
