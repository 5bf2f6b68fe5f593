# SPDX-License-Identifier: GPL-2.0
# Benchmarks of the kernels against each other.

.PHONY: bench-fixes
bench-fixes: build/tests/bench/mmbench ## [test] what our fixes of UML cost: fixed beside series; ROUNDS=9
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools
	@before=$$(uml/kernel.sh series $(F) | tail -n 1) && after=$$(uml/kernel.sh fixed $(F) | tail -n 1) && \
		tests/bench/fixes.sh "$$before" "$$after" $(ROUNDS)

build/tests/bench/mmbench: tests/bench/mmbench.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra -static -o $@ $<
