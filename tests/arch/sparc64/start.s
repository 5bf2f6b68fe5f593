/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The entry of a program, in place of nolibc's weak one: gcc 12 gives that function a register window and a stack
 * frame of its own, so that argc is looked for in the wrong place.
 *
 * _start_c() takes the address of argc: behind the window save area of 16 registers; the stack pointer is 2047 too low.
 */
	.section .text
	.globl	_start
	.type	_start, #function
_start:
	ba,pt	%xcc, _start_c
	 add	%sp, 128 + 2047, %o0
	.size	_start, . - _start

	.section .note.GNU-stack, "", %progbits
