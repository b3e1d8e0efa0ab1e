# Berth: build, prove, install. See README.md for the two commands most people want.
#
#   make              build/berth, build/libberth.a, build/libberth.so
#   make demo         set up, build, show the ten steps on this kernel
#   make check        set up, build with gcc and clang, run every test
#   make lint         clang-format, clang-tidy, cppcheck, the manual pages, the scripts
#   make layers       who may know whom
#   make bench        measure everything, in 20 minutes, and make docs/performance.md of it
#   make bench-quick  the same, less exactly, in 2; no page
#   make install      DESTDIR=, PREFIX=/usr/local
#
# Another compiler or the sanitizers build beside the normal tree:
#   make CC=clang BUILD=build/clang
#   make CC=clang BUILD=build/asan SANITIZE=1
# V=1 shows the commands.

CC       = gcc
BUILD    = build
# Debian has it where users have no path to.
BPFTOOL  = $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
PREFIX   = /usr/local
VERSION  = 0.1.0
SOMAJOR  = 0

WARN     = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
OPT      = -O2 -g
CFLAGS   = -std=gnu11 $(OPT) $(WARN) -fPIC
CPPFLAGS = -iquote . -D_GNU_SOURCE -DBERTH_VERSION='"$(VERSION)"' -MMD -MP
LDFLAGS  =
SOFLAGS  = -Wl,-z,defs
LDLIBS   = -lseccomp -lmnl -linih -ljansson -lbpf -lpng -lncursesw -lmicrohttpd -lpthread -lm
ifdef SANITIZE
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
SOFLAGS  = # the sanitizers' own functions are in the program
endif

# A line for each file made, or with V=1 the command.
Q     = $(if $(V),,@)
say   = $(if $(V),,@printf '  %-5s %s\n' $(1) $@)

# A folder is a layer (docs/ARCHITECTURE.md): its sources are what lies in it.
objects  = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(addsuffix /*.c,$(1))))
CORE     = $(call objects,core)
PARTS    = $(call objects,config host view sim supervise daemon)
PROGRAM  = $(PARTS) $(call objects,cli)
CORE_TESTS   = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/core/*_test.c))
PART_TESTS   = $(patsubst %.c,$(BUILD)/%,$(filter-out tests/core/%,$(wildcard tests/*/*_test.c)))
KERNEL_TESTS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/kernel/*.c))
SYSTEM_TOOLS = $(patsubst %.c,$(BUILD)/%,$(filter-out %.bpf.c,$(wildcard tests/system/*.c)))
DIFFERENTIAL = $(BUILD)/tests/system/differential
NEXT_BUILDS  = $(BUILD)/next-program/berth $(BUILD)/next-layout/berth
FUZZERS      = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*_fuzz.c))
# A program of bench/ is NAME.c and what there is of NAME_*.c.
BENCH_PARTS  = $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/*_*.c))
BENCHES      = $(filter-out $(BENCH_PARTS:.o=),$(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c)))
LWIP         = $(wildcard /usr/include/lwip)

all: $(BUILD)/berth $(BUILD)/libberth.a $(BUILD)/libberth.so

$(BUILD)/libberth.a: $(CORE)
	$(call say,AR)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/libberth.so: $(CORE) core/libberth.map
	$(call say,LD)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libberth.so.$(SOMAJOR) -Wl,--version-script=core/libberth.map \
	    $(SOFLAGS) -o $@ $(CORE)

$(BUILD)/berth: $(PROGRAM) $(BUILD)/libberth.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# The eBPF programs, and the headers by which their loaders carry them along. Always by clang; one for all builds' flags.
BPF_CLANG = clang
BPF_CC  = $(BPF_CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -iquote . \
	  -idirafter /usr/include/$(shell $(CC) -print-multiarch) -MMD -MP -c
$(BUILD)/bpf/%.o: bpf/%.bpf.c
	$(call say,BPF)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPF_CC) -o $@ $<
%/berth.skel.h: %/bpf/berth.o
	$(call say,SKEL)
	$(Q){ echo "/* NOLINTBEGIN: bpftool wrote this */" && $(BPFTOOL) gen skeleton $< name berth && \
	    echo "/* NOLINTEND */" && echo "#define BERTH_BUILD \"$$(sha256sum <$< | cut -c 1-16)\""; } >$@
$(BUILD)/trace.skel.h: $(BUILD)/bpf/trace.o
	$(call say,SKEL)
	$(Q){ echo "/* NOLINTBEGIN: bpftool wrote this */" && $(BPFTOOL) gen skeleton $< name berth_trace && \
	    echo "/* NOLINTEND */"; } >$@
# A light skeleton: the kernel finds where its structures' members are, and not libbpf.
$(BUILD)/look.skel.h: $(BUILD)/bpf/look.o
	$(call say,SKEL)
	$(Q){ echo "/* NOLINTBEGIN: bpftool wrote this */" && $(BPFTOOL) gen skeleton -L $< name look && \
	    echo "/* NOLINTEND */"; } >$@
$(BUILD)/daemon/hooks.o: $(BUILD)/berth.skel.h
$(BUILD)/daemon/trace.o: $(BUILD)/trace.skel.h
$(BUILD)/daemon/owners.o: $(BUILD)/look.skel.h
$(BUILD)/daemon/hooks.o $(BUILD)/daemon/trace.o $(BUILD)/daemon/owners.o: CPPFLAGS += -isystem $(BUILD)

# What the page is made of goes into the binary.
$(BUILD)/daemon/page.o: $(wildcard web/*)

# Two later builds of berth, to upgrade to in the tests: one program more; and other maps as well.
$(BUILD)/next-layout/bpf/berth.o: BPF_CC += -DNEXT_LAYOUT
$(BUILD)/next-program/bpf/berth.o $(BUILD)/next-layout/bpf/berth.o: tests/system/next_build.bpf.c
	$(call say,BPF)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPF_CC) -o $@ $<
$(BUILD)/next-%/hooks.o: daemon/hooks.c $(BUILD)/next-%/berth.skel.h
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) -isystem $(@D) $(CFLAGS) -c -o $@ $<
$(NEXT_BUILDS): $(BUILD)/next-%/berth: $(BUILD)/next-%/hooks.o $(filter-out $(BUILD)/daemon/hooks.o,$(PROGRAM)) $(BUILD)/libberth.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(CORE_TESTS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libberth.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka
$(PART_TESTS): $(BUILD)/%: $(BUILD)/%.o $(PARTS) $(BUILD)/libberth.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$(KERNEL_TESTS) $(SYSTEM_TOOLS): $(BUILD)/%: $(BUILD)/%.o
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lmnl -lseccomp -lbpf -lpthread
$(DIFFERENTIAL): $(call objects,tests/differential)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^
$(BENCHES): $(BUILD)/%: $(BUILD)/%.o $(PARTS) $(BUILD)/libberth.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(foreach program,$(BENCHES),$(eval $(program): $(filter $(program)_%,$(BENCH_PARTS))))
$(BUILD)/bench/core: LDLIBS += $(if $(LWIP),-llwip)
$(BUILD)/bench/core_lwip.o: CPPFLAGS += $(addprefix -isystem ,$(LWIP))
# A fuzzer is built from the sources it feeds, with the sanitizers: the core, and what else it says here.
$(addprefix $(BUILD)/tests/fuzz/,berth_conf_fuzz registry_fuzz): FUZZED = $(wildcard config/*.c) host/address_text.c -linih
$(BUILD)/tests/fuzz/recording_fuzz: FUZZED = $(wildcard sim/*.c) -lm
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(wildcard core/*.[ch] config/*.[ch] sim/*.[ch] host/address_text.[ch] tests/core/*.h)
	$(call say,FUZZ)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(filter-out -M%,$(CPPFLAGS)) -std=gnu11 -O1 -g $(WARN) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -o $@ $< $(wildcard core/*.c) $(FUZZED)

tests: $(CORE_TESTS) $(PART_TESTS) $(KERNEL_TESTS) $(SYSTEM_TOOLS) $(DIFFERENTIAL) $(NEXT_BUILDS)
fuzzers: $(FUZZERS)
benches: $(BENCHES)

# ---- targets that set up by themselves ----

demo:
	@tools/setup.sh build
	@$(MAKE) --no-print-directory $(BUILD)/berth
	@$(BUILD)/berth demo

check:
	@tools/setup.sh build check
	@tools/check.sh

lint:
	@tools/setup.sh build lint
	@tools/lint.sh

bench bench-quick:
	@tools/setup.sh build bench
	@$(MAKE) --no-print-directory all benches $(BUILD)/tests/system/close_first
	@tools/bench.sh $(BUILD) $(if $(filter bench-quick,$@),--quick)
	@$(if $(filter bench,$@),$(MAKE) --no-print-directory page)

# The results go with the page: it can be made again from them.
page:
	bench/page.py $(BUILD)/bench/results docs/performance.md

layers: $(CORE) $(PROGRAM)
	@tools/layers.py --self-test
	@tools/layers.py $(BUILD)

# ---- installation ----

LIBRARY = libberth.so.$(VERSION)
TO      = $(DESTDIR)$(PREFIX)

# One header for users: the public ones of core/ in the order in which core/berth.h names them.
$(BUILD)/berth.h: tools/public_header.py $(wildcard core/*.h)
	$(call say,MAKE)
	$(Q)mkdir -p $(@D)
	$(Q)tools/public_header.py core/berth.h >$@

install: all $(BUILD)/berth.h
	install -d $(addprefix $(TO)/,bin lib/pkgconfig lib/systemd/system include share/doc/berth) \
	    $(addprefix $(TO)/share/man/,man1 man3 man5 man7)
	install -m 755 $(BUILD)/berth $(TO)/bin/
	install -m 644 $(BUILD)/libberth.a $(TO)/lib/
	install -m 755 $(BUILD)/libberth.so $(TO)/lib/$(LIBRARY)
	ln -sf $(LIBRARY) $(TO)/lib/libberth.so.$(SOMAJOR)
	ln -sf libberth.so.$(SOMAJOR) $(TO)/lib/libberth.so
	install -m 644 $(BUILD)/berth.h $(TO)/include/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' tools/libberth.pc.in >$(TO)/lib/pkgconfig/libberth.pc
	sed -e 's|@PREFIX@|$(PREFIX)|' packaging/berth.service >$(TO)/lib/systemd/system/berth.service
	install -m 644 man/berth.1 $(TO)/share/man/man1/
	install -m 644 man/libberth.3 $(TO)/share/man/man3/
	install -m 644 man/berth.conf.5 $(TO)/share/man/man5/
	install -m 644 man/berth-http.7 $(TO)/share/man/man7/
	install -m 644 packaging/berth-alerts.yml packaging/berth-dashboard.json $(TO)/share/doc/berth/
	install -m 644 packaging/berth.conf $(TO)/share/doc/berth/
	@$(if $(DESTDIR),,ldconfig 2>/dev/null || true)

uninstall:
	rm -f $(addprefix $(TO)/,bin/berth include/berth.h lib/pkgconfig/libberth.pc lib/systemd/system/berth.service \
	    lib/libberth.a lib/libberth.so lib/libberth.so.$(SOMAJOR) lib/$(LIBRARY) \
	    share/doc/berth/berth.conf share/man/man1/berth.1 share/man/man3/libberth.3 share/man/man5/berth.conf.5 \
	    share/man/man7/berth-http.7 share/doc/berth/berth-alerts.yml share/doc/berth/berth-dashboard.json)
	@$(if $(DESTDIR),,ldconfig 2>/dev/null || true)

clean:
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all tests fuzzers benches demo check lint bench bench-quick page layers install uninstall clean
