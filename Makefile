# Cofferdam. `make help` lists the targets; docs/hacking.md explains the build modes.
#
# Everything built goes below build/$(MODE); downloads and root images are shared by all modes (build/cache, build/images).

MODE ?= release
CC ?= cc
BUILD := build/$(MODE)

# Where the binaries look when they are not told otherwise (flags and environment win).
POLICIES_DIR ?= $(CURDIR)/policies
IMAGES_DIR ?= $(CURDIR)/build/images

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
	-Wwrite-strings -Wundef -Wvla -Wformat=2 -Wno-missing-field-initializers -Werror
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_debug := -O0
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_debug :=
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_ALL = -std=gnu17 -D_GNU_SOURCE -g $(WARNINGS) -fstack-protector-strong -fPIE -I. $(CFLAGS_$(MODE)) $(CFLAGS)
LDFLAGS_ALL = -pie $(LDFLAGS_$(MODE)) $(LDFLAGS)
DEFAULTS := -DDEFAULT_POLICIES_DIR='"$(POLICIES_DIR)"' -DDEFAULT_IMAGES_DIR='"$(IMAGES_DIR)"'

SANDBOX_LIBS := -lseccomp -lcap -ljansson
SERVICE_LIBS := -lmicrohttpd -lcurl -ljansson -lcrypto -lsqlite3 -lpthread
CHECK_LIBS = $(shell pkg-config --libs check 2>/dev/null)

# The source lists are the folders: a new file needs no line here. sandbox/cli and service/main.c hold the programs.
SANDBOX_SRC := $(filter-out sandbox/cli/%,$(wildcard sandbox/*/*.c))
CLI_SRC := $(wildcard sandbox/cli/*.c)
SERVICE_SRC := $(filter-out service/main.c,$(wildcard service/*.c))
TESTLIB_SRC := $(wildcard tests/lib/*.c)
TEST_SRC := $(wildcard tests/unit/test_*.c tests/sandbox/test_*.c tests/attacks/test_*.c tests/service/test_*.c)
PROBE_SRC := $(wildcard tests/probes/*.c)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
TESTS := $(patsubst %.c,$(BUILD)/%,$(TEST_SRC))
PROBES := $(patsubst tests/probes/%.c,build/probes/%,$(PROBE_SRC))

.PHONY: all
all: $(BUILD)/bin/cofferdam $(BUILD)/bin/cofferdam-service

$(BUILD)/libsandbox.a: $(call obj,$(SANDBOX_SRC))
	@rm -f $@ && ar rcs $@ $^
$(BUILD)/libservice.a: $(call obj,$(SERVICE_SRC))
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/bin/cofferdam: $(call obj,$(CLI_SRC)) $(BUILD)/libsandbox.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SANDBOX_LIBS)
$(BUILD)/bin/cofferdam-service: $(call obj,service/main.c) $(BUILD)/libservice.a $(BUILD)/libsandbox.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SANDBOX_LIBS) $(SERVICE_LIBS)

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(call obj,$(TESTLIB_SRC)) $(BUILD)/libservice.a $(BUILD)/libsandbox.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SANDBOX_LIBS) $(SERVICE_LIBS) $(CHECK_LIBS)

# Programs that run inside cells: static, so that any image bears them.
build/probes/%: tests/probes/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE -O1 -Wall -Wextra -static -pthread -o $@ $<

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(DEFAULTS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
