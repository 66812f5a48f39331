#define _GNU_SOURCE
#include "people_rig.h"
#include "audit/tlog/command.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *people_keepd;
static char etc[192], clock_path[192], clock_env[224];

void people_put(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* The clock is mapped by keepd: its file is a page, and is written in place. */
void people_clock(i64 seconds)
{
	static char page[4096];
	memset(page, 0, sizeof page);
	snprintf(page, sizeof page, "%lld\n", (long long)seconds);
	int fd = open(clock_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_pwrite_all(fd, page, sizeof page, 0), 0);
	close(fd);
}

int people_up(void **state)
{
	static struct rig r;
	rig_init(&r, people_keepd, NULL);
	snprintf(etc, sizeof etc, "%s/etc", r.root);
	snprintf(clock_path, sizeof clock_path, "%s/clock", r.root);
	snprintf(clock_env, sizeof clock_env, "KEEP_TEST_CLOCK=%s", clock_path);
	assert_int_equal(mkdir(etc, 0700), 0);
	people_put(etc, "group",
		"root:x:0:\nkeep-user:x:2001:\nkeep-operator:x:2002:dave\nkeep-officer:x:2003:alice,bob\n"
		"keep-auditor:x:2004:\nother:x:2005:\n");
	people_put(etc, "passwd",
		"root:x:0:0::/:/bin/sh\nkeep-runtime:x:1008:1008::/:/bin/false\n"
		"keep-gateway:x:1009:1009::/:/bin/false\n");
	people_clock(0);
	r.etc = etc;
	r.env = clock_env;
	assert_int_equal(rig_start(&r), 0);
	*state = &r;
	return 0;
}

int people_down(void **state)
{
	rig_fini(*state);
	return 0;
}

static u64 next_id = 5000;

struct rig_answer people_command(
	int sock, const struct note_key *key, const char *origin, u32 type, const void *body, u32 len)
{
	struct proto_sign s = { 0 };
	struct rig_answer a;
	u8 digest[SHA256_BYTES];
	u64 id = next_id++;
	if (key) {
		tlog_command_digest(type, body, len, s.file, digest);
		tlog_command_sign(key, origin, digest, s.signature);
		assert_int_equal(ipc_send(sock, CTL_SIGN, id, &s, sizeof s, -1), 0);
	}
	assert_int_equal(ipc_send(sock, type, id, body, len, -1), 0);
	rig_answer(sock, id, &a);
	return a;
}

struct rig_answer people_add(int sock, const char *name, u32 uid, u32 roles, const char *vkey)
{
	struct proto_role p = { .uid = uid, .roles = roles };
	snprintf(p.name, sizeof p.name, "%s", name);
	snprintf(p.vkey, sizeof p.vkey, "%s", vkey ? vkey : "");
	snprintf(p.text, sizeof p.text, "because");
	return people_command(sock, NULL, NULL, CTL_ROLE_ADD, &p, sizeof p);
}

bool people_pending(int sock, u64 index, u8 digest[SHA256_BYTES])
{
	struct rig_answer a = rig_query(sock, QUERY_PENDING, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	char want[48];
	snprintf(want, sizeof want, "{\"index\":%llu,", (unsigned long long)index);
	const char *line = a.data ? strstr(a.data, want) : NULL;
	const char *at = line ? strstr(line, "\"act_digest\":\"") : NULL;
	bool found = at && bytes_unhex(at + 14, SHA256_BYTES, digest) == 0;
	rig_answer_fini(&a);
	return found;
}

void people_listed(int sock, const char *words)
{
	struct rig_answer a = rig_query(sock, QUERY_PENDING, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	if (!strstr(a.data, words))
		fail_msg("nothing that waits says %s: %s", words, a.data);
	rig_answer_fini(&a);
}

struct proto_decide people_decision(int sock, u64 index, bool approve)
{
	struct proto_decide d = { .index = index, .approve = approve, .text = "seen" };
	if (!people_pending(sock, index, d.digest))
		fail_msg("proposal %llu does not wait", (unsigned long long)index);
	return d;
}

struct rig_answer people_decide(int sock, u64 index, bool approve)
{
	struct proto_decide d = people_decision(sock, index, approve);
	return people_command(sock, NULL, NULL, CTL_DECIDE, &d, sizeof d);
}

u64 people_answer_of(int sock, u64 index)
{
	struct rig_answer a = rig_query(sock, QUERY_RECORDS, index, 0, NULL);
	char want[64];
	snprintf(want, sizeof want, "\"event\":\"approve\",\"intent\":%llu,", (unsigned long long)index);
	const char *at = a.data ? strstr(a.data, want) : NULL;
	assert_non_null(at);
	while (at > a.data && at[-1] != '\n')
		at--;
	u64 found = strtoull(at + strlen("{\"v\":1,\"index\":"), NULL, 10);
	rig_answer_fini(&a);
	return found;
}

struct rig_answer people_name(int sock, u32 type, const char *object)
{
	return rig_name(sock, type, object, "why", -1);
}

int people_text(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	return fd;
}

u32 people_status(int sock)
{
	struct rig_answer a = rig_query(sock, QUERY_STATUS, 0, 0, NULL);
	rig_answer_fini(&a);
	return a.status;
}
