# SPDX-License-Identifier: GPL-2.0
"""Helpers to read a running User-mode Linux kernel from gdb.

One module a kernel subsystem, none of which changes the kernel that it
reads.  Addresses are Python ints, kernel objects are gdb.Values.
"""
