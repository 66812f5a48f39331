/* The supervisor: plays systemd for one appliance as an ordinary user. It makes the listening sockets, hands them to the daemons by
 * the LISTEN_FDS protocol, starts one keep-attest per connection to attest.sock, starts again what fails, and stops in order. */
#pragma once

#include "cli/app.h"

#define SUP_RESTARTS_MAX \
	5u /* failures of one daemon within SUP_RESTART_WINDOW_MS; more is a fault, not bad luck */
#define SUP_RESTART_WINDOW_MS 10000u /* as systemd's StartLimitIntervalSec */
#define SUP_UNREADY_MAX	      3u     /* ends in a row before it ever served: it will not serve */
#define SUP_JOBS_MAX	      16u    /* keep-attest processes at once; keepd runs one or two */
#define SUP_HOLDERS_MAX	      64u /* commands that keep a transient appliance up; as many as keepd has clients */
#define SUP_STOP_KEEPD_MS     10000u /* for keepd to record its stop */
#define SUP_STOP_OTHERS_MS    5000u  /* for the others; the runtime overwrites its memory */
#define SUP_LOCK_WAIT_MS      15000u /* for a single command that holds the appliance to finish */

#define SUP_GIVEN_MAX 3u /* sockets that this process inherits for keep-gateway */

struct sup_params {
	const struct app *app;
	const char *const *devices; /* [n_devices] for keep-runtime; none: its own choice */
	size_t n_devices;
	const char *split;  /* how many layers each has; NULL: as they fit */
	const char *ctx;    /* context of sessions that ask for none; NULL: the runtime's default */
	const int *sockets; /* that this process inherited, for keep-gateway */
	u32 n_sockets;
	const char *names; /* of these, with colons between them; NULL: there are none */
	int holder; /* >= 0: serve a single command, until this and all of hold.sock's connections are closed */
};

/* Serves until SIGTERM, SIGINT, the last holder is gone or a daemon cannot be kept running; all children have ended when it
 * returns. A holder gets one byte 'R' when the sockets listen, 'B' when another supervisor has the appliance. An exit status. */
int sup_run(const struct sup_params *p);
