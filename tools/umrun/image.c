// SPDX-License-Identifier: GPL-2.0
/*
 * The initramfs of a run: the guest's root file system, the program with what
 * it needs, and the orders for PID 1.
 */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "umrun.h"

struct image {
	struct archive *out;
	struct strings folders;	/* that are in it already, beside those of the rootfs */
	char *rootfs;		/* the folder that holds what the guest has of its own */
};

static void put(struct image *img, const char *path, mode_t mode, const void *data, size_t len)
{
	struct archive_entry *e = must(archive_entry_new());

	archive_entry_set_pathname(e, path + (*path == '/'));
	archive_entry_set_mode(e, mode);
	archive_entry_set_size(e, len);
	if (S_ISLNK(mode))
		archive_entry_set_symlink(e, data);
	if (archive_write_header(img->out, e) != ARCHIVE_OK)
		fail("initramfs", path, "%s", archive_error_string(img->out));
	if (S_ISREG(mode) && len && archive_write_data(img->out, data, len) != (la_ssize_t)len)
		fail("initramfs", path, "%s", archive_error_string(img->out));
	archive_entry_free(e);
}

/* The guest has /bin, /sbin, /lib and /lib64 below /usr, whatever the host does. */
static char *inside_path(const char *path)
{
	static const char *const merged[] = { "/bin/", "/sbin/", "/lib/", "/lib64/" };

	for (size_t i = 0; i < sizeof(merged) / sizeof(merged[0]); i++)
		if (!strncmp(path, merged[i], strlen(merged[i])))
			return format("/usr%s", path);
	return must(strdup(path));
}

static bool in_rootfs(const struct image *img, const char *path)
{
	char *file = format("%s%s", img->rootfs, path);
	bool is = !access(file, F_OK);

	free(file);
	return is;
}

static void put_parents(struct image *img, const char *path)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (strings_have(&img->folders, part) || in_rootfs(img, part))
			continue;
		strings_add(&img->folders, part);
		put(img, part, S_IFDIR | 0755, NULL, 0);
	}
}

static void put_file(struct image *img, const char *host, const char *path)
{
	int fd = open(host, O_RDONLY | O_CLOEXEC);
	void *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		fail("file for the guest", host, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		fail("file for the guest", host, "not a regular file");
	if (st.st_size) {
		data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data == MAP_FAILED)
			fail("file for the guest", host, "%s", strerror(errno));
	}
	put_parents(img, path);
	put(img, path, S_IFREG | (st.st_mode & 0777), data, st.st_size);
	if (data)
		munmap(data, st.st_size);
	close(fd);
}

static void put_host_file(struct image *img, const char *host)
{
	char *path = inside_path(host);

	put_file(img, host, path);
	free(path);
}

/* The guest's own files: one archive that rootfs/build.sh made, and ours goes on behind it. */
static void put_rootfs(const struct image *img, int fd)
{
	char *file = format("%s.cpio", img->rootfs);
	int from = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (from < 0)
		fail("root file system", file, "%s; run 'make rootfs'", strerror(errno));
	while ((n = sendfile(fd, from, NULL, 1 << 30)) > 0)
		;
	if (n < 0)
		fail("root file system", file, "%s", strerror(errno));
	close(from);
	free(file);
}

/*
 * image_search - look for a program
 * @prefix: the guest's root file system; "" for this host
 * @path: folders, : between
 * @name: without a slash
 * Returns its path, prefix included, to be freed; NULL when there is none.
 */
char *image_search(const char *prefix, const char *path, const char *name)
{
	char *copy = must(strdup(path)), *rest = copy, *part, *found = NULL;
	struct stat st;

	while (!found && (part = strsep(&rest, ":"))) {
		char *file = format("%s%s/%s", prefix, *part ? part : ".", name);

		if (!lstat(file, &st) && !S_ISDIR(st.st_mode) && (*prefix || !access(file, X_OK)))
			found = must(strdup(file));
		free(file);
	}
	free(copy);
	return found;
}

/* PID 1 mounts something over these, or is itself there. */
static bool is_hidden(const char *path)
{
	return !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6) ||
	       !strncmp(path, "/sys/", 5) || !strncmp(path, "/share", 6) ||
	       !strcmp(path, "/init") || !strcmp(path, PROTO_ORDERS_PATH) ||
	       !strncmp(path, PROTO_MAILBOX, strlen(PROTO_MAILBOX));
}

/* The absolute path that a host program keeps inside, where it can: its data may
 * depend on it. Folders are named as they are, links and `..` resolved. */
static char *absolute(const char *path)
{
	char *copy = must(strdup(path)), *folder = realpath(dirname(copy), NULL), *result;
	const char *slash = strrchr(path, '/');

	if (!folder)
		fail("program", path, "%s", strerror(errno));
	result = format("%s/%s", strcmp(folder, "/") ? folder : "", slash ? slash + 1 : path);
	if (is_hidden(result)) {
		free(result);
		result = format("/usr/local/bin/%s", slash ? slash + 1 : path);
	}
	free(copy);
	free(folder);
	return result;
}

static char *find_host_program(const struct image *img, const char *name)
{
	const char *host_path = getenv("PATH");
	char *inside, *file;

	if (strchr(name, '/')) {
		inside = format("%s%s", img->rootfs, name);
		file = access(name, F_OK) && !faccessat(AT_FDCWD, inside, F_OK, AT_SYMLINK_NOFOLLOW) ?
		       NULL : must(strdup(name));
		free(inside);
		return file;
	}
	inside = image_search(img->rootfs, IMAGE_PATH, name);
	if (inside) {
		free(inside);
		return NULL;
	}
	file = image_search("", host_path ? host_path : "/usr/bin:/bin", name);
	if (!file)
		fail("program", name, "neither in the guest nor in this host's PATH; give its path");
	return file;
}

/* Returns the program's path inside; brings it along when it is the host's. */
static char *put_program(struct image *img, const char *name)
{
	char *host = find_host_program(img, name), *path, *inside;
	struct strings files = { 0 };
	struct stat st;

	if (!host)
		return must(strdup(name));
	if (stat(host, &st))
		fail("program", host, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		fail("program", host, "not a file; name a program");
	if (access(host, X_OK))
		fail("program", host, "%s; is it a program? chmod +x makes it one", strerror(errno));
	path = absolute(host);
	deps_collect(host, img->rootfs, &files);
	inside = inside_path(path);
	put_file(img, host, inside);
	for (size_t i = 0; i < files.len; i++)
		put_host_file(img, files.list[i]);
	free(host);
	free(inside);
	return path;
}

static void add_string(FILE *f, uint32_t *count, const char *text)
{
	fwrite(text, 1, strlen(text) + 1, f);
	(*count)++;
}

/* A variable that --env sets is the user's. */
static void add_default(FILE *f, uint32_t *count, const struct options *o,
			const char *name, const char *value)
{
	size_t len = strlen(name);
	char *text;

	for (size_t i = 0; i < o->env_len; i++)
		if (!strncmp(o->env[i], name, len) && o->env[i][len] == '=')
			return;
	text = format("%s=%s", name, value);
	add_string(f, count, text);
	free(text);
}

static void add_environment(FILE *f, uint32_t *count, const struct options *o)
{
	const char *term = getenv("TERM"), *libraries = getenv("LD_LIBRARY_PATH");

	add_default(f, count, o, "PATH", IMAGE_PATH);
	add_default(f, count, o, "HOME", "/root");
	add_default(f, count, o, "USER", "root");
	add_default(f, count, o, "SHELL", "/bin/sh");
	add_default(f, count, o, "TERM", term ? term : "linux");
	/* What the program's libraries were found with. */
	if (libraries)
		add_default(f, count, o, "LD_LIBRARY_PATH", libraries);
	for (size_t i = 0; i < o->env_len; i++)
		add_string(f, count, o->env[i]);
}

static void put_orders(struct image *img, const struct options *o, struct proto_orders orders,
		       const char *program)
{
	char *text;
	size_t len;
	FILE *f = must(open_memstream(&text, &len));

	orders.argc = orders.envc = 0;
	fwrite(&orders, sizeof(orders), 1, f);
	add_string(f, &orders.argc, program);
	for (int i = 1; i < o->argc; i++)
		add_string(f, &orders.argc, o->argv[i]);
	add_environment(f, &orders.envc, o);
	fclose(f);
	memcpy(text, &orders, sizeof(orders));
	put(img, PROTO_ORDERS_PATH, S_IFREG | 0400, text, len);
	free(text);
}

/* It is unpacked to a tmpfs, which takes half of the memory at the most. */
static void check_size(int fd, const struct options *o)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0 || (uint64_t)size > o->mem / 2 - o->mem / 8)
		fail("--mem", "too little", "the guest's files alone take %lld MiB; give at least %lldM",
		     (long long)size >> 20, ((long long)size >> 20) * 3 + 32);
}

/*
 * image_build - build the run's initramfs, a newc cpio as
 * Documentation/driver-api/early-userspace/buffer-format.rst describes
 * @o: the program
 * @orders: for PID 1; argc and envc are filled in here
 * Returns a descriptor of it, in memory alone. Ends umrun on any error.
 */
int image_build(const struct options *o, const struct proto_orders *orders)
{
	struct image img = { .out = must(archive_write_new()), .rootfs = project_path("rootfs") };
	int fd = memfd_create("initramfs", MFD_CLOEXEC);
	char *program;

	if (fd < 0)
		fail("initramfs", "memfd_create", "%s", strerror(errno));
	put_rootfs(&img, fd);
	/* 0 bytes a block: each file in one write. */
	if (archive_write_set_format_cpio_newc(img.out) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(img.out, 0) != ARCHIVE_OK ||
	    archive_write_open_fd(img.out, fd) != ARCHIVE_OK)
		fail("initramfs", "libarchive", "%s", archive_error_string(img.out));
	program = put_program(&img, o->argv[0]);
	put_orders(&img, o, *orders, program);
	if (archive_write_close(img.out) != ARCHIVE_OK)
		fail("initramfs", "libarchive", "%s", archive_error_string(img.out));
	archive_write_free(img.out);
	check_size(fd, o);
	free(program);
	free(img.rootfs);
	return fd;
}
