# SPDX-License-Identifier: GPL-2.0
# The suites: guest suites are built here, tests/run runs them and those of tests/host.

TESTS_OUT := build/tests/guest
TESTS_LIB := $(wildcard tests/guest/lib/*.c)
TESTS_SUITES := $(filter-out ptworkload,$(notdir $(basename $(wildcard tests/guest/*.c))))
TESTS_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -MMD -MP
TESTS_LDLIBS := -lcheck -lsubunit -lrt -lm -lpthread
# Programs that the tests of the gdb commands look at; `user` loaded in three ways.
TESTS_GDB_OUT := build/tests/gdb
TESTS_GDB_PROGRAMS := $(notdir $(basename $(wildcard tests/gdb/*.c))) user-pie user-static-pie
# Without a point asked for: with the series and its mends, and before both what differs there.
TESTS_POINTS := $(if $(filter command environment,$(firstword $(origin P)))$(LINUX)$(PATCHES),$(P),fixed base)
# Then also the tests that must fail (known-bugs.txt), at the point that has the bugs.
TESTS_KNOWN := $(if $(filter command environment,$(firstword $(origin P)))$(LINUX)$(PATCHES),,series base)
# The host suites of gdb want debug kernels, that of mutants kernels with planted bugs; a run that
# picks a test or a kernel does without.
TESTS_GDB := $(if $(T)$(LINUX)$(PATCHES)$(filter-out series base fixed,$(TESTS_POINTS)),,series)
# Which shows them as well, and has to be built for gdb anyway: then a fast one of that point is not needed.
TESTS_KNOWN_DEBUG = $(if $(T),$(if $(wildcard build/points/series/debug/umlab.info),series),series)
TESTS_DIFFERING = $(TESTS_KNOWN)
TESTS_FLAVOURS = $(F)
TESTS_MODES := default
# More than there are CPUs: they wait now and then. A guest takes the memory that it touches.
TESTS_JOBS := $(or $(JOBS),$(shell echo $$(($$(nproc) + 5))))

# The kernels of ARCHS, for the host suite arch-boot: left out where their turn comes later than ARCHS_BY (seconds since 1970).
define TESTS_ARCHS
if [ $$(date +%s) -gt '$(or $(ARCHS_BY),9999999999)' ]; then \
		export UMLAB_ARCHS_LATE='$(ARCHS)'; echo 'check: $(ARCHS): left out: it is later than ARCHS_BY allows' >&2; \
	else \
		export UMLAB_ARCHS='$(ARCHS)'; tests/arch/run.sh --build --points 'v3 series' $(ARCHS) || exit 1; \
	fi;
endef

.PHONY: check check-all check-rounds soak coverage guest-tests

# Packages come first, in a make of their own: the rest is compiled with them.
ifdef GDB
check:
	@[ -n '$(T)' ] || { echo "check: GDB=1: needs T=name, the name of one test" >&2; exit 2; }
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@dir=$$($(UML_ENV) uml/kernel.sh '$(P)' '$(GDB_F)' | tail -n 1) && [ -n "$$dir" ] && \
		exec tests/run --gdb --host build/none --test '$(T)' --modes '$(or $(MODE),$(TESTS_MODES))' "$$dir"
else
check: ## [test] run all suites; T=name: one test; GDB=1: in gdb if the kernel complains; TAP=1: print TAP; P=, F=, LINUX=, PATCHES=: in that kernel; ARCHS=: boot these architectures, too
	@tools/deps.sh $(TESTS_DEPS)
	@$(MAKE) --no-print-directory -s tools guest-tests
	@set -- ; for f in $(TESTS_FLAVOURS); do \
		for point in $(TESTS_POINTS); do \
			dir=$$($(UML_ENV) uml/kernel.sh $$point $$f | tail -n 1) && [ -n "$$dir" ] || exit 1; \
			$(if $(TESTS_DIFFERING),[ $$point != base ] || set -- "$$@" --differing;) \
			set -- "$$@" "$(if $(LINUX)$(PATCHES),,$$point=)$$dir"; \
		done; \
		for point in $(TESTS_KNOWN); do \
			! [ build/points/fixed -ef build/points/$$point ] || continue; \
			k=$$f; [ $$f,$$point != fast,$(TESTS_KNOWN_DEBUG) ] || k=debug; \
			dir=$$(uml/kernel.sh $$point $$k | tail -n 1) && [ -n "$$dir" ] || exit 1; \
			set -- "$$@" --known-at "$$dir"; \
		done; \
	done; \
	for point in $(TESTS_GDB); do uml/kernel.sh $$point debug >/dev/null || exit 1; done; \
	$(if $(ARCHS),$(TESTS_ARCHS)) \
	$(if $(and $(TESTS_GDB),$(TESTS_KNOWN),$(filter fast,$(F))),uml/mutants.sh build $$(uml/mutants.sh sample 5) >/dev/null || exit 1;) \
	exec tests/run $(if $(TAP),--tap) --jobs $(TESTS_JOBS) $(if $(T),--test '$(T)') $(if $(AGAIN),--save '$(AGAIN)') \
		--modes '$(TESTS_MODES)' "$$@"
endif

.PHONY: check-newer-gdb
check-newer-gdb: ## [test] the host suites, and DAP, with the gdb of the next Debian, which is unpacked into the cache
	@tools/deps.sh with patchelf
	@$(MAKE) --no-print-directory -s tools guest-tests
	@tools/newer.sh gdb
	@uml/kernel.sh fixed fast >/dev/null && uml/kernel.sh series debug >/dev/null
	@PATH="$${XDG_CACHE_HOME:-$$HOME/.cache}/umlab/newer/gdb:$$PATH" tests/run --guest build/none --results build/results/newer-gdb --jobs $(TESTS_JOBS)

.PHONY: watch
watch: ## [test] run the test T=name again on each save, of the kernel's sources (P=work) or the project's; Ctrl-C ends it
	@[ -n '$(T)' ] || { echo "watch: needs T=name, the name of a test" >&2; exit 2; }
	@tools/deps.sh watch
	@MAKE='$(MAKE)' P='$(if $(filter command environment,$(firstword $(origin P))),$(P),$(if $(LINUX),,work))' tests/watch.sh

.PHONY: matrix
matrix: ## [test] POINTS= x FLAVOURS= x MODES= x SEEDS= as independent jobs: here, or HOSTS=a,b over ssh (WORKERS=N at once on each)
	@tools/deps.sh matrix
	@$(MAKE) --no-print-directory -s tools guest-tests
	@POINTS='$(POINTS)' FLAVOURS='$(FLAVOURS)' MODES='$(MODES)' SEEDS='$(SEEDS)' HOSTS='$(HOSTS)' WORKERS='$(WORKERS)' T='$(T)' tests/matrix.sh

check-all: TESTS_FLAVOURS = fast sanitize
check-all: TESTS_MODES = ptrace/1 seccomp/1 seccomp/2
check-all: TESTS_DIFFERING =
check-all: TESTS_KNOWN_DEBUG =
# The gdb commands in both kernels that have debug information, at every point, and all tours.
check-all: TESTS_GDB += base fixed
check-all: export UMLAB_GDB_FLAVOURS = debug sanitize
check-all: export UMLAB_ALL = 1
# Host suites matrix and distcc.
check-all: TESTS_DEPS = matrix
check-all: check ## [test] run all suites in flavours fast and sanitize, each in every mode

MINUTES ?= 10

soak: ## [test] the random test for MINUTES=10 in every mode, new seeds all the time (P=fixed, F=fast)
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@dir=$$($(UML_ENV) uml/kernel.sh '$(P)' '$(F)' | tail -n 1) && [ -n "$$dir" ] && \
		exec tests/soak.sh --minutes '$(MINUTES)' "$$dir"

check-rounds: TESTS_MODES = ptrace/1 seccomp/1 seccomp/2
check-rounds: ## [test] the tests of UML's own bugs, ROUNDS=1000 each, at fixed, fast and sanitize, in every mode
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s tools guest-tests
	@set -- ; for f in fast sanitize; do \
		dir=$$($(UML_ENV) uml/kernel.sh '$(P)' $$f | tail -n 1) && [ -n "$$dir" ] || exit 1; \
		set -- "$$@" "$(P)=$$dir"; \
	done; \
	ROUNDS=$(or $(ROUNDS),1000) exec tests/run --host build/none --results build/results/rounds --limit 3600 --jobs 2 \
		--modes '$(TESTS_MODES)' --test '$(or $(T),uml-)' "$$@"

# Once more with pages cleared when they are freed: mmu_gather then counts pages, not entries.
coverage: ## [test] line and branch coverage of the reclaim and mmu_gather path (P=fixed), HTML in build/coverage
	@tools/deps.sh coverage
	@$(MAKE) --no-print-directory -s tools guest-tests
	@dir=$$($(UML_ENV) uml/kernel.sh '$(P)' cover | tail -n 1) && [ -n "$$dir" ] || exit 1; \
	rm -rf build/coverage && mkdir -p build/coverage/raw || exit 1; failed=0; \
	tests/run --host build/coverage/none --results build/coverage/results --gcov build/coverage/raw \
		--modes 'ptrace/1 seccomp/1 seccomp/2' --jobs $(TESTS_JOBS) $(if $(T),--test '$(T)') "$(P)=$$dir" || failed=1; \
	tests/run --host build/coverage/none --results build/coverage/results-cleared --gcov build/coverage/raw \
		--append init_on_free=1 --test gather-batch "$(P)-cleared=$$dir" || failed=1; \
	tests/coverage/report "$$dir" build/coverage || failed=1; exit $$failed

guest-tests: $(TESTS_SUITES:%=$(TESTS_OUT)/%) $(TESTS_OUT)/ptworkload build/tests/host/broken $(TESTS_GDB_PROGRAMS:%=$(TESTS_GDB_OUT)/%) ## [test] build the guest suites and the workload
	$(if $(TESTS_STRAY),rm -f $(TESTS_STRAY))

# What was a suite is run no more.
TESTS_STRAY = $(filter-out $(TESTS_SUITES:%=$(TESTS_OUT)/%) $(TESTS_OUT)/ptworkload $(TESTS_OUT)/obj,$(wildcard $(TESTS_OUT)/*))

# The workload needs no Check, so that `make demo` does not either.
$(TESTS_OUT)/ptworkload: $(TESTS_OUT)/obj/ptworkload.o $(TESTS_OUT)/obj/lib/proc.o
	$(call TESTS_LINK)

$(TESTS_SUITES:%=$(TESTS_OUT)/%): $(TESTS_OUT)/%: $(TESTS_OUT)/obj/%.o $(TESTS_LIB:tests/guest/%.c=$(TESTS_OUT)/obj/%.o)
	$(call TESTS_LINK,$(TESTS_LDLIBS))

# A suite of several files: tests/guest/SUITE/*.c belong to it.
TESTS_PARTS := $(wildcard tests/guest/random/*.c)
$(TESTS_OUT)/random: $(TESTS_PARTS:tests/guest/%.c=$(TESTS_OUT)/obj/%.o)

# What the tests of the gdb commands look at.
$(patsubst %,$(TESTS_GDB_OUT)/%,$(filter-out user-%,$(TESTS_GDB_PROGRAMS))): $(TESTS_GDB_OUT)/%: tests/gdb/%.c $(TESTS_OUT)/obj/lib/proc.o $(COMPILED_BY)
	@mkdir -p $(@D)
	$(CC) $(TESTS_CFLAGS) -MF $(@D)/$*.d -static -o $@ $(filter %.c %.o,$^) -lpthread

# The same program, loaded elsewhere: pt-user has to find out where.
$(TESTS_GDB_OUT)/user-pie: TESTS_PIE := -pie -fPIE
$(TESTS_GDB_OUT)/user-static-pie: TESTS_PIE := -static-pie -fPIE
$(TESTS_GDB_OUT)/user-pie $(TESTS_GDB_OUT)/user-static-pie: tests/gdb/user.c $(COMPILED_BY)
	@mkdir -p $(@D)
	$(CC) $(TESTS_CFLAGS) -MF $@.d $(TESTS_PIE) -o $@ $<

# A suite that fails on purpose, for the test of the library.
build/tests/host/broken: tests/host/broken.c $(TESTS_LIB:tests/guest/%.c=$(TESTS_OUT)/obj/%.o)
	@mkdir -p $(@D)
	$(CC) $(TESTS_CFLAGS) -MF $(TESTS_OUT)/obj/broken.d -static -o $@ $(filter %.c %.o,$^) $(TESTS_LDLIBS)

TESTS_LINK = $(CC) -static -o $@.part $^ $(1) && mv $@.part $@

$(TESTS_OUT)/obj/%.o: tests/guest/%.c $(COMPILED_BY)
	@mkdir -p $(@D)
	$(CC) $(TESTS_CFLAGS) -c -o $@ $<

# What is linked stays: the pattern rule's objects are no intermediate files.
.SECONDARY: $(patsubst tests/guest/%.c,$(TESTS_OUT)/obj/%.o,$(wildcard tests/guest/*.c tests/guest/lib/*.c)) $(TESTS_PARTS:tests/guest/%.c=$(TESTS_OUT)/obj/%.o)

-include $(wildcard $(TESTS_OUT)/obj/*.d $(TESTS_OUT)/obj/lib/*.d $(TESTS_OUT)/obj/random/*.d $(TESTS_GDB_OUT)/*.d)
