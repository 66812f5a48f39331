/* The state of retention: what is in it decides what stays, every bit of it is in the digest, and rows that keepd would not write are none. */
#include "audit/log_retain.h"
#include "audit/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct audit_state state;
static struct retain_state *const s = &state.retain;

static int empty(void **unused)
{
	memset(&state, 0, sizeof state);
	return 0;
}

static struct hold_row hold(const char *name, const char *subject, u64 from, u64 to)
{
	struct hold_row h = { .from = from, .to = to, .index = 5 };
	strcpy(h.name, name);
	strcpy(h.subject, subject);
	return h;
}

static struct archive_row archive(u64 index, u64 from, u64 to)
{
	return (struct archive_row){ .index = index, .from = from, .to = to, .size = to };
}

static void digests(void **unused)
{
	u8 was[SHA256_BYTES], is[SHA256_BYTES];
	struct hold_row h = hold("case", "", 0, 10);
	struct archive_row a = archive(300, 0, 256);
	assert_int_equal(audit_hold_put(s, &h), 0);
	assert_int_equal(audit_archive_put(s, &a), 0);
	audit_state_digest(&state, was);
	u8 *const bytes[] = { (u8 *)&s->set, (u8 *)&s->holds[0], (u8 *)&s->archives[0] };
	const size_t len[] = { sizeof s->set, sizeof h, sizeof a };
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < len[i]; j++) {
			bytes[i][j] ^= 1;
			audit_state_digest(&state, is);
			assert_memory_not_equal(was, is, sizeof is);
			bytes[i][j] ^= 1;
		}
	audit_hold_drop(s, "case");
	audit_state_digest(&state, is);
	assert_memory_not_equal(was, is, sizeof is);
}

static void holds(void **unused)
{
	struct hold_row a = hold("a", "uid:1", 0, UINT64_MAX), b = hold("b", "", 100, 200);
	assert_int_equal(audit_hold_put(s, &b), 0);
	assert_int_equal(audit_hold_put(s, &a), 0);
	assert_int_equal(audit_hold_put(s, &a), 1);
	assert_string_equal(s->holds[0].name, "a");
	assert_string_equal(audit_hold_on_subject(s, "uid:1")->name, "a");
	assert_string_equal(audit_hold_on_subject(s, "uid:2")->name, "b"); /* of everybody */
	audit_hold_drop(s, "a");
	assert_null(audit_hold_on_range(s, 0, 100));
	assert_null(audit_hold_on_range(s, 200, 300));
	assert_non_null(audit_hold_on_range(s, 0, 101));
	assert_non_null(audit_hold_on_range(s, 199, 300));
	assert_non_null(audit_hold_on_range(s, 150, 151));
	audit_hold_drop(s, "b");
	assert_null(audit_hold_on_subject(s, "uid:2"));
	assert_int_equal(s->n_holds, 0);
	for (u32 i = 0; i <= HOLDS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof name, "h%u", i);
		a = hold(name, "", 0, 1);
		assert_int_equal(audit_hold_put(s, &a), i == HOLDS_MAX);
	}
	assert_true(audit_retain_ok(s));
}

static void archives(void **unused)
{
	for (u64 i = 0; i <= ARCHIVES_MAX; i++) {
		struct archive_row a = archive(1000000 + i, i * 256, i * 256 + 256);
		assert_int_equal(audit_archive_put(s, &a), i == ARCHIVES_MAX);
	}
	assert_true(audit_retain_ok(s));
	assert_null(audit_archive_overlap(s, 0, UINT64_MAX)); /* none is pruned */
	struct archive_row *a = audit_archive_find(s, 1000003);
	assert_non_null(a);
	a->pruned = 2000000;
	a->n_pruned = 7;
	assert_ptr_equal(audit_archive_pruned(s, 768), a);
	assert_ptr_equal(audit_archive_pruned(s, 1023), a);
	assert_null(audit_archive_pruned(s, 767));
	assert_null(audit_archive_pruned(s, 1024));
	assert_true(audit_retain_ok(s));
}

/* Nothing below the floor, nothing out of order, nothing that contradicts itself. */
static void wrong(void **unused)
{
	struct hold_row h = hold("case", "uid:1", 0, 10);
	struct archive_row a = archive(300, 0, 256), b = archive(301, 0, 256);
	assert_int_equal(audit_hold_put(s, &h), 0);
	assert_int_equal(audit_archive_put(s, &a), 0);
	assert_int_equal(audit_archive_put(s, &b), 0);
	const struct retain_state good = *s;
	assert_true(audit_retain_ok(s));
#define BAD(change)                           \
	do {                                  \
		*s = good;                    \
		change;                       \
		if (audit_retain_ok(s))       \
			fail_msg("" #change); \
	} while (0)
	BAD(s->set.texts = 3);
	BAD(s->set.days[0] = RETAIN_DAYS_MIN - 1);
	BAD(s->set.days[1] = 1);
	BAD(s->n_holds = HOLDS_MAX + 1);
	BAD(s->n_archives = ARCHIVES_MAX + 1);
	BAD(s->holds[0].to = 0);
	BAD(memset(s->holds[0].name, 'x', sizeof s->holds[0].name));
	BAD(strcpy(s->holds[0].subject, "A B"));
	BAD(s->archives[0].from = 256);
	BAD(s->archives[0].size = 255);
	BAD(s->archives[0].index = 200);
	BAD(s->archives[0].pruned = 5);
	BAD(s->archives[0].n_pruned = 5);
	BAD(s->archives[0].n_pruned = 257; s->archives[0].pruned = 9);
	BAD(s->archives[1].index = 300);
	*s = good;
	s->set.days[0] = RETAIN_DAYS_MIN;
	assert_true(audit_retain_ok(s));
}

/* What is kept for ever: everything that is not plainly use or operation. */
static void classes(void **unused)
{
	static const u32 for_ever[] = { EVENT_INIT, EVENT_TRUST_ADD, EVENT_TRUST_REMOVE, EVENT_REVOKE,
		EVENT_QUARANTINE, EVENT_MODEL_REMOVE, EVENT_POLICY_SET, EVENT_WITNESSES, EVENT_COSIGN,
		EVENT_CONTRADICTION, EVENT_ROLE_ADD, EVENT_PROPOSE, EVENT_APPROVE, EVENT_REVIEW,
		EVENT_RETENTION, EVENT_HOLD_ADD, EVENT_HOLD_REMOVE, EVENT_ERASE, EVENT_ERASED, EVENT_ARCHIVE,
		EVENT_PRUNE, 0, 9999 };
	for (size_t i = 0; i < ARRAY_LEN(for_ever); i++)
		if (audit_retain_class(for_ever[i]) != RETAIN_FOREVER)
			fail_msg("event %u", for_ever[i]);
	/* an intent and its answer are of one class */
	assert_int_equal(audit_retain_class(EVENT_REQUEST), audit_retain_class(EVENT_OUTCOME));
	assert_int_equal(audit_retain_class(EVENT_GRANT), audit_retain_class(EVENT_LOAD));
	assert_int_equal(audit_retain_class(EVENT_IMPORT_INTENT), audit_retain_class(EVENT_IMPORT_VERDICT));
	assert_int_equal(audit_retain_class(EVENT_ORPHAN), RETAIN_ASK);
	assert_string_equal(audit_texts_name(TEXTS_CONTENT), "content");
	assert_null(audit_texts_name(3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(digests, empty),
		cmocka_unit_test_setup(holds, empty),
		cmocka_unit_test_setup(archives, empty),
		cmocka_unit_test_setup(wrong, empty),
		cmocka_unit_test(classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
