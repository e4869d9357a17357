# Cofferdam. `make help` lists the targets; docs/hacking.md explains the build modes.
#
# Everything built goes below build/$(MODE); downloads, root images and the programs for inside of cells are shared by
# all modes (build/cache, build/images, build/probes). What Debian packages are missing is installed first, once, by
# rootfs/deps.sh; DEPS=skip leaves the system alone.

MODE ?= release
$(if $(filter $(MODE),release debug asan fuzz),,$(error MODE is release, debug, asan or fuzz, not '$(MODE)'))
CC ?= cc
BUILD := build/$(MODE)
PREFIX ?= /usr/local
.DEFAULT_GOAL := all

# Where the binaries look when they are not told otherwise (flags and environment win).
DEFAULT_POLICIES_DIR ?= $(CURDIR)/policies
DEFAULT_IMAGES_DIR ?= $(CURDIR)/build/images
DEFAULT_PROBES_DIR ?= $(CURDIR)/build/probes
DEFAULT_BENCH_DIR ?= $(CURDIR)/$(BUILD)/bench

# Where this Makefile builds the root images and what `make run` and the tests use; from the environment if set there.
IMAGES_DIR ?= $(DEFAULT_IMAGES_DIR)
CACHE_DIR ?= $(CURDIR)/build/cache
STATE_DIR ?= $(CURDIR)/build/state
PROBES_DIR := $(CURDIR)/build/probes
BIN_DIR := $(CURDIR)/$(BUILD)/bin
FUZZERS_DIR := $(CURDIR)/build/fuzz/tests/fuzz
BENCH_DIR := $(CURDIR)/$(BUILD)/bench
export IMAGES_DIR PROBES_DIR BIN_DIR FUZZERS_DIR BENCH_DIR CACHE_DIR

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
	-Wwrite-strings -Wundef -Wvla -Wformat=2 -Wno-missing-field-initializers -Werror
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_debug := -O0
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_fuzz := $(CFLAGS_asan) -fsanitize=fuzzer-no-link
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_debug :=
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_fuzz := $(LDFLAGS_asan)
CFLAGS_ALL = -std=gnu17 -D_GNU_SOURCE -g $(WARNINGS) -fstack-protector-strong -fPIE -I. $(CFLAGS_$(MODE)) $(CFLAGS)
LDFLAGS_ALL = -pie $(LDFLAGS_$(MODE)) $(LDFLAGS)
DEFAULTS := -DDEFAULT_POLICIES_DIR='"$(DEFAULT_POLICIES_DIR)"' -DDEFAULT_IMAGES_DIR='"$(DEFAULT_IMAGES_DIR)"' \
	-DDEFAULT_PROBES_DIR='"$(DEFAULT_PROBES_DIR)"' -DDEFAULT_BENCH_DIR='"$(DEFAULT_BENCH_DIR)"'

SANDBOX_LIBS := -lseccomp -lcap -ljansson
SERVICE_LIBS := -lmicrohttpd -lcurl -ljansson -lcrypto -lsqlite3 -lpthread
# Asked when a test is linked, not before: on a fresh machine pkg-config arrives during the same `make test`.
CHECK_LIBS = $(shell pkg-config --libs check) -lyaml

# The source lists are the folders: a new file needs no line here. sandbox/cli and service/main.c hold the programs.
SUITES ?= unit torture sandbox faults attacks service aws soak bench fuzz vm
SANDBOX_SRC := $(filter-out sandbox/cli/%,$(wildcard sandbox/*/*.c))
CLI_SRC := $(wildcard sandbox/cli/*.c)
SERVICE_SRC := $(filter-out service/main.c,$(wildcard service/*.c service/aws/*.c))
TESTLIB_SRC := $(wildcard tests/lib/*.c)
TEST_SRC := $(foreach suite,$(SUITES),$(wildcard tests/$(suite)/test_*.c))
TEST_SCRIPTS := $(foreach suite,$(SUITES),$(wildcard tests/$(suite)/test_*.sh))
PROBE_SRC := $(wildcard tests/probes/*.c)
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c)) $(BUILD)/bench/payload/payload $(BUILD)/bench/report/report
# What virtual machines run, whatever is chosen here.
GUEST_TEST_SRC := $(foreach suite,unit sandbox attacks,$(wildcard tests/$(suite)/test_*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
TESTS := $(patsubst %.c,$(BUILD)/%,$(TEST_SRC))
GUEST_TESTS := $(patsubst %.c,$(BUILD)/%,$(GUEST_TEST_SRC))
PROBES := $(patsubst tests/probes/%.c,build/probes/%,$(PROBE_SRC))

# As many jobs as CPUs (-j on the command line wins); `clean` must not race with what follows it.
ifeq ($(MAKELEVEL)$(filter clean distclean,$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory
# V=1 shows the commands.
$(V).SILENT:

## all: build both programs, bin/cofferdam and bin/cofferdam-service (the default)
.PHONY: all
all: $(BUILD)/bin/cofferdam $(BUILD)/bin/cofferdam-service

## run: install what is missing, build programs and root images, start the service (PORT=, STATE_DIR= …; BACKEND=aws-local: as
##      on several machines, with emulators of SQS, DynamoDB and S3)
BACKEND ?= embedded
$(if $(filter $(BACKEND),embedded aws-local),,$(error BACKEND is embedded or aws-local, not '$(BACKEND)'))
.PHONY: run
run: all images
	exec $(AS_ROOT) env STATE_DIR='$(STATE_DIR)' $(if $(filter aws-local,$(BACKEND)),tests/aws/local $(BUILD)/bin,$(BUILD)/bin/cofferdam serve)

## verify: attack cells on this machine, and say what held (ARGS='--row 10', ARGS=--json …)
.PHONY: verify
verify: all images $(PROBES)
	$(AS_ROOT) $(BUILD)/bin/cofferdam verify --images-dir $(IMAGES_DIR) $(ARGS)

## images: build the root images that are missing or out of date (IMAGES_DIR=)
.PHONY: images
images: | deps
	$(AS_ROOT) rootfs/build --images-dir $(IMAGES_DIR) --cache-dir $(CACHE_DIR)

# Where both are wanted, the images' progress comes after the compiler's lines and not between them.
ifneq ($(filter run test verify bench,$(MAKECMDGOALS)),)
images: | all
endif

# Images and cells are root's; whoever else calls us is asked by sudo.
AS_ROOT :=
ifneq ($(shell id -u),0)
AS_ROOT = $(or $(shell command -v sudo 2>/dev/null),$(error images and cells need root, or sudo)) -E
endif

# --- the programs ----------------------------------------------------------------------------------------------------

$(BUILD)/libsandbox.a: $(call obj,$(SANDBOX_SRC))
$(BUILD)/libservice.a: $(call obj,$(SERVICE_SRC))
$(BUILD)/%.a:
	rm -f $@ && ar rcs $@ $^

$(BUILD)/bin/cofferdam: $(call obj,$(CLI_SRC)) $(BUILD)/libsandbox.a
	echo "link    $@"
	mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SANDBOX_LIBS)
$(BUILD)/bin/cofferdam-service: $(call obj,service/main.c) $(BUILD)/libservice.a $(BUILD)/libsandbox.a
	echo "link    $@"
	mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SANDBOX_LIBS) $(SERVICE_LIBS)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | deps
	echo "compile $<"
	mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(DEFAULTS) -MMD -MP -c -o $@ $<

# Changes when the compiler or its flags do, and every object with it.
$(BUILD)/flags: export FLAGS = $(CC) $(CFLAGS_ALL) $(DEFAULTS) $(LDFLAGS_ALL)
$(BUILD)/flags: always
	mkdir -p $(@D)
	[ "$$FLAGS" = "$$(cat $@ 2>/dev/null)" ] || printf '%s\n' "$$FLAGS" >$@
.PHONY: always
always:

-include $(shell find $(BUILD)/obj build/probes -name '*.d' 2>/dev/null)
.SECONDARY:

# --- the tests -------------------------------------------------------------------------------------------------------

# T=name chooses: a program ("policy", "test_policy"), one function of it ("policy:refuses_x"), a suite ("unit"), a check.
CHECKS ?= lint format-check
# Seconds for one program.
TEST_TIMEOUT ?= 900
T_NAME := $(firstword $(subst :, ,$(T)))
T_CASE := $(word 2,$(subst :, ,$(T)))
chosen = $(if $(T),$(filter %/$(T_NAME) %/test_$(T_NAME) %/test_$(T_NAME).sh $(BUILD)/tests/$(T_NAME)/% tests/$(T_NAME)/%,$(1)),$(1))
CHOSEN_CHECKS := $(if $(T),$(filter $(T_NAME),$(CHECKS)),$(CHECKS))
CHOSEN_TESTS := $(call chosen,$(TESTS))
CHOSEN_SCRIPTS := $(call chosen,$(TEST_SCRIPTS))
# Unit tests need no more than themselves, fuzzers are built in a mode of their own.
CHOSEN_NEEDS := $(if $(filter-out $(BUILD)/tests/unit/% tests/unit/% tests/fuzz/%,$(CHOSEN_TESTS) $(CHOSEN_SCRIPTS)),all images $(PROBES)) \
	$(if $(filter $(BUILD)/tests/aws/%,$(CHOSEN_TESTS)),emulators) \
	$(if $(filter tests/fuzz/%,$(CHOSEN_SCRIPTS)),fuzzers) \
	$(if $(filter tests/bench/%,$(CHOSEN_SCRIPTS)),$(BENCHES)) \
	$(if $(filter tests/vm/%,$(CHOSEN_SCRIPTS)),$(GUEST_TESTS) install-tree)

## test: run all checks and tests; T=name, T=name:function, T=suite or T=lint run a part
.PHONY: test
test: $(CHOSEN_TESTS) $(CHOSEN_NEEDS) | deps
	$(if $(CHOSEN_CHECKS)$(CHOSEN_TESTS)$(CHOSEN_SCRIPTS),,$(error no test is named '$(T)'))
	tests/lib/run --logs $(BUILD)/logs --timeout $(TEST_TIMEOUT) --case '$(T_CASE)' \
		$(foreach check,$(CHOSEN_CHECKS),$(check)=tests/lint/$(check)) $(CHOSEN_TESTS) $(CHOSEN_SCRIPTS)

## asan: the tests but the attacks, with the address and undefined-behaviour sanitizers
.PHONY: asan
asan:
	$(MAKE) test MODE=asan SUITES='unit sandbox service' CHECKS=

## test-aws: the backends in AWS, against emulators of SQS, DynamoDB and S3 (`make test` runs them as well)
.PHONY: test-aws
test-aws:
	$(MAKE) test SUITES=aws CHECKS=

## emulators: the root in which emulators of SQS, DynamoDB and S3 run (their tests are skipped where it cannot be had)
.PHONY: emulators
emulators: | deps
	$(AS_ROOT) env CACHE_DIR=$(CACHE_DIR) tests/aws/emulators/build || [ $$? -eq 77 ]

## test-vm: unit, sandbox and attack tests in virtual machines, several kernels (`make test` runs a selection)
.PHONY: test-vm
test-vm:
	VM=full $(MAKE) test SUITES=vm CHECKS= TEST_TIMEOUT=7200

# An installation for the guest that tries it, with the paths that it has there.
.PHONY: install-tree
install-tree: $(PROBES)
	$(MAKE) install DESTDIR=$(CURDIR)/build/install/tree PREFIX=/usr

## lint: sizes, the may-include table, the ban list, and files that documents name
.PHONY: lint
lint: | deps
	tests/lint/lint

## format-check: is every C file laid out as clang-format says?
.PHONY: format-check
format-check: | deps
	tests/lint/format-check

## format: lay out every C file
.PHONY: format
format: | deps
	tests/lint/format-check --fix

$(BUILD)/libtest.a: $(call obj,$(TESTLIB_SRC))
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/libtest.a $(BUILD)/libservice.a $(BUILD)/libsandbox.a
	echo "link    $@"
	mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SANDBOX_LIBS) $(SERVICE_LIBS) $(CHECK_LIBS)

# What gives a program of a test a wrong clock.
$(addprefix $(BUILD)/tests/aws/test_,skew story): | $(BUILD)/tests/aws/clock.so
$(BUILD)/tests/aws/clock.so: tests/aws/clock.c $(BUILD)/flags | deps
	echo "link    $@"
	mkdir -p $(@D)
	$(CC) $(filter-out -fPIE -fsanitize=%,$(CFLAGS_ALL)) -fPIC -shared -o $@ $<

# Tests that make allocations fail bring a malloc of their own.
$(BUILD)/tests/torture/%: $(BUILD)/obj/tests/torture/%.o $(BUILD)/obj/tests/torture/torture.o $(BUILD)/libtest.a \
		$(BUILD)/libservice.a $(BUILD)/libsandbox.a
	echo "link    $@"
	mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SANDBOX_LIBS) $(SERVICE_LIBS) $(CHECK_LIBS)

## torture: make every allocation fail, one after the other (`make test` does so with some of them)
.PHONY: torture
torture:
	TORTURE=full $(MAKE) test SUITES=torture CHECKS=

## faults: make every system call that sets a cell up fail, with each of nine errnos (`make test` does so with some)
.PHONY: faults
faults:
	FAULTS=full CK_TIMEOUT_MULTIPLIER=10 $(MAKE) test SUITES=faults CHECKS= TEST_TIMEOUT=7200

## soak: RUNS=10000 runs of every kind through one supervisor; then all is as it was (`make test` does 200)
.PHONY: soak
RUNS ?= 10000
soak:
	SOAK_RUNS=$(RUNS) CK_TIMEOUT_MULTIPLIER=30 $(MAKE) test T=runs CHECKS= TEST_TIMEOUT=7200
	grep ^soak: $(BUILD)/logs/soak-test_runs.log

## kills: KILLS=200 times kill -9 of this or that at random, under jobs over HTTP (KILLS_SEED=n: in the order of then)
.PHONY: kills
KILLS ?= 200
kills:
	KILLS=$(KILLS) CK_TIMEOUT_MULTIPLIER=30 $(MAKE) test T=kills CHECKS= TEST_TIMEOUT=7200
	grep ^kills: $(BUILD)/logs/soak-test_kills.log

## chaos: JOBS=1000 jobs through two nodes and three workers, as these are killed and SQS, DynamoDB and S3 misbehave
.PHONY: chaos
JOBS ?= 1000
chaos:
	STORY_JOBS=$(JOBS) STORY_DOWN_MSEC=20000 CK_TIMEOUT_MULTIPLIER=10 $(MAKE) test T=story CHECKS= TEST_TIMEOUT=7200
	grep ^.*chaos: $(BUILD)/logs/aws-test_story.log

## fuzz: F=name SECONDS=n looks for inputs that break one of the fuzzers; without F: which there are
FUZZ_CC ?= clang
SECONDS ?= 60
FUZZERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
.PHONY: fuzz fuzzers fuzz-programs
fuzz: $(if $(F),fuzzers)
	$(if $(F),tests/fuzz/run $(FUZZERS_DIR) build/fuzz/work $(SECONDS) $(F),tests/fuzz/run --list)

# In a mode of their own, and only where the compiler has libFuzzer: tests/fuzz/test_fuzz.sh says so where not.
fuzzers: | deps
	if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
		$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null; \
	then $(MAKE) MODE=fuzz CC='$(FUZZ_CC)' fuzz-programs; else rm -rf $(FUZZERS_DIR); fi
fuzz-programs: $(FUZZERS)
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libtest.a $(BUILD)/libservice.a $(BUILD)/libsandbox.a
	echo "link    $@"
	mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(SANDBOX_LIBS) $(SERVICE_LIBS)

## golden: write anew what the profiles answer to each system call (tests/attacks/golden); read the difference
.PHONY: golden
golden: $(BUILD)/bin/cofferdam
	for profile in $(filter-out service supervisor launcher,$(basename $(notdir $(wildcard policies/seccomp/*.json)))); do \
		$< check --policies-dir policies --syscalls $$profile >tests/attacks/golden/$$profile.txt || exit 1; \
	done

# --- the benchmarks --------------------------------------------------------------------------------------------------

## bench: measure on this machine and draw build/release/bench/report.md (BENCH=launch: that one; ARGS='--rounds 100')
BENCH ?= $(patsubst bench/%.c,%,$(wildcard bench/*.c))
.PHONY: bench
bench: all images $(BENCHES)
	$(foreach bench,$(BENCH),$(AS_ROOT) $(BUILD)/bench/$(bench) --json $(BUILD)/bench/$(bench).json $(ARGS) &&) true
	$(BUILD)/bench/report/report $(BUILD)/bench

.PHONY: benches
benches: $(BENCHES)
$(BUILD)/libbench.a: $(call obj,$(wildcard bench/lib/*.c))
$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(BUILD)/libbench.a $(BUILD)/libsandbox.a
	echo "link    $@"
	mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SANDBOX_LIBS) -lcurl -lpthread -lm

$(BUILD)/bench/report/report: $(call obj,$(wildcard bench/report/*.c))
	echo "link    $@"
	mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ -ljansson

# What is measured inside cells is the same file outside of them.
$(BUILD)/bench/payload/%: bench/payload/%.c | deps
	echo "compile $<"
	mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -pthread -o $@ $< -lm

# Programs that run inside cells: static, so that any image bears them. Fortified, as Ubuntu's compiler does unasked: it
# warns of more.
build/probes/%: tests/probes/%.c | deps
	echo "compile $<"
	mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -I. -O1 -Wall -Wextra -Werror -static -pthread -MMD -MP -MF $@.d -o $@ $<

## analyze: gcc -fanalyzer, clang-tidy and cppcheck over both halves (make -k analyze for all findings)
ANALYZED := $(SANDBOX_SRC) $(CLI_SRC) $(SERVICE_SRC) $(wildcard service/main.c)
.PHONY: analyze
analyze: analyze-gcc analyze-tidy analyze-cppcheck

.PHONY: analyze-gcc analyze-tidy analyze-cppcheck
analyze-gcc: $(ANALYZED:%=build/analyze/%.gcc)
analyze-tidy: $(ANALYZED:%=build/analyze/%.tidy)
# varFuncNullUB: where NULL may be a plain 0, it is no pointer in a variable argument list; glibc's is (void *)0.
# It reads no system headers; the one whose macros are loops it must.
analyze-cppcheck: | deps
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem --suppress=varFuncNullUB \
		$(addprefix --include=,$(wildcard /usr/include/sys/queue.h /usr/include/*-linux-gnu/sys/queue.h)) \
		-I. -D_GNU_SOURCE sandbox service
# No file is made: every run says all there is to say. gcc (12) loses sight of what is stored in an array or a list, and calls
# it leaked: leaks are looked for by `make torture` and `make asan`.
build/analyze/%.gcc: % | deps
	echo "analyze $<"
	gcc $(CFLAGS_ALL) $(DEFAULTS) -fanalyzer -Wno-analyzer-malloc-leak -c -o /dev/null $<
build/analyze/%.tidy: % | deps
	echo "tidy    $<"
	clang-tidy --quiet $< -- $(filter-out -W%,$(CFLAGS_ALL)) $(DEFAULTS)

# --- the machine -----------------------------------------------------------------------------------------------------

## deps: install the Debian packages that are missing for what is to be done (DEPS=skip: only name them)
#
# One call with all groups that the goals on the command line need, so that it says once what it installs.
GOALS := $(or $(MAKECMDGOALS),all)
DEPS_GROUPS := build $(if $(filter run images emulators verify test test-aws asan bench deps,$(GOALS)),images) \
	$(if $(filter test test-aws asan torture faults soak kills fuzz fuzzers deps lint format% $(BUILD)/tests/%,$(GOALS)),test) \
	$(if $(filter test deps fuzz fuzzers,$(GOALS)),fuzz) \
	$(if $(filter analyze%,$(GOALS)),analyze)
.PHONY: deps
deps:
	DEPS=$(DEPS) rootfs/deps.sh $(DEPS_GROUPS)
	$(if $(filter test test-vm deps,$(GOALS)),DEPS=$(DEPS) rootfs/deps.sh --optional vm)

## install: programs, attack programs, benchmarks, policies and systemd units below PREFIX (/usr/local), with DESTDIR for packagers
SHARE := $(PREFIX)/share/cofferdam
LIB := $(PREFIX)/lib/cofferdam
UNITS := $(wildcard service/units/*.service)
UNITS_DIR := $(PREFIX)/lib/systemd/system
SYSUSERS_DIR := $(PREFIX)/lib/sysusers.d
.PHONY: install
install: $(PROBES)
	$(MAKE) all benches BUILD=build/install DEFAULT_POLICIES_DIR=$(SHARE)/policies DEFAULT_IMAGES_DIR=$(LIB)/images \
		DEFAULT_PROBES_DIR=$(LIB)/attacks DEFAULT_BENCH_DIR=$(LIB)/bench
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(SHARE) $(DESTDIR)$(LIB)/attacks $(DESTDIR)$(LIB)/bench/payload
	install build/install/bin/cofferdam build/install/bin/cofferdam-service $(DESTDIR)$(PREFIX)/bin
	install $(PROBES) $(DESTDIR)$(LIB)/attacks
	install $(patsubst bench/%.c,build/install/bench/%,$(wildcard bench/*.c)) $(DESTDIR)$(LIB)/bench
	install build/install/bench/payload/payload $(DESTDIR)$(LIB)/bench/payload
	cp -R policies $(DESTDIR)$(SHARE)
	install -d $(DESTDIR)$(UNITS_DIR)
	for unit in $(UNITS); do \
		sed -e '/^@COMMON@$$/{r service/units/common' -e 'd}' $$unit | sed 's|@PREFIX@|$(PREFIX)|g' \
			>$(DESTDIR)$(UNITS_DIR)/$${unit##*/} || exit 1; \
	done
	install -d $(DESTDIR)$(SYSUSERS_DIR)
	install -m 644 service/units/cofferdam.conf $(DESTDIR)$(SYSUSERS_DIR)
	echo "root images: make images IMAGES_DIR=$(DESTDIR)$(LIB)/images"
	echo "for systemd: systemd-sysusers $(SYSUSERS_DIR)/cofferdam.conf && systemctl enable --now cofferdam-service (several machines: cofferdam-api, cofferdam-worker)"

## uninstall: remove what install put there (root images stay)
.PHONY: uninstall
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/cofferdam $(DESTDIR)$(PREFIX)/bin/cofferdam-service
	rm -f $(addprefix $(DESTDIR)$(UNITS_DIR)/,$(notdir $(UNITS))) $(DESTDIR)$(SYSUSERS_DIR)/cofferdam.conf
	rm -rf $(DESTDIR)$(SHARE)/policies $(DESTDIR)$(LIB)/attacks $(DESTDIR)$(LIB)/bench
	rmdir --ignore-fail-on-non-empty $(DESTDIR)$(SHARE) $(DESTDIR)$(LIB) 2>/dev/null || true

## clean: remove what was compiled; state, root images and downloads stay
.PHONY: clean
clean:
	rm -rf build/release build/debug build/asan build/fuzz build/install build/probes

## distclean: remove everything below build
.PHONY: distclean
distclean:
	$(if $(wildcard build/images),$(AS_ROOT)) rm -rf build

## help: this list
.PHONY: help
help:
	sed -n 's/^## \([a-z-]*\): /  \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
	printf '\n  MODE=release|debug|asan   V=1 shows the commands   DEPS=skip installs nothing\n'
