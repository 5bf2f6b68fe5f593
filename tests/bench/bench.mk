# SPDX-License-Identifier: GPL-2.0
# Benchmarks: of the kernels against each other, and of the gdb commands.

.PHONY: bench
bench: ## [test] how long the loop takes beside its parts and beside plain make, kunit.py, gdb (QUICK=1: some, in two minutes; ROW='edit null': those)
	@tools/deps.sh bench
	@$(MAKE) --no-print-directory -s tools guest-tests
	@exec tests/bench/loop.sh $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds '$(ROUNDS)') $(ROW)

.PHONY: bench-fixes
bench-fixes: build/tests/bench/mmbench ## [test] what our fixes of UML cost: fixed beside series; ROUNDS=9
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools
	@before=$$(uml/kernel.sh series $(F) | tail -n 1) && after=$$(uml/kernel.sh fixed $(F) | tail -n 1) && \
		tests/bench/fixes.sh "$$before" "$$after" $(ROUNDS)

build/tests/bench/mmbench: tests/bench/mmbench.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra -static -o $@ $<

# $(call in_gdb,SCRIPT,OPTIONS,PROGRAM): in a debug kernel, series if none is asked for.
in_gdb = dir=$$($(UML_ENV) uml/kernel.sh '$(if $(filter command environment,$(origin P)),$(P),series)' debug | tail -n 1) && [ -n "$$dir" ] && \
	exec build/umrun --kernel "$$dir/linux" --cpus $(or $(CPUS),1) $(2) --gdb --gdb-arg=-nx --gdb-arg=-batch --gdb-arg=-x --gdb-arg=$(1) -- $(3)

.PHONY: bench-life bench-gdb
bench-life: ## [test] what pt-life costs: the workload with it off and on, in turn, in one session (P=series, CPUS=1)
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@$(call in_gdb,tests/bench/life.py,,build/tests/guest/ptworkload --size 512M)

bench-gdb: ## [test] how long each gdb command takes with 1 GiB populated (P=series, CPUS=1)
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@$(call in_gdb,tests/bench/commands.py,--mem 2G,build/tests/guest/ptworkload --size 1G --chunk 1G --touch all)
