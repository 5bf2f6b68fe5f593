# SPDX-License-Identifier: GPL-2.0
# Interactive gdb with the kernel under it.

.PHONY: gdb attach
# The workload of the demo, small enough to step through; CMD='PROGRAM ARGS' runs another.
GDB_CMD = $(or $(CMD),build/tests/guest/ptworkload --size 64M --chunk 2M)
# Local variables need F=debug: another flavour only if it was asked for.
GDB_F = $(if $(filter command environment,$(firstword $(origin F))),$(F),debug)
# TOUR=: that tour instead of the breakpoints; the script sees its name too.
GDB_BEGIN = $(if $(TOUR),-x gdb-scripts/umlab.py -ex 'tour $(TOUR)',-x gdb-scripts/reclaim.py -ex run)

gdb: ## [start] gdb with the debug kernel under it, breakpoints at the reclaim path (P=, F=, CPUS=, CMD='PROGRAM ARGS', TOUR=name)
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools build/tests/guest/ptworkload
	@dir=$$($(UML_ENV) uml/kernel.sh '$(P)' '$(GDB_F)' | tail -n 1) && [ -n "$$dir" ] && \
		set -- $(GDB_BEGIN) && for arg; do set -- "$$@" "--gdb-arg=$$arg"; shift; done && \
		$(if $(TOUR),UMLAB_TOUR='$(TOUR)') exec build/umrun --kernel "$$dir/linux" --cpus '$(or $(CPUS),1)' --gdb "$$@" -- $(GDB_CMD)

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
	@UMLAB_TOUR_CHECK=1 UMLAB_TOUR_MARKDOWN=1 tools/tour.sh commands reclaim </dev/null >build/gdb.md.new || { tail -n 5 build/gdb.md.new; exit 1; }
	@{ printf '# The gdb commands\n\n<!-- make gdb-docs writes this file from a real run: edit gdb-scripts/tours/ instead -->\n\n'; \
		grep -v '^Reading symbols from ' build/gdb.md.new | sed 's|$(CURDIR)/||g'; } >docs/gdb.md && rm build/gdb.md.new
