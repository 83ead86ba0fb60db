#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig save and xmig restore: the guest judges what comes back; stock tools
# read ours and we read theirs; whatever fails, the guest runs on and nothing
# is left behind.
# Timeout: 400
. "$(dirname "$0")/lib.sh"
here=$(dirname "$0")
XMIG=$B/bin/xmig
STOCK=$B/tests/live/stock_file

host_start a --memory 512
xmig() { run a "$XMIG" "$@"; }
stock() { run a "$STOCK" "$@"; }
verify() { # FILE: the independent judge of Xen's own tools
    PYTHONPATH=/usr/lib/xen-4.17/lib/python \
        "$XENBIN/verify-stream-v2" -f libxc -i "$1"
}
boot() { # NAME EXTRA [MIB VCPUS]: sets dom
    dom=$(create a "$(cfg "$@")") || bail "create $1 failed"
    await a "$dom" data/state=running 60 >/dev/null ||
        bail "no guest" "$(console a "$dom")"
}
destroy() { "$EMU" destroy "$WORK/a" "$1" || bail 'destroy failed'; }
verdict() { await a "$1" "data/verdict=$2" 60; }
lives() { "$EMU" wait --node data/writes --change --timeout 20 "$WORK/a" "$1"; }
# Domains besides dom0, by name.
domains() { xmig list | awk 'NR > 1 && $2 != 0 { print $1 }' | sort | xargs; }
status() { "$@" >"$WORK/out" 2>&1; echo $?; }
state_of() { xmig list "$1" | awk 'NR == 2 { print $5 }'; }
same_status() { # WHAT WANTED COMMAND...
    local what=$1 wanted=$2 got
    shift 2
    got=$(status "$@")
    [ "$got" = "$wanted" ] || diag "$(cat "$WORK/out")"
    same "$what" "$got" "$wanted"
}
prog='program=dirty size=12M rate=40M fill=8M zero=20 publish=100ms'

# ---- there and back ----------------------------------------------------------
boot worker "$prog" 64 2
f=$WORK/worker.save
same_status 'save works' 0 xmig save worker "$f"
matches 'it says how long it took' "$(cat "$WORK/out")" 'total time  .*s'
same 'the domain is gone' "$(domains)" ''
same 'and its xenstore nodes' "$(store a "/local/domain/$dom/name")" ''
check 'xmig dump accepts the file' "$XMIG" dump "$f"
# The shared info page is a hole at gfn 1: it must not shift what follows, or
# nobody can build the guest of 2 MiB pieces.
matches 'its records are aligned pieces of memory' "$("$XMIG" dump "$f")" \
    'PAGE_DATA .* 1024 pages in 0x400\.\.\.0x7ff:'
matches 'dump shows the configuration' "$("$XMIG" dump "$f")" \
    'xmig header .*"worker".* 2 vcpus'
same_status 'restore works' 0 xmig restore "$f"
dom=$(domid_of a worker)
matches 'the guest finds its memory right' "$(verdict "$dom" 'ok*')" \
    'resumes=1 '
check 'and goes on writing' lives "$dom"
matches 'xmig list shows it' "$(xmig list worker)" "^worker +$dom +6[0-9] +2 "

# ---- leaving it here ---------------------------------------------------------
same_status 'save -c works' 0 xmig save -c worker "$f"
check 'the guest runs on' lives "$dom"
matches 'and finds its memory right' "$(verdict "$dom" 'ok*cancels=1*')" \
    'resumes=1 cancels=1 '
same_status 'a name that runs already is refused' 1 xmig restore "$f"
matches 'by name' "$(cat "$WORK/out")" '"worker" is here already'
same_status 'save -p works' 0 xmig save -p worker "$WORK/p.save"
matches 'the guest is paused' "$(state_of worker)" 'p'
check 'it can be unpaused' stock unpause "$dom"
check 'and runs on' lives "$dom"
destroy "$dom"
same_status 'the file of save -c restores' 0 xmig restore "$f"
dom=$(domid_of a worker)
matches 'with its memory right' "$(verdict "$dom" 'ok*')" 'resumes=2 '
same_status 'an older file is replaced' 0 xmig save -c worker "$f"
check 'by a whole one' "$XMIG" dump "$f"
same 'and nothing else' "$(ls "$WORK"/*.partial 2>/dev/null)" ''
destroy "$dom"
same_status 'restore -p works' 0 xmig restore -p "$f"
dom=$(domid_of a worker)
matches 'the restored guest is paused' "$(state_of worker)" 'p'
check 'it can be unpaused' stock unpause "$dom"
verdict "$dom" 'ok*' >/dev/null || bail 'no verdict' "$(console a "$dom")"

# ---- another configuration ---------------------------------------------------
other=$(cfg other x 64 2 'uuid = "0a0b0c0d-0102-0304-0506-0708090a0b0c"')
same_status 'a configuration gives another name' 0 xmig restore "$other" "$f"
same 'both are here' "$(domains)" 'other worker'
matches 'with the uuid it asks for' "$(xmig list --json other)" \
    '0a0b0c0d-0102-0304-0506-0708090a0b0c'
destroy "$(domid_of a other)"

# ---- pipes -------------------------------------------------------------------
xmig save worker - >"$WORK/pipe.save" 2>"$WORK/err" || bail "$(cat "$WORK/err")"
check 'save to the standard output' "$XMIG" dump "$WORK/pipe.save"
{ cat "$WORK/pipe.save"; echo 'what follows'; } >"$WORK/more"
mkfifo "$WORK/pipe"
cat "$WORK/more" >"$WORK/pipe" &
same 'restore from a pipe reads not a byte behind the end' \
    "$({ xmig restore - >"$WORK/out" 2>&1; cat; } <"$WORK/pipe")" \
    'what follows'
wait $!
dom=$(domid_of a worker)
matches 'and the guest is right' "$(verdict "$dom" 'ok*')" 'resumes='
destroy "$dom"

# ---- a guest that balloons ----------------------------------------------------
boot balloon "$prog balloon=8M balloon-period=20ms" 64 2
for i in 1 2; do
    same_status "save of a ballooning guest, $i" 0 xmig save balloon "$f"
    same_status "restore of it, $i" 0 xmig restore "$f"
    dom=$(domid_of a balloon)
    matches "it finds its memory right, $i" "$(verdict "$dom" 'ok*')" \
        "resumes=$i "
done
destroy "$dom"

# ---- stock reads ours ----------------------------------------------------------
boot worker "$prog" 64 2
same_status 'save --plain works' 0 xmig save --plain worker "$WORK/plain"
check 'verify-stream-v2 accepts it' verify "$WORK/plain"
dom=$(stock restore "$WORK/worker.cfg" "$WORK/plain" 2>"$WORK/err") ||
    diag "$(cat "$WORK/err")"
check 'xc_domain_restore reads it' test -n "$dom"
matches 'the guest finds its memory right' "$(verdict "$dom" 'ok*')" \
    'resumes=1 '

# ---- we read stock's -----------------------------------------------------------
check 'xc_domain_save writes a file' stock save "$dom" "$WORK/stock"
check 'xmig dump accepts it' "$XMIG" dump "$WORK/stock"
same_status 'restore needs a configuration for it' 1 \
    xmig restore "$WORK/stock"
matches 'and says so' "$(cat "$WORK/out")" 'brings no configuration'
same_status 'restore reads it' 0 xmig restore -C "$WORK/worker.cfg" \
    "$WORK/stock"
dom=$(domid_of a worker)
matches 'the guest finds its memory right' "$(verdict "$dom" 'ok*')" \
    'resumes=2 '

# ---- we read xl's --------------------------------------------------------------
xl_ok() { [ "$(id -u)" = 0 ] && [ -x $XL ] && unshare -m true 2>/dev/null; }
if xl_ok; then
    check 'xl create builds a domain' run_xl a $XL create -e \
        "$(xl_cfg stock "$prog" 48 2)"
    await a "$(domid_of a stock)" data/state=running >/dev/null ||
        bail 'no guest of xl'
    check 'xl save works' run_xl a $XL save stock "$WORK/xl.save"
    matches 'xmig dump shows its header' \
        "$("$XMIG" dump "$WORK/xl.save" 2>&1)" 'xl header .*JSON'
    same_status 'restore reads it' 0 xmig restore "$WORK/xl.save"
    matches 'the guest finds its memory right' \
        "$(verdict "$(domid_of a stock)" 'ok*')" 'resumes=1 '
    matches 'it has its memory and vCPUs' "$(xmig list stock)" \
        '^stock +[0-9]+ +4[89] +2 '
    destroy "$(domid_of a stock)"
else
    skip 'restore reads a file of xl save' 'needs root and xen-utils-4.17'
fi

# ---- figures --------------------------------------------------------------------
xmig -t save -c worker /dev/null >"$WORK/out" 2>"$WORK/err"
progress=$(tr '\r' '\n' <"$WORK/err" | grep -oE '^ *[0-9.]+ %' | tr -d ' %')
same 'progress never runs backwards' "$(sort -c -n <<<"$progress" 2>&1)" ''
matches 'and ends at the end' "$(tail -n 1 <<<"$progress")" '^100\.0$'
xmig save --json -c worker /dev/null >"$WORK/out" 2>/dev/null
check 'the figures as JSON' python3 -c 'import json, sys
d = json.load(sys.stdin)
assert d["status"] == "completed" and d["guest"] == "at-source", d
ram = d["ram"]
assert ram["transferred"] > ram["total"] == ram["normal-bytes"] > 60 << 20, d
assert 0 < d["downtime-us"] <= d["total-time-us"], d
assert d["downtime-parts-us"]["suspend"] > 0, d' <"$WORK/out"
verdict "$dom" 'ok*' >/dev/null || bail 'no verdict' "$(console a "$dom")"

# ---- saving fails ----------------------------------------------------------------
cancels() { store a "/local/domain/$dom/data/verdict" | grep -oE 'cancels=[0-9]+'; }
fails_but_lives() { # WHAT PATTERN COMMAND...: exit status 2
    local what=$1 pattern=$2
    shift 2
    same_status "$what: refused" 2 "$@"
    matches "$what: says why" "$(cat "$WORK/out")" "$pattern"
    matches "$what: says where the guest is" "$(cat "$WORK/out")" \
        'runs on at the source'
    check "$what: the guest runs on" lives "$dom"
}
fails_but_lives 'full disk' 'No space left' xmig save worker /dev/full
limited() { (ulimit -f 20000; xmig save worker "$1"); }
fails_but_lives 'file size limit' 'too large' limited "$WORK/limited"
same 'the part of a file is taken away' "$(ls "$WORK/limited" 2>&1)" \
    "ls: cannot access '$WORK/limited': No such file or directory"
echo old >"$WORK/old"
fails_but_lives 'file size limit on an older file' 'too large' \
    limited "$WORK/old"
same 'the older file is as it was' "$(cat "$WORK/old")" old
to_head() { set -o pipefail; xmig save worker - | head -c 100000 >/dev/null; }
fails_but_lives 'a reader that goes' 'Broken pipe|has closed' to_head
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    # shellcheck disable=SC2016
    on_tmpfs() {
        unshare -m bash -c 'mount -t tmpfs -o size=8m none /mnt &&
            "$1" run "$2" -- "$3" save worker /mnt/x; rc=$?
            ls -A /mnt; exit $rc' - "$EMU" "$WORK/a" "$XMIG"
    }
    fails_but_lives 'a small file system' 'No space left' on_tmpfs
    same 'and it is empty again' "$(tail -n 1 "$WORK/out" | grep -c '^x$')" 0
else
    skip 'a small file system' 'needs root'
fi
same_status 'a directory that is not there' 2 xmig save worker "$WORK/no/file"
fault() { XMIG_EMU_FAULT=$1 xmig save worker "$WORK/faulty"; }
fails_but_lives 'no context' 'context' \
    fault 'domctl:gethvmcontext nth=2 fail=EINVAL'
fails_but_lives 'no mapping' 'map' fault 'map nth=3 fail=ENOMEM'
same 'nothing is left of these' "$(ls "$WORK"/faulty* 2>/dev/null)" ''

# A signal while the reader stands still (a shell's background jobs ignore
# SIGINT, so not that one).
mkfifo "$WORK/fifo"
exec 8<>"$WORK/fifo"
"$EMU" run "$WORK/a" -- "$XMIG" save worker "$WORK/fifo" >"$WORK/out" 2>&1 &
pid=$!
head -c 5000000 <&8 >/dev/null || bail 'nothing comes out of the pipe'
kill -TERM $pid
wait $pid
same 'an interrupted save' $? 2
check 'leaves the guest running' lives "$dom"
exec 8<&-
matches 'which finds its memory right after all this' \
    "$(verdict "$dom" 'ok*')" 'cancels='
check 'and has suspended each time' test "$(cancels | cut -d= -f2)" -ge 6

# ---- restoring fails -----------------------------------------------------------
destroy "$dom"
boot small 'program=dirty size=2M rate=1M' 16 1
same_status 'a small guest is saved' 0 xmig save small "$WORK/small"
fault_restore() { XMIG_EMU_FAULT=$1 xmig restore "$WORK/small"; }
for rule in 'domctl:createdomain' 'memory_op:populate_physmap' map \
    'domctl:sethvmcontext' 'domctl:set_cpu_policy' 'hvm_op:set_param' \
    'event_channel_op:alloc_unbound'; do
    same_status "restore with a failing $rule is refused" 1 \
        fault_restore "$rule nth=1 fail=EINVAL"
    same "and leaves no domain ($rule)" "$(domains)" ''
done

# The maker of damaged files has one ready at a time: they are large.
mkfifo "$WORK/next" "$WORK/cases"
python3 "$here/mangle.py" "$WORK/small" "$WORK/bad" <"$WORK/next" \
    >"$WORK/cases" &
maker=$!
exec 6>"$WORK/next" 7<"$WORK/cases"
wrong=0 nr_cases=0
while read -r -t 60 -u 7 name pattern; do
    nr_cases=$((nr_cases + 1))
    out=$(xmig restore "$WORK/bad" 2>&1)
    rc=$?
    if [ $rc != 1 ] || ! grep -qE -- "$pattern" <<<"$out" ||
        ! grep -qE 'refused|configuration' <<<"$out"; then
        diag "$name: status $rc, wanted \"$pattern\"" "$out"
        wrong=$((wrong + 1))
    fi
    if [ "$(domains)" != '' ]; then
        diag "$name: leaves $(domains)"
        wrong=$((wrong + 1))
        for d in $(domains); do destroy "$(domid_of a "$d")"; done
    fi
    echo >&6
done
exec 6>&- 7<&-
wait $maker
same 'the maker of damaged files ends well' $? 0
same "each of $nr_cases damaged files is refused, and leaves no domain" \
    $wrong 0
same 'there were damaged files' $((nr_cases > 100)) 1
same_status 'and the good one still restores' 0 xmig restore "$WORK/small"
dom=$(domid_of a small)
matches 'with its memory right' "$(verdict "$dom" 'ok*')" 'resumes=1 '
destroy "$dom"

same_status 'an unreadable file' 1 xmig restore "$WORK/nothing"
same_status 'an unreadable configuration' 1 \
    xmig restore "$WORK/nothing.cfg" "$WORK/stock"
printf 'name = "x"\nmemory = [\n' >"$WORK/bad.cfg"
same_status 'a broken configuration' 1 xmig restore "$WORK/bad.cfg" "$WORK/stock"
matches 'is named with its line' "$(cat "$WORK/out")" 'bad.cfg:[0-9]+:'
big=$(cfg big x 4000)
same_status 'not enough memory' 1 xmig restore "$big" "$WORK/stock"
matches 'is said with the numbers' "$(cat "$WORK/out")" 'MiB, [0-9]+ MiB are free'
same 'no domain is left' "$(domains)" ''
done_testing
