# SPDX-License-Identifier: GPL-2.0
# Interactive gdb with the kernel under it.

.PHONY: gdb attach
# The workload of the demo, small enough to step through; CMD='PROGRAM ARGS' runs another.
GDB_CMD = $(or $(CMD),build/tests/guest/ptworkload --size 64M --chunk 2M)
# Local variables need F=debug: another flavour only if it was asked for.
GDB_F = $(if $(filter command environment,$(firstword $(origin F))),$(F),debug)

gdb: ## [start] gdb with the debug kernel under it, breakpoints at the reclaim path (P=, F=, CPUS=, CMD='PROGRAM ARGS', TOUR=name)
	@tools/deps.sh
ifdef TOUR
	@# A tour knows its kernels and programs.
	@$(MAKE) --no-print-directory -s tools guest-tests
	@exec tools/tour.sh $(TOUR)
else
	@[ -x build/umrun ] && [ -x build/tests/guest/ptworkload ] || $(MAKE) --no-print-directory -s tools build/tests/guest/ptworkload
	@# Most times both only find that nothing is to be done: side by side.
	@$(MAKE) --no-print-directory -s tools build/tests/guest/ptworkload & made=$$!; \
		dir=$$($(UML_ENV) uml/kernel.sh '$(P)' '$(GDB_F)' | tail -n 1); \
		wait $$made && [ -n "$$dir" ] && \
		exec build/umrun --kernel "$$dir/linux" --cpus '$(or $(CPUS),1)' --gdb \
		--gdb-arg=-x --gdb-arg=gdb-scripts/reclaim.py --gdb-arg=-ex --gdb-arg=run -- $(GDB_CMD)
endif

attach: ## [start] gdb on the kernel of an umrun that is running, also one that hangs (PID=, if there are several)
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s build/umrun
	@exec build/umrun --attach$(if $(PID),='$(PID)')

.PHONY: tour tour-check
tour: ## [start] guided tours through the code in gdb: lists them; T=name: that one
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@tools/tour.sh $(T)

tour-check: ## [test] run all tours without a person: a stop that is not reached or a line that has moved fails
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@tools/tour.sh --check $(T)

.PHONY: race
race: ## [start] races on the first try, two guest CPUs, in gdb: lists them; R=name or R=name@point: that one; STEP=1: ask between steps
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@tools/race.sh $(if $(STEP),--step) $(R)

.PHONY: gdb-docs
gdb-docs: ## [tool] write docs/gdb.md anew: what each command prints, and tour 1, from a real run
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@tools/gdb-docs.sh
