// SPDX-License-Identifier: GPL-2.0
/*
 * What a host program needs beside itself: its interpreter and shared
 * libraries, as its own dynamic linker finds them.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "umrun.h"

void strings_add(struct strings *s, const char *text)
{
	s->list = must(realloc(s->list, (s->len + 2) * sizeof(*s->list)));
	s->list[s->len++] = must(strdup(text));
	s->list[s->len] = NULL;
}

bool strings_have(const struct strings *s, const char *text)
{
	for (size_t i = 0; i < s->len; i++)
		if (!strcmp(s->list[i], text))
			return true;
	return false;
}

/* The PT_INTERP of an ELF file, or NULL for a static program. */
static char *elf_interpreter(Elf *elf)
{
	size_t count = 0, len;
	char *raw = elf_rawfile(elf, &len);
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &count))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(elf, i, &ph) && ph.p_type == PT_INTERP &&
		    ph.p_offset < len && ph.p_filesz <= len - ph.p_offset)
			return must(strndup(raw + ph.p_offset, ph.p_filesz));
	return NULL;
}

/* The dynamic linker lists what it would load; no code of the program runs. */
static FILE *list_libraries(const char *linker, const char *program, pid_t *pid)
{
	int out[2], null;

	if (pipe2(out, O_CLOEXEC))
		fail("pipe", linker, "%s", strerror(errno));
	*pid = fork();
	if (*pid < 0)
		fail("fork", linker, "%s", strerror(errno));
	if (!*pid) {
		null = open("/dev/null", O_RDWR);
		dup2(null, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(linker, linker, "--list", program, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	return must(fdopen(out[0], "r"));
}

/* "	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)": the path in it, or NULL. */
static char *path_in_line(char *line)
{
	char *arrow = strstr(line, "=> "), *path = arrow ? arrow + 3 : line, *end;

	path += strspn(path, " \t");
	path[strcspn(path, "\n")] = '\0';
	end = strstr(path, " (0x");
	if (end)
		*end = '\0';
	return *path == '/' ? path : NULL;
}

static void collect_libraries(const char *linker, const char *program, struct strings *files)
{
	char *line = NULL, *path;
	size_t room = 0;
	int status;
	pid_t pid;
	FILE *f = list_libraries(linker, program, &pid);

	while (getline(&line, &room, f) > 0) {
		if (strstr(line, "not found"))
			fail("shared library", line + strspn(line, " \t"),
			     "%s needs it; install it on this host", program);
		path = path_in_line(line);
		if (path && !strings_have(files, path))
			strings_add(files, path);
	}
	free(line);
	fclose(f);
	if (waitpid(pid, &status, 0) < 0 || status)
		fail("dynamic linker", linker, "it cannot list the libraries of %s", program);
}

/* glibc loads this one by itself when a thread is cancelled or exits. */
static void collect_libgcc(const struct strings *files, struct strings *more)
{
	for (size_t i = 0; i < files->len; i++) {
		const char *slash = strrchr(files->list[i], '/');
		char *path;

		if (strcmp(slash, "/libc.so.6"))
			continue;
		path = format("%.*s/libgcc_s.so.1", (int)(slash - files->list[i]), files->list[i]);
		if (!access(path, R_OK) && !strings_have(files, path))
			strings_add(more, path);
		free(path);
	}
}

static void collect_elf(const char *program, int fd, struct strings *files)
{
	struct strings more = { 0 };
	char *linker;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	linker = elf ? elf_interpreter(elf) : NULL;
	if (linker) {
		if (!strings_have(files, linker))
			strings_add(files, linker);
		collect_libraries(linker, program, files);
		collect_libgcc(files, &more);
		for (size_t i = 0; i < more.len; i++)
			strings_add(files, more.list[i]);
		/* Libraries in unusual folders are found through it. */
		if (!access("/etc/ld.so.cache", R_OK) && !strings_have(files, "/etc/ld.so.cache"))
			strings_add(files, "/etc/ld.so.cache");
	}
	free(linker);
	elf_end(elf);
}

/* A file and what it needs, once; a script that names itself ends nothing in a circle. */
static void bring(const char *file, const char *rootfs, struct strings *files)
{
	if (strings_have(files, file))
		return;
	strings_add(files, file);
	deps_collect(file, rootfs, files);
}

/* Is there such a path in the guest's root file system? */
static bool is_inside(const char *rootfs, const char *path)
{
	char *inside = format("%s%s", rootfs, path);
	bool there = !faccessat(AT_FDCWD, inside, F_OK, AT_SYMLINK_NOFOLLOW);

	free(inside);
	return there;
}

/*
 * The program that env would start, given what follows it on a #! line (the kernel
 * hands that over as one word); NULL when it names none. *splits: only an env that knows
 * -S can. Quotes in such a line are not looked into.
 */
static char *env_program(char *words, bool *splits)
{
	static const char *const split[] = { "-S", "-vS", "--split-string=", NULL };
	char *word;

	*splits = false;
	for (int i = 0; split[i] && !*splits; i++)
		if (!strncmp(words, split[i], strlen(split[i]))) {
			words += strlen(split[i]);
			*splits = true;
		}
	if (!*splits)
		return *words && *words != '-' && !strchr(words, '=') ? words : NULL;
	while ((word = strsep(&words, " \t"))) {
		if (!strcmp(word, "-u") || !strcmp(word, "-C"))
			strsep(&words, " \t");	/* its value */
		else if (*word && *word != '-' && !strchr(word, '='))
			return word;
	}
	return NULL;
}

/* `#!/usr/bin/env PROGRAM`: env looks for the program inside, as do we on the host. */
static void collect_env(const char *env, char *words, const char *rootfs, struct strings *files)
{
	bool splits;
	char *name = env_program(words, &splits), *path;

	/* The guest's own env, busybox's, has no -S. */
	if (splits)
		bring(env, rootfs, files);
	if (!name)
		return;
	if (*name == '/') {
		if (!is_inside(rootfs, name))
			bring(name, rootfs, files);
		return;
	}
	path = image_search(rootfs, IMAGE_PATH, name);
	if (!path) {
		path = image_search("", getenv("PATH") ?: IMAGE_PATH, name);
		if (!path)
			fail("script", name, "its #! line asks for it, and it is neither in the guest nor in this host's PATH");
		bring(path, rootfs, files);
	}
	free(path);
}

/* A script's interpreter, unless the guest's root file system has one of that path. */
static void collect_script(char *line, const char *rootfs, struct strings *files)
{
	char *interpreter = line + strspn(line, " \t"), *words, *end;

	words = interpreter + strcspn(interpreter, " \t\r");
	if (*words)
		*words++ = '\0';
	words += strspn(words, " \t");
	for (end = words + strlen(words); end > words && strchr(" \t\r", end[-1]); )
		*--end = '\0';
	if (*interpreter != '/')
		return;
	if (!is_inside(rootfs, interpreter))
		bring(interpreter, rootfs, files);
	if (!strcmp(strrchr(interpreter, '/'), "/env"))
		collect_env(interpreter, words, rootfs, files);
}

/*
 * deps_collect - add the host files that a program needs beside itself
 * @program: its path on the host
 * @rootfs: the guest's root file system, whose own files are not brought again
 * @files: host paths are added here, the same inside
 * Ends umrun when the program can't be read or one of its libraries is missing.
 */
void deps_collect(const char *program, const char *rootfs, struct strings *files)
{
	char head[PATH_MAX] = "";
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		fail("program", program, "%s", strerror(errno));
	n = pread(fd, head, sizeof(head) - 1, 0);
	if (n >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG)) {
		collect_elf(program, fd, files);
	} else if (n > 2 && head[0] == '#' && head[1] == '!') {
		head[strcspn(head, "\n")] = '\0';
		collect_script(head + 2, rootfs, files);
	}
	close(fd);
}
