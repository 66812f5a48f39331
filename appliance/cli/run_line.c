#define _GNU_SOURCE
#include "cli/run_line.h"
#include "base/limits.h"
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#define HISTORY_LINES 1000
#define PASTE_ON      "\033[?2004h" /* the terminal says where what is pasted begins and ends */
#define PASTE_OFF     "\033[?2004l"
#define PASTE_END     L"\033[201~"

struct run_line {
	EditLine *el;
	History *history;
	char path[PATH_MAX]; /* "" where nothing is kept */
	char prompt[CHAT_NAME_BYTES_MAX + 64];
	bool interrupted;
	sigset_t
		waiting; /* held back while we wait for a key; SIGINT is not, and elsewhere is, so none is lost */
	bool failed;	 /* the history could not be written; that was said */
};

/* ---- the history's file -------------------------------------------------------------------------------------------------- */

/* $XDG_STATE_HOME/keep/history; "" where nothing says where. */
static void history_path(char *path)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char dir[PATH_MAX] = "";
	int n = -1;
	path[0] = 0;
	if (state && *state)
		n = snprintf(dir, sizeof dir, "%s/keep", state);
	else if (home && *home)
		n = snprintf(dir, sizeof dir, "%s/.local/state/keep", home);
	if (n <= 0 || n + 9 > PATH_MAX)
		return;
	for (char *s = dir + 1; *s; s++)
		if (*s == '/') {
			*s = 0;
			(void)mkdir(dir, 0700);
			*s = '/';
		}
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		snprintf(path, PATH_MAX, "%.*s/history", PATH_MAX - 16, dir);
}

static int history_read(struct run_line *l)
{
	HistEvent ev;
	_cleanup_fd_ int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	return st.st_size && history(l->history, &ev, H_LOAD, l->path) < 0 ? -EINVAL : 0;
}

/* Whole, each time: who ends us has lost nothing. */
static int history_write(struct run_line *l)
{
	HistEvent ev;
	int fd = open(l->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 || fchmod(fd, 0600) < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		int e = errno;
		if (fd >= 0)
			close(fd);
		return -e;
	}
	bool ok = history(l->history, &ev, H_SAVE_FP, f) >= 0;
	return fclose(f) || !ok ? -EIO : 0;
}

static void history_lost(struct run_line *l, const char *what, int r)
{
	out_say("%s: %s: %s; what is typed is remembered until the end", l->path, what, out_reason(r));
	l->path[0] = 0;
}

static void remember(struct run_line *l, const char *text)
{
	HistEvent ev;
	if (!l || text[0] == ' ' || !text[strspn(text, " \t\n")] ||
		history(l->history, &ev, H_ENTER, text) < 0)
		return;
	int r = l->path[0] ? history_write(l) : 0;
	if (r)
		history_lost(l, "cannot be written", r);
}

/* ---- the terminal -------------------------------------------------------------------------------------------------------- */

static char *prompt_of(EditLine *el)
{
	struct run_line *l = NULL;
	el_get(el, EL_CLIENTDATA, &l);
	return l->prompt;
}

/* One character. An interrupt ends the line. */
static int get_char(EditLine *el, wchar_t *ret)
{
	struct run_line *l = NULL;
	mbstate_t st = { 0 };
	el_get(el, EL_CLIENTDATA, &l);
	for (;;) {
		char c;
		struct pollfd key = { 0, POLLIN, 0 };
		ssize_t n = ppoll(&key, 1, NULL, &l->waiting);
		n = n < 0 ? n : read(0, &c, 1);
		if (n < 0 && errno == EINTR)
			l->interrupted = true;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		size_t k = mbrtowc(ret, &c, 1, &st);
		if (k == (size_t)-1) { /* no character: it is left out */
			st = (mbstate_t){ 0 };
			continue;
		}
		if (k != (size_t)-2)
			return 1;
	}
}

/* What is pasted goes into the line as it is, but for control characters, and is no command whatever it holds. */
static unsigned char paste(EditLine *el, int ch)
{
	const size_t end = wcslen(PASTE_END);
	size_t n = 0, cap = 1024;
	wchar_t *s = malloc(cap * sizeof *s), c;
	(void)ch;
	while (s && n < REQUEST_BYTES_MAX && el_wgetc(el, &c) == 1) {
		if (n + 2 >= cap) {
			wchar_t *p = realloc(s, (cap *= 2) * sizeof *s);
			if (!p)
				break;
			s = p;
		}
		s[n++] = c == L'\r' ? L'\n' : c;
		if (n >= end && !wmemcmp(s + n - end, PASTE_END, end)) {
			n -= end;
			break;
		}
	}
	size_t k = 0;
	for (size_t i = 0; s && i < n; i++)
		if (s[i] == L'\n' || s[i] == L'\t' || (s[i] >= 0x20 && s[i] != 0x7f))
			s[k++] = s[i];
	while (k && s[k - 1] == L'\n')
		k--;
	if (s)
		s[k] = 0;
	bool ok = s && k && el_winsertstr(el, s) == 0;
	free(s);
	return ok ? CC_REFRESH : CC_ERROR;
}

static bool begin(struct run_line *l)
{
	HistEvent ev;
	/* characters of several bytes are one, whatever the locale is called */
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		(void)setlocale(LC_CTYPE, "C.UTF-8");
	l->el = el_init("keep", stdin, stderr, stderr);
	l->history = history_init();
	if (!l->el || !l->history || history(l->history, &ev, H_SETSIZE, HISTORY_LINES) < 0)
		return false;
	(void)history(l->history, &ev, H_SETUNIQUE, 1);
	el_set(l->el, EL_CLIENTDATA, l);
	el_set(l->el, EL_PROMPT_ESC, prompt_of, '\1');
	el_set(l->el, EL_EDITOR, "emacs");
	el_set(l->el, EL_SIGNAL, 0);
	el_set(l->el, EL_GETCFN, get_char);
	el_set(l->el, EL_HIST, history, l->history);
	el_set(l->el, EL_ADDFN, "keep-paste", "what the terminal says is pasted", paste);
	static const char *const keys[][2] = { { "\\e[200~", "keep-paste" }, { "^R", "em-inc-search-prev" },
		{ "\\e[1;5C", "em-next-word" }, { "\\e[1;5D", "ed-prev-word" },
		{ "\\e[3~", "ed-delete-next-char" }, { "\\e[H", "ed-move-to-beg" },
		{ "\\e[F", "ed-move-to-end" }, { "^W", "ed-delete-prev-word" } };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		el_set(l->el, EL_BIND, keys[i][0], keys[i][1], NULL);
	return true;
}

int run_line_open(bool keep, struct run_line **ret)
{
	const char *term = getenv("TERM");
	*ret = NULL;
	if (!out_tty(0) || !out_tty(2) || !term || !*term || !strcmp(term, "dumb"))
		return 0;
	struct run_line *l = calloc(1, sizeof *l);
	if (!l || !begin(l)) {
		run_line_close(l);
		return out_fail(CLI_UNDECIDED, "the terminal: out of memory");
	}
	if (keep)
		history_path(l->path);
	int r = l->path[0] ? history_read(l) : 0;
	if (r)
		history_lost(l, "cannot be read", r);
	*ret = l;
	return 0;
}

struct run_line *run_line_close(struct run_line *l)
{
	if (!l)
		return NULL;
	if (l->el)
		el_end(l->el);
	if (l->history)
		history_end(l->history);
	free(l);
	return NULL;
}

/* ---- lines --------------------------------------------------------------------------------------------------------------- */

static void on_interrupt(int sig)
{
	(void)sig; /* only ends the read */
}

static int read_plain(const char *prompt, char **ret)
{
	char *line = NULL;
	size_t cap = 0;
	if (out_tty(0)) {
		fflush(stdout);
		fprintf(stderr, "%s%s%s ", out_style(2, OUT_BOLD), prompt, out_style(2, OUT_PLAIN));
	}
	errno = 0;
	ssize_t n = getline(&line, &cap, stdin);
	int e = errno;
	if (n < 0) {
		free(line);
		if (e == EINTR)
			clearerr(stdin);
		return e == EINTR ? 2 : 1;
	}
	line[n - (line[n - 1] == '\n')] = 0;
	*ret = line;
	return 0;
}

static int read_edited(struct run_line *l, const char *prompt, char **ret)
{
	int n = 0;
	const char *bold = out_style(2, OUT_BOLD), *plain = out_style(2, OUT_PLAIN);
	snprintf(l->prompt, sizeof l->prompt, *bold ? "\1%s\1%s\1%s\1 " : "%s%s%s ", bold, prompt, plain);
	l->interrupted = false;
	fflush(stdout);
	el_resize(l->el);
	el_set(l->el, EL_PREP_TERM, 1); /* before the prompt: a key beside it is not the line discipline's */
	fputs(PASTE_ON, stderr);
	fflush(stderr);
	sigset_t interrupt, old;
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(SIG_BLOCK, &interrupt, &old);
	l->waiting = old;
	const char *s = el_gets(l->el, &n);
	sigprocmask(SIG_SETMASK, &old, NULL);
	fputs(PASTE_OFF, stderr);
	fflush(stderr);
	if (!s || n <= 0)
		return l->interrupted ? 2 : 1;
	*ret = strndup(s, (size_t)n - (s[n - 1] == '\n'));
	return *ret ? 0 : out_fail(CLI_UNDECIDED, "out of memory");
}

int run_line_read(struct run_line *l, const char *prompt, char **ret)
{
	struct sigaction now = { .sa_handler = on_interrupt }, old;
	sigaction(SIGINT, &now, &old);
	int r = l ? read_edited(l, prompt, ret) : read_plain(prompt, ret);
	sigaction(SIGINT, &old, NULL);
	if (r == 2)
		fputc('\n', stderr);
	return r;
}

/* Is more to come behind this line? Takes away what says so. inside: between two """. */
static bool goes_on(char *line, bool *inside)
{
	size_t n = strlen(line);
	if (*inside) {
		*inside = n < 3 || strcmp(line + n - 3, "\"\"\"") != 0;
		if (!*inside)
			line[n - 3] = 0;
		return *inside;
	}
	if (n && line[n - 1] == '\\') {
		line[n - 1] = 0;
		return true;
	}
	return false;
}

int run_line_message(struct run_line *l, const char *prompt, char **ret)
{
	struct text all = { 0 };
	bool inside = false, inside_was = false, more = true, first = true;
	int r = 0;
	for (; more; first = false) {
		_cleanup_free_ char *line = NULL;
		r = run_line_read(l, first ? prompt : "...", &line);
		if (r == 1 && !first)
			break; /* the end of input ends it too */
		if (r) {
			free(all.p);
			return r;
		}
		char *s = line;
		if (first && !strncmp(line, "\"\"\"", 3)) {
			inside = inside_was = true;
			s += 3;
		}
		more = goes_on(s, &inside);
		bool begun = first && inside && !*s; /* """ alone on its line */
		if (!text_add(&all, s, strlen(s)) || (more && !begun && !text_add(&all, "\n", 1))) {
			free(all.p);
			return out_fail(CLI_UNDECIDED, "out of memory");
		}
	}
	if (!all.p)
		return 1;
	if (inside_was && all.n && all.p[all.n - 1] == '\n') /* the last """ stood alone */
		all.p[--all.n] = 0;
	remember(l, all.p);
	*ret = all.p;
	return 0;
}
