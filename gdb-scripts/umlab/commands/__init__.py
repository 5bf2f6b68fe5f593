# SPDX-License-Identifier: GPL-2.0
"""The commands, one module each; importing one defines its command in gdb."""
