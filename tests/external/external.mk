# SPDX-License-Identifier: GPL-2.0
# Other people's tests, in the guest: the kernel tree's selftests of mm, KUnit, stress-ng.

EXTERNAL_POINTS := $(if $(filter command environment,$(firstword $(origin P)))$(LINUX)$(PATCHES),$(P),base series fixed)

.PHONY: check-external

check-external: ## [test] the kernel's mm selftests and KUnit suites, and stress-ng, at each point (T=name: some; P=, CPUS=2)
	@tools/deps.sh external
	@$(MAKE) --no-print-directory -s tools
	@uml/tree.sh
	@tests/external/build.sh
	@dirs= ; for point in $(EXTERNAL_POINTS); do \
		dir=$$($(UML_ENV) uml/kernel.sh $$point kunit | tail -n 1) && [ -n "$$dir" ] || exit 1; \
		dirs="$$dirs $$point=$$dir"; \
	done; \
	exec tests/external/run --jobs $(TESTS_JOBS) $(if $(CPUS),--cpus '$(CPUS)') $(if $(T),--test '$(T)') $$dirs
