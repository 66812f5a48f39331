/* Sandboxes that fail closed. A process calls sandbox_enter() once, after it holds every descriptor and file it will ever need
 * and before it reads the first byte that a stranger wrote. What it enters: no-new-privs, no core dumps, not ptraceable
 * (PR_SET_DUMPABLE 0), a Landlock domain with exactly the given paths (none: the whole file system is closed), and a seccomp
 * filter (libseccomp, allow-list) that answers EPERM to socket() of any family but AF_UNIX (or of any family at all) and kills
 * the process for calls that none of ours makes. Where the kernel offers no Landlock or no seccomp, entering fails. */
#pragma once

#include "base/types.h"

enum sandbox_role {
	SANDBOX_ATTEST,	 /* no path, no new socket, no exec: only the descriptors of one job */
	SANDBOX_KEEPD,	 /* its store directory and its run directory (to connect to attest and runtime) */
	SANDBOX_RUNTIME, /* the driver's files and devices, given as paths; no socket at all; threads */
	SANDBOX_GATEWAY, /* no path; accepts on what it was given, connects to keepd */
};

enum sandbox_access {
	SANDBOX_READ = 1,   /* read files, list directories */
	SANDBOX_WRITE = 2,  /* create, write, rename, remove beneath */
	SANDBOX_DEVICE = 4, /* read, write and ioctl an existing device node */
};

struct sandbox_path {
	const char *path; /* that does not exist: left out, not an error */
	u32 access;	  /* enum sandbox_access */
};

struct sandbox_params {
	enum sandbox_role role;
	const struct sandbox_path *paths;
	size_t n_paths;
	bool exec_memory; /* CPU Vulkan drivers compile at run time: allow mmap/mprotect PROT_EXEC */
};

/* 0 entered; -ENOSYS the kernel cannot; -errno. After any failure the process must exit. */
_must_use_ int sandbox_enter(const struct sandbox_params *p);
