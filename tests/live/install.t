#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# make install into an empty root: what is there works from there, a program
# can be built against it, and make uninstall takes all of it away.
set -u
root=$TMPDIR/root
nr=0 rc=0
point() {                   # point WHAT COMMAND...
    local what=$1
    shift
    nr=$((nr + 1))
    if "$@" >"$TMPDIR/out" 2>&1; then
        echo "ok $nr - $what"
    else
        echo "not ok $nr - $what"
        sed 's/^/# /' "$TMPDIR/out"
        rc=1
    fi
}
make_it() { make -C "$TOP" -s B="$B" PREFIX=/usr DESTDIR="$root" "$@"; }
has_all() {
    local f
    for f in bin/xmig bin/xmig-link bin/xmig-emu include/xmig.h lib/libxmig.so.1 \
        lib/libxmig.so lib/libxmig.a lib/pkgconfig/xmig.pc \
        lib/xmig/emu/xmig-emu-host lib/xmig/emu/lib/libxencall.so.1 \
        lib/xmig/xmig-save-helper share/man/man8/xmig-save-helper.8 \
        share/man/man1/xmig.1 share/bash-completion/completions/xmig; do
        [ -e "$root/usr/$f" ] || [ -L "$root/usr/$f" ] || { echo "$f"; false; } ||
            return 1
    done
}
builds() {
    cat >"$TMPDIR/p.c" <<'C'
#include <stdio.h>
#include <xmig.h>
int main(void)
{
    return puts(xmig_guest_name(XMIG_GUEST_AT_SOURCE)) < 0;
}
C
    # shellcheck disable=SC2046 # a list of words
    PKG_CONFIG_PATH=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
        cc -o "$TMPDIR/p" "$TMPDIR/p.c" $(PKG_CONFIG_PATH=$root/usr/lib/pkgconfig \
            PKG_CONFIG_SYSROOT_DIR=$root pkg-config --cflags --libs xmig) &&
        [ "$(LD_LIBRARY_PATH=$root/usr/lib "$TMPDIR/p")" = at-source ]
}
nothing_left() {
    find "$root" ! -type d | grep . && return 1
    return 0
}

case $B in */asan|*/tsan) echo "1..0 # SKIP a release is not sanitised"
    echo "a release is not sanitised"; exit 77 ;;
esac
echo 1..5
point "make install" make_it install
point "all is there" has_all
point "xmig runs from there" "$root/usr/bin/xmig" version
point "a program builds with pkg-config and runs" builds
make_it uninstall >/dev/null 2>&1
point "make uninstall leaves no file" nothing_left
exit $rc
