/* Inside of chat: the Jinja interpreter. A template is read into tokens (jinja_lex.c), those into a tree (jinja_parse.c,
 * jinja_expr.c), and the tree is walked (jinja_eval.c expressions, jinja_exec.c statements) over values (jinja_value.c) that can do nothing but be read.
 *
 * Every byte of every string knows whether a user wrote it. What an operation puts together keeps the marks of its parts. */
#pragma once

#include "base/arena.h"
#include "base/limits.h"
#include "base/types.h"

/* ---- values -------------------------------------------------------------------------------------------------------------- */

struct chat_val;

struct chat_str {
	const char *p;
	const u8 *mark; /* of each byte: 1 a user wrote it; NULL: all of it is as `user` says */
	u32 len;
	bool user;
};

struct chat_list {
	struct chat_val *v;
	u32 n, cap;
	bool user; /* read from JSON of a user: so are its brackets, when it is written again */
};

/* In the order of insertion, as in Python. Key i is kv[2 * i], its value kv[2 * i + 1]. */
struct chat_dict {
	struct chat_val *kv;
	u32 n, cap;
	bool user; /* as of a list */
};

enum chat_kind {
	CHAT_MISSING = 0, /* an argument that was not given; never a value of a template */
	CHAT_UNDEFINED,
	CHAT_NONE,
	CHAT_BOOL,
	CHAT_INT,
	CHAT_FLOAT,
	CHAT_STR,
	CHAT_LIST,
	CHAT_TUPLE,
	CHAT_DICT,
	CHAT_NAMESPACE,
	CHAT_LOOP,
	CHAT_MACRO,
	CHAT_FUNC,   /* a function of ours */
	CHAT_METHOD, /* a function of ours with the value it was taken from */
};

struct chat_val {
	enum chat_kind kind;
	union {
		bool b;
		i64 i;
		f64 f;
		struct chat_str s; /* CHAT_UNDEFINED: the name that was looked for */
		struct chat_list *list;
		struct chat_dict *dict;
		struct chat_loop *loop;
		const struct chat_macro *macro;
		const struct chat_func *func;
		const struct chat_method *method;
	};
};

struct chat_method {
	const struct chat_func *func;
	struct chat_val self;
};

/* ---- the tree ------------------------------------------------------------------------------------------------------------ */

enum chat_op {
	/* statements */
	N_DATA,
	N_OUTPUT,
	N_IF,
	N_ARM,
	N_FOR,
	N_SET,
	N_SET_BLOCK,
	N_MACRO,
	N_BREAK,
	N_CONTINUE,
	N_FILTER,
	N_GENERATION,
	N_DO,
	/* expressions */
	E_CONST,
	E_NAME,
	E_LIST,
	E_TUPLE,
	E_DICT,
	E_ATTR,
	E_ITEM,
	E_SLICE,
	E_CALL,
	E_FILTER,
	E_TEST,
	E_BODY, /* what a filter block or block set has printed */
	E_NOT,
	E_NEG,
	E_POS,
	E_AND,
	E_OR,
	E_COND,
	E_COMPARE,
	E_OPERAND,
	E_BINARY,
	E_CONCAT,
};

struct chat_node {
	enum chat_op op;
	u32 line;
	u16 depth; /* of the tree below */
	u8 sub;	   /* E_BINARY, E_OPERAND: the operator's token; E_TEST: 1 "is not" */
	struct chat_node *a, *b, *c;
	struct chat_node **list; /* elements, arguments, arms, parameters; E_DICT: keys and values in turn */
	struct chat_node **body, **other;
	struct chat_node **kw; /* keyword arguments: their names are in the nodes' `key` */
	u32 n, n_body, n_other, n_kw;
	struct chat_str name, key;
	struct chat_val val;
	const struct chat_func *func;
};

/* ---- a run --------------------------------------------------------------------------------------------------------------- */

struct chat_var {
	struct chat_str name;
	struct chat_val val;
};

/* Names of one scope. Only a loop's iteration, a macro and a block that is captured make one. */
struct chat_frame {
	struct chat_frame *up;
	struct chat_var *var;
	u32 n, cap;
	bool kept; /* a macro was defined below: the frame may be needed later */
};

struct chat_macro {
	const struct chat_node *node;
	struct chat_frame *frame; /* where it was defined */
};

struct chat_loop {
	const struct chat_val *v;
	u32 i, n;
};

/* Text under construction. */
struct chat_buf {
	char *p;
	u8 *mark;
	u32 n, cap;
	bool any_user, any_trusted;
};

struct chat_run {
	struct arena a;
	int err; /* 0; 1 why[] says; -ENOMEM */
	char why[256];
	u32 line;  /* being run */
	u64 steps; /* done, of TEMPLATE_STEPS_MAX */
	u32 depth; /* of nested evaluations and macros */
	i64 now;
	struct chat_frame *frame;
	struct chat_buf *out;
	const struct chat_val *body; /* of E_BODY */
	enum { CHAT_GO, CHAT_BREAK, CHAT_CONTINUE } jump;
};

/* All that return bool return false after a failure that is noted in the run. */

/* Notes the first failure, with the line being run. Always false. */
_printf_(2, 3) bool chat_fail(struct chat_run *r, const char *fmt, ...);
void *chat_alloc(struct chat_run *r, size_t n); /* zeroed; NULL: noted */
/* One step and the handling of n bytes or elements. */
bool chat_charge(struct chat_run *r, u64 n);
bool chat_enter(struct chat_run *r); /* one level deeper; undone by chat_leave also after false */
void chat_leave(struct chat_run *r);

/* ---- jinja_str.c, jinja_value.c ------------------------------------------------------------------------------------------ */

#define CHAT_S(text) ((struct chat_str){ .p = (text), .len = sizeof(text) - 1 })
#define CHAT_LEN_MAX (1u << 30) /* bytes of one string; memory runs out long before */

struct chat_str chat_cstr(const char *s); /* trusted */
struct chat_str chat_str_cut(struct chat_str s, u32 from, u32 to);
bool chat_str_is(struct chat_str s, const char *text);
bool chat_str_eq(struct chat_str a, struct chat_str b);
bool chat_byte_user(struct chat_str s, u32 at);
/* Where needle begins in s from byte `from` on, or s.len + 1. */
u32 chat_str_find(struct chat_str s, struct chat_str needle, u32 from);
u32 chat_char_len(struct chat_str s, u32 at); /* bytes of the character at byte `at` */
u32 chat_str_chars(struct chat_str s);
bool chat_is_space(struct chat_str s, u32 at); /* the character at byte `at` is one that Python strips */
struct chat_str chat_str_strip(struct chat_str s, const struct chat_str *set, bool left, bool right);

struct chat_val chat_undefined(struct chat_str name);
struct chat_val chat_none(void);
struct chat_val chat_bool(bool b);
struct chat_val chat_int(i64 i);
struct chat_val chat_float(f64 f);
struct chat_val chat_text(struct chat_str s);
bool chat_list_new(struct chat_run *r, enum chat_kind kind, struct chat_val *ret);
bool chat_list_add(struct chat_run *r, struct chat_list *l, struct chat_val v);
bool chat_dict_new(struct chat_run *r, enum chat_kind kind, struct chat_val *ret);
bool chat_dict_set(struct chat_run *r, struct chat_dict *d, struct chat_val key, struct chat_val v);
/* *ret_v is NULL if there is no such key. */
bool chat_dict_get(
	struct chat_run *r, const struct chat_dict *d, struct chat_val key, struct chat_val **ret_v);
bool chat_dict_put(struct chat_run *r, struct chat_dict *d, const char *key, struct chat_val v);

const char *chat_kind_name(enum chat_kind k);
bool chat_truth(const struct chat_val *v);
bool chat_number(const struct chat_val *v, f64 *ret);  /* false, nothing noted: not a number or bool */
bool chat_integer(const struct chat_val *v, i64 *ret); /* int or bool */
bool chat_equal(struct chat_run *r, const struct chat_val *a, const struct chat_val *b, bool *ret);
/* <0, 0, >0 as a is less, equal, greater. fold: strings without regard to case. */
bool chat_compare(
	struct chat_run *r, const struct chat_val *a, const struct chat_val *b, bool fold, int *ret);
bool chat_length(struct chat_run *r, const struct chat_val *v, i64 *ret);
/* The elements that a loop would see. */
bool chat_elements(struct chat_run *r, const struct chat_val *v, const struct chat_val **ret, u32 *ret_n);
bool chat_contains(struct chat_run *r, const struct chat_val *in, const struct chat_val *what, bool *ret);

bool chat_buf_add(struct chat_run *r, struct chat_buf *b, struct chat_str s);
bool chat_buf_text(struct chat_run *r, struct chat_buf *b, const char *text); /* trusted */
struct chat_str chat_buf_str(const struct chat_buf *b);
/* As Python's str() and, for quoted, repr(). */
bool chat_print(struct chat_run *r, struct chat_buf *b, const struct chat_val *v, bool quoted);
bool chat_str_of(struct chat_run *r, const struct chat_val *v, struct chat_str *ret);
void chat_float_text(f64 f, char out[40]);

/* ---- functions of ours --------------------------------------------------------------------------------------------------- */

#define CHAT_PARAMS_MAX 4u

struct chat_call {
	struct chat_val self; /* what a filter, test or method is applied to */
	struct chat_val
		arg[CHAT_PARAMS_MAX]; /* by the order of the parameters; CHAT_MISSING where not given */
	/* as written */
	const struct chat_val *v;
	u32 n;
	const struct chat_str *kw_name;
	const struct chat_val *kw;
	u32 n_kw;
};

struct chat_func {
	const char *name;
	const char *params; /* "a,b": what may be given, in this order; "*": anything */
	u32 need;	    /* so many must be given */
	bool (*fn)(struct chat_run *r, const struct chat_call *c, struct chat_val *ret);
};

/* Sort the arguments into the parameters and call. */
bool chat_func_call(struct chat_run *r, const struct chat_func *f, struct chat_call *c, struct chat_val *ret);
const struct chat_func *chat_func_in(const struct chat_func *table, size_t n, struct chat_str name);
const struct chat_func *chat_filter_find(struct chat_str name); /* jinja_filter.c; NULL: no such filter */
const struct chat_func *chat_filter_seq_find(
	struct chat_str name); /* jinja_filter_seq.c: the part of it that is about sequences */
const struct chat_func *chat_test_find(struct chat_str name);			     /* jinja_func.c */
const struct chat_func *chat_method_find(enum chat_kind kind, struct chat_str name); /* jinja_method.c */
const struct chat_func *chat_global_find(struct chat_str name);			     /* jinja_func.c */
/* v.name or v[name] as templates say it: element, key or undefined. */
bool chat_attr(struct chat_run *r, const struct chat_val *v, struct chat_str name, struct chat_val *ret);
bool chat_item(
	struct chat_run *r, const struct chat_val *v, const struct chat_val *key, struct chat_val *ret);
/* chat.c: a run of its own memory; what came of it for the caller: 0, 1 with the reason in his arena, -ENOMEM. */
void chat_run_init(struct chat_run *r, struct chat_frame *frame, struct chat_buf *out);
_must_use_ int chat_run_outcome(const struct chat_run *r, struct arena *a, const char **ret_why);
/* tools.c: JSON of a user as a value; what: its name, for the reason. */
bool chat_json_read(struct chat_run *r, const char *what, const char *json, size_t len, struct chat_val *ret);
const struct chat_val *chat_member(
	const struct chat_val *v, const char *key); /* NULL: no such key, no mapping */
/* jinja_json.c */
bool chat_tojson(struct chat_run *r, const struct chat_call *c, struct chat_val *ret);
bool chat_fromjson(struct chat_run *r, const struct chat_call *c, struct chat_val *ret);

/* ---- steps of a render --------------------------------------------------------------------------------------------------- */

enum chat_token_type {
	T_END,
	T_DATA,
	T_VAR_BEGIN,
	T_VAR_END,
	T_BLOCK_BEGIN,
	T_BLOCK_END,
	T_NAME,
	T_STRING,
	T_INT,
	T_FLOAT,
	T_OP
};

/* Operators of two characters; those of one are their character. */
enum { OP_EQ = 1, OP_NE, OP_LE, OP_GE, OP_FLOORDIV, OP_POW, OP_IN, OP_NOT_IN };

struct chat_token {
	enum chat_token_type type;
	u32 line;
	u8 op;
	struct chat_str text; /* strings: what they stand for */
	i64 i;
	f64 f;
};

bool chat_lex(struct chat_run *r, const char *source, size_t len, struct chat_token **ret);
bool chat_parse(struct chat_run *r, const struct chat_token *t, struct chat_node ***ret, u32 *ret_n);
bool chat_eval(struct chat_run *r, const struct chat_node *n, struct chat_val *ret);
/* jinja_arith.c: nodes of two operands, of a sign, of ~ */
bool chat_eval_binary(struct chat_run *r, const struct chat_node *n, struct chat_val *ret);
bool chat_eval_sign(struct chat_run *r, const struct chat_node *n, struct chat_val *ret);
bool chat_eval_concat(struct chat_run *r, const struct chat_node *n, struct chat_val *ret);
bool chat_exec(struct chat_run *r, struct chat_node *const *body, u32 n);
bool chat_macro_call(
	struct chat_run *r, const struct chat_macro *m, const struct chat_call *c, struct chat_val *ret);
bool chat_var_set(struct chat_run *r, struct chat_frame *f, struct chat_str name, struct chat_val v);
