/* What keep doctor looks at. A check looks and reports findings, each with a verdict and, unless all is well, the command that mends it.
 * Checks read the machine through one directory, so that a test can show them another machine. */
#pragma once

#include "cli/cli.h"

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_NOTE,	/* works, but somebody should know */
	DOCTOR_BAD,	/* Keep does not work here, or a promise does not hold */
	DOCTOR_UNKNOWN, /* could not be told: mostly for want of rights */
	DOCTOR_N_VERDICTS,
};

struct doctor_check;
struct doctor {
	int sys;	   /* the root directory of what is looked at */
	const char *store; /* where log and models lie or will lie */
	bool installed;	   /* as services of this machine: units, users */
	const struct doctor_check *check;
	u32 count[DOCTOR_N_VERDICTS];
	/* what becomes of a finding; text is fit for a terminal */
	void (*tell)(struct doctor *d, enum doctor_verdict v, const char *text, const char *mend);
	void *to;
};

struct doctor_check {
	const char *area, *name;
	enum doctor_when { DOCTOR_ALWAYS, DOCTOR_INSTALLED, DOCTOR_SLOW } when;
	void (*look)(struct doctor *d);
};
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_n_checks;

/* Report one finding of the check at hand. mend: a command, or NULL. */
void doctor_find(struct doctor *d, enum doctor_verdict v, const char *mend, const char *fmt, ...)
	_printf_(4, 5);
/* A file of the machine, at most 1 MiB, with a 0 byte behind. 0, to be freed; -errno. */
_must_use_ int doctor_read(const struct doctor *d, const char *path, char **ret);
bool doctor_there(const struct doctor *d, const char *path);
/* Run a program of this machine without input: what it wrote to standard output (at most 1 MiB) in fresh memory, its exit status in *ret_status
 * (128 + signal; 127 not there). 0; -errno. */
_must_use_ int doctor_ask(char *const argv[], char **ret_out, int *ret_status);

/* cmd_doctor_machine.c */
void doctor_kernel(struct doctor *d);
void doctor_sandbox(struct doctor *d);
void doctor_swap(struct doctor *d);
void doctor_cgroup(struct doctor *d);
void doctor_memory(struct doctor *d);
void doctor_disk(struct doctor *d);
void doctor_clock(struct doctor *d);
void doctor_entropy(struct doctor *d);
/* cmd_doctor_device.c */
void doctor_nodes(struct doctor *d);
void doctor_drivers(struct doctor *d);
void doctor_devices(struct doctor *d);
void doctor_selftest(struct doctor *d);
/* cmd_doctor_egress.c */
void doctor_interfaces(struct doctor *d);
void doctor_routes(struct doctor *d);
void doctor_resolvers(struct doctor *d);
void doctor_proxies(struct doctor *d);
void doctor_sockets(struct doctor *d);
void doctor_processes(struct doctor *d);
/* cmd_doctor_install.c */
void doctor_programs(struct doctor *d);
void doctor_symbols(struct doctor *d);
void doctor_units(struct doctor *d);
void doctor_scores(struct doctor *d);
void doctor_dropins(struct doctor *d);
void doctor_bounds(struct doctor *d);
void doctor_key(struct doctor *d);
/* cmd_doctor_tpm.c */
void doctor_tpm(struct doctor *d);

/* What a TPM's answer to the question for its properties says of its lockout. False: malformed, refused, or one of them is missing. */
struct tpm_lockout {
	bool locked;
	u32 count, most, interval_s; /* counted; of which it locks; one is forgotten after so many seconds */
};
bool doctor_tpm_parse(const u8 *answer, size_t len, struct tpm_lockout *ret);

/* Addresses of /proc/net/{tcp,udp,...}, as text. ret[64]. False: malformed. */
bool doctor_address(const char *hex, char ret[64]);
/* The names of a program's dynamic symbols that it does not define itself, each given to fn; fn's first answer but 0 ends it and is
 * returned. ELF of this machine's own width and order, bounded. 0; fn's; -EBADMSG not such a file. */
_must_use_ int doctor_imports(const u8 *elf, size_t len, int (*fn)(void *to, const char *name), void *to);
/* Is it a name that no program of ours may import: resolvers, HTTP and socket clients? */
bool doctor_forbidden(const char *name);
