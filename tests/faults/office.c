#define _GNU_SOURCE
#include "office.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static u64 next_id = 7000;

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

void office_page(struct office *o, const char *text)
{
	char page[4096] = "";
	snprintf(page, sizeof page, "%s", text);
	_cleanup_fd_ int fd = open(o->page, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_pwrite_all(fd, page, sizeof page, 0), 0);
}

void office_connect(struct office *o)
{
	static const struct rig_person alice = { 1001, 2003, 1 }, bob = { 1002, 2003, 1 },
				       carol = { 1003, 2004, 1 }, dave = { 1004, 2002, 1 },
				       eve = { 1005, 2001, 1 };
	o->alice = rig_client_as(&o->rig, &alice);
	o->bob = rig_client_as(&o->rig, &bob);
	o->carol = rig_client_as(&o->rig, &carol);
	o->dave = rig_client_as(&o->rig, &dave);
	o->eve = rig_client_as(&o->rig, &eve);
}

void office_hang_up(struct office *o)
{
	int *const all[] = { &o->alice, &o->bob, &o->carol, &o->dave, &o->eve };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		fd_close(all[i]);
}

void office_up(struct office *o, const char *keepd, const char *variable)
{
	*o = (struct office){ .alice = -1, .bob = -1, .carol = -1, .dave = -1, .eve = -1 };
	rig_init(&o->rig, keepd, NULL);
	snprintf(o->etc, sizeof o->etc, "%s/etc", o->rig.root);
	snprintf(o->page, sizeof o->page, "%s/page", o->rig.root);
	snprintf(o->env, sizeof o->env, "%s=%s", variable, o->page);
	assert_int_equal(mkdir(o->etc, 0700), 0);
	put(o->etc, "group",
		"root:x:0:\nkeep-user:x:2001:\nkeep-operator:x:2002:\nkeep-officer:x:2003:\nkeep-auditor:x:"
		"2004:\n");
	put(o->etc, "passwd", "root:x:0:0::/:/bin/sh\nkeep-gateway:x:1009:1009::/:/bin/false\n");
	office_page(o, "");
	o->rig.etc = o->etc;
	o->rig.env = o->env;
	assert_int_equal(rig_start(&o->rig), 0);
	office_connect(o);
}

void office_again(struct office *o, int sig)
{
	office_hang_up(o);
	rig_end(&o->rig, sig);
	assert_int_equal(rig_start(&o->rig), 0);
	office_connect(o);
}

void office_down(struct office *o)
{
	office_hang_up(o);
	rig_fini(&o->rig);
}

struct rig_answer office_ask(int sock, u32 type, const void *body, u32 len)
{
	struct rig_answer a;
	u64 id = next_id++;
	assert_int_equal(ipc_send(sock, type, id, body, len, -1), 0);
	rig_answer(sock, id, &a);
	return a;
}

struct rig_answer office_name(int sock, u32 type, const char *name)
{
	struct proto_name n = { .text = "because" };
	snprintf(n.name, sizeof n.name, "%s", name);
	return office_ask(sock, type, &n, sizeof n);
}

struct rig_answer office_approve(int sock, u64 index)
{
	struct proto_decide d = { .index = index, .approve = 1, .text = "seen" };
	struct rig_answer a = rig_query(sock, QUERY_PENDING, 0, 0, NULL);
	char want[48];
	snprintf(want, sizeof want, "{\"index\":%llu,", (unsigned long long)index);
	const char *line = a.data ? strstr(a.data, want) : NULL;
	const char *at = line ? strstr(line, "\"act_digest\":\"") : NULL;
	if (!at || bytes_unhex(at + 14, SHA256_BYTES, d.digest))
		fail_msg("proposal %llu does not wait", (unsigned long long)index);
	rig_answer_fini(&a);
	return office_ask(sock, CTL_DECIDE, &d, sizeof d);
}

struct rig_answer office_two(struct office *o, u32 type, const void *body, u32 len)
{
	struct rig_answer a = office_ask(o->alice, type, body, len);
	if (a.status)
		return a;
	assert_non_null(strstr(a.text, "proposed"));
	assert_int_equal(office_approve(o->alice, a.index).status, END_REFUSED); /* her own */
	return office_approve(o->bob, a.index);
}

void office_session(struct office *o, int *ret_gate, struct rig_session *ret)
{
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" } };
	struct rig_answer a;
	int pem = -1, s = -1;
	assert_int_equal(fd_memfd_sealed("key", "a key", 5, &pem), 0);
	assert_int_equal(rig_name(o->alice, CTL_TRUST_ADD, "publisher", "", pem).status, 0);
	fd_close(&pem);
	assert_int_equal(rig_import(o->dave, "demo", "good", files, 1).status, 0);
	rig_session_ask(o->eve, 5, "demo");
	*ret_gate = rig_runtime(&o->rig);
	struct rig_grant g = rig_take_grant(*ret_gate);
	rig_ready(*ret_gate, g.id);
	rig_take(*ret_gate, GATE_SESSION, &s);
	fd_close(&s);
	assert_int_equal(rig_session_take(o->eve, 5, ret, &a), 0);
}

/* ---- every byte of every file ---- */

static const void *sought;
static size_t sought_len;
static bool found;

static int look(const char *path, const struct stat *st, int type, struct FTW *f)
{
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	assert_int_equal(fd_read_file(fd, 1u << 30, &data, &len), 0);
	found |= len && memmem(data, len, sought, sought_len) != NULL;
	return 0;
}

bool office_holds(const struct office *o, const void *what, size_t len)
{
	sought = what;
	sought_len = len;
	found = false;
	assert_int_equal(nftw(o->rig.store, look, 16, FTW_PHYS), 0);
	return found;
}
