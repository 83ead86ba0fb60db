#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Check a model of the protocol with spin: it holds as it is, and each of its
# mutations (MUT_... in the file) is found, so that it could fail.  TAP.
#
#   tests/model/model.sh FILE.pml [-DFAULTS=3 ...]
#
# FILE.t beside it runs this.  Of a model that fails the way there is printed;
# MODEL_TRAIL=MUT_... prints that of a mutation, too.
set -u
command -v spin >/dev/null || { echo "spin is not installed"; exit 77; }
model=$(realpath "$1")
shift
work=$(mktemp -d "${TMPDIR:-/tmp}/model.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
cp "$model" m.pml

# check FLAG...: holds (0), is broken (1), or could not be judged (2).  What
# ends at an error is through before gcc -O2 would be.
opt=-O2
check() {
    rm -f m.pml.trail
    spin -a "$@" m.pml >spin.out 2>&1 &&
        gcc $opt -w -DSAFETY -DCOLLAPSE -DMEMLIM=6000 -o pan pan.c >>spin.out 2>&1 &&
        ./pan -m200000 -w22 >pan.out 2>&1 || return 2
    grep -qE 'Search not completed|max search depth too small' pan.out &&
        ! grep -q 'errors: 1' pan.out && return 2
    grep -q 'errors: 0' pan.out && return 0
    grep -q 'errors: 1' pan.out && return 1
    return 2
}

trail() { spin "$@" -t -p -g m.pml 2>/dev/null | cut -c 1-100 | tail -n 90; }

number=0 failed=0
point() {                   # point WANTED NAME FLAG...
    local wanted=$1 name=$2 rc
    shift 2
    number=$((number + 1))
    # With one fault already?
    check ${few-} "$@"; rc=$?
    [ $rc -ne 0 ] || [ -z "${few-}" ] || { check -DFAULTS=2 "$@"; rc=$?; }
    if [ $rc -eq "$wanted" ]; then
        echo "ok $number - $name ($(sed -n \
            's/^ *\([0-9.e+]*\) states, stored.*/\1 states/p' pan.out))"
        [ "${MODEL_TRAIL-}" != "$name" ] || trail "$@"
        return
    fi
    failed=1
    echo "not ok $number - $name"
    if [ $rc -eq 2 ]; then tail -n 20 spin.out pan.out
    elif [ $rc -eq 1 ]; then grep '^pan:1' pan.out; trail "$@"
    fi
}

point 0 "$(basename "$model" .pml) holds" "$@"
opt=-O0 few=-DFAULTS=1
for mutation in $(grep -ohE '\bMUT_[A-Z_]*[A-Z]\b' m.pml | sort -u); do
    point 1 "$mutation" "$@" "-D$mutation"
done
echo "1..$number"
exit $failed
