# SPDX-License-Identifier: GPL-2.0
# The runner and the other tools.

TOOLS_UMRUN := $(wildcard tools/umrun/*.c)
# proto.c and signals.c are the guest's PID 1's as well.
TOOLS_OBJS := $(TOOLS_UMRUN:tools/umrun/%.c=build/obj/umrun/%.o) $(addprefix build/obj/umrun/,proto.o signals.o)
TOOLS_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -MMD -MP
# Static but for libc: the 20 shared libraries behind libarchive and libdw take longer to load than the kernel to find
# its memory. Of what libarchive could need for other formats nothing is pulled in.
TOOLS_LIBS := -Wl,-Bstatic -larchive -ljansson -ldw -lelf -lbz2 -llzma -lz -Wl,-Bdynamic

# A prerequisite of all that is compiled: newer when it must be compiled again whatever its sources' times say.
COMPILED_BY := build/compiled-by

.PHONY: tools doctor demo shell compile_commands FORCE

demo: ## [start] the main job: build the kernels, show what the series does, stop inside it in gdb (FULL=1: every page)
	@FULL='$(FULL)' tools/demo.sh

tools: build/umrun build/changed rootfs ## [tool] build umrun and the guest's root file system

doctor: ## [tool] what this host allows, and the cure for what it doesn't
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s build/umrun
	@build/umrun --doctor

shell: ## [run] an interactive shell in the guest (P=, F=)
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools
	@dir=$$($(UML_ENV) uml/kernel.sh '$(P)' '$(F)' | tail -n 1) && [ -n "$$dir" ] && \
		{ build/umrun --kernel "$$dir/linux" --timeout 0 -- sh; \
		status=$$?; [ $$status -lt 124 ] || exit $$status; }	# a shell's own status is no error of make's

compile_commands: ## [tool] compile_commands.json of a kernel, for clangd: says where (P=, F=)
	@tools/deps.sh clangd
	@$(MAKE) --no-print-directory -s build/changed
	@dir=$$($(UML_ENV) uml/kernel.sh '$(P)' '$(F)' | tail -n 1) && [ -n "$$dir" ] && tools/compile-commands.sh "$$dir"

$(COMPILED_BY): FORCE
	@tools/compiled-by.sh $@ '$(CC)'

build/umrun: $(TOOLS_OBJS)
	$(CC) -o $@.part $^ $(TOOLS_LIBS)
	@mv $@.part $@

build/changed: tools/changed.c $(COMPILED_BY)
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(TOOLS_CFLAGS)) -o $@.part $<
	@mv $@.part $@

build/obj/umrun/%.o: tools/umrun/%.c $(COMPILED_BY)
	@mkdir -p $(@D)
	$(CC) $(TOOLS_CFLAGS) -c -o $@ $<

$(addprefix build/obj/umrun/,proto.o signals.o): build/obj/umrun/%.o: rootfs/%.c $(COMPILED_BY)
	@mkdir -p $(@D)
	$(CC) $(TOOLS_CFLAGS) -c -o $@ $<

# The part of `make clean` that is not the kernels' (uml/uml.mk); logs and results stay.
.PHONY: tools-clean
clean: tools-clean
tools-clean:
	@rm -rf build/obj build/umrun build/changed build/rootfs build/rootfs.cpio build/rootfs.new* build/tests build/python

-include $(wildcard build/obj/umrun/*.d)
