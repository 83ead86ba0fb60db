#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Stock xl with xmig-save-helper in the place of libxl's own: on both sides of
# a save, a restore and a migration, or on one side with the stock helper on
# the other; the guest judges its memory each time.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
need_xl
export PATH="$XENBIN:$PATH"
OURS=$B/libexec/xmig-save-helper
STOCK=$XENBIN/libxl-save-helper

# xl on host $1, with the helper that $WORK/helper.$1 names, leaves its words
# in $WORK/out.
with() { # HOST xl...
    LIBXL_SAVE_HELPER=$(cat "$WORK/helper.$1") run_xl "$@" >"$WORK/out" 2>&1
}
helper() { echo "$2" >"$WORK/helper.$1"; }
said() { grep -qE -- "$1" "$WORK/out"; }
verify() { # FILE
    PYTHONPATH=/usr/lib/xen-4.17/lib/python \
        $XENBIN/verify-stream-v2 -v -f xl -i "$1"
}
cat >"$WORK/ssh" <<END
#!/bin/sh
host=\$1; shift
LIBXL_SAVE_HELPER=\$(cat $WORK/helper.\$host)
export LIBXL_SAVE_HELPER
exec $EMU run --mount $WORK/\$host -- "\$@"
END
chmod +x "$WORK/ssh"

resumes=0
right() { # HOST WHAT: guest "mover" there has judged its memory
    resumes=$((resumes + 1))
    dom=$(domid_of "$1" mover)
    matches "$2" "$(await "$1" "$dom" 'data/verdict=ok*' 60)" \
        "resumes=$resumes " || diag "$(cat "$WORK/out")"
}
migrates() { # FROM TO WHAT [OPTION...]
    with "$1" xl migrate "${@:4}" -s "$WORK/ssh" mover "$2" ||
        { not_ok "$3"; diag "$(cat "$WORK/out")"; host_log "$1"; host_log "$2"; return 1; }
    ok "$3"
    same 'it is gone at the source' "$(domid_of "$1" mover)" ''
    right "$2" 'and finds its memory right'
}

host_start a --memory 256 --dirty-log async
host_start b --memory 256 --dirty-log sync
helper a "$OURS"
helper b "$OURS"
conf=$(xl_cfg mover 'program=dirty size=16M rate=40M order=random' 64 2)
check 'xl create builds a PVH domain' run_xl a xl create -e "$conf" ||
    bail 'xl create failed' "$(tail -n 30 "$WORK/a/host.log")"
dom=$(domid_of a mover)
await a "$dom" data/state=running >/dev/null || bail 'no guest' "$(console a "$dom")"

# ---- save and restore ------------------------------------------------------
with a xl save mover "$WORK/ours.save"
same 'xl save works' $? 0 || diag "$(cat "$WORK/out")"
check 'the engine did it' said 'domain [0-9]+ saved: 0 live rounds, 16[34][0-9]+ pages'
check 'its progress reaches xl' said 'progress: Saving domain [0-9]+, suspended: .* [0-9]+%'
same 'the saved domain is gone' "$(domid_of a mover)" ''
check 'verify-stream-v2 accepts the file' verify "$WORK/ours.save"
# So that a reader can build the guest of 2 MiB pieces, though gfn 1 is a hole.
matches 'its records are aligned pieces of memory' \
    "$("$B/bin/xmig" dump "$WORK/ours.save")" \
    'PAGE_DATA .* 1024 pages in 0x1c00\.\.\.0x1fff:'
with a xl restore -e "$WORK/ours.save"
same 'xl restore works' $? 0 || diag "$(cat "$WORK/out")"
check 'the engine did that, too' said 'domain [0-9]+ restored: 16[34][0-9]+ pages'
right a 'the guest finds its memory right'

with a xl save mover "$WORK/ours.save"
helper a "$STOCK"
with a xl restore -e "$WORK/ours.save"
same 'what the engine saved is restored by stock' $? 0 || diag "$(cat "$WORK/out")"
right a 'the guest finds its memory right'
with a xl save mover "$WORK/stock.save"
helper a "$OURS"
with a xl restore -e "$WORK/stock.save"
same 'what stock saved is restored by the engine' $? 0 || diag "$(cat "$WORK/out")"
check 'the engine did' said 'domain [0-9]+ restored:'
right a 'the guest finds its memory right'

# ---- migrate ---------------------------------------------------------------
export XMIG_SAVE_HELPER_SET='precopy.min-remaining=0 downtime-limit=1ms precopy.max-iters=4'
migrates a b 'xl migrate moves the dirtying guest, the engine at both ends'
rounds=$(sed -nE 's/.*saved: ([0-9]+) live rounds, ([0-9]+) pages.*/\1/p' "$WORK/out")
pages=$(sed -nE 's/.*saved: ([0-9]+) live rounds, ([0-9]+) pages.*/\2/p' "$WORK/out")
check "in more than one live round ($rounds)" [ "$rounds" -gt 1 ]
check "pages that were dirtied again were sent again ($pages)" [ "$pages" -gt 16500 ]
check 'progress reaches xl' said 'Restoring domain [0-9]+'
migrates b a 'and back again'
XMIG_SAVE_HELPER_SET='precopy.max-iters=1' migrates a b \
    'settings come from the environment'
check 'and are obeyed' said 'saved: 1 live rounds'
echo 'precopy.max-iters = 2' >"$WORK/conf"
XMIG_SAVE_HELPER_CONF=$WORK/conf XMIG_SAVE_HELPER_SET='downtime-limit=1ms precopy.min-remaining=0' \
    migrates b a 'and from a file'
check 'and are obeyed there' said 'saved: 2 live rounds'
helper b "$STOCK"
migrates a b 'the engine here, the stock helper there'
migrates b a 'the stock helper here, the engine there'
helper b "$OURS"
unset XMIG_SAVE_HELPER_SET

# ---- what is left to the stock helper ---------------------------------------
migrates a b 'xl migrate --debug is left to stock' --debug
check 'the engine compares the pages there' said 'domain [0-9]+: 16[34][0-9]+ pages verified'
check 'which is said' said '--debug\) is not carried: .*libxl-save-helper does it'
helper b "$OURS"
cat >"$WORK/fake" <<'END'
#!/bin/sh
echo "$@" >"$FAKE_OUT"
cat <&9 >"$FAKE_OUT.stream"
END
chmod +x "$WORK/fake"
dom=$(domid_of b mover)
printf 'every byte' >"$WORK/stream"
FAKE_OUT=$WORK/fake.out XMIG_SAVE_HELPER_STOCK=$WORK/fake run b "$OURS" \
    --restore-domain 9 -1 "$dom" 1 0 2 0 768 1 9<"$WORK/stream" >"$WORK/msg" </dev/null
same 'a checkpointed stream is left to the stock helper' $? 0
same 'with the same arguments' "$(cat "$WORK/fake.out")" \
    "--restore-domain 9 -1 $dom 1 0 2 0 768 1"
same 'and the whole of the stream' "$(cat "$WORK/fake.out.stream")" 'every byte'
check 'and libxl is told' grep -qa "checkpointed stream .*: $WORK/fake does it" "$WORK/msg"

# ---- failures ----------------------------------------------------------------
none_at() { ! run_xl "$1" xl list 2>&1 | grep -q mover; }
alive() { # HOST WHAT
    dom=$(domid_of "$1" mover)
    check "$2" "$EMU" wait --node data/writes --change "$WORK/$1" "$dom"
}
XMIG_SAVE_HELPER_SET=no-such-option=1 with b xl save mover "$WORK/x.save"
check 'an unknown option is refused' said 'no option "no-such-option"'
alive b 'and the guest goes on'
XMIG_SAVE_HELPER_CONF=$WORK/none with b xl save mover "$WORK/x.save"
check 'a file of settings that is not there is refused' said "$WORK/none: No such file"
alive b 'and the guest goes on'
XMIG_SAVE_HELPER_STOCK=$WORK/none with b xl migrate --debug -s "$WORK/ssh" mover a
check 'no stock helper where one is needed' said "run $WORK/none: No such file"
alive b 'and the guest goes on'

cat >"$WORK/pid-helper" <<END
#!/bin/sh
[ "\$1" != --save-domain ] || echo \$\$ >$WORK/helper.pid
exec $OURS "\$@"
END
chmod +x "$WORK/pid-helper"
helper b "$WORK/pid-helper"
LIBXL_SAVE_HELPER=$WORK/pid-helper XMIG_SAVE_HELPER_SET=bandwidth=8 \
    run_xl b xl migrate -s "$WORK/ssh" mover a >"$WORK/out" 2>&1 &
xl=$!
check 'a migration has begun' eventually 20 said 'Restoring domain [0-9]+: .* [1-9][0-9]*%'
kill -TERM "$(cat "$WORK/helper.pid")"
wait $xl
check 'SIGTERM aborts it' [ $? -ne 0 ]
check 'by cancelling' said 'cancelled'
alive b 'and the guest goes on'
same 'nothing is left at the destination' "$(run_xl a xl list 2>&1 | grep -c mover)" 0

# Stock xl migrate forgets a guest that it suspended by event channel.
cat >"$WORK/bad-helper" <<END
#!/bin/sh
[ "\$1" != --save-domain ] || export XMIG_EMU_FAULT='domctl:gethvmcontext nth=1 fail=EIO'
exec $OURS "\$@"
END
chmod +x "$WORK/bad-helper"
LIBXL_SAVE_HELPER=$WORK/bad-helper run_xl b xl migrate -s "$WORK/ssh" mover a >"$WORK/out" 2>&1
check 'a failure behind the suspension fails the migration' said 'context of vcpus .*Input/output error'
alive b 'and the guest goes on'

# An interrupt from the terminal: xl is gone, its helper still tidies up.
: >"$WORK/out"
LIBXL_SAVE_HELPER=$WORK/pid-helper XMIG_SAVE_HELPER_SET=bandwidth=8 \
    run_xl b xl migrate -s "$WORK/ssh" mover a >"$WORK/out" 2>&1 &
xl=$!
check 'another one has begun' eventually 20 said 'Restoring domain [0-9]+: .* [1-9][0-9]*%'
pid=$(cat "$WORK/helper.pid")
kill -KILL "$(awk '{ print $4 }' "/proc/$pid/stat")"
kill -INT "$pid"
ended() { [ ! -e "/proc/$pid" ]; }
check 'an interrupt ends the helper' eventually 20 ended
wait $xl
alive b 'and the guest goes on'
same 'nothing is left at the destination' \
    "$(eventually 20 none_at a; run_xl a xl list 2>&1 | grep -c mover)" 0
helper b "$OURS"
migrates b a 'the next attempt succeeds' || diag "$(cat "$WORK/out")"

cat >"$WORK/cut-ssh" <<END
#!/bin/sh
head -c 20000000 | exec $WORK/ssh "\$@"
END
chmod +x "$WORK/cut-ssh"
with a xl migrate -s "$WORK/cut-ssh" mover b
check 'a broken transport fails the migration' [ $? -ne 0 ]
alive a 'and the guest goes on'
same 'nothing is left at the destination' "$(run_xl b xl list 2>&1 | grep -c mover)" 0

with a xl save mover "$WORK/good.save"
bad() { # WHAT PATTERN
    with a xl restore -e "$WORK/bad.save"
    check "$1" [ $? -ne 0 ]
    check 'and is said where' said "$2"
    same 'and leaves no domain' "$(run_xl a xl list 2>&1 | grep -c mover)" 0
}
head -c 30000000 "$WORK/good.save" >"$WORK/bad.save"
bad 'a truncated file is refused' 'image is refused at byte [0-9]+: the stream ends'
python3 - "$WORK/good.save" "$WORK/bad.save" <<'END'
import sys
d = bytearray(open(sys.argv[1], 'rb').read())
at = d.index(b'XENF') - 8
d[at + 40] ^= 0x40              # the type of the first record
open(sys.argv[2], 'wb').write(d)
END
bad 'a flipped bit in a record is refused' 'image is refused at byte 40: '
with a xl restore -e "$WORK/good.save"
same 'the good file is restored' $? 0
right a 'and the guest finds its memory right'
check 'xl destroy works' run_xl a xl destroy mover

# ---- a guest that balloons -----------------------------------------------------
conf=$(xl_cfg mover 'program=dirty size=8M rate=20M balloon=12M balloon-period=5ms' 64 2)
check 'a ballooning guest starts' run_xl a xl create -e "$conf"
dom=$(domid_of a mover)
await a "$dom" data/state=running >/dev/null || bail 'no guest' "$(console a "$dom")"
resumes=0
export XMIG_SAVE_HELPER_SET='precopy.min-remaining=0 downtime-limit=1ms precopy.max-iters=8'
migrates a b 'a ballooning guest, the engine at both ends'
# The other way stock fails when a page goes between its look and its mapping.
helper a "$STOCK"
migrates b a 'a ballooning guest, to stock'
check 'xl destroy works' run_xl a xl destroy mover
for h in a b; do
    check "host $h holds nobody's frames any more" eventually 10 all_free $h ||
        diag "$("$EMU" status "$WORK/$h")"
done
done_testing
