#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
#
# Install by apt what is missing of tests/packages.
#
#   tests/deps.sh           everything
#   tests/deps.sh demo      only what building and the demo need
#
# Does nothing, and needs no network, when all is there.  Uses sudo when not
# root.  Starts no services: a machine that is no Xen host stays one.
set -eu
list=$(dirname "$0")/packages

if ! command -v dpkg-query >/dev/null; then
    echo "deps: not a Debian system; see $list for what is needed" >&2
    exit 0
fi

wanted=$(awk -v what="${1:-all}" \
    '/^#/ || !NF { next } $2 == "check" && what == "demo" { next }
     { print $1 }' "$list")
missing=
for p in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
        head -n 1) || true
    [ "$state" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: missing$missing; install them as root" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "deps: installing$missing"
# invoke-rc.d asks policy-rc.d before it starts anything; leave an
# administrator's own alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$as_root rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
fi
log=$(mktemp)
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=300 "$@" \
        </dev/null >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        rm -f "$log"
        echo "deps: apt-get $1 failed; missing:$missing" >&2
        exit 1
    }
}
apt update
# shellcheck disable=SC2086 # a list of words
apt install --no-install-recommends $missing
rm -f "$log"
