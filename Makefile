# SPDX-License-Identifier: GPL-2.0
# The front door of umlab. Each part's rules lie in its own folder; this file
# includes them and lists what a user may type.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CC ?= gcc

# One test, perhaps for the hundredth time: the shortest way, without the rules below.
ifeq ($(MAKECMDGOALS)/$(if $(T),T)/$(GDB)$(AGAIN),check/T/)
.PHONY: check
check:
	@exec env MAKE='$(MAKE)' UMLAB_MAKE=$$PPID tests/again.sh
else
# For builds, to see that they are not wanted any more.
export UMLAB_MAKE := $(shell echo $$PPID)

include uml/uml.mk
include tools/tools.mk
include rootfs/rootfs.mk
include tests/tests.mk
include tests/bench/bench.mk
include tests/mutants.mk
include tests/external/external.mk
include tests/arch/arch.mk
include gdb-scripts/gdb.mk

.PHONY: help
help: ## [start] this list
	@tools/help.sh $(MAKEFILE_LIST)
endif
