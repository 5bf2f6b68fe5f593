# SPDX-License-Identifier: GPL-2.0
# What tests/arch/NAME/arch says of an architecture. Sourced after uml/lib.sh.
#
#   ARCH, CROSS_COMPILE   as the kernel's make takes them
#   COMPILER              of the kernel; USER_COMPILER, where it differs, of programs
#   PACKAGES, NEWER       Debian packages, of this release and of a newer one (newer.sh)
#   USER_OBJECTS          what programs need of the kernel's own library, in the O= directory
#   PATCHES               a patch without which it doesn't compile, in the project
#   MAKE_MORE             more arguments of make; GOALS what to make
#   IMAGE                 what qemu boots, in the O= directory
#   QEMU                  its command line, but for kernel, initrd and console
#   CONSOLE               the kernel's console=
#   MAX_CPUS              how many qemu's board can have (1 if not said)
#   PAGE_KB               a page, in KiB (4 if not said)
#   SUITE_PACKAGES        what it takes to compile them
#   SUITES                suites of tests/guest that run there, too
#   LAB                   a folder of tests/arch with suites of its own, of this architecture alone
#   PMD_KB                what one PTE table maps, in KiB

. "$UML_DIR/worktree.sh"
# The host tests have architectures of their own.
ARCH_DIR=${UMLAB_ARCH_DIR:-$ROOT/tests/arch}

# The user's own, without what one architecture's programs are taken from.
ARCH_PATH=$PATH

# arch_names: all of them.
arch_names() {
	local d
	for d in "$ARCH_DIR"/*/arch; do d=${d%/arch}; echo "${d##*/}"; done
}

# arch_packages: installs those of the architecture that is loaded.
arch_packages() {
	"$ROOT/tools/deps.sh" with jq ${NEWER:+patchelf} $PACKAGES || return
	[ -z "$NEWER" ] || until_signalled "${DIE_WITH_US[@]}" "$ROOT/tools/newer.sh" $NEWER
}

# arch_point P: dies unless it is a point that other architectures have.
arch_point() {
	[ "$1" != work ] || usage "P=work: other architectures have points only: keep your edits as a patch ('git format-patch') and see PATCHES= of make kernel"
	check_name "$1"
}

# load_arch NAME: sets NAME and what its file says.
load_arch() {
	[ -n "$1" ] && [ -f "$ARCH_DIR/$1/arch" ] || usage "A=$1: no such architecture: one of: $(arch_names | paste -sd' ')"
	PATH=$ARCH_PATH
	NAME=$1 USER_COMPILER= USER_OBJECTS= NEWER= PACKAGES= PATCHES= MAKE_MORE=() GOALS= QEMU=() MAX_CPUS=1 SUITES= SUITE_PACKAGES= LAB= PAGE_KB=4
	. "$ARCH_DIR/$1/arch"
	USER_COMPILER=${USER_COMPILER:-$COMPILER}
	GOALS=${GOALS:-${IMAGE##*/}}
	if [ -n "$NEWER" ]; then
		PATH=$CACHE/newer/bin:$PATH
		QEMU+=(-L "$CACHE/newer/usr/share/qemu")
	fi
}
