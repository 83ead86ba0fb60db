# SPDX-License-Identifier: LGPL-2.1-only
#
# Tests, demo and benchmarks; included by the Makefile.
#
#: make demo           two emulated hosts, and a guest moved between them;
#:                     ARGS="--bandwidth 1000" are options of xmig migrate
#: make check          everything below, as CI runs it
#: make lint           the rules of docs/hacking.md
#: make check-unit     tests/unit; T=test_wire runs one
#: make check-live     tests/live, on emulated hosts; T=move runs one
#: make soak           N=300 migrations with random options; SEED=... repeats
#: make check-fault    tests/fault: fail the Nth call, for every N
#: make check-model    tests/model, with spin; MODEL_FLAGS=-DFAULTS=3
#: make check-xen      tests/xen, on real Xen under QEMU; T=lab runs one
#: make check-asan     units and live tests under ASan and UBSan
#: make check-tsan     units and live migrations (TSAN_LIVE) under TSan
#: make fuzz           each fuzzer for FUZZ_SECONDS (20)
#: make cover          line coverage of units and live tests
#: make bench          against stock libxenguest, QEMU and raw TCP; RUNS=5
#:                     BENCHES='precopy-dirty' SUBJECTS='xmig qemu'
#: make bench-service  what a client feels, by pre-copy, post-copy, hybrid
#: make format         clang-format the files that differ from HEAD; F=FILES

T            ?= *
RUN_FLAGS    ?=
FUZZ_SECONDS ?= 20
RUNS         ?= 5
BENCHES      ?=
GUEST_MIB    ?= 2048
SUITE        ?=
TALLY        ?=
# J tests at once; of those on real Xen, each with two hosts, XEN_J.
J     ?= $(shell nproc)
XEN_J ?= 2
RUN = tests/run.sh -b $(B) $(RUN_FLAGS) $(if $(TALLY),-o $(TALLY)) -k '$(T)'
quiet_sub = $(MAKE) --no-print-directory

# ---- units -----------------------------------------------------------------
# tests/unit/test_X.c is linked with libxmig.a, unless a line "LINK: a.c b.c"
# in its first comment names the sources it takes instead (globs allowed; "/*"
# would open a comment, so write "/?*.c").
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:%.c=$(B)/%)
LINKS_IN  = $(wildcard $(shell sed -n \
              '1,30s/^[ */]*LINK: *\(.*[^ */]\)[ */]*$$/\1/p' $(1)))

define unit_rule
$(B)/tests/unit/$(1): $(B)/tests/unit/$(1).o \
    $(if $(2),$(2:%.c=$(B)/%.o),$(B)/lib/libxmig.a)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIB_LIBS) -lcmocka -lm
$(B)/tests/unit/$(1).o: LIB_CFLAGS := $(if $(2),$$(EMU_INC),$$(LIB_INC))
endef
LIB_INC := -Iinclude $(LIB_DIRS:%/=-I%) -Isrc -I$(B)/gen -Itools -I.
EMU_INC := -Itools/emu -Itools/emu/guest -Itools/emu/host -Itools/emu/net \
           -Itools/emu/cmd -Iinclude -I.
# Sources that several tests name.
$(B)/tests/unit/%.o: LIB_CFLAGS := $(EMU_INC) $(LIB_INC)
$(foreach t,$(UNIT_SRC:tests/unit/%.c=%),$(eval \
  $(call unit_rule,$(t),$(call LINKS_IN,tests/unit/$(t).c))))

$(B)/tests/unit/test_libxl_config: LIB_LIBS := -lxenlight $(LIB_LIBS)

check-unit: $(filter $(patsubst %,$(B)/tests/unit/%,$(subst *,%,$(T))) \
              ,$(UNIT_BIN))
	$(Q)$(RUN) -j $(J) -s '$(strip unit $(SUITE))' $^

# ---- live ------------------------------------------------------------------
# tests/live/*.t are tests, tests/live/*.c programs they use.  A program is
# linked with libxmig.a when it includes a header of ours.
LIVE_SRC := $(wildcard tests/live/*.c tests/fault/*.c tests/bench/*.c)
LIVE_BIN := $(LIVE_SRC:%.c=$(B)/%)
LIVE_T   := $(sort $(wildcard tests/live/*.t))
FAULT_T  := $(sort $(wildcard tests/fault/*.t))

define live_rule
$(B)/$(1): $(B)/$(1).o $(if $(shell grep -l '^#include "' $(1).c), \
    $(B)/lib/libxmig.a)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIVE_LAST) $$(LIB_LIBS) -lm
$(B)/$(1).o: LIB_CFLAGS := $(LIB_INC) -Itools/emu
endef
$(foreach t,$(LIVE_SRC:%.c=%),$(eval $(call live_rule,$(t))))

# More than one file; the archive last.
SWEEP_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/fault/lib/*.c)) \
             $(B)/tools/emu/lib/emu_conn.o $(B)/tools/emu/lib/emu_trace.o
$(B)/tests/fault/sweep: $(SWEEP_OBJ)
$(B)/tests/fault/sweep: LIVE_LAST := $(B)/lib/libxmig.a
$(B)/tests/fault/lib/%.o: LIB_CFLAGS := $(LIB_INC) -Itools/emu
$(B)/tests/live/hostile: $(patsubst %.c,$(B)/%.o,$(wildcard tests/live/peer/*.c))
$(B)/tests/live/hostile: LIVE_LAST := $(B)/lib/libxmig.a
$(B)/tests/live/peer/%.o: LIB_CFLAGS := $(LIB_INC) -Itests/live/peer

check-live: all $(LIVE_BIN)
	$(Q)$(RUN) -j $(J) -s '$(strip live $(SUITE))' $(LIVE_T)

soak: all $(LIVE_BIN)
	$(Q)N=$(or $(N),300) SEED=$(SEED) tests/run.sh -b $(B) -v -s soak tests/live/soak.t

check-fault: all $(LIVE_BIN)
	$(Q)$(RUN) -j $(J) -s '$(strip fault $(SUITE))' -t 600 $(FAULT_T)

# ---- models ----------------------------------------------------------------
# tests/model/X.pml is a program for spin, X.t checks it.
MODEL_T  := $(sort $(wildcard tests/model/*.t))

check-model:
	$(Q)$(RUN) -j $(J) -s '$(strip model $(SUITE))' -t 600 $(MODEL_T)

# ---- real Xen --------------------------------------------------------------
XEN_T := $(sort $(wildcard tests/xen/*.t))

# Programs there load it, so it is plain in every tree.
$(B)/tests/xen/xmig-trace.so: $(wildcard tests/xen/trace/*.[ch]) \
                              tools/emu/host/names.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -fPIC $(WARN) $(CFLAGS) \
	    -fvisibility=hidden -Itools/emu -Itools/emu/host -shared -o $@ \
	    $(filter %.c,$^)

check-xen: all $(LIVE_BIN) $(B)/tests/xen/xmig-trace.so
	$(Q)tests/xen/pool $(XEN_J) $(RUN) -j $(XEN_J) -s '$(strip xen $(SUITE))' \
	    -t 600 $(XEN_T)

# ---- sanitizers ------------------------------------------------------------
# What stock programs load (tools/emu/lib) stays plain in every tree.
check-asan:
	+$(Q)$(quiet_sub) -k B=build/asan SAN=address,undefined \
	    SUITE='(ASan, UBSan)' check-unit check-live

# TSan's shadow needs less address randomisation than some kernels use.
TSAN_LIVE ?= lanes callbacks daemon postcopy postcopy_access
check-tsan:
	+$(Q)if setarch -R true 2>/dev/null; then tsan='setarch -R'; fi; \
	sub="$$tsan $(quiet_sub) B=build/tsan SAN=thread"; rc=0; \
	$$sub SUITE='(TSan)' check-unit || rc=1; \
	for t in $(TSAN_LIVE); do \
	    $$sub SUITE='(TSan)' T="$$t" check-live || rc=1; \
	done; exit $$rc

# ---- fuzzers ---------------------------------------------------------------
# tests/fuzz/fuzz_X.c, with its seeds in tests/fuzz/corpus/X.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(B)/%)

$(FUZZ_BIN): $(B)/%: $(B)/%.o $(B)/lib/libxmig.a
	$(Q)$(CC) $(LDFLAGS) -pthread -fsanitize=fuzzer,address,undefined \
	    -o $@ $^ $(LIB_LIBS) -lm
$(FUZZ_BIN:=.o): LIB_CFLAGS := $(LIB_INC)
$(B)/tests/fuzz/fuzz_report: $(B)/tools/report-read.o $(B)/tools/report-draw.o

FUZZ_T   := $(patsubst tests/fuzz/fuzz_%.c,$(B)/tests/fuzz/%.t,$(FUZZ_SRC))

fuzz-run: $(FUZZ_BIN) $(FUZZ_T)
	$(Q)$(RUN) -j $(J) -s fuzz -t $$(($(FUZZ_SECONDS) + 60)) $(FUZZ_T)
$(FUZZ_T): $(B)/tests/fuzz/%.t: FORCE
	@mkdir -p $(@D)
	$(Q)printf '#!/bin/sh\nexec $(CURDIR)/tests/fuzz/run-one.sh $* %s\n' \
	    $(FUZZ_SECONDS) >$@
	$(Q)chmod +x $@
FORCE:

fuzz:
	+$(Q)$(quiet_sub) B=build/fuzz CC=clang \
	    SAN=fuzzer-no-link,address,undefined fuzz-run

# ---- all of it -------------------------------------------------------------
deps:
	$(Q)tests/deps.sh
deps-demo:
	$(Q)tests/deps.sh demo

lint:
	$(Q)tests/run.sh -b $(B) $(if $(TALLY),-o $(TALLY)) -s lint tests/lint.sh tests/selftest.sh

CHECKS ?= lint check-unit check-model check-live check-fault check-xen check-asan check-tsan \
          fuzz

# Every part runs whatever became of the others; a part that does not even
# build counts as one failure.
check: deps
	+$(Q)mkdir -p build && rm -f build/tally
	+$(Q)for part in all $(CHECKS); do \
	    touch build/tally; before=$$(wc -l <build/tally); \
	    $(quiet_sub) -k WERROR=1 TALLY=$(CURDIR)/build/tally $$part || \
	    [ $$(wc -l <build/tally) -gt $$before ] || \
	    echo "0 1 0 $$part (not built)" >>build/tally; \
	done; echo "== total"; tests/run.sh --sum build/tally

cover:
	+$(Q)$(quiet_sub) B=build/cover CFLAGS='-O0 -g --coverage' \
	    LDFLAGS=--coverage check-unit check-live
	$(Q)tests/cover.sh build/cover

FORMAT_FILES = $(or $(F),$(shell git diff --name-only HEAD -- '*.c' '*.h'))
format:
	$(Q)if [ -n "$(FORMAT_FILES)" ]; then \
	    clang-format -i $(FORMAT_FILES); fi

demo: deps-demo
	+$(Q)$(quiet_sub) all
	$(Q)B=$(B) tools/emu/demo/run.sh $(ARGS)

bench: deps-demo
	+$(Q)$(quiet_sub) all $(LIVE_BIN)
	$(Q)tests/bench/run.sh -b $(B) -n $(RUNS) -m $(GUEST_MIB) $(BENCHES)

bench-service: deps
	+$(Q)$(quiet_sub) all
	$(Q)tests/bench/service.py -b $(B) -m $(GUEST_MIB)

.PHONY: check check-unit check-model check-live check-fault check-xen check-asan check-tsan fuzz \
        fuzz-run FORCE lint cover format demo bench bench-service deps deps-demo
