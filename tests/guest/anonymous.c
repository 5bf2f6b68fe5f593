// SPDX-License-Identifier: GPL-2.0
/* Description: private and shared anonymous memory, seen by the process, the kernel and a child. */
#include <sys/mman.h>

#include "lib/kind.h"

static const struct kind private = { MAP_PRIVATE | MAP_ANONYMOUS, NULL, READS_ZERO };
static const struct kind shared = { MAP_SHARED | MAP_ANONYMOUS, NULL, READS_SAME };

KIND_TESTS(private)
KIND_TESTS(shared)

int main(int argc, char **argv)
{
	suite_begin("anonymous", argc, argv);
	suite_differs();
	KIND_ADD(private);
	KIND_ADD(shared);
	return suite_end();
}
