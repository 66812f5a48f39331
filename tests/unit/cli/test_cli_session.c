/* What the CLI does with frames from keepd and the runtime: the other ends are socket pairs that this test fills beforehand. */
#define _GNU_SOURCE
#include "base/ipc.h"
#include "cli/ask.h"
#include "cli/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka last
#include <cmocka.h>

struct rig {
	struct ctl ctl;
	struct session s;
	int keepd, runtime; /* the other ends */
	u8 *blob;
	size_t len;
	u32 n_tokens; /* seen */
	struct session_result res;
};

static void put(int fd, u32 type, u64 id, const void *body, u32 len, int pass)
{
	assert_int_equal(ipc_send(fd, type, id, body, len, pass), 0);
}

static void put_end(struct rig *r, u32 status, u64 index, const char *text)
{
	struct proto_end e = { .status = status, .index = index };
	strcpy(e.text, text);
	put(r->keepd, CTL_END, 1, &e, sizeof e, -1);
}

static void put_done(struct rig *r, u32 finish, const char *why)
{
	struct proto_outcome o = { .finish = finish };
	strcpy(o.why, why);
	put(r->runtime, SESSION_DONE, 1, &o, sizeof o, -1);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);
	r->ctl = (struct ctl)CTL_NONE;
	r->s = (struct session){ .ctl = &r->ctl, .open = { .session = 5, .name = "demo" } };
	assert_int_equal(ipc_pair(&r->ctl.sock, &r->keepd), 0);
	assert_int_equal(ipc_pair(&r->s.sock, &r->runtime), 0);
	const struct request_header h = { .kind = REQUEST_LOGITS, .top_p = 1, .repeat_penalty = 1 };
	assert_int_equal(ask_tokens(&h, "1,2,3", &r->blob, &r->len), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	fd_close(&r->keepd);
	fd_close(&r->runtime);
	session_result_fini(&r->res);
	session_fini(&r->s);
	ctl_close(&r->ctl);
	free(r->blob);
	free(r);
	return 0;
}

static void count(void *ctx, const struct proto_tokens *t)
{
	((struct rig *)ctx)->n_tokens += t->n_tokens;
}

static int go(struct rig *r)
{
	return session_run(&r->s,
		&(struct session_request){ .data = r->blob,
			.len = r->len,
			.replay_of = REPLAY_NONE,
			.on_tokens = count,
			.ctx = r },
		&r->res);
}

static void good(void **state)
{
	struct rig *r = *state;
	struct proto_tokens t = { .n_tokens = TOKENS_PER_FRAME, .text_len = 3, .text = "abc" };
	struct ipc_frame f;
	put_end(r, END_DONE, 17, "");
	put(r->runtime, SESSION_TOKENS, 1, &t, sizeof t, -1);
	put_done(r, FINISH_STOP, "");
	assert_int_equal(go(r), 0);
	assert_int_equal(r->res.index, 17);
	assert_int_equal(r->n_tokens, TOKENS_PER_FRAME);
	/* keepd was shown the sealed request first, with its digest */
	u8 digest[SHA256_BYTES];
	sha256_of(r->blob, r->len, digest);
	assert_int_equal(ipc_recv(r->keepd, &f), 0);
	assert_int_equal(f.h.type, CTL_BEGIN);
	assert_memory_equal(((struct proto_begin *)f.body)->digest, digest, sizeof digest);
	struct fd_map m;
	assert_int_equal(fd_map_sealed(f.fd, REQUEST_BYTES_MAX, &m), 0);
	assert_memory_equal(m.data, r->blob, r->len);
	fd_unmap(&m);
	ipc_frame_fini(&f);
	assert_int_equal(ipc_recv(r->runtime, &f), 0);
	assert_int_equal(f.h.type, SESSION_REQUEST);
	assert_true(f.fd >= 0);
	ipc_frame_fini(&f);
}

static void the_gate_refuses(void **state)
{
	struct rig *r = *state;
	struct ipc_frame f;
	put_end(r, END_REFUSED, UINT64_MAX, "no space");
	assert_int_equal(go(r), CLI_REFUSED);
	fd_close(&r->s.sock);
	assert_int_equal(ipc_recv(r->runtime, &f), 1); /* nothing had been sent to the runtime */
}

static void the_runtime_refuses(void **state)
{
	put_end(*state, END_DONE, 1, "");
	put_done(*state, FINISH_REFUSED, "token 9 is beyond the vocabulary");
	assert_int_equal(go(*state), CLI_REFUSED);
}

static void revoked(void **state)
{
	struct rig *r = *state;
	static const char model[] = "{\"name\":\"demo\",\"status\":\"revoked\"}\n";
	struct proto_data d = { .bytes = sizeof model - 1 };
	int fd;
	put_end(r, END_DONE, 1, "");
	assert_int_equal(fd_memfd_sealed("t", model, sizeof model - 1, &fd), 0);
	put(r->keepd, CTL_DATA, 0, &d, sizeof d, fd);
	close(fd);
	put_end(r, END_DONE, 2, "");
	close(r->runtime);
	r->runtime = -1;
	assert_int_equal(go(r), CLI_REFUSED);
}

static void keepd_dies(void **state)
{
	struct rig *r = *state;
	fd_close(&r->keepd);
	assert_int_equal(go(r), CLI_UNDECIDED);
}

/* Each of these breaks the protocol; nothing is believed of it. */
static void broken_tokens(void **state)
{
	struct rig *r = *state;
	struct proto_tokens t = { .n_tokens = TOKENS_PER_FRAME + 1 };
	put_end(r, END_DONE, 1, "");
	put(r->runtime, SESSION_TOKENS, 1, &t, sizeof t, -1);
	assert_int_equal(go(r), CLI_UNDECIDED);
	assert_int_equal(r->n_tokens, 0);
}

static void broken_text(void **state)
{
	struct rig *r = *state;
	struct proto_tokens t = { .text_len = sizeof t.text + 1 };
	put_end(r, END_DONE, 1, "");
	put(r->runtime, SESSION_TOKENS, 1, &t, sizeof t, -1);
	assert_int_equal(go(r), CLI_UNDECIDED);
}

static void broken_id(void **state)
{
	struct rig *r = *state;
	struct proto_tokens t = { .n_tokens = 1 };
	put_end(r, END_DONE, 1, "");
	put(r->runtime, SESSION_TOKENS, 2, &t, sizeof t, -1);
	assert_int_equal(go(r), CLI_UNDECIDED);
	assert_int_equal(r->n_tokens, 0);
}

static void spent(void **state)
{
	put_end(*state, END_SPENT, 1, "0 of 9 tokens are left");
	assert_int_equal(go(*state), CLI_SPENT);
}

static void again(void **state)
{
	put_end(*state, END_AGAIN, 1, "the quotas were changed");
	assert_int_equal(go(*state), CLI_REFUSED);
}

static void broken_status(void **state)
{
	put_end(*state, END_AGAIN + 1, 1, "");
	assert_int_equal(go(*state), CLI_UNDECIDED);
}

static void unsealed_data(void **state)
{
	struct rig *r = *state;
	struct proto_data d = { .bytes = 1 };
	int p[2];
	struct ctl_answer a = CTL_ANSWER_NONE;
	assert_int_equal(pipe(p), 0);
	put(r->keepd, CTL_DATA, 0, &d, sizeof d, p[0]);
	assert_int_equal(ctl_query(&r->ctl, &(struct ctl_query){ .what = QUERY_STATUS }, &a), CLI_UNDECIDED);
	ctl_answer_fini(&a);
	close(p[0]);
	close(p[1]);
}

static void requests(void **state)
{
	u8 *blob = NULL;
	size_t len;
	const struct request_header h = {
		.kind = REQUEST_GENERATE, .max_tokens = 1, .top_p = 1, .repeat_penalty = 1
	};
	struct request_header bad = h;
	(void)state;
	assert_int_equal(ask_text(&h, REQUEST_TEXT, "\xff", 1, &blob, &len), CLI_REFUSED); /* not UTF-8 */
	bad.temperature = -1;
	assert_int_equal(ask_text(&bad, REQUEST_TEXT, "a", 1, &blob, &len), CLI_REFUSED);
	assert_int_equal(ask_tokens(&h, "1,x", &blob, &len), CLI_USAGE);
	struct ask_sampling how = { .h = h, .stops = { .v = { "stop" }, .n = 1 } };
	struct request r;
	const char *why;
	assert_int_equal(ask_sampled(&how, REQUEST_TEXT, "a", 1, &blob, &len), 0);
	assert_int_equal(request_open(blob, len, &r, &why), 0);
	assert_int_equal(r.h->n_pieces, 1);
	assert_int_equal(r.h->n_stops, 1);
	free(blob);
}

static void json_lines(void **state)
{
	static const char text[] = "{\"a\":\"x\",\"n\":5,\"t\":true,\"h\":\"0123456789abcdef\"}\n{\"n\":"
				   "18446744073709551615}\n{]\n";
	struct fd_map m = { (const u8 *)text, sizeof text - 1 };
	struct lines l = lines_of(&m);
	bool bad = false;
	(void)state;
	json_t *j = lines_next(&l, &bad);
	assert_non_null(j);
	assert_string_equal(lines_cell(j, "a").s, "x");
	assert_string_equal(lines_cell(j, "n").s, "5");
	assert_string_equal(lines_cell(j, "t").s, "yes");
	assert_string_equal(lines_cell(j, "none").s, "");
	assert_string_equal(lines_short(j, "h").s, "0123456789ab");
	assert_int_equal(lines_u64(j, "n"), 5);
	json_decref(j);
	j = lines_next(&l, &bad); /* beyond what the reader's integers hold: read as a real */
	assert_non_null(j);
	json_decref(j);
	assert_null(lines_next(&l, &bad));
	assert_true(bad);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { CASE(good), CASE(the_gate_refuses), CASE(the_runtime_refuses),
		CASE(revoked), CASE(keepd_dies), CASE(broken_tokens), CASE(broken_text), CASE(broken_id),
		CASE(spent), CASE(again), CASE(broken_status), CASE(unsealed_data),
		cmocka_unit_test(requests), cmocka_unit_test(json_lines) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
