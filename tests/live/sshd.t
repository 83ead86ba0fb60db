#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig migrate by the real ssh and sshd, with keys and a configuration of its
# own.  sshd serves one connection on its standard input (-i), which ssh gets
# as its ProxyCommand: no port, no daemon.  Where openssh-server is not
# installed its package is unpacked, as its installation would leave a server
# that starts at the next boot.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
XMIG=$B/bin/xmig
need_root 'a mount namespace for sshd'
unshare -m true 2>/dev/null || skip_all 'needs mount namespaces'
command -v ssh >/dev/null || skip_all 'needs openssh-client'

# ---- sshd --------------------------------------------------------------------
sshd=/usr/sbin/sshd lib=
if [ ! -x $sshd ]; then
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/xmig-sshd
    if [ ! -x "$cache/usr/sbin/sshd" ]; then
        mkdir -p "$WORK/debs" "$WORK/root" "${cache%/*}"
        (cd "$WORK/debs" && timeout 60 apt-get -q -o APT::Sandbox::User=root \
            download openssh-server libwrap0) >"$WORK/apt.log" 2>&1 ||
            skip_all 'needs sshd, and its package cannot be had'
        for deb in "$WORK"/debs/*.deb; do dpkg -x "$deb" "$WORK/root"; done
        rm -rf "$cache"
        mv "$WORK/root" "$cache"
    fi
    sshd=$cache/usr/sbin/sshd
    lib=$(find "$cache" -name 'libwrap.so.*' -printf '%h' -quit)
fi
ssh-keygen -q -t ed25519 -N '' -f "$WORK/hostkey" &&
    ssh-keygen -q -t ed25519 -N '' -f "$WORK/key" || bail 'no keys'
cp "$WORK/key.pub" "$WORK/authorized"
# What sshd wants of the machine is there in its namespace only.
{ grep -v '^sshd:' /etc/passwd; echo 'sshd:x:65530:65534::/run/sshd:/bin/false'; } >"$WORK/passwd"
for h in a b c; do
    [ $h = c ] || echo "$h $(cat "$WORK/hostkey.pub")" >>"$WORK/known"
    cat >"$WORK/sshd.$h" <<END
HostKey $WORK/hostkey
AuthorizedKeysFile $WORK/authorized
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel ERROR
ForceCommand $WORK/force $h
END
done
cat >"$WORK/force" <<END
#!/bin/sh
exec "$EMU" run "$WORK/\$1" -- env PATH="$B/bin:/usr/bin:/bin" \
    /bin/sh -c "exec \$SSH_ORIGINAL_COMMAND"
END
cat >"$WORK/proxy" <<END
#!/bin/sh
echo \$\$ >>"$WORK/sshd.pids"
exec unshare -m sh -c 'mount -t tmpfs none /run && mkdir -m 755 /run/sshd &&
    mount --bind "$WORK/passwd" /etc/passwd &&
    LD_LIBRARY_PATH="$lib" exec "$sshd" -i -f "$WORK/sshd.'"\$1"'" 2>>"$WORK/sshd.log"'
END
cat >"$WORK/ssh" <<END
#!/bin/sh
unset LD_LIBRARY_PATH
exec ssh -F none -i "$WORK/key" -o IdentitiesOnly=yes -o BatchMode=yes \
    -o UserKnownHostsFile="$WORK/known" -o StrictHostKeyChecking=yes \
    -o ProxyCommand="$WORK/proxy %h" "\$@"
END
chmod +x "$WORK/force" "$WORK/proxy" "$WORK/ssh"

host_start a --memory 192
host_start b --memory 192
out=$("$WORK/ssh" root@b id -u 2>"$WORK/err")
same 'sshd lets us run commands on a host' "$out" 0 ||
    bail 'sshd does not work' "$(cat "$WORK/err" "$WORK/sshd.log")"

# ---- moves ---------------------------------------------------------------------
dom=$(create a "$(cfg w 'program=dirty size=16M rate=40M order=random zero=20 publish=100ms' 64 2)") ||
    bail 'create failed'
await a "$dom" data/state=running >/dev/null || bail 'no guest'
migrate() { # HOST OPTION...: sets status
    run "$1" "$XMIG" migrate -s "$WORK/ssh${with:+ }${with-}" "${@:2}" >"$WORK/out" 2>&1
    status=$?
}
sshds() { # that run
    while read -r p; do [ ! -d "/proc/$p" ] || echo "$p"; done <"$WORK/sshd.pids"
}
left() { { sshds; pgrep -f "^[^ ]*(ssh|xmig) .*$WORK"; } | xargs; }
nobody() { [ -z "$(left)" ]; }
logs() { diag "$(cat "$WORK/out" "$WORK/sshd.log")"; }

moves=0 here=a there=b
for lanes in 1 3; do
    migrate $here --parallel $lanes w $there
    moves=$((moves + 1))
    same "$lanes lanes: it moves" "$status$(domains $here)" 0 || logs
    dom=$(domid_of $there w)
    matches 'and finds its memory right' "$(right $there "$dom")" "resumes=$moves "
    check 'no process is left' eventually 20 nobody || diag "$(left)"
    read -r here there <<<"$there $here"
done

# One connection of ssh for all of them, which outlives the command.
with="-o ControlMaster=auto -o ControlPersist=60 -o ControlPath=$WORK/mux"
migrate a --parallel 3 w b
moves=$((moves + 1))
same 'over one shared connection: it moves' "$status$(domains a)" 0 || logs
dom=$(domid_of b w)
matches 'and finds its memory right' "$(right b "$dom")" "resumes=$moves "
check 'ssh still has that connection' ssh -O check -o ControlPath="$WORK/mux" b
ssh -O exit -o ControlPath="$WORK/mux" b 2>/dev/null
with=

# ---- no move -------------------------------------------------------------------
migrate b w c
matches 'a host that ssh does not trust: its words' "$(cat "$WORK/out")" \
    'ended with status 255 \(Host key verification failed'
same 'and the guest stays' "$status$(domains b)" 2w
: >"$WORK/authorized"
migrate b w a
matches 'a user who may not log in: its words' "$(cat "$WORK/out")" \
    'ended with status 255 .*Permission denied'
same 'and the guest stays' "$status$(domains b)" 2w
cp "$WORK/key.pub" "$WORK/authorized"

run b "$XMIG" migrate -s "$WORK/ssh" --bandwidth 4 --timeout 30 w a >"$WORK/out" 2>&1 &
sender=$!
children+=("$sender")
armed() { grep -qs state=PERMIT "$WORK"/b/xmig/*.source; }
check 'a slow migration is under way' eventually 20 armed
# All of the connection is gone at once, as with a network that is.
for p in $(sshds); do kill -9 "$p"; done
wait "$sender"
same 'sshd is gone: the guest stays' "$?$(domains b)" 2w || logs
matches 'and it is said how ssh ended' "$(cat "$WORK/out")" 'ended with status 255'
check 'and runs on' "$EMU" wait --node data/writes --change --timeout 20 "$WORK/b" "$dom"
gone() { [ -z "$(domains a)" ]; }
check 'nothing is left at the destination' eventually 20 gone
migrate b w a
same 'the next attempt succeeds' "$status$(domains b)" 0 || logs
dom=$(domid_of a w)
matches 'its memory is right' "$(right a "$dom")" 'resumes='
check 'no process is left' eventually 20 nobody || diag "$(left)"
done_testing
