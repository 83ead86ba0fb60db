# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash disable=SC2154
#
# Moves by post-copy between hosts a and b, judged; after migrate.sh.

destroy() { "$EMU" destroy "$WORK/$1" "$2" || bail 'destroy failed'; }
lives() { "$EMU" wait --node data/program --change --timeout 20 "$WORK/$1" "$2"; }
# Each page came once, and once only.
accounts() { # WHAT
    local pages
    pages=$(($(part first) + $(part pushed) + $(part demanded) + $(part neighbours) + $(part holes)))
    check "$1: pages were left for post-copy" [ "$(part pages)" -gt 0 ]
    same "$1: every absent page was sent, once" "$pages" "$(part pages)"
    check "$1: at most 1 % came twice ($(part duplicates))" \
        [ "$(part duplicates)" -le $(($(part pages) / 100)) ]
    # One that is under way when nothing is missing any more is not read.
    check "$1: and nothing else was dropped ($(part dropped))" \
        [ "$(part dropped)" -le "$(part duplicates)" ]
    diag "$1: $(sed -n '/"postcopy":/,/}/p' "$WORK/migrate.out" | tr -d ' \n{}')" \
        "downtime $(figure downtime-us) us, rounds $(figure dirty-sync-count)"
}
# kind NAME EXTRA VCPUS MORE...: there by post-copy, judged.
kind() {
    local name=$1 extra=$2 vcpus=$3
    shift 3
    boot a w "$extra publish=100ms" 64 "$vcpus"
    move a b w "$@"
    same "$name moves" $status 0 || logs
    matches "$name finds its memory right" "$(right b "$dom")" 'resumes=1 '
    [ "$name" = server ] || check "$name goes on" lives b "$dom"
    same "$name: nothing is left at the source" "$(domains a)" ''
    same "$name: nor absent at the destination" \
        "$(grep 'absent' "$WORK/receive.out")" ''
    accounts "$name"
    destroy b "$dom"
}
