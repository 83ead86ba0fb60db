#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Everything about the tree that a program can judge.  TAP, a point a rule.
#   tests/lint.sh               the tree
#   tests/lint.sh --self-test   breaks each rule once and wants it noticed
#   tests/lint.sh FILE...       only the text rules, on these files
#
# B names a build tree; rules that look at what was built are skipped aloud
# where it was not.
# Timeout: 600
set -u
export LC_ALL=C.UTF-8
top=$(cd "$(dirname "$0")/.." && pwd)
: "${B:=$top/build}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count=0 failed=0
point() {                   # point NAME COMMAND...: a TAP point with output
    local name=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/out" 2>&1; then
        echo "ok $count - $name"
        grep -h 'warning' "$work/out" | sed 's/^/# /'
    elif [ "$(head -c 5 "$work/out")" = SKIP: ]; then
        echo "ok $count - $name # SKIP $(cut -c 6- "$work/out")"
    else
        failed=$((failed + 1))
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/out"
    fi
}

files() {
    if [ -d .git ]; then git ls-files -co --exclude-standard
    else find . -type f -not -path './build*' | sed 's|^\./||'
    fi | while read -r f; do [ -f "$f" ] && echo "$f"; done
}

text_rules() {
    files | grep -E '\.([chtly]|sh|pl|py|mk|md)$|Makefile|^\.ci/' |
        xargs -d '\n' perl "$top/tests/lint.pl"
}

scripts_are_clean() {
    command -v shellcheck >/dev/null || { echo "SKIP:no shellcheck"; return 1; }
    files | while read -r f; do
        head -n 1 "$f" | grep -qaE '^#!/bin/(ba)?sh' && echo "$f"
    done | xargs -r -d '\n' \
        shellcheck -S warning -x -P SCRIPTDIR
}

# The fuzzers are built by clang, last of all; its warnings are told here.
clang_agrees() {
    command -v clang >/dev/null || { echo "SKIP:no clang"; return 1; }
    env -u MAKEFLAGS -u MAKELEVEL make -s -j "$(nproc)" B="$B/clang" CC=clang \
        CFLAGS=-O0 WERROR=1 all
}

header_stands_alone() {
    echo '#include "xmig.h"' >"$work/h.c"
    cp "$work/h.c" "$work/h.cc"
    gcc -std=c99 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only \
        "$work/h.c" || return 1
    command -v g++ >/dev/null || return 0
    g++ -std=c++11 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only \
        "$work/h.cc"
}

# Functions the header declares, by the compiler's own reckoning.
declared() {
    gcc -std=c99 -E -P -Iinclude include/xmig.h |
        tr '\n' ' ' | tr ';' '\n' | grep -v typedef |
        grep -oE '\bxmig_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u
}

exports_are_the_header() {
    local so=$B/lib/libxmig.so.1
    [ -e "$so" ] || { echo "SKIP:$so is not built"; return 1; }
    nm -D --defined-only "$so" | awk '$2 ~ /[TDBRVW]/ { print $3 }' |
        sed 's/@.*//' | grep -v '^XMIG_' | sort -u >"$work/exported"
    declared >"$work/declared"
    diff "$work/declared" "$work/exported"
}

# A guest's state lives in its memory: its objects have no variables.  Constant
# tables of addresses are in .data.rel.ro.
guest_has_no_globals() {
    local objs
    objs=$(find "$B/tools/emu/guest" -name '*.o' 2>/dev/null)
    [ -n "$objs" ] || { echo "SKIP:the guest is not built"; return 1; }
    echo "$objs" | xargs nm -A -f sysv 2>/dev/null |
        awk -F '|' '$7 ~ /^\.(data|bss|tdata|tbss)|COM/ &&
             $7 !~ /^\.data\.rel\.ro/ &&
             $1 !~ /:(__|\.|_?_?asan|_?_?tsan)/ && $4 !~ /SECTION/' >"$work/vars"
    cat "$work/vars"
    [ ! -s "$work/vars" ]
}

man_pages_name_the_functions() {
    [ -e docs/man/libxmig.3 ] || { echo "SKIP:no docs/man/libxmig.3"; return 1; }
    local f rc=0
    for f in $(declared); do
        grep -q "$f" docs/man/libxmig.3 || { echo "$f"; rc=1; }
    done
    return $rc
}

docs_point_somewhere() {
    local f link rc=0
    for f in README.md docs/*.md; do
        [ -e "$f" ] || continue
        while read -r link; do
            [ -e "$(dirname "$f")/$link" ] || { echo "$f: $link"; rc=1; }
        done < <(grep -oE '\]\([^)#:]+' "$f" | cut -c 3-)
    done
    return $rc
}

# ---- self-test --------------------------------------------------------------
# expect RULE FILE <<text: the text in FILE must break RULE.
expect() {
    local rule=$1 file=$2 tree=$work/tree
    rm -rf "$tree"
    mkdir -p "$tree/$(dirname "$file")" "$tree/src/"{base,hv,wire,migrate} \
        "$tree/src/precopy" "$tree/src/postcopy" "$tree/include" \
        "$tree/tools/emu/guest"
    touch "$tree/src/"{wire/wire,migrate/engine,hv/hv}.h "$tree/include/xmig.h" \
        "$tree/src/postcopy/postcopy.h"
    cat >"$tree/$file"
    count=$((count + 1))
    (cd "$tree" && perl "$top/tests/lint.pl" "$file") >"$work/found"
    if [ "$rule" = none ] && [ ! -s "$work/found" ]; then
        echo "ok $count - clean $file"
    elif [ "$rule" != none ] && grep -q ": $rule: " "$work/found"; then
        echo "ok $count - $rule in $file"
    else
        failed=$((failed + 1))
        echo "not ok $count - $rule in $file"
        sed 's/^/# /' "$work/found"
    fi
}

head_c='/* SPDX-License-Identifier: LGPL-2.1-only */
/* Says what it is for. */'
expect_c() {                # expect_c RULE FILE TEXT
    expect "$1" "$2" < <(printf '%s\n%b\n' "$head_c" "$3")
}

self_test() {
    local m=src/migrate/x.c
    expect_c none $m '/* if(x) printf("") */\nint f(void);'
    expect_c none $m 'int f(int a)\n{\n    if ( a )\n        return g(a);\n'\
'    for ( ; ; )\n        ;\n    while ( f(a) && (a || g(a)) )\n        a++;\n}'
    expect spdx $m <<<'int x;'
    expect spdx tests/a.sh <<<'#!/bin/sh'
    expect header $m < <(printf '%s\nint x;\n' "${head_c%%$'\n'*}")
    expect_c tab $m '\tint x;'
    expect_c columns $m "/* $(printf '%080d' 0) */"
    expect_c trailing-space $m 'int x; '
    expect newline $m < <(printf '%s\nint x;' "$head_c")
    expect_c left-open $m '/* TO''DO later */'
    expect_c spacing $m '    if (x)'
    expect_c spacing $m '    while( x )'
    expect_c spacing $m '    for ( i = 0; i < n; i++)'
    expect_c braces $m '    if ( x ) {'
    expect_c braces $m '    } else'
    expect_c braces $m 'int f(void) {'
    expect_c length $m "$(yes ' ' | head -n 600 | sed 's/.*/int x;/')"
    expect_c function-length $m \
        "int f(void)\n{\n$(yes '    g();' | head -n 61)\n}"
    expect_c silent $m '    printf("x");'
    expect_c silent $m '    fprintf(stderr, "x");'
    expect_c forbidden-copy $m '    vmsplice(a, b, c, d);'
    expect_c forbidden-copy $m '    send(fd, p, n, MSG_ZEROCOPY);'
    expect_c unsafe-call tools/x.c '    strcpy(a, b);'
    expect_c sleep $m '    usleep(10);'
    expect_c clock $m '    clock_gettime(CLOCK_MONOTONIC, &ts);'
    expect_c none src/base/clock.c '    clock_gettime(CLOCK_MONOTONIC, &t);'
    expect_c no-exit $m '    exit(1);'
    expect_c guest-libc tools/emu/guest/x.c '    p = malloc(1);'
    expect_c guest-libc tools/emu/guest/x.c '    return -errno;'
    expect_c layers tools/emu/guest/x.c '#include <unistd.h>'
    expect_c layers tools/x.c '#include "wire.h"'
    expect_c none tools/x.c '#include "xmig.h"'
    expect_c layers tools/save-helper/x.c '#include "hv.h"'
    expect_c layers $m '#include <xenctrl.h>'
    expect_c none src/hv/hv_xen.c '#include <xenctrl.h>'
    expect_c layers $m '#include <xenstore.h>'
    expect_c layers $m '#include "postcopy.h"'
    expect_c layers src/precopy/mech.c '#include "postcopy.h"'
    expect_c layers src/precopy/mech.c '#include "engine.h"'
    expect_c layers src/precopy/mech.c '#include "../postcopy/postcopy.h"'
    expect_c none src/precopy/mech.c '#include "hv.h"'
    expect_c layers src/base/x.c '#include "hv.h"'
    expect_c layers src/hv/x.c '#include "wire.h"'
    expect_c layers tools/emu/host/x.c '#include "hv.h"'
    expect_c layers $m '#include "mechs.inc"'
}

case ${1-} in
--self-test)
    self_test
    ;;
'')
    cd "$top" || exit 99
    point "text rules" text_rules
    point "shellcheck" scripts_are_clean
    point "clang has nothing to say" clang_agrees
    point "xmig.h compiles alone, as C99 and C++" header_stands_alone
    point "exported symbols are those of xmig.h" exports_are_the_header
    point "guest objects have no variables" guest_has_no_globals
    point "libxmig.3 names every function" man_pages_name_the_functions
    point "links in the documentation" docs_point_somewhere
    self_test
    ;;
*)
    cd "$top" || exit 99
    exec perl tests/lint.pl "$@"
    ;;
esac
echo "1..$count"
[ $failed -eq 0 ]
