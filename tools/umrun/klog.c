// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel log: written to a file as it comes, watched for complaints. Its
 * text explains a verdict; it decides one only where the kernel keeps no other
 * trace, and then only if the very text is in the kernel's own log buffer.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "umrun.h"

#define FILE_MAX (64 << 20)	/* bytes of log kept in the file */
#define LINES_MAX 4096		/* lines kept in memory */
#define LOGS_KEPT 200		/* files in build/log */
#define STORY_LINES 60		/* printed of a complaint at the most */

struct klog {
	char *path;
	int file;
	size_t bytes;		/* seen so far */
	char *lines[LINES_MAX];	/* a ring */
	size_t count;		/* lines seen so far */
	char *partial;		/* the line that has not ended yet */
	size_t partial_len;
	char *story[STORY_LINES];	/* the first complaint, and what followed */
	size_t story_len;
	bool accused;		/* a complaint that decides by itself was found to be true */
	int memory;		/* the kernel's, or -1 */
	const struct symbols *symbols;
};

/* How the kernel begins its complaints; these explain a verdict. */
static const char *const complaints[] = {
	"BUG: ", "BUG! ", "BUG at ", "WARNING: ", "Kernel panic", "Kernel mode fault", "Oops",
	"KASAN: ", "UBSAN: ", "KFENCE: ", "rcu: INFO: rcu", "INFO: rcu", "INFO: possible",
	"INFO: lockdep", "INFO: trying", "INFO: task ", "general protection", "list_add corruption",
	"list_del corruption", "Misaligned rcu_head", "pagealloc: ", "Attempted to kill init",
	"DEBUG_LOCKS_WARN_ON", "watchdog: ", "ODEBUG: ", "kernel BUG at", "BUG kmalloc", "refcount_t: ",
	"Kernel tried to access user memory", "stack-protector: ", "Failing address",
};

/* The kernel sets no taint for these (mm/memory.c's check_mm(), mm/page_poison.c,
 * lockdep_rcu_suspicious()): their text decides, and is too long to be a program's name. */
static const char *const traceless[] = {
	"BUG: non-zero pgtables_bytes on freeing mm",
	"BUG: Bad rss-counter state",
	"pagealloc: memory corruption",
	"pagealloc: single bit error",
	"BUG: Invalid wait context",
	"WARNING: suspicious RCU usage",
};

static void make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0777) && errno != EEXIST)
			fail("log", path, "%s; give another place with --log", strerror(errno));
		*slash = '/';
	}
}

static int is_log(const struct dirent *e)
{
	return !strncmp(e->d_name, "umrun-", 6);
}

/* The names begin with the time: the first in order are the oldest. */
static void prune(const char *folder)
{
	struct dirent **names;
	int count = scandir(folder, &names, is_log, alphasort);

	for (int i = 0; i < count; i++) {
		char *path = format("%s/%s", folder, names[i]->d_name);

		if (i < count - LOGS_KEPT)
			unlink(path);
		free(path);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

static char *default_path(const struct options *o)
{
	char stamp[32], *folder = project_path("log"), *path;
	char *program = must(strdup(o->argv[0]));
	time_t t = time(NULL);

	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", localtime(&t));
	path = format("%s/umrun-%s-%d-%.40s.log", folder, stamp, getpid(), basename(program));
	make_folders(path);
	prune(folder);
	free(program);
	free(folder);
	return path;
}

/*
 * klog_open - begin the log of a run
 * Ends umrun when its file can't be written.
 */
struct klog *klog_open(const struct options *o)
{
	struct klog *log = must(calloc(1, sizeof(*log)));

	log->memory = -1;
	log->path = o->log ? must(strdup(o->log)) : default_path(o);
	log->file = open(log->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (log->file < 0)
		fail("log", log->path, "%s; give another place with --log", strerror(errno));
	return log;
}

/* klog_attach - complaints can be checked against the kernel's memory from now on */
void klog_attach(struct klog *log, int memory, const struct symbols *s)
{
	log->memory = memory;
	log->symbols = s;
}

/* klog_text - what is behind `[    1.234567] ` or `[    1.234567][   T1] ` */
const char *klog_text(const char *line)
{
	while (*line == '[') {
		const char *end = strchr(line, ']');

		if (!end)
			break;
		line = end + 1 + strspn(end + 1, " ");
	}
	return line;
}

static bool begins(const char *line, const char *const list[], size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strncmp(line, list[i], strlen(list[i])))
			return true;
	return false;
}

#define BEGINS(line, list) begins(line, list, sizeof(list) / sizeof((list)[0]))

static bool alive(const struct klog *log)
{
	uint64_t addr, size;
	char probe;

	return log->memory >= 0 && symbols_find(log->symbols, "__log_buf", &addr, &size) &&
	       kmem_read(log->memory, addr, &probe, 1);
}

/* While the kernel lives, a line that is not in its log buffer is not the
 * kernel's. It may die while this looks. */
static bool is_true(const struct klog *log, const char *text)
{
	return kmem_logged(log->memory, log->symbols, text, strlen(text)) ||
	       !alive(log);
}

static void take_line(struct klog *log, char *line)
{
	const char *text = klog_text(line);

	if (BEGINS(text, traceless) && !log->accused && log->memory >= 0)
		log->accused = kmem_logged(log->memory, log->symbols, text, strlen(text));
	if (log->story_len ? log->story_len < STORY_LINES :
	    BEGINS(text, complaints) && is_true(log, text))
		log->story[log->story_len++] = must(strdup(line));
	free(log->lines[log->count % LINES_MAX]);
	log->lines[log->count++ % LINES_MAX] = line;
}

static void take_bytes(struct klog *log, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] != '\n') {
			log->partial = must(realloc(log->partial, log->partial_len + 2));
			log->partial[log->partial_len++] = buf[i] && buf[i] != '\r' ? buf[i] : ' ';
			log->partial[log->partial_len] = '\0';
		}
		if (log->partial && (buf[i] == '\n' || log->partial_len > 2000)) {
			take_line(log, log->partial);
			log->partial = NULL;
			log->partial_len = 0;
		}
	}
}

static void keep(struct klog *log, const char *buf, size_t len)
{
	static const char cut[] = "\numrun: the log was cut here\n";

	if (log->file < 0)
		return;
	if (log->bytes + len > FILE_MAX || write(log->file, buf, len) < (ssize_t)len) {
		notice("log: %s: %s; the rest is not written", log->path,
		       log->bytes + len > FILE_MAX ? "too long" : strerror(errno));
		if (write(log->file, cut, sizeof(cut) - 1) < 0)
			errno = 0;
		close(log->file);
		log->file = -1;
	}
}

/* klog_read - take what the kernel has written; false: it will write no more */
bool klog_read(struct klog *log, int fd)
{
	char buf[16384];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	keep(log, buf, n);
	log->bytes += n;
	take_bytes(log, buf, n);
	return true;
}

const char *klog_path(const struct klog *log)
{
	return log->path;
}

/* klog_lines - how many there were */
size_t klog_lines(const struct klog *log)
{
	return log->count;
}

/* klog_line - line @number from 0 on, or NULL when it is not there (any more) */
const char *klog_line(const struct klog *log, size_t number)
{
	if (number >= log->count || number + LINES_MAX < log->count)
		return NULL;
	return log->lines[number % LINES_MAX];
}

/* klog_complaint - the first complaint's text without its time stamp, or NULL */
const char *klog_complaint(const struct klog *log)
{
	return log->story_len ? klog_text(log->story[0]) : NULL;
}

/* klog_accused - did the kernel complain in a way that leaves no other trace? */
bool klog_accused(const struct klog *log)
{
	return log->accused;
}

/*
 * klog_frame - the address of a stack frame's line, ` [<600d35b8>] ? 0x00000000600d35b8`
 * @addr: set to it
 * @sure: set to whether the kernel's unwinder vouches for it (no `?`)
 * Returns false when the line is no frame.
 */
bool klog_frame(const char *line, uint64_t *addr, bool *sure)
{
	const char *open = strstr(line, "[<"), *close = open ? strstr(open, ">]") : NULL;
	char *end;

	if (!close)
		return false;
	*addr = strtoull(open + 2, &end, 16);
	*sure = close[2 + strspn(close + 2, " ")] != '?';
	return end == close;
}

static void print_line(const char *line, const struct symbols *s, FILE *to)
{
	bool sure = true;
	uint64_t addr;
	char *text;

	if (!line)
		return;
	if (!klog_frame(line, &addr, &sure))
		text = symbols_resolve_line(s, line);
	else if (!(text = symbols_caller(s, addr)))
		text = must(strdup(line));
	else
		fputs(sure ? "  |   " : "", to);
	if (sure)
		fprintf(to, klog_frame(line, &addr, &sure) ? "%s\n" : "  | %s\n", text);
	free(text);
}

static bool in_trace(const char *line)
{
	const char *text = klog_text(line);

	return *text == ' ' || !strncmp(text, "Call Trace", 10) || isdigit((unsigned char)*text) ||
	       strstr(line, "] [<") || strstr(line, "]  ");
}

/*
 * klog_print_complaint - the first complaint and the backtrace below it
 * @s: names for the addresses in it
 */
void klog_print_complaint(const struct klog *log, const struct symbols *s, FILE *to)
{
	bool trace = false;

	for (size_t i = 0; i < log->story_len; i++) {
		if (strstr(log->story[i], "Call Trace"))
			trace = true;
		else if (trace && !in_trace(log->story[i]))
			break;
		print_line(log->story[i], s, to);
	}
}

/* klog_print_tail - the last @lines lines */
void klog_print_tail(const struct klog *log, const struct symbols *s, size_t lines, FILE *to)
{
	for (size_t i = log->count > lines ? log->count - lines : 0; i < log->count; i++)
		print_line(klog_line(log, i), s, to);
}

/* klog_close - the file is complete */
void klog_close(struct klog *log)
{
	if (log->file >= 0)
		close(log->file);
	log->file = -1;
}
