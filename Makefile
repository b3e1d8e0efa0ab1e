# Berth: build, prove, install. See README.md for the two commands most people want.
#
#   make              build/berth, build/libberth.a, build/libberth.so
#   make demo         set up, build, show the ten steps on this kernel
#   make check        set up, build with gcc and clang, run every test
#   make lint         clang-format, clang-tidy, cppcheck, the layers
#   make bench        print the numbers of docs/ARCHITECTURE.md
#   make install      DESTDIR=, PREFIX=/usr/local
#
# Another compiler or the sanitizers build beside the normal tree:
#   make CC=clang BUILD=build/clang
#   make CC=clang BUILD=build/asan SANITIZE=1

CC       = gcc
BUILD    = build
PREFIX   = /usr/local
VERSION  = 0.1.0
SOMAJOR  = 0

WARN     = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
OPT      = -O2 -g
CFLAGS   = -std=gnu11 $(OPT) $(WARN) -fPIC
CPPFLAGS = -iquote . -D_GNU_SOURCE -DBERTH_VERSION='"$(VERSION)"' -MMD -MP
LDFLAGS  =
LDLIBS   = -lseccomp -lmnl -ljansson
ifdef SANITIZE
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
endif

# A folder is a layer (docs/ARCHITECTURE.md): its sources are what lies in it.
objects  = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c))
CORE     = $(call objects,core)
PROGRAM  = $(call objects,host) $(call objects,supervise) $(call objects,cli)
CORE_TESTS   = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/core/*_test.c))
HOST_TESTS   = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/host/*_test.c))
KERNEL_TESTS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/kernel/*.c))
SYSTEM_TOOLS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/system/*.c))
FUZZERS      = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*_fuzz.c))
BENCHES      = $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c))

all: $(BUILD)/berth $(BUILD)/libberth.a $(BUILD)/libberth.so

$(BUILD)/libberth.a: $(CORE)
	@mkdir -p $(@D) && rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libberth.so: $(CORE) core/libberth.map
	$(CC) -shared $(LDFLAGS) -Wl,-soname,libberth.so.$(SOMAJOR) -Wl,--version-script=core/libberth.map \
	    -Wl,-z,defs -o $@ $(CORE)

$(BUILD)/berth: $(PROGRAM) $(BUILD)/libberth.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(CORE_TESTS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libberth.a
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka
$(HOST_TESTS): $(BUILD)/%: $(BUILD)/%.o $(call objects,host) $(BUILD)/libberth.a
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$(KERNEL_TESTS) $(SYSTEM_TOOLS): $(BUILD)/%: $(BUILD)/%.o
	$(CC) $(LDFLAGS) -o $@ $^ -lmnl -lseccomp -lpthread
$(BENCHES): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libberth.a
	$(CC) $(LDFLAGS) -o $@ $^ -lpthread
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(wildcard core/*.c)
	@mkdir -p $(@D)
	clang $(CPPFLAGS) -std=gnu11 -O1 -g $(WARN) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -o $@ $< $(wildcard core/*.c)

tests: $(CORE_TESTS) $(HOST_TESTS) $(KERNEL_TESTS) $(SYSTEM_TOOLS)
fuzzers: $(FUZZERS)
benches: $(BENCHES)

clean:
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all tests fuzzers benches clean
