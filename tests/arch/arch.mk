# SPDX-License-Identifier: GPL-2.0
# The other architectures of the series, in qemu.

.PHONY: arch arch-all check-arch mutants-arch
# What was asked for: the default of P= is UML's.
ARCH_P = $(if $(filter command environment,$(firstword $(origin P))),$(P))
ARCH_GDB_P = $(or $(ARCH_P),series)

arch: ## [test] the kernels of an architecture in qemu (A=sparc64; P='base v3 series'): built, booted, held against what is expected; GDB=1: gdb on it; LAB=fragments: ppc64's lab (P='merged always-rcu ...')
	@[ -n '$(A)' ] || { echo "arch: needs A=, one of: $(notdir $(patsubst %/,%,$(dir $(wildcard tests/arch/*/arch))))" >&2; exit 2; }
	@tools/deps.sh
ifdef LAB
	@[ '$(A)/$(LAB)' = ppc64/fragments ] || { echo "arch: LAB=$(LAB): no such lab of A=$(A): there is LAB=fragments of A=ppc64" >&2; exit 2; }
	@$(if $(GDB),tests/arch/fragments/gdb.sh,tests/arch/fragments/run.sh $(if $(PARTS),--parts '$(PARTS)') $(if $(N),--runs '$(N)') $(if $(ARCH_P)$(N),,--docs)) $(ARCH_P)
else ifdef GDB
	@tests/arch/gdb.sh --cpus '$(or $(CPUS),1)' $(if $(PARTS),--parts '$(PARTS)') '$(A)' '$(ARCH_GDB_P)'
else
	@tests/arch/run.sh $(if $(ARCH_P),--points '$(ARCH_P)') $(A)
endif

arch-all: ## [test] ... of all of them; writes build/results/arch.json and docs/architectures.md
	@tools/deps.sh
	@tests/arch/run.sh --docs

check-arch: ## [test] guest suites in the kernel of another architecture (A=x86_64; P=fixed; T=name); GDB=1: those of gdb's commands there
	@[ -n '$(A)' ] || { echo "check-arch: needs A=, an architecture: see make arch" >&2; exit 2; }
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@tests/arch/check.sh '$(A)' '$(if $(GDB),$(ARCH_GDB_P),$(P))' $(if $(GDB),--gdb) $(if $(T),--test '$(T)') $(if $(TAP),--tap)

mutants-arch: ## [test] planted bugs that UML hides (uml/patches/mutants/split-locks), caught on another architecture (A=x86_64; M=name; N=times)
	@[ -n '$(A)' ] || { echo "mutants-arch: needs A=, an architecture: see make arch" >&2; exit 2; }
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@tests/arch/mutants.sh $(if $(N),--times '$(N)') '$(A)' $(M)
