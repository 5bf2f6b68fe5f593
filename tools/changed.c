// SPDX-License-Identifier: GPL-2.0
/*
 * changed: which of many files have changed since a moment. Thousands of them in a few milliseconds: what a
 * null build spends most of its time on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
"usage: changed [-C DIR] --since FILE LIST...\n"
"       changed [-C DIR] --digest [--since FILE] LIST...\n"
"Prints each file of the LISTs that is another one, or was written or renamed, since FILE was:\n"
"  new PATH      it was written since\n"
"  older PATH    it came since, with an older time of modification: make and ninja would not see it;\n"
"                or the link of that name did\n"
"  gone PATH     there is no such file\n"
"--digest prints one number instead, which is another one after any change of a listed file; nothing\n"
"(status 3) if one changed since FILE. A LIST names a file a line, or is ninja's .ninja_deps, of which the\n"
"files count that are no outputs of the build: those outside of the current folder; a header in it if it is gone.\n"
"Exit status: 0; 1 cannot read a LIST or FILE; 2 wrong usage; 3 see --digest.\n";

static struct timespec since;	/* zero: all of time */
static bool digest, found;
static uint64_t sum;

static void die(const char *what, const char *todo)
{
	fprintf(stderr, "changed: %s: %s: %s\n", what, strerror(errno), todo);
	exit(1);
}

/* Whoever wrote it was stopped: what it says is not all. */
static void torn(const char *file)
{
	errno = ENODATA;
	die(file, "it is cut off: build again");
}

static bool reached(struct timespec t)
{
	return t.tv_sec > since.tv_sec || (t.tv_sec == since.tv_sec && t.tv_nsec >= since.tv_nsec);
}

/* FNV-1a, of as many bytes as there are. */
static uint64_t hash(const void *data, size_t len)
{
	const unsigned char *at = data;
	uint64_t h = 0xcbf29ce484222325;

	while (len--)
		h = (h ^ *at++) * 0x100000001b3;
	return h;
}

/* The order of the files does not matter, and one that is listed twice does not cancel itself. */
static void add_to_digest(const char *path, const struct stat *st)
{
	uint64_t all[6] = { hash(path, strlen(path)), st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec, st->st_dev };

	sum += hash(all, sizeof(all));
}

/*
 * Nobody can set the time of a file's last change of status (ctime), as `cp -p`, git and others do that of its
 * modification: it tells of everything.
 */
static void look(const char *path)
{
	struct stat st = { 0 }, link;
	bool gone = lstat(path, &link);

	/* What a link leads to counts as well as itself. */
	if (!gone && S_ISLNK(link.st_mode))
		gone = stat(path, &st);
	else if (!gone)
		st = link;
	if (gone || (since.tv_sec && (reached(st.st_ctim) || reached(link.st_ctim)))) {
		found = true;
		if (!digest)
			printf("%s %s\n", gone ? "gone" : reached(st.st_mtim) ? "new" : "older", path);
	}
	if (digest)
		add_to_digest(path, &st);
}

static void look_input(const char *path)
{
	size_t len = strlen(path);

	if (*path == '/' || !strncmp(path, "../", 3) || (len > 2 && !strcmp(path + len - 2, ".h") && access(path, F_OK)))
		look(path);
}

/*
 * ninja's .ninja_deps: "# ninjadeps\n", a version, and records of a 32-bit size, whose top bit tells those of dependencies
 * from those of paths. A path is padded with up to three zero bytes and has a checksum of 32 bits behind it
 * (src/deps_log.h of ninja 1.11).
 */
static void look_ninja(const char *file, const char *at, const char *end)
{
	uint32_t size, deps;
	char path[4096];

	for (at += strlen("# ninjadeps\n") + 4; at < end; at += size) {
		if (end - at < 4)
			torn(file);
		memcpy(&size, at, 4);
		at += 4;
		deps = size >> 31;
		size &= 0x7fffffff;
		if (size < 4 || size > (size_t)(end - at) || (!deps && size > sizeof(path)))
			torn(file);
		if (deps)
			continue;
		memcpy(path, at, size - 4);
		path[size - 4] = '\0';
		look_input(path);
	}
	if (at > end)
		torn(file);
}

static void look_list(char *at)
{
	char *line;

	while ((line = strsep(&at, "\n")))
		if (*line)
			look(line);
}

static void look_all(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st))
		die(file, "give a list of files");
	data = calloc(1, (size_t)st.st_size + 1);
	if (!data || read(fd, data, (size_t)st.st_size) != st.st_size)
		die(file, "cannot be read");
	close(fd);
	if (!st.st_size)
		torn(file);
	if (!strncmp(data, "# ninjadeps\n", strlen("# ninjadeps\n")))
		look_ninja(file, data, data + st.st_size);
	else
		look_list(data);
	free(data);
}

static void read_since(const char *file)
{
	struct stat st;

	if (stat(file, &st))
		die(file, "--since: give a file");
	since = st.st_mtim;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "since", required_argument, NULL, 's' }, { "digest", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "C:", options, NULL)) != -1) {
		switch (c) {
		case 'C':
			if (chdir(optarg))
				die(optarg, "-C: give a folder");
			break;
		case 's':
			read_since(optarg);
			break;
		case 'd':
			digest = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind == argc || (!digest && !since.tv_sec)) {
		fputs(usage, stderr);
		return 2;
	}
	for (int i = optind; i < argc; i++)
		look_all(argv[i]);
	if (digest && found && since.tv_sec)
		return 3;
	if (digest)
		printf("%016llx\n", (unsigned long long)sum);
	return 0;
}
