# SPDX-License-Identifier: GPL-2.0
# Planted bugs: do the suites catch them? The work is in tests/mutants.sh and uml/mutants.sh.

.PHONY: mutants

mutants: ## [test] every planted bug must be caught N=5 times, CONTROL=20 runs without a bug pass; M=name, SAMPLE=5: some
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@exec tests/mutants.sh --jobs $(TESTS_JOBS) --times $(or $(N),5) --control $(or $(CONTROL),$(if $(M)$(SAMPLE),0,20)) \
		$(if $(SAMPLE),--sample $(SAMPLE)) $(M)
