/* Who gets in: anybody may knock, and the kernel says who it is. */
#define _GNU_SOURCE
#include "audit/keepd.h"
#include "base/daemon.h"
#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WELCOMES_PER_TURN 16u
#define CLIENTS_KEPT	  8u /* of IPC_CLIENTS_MAX, for officers and auditors */
#define STRANGERS_MAX	  8u /* whoever has no role gets in only while there are fewer clients, to be told so */

/* A few places are kept for those who can end what others do. */
static bool too_many(const struct conn *c)
{
	const char *why;
	u32 roles = role_of(c, &why);
	u32 most = roles & ROLE_LOG ? IPC_CLIENTS_MAX
		   : roles	    ? IPC_CLIENTS_MAX - CLIENTS_KEPT
				    : STRANGERS_MAX;
	return c->k->n_clients > most;
}

void keepd_welcome(struct keepd *k)
{
	for (u32 i = 0; i < WELCOMES_PER_TURN && k->n_clients < IPC_CLIENTS_MAX; i++) {
		_cleanup_fd_ int fd = accept4(k->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct ipc_peer peer;
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				usleep(1000); /* it waits in the queue; do not spin */
			return;
		}
		if (ipc_peer(fd, &peer))
			continue;
		if (k->single_user && peer.uid != k->uid && peer.uid != 0) {
			daemon_say("client (pid %u): uid %u is not the one user of this appliance", peer.pid,
				peer.uid);
			continue;
		}
		struct conn *c = conn_add(k, CONN_CLIENT, &fd, CLIENT_IDLE);
		if (!c)
			return;
		int r = role_peer(c);
		if (r)
			conn_drop(c, "its groups: %s", strerror(-r));
		else if (too_many(c))
			conn_drop(c, "uid %u: there are too many clients", peer.uid);
	}
}
