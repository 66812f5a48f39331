/* keepd: the gate.  keepd --store DIR --init | keepd --store DIR --next | keepd --store DIR --run DIR [--single-user | --etc DIR] [--journal SOCKET] */
#define _GNU_SOURCE
#include "audit/content.h"
#include "audit/keepd.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"
#include "audit/sync.h"
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_ALL UINT64_MAX
#define RESUME_RECORDS \
	500000u /* of a log with fewer, a start reads all before it serves: that is done in half a second */

struct args {
	const char *store, *run;
	const char *etc;     /* where group and passwd stand */
	const char *journal; /* its socket */
	bool init, next, single_user;
};

static int usage(void)
{
	fputs("usage: keepd --store DIR --init | --next\n"
	      "       keepd --store DIR --run DIR [--single-user | --etc DIR] [--journal SOCKET]\n",
		stderr);
	return 2;
}

static int parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 's' },
		{ "run", required_argument, NULL, 'r' },
		{ "init", no_argument, NULL, 'i' },
		{ "next", no_argument, NULL, 'n' },
		{ "single-user", no_argument, NULL, '1' },
		{ "etc", required_argument, NULL, 'e' },
		{ "journal", required_argument, NULL, 'j' },
		{ 0 },
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 's')
			a->store = optarg;
		else if (o == 'r')
			a->run = optarg;
		else if (o == 'e')
			a->etc = optarg;
		else if (o == 'j')
			a->journal = optarg;
		else if (o == 'i')
			a->init = true;
		else if (o == 'n')
			a->next = true;
		else if (o == '1')
			a->single_user = true;
		else
			return 1;
	}
	u32 what = (u32)a->init + (u32)a->next + (a->run != NULL);
	return optind == argc && a->store && what == 1 && !(a->single_user && a->etc) ? 0 : 1;
}

static int init(const char *path)
{
	char vkey[NOTE_VKEY_MAX];
	int r = audit_store_create(path, KEEPD_VERSION, vkey, sizeof vkey);
	if (r) {
		daemon_say("%s: %s", path, r > 0 ? "there is a store already" : strerror(-r));
		return 1;
	}
	printf("%s\n", vkey);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* A secret key for the next rotation, to be sealed: of the name that this log's keys have. */
static int next(const char *path)
{
	char text[NOTE_VKEY_MAX];
	struct note_key key;
	int r = audit_store_next(path, &key);
	if (r) {
		daemon_say("%s: %s", path, r > 0 ? "keys/log.vkey is not there, or malformed" : strerror(-r));
		return 1;
	}
	tlog_note_key_secret_text(&key, text, sizeof text);
	printf("%s\n", text);
	sodium_memzero(text, sizeof text);
	sodium_memzero(&key, sizeof key);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- recovery ---- */

/* What only an earlier process has verified is read again while the gate serves (loop.c). */
static int reread_begin(struct keepd *k)
{
	daemon_say("log: %" PRIu64
		   " records before the last savepoint will be read again while the gate serves",
		audit_log_unread(k->log));
	k->reread = calloc(1, sizeof *k->reread);
	return k->reread ? audit_check_begin(k->reread, k->log) : -ENOMEM;
}

/* Re-read and re-verify the log, of a long one what stands behind the last savepoint; then finish what a crash interrupted. A log that does
 * not verify is not an error here: the gate stays shut, and says so to whoever asks. */
static int recover(struct keepd *k)
{
	struct audit_check c;
	int r = audit_check_resume(&c, k->log, RESUME_RECORDS);
	while (!r && !c.done)
		r = audit_check_step(&c, k->log, CHECK_ALL);
	if (!r) {
		audit_log_adopt(k->log, &c);
		int e = audit_log_state(k->log, &k->state);
		if (e == 0 && c.ok)
			e = witness_load(k, &c);
		if (e == 0 && c.ok)
			e = quota_load(k);
		r = e > 0 ? 0 : e; /* malformed rows: the check has said so */
	}
	if (!r && c.ok) {
		journal_watch(k);
		r = model_recover(k);
		if (r)
			audit_log_fail(k->log, "store: recovery: %s", strerror(-r));
		else if (!start_record(k, &c) && !audit_log_commit(k->log))
			r = erase_resume(k, &c) ? 0 : audit_log_commit(k->log);
		r = 0; /* what failed has shut the gate */
	}
	journal_send(k, !audit_log_failed(k->log));
	audit_check_fini(&c);
	if (!r && audit_log_unread(k->log))
		r = reread_begin(k);
	if (audit_log_failed(k->log)) {
		k->was_shut = true;
		daemon_say("the gate is shut: %s", audit_log_failed(k->log));
	}
	return r;
}

/* ---- start ---- */

/* Store, log, keys and subjects. 0; >0 *ret_why; -errno. */
static int open_store(struct keepd *k, const char *dir, const char **ret_why)
{
	struct note_key key;
	int r = audit_store_open(dir, &k->store, &key, ret_why);
	if (r)
		return r;
	r = audit_log_open(k->store.db_path, &key, &k->log, ret_why);
	sodium_memzero(&key, sizeof key);
	if (!r)
		r = rotate_choose(k, ret_why);
	if (r)
		return r;
	*ret_why = "keys/subjects is not a whole number of slots";
	return audit_subjects_open(k->store.dir, &k->subjects);
}

/* SIGTERM and SIGINT as something to read, and a listening socket that never blocks. 0; -errno. */
static int open_signals(struct keepd *k)
{
	int flags = fcntl(k->listen, F_GETFL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signals < 0 || flags < 0 || fcntl(k->listen, F_SETFL, flags | O_NONBLOCK) < 0 ? err_errno()
												: 0;
}

static int report(const char *what, const char *why)
{
	daemon_say("%s: %s", what, why);
	return 1;
}

/* Everything that only this process may open, before the sandbox. 0; else reported. */
static int open_all(struct keepd *k, const struct args *a)
{
	const char *why = NULL;
	int r = open_store(k, a->store, &why);
	if (r)
		return report(a->store, r > 0 ? why : strerror(-r));
	r = reserve_open(k);
	if (r)
		return report("reserve", strerror(-r));
	k->run_dir = open(a->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->run_dir < 0)
		return report(a->run, strerror(errno));
	r = daemon_inherited_fd(&k->listen);
	if (r)
		return report("ctl socket",
			r > 0 ? "exactly one listening socket must be inherited" : strerror(-r));
	r = open_signals(k);
	return r ? report("signals", strerror(-r)) : 0;
}

static int enter(const struct args *a)
{
	const struct sandbox_path paths[] = {
		{ a->store, SANDBOX_READ | SANDBOX_WRITE },
		{ a->run, SANDBOX_READ | SANDBOX_WRITE },
	};
	u32 seed;
	sqlite3_randomness(sizeof seed, &seed); /* it opens its source of randomness once */
	int r = sandbox_enter(&(struct sandbox_params){
		.role = SANDBOX_KEEPD, .paths = paths, .n_paths = ARRAY_LEN(paths) });
	if (r)
		daemon_say("sandbox: %s", strerror(-r));
	return r;
}

static void keepd_close(struct keepd **pk)
{
	struct keepd *k = *pk;
	*pk = NULL;
	if (!k)
		return;
	witness_free(k);
	quota_free(k);
	if (k->reread)
		audit_check_fini(k->reread);
	free(k->reread);
	audit_log_close(&k->log);
	audit_subjects_close(&k->subjects);
	audit_store_close(&k->store);
	fd_close(&k->run_dir);
	fd_close(&k->listen);
	fd_close(&k->signals);
	fd_close(&k->journal.fd);
	fd_close(&k->reserve.fd);
	sodium_memzero(&k->key, sizeof k->key);
	free(k);
}

static int serve(const struct args *a)
{
	_cleanup_(keepd_close) struct keepd *k = calloc(1, sizeof *k);
	if (!k)
		return 1;
	k->single_user = a->single_user;
	k->uid = geteuid();
	k->started_ns = keepd_now_ns();
	k->effects_end = &k->effects;
	k->tickets_end = &k->tickets;
	k->run_dir = k->listen = k->signals = k->journal.fd = k->reserve.fd = -1;
	k->subjects = (struct subjects)SUBJECTS_NONE;
	k->store = (struct store){ .dir = -1, .models = -1, .staging = -1 };
	fd_limit_raise(UINT64_MAX);
	int r = k->single_user ? 0 : audit_role_groups_read(a->etc ? a->etc : "/etc", &k->groups);
	if (r) {
		daemon_say("groups: %s", strerror(-r));
		return 1;
	}
	journal_open(k, a->journal ? a->journal : "/run/systemd/journal/socket");
	if (open_all(k, a))
		return 1;
	r = recover(k);
	if (r) {
		daemon_say("log: %s", strerror(-r));
		return 1;
	}
	r = sync_start(&k->syncer); /* before the sandbox, which closes around every thread */
	if (r) {
		daemon_say("thread: %s", strerror(-r));
		return 1;
	}
	if (enter(a))
		return 1;
	daemon_ready();
	r = keepd_serve(k);
	if (r)
		daemon_say("%s", strerror(-r));
	int t = audit_log_tidy(k->log, true);
	bool failed = r || t || audit_log_failed(k->log);
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct args a = { 0 };
	daemon_name("keepd");
	umask(077);
	prctl(PR_SET_DUMPABLE, 0);
	if (parse(argc, argv, &a))
		return usage();
	if (sodium_init() < 0) {
		daemon_say("libsodium: cannot start");
		return 1;
	}
	return a.init ? init(a.store) : a.next ? next(a.store) : serve(&a);
}
