# SPDX-License-Identifier: GPL-2.0
"""What reading the kernel may end in, beside memory that can't be read."""

import gdb


class Broken(gdb.error):
    """The kernel's memory, or what the host says of its processes, is not what it must be.

    The message says what, of which value, and why.
    """
