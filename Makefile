# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig: live migration for Xen.  "make help" lists the targets.
#
# One set of rules builds plain, sanitised and instrumented trees side by side:
# B names the tree, SAN the sanitizers ("make B=build/asan SAN=address,undefined").

VERSION := 0.1.0
SOMAJOR := 1
B       ?= build
SAN     ?=
CC      ?= gcc
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
ifneq ($(WERROR),)
WARN += -Werror
endif
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -fPIC -pthread -fvisibility=default \
             $(WARN) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) \
             -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
ALL_LDFLAGS = -pthread $(LDFLAGS) $(if $(SAN),-fsanitize=$(SAN))
Q := $(if $(V),,@)

# ---- libxmig ---------------------------------------------------------------
LIB_DIRS := $(wildcard src/*/ src/migrate/*/)
LIB_SRC  := $(wildcard $(LIB_DIRS:%=%*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
LIB_CFLAGS := -Iinclude $(LIB_DIRS:%/=-I%) -I$(B)/gen
LIB_LIBS := -lxenctrl -lxenguest -lxenforeignmemory -lxenevtchn \
            -lxengnttab -lxencall -lxenstore -lxentoollog -lxlutil -luuid \
            -ljson-c -lz -lzstd
MECHS    := $(sort $(patsubst src/%/mech.c,%,$(wildcard src/*/mech.c)))

# ---- command line ----------------------------------------------------------
CLI_OBJ  := $(patsubst %.c,$(B)/%.o,$(wildcard tools/*.c) \
              tools/save-helper/args.c tools/save-helper/callout.c)
# Run by libxl, not by people.
HELPER     := $(B)/libexec/xmig-save-helper
HELPER_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tools/save-helper/*.c))

# ---- link emulator ---------------------------------------------------------
LINK_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tools/link/*.c))

# ---- emulated host ---------------------------------------------------------
EMU      := $(B)/emu
EMU_LIBS := xencall xenforeignmemory xenevtchn xengnttab
EMU_SO   := $(EMU_LIBS:%=$(EMU)/lib/lib%.so.1) $(EMU)/lib/procxen.so
EMU_HOST_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tools/emu/host/*.c \
                  tools/emu/guest/*.c))
EMU_CMD_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tools/emu/cmd/*.c \
                 tools/emu/lib/emu_*.c))
# tools/emu/net/NAME.c are programs; tools/emu/net/net_*.c are shared by them.
EMU_NET_COMMON := $(patsubst %.c,$(B)/%.o,$(wildcard tools/emu/net/net_*.c))
EMU_NET  := $(patsubst tools/emu/net/%.c,$(EMU)/xmig-emu-%,$(filter-out \
              tools/emu/net/net_%,$(wildcard tools/emu/net/*.c)))
EMU_PROGS := $(EMU)/xmig-emu-host $(EMU)/xmig-emu $(EMU_NET)

all: lib cli emu
lib: $(B)/lib/libxmig.so.$(SOMAJOR) $(B)/lib/libxmig.a
cli: $(B)/bin/xmig $(B)/bin/xmig-link $(HELPER)
emu: $(EMU_SO) $(EMU_PROGS) $(EMU)/pvh-kernel

.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all lib cli emu

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LIB_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/gen/mechs.inc: $(MECHS:%=src/%/mech.c) Makefile
	@mkdir -p $(@D)
	$(Q)printf '%s\n' $(foreach m,$(MECHS),'XMIG_MECH($(m))') >$@

$(B)/src/migrate/registry.o: $(B)/gen/mechs.inc

$(B)/lib/libxmig.so.$(SOMAJOR): $(LIB_OBJ) src/migrate/libxmig.map
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libxmig.so.$(SOMAJOR) \
	    -Wl,--version-script=src/migrate/libxmig.map \
	    -o $@ $(LIB_OBJ) $(LIB_LIBS)
	$(Q)ln -sf libxmig.so.$(SOMAJOR) $(@D)/libxmig.so

$(B)/lib/libxmig.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(LIB_OBJ)

# With the archive: dump uses the codec, which the shared library hides.
$(CLI_OBJ): LIB_CFLAGS += -DXMIG_VERSION='"$(VERSION)"'
$(B)/bin/xmig: $(CLI_OBJ) $(B)/lib/libxmig.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lxenlight $(LIB_LIBS) -lm

$(HELPER): $(HELPER_OBJ) $(B)/lib/libxmig.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)

$(B)/bin/xmig-link: $(LINK_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

# Stock clients load these, so they are always built without sanitizers.
$(EMU)/lib/lib%.so.1: tools/emu/lib/%.c tools/emu/lib/%.map \
                      $(wildcard tools/emu/lib/emu_*.[ch] tools/emu/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -fPIC -pthread $(WARN) $(CFLAGS) \
	    -fvisibility=default -Itools/emu -shared -Wl,-soname,lib$*.so.1 \
	    -Wl,--version-script=tools/emu/lib/$*.map -o $@ $< \
	    $(wildcard tools/emu/lib/emu_*.c) -lxentoollog

$(B)/tools/emu/%.o: LIB_CFLAGS := -Itools/emu -Itools/emu/guest

$(EMU)/xmig-emu-host: $(EMU_HOST_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

$(EMU)/xmig-emu: $(EMU_CMD_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lxenctrl -lxenforeignmemory \
	    -lxenstore -lxlutil -lxentoollog -luuid -Wl,--disable-new-dtags \
	    -Wl,-rpath,'$$ORIGIN/lib:$$ORIGIN/../lib/xmig/emu/lib'

# For xl create: a PVH kernel file that leads to the built-in guest.
$(EMU)/pvh-kernel: tools/emu/pvh/kernel.S tools/emu/pvh/kernel.lds
	@mkdir -p $(@D)
	$(Q)$(CC) -m32 -c -o $@.o $<
	$(Q)ld -m elf_i386 --build-id=none -T tools/emu/pvh/kernel.lds \
	    -o $@ $@.o

# For the real xenstored; see the file.
$(EMU)/lib/procxen.so: tools/emu/preload/procxen.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -fPIC $(WARN) $(CFLAGS) -shared \
	    -o $@ $<

$(EMU)/xmig-emu-%: $(B)/tools/emu/net/%.o $(EMU_NET_COMMON)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lxenstore -lxenevtchn -lxengnttab \
	    -lxentoollog

include tests/tests.mk

# ---- install ---------------------------------------------------------------
BINDIR   ?= $(PREFIX)/bin
INCDIR   ?= $(PREFIX)/include
MANDIR   ?= $(PREFIX)/share/man
COMPDIR  ?= $(PREFIX)/share/bash-completion/completions
LIBEXECDIR ?= $(LIBDIR)/xmig
EMUDIR   := $(LIBDIR)/xmig/emu
MAN      := $(wildcard docs/man/*.[1-8])
COMP     := $(wildcard tools/*.bash-completion)
D        := $(DESTDIR)

install: all
	install -d $(D)$(BINDIR) $(D)$(INCDIR) $(D)$(LIBDIR)/pkgconfig \
	    $(D)$(LIBEXECDIR) $(D)$(EMUDIR)/lib
	install -m 755 $(B)/bin/* $(D)$(BINDIR)
	install -m 755 $(HELPER) $(D)$(LIBEXECDIR)
	install -m 644 include/*.h $(D)$(INCDIR)
	install -m 644 $(B)/lib/libxmig.a $(D)$(LIBDIR)
	install -m 755 $(B)/lib/libxmig.so.$(SOMAJOR) $(D)$(LIBDIR)
	ln -sf libxmig.so.$(SOMAJOR) $(D)$(LIBDIR)/libxmig.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' src/migrate/xmig.pc.in \
	    >$(D)$(LIBDIR)/pkgconfig/xmig.pc
	install -m 755 $(EMU_PROGS) $(D)$(EMUDIR)
	install -m 755 $(EMU_SO) $(D)$(EMUDIR)/lib
	install -m 644 $(EMU)/pvh-kernel $(D)$(EMUDIR)
	ln -sf $(EMUDIR)/xmig-emu $(D)$(BINDIR)/xmig-emu
	for f in $(MAN); do \
	    install -D -m 644 $$f $(D)$(MANDIR)/man$${f##*.}/$${f##*/}; done
	for f in $(COMP); do n=$${f##*/}; \
	    install -D -m 644 $$f $(D)$(COMPDIR)/$${n%.bash-completion}; done
	if [ -z "$(D)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

uninstall:
	rm -f $(patsubst %,$(D)$(BINDIR)/%,$(notdir $(wildcard $(B)/bin/*)))
	rm -f $(D)$(BINDIR)/xmig-emu $(D)$(INCDIR)/xmig.h \
	    $(D)$(INCDIR)/xmig_steer.h \
	    $(D)$(LIBDIR)/libxmig.* $(D)$(LIBDIR)/pkgconfig/xmig.pc
	rm -rf $(D)$(EMUDIR)
	rm -f $(D)$(LIBEXECDIR)/$(notdir $(HELPER))
	for f in $(MAN); do \
	    rm -f $(D)$(MANDIR)/man$${f##*.}/$${f##*/}; done
	for f in $(COMP); do n=$${f##*/}; \
	    rm -f $(D)$(COMPDIR)/$${n%.bash-completion}; done

dist:
	@mkdir -p build
	git archive --format=tar.gz --prefix=xmig-$(VERSION)/ \
	    -o build/xmig-$(VERSION).tar.gz HEAD

clean:
	rm -rf build build-*

help:
	@sed -n 's/^#: //p' Makefile tests/tests.mk

.PHONY: install uninstall dist clean help

#: make all            libxmig, xmig, its save helper and the emulated host,
#:                     under build/
#: make install        to PREFIX (/usr/local), below DESTDIR
#: make uninstall
#: make dist           build/xmig-VERSION.tar.gz of HEAD
#: make clean

-include $(shell find $(B) -name '*.d' 2>/dev/null)
