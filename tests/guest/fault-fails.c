// SPDX-License-Identifier: GPL-2.0
/*
 * Description: page faults and copies that cannot be finished: no memory for a page
 * table, a process killed while its fault waits, a hole in the middle of a copy. They
 * are tried again or tell the right error, leave the range as it was, and leak nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/inject.h"

#define TABLE_ALLOC "__pte_alloc"	/* allocates a PTE table for a fault */

static int waits[2];

/* The fault is tried again, as it is after the OOM killer made room. */
START_TEST(no_memory_for_the_table_of_a_touch)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	inject_start(TABLE_ALLOC, 0, 1);
	fill(map, PAGE, 1);
	require(inject_hits() == 1, "%d allocations failed, expected 1", inject_hits());
	inject_stop();
	expect_filled(map, PAGE, 1);
	expect_tables(start, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	inject_start(TABLE_ALLOC, 0, 1);
	expect_zero(map + TABLE_SPAN, PAGE);
	inject_stop();
	expect_tables(start, 2 - reclaimed(1));
}
END_TEST

/* The same for the kernel's own touch. */
START_TEST(no_memory_for_the_table_of_a_copy)
{
	char *map = map_anon(1);
	long start = vmpte_kb();
	int ends[2];

	require(pipe(ends) == 0 && write(ends[1], "12345678", 8) == 8, "pipe: %s", strerror(errno));
	inject_start(TABLE_ALLOC, 0, 1);
	require(read(ends[0], map, 8) == 8, "read to a page whose table cannot be allocated at once: %s", strerror(errno));
	require(inject_hits() == 1, "%d allocations failed, expected 1", inject_hits());
	inject_stop();
	require(memcmp(map, "12345678", 8) == 0, "read did not get the 8 bytes that the pipe had");
	expect_tables(start, 1);
}
END_TEST

/* Registers the page with nobody to answer, and touches it. */
static void touch(void *at)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (unsigned long)at, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = (int)syscall(SYS_userfaultfd, 0);

	require(fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &reg),
		"userfaultfd: %s", strerror(errno));
	require(write(waits[1], "x", 1) == 1, "pipe: %s", strerror(errno));
	*(volatile char *)at = 1;
}

START_TEST(killed_while_the_fault_waits)
{
	char *map = map_anon(1);
	long kernel = page_tables_quiet_kb();
	int status, pid;
	char byte;

	require(pipe(waits) == 0, "pipe: %s", strerror(errno));
	pid = child_start(touch, map);
	/* It sleeps in handle_userfault() right after this. */
	require(read(waits[0], &byte, 1) == 1, "pipe: %s", strerror(errno));
	usleep(100000);
	require(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid, "kill: %s", strerror(errno));
	require(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"the process that waited for its page ended with status 0x%x, expected SIGKILL", (unsigned int)status);
	expect_kernel_tables(kernel, 0);
}
END_TEST

/* A datagram is copied in one go: here from four pages, the third of which is missing. */
START_TEST(hole_in_the_middle_of_a_copy)
{
	char *map = map_anon(1);
	int ends[2];

	require(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0, "socketpair: %s", strerror(errno));
	fill(map, 4 * PAGE, 1);
	require(munmap(map + 2 * PAGE, PAGE) == 0, "munmap: %s", strerror(errno));
	require(send(ends[0], map, 4 * PAGE, MSG_DONTWAIT) == -1 && errno == EFAULT,
		"send with a hole: %s, expected EFAULT", strerror(errno));
	require(send(ends[0], map, 2 * PAGE, MSG_DONTWAIT) == 2 * (ssize_t)PAGE,
		"send up to the hole: %s", strerror(errno));
	fill(map, 2 * PAGE, 2);
	/* And to them: what came before the hole is there. */
	require(recv(ends[1], map + PAGE, 2 * PAGE, MSG_DONTWAIT) == -1 && errno == EFAULT,
		"recv with a hole: %s, expected EFAULT", strerror(errno));
	expect_filled(map, PAGE, 2);
	expect_filled(map + 3 * PAGE, PAGE, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("fault-fails", argc, argv);
	suite_differs();
	suite_modes("ptrace/1 seccomp/2");
	suite_add(no_memory_for_the_table_of_a_touch);
	suite_add(no_memory_for_the_table_of_a_copy);
	suite_add(killed_while_the_fault_waits);
	suite_add(hole_in_the_middle_of_a_copy);
	return suite_end();
}
