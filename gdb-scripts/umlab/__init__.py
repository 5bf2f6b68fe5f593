# SPDX-License-Identifier: GPL-2.0
"""Helpers to read a running User-mode Linux kernel from gdb.

One module a kernel subsystem.  They only read, but for what a debugger can't do without
writing: stall.py, so that a stop is no RCU stall, and side.py, which attaches to a program.
Addresses are Python ints, kernel objects are gdb.Values.
"""
