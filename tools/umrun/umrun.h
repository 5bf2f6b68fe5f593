/* SPDX-License-Identifier: GPL-2.0 */
/*
 * umrun: boots a UML kernel, runs one program inside and ends as it ended.
 *
 *	options.c  what the user asked for		image.c   the initramfs
 *	kernel.c   which kernel that means		deps.c    a program's libraries
 *	limits.c   what this host allows		jail.c    where the kernel runs
 *	root.c     ... and what it sees there		boot.c    its command line
 *	place.c    ... and on which CPU			delay.c   how fast its delay loop is
 *	relay.c    streams, signals, time-out
 *	klog.c     the kernel log			kmem.c    the kernel's memory, symbols
 *	hang.c     where a guest hangs, or died		watch.c   the kernel's last moment
 *	verdict.c  who decided the exit status		result.c  the JSON of --result
 *	debug.c    --gdb				attach.c  --attach
 *	announce.c how --attach finds a run		debugger.c if somebody attached one
 *	onfail.c   --gdb-on-fail				proc.c    the host's /proc
 */
#ifndef UMRUN_H
#define UMRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../../rootfs/proto.h"

/* Exit statuses of umrun's own; everything else is the program's. */
enum {
	EXIT_TIMEOUT = 124,
	EXIT_UMRUN = 125,
	EXIT_KERNEL = 126,
	EXIT_SIGNAL = 128,	/* plus the signal's number */
};

struct options {
	const char *point, *flavour, *kernel;
	int cpus;
	uint64_t mem;		/* bytes */
	uint64_t disk;		/* bytes of the scratch disk; 0: none */
	double timeout;		/* seconds; 0: none */
	const char *share, *share_ro;	/* host folders or NULL */
	const char *append;	/* more of the kernel's command line */
	const char *log, *result;	/* files, or NULL */
	char **env;		/* NAME=VALUE for the program */
	size_t env_len;
	bool dry_run, gdb, on_fail, attach, doctor, allow_warn;
	pid_t attach_pid;	/* to which run, or 0 */
	char **gdb_args;	/* further arguments for gdb */
	size_t gdb_args_len;
	bool gdb_machine;	/* gdb's stdout is for a program: its interpreter is mi or dap */
	int argc;
	char **argv;		/* the program and its arguments */
};

/* The kernel to boot, and what its build left beside it. */
struct kernel {
	char *file;		/* absolute path of `linux` */
	char *dir;		/* its folder, the O= of its build */
	char *point, *flavour, *compiler, *config_sha256, *release;
	char *source;		/* its source folder, or NULL */
	char *append;		/* what its flavour wants on the command line, or NULL */
};

struct symbols;			/* of a kernel; kmem.c */

/* The processes of a run. */
struct jail {
	pid_t init;		/* PID 1 of the namespace; killing it kills all */
	pid_t kernel;		/* UML itself, as the host numbers it; 0: not known yet */
	int channel;		/* the serial line's host end */
	int log;		/* the kernel's console, read end */
	int report;		/* what happens to UML arrives here: jail_news() */
};

/* How the run went, in the order in which it is found out. */
struct outcome {
	bool hello, started, exited, done;	/* what PID 1 has told */
	int noexec;		/* errno of the failed exec, or 0 */
	int status;		/* the program's wait status, once exited */
	bool kernel_ended;
	int kernel_status;	/* UML's wait status, once kernel_ended */
	bool timed_out;
	bool rebooted;		/* PID 1 started a second time */
	bool ended;		/* the program ended; its output may still be under way */
	bool stuck;		/* the kernel did not power off in time */
	bool seen_off;		/* its memory was read once more when it ended */
	int lost;		/* errno of a failed write of the program's output, or 0 */
	int stopped_by;		/* a signal to umrun that ended the run, or 0 */
	uint64_t taint;		/* complaint bits, see verdict.c */
	bool locks_off;		/* lockdep or a lock check reported */
	uint32_t stalls;	/* RCU stalls */
	bool looked;		/* the kernel's memory was read at the end */
	char *report;		/* what --gdb-on-fail stopped at, or NULL */
	bool shown;		/* ... and the user has seen it */
	double t_hello, t_exit, t_end;	/* seconds since the start */
	long max_rss;		/* KiB that the largest process of the run had at once: the kernel, with guest memory */
};

/* Who decided the exit status, and why. */
struct verdict {
	int exit;
	const char *decided_by;	/* "program", "signal", "time-out", "umrun", "kernel" */
	char *why;		/* one line */
};

/* options.c */
void options_parse(struct options *o, int argc, char **argv);

/* say.c */
_Noreturn void fail(const char *what, const char *value, const char *todo, ...)
	__attribute__((format(printf, 3, 4)));
void notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mid_line(bool is);
char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *must(void *p);
double now(void);

/* project.c */
char *project_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* kernel.c */
struct kernel kernel_find(const struct options *o);

/* limits.c */
struct klog;
void limits_begin(const struct options *o);
void limits_end(const struct klog *log);
int limits_print(const struct options *o);

/* deps.c */
struct strings {
	char **list;
	size_t len;
};
void strings_add(struct strings *s, const char *text);
bool strings_have(const struct strings *s, const char *text);
void deps_collect(const char *program, const char *rootfs, struct strings *files);

/* image.c */
/* Where programs are looked for inside. */
#define IMAGE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
char *image_search(const char *prefix, const char *path, const char *name);
int image_build(const struct options *o, const struct proto_orders *orders);

/* boot.c */
struct strings boot_args(const struct options *o, const struct kernel *k);
void boot_print(const struct strings *args);

/* delay.c */
unsigned long delay_per_jiffy(void);

/* root.c: what the kernel's process needs of the host, all paths absolute */
#define DISK_FILE "/disk/scratch"	/* the scratch disk, in the kernel's root */

struct cell {
	unsigned long long mem;	/* bytes of guest memory */
	unsigned long long disk;	/* bytes of the scratch disk, or 0 */
	const char *kernel;	/* its file */
	const char *share, *share_ro;	/* host folders, or "" */
	int cpu;		/* of the host, to stay on; -1: any */
	int image;		/* descriptor of the initramfs */
	int channel, log;	/* descriptors that become UML's 3, and 1 and 2 */
	int report;		/* a socket to umrun, see jail.c */
};
_Noreturn void root_enter(const struct cell *c, char **argv);

/* place.c */
int place_take(const struct options *o);
void place_stay(int cpu);

/* watch.c */
bool watch_begin(pid_t kernel);
bool watch_step(pid_t kernel);
void watch_end(pid_t kernel);

/* jail.c */
typedef void jail_enter(const struct cell *c, char **argv);
struct jail jail_start(const struct options *o, const struct kernel *k,
		       const struct strings *args, int image, jail_enter *enter);
void jail_kill(struct jail *j);
_Noreturn void jail_report_error(int report, const char *what, const char *value);
void jail_report_start(int report);

enum jail_news { JAIL_NONE, JAIL_KERNEL, JAIL_ENDED, JAIL_FAILED };
enum jail_news jail_news(struct jail *j, int *status);

/* klog.c */
struct klog;
struct klog *klog_open(const struct options *o);
void klog_attach(struct klog *log, int memory, const struct symbols *s);
bool klog_read(struct klog *log, int fd);
const char *klog_path(const struct klog *log);
const char *klog_complaint(const struct klog *log);
bool klog_accused(const struct klog *log);
const char *klog_line(const struct klog *log, size_t number);
const char *klog_text(const char *line);
bool klog_frame(const char *line, uint64_t *addr, bool *sure);
size_t klog_lines(const struct klog *log);
void klog_print_complaint(const struct klog *log, const struct symbols *s, FILE *to);
void klog_print_tail(const struct klog *log, const struct symbols *s, size_t lines, FILE *to);
void klog_close(struct klog *log);

/* kmem.c */
struct symbols *symbols_open(const char *vmlinux);
bool symbols_find(const struct symbols *s, const char *name, uint64_t *addr, uint64_t *size);
char *symbols_name(const struct symbols *s, uint64_t addr);
char *symbols_caller(const struct symbols *s, uint64_t addr);
char *symbols_resolve_line(const struct symbols *s, const char *line);
int kmem_open(pid_t kernel);
bool kmem_read(int memory, uint64_t addr, void *buf, size_t len);
bool kmem_logged(int memory, const struct symbols *s, const char *text, size_t len);

/* hang.c */
void hang_explain(const struct jail *j, struct klog *log, const struct symbols *s, bool traced);
void hang_last(pid_t kernel, int memory, const struct symbols *s);

/* relay.c */
void relay_run(struct jail *j, const struct options *o, const struct proto_orders *orders,
	       struct klog *log, const struct symbols *s, struct outcome *out);

/* verdict.c */
void verdict_look(struct outcome *out, int memory, const struct symbols *s);
struct verdict verdict_decide(const struct outcome *out, const struct options *o,
			      const struct klog *log);

/* result.c */
void result_begin(const char *file);
void result_failed(const char *why);
void result_write(const char *file, const struct options *o, const struct kernel *k,
		  const struct outcome *out, const struct verdict *v, const struct klog *log);

/* terminal.c */
void terminal_raw(void);
void terminal_keys(int fd);
void terminal_save(void);
void terminal_again(void);
void terminal_restore(void);

/* announce.c */
struct run {
	pid_t umrun, pid;	/* of umrun, and of the kernel or 0 */
	pid_t debugger;		/* that attached last, or 0 */
	char *file;		/* where it says so */
	char *kernel, *source;	/* its file; its source folder or NULL */
	char *program;
	double start;		/* as now() */
	bool gdb;		/* it has one of its own */
};
void announce_run(const struct options *o, const struct kernel *k);
void announce_kernel(pid_t kernel);
void announce_debugger(const struct run *run);
pid_t announced_debugger(void);
size_t announce_find(struct run **runs);

/* debugger.c */
struct debugger {
	pid_t pid;		/* the last one seen, or 0 */
	int fd;			/* a pidfd of it, or -1 */
	bool attached;		/* at the last look */
	bool inside;		/* it is in the jail's PID namespace */
	bool told;
	double looked;		/* when */
};
double debugger_look(struct debugger *d, const struct jail *j);
bool debugger_stays(struct debugger *d);

/* attach.c */
int attach(const struct options *o);

/* onfail.c */
enum onfail_source { ONFAIL_NEWS, ONFAIL_OUTPUT, ONFAIL_KEYS };
void onfail_prepare(void);
void onfail_enter(void);
void onfail_begin(void);
void onfail_resize(void);
int onfail_fd(enum onfail_source source);
const char *onfail_news(void);
void onfail_output(void);
void onfail_keys(void);
bool onfail_has_user(void);
void onfail_answer(void);
void onfail_end(void);
void onfail_last_words(void);

/* proc.c */
long proc_number(pid_t pid, const char *key);
char *proc_name(pid_t pid);
char proc_state(pid_t pid);
bool proc_same(pid_t one, pid_t other, const char *file);

/* debug.c */
#define DEBUG_WRAPPER "--exec-wrapper"	/* umrun as gdb's exec-wrapper; not for users */
void debug_check(void);
void debug_prepare(const struct options *o, const struct kernel *k);
void debug_done(void);
_Noreturn void debug_enter(const struct cell *c, char **argv);
_Noreturn void debug_attach(const struct options *o, const char *symbols, const char *sources, long kernel);
_Noreturn void debug_wrapper(char **argv);

#endif
