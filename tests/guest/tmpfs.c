// SPDX-License-Identifier: GPL-2.0
/* Description: files of a tmpfs, mapped shared and private, with an end inside a table. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/kind.h"

static int new_file(size_t len)
{
	static const char name[] = "/tmp/umlab-tmpfs";
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	require(fd >= 0, "%s: %s", name, strerror(errno));
	unlink(name);
	require(ftruncate(fd, (off_t)len) == 0, "%s: ftruncate: %s", name, strerror(errno));
	return fd;
}

static const struct kind shared = { MAP_SHARED, new_file, READS_SAME };
static const struct kind private = { MAP_PRIVATE, new_file, READS_FILE };

KIND_TESTS(shared)
KIND_TESTS(private)

START_TEST(shared_behind_the_end_of_the_file)
{
	kind_end_of_file(&shared);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("tmpfs", argc, argv);
	suite_differs();
	KIND_ADD(shared);
	KIND_ADD(private);
	suite_add(shared_behind_the_end_of_the_file);
	return suite_end();
}
