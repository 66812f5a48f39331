/* Each story again and again; each time the n-th write, sync, open, rename, removal or send does not happen: the process is killed there, or
 * the operation fails, or the disk is full. Then keepd is started again, and all that story.h promises must hold. */
#define _GNU_SOURCE
#include "story.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *keepd_path;

/* It either serves on (one peer was lost) or says that it is shut; an answer of the very turn in which it shuts says only that. */
static void still_answers(struct rig *r, const char *story, const char *fault)
{
	int c = story_reader(r);
	struct rig_answer a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
	if (a.status == END_UNDECIDED && strstr(a.text, "gate is shut"))
		a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
	if (a.status)
		fail_msg("%s: %s: status: %u %s", story, fault, a.status, a.text);
	rig_answer_fini(&a);
	close(c);
}

/* One telling. True: the fault lay beyond the story's end. */
static bool once(const struct story *s, const char *mode, u32 n, const char *base)
{
	struct rig r;
	struct acked k = { 0 };
	char env[256], mark[160];
	struct stat st_mark;
	rig_init(&r, keepd_path, base);
	snprintf(rig_doing, sizeof rig_doing, "%s: %s:%u", s->name, mode, n);
	pid_t runtime = story_runtime(r.runtime_sock);
	if (s->before)
		s->before(&r, &k);
	snprintf(mark, sizeof mark, "%s/struck", r.root);
	snprintf(env, sizeof env, "KEEP_FAULT=%s:%u:%s", mode, n, mark);
	r.env = env;
	bool up = rig_start(&r) == 0;
	if (up)
		s->tell(&r, &k);
	bool all = k.whole, lives = strcmp(mode, "kill") != 0 && strcmp(mode, "torn") != 0;
	if (up && lives && !all)
		still_answers(&r, s->name, env);
	int st = rig_end(&r, lives || all ? SIGTERM : SIGKILL);
	if (lives && up && !WIFEXITED(st))
		fail_msg("%s: %s: keepd died of it: %d", s->name, env, st);
	bool beyond = stat(mark, &st_mark) == 0 && st_mark.st_size == 0;
	if (beyond && !k.whole)
		fail_msg("%s: nothing was broken, and not all was granted", rig_doing);
	story_check(&r, s, &k, rig_doing);
	kill(runtime, SIGKILL);
	waitpid(runtime, NULL, 0);
	rig_fini(&r);
	return beyond;
}

/* Every by-th place, from a random one on that is printed; KEEP_FAULTS_FROM=N makes it that one, and KEEP_FAULTS_STORY=NAME tells that story
 * alone. */
static void run(const char *mode)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL;
	const char *step = getenv("KEEP_FAULTS_STEP"), *from = getenv("KEEP_FAULTS_FROM");
	const char *only = getenv("KEEP_FAULTS_STORY");
	u32 by = step ? (u32)atoi(step) : 1, first = from ? (u32)atoi(from) : 1 + (u32)getpid() % by;
	for (u32 i = 0; i < n_stories; i++) {
		u32 n = first, told = 0;
		if (only && strcmp(only, stories[i].name) != 0)
			continue;
		for (; n < 3000; n += by, told++)
			if (once(&stories[i], mode, n, base))
				break;
		print_message("%s, %s: %u places from %u on, by %u, up to operation %u\n", stories[i].name,
			mode, told, first, by, n);
		assert_true(n >= 20 && n < 3000);
	}
}

#define MODE(name, word)               \
	static void name(void **state) \
	{                              \
		run(word);             \
	}
MODE(killed, "kill")
MODE(torn, "torn")
MODE(failed, "fail")
MODE(full, "full")
MODE(once_failed, "once")
MODE(once_short, "shrt")

int main(int argc, char **argv)
{
	assert(argc >= 2);
	keepd_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
	story_setup();
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	const struct CMUnitTest tests[] = { cmocka_unit_test(killed), cmocka_unit_test(torn),
		cmocka_unit_test(failed), cmocka_unit_test(full), cmocka_unit_test(once_failed),
		cmocka_unit_test(once_short) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
