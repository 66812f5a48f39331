#define _GNU_SOURCE
#include "cli/doctor.h"
#include "base/fd.h"
#include "cli/app.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each entry of a directory, in no order. fn's first answer but 0 ends it. */
static int each(const struct doctor *d, const char *path, int (*fn)(void *to, const char *name), void *to)
{
	int fd = openat(d->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;
	if (!dir) {
		fd_close(&fd);
		return 0;
	}
	for (struct dirent *e; !r && (e = readdir(dir));)
		if (e->d_name[0] != '.')
			r = fn(to, e->d_name);
	closedir(dir);
	return r;
}

struct names {
	char text[512];
	u32 n;
	const char *begin;
};

static int name_begins(void *to, const char *name)
{
	struct names *n = to;
	size_t at = strlen(n->text);
	if (strncmp(name, n->begin, strlen(n->begin)))
		return 0;
	n->n++;
	snprintf(n->text + at, sizeof n->text - at, "%s%s", at ? ", " : "", name);
	return 0;
}

/* Is what keep-runtime needs for that vendor's GPUs in place (keep init --system)? */
static void profile_of(struct doctor *d, const char *vendor)
{
	static const char *const profiles[][2] = { { "AMD", "amd" }, { "Intel", "intel" },
		{ "NVIDIA", "nvidia" } };
	for (size_t i = 0; d->installed && i < ARRAY_LEN(profiles); i++) {
		char path[96], mend[320];
		if (strcmp(profiles[i][0], vendor))
			continue;
		snprintf(path, sizeof path, "etc/systemd/system/keep-runtime.service.d/gpu-%s.conf",
			profiles[i][1]);
		snprintf(mend, sizeof mend,
			"mkdir -p $(dirname /%s) && ln -s /usr/share/keep/gpu/%s.conf /%s && systemctl "
			"daemon-reload",
			path, profiles[i][1], path);
		if (!doctor_there(d, path))
			doctor_find(d, DOCTOR_NOTE, mend,
				"the profile for GPUs of %s is not in place: keep-runtime may not open them",
				vendor);
	}
}

static void node_of(struct doctor *d, const char *vendor, const char *nodes, const char *name)
{
	char path[300];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", nodes, name);
	if (fstatat(d->sys, path, &st, 0) < 0)
		return;
	bool all = (st.st_mode & 0006) == 0006;
	if (!all && st.st_gid == 0)
		doctor_find(d, DOCTOR_NOTE,
			"udevadm trigger --subsystem-match=drm, or chgrp render and chmod 0660 by a udev "
			"rule",
			"/%s (%s) belongs to the group of root: keep-runtime may not open it", path, vendor);
	else
		doctor_find(d, DOCTOR_OK, NULL, "/%s: %s", path, vendor);
	profile_of(d, vendor);
}

/* Which vendor's, by the PCI number that the kernel shows. */
static const char *vendor_of(const struct doctor *d, const char *node, char ret[32])
{
	static const char *const vendors[][2] = { { "0x1002", "AMD" }, { "0x8086", "Intel" },
		{ "0x10de", "NVIDIA" }, { "0x1af4", "virtio" } };
	char path[300];
	_cleanup_free_ char *id = NULL;
	snprintf(path, sizeof path, "sys/class/drm/%.100s/device/vendor", node);
	if (doctor_read(d, path, &id))
		return "a GPU";
	for (size_t i = 0; i < ARRAY_LEN(vendors); i++)
		if (!strncmp(id, vendors[i][0], 6))
			return vendors[i][1];
	snprintf(ret, 32, "vendor %.6s", id);
	return ret;
}

void doctor_nodes(struct doctor *d)
{
	struct names render = { .begin = "renderD" }, nvidia = { .begin = "nvidia" };
	char other[32];
	each(d, "dev/dri", name_begins, &render);
	each(d, "dev", name_begins, &nvidia);
	for (char *save = NULL, *n = strtok_r(render.text, ", ", &save); n; n = strtok_r(NULL, ", ", &save))
		node_of(d, vendor_of(d, n, other), "dev/dri", n);
	if (nvidia.n) {
		doctor_find(d, DOCTOR_OK, NULL, "/dev: %s", nvidia.text);
		profile_of(d, "NVIDIA");
	}
	if (!render.n && !nvidia.n)
		doctor_find(d, DOCTOR_OK, NULL, "no GPU has a driver in the kernel: the processor computes");
}

void doctor_drivers(struct doctor *d)
{
	struct names n = { .begin = "" };
	each(d, "usr/share/vulkan/icd.d", name_begins, &n);
	each(d, "etc/vulkan/icd.d", name_begins, &n);
	if (n.n)
		doctor_find(d, DOCTOR_OK, NULL, "%s", n.text);
	else
		doctor_find(d, DOCTOR_NOTE,
			"apt install mesa-vulkan-drivers (it is on the medium); NVIDIA: nvidia-vulkan-icd",
			"no Vulkan driver is installed: only the processor can compute");
}

static json_t *runtime(struct doctor *d, const char *what, int *ret_status)
{
	char path[PATH_MAX], *out = NULL;
	if (app_program_path(APP_RUNTIME, path)) {
		doctor_find(d, DOCTOR_BAD, "apt install --reinstall keep", "%s: not there", path);
		return NULL;
	}
	char *argv[] = { path, (char *)(uintptr_t)what, (char *)(uintptr_t) "--json", NULL };
	int r = doctor_ask(argv, &out, ret_status);
	json_t *j = r ? NULL : json_loads(out, 0, NULL);
	free(out);
	if (!j)
		doctor_find(d, DOCTOR_BAD, "keep device ls", "keep-runtime %s ended with %d and said nothing",
			what, *ret_status);
	return j;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "?";
}

void doctor_devices(struct doctor *d)
{
	int st = 0;
	json_t *j = runtime(d, "--device-ls", &st), *v;
	size_t i, usable = 0;
	json_array_foreach(json_object_get(j, "devices"), i, v)
	{
		bool ok = json_is_true(json_object_get(v, "usable"));
		usable += ok;
		doctor_find(d, ok ? DOCTOR_OK : DOCTOR_NOTE, "keep device ls", "%s (%s), %s%s",
			text_of(v, "name"), text_of(v, "kind"), text_of(v, "driver"),
			ok ? "" : ": not usable");
	}
	if (j && !usable)
		doctor_find(d, DOCTOR_BAD, "keep device ls", "no device can compute");
	json_decref(j);
}

void doctor_selftest(struct doctor *d)
{
	int st = 0;
	json_t *j = runtime(d, "--device-test", &st), *v, *k;
	size_t i, at;
	json_array_foreach(json_object_get(j, "devices"), i, v)
	{
		if (json_is_true(json_object_get(v, "ok"))) {
			doctor_find(d, DOCTOR_OK, NULL, "%s: %zu kernels give the bits that they must",
				text_of(v, "name"), json_array_size(json_object_get(v, "kernels")));
			continue;
		}
		const char *wrong = "?";
		json_array_foreach(json_object_get(v, "kernels"), at,
			k) if (!json_is_true(json_object_get(k, "ok"))) wrong = text_of(k, "kernel");
		doctor_find(d, DOCTOR_BAD,
			"update the driver, or choose another device: keep up --device NAME, KEEP_DEVICE in "
			"a drop-in",
			"%s computes wrongly: %s", text_of(v, "name"), wrong);
	}
	json_decref(j);
}
