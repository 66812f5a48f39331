/* What HTTP adds to a first token: the same questions, in turns, over a session of one's own and over the gateway's unix socket. Both begin where a
 * client has its words (a chat's messages, the bytes of a body) and end at the first byte of an answer.
 *
 *   bench_first ROOT MODEL [ROUNDS]      keep up serves ROOT; tests/bench/http/first does all of it */
#define _GNU_SOURCE
#include "tests/bench/bench.h"
#include "base/arena.h"
#include "base/fd.h"
#include "cli/ask.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROUNDS_MAX 4096u
#define WARM_UP	   16u /* rounds that do not count */

/* No two rounds ask the same: what was asked before is in the cache. */
static void question(u32 i, char ret[64])
{
	snprintf(ret, 64, "Question %06u: what is a record?", i);
}

/* ---- a session of one's own ---- */

static f64 first_at;

static void on_tokens(void *ctx, const struct proto_tokens *t)
{
	(void)ctx;
	(void)t;
	if (first_at == 0)
		first_at = bench_now();
}

static f64 ask_directly(struct session *s, u32 i)
{
	char text[64];
	struct chat_message m = { .role = "user", .content = text };
	question(i, text);
	struct ask_sampling how = {
		.h = { .kind = REQUEST_GENERATE, .max_tokens = 2, .top_p = 1, .repeat_penalty = 1, .seed = 1 }
	};
	_cleanup_(arena_fini) struct arena a = { .max_bytes = CHAT_ARENA_BYTES_MAX };
	_cleanup_result_ struct session_result r = SESSION_RESULT_NONE;
	_cleanup_free_ u8 *data = NULL;
	struct chat_turn turn = { 0 };
	size_t len;
	f64 from = bench_now();
	first_at = 0;
	if (ask_chat(s, &how,
		    &(struct ask_turn){ .messages = &m, .n_messages = 1, .think_budget = THINK_NO_BUDGET },
		    &a, &turn, &data, &len))
		return -1;
	int e = session_run(s, &(struct session_request){ data, len, REPLAY_NONE, on_tokens, NULL }, &r);
	return e || first_at == 0 ? -1 : first_at - from;
}

/* ---- HTTP ---- */

static int http_connect(const char *root)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if ((size_t)snprintf(a.sun_path, sizeof a.sun_path, "%s/run/http.sock", root) >= sizeof a.sun_path ||
		fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return -1;
	return fd;
}

static f64 ask_http(int fd, const char *model, u32 i)
{
	char text[64], body[512], head[256], buf[8192];
	size_t have = 0;
	f64 from = bench_now(), first = 0;
	question(i, text);
	int n = snprintf(body, sizeof body,
		"{\"model\":\"%s\",\"stream\":true,\"max_tokens\":2,\"temperature\":0,\"messages\":[{"
		"\"role\":\"user\",\"content\":\"%s\"}]}",
		model, text);
	int h = snprintf(head, sizeof head,
		"POST /v1/chat/completions HTTP/1.1\r\nHost: keep\r\nContent-Type: "
		"application/json\r\nContent-Length: %d\r\n\r\n",
		n);
	if (fd_write_all(fd, head, (size_t)h) || fd_write_all(fd, body, (size_t)n))
		return -1;
	while (have < sizeof buf - 1) {
		ssize_t got = read(fd, buf + have, sizeof buf - 1 - have);
		if (got <= 0)
			return -1;
		have += (size_t)got;
		buf[have] = 0;
		if (first == 0 && strstr(buf, "data: "))
			first = bench_now();
		if (strstr(buf, "data: [DONE]") && strstr(buf, "\r\n0\r\n\r\n"))
			return strstr(buf, " 200 ") ? first - from : -1;
	}
	return -1;
}

static int measure(struct session *s, int fd, const char *model, u32 rounds)
{
	static f64 own[ROUNDS_MAX], http[ROUNDS_MAX], more[ROUNDS_MAX];
	for (u32 i = 0; i < WARM_UP + rounds; i++) {
		u32 k = i < WARM_UP ? 0 : i - WARM_UP;
		own[k] = ask_directly(s, 2 * i);
		http[k] = ask_http(fd, model, 2 * i + 1);
		if (own[k] < 0 || http[k] < 0)
			return fprintf(stderr, "bench_first: round %u failed\n", i), 1;
		more[k] = http[k] - own[k];
	}
	f64 a = bench_median(own, rounds), b = bench_median(http, rounds), d = bench_median(more, rounds);
	printf("first token, medians of %u rounds in turns: own session %.3f ms, HTTP %.3f ms; added %.3f ms "
	       "(90 %% below %.3f)\n",
		rounds, a * 1e3, b * 1e3, d * 1e3, more[rounds * 9 / 10] * 1e3);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return fprintf(stderr, "usage: bench_first ROOT MODEL [ROUNDS]\n"), 2;
	u32 rounds = argc > 3 ? (u32)strtoul(argv[3], NULL, 10) : 300;
	struct cli c = { .root = argv[1], .root_given = true };
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_session_ struct session s = SESSION_NONE;
	_cleanup_fd_ int fd = http_connect(argv[1]);
	out_init();
	if (rounds < 1 || rounds > ROUNDS_MAX || fd < 0 || ctl_open(&c, &k) ||
		session_open(&k, &(struct session_want){ .model = argv[2] }, &s))
		return fprintf(stderr, "bench_first: %s: nobody serves there\n", argv[1]), 1;
	return measure(&s, fd, argv[2], rounds);
}
