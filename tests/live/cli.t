#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The command line itself: usage, help, completion and man pages, dump, and
# what it says where there is no Xen or no such domain.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
XMIG=$B/bin/xmig
corpus=$TOP/tests/fuzz/corpus/image
same_status() { # WHAT WANTED COMMAND...
    local what=$1 wanted=$2 got
    shift 2
    "$@" >"$WORK/out" 2>&1
    got=$?
    [ "$got" = "$wanted" ] || diag "$*" "$(cat "$WORK/out")"
    same "$what" "$got" "$wanted"
}
says() { matches "$1" "$(cat "$WORK/out")" "$2"; }
json() { python3 -c "import json,sys; d = json.load(sys.stdin); $1"; }
no_xen() { env -u XMIG_EMU -u LD_LIBRARY_PATH "$XMIG" "$@"; }

# ---- help and usage ----------------------------------------------------------
same_status 'help' 0 "$XMIG" help
commands=$(sed -n 's/^  \([a-z]*\) .*/\1/p' "$WORK/out")
same 'help lists the commands' "$(xargs <<<"$commands")" \
    'list save restore migrate receive status cancel postcopy set report watch recover dump options help version'
for c in $commands; do
    same_status "help $c" 0 "$XMIG" help "$c"
    says "help $c has its usage" "^usage: xmig $c "
    same_status "$c --help" 0 "$XMIG" "$c" --help
    same_status "$c with an unknown option" 1 no_xen "$c" --no-such-option x y
done
same_status '--help' 0 "$XMIG" --help
same_status '--version' 0 "$XMIG" --version
says 'a version' '^xmig [0-9]+\.[0-9]+\.[0-9]+$'
same_status 'version --json' 0 "$XMIG" version --json
check 'is JSON' json 'd["version"]' <"$WORK/out"
same_status 'nothing at all' 1 "$XMIG"
same_status 'an unknown command' 1 "$XMIG" frobnicate
says 'is named' 'no command "frobnicate"'
same_status 'help on an unknown command' 1 "$XMIG" help frobnicate
usage() { # PATTERN ARGUMENTS...
    local pattern=$1
    shift
    same_status "usage: $*" 1 no_xen "$@"
    says "$* is told" "$pattern"
}
usage 'needs a domain and a host' migrate worker
usage 'is too much|too much: one domain' migrate a b c
usage 'port is a number' migrate a b:70000
usage 'port is a number' migrate a b:x
usage 'port is a number' migrate --port 0 a b
usage 'two different ports' migrate --port 1 a b:2
usage 'must end with' migrate a '[::1'
usage 'no name' migrate a ''
usage 'NAME=VALUE' migrate --set bandwidth a b
usage 'needs a value' migrate a b --bandwidth
usage 'takes no value' migrate --json=1 a b
usage 'which?' migrate -s ssh a b:8002
usage 'which?' migrate -s ssh --tcp a b
usage 'no name of a host' migrate a 'b; halt'
usage 'no name of a host' migrate a -- -oProxyCommand=x
usage 'no name of a host' migrate a 'b$(x)'
usage 'command is empty' migrate -s '' a ''
usage 'configuration goes along' migrate -C f a b
usage 'number of a domain' migrate -D a b
usage 'does not listen' receive --stdio --port 1
usage 'needs a domain and a file' save worker
usage 'needs a file' restore
usage 'two configurations' restore -C a b c
usage 'port is a number' receive --listen :0
usage 'is too much' receive extra
usage 'one domain' recover a b
usage 'unknown option -q' list -q
usage 'one file at a time' dump a b
usage '--state-dir needs a value' --state-dir

# ---- without Xen ---------------------------------------------------------------
same_status 'without Xen list fails' 1 no_xen list
says 'it says so' 'no Xen on this machine'
says 'and how to start a host' 'xmig-emu start '
XMIG_EMU=$WORK/none same_status 'with a host that does not run' 1 \
    env -u LD_LIBRARY_PATH "$XMIG" list
says 'it names that host' "names the emulated host $WORK/none"
for c in 'save a b' 'restore b' 'migrate a b' receive recover; do
    # shellcheck disable=SC2086
    same_status "without Xen $c fails" 1 no_xen $c
done
same_status 'options needs no Xen' 0 no_xen options
says 'it lists them with units and ranges' \
    '^downtime-limit +[0-9]+ +ms +1\.\.\.[0-9]+ '
same_status 'options --names' 0 no_xen options --names
check 'has bandwidth' grep -qx bandwidth "$WORK/out"
same_status 'options --json' 0 no_xen options --json
check 'is JSON with every name' json '{o["name"]: o["help"] for o in d}' \
    <"$WORK/out"

# ---- dump ------------------------------------------------------------------------
for kind in plain ours xl libxl version2; do
    same_status "dump $kind" 0 "$XMIG" dump "$corpus/$kind"
    says "dump $kind ends well" 'end: [58] records, 2 pages'
    "$XMIG" dump --json "$corpus/$kind" >"$WORK/out" 2>&1
    check "dump --json $kind" python3 -c \
        'import json,sys; [json.loads(l)["record"] for l in sys.stdin]' \
        <"$WORK/out"
done
same_status 'dump of the standard input' 0 "$XMIG" dump <"$corpus/ours"
same_status 'dump -' 0 "$XMIG" dump - <"$corpus/xl"
same_status 'dump of nothing' 1 "$XMIG" dump /dev/null
says 'names the place' 'refused at byte 0: the stream ends'
same_status 'dump of some other file' 1 "$XMIG" dump "$XMIG"
says 'says that it is none' 'no saved domain'
same_status 'dump of a file that is not there' 1 "$XMIG" dump "$WORK/nothing"
says 'says why' 'No such file'
head -c 8500 "$corpus/ours" >"$WORK/cut"
same_status 'dump of half a file' 1 "$XMIG" dump "$WORK/cut"
says 'shows what is there' 'X86_CPUID_POLICY'
says 'and where it ends' 'refused at byte [0-9]+: the stream ends in the middle'
"$XMIG" dump --json "$WORK/cut" >"$WORK/out" 2>/dev/null
matches 'dump --json says it, too' "$(tail -n 1 "$WORK/out")" '"refused":"at'

same_status 'a full disk under the output' 1 \
    bash -c '"$1" dump "$2" >/dev/full' - "$XMIG" "$corpus/plain"
says 'is told' 'No space left'

# ---- completion and man pages -------------------------------------------------------
comp=$TOP/tools/xmig.bash-completion
check 'the completion is bash' bash -n "$comp"
complete_words() { # WORDS...: what the last one is completed to
    PATH=$B/bin:$PATH bash -c '. "$1"; shift; COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1)); _xmig; printf "%s\n" "${COMPREPLY[@]}"' \
        - "$comp" "$@" | sort | xargs
}
same 'it completes commands' "$(complete_words xmig re)" 'receive recover report restore'
same 'it completes options of a command' \
    "$(complete_words xmig receive --)" \
    '--json --listen --once --port --set --stdio --trusted-peers'
matches 'it completes the library'"'"'s options of migrate' \
    "$(complete_words xmig -v migrate --down)" '^--downtime-limit$'
if command -v groff >/dev/null; then
    for page in "$TOP"/docs/man/*.[13]; do
        same "${page##*/} renders without a warning" \
            "$(groff -man -ww -z -Tutf8 "$page" 2>&1)" ''
    done
else
    skip 'man pages render' 'needs groff'
fi
for c in $commands; do
    check "xmig(1) has $c" grep -q "^\.SS $c" "$TOP/docs/man/xmig.1"
done
for s in 0 1 2 3 4 5 6; do
    check "xmig(1) has exit status $s" grep -qx "\.B $s" "$TOP/docs/man/xmig.1"
done

# ---- on a host -------------------------------------------------------------------------
host_start a --memory 128
xmig() { run a "$XMIG" "$@"; }
dom=$(create a "$(cfg worker 'program=idle' 16 2)") || bail 'create failed'
await a "$dom" data/state=running >/dev/null || bail 'no guest'
same_status 'list' 0 xmig list
says 'has the columns of xl' '^Name +ID +Mem +VCPUs +State +Time\(s\)$'
says 'shows dom0' '^Domain-0 +0 '
says 'and the domain' "^worker +$dom +1[67] +2 +[r-][b-]---- +[0-9.]+$"
same_status 'list of one' 0 xmig list worker
same 'is short' "$(wc -l <"$WORK/out")" 2
same_status 'list by number' 0 xmig list "$dom"
says 'finds it' '^worker '
same_status 'list --json' 0 xmig list --json worker
check 'is JSON' json 'assert d[0]["name"] == "worker" and d[0]["vcpus"] == 2' \
    <"$WORK/out"
same_status 'list -l' 0 xmig list -l
for c in 'list nobody' 'save nobody f' 'migrate nobody localhost'; do
    # shellcheck disable=SC2086
    same_status "$c: no such domain" 1 xmig $c
    says "$c says so" 'nobody'
done
same_status 'a number that is no domain' 1 xmig list 4711
same_status 'dom0 is not saved' 2 xmig save Domain-0 "$WORK/f"
check 'and no file is left' test ! -e "$WORK/f"
same_status 'an unknown option of migrate' 1 \
    xmig migrate --no-such 1 worker localhost
says 'is named' 'no option "no-such"'
same_status 'a value out of range' 1 \
    xmig migrate --downtime-limit 0 worker localhost
says 'is told with the range' 'downtime-limit'
same_status 'a value that is no number' 1 \
    xmig migrate --bandwidth much worker localhost
same_status 'nobody listens' 2 \
    xmig migrate --max_iters 3 worker 127.0.0.1:1
says 'what was attempted' 'migrate worker to 127.0.0.1'
says 'where the guest is' 'runs on at the source'
says 'what to do' 'xmig receive'
same_status 'nobody listens, as JSON' 2 xmig migrate --json worker 127.0.0.1:1
out=$(xmig migrate --json worker 127.0.0.1:1 2>/dev/null)
check 'is JSON' json 'assert d["status"] == "failed"; d["error"]["text"]
assert d["guest"] == "at-source"' <<<"$out"
same_status 'nothing to recover' 0 xmig recover
same_status 'recover of what is not open' 1 xmig recover nobody
check 'the guest has felt nothing' matches '' \
    "$(store a "/local/domain/$dom/data/verdict")" '^(ok|unchecked)'

# ---- a migration: what both ends print -----------------------------------------------
host_start b --memory 128
# A port that nobody uses, in a range that no kernel hands out by itself.
port=$((20000 + $$ % 10000))
mkfifo "$WORK/never"
listening() { grep -q ":$(printf %04X "$1") [0-9A-F]*:0000 0A" /proc/net/tcp; }
receive() { # OPTION...: into $WORK/received; sets pid, waits until it listens
    "$EMU" run "$WORK/b" -- "$XMIG" receive --listen "127.0.0.1:$port" "$@" \
        >"$WORK/received" 2>"$WORK/receiver" &
    pid=$!
    children+=("$pid")
    local end=$((SECONDS + 20))
    until listening "$port"; do
        [ $SECONDS -lt $end ] || bail 'nobody listens' "$(cat "$WORK/receiver")"
        read -r -t 0.02 _ <>"$WORK/never" || :
    done
}
receive
same_status 'a second receiver on the port' 1 \
    run b "$XMIG" receive --listen "127.0.0.1:$port"
says 'is told that it is in use' 'in use'
says 'and what to do' '--port'
kill -TERM "$pid"
wait "$pid"
same 'a receiver that is ended by a signal' $? 0

receive --once --json
xmig -t migrate --json --bandwidth 200 --max_iters 4 worker "127.0.0.1:$port" \
    >"$WORK/out" 2>"$WORK/err"
same 'a migration' $? 0
wait "$pid"
same 'and its receiver' $? 0
check 'print the same domain as JSON, at the source' json \
    'assert d["domain"] == "worker" and d["guest"] == "at-destination"
assert d["status"] == "completed" and d["ram"]["transferred"] > 0
assert 0 < d["downtime-us"] <= d["total-time-us"]' <"$WORK/out"
check 'and at the destination' json \
    'assert d["domain"] == "worker" and d["domid"] > 0' <"$WORK/received"
progress=$(tr '\r' '\n' <"$WORK/err" | grep -oE '^ *[0-9.]+ %' | tr -d ' %')
matches 'each round has a line' "$(tr '\r' '\n' <"$WORK/err")" \
    '^round 1: [0-9.]+ [KMG]?i?B at .*/s, dirtied at .*/s, .* left, pause would be'
same 'progress never runs backwards' "$(sort -c -n <<<"$progress" 2>&1)" ''
matches 'and ends at the end' "$(tail -n 1 <<<"$progress")" '^100\.0$'
same_status 'the domain is gone here' 1 xmig list worker
same_status 'and runs there' 0 run b "$XMIG" list worker

# Two domains of one name: the toolstack forbids it, a rename does not.
dom=$(create a "$(cfg worker 'program=idle' 16)") || bail 'create failed'
other=$(create a "$(cfg twin 'program=idle' 16)") || bail 'create failed'
run a xenstore-write "/local/domain/$other/name" worker
same_status 'two domains of one name' 1 xmig save worker "$WORK/f"
says 'are told' 'two|several|more than one'
says 'with what to do' 'number instead'
same_status 'the number still works' 0 xmig list "$other"
done_testing
