/* How long the appliance has said nothing although it could have: where many wait for a processor, time alone says little. */
#define _GNU_SOURCE
#include "rig.h"

#include <dirent.h>
#include <string.h>

#define LOOKS_A_SECOND 10u
#define IDLE_MAX       (10u * LOOKS_A_SECOND)
#define LOOKS_MAX      (120u * LOOKS_A_SECOND)
#define WANTED_NS      20000000u /* more than threads use that only look at a clock now and then */

static bool first_line(const char *dir, const char *task, const char *name, char *line, int size)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%.16s/%s", dir, task, name);
	FILE *f = fopen(path, "re");
	bool read = f && fgets(line, size, f);
	if (f)
		fclose(f);
	return read;
}

/* What a thread ran, and waited for a processor, so far. True: it does, or was stopped, at this moment. */
static bool thread_wants(const char *dir, const char *task, u64 *ns)
{
	char line[512];
	unsigned long long ran, waited;
	if (first_line(dir, task, "schedstat", line, sizeof line) &&
		sscanf(line, "%llu %llu", &ran, &waited) == 2)
		*ns += ran + waited;
	const char *name_end = first_line(dir, task, "stat", line, sizeof line) ? strrchr(line, ')') : NULL;
	return name_end && name_end[1] && strchr("RDT", name_end[2]);
}

static bool process_wants(long pid, u64 *ns)
{
	char dir[64];
	bool wants = false;
	snprintf(dir, sizeof dir, "/proc/%ld/task", pid);
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));)
		wants |= e->d_name[0] != '.' && thread_wants(dir, e->d_name, ns);
	if (d)
		closedir(d);
	return wants;
}

/* keepd, and who plays its peers: all children of this process. Where the kernel does not list them, nobody wants anything. */
static bool children_want(u64 *ns)
{
	long pid;
	bool wants = false;
	FILE *f = fopen("/proc/thread-self/children", "re");
	while (f && fscanf(f, "%ld", &pid) == 1)
		wants |= process_wants(pid, ns);
	if (f)
		fclose(f);
	return wants;
}

void rig_idle(struct rig_idle *w)
{
	u64 ns = 0;
	bool wants = children_want(&ns);
	w->idle += !wants && ns - w->wanted_ns < WANTED_NS;
	w->wanted_ns = ns;
	if (w->idle > IDLE_MAX || ++w->looks > LOOKS_MAX)
		fail_msg("%s: no frame for %u seconds, in %u of which nobody had anything to do", rig_doing,
			w->looks / LOOKS_A_SECOND, w->idle / LOOKS_A_SECOND);
}
