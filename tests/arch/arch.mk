# SPDX-License-Identifier: GPL-2.0
# The other architectures of the series, in qemu.

.PHONY: arch arch-all check-arch

arch: ## [test] the kernels of an architecture in qemu (A=sparc64; P='base v3 series'): built, booted, held against what is expected
	@[ -n '$(A)' ] || { echo "arch: needs A=, one of: $(notdir $(patsubst %/,%,$(dir $(wildcard tests/arch/*/arch))))" >&2; exit 2; }
	@tools/deps.sh
	@tests/arch/run.sh $(if $(filter command environment,$(firstword $(origin P))),--points '$(P)') $(A)

arch-all: ## [test] ... of all of them; writes build/results/arch.json and docs/architectures.md
	@tools/deps.sh
	@tests/arch/run.sh --docs

check-arch: ## [test] guest suites in the kernel of another architecture (A=x86_64; P=fixed; T=name)
	@[ -n '$(A)' ] || { echo "check-arch: needs A=, an architecture: see make arch" >&2; exit 2; }
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@tests/arch/check.sh '$(A)' '$(P)' $(if $(T),--test '$(T)') $(if $(TAP),--tap)
