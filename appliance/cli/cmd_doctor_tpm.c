#define _GNU_SOURCE
#include "base/fd.h"
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* How near a TPM is to opening nothing for a while: it counts wrong guesses, and losses of power that nobody announced (keep-seal --orderly does).
 *
 * One command, TPM2_GetCapability, whose answer is a list of (property, value), numbers big-endian: TPM 2.0 Library Part 3, 30.2; the
 * properties: Part 2, 6.13. */

#define TPM_ANSWER_MAX 1024u
#define TPM_WAIT_MS    5000
#define HEAD	       19u /* tag, length, status, "more", capability, count */

enum { PERMANENT = 0x200, COUNTER = 0x20e, MOST = 0x20f, INTERVAL = 0x210 };
#define IN_LOCKOUT (1u << 9) /* of PERMANENT */

static const u8 question[] = {
	0x80, 0x01, 0, 0, 0, 22, 0, 0, 0x01, 0x7a, /* no session, 22 bytes, TPM2_GetCapability */
	0, 0, 0, 6, 0, 0, 0x02, 0, 0, 0, 0, 32,	   /* properties, from PERMANENT on, 32 of them */
};

static u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

bool doctor_tpm_parse(const u8 *answer, size_t len, struct tpm_lockout *ret)
{
	struct tpm_lockout t = { 0 };
	u32 seen = 0;
	if (len < HEAD || be32(answer + 2) != len || be32(answer + 6) != 0)
		return false;
	u32 n = be32(answer + 15);
	if (n > (len - HEAD) / 8)
		return false;
	for (u32 i = 0; i < n; i++) {
		u32 what = be32(answer + HEAD + 8 * i), value = be32(answer + HEAD + 8 * i + 4);
		u32 *const to = what == COUNTER	   ? &t.count
				: what == MOST	   ? &t.most
				: what == INTERVAL ? &t.interval_s
						   : NULL;
		if (to)
			*to = value;
		else if (what == PERMANENT)
			t.locked = value & IN_LOCKOUT;
		seen += to || what == PERMANENT;
	}
	if (seen != 4)
		return false;
	*ret = t;
	return true;
}

/* 0; -errno: what the node says, or EBADMSG, or ETIMEDOUT. */
static int tpm_ask(int fd, struct tpm_lockout *ret)
{
	u8 answer[TPM_ANSWER_MAX];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r = fd_write_all(fd, question, sizeof question);
	if (r)
		return r;
	if (poll(&p, 1, TPM_WAIT_MS) != 1)
		return -ETIMEDOUT;
	ssize_t n = read(fd, answer, sizeof answer);
	if (n < 0)
		return -errno;
	return doctor_tpm_parse(answer, (size_t)n, ret) ? 0 : -EBADMSG;
}

/* An interval as people say it. ret[32] */
static const char *interval(u32 s, char ret[32])
{
	if (s < 120)
		snprintf(ret, 32, "%u s", s);
	else
		snprintf(ret, 32, "%u minutes", (s + 59) / 60);
	return ret;
}

static void judge(struct doctor *d, const struct tpm_lockout *t)
{
	char often[32];
	if (t->locked)
		doctor_find(d, DOCTOR_BAD,
			"wait, keepd starts by itself then; or tpm2_dictionarylockout --clear-lockout "
			"(tpm2-tools)",
			"locked out: it opens nothing that is sealed, for %s at most",
			interval(t->interval_s, often));
	else
		doctor_find(d, t->count * 2 > t->most ? DOCTOR_NOTE : DOCTOR_OK,
			"systemctl status keep-tpm: it tells the TPM that power may go",
			"%u of %u wrong guesses or losses of power are counted; one is forgotten each %s",
			t->count, t->most, interval(t->interval_s, often));
}

void doctor_tpm(struct doctor *d)
{
	struct tpm_lockout t;
	_cleanup_fd_ int fd = openat(d->sys, "dev/tpmrm0", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : tpm_ask(fd, &t);
	if (fd < 0 && r == -ENOENT)
		doctor_find(d, DOCTOR_OK, NULL,
			"none: what is sealed is sealed to the secret of this machine's disk");
	else if (r == -EACCES || r == -EPERM)
		doctor_find(
			d, DOCTOR_UNKNOWN, "run keep doctor tpm as root", "/dev/tpmrm0: %s", strerror(-r));
	else if (r)
		doctor_find(d, DOCTOR_BAD, "journalctl -k | grep -i tpm", "/dev/tpmrm0: %s", strerror(-r));
	else
		judge(d, &t);
}
