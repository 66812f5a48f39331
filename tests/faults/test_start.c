/* What a start says: a boot, a gap, and what the journal hears of it. */
#define _GNU_SOURCE
#include "rig.h"
#include "audit/log_db.h"
#include "audit/store.h"

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *keepd_path;
static char journal_path[192];
static int journal = -1;

static int up(void **state)
{
	static struct rig r;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	rig_init(&r, keepd_path, NULL);
	snprintf(journal_path, sizeof journal_path, "%s/journal", r.root);
	assert_true(strlen(journal_path) < sizeof a.sun_path);
	strcpy(a.sun_path, journal_path);
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(journal >= 0);
	assert_int_equal(bind(journal, (struct sockaddr *)&a, sizeof a), 0);
	r.journal = journal_path;
	assert_int_equal(rig_start(&r), 0);
	*state = &r;
	return 0;
}

static int down(void **state)
{
	close(journal);
	rig_fini(*state);
	return 0;
}

/* The fields of the next message, or false. */
static bool heard(char text[1024])
{
	struct pollfd p = { .fd = journal, .events = POLLIN };
	ssize_t n = poll(&p, 1, 2000) > 0 ? recv(journal, text, 1023, 0) : -1;
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static bool heard_of(const char *event, char text[1024])
{
	char want[64];
	snprintf(want, sizeof want, "\nKEEP_EVENT=%s\n", event);
	while (heard(text))
		if (strstr(text, want))
			return true;
	return false;
}

/* An end in order leaves no gap; any other is recorded, with the intents that it left open. */
static void gap(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate;
	struct rig_session s;
	assert_int_equal(rig_count(c, "\"event\":\"gap\"", NULL), 0);
	close(c);
	rig_end(r, SIGTERM);
	assert_int_equal(rig_start(r), 0);
	c = rig_client(r);
	assert_int_equal(rig_count(c, "\"event\":\"gap\"", NULL), 0);
	rig_demo(r, c, &gate, &s);
	struct rig_answer a = rig_begin(c, &(struct rig_begin){ s.id, 1, REPLAY_NONE, "x" });
	assert_int_equal(a.status, 0);
	rig_end(r, SIGKILL);
	close(c);
	assert_int_equal(rig_start(r), 0);
	c = rig_client(r);
	char after[64];
	snprintf(after, sizeof after, "\"after\":%llu,\"of\":\"request\",", (unsigned long long)a.index);
	assert_int_equal(rig_count(c, "\"event\":\"gap\"", after,
				 "\"intents\":1,\"lost\":\"nothing that was acknowledged\"", NULL),
		1);
	assert_int_equal(rig_count(c, "\"event\":\"orphan\"", "\"of\":\"request\"", NULL), 1);
	close(c);
}

/* A log whose last record was written under another boot id. */
static void boot(void **state)
{
	static const char other[] = "0123456789abcdef0123456789abcdef";
	struct rig *r = *state;
	struct store store;
	struct note_key key;
	struct audit_log *log;
	struct audit_check c;
	struct audit_record rec;
	struct audit_actor who = { .uid = 1, .self = true };
	const char *why;
	int s = rig_client(r);
	assert_int_equal(rig_count(s, "\"event\":\"boot\"", NULL), 0);
	close(s);
	rig_end(r, SIGTERM);
	assert_int_equal(audit_store_open(r->store, &store, &key, &why), 0);
	assert_int_equal(audit_log_open(store.db_path, &key, &log, &why), 0);
	assert_int_equal(audit_check_begin(&c, log), 0);
	while (!c.done)
		assert_int_equal(audit_check_step(&c, log, 100), 0);
	assert_true(c.ok);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	memcpy(log->boot, other, sizeof other);
	audit_log_record(log, &rec, EVENT_LOG_READ, INTENT_NONE, &who);
	assert_int_equal(audit_log_append(log, &rec, NULL), 0);
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	audit_store_close(&store);
	assert_int_equal(rig_start(r), 0);
	s = rig_client(r);
	assert_int_equal(rig_count(s, "\"event\":\"boot\"",
				 "\"previous\":\"0123456789abcdef0123456789abcdef\",\"kernel\":\"", NULL),
		1);
	close(s);
}

/* The journal hears of records once they are durable, by their ids, and nothing of requests. */
static void hears(void **state)
{
	struct rig *r = *state;
	char text[1024], id[33];
	int c = rig_client(r), gate;
	struct rig_session s;
	assert_true(heard_of("start", text));
	audit_event_message_id(EVENT_START, id);
	assert_non_null(strstr(text, "\nMESSAGE_ID="));
	assert_memory_equal(strstr(text, "\nMESSAGE_ID=") + 12, id, 32);
	assert_memory_equal(text, "MESSAGE=keepd started (record ", 30);
	assert_non_null(strstr(text, "\nPRIORITY=5\n"));
	rig_demo(r, c, &gate, &s);
	assert_int_equal(rig_begin(c, &(struct rig_begin){ s.id, 1, REPLAY_NONE, "x" }).status, 0);
	rig_take(gate, GATE_TICKET, NULL);
	close(gate);
	for (bool lost = false; !lost;) {
		assert_true(heard(text));
		assert_null(strstr(text, "\nKEEP_EVENT=request\n"));
		lost = strstr(text, "\nKEEP_EVENT=runtime-lost\n") && strstr(text, "\nPRIORITY=4\n");
	}
	close(c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gap, up, down),
		cmocka_unit_test_setup_teardown(boot, up, down),
		cmocka_unit_test_setup_teardown(hears, up, down),
	};
	assert(argc == 2 && sodium_init() >= 0);
	keepd_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
