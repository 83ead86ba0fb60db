# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# Samples, their medians and ratios.

# What "key=value ..." lines say of a key.
field() { tr ' ' '\n' | sed -n "s/^$1=\([0-9.]*\)$/\1/p"; }
json() { tr -d '\n' | sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p"; }
sum() { awk '{ n += $1 } END { printf "%d", n }'; }

# sample BENCH SUBJECT "key=value ...": the figures of one run, as metrics.
sample() {
    tr ' ' '\n' <<<"$3" | awk -F= -v b="$1" -v s="$2" -v mib="$mib" \
        -v work_mib="$work_mib" '
    function put(name, unit, value) { print b, s, name, unit, value }
    $2 != "" { v[$1] = $2 }
    END {
        if ( s == "raw-pingpong" )
            put("push-goodput", "MB/s", v["bytes"] / v["us"])
        else if ( "us" in v )
        {
            # On a line, from the first byte to the last.
            if ( b ~ /^wan/ )
            {
                us = v["us"] - ("setup_us" in v ? v["setup_us"] : 0)
                put("goodput", "MB/s", v["bytes"] / us)
            }
            else if ( s != "empty-switch" )
                put("goodput", "MB/s", mib * 1048576 / v["us"])
            if ( s !~ /^(link|one-stream)$/ ) {
                put("total-time", "ms", v["us"] / 1000)
                put("bytes", "MiB", v["bytes"] / 1048576)
            }
        }
        if ( "down_us" in v ) put("downtime", "ms", v["down_us"] / 1000)
        if ( "told_us" in v )
            put("downtime-told", "ms", v["told_us"] / 1000)
        if ( "foretold_us" in v )
            put("downtime-foretold", "ms", v["foretold_us"] / 1000)
        if ( v["foretold_us"] && "told_us" in v )
            put("foretold-off", "ms", (v["foretold_us"] - v["told_us"]) / 1000)
        for ( k in v )
            if ( k ~ /^part_/ ) {
                name = k; sub(/^part_/, "", name); sub(/_us$/, "", name)
                put("downtime:" name, "ms", v[k] / 1000)
            }
        if ( "cpu_us" in v && s != "empty-switch" )
            put("cpu", "s/GiB", v["cpu_us"] / 1e6 / (mib / 1024))
        if ( "setup_us" in v ) put("setup-time", "ms", v["setup_us"] / 1000)
        if ( "round_us" in v ) put("last-round", "ms", v["round_us"] / 1000)
        if ( "rss_kib" in v ) {
            put("engine-memory", "MiB", v["rss_kib"] / 1024)
            if ( b ~ /scale/ )
                put("memory-per-gib", "MiB", v["rss_kib"] / mib)
        }
        if ( "ticks_per_s" in v )
            put("guest-ticks", "1/s", v["ticks_per_s"])
        if ( "forced" in v ) put("forced", "", v["forced"])
        if ( "fault_p50_us" in v ) {
            put("fault-p50", "us", v["fault_p50_us"])
            put("fault-p99", "us", v["fault_p99_us"])
        }
        if ( "requests" in v ) {
            put("network-faults", "", v["requests"])
            if ( b ~ /order/ )
                put("fault-share", "%", v["requests"] / (work_mib * 2.56))
            put("pages-sent", "", v["pages"])
        }
        if ( "duplicates" in v ) put("pages-twice", "", v["duplicates"])
    }' | sed 's/  / - /' | tee -a "$samples" | awk '
        $3 ~ /^(goodput|total-time|downtime|bytes|cpu|engine-memory|fault-.*)$/ {
            printf "%s%s %.4g %s", n++ ? ", " : "   ", $3, $5, $4 }
        END { print "" }'
}

summary() {                 # table | json
    sort -s -k1,1V -k3,3 -k2,2 -k5,5g "$samples" | awk -v how="$1" '
    function flush(  med, ratio) {
        if ( !n ) return
        med = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
        split(key, k, " ")
        if ( k[4] == "-" ) k[4] = ""
        if ( how == "json" )
            printf "%s  {\"bench\": \"%s\", \"subject\": \"%s\", " \
                "\"metric\": \"%s\", \"unit\": \"%s\", \"median\": %.6g, " \
                "\"min\": %.6g, \"max\": %.6g, \"runs\": %d}", sep, k[1],
                k[2], k[3], k[4], med, v[1], v[n], n
        else
            printf "%-16s %-18s %-15s %10.4g %10.4g %10.4g  %s\n", k[1],
                k[3], k[2], med, v[1], v[n], k[4]
        median[k[1] " " k[3] " " k[2]] = med
        sep = ",\n"; n = 0
    }
    BEGIN {
        if ( how == "json" ) print "["
        else printf "%-16s %-18s %-15s %10s %10s %10s\n", "bench", "metric",
            "subject", "median", "min", "max"
    }
    { id = $1 " " $2 " " $3 " " $4
      if ( id != key ) { flush(); key = id }
      v[++n] = $5 }
    END { flush(); if ( how == "json" ) print "\n]" }'
}

# What xmig takes, as a multiple of what each other takes.
ratios() {
    printf '%-16s %-18s %-15s %s\n' bench metric against \
        'xmig / it (medians)'
    tr ',' '\n' <"$1" | sed 's/[]{}"[]//g' | awk -F': ' '
    { gsub(/ /, "", $1) }
    $1 == "bench" { b = $2 } $1 == "subject" { s = $2 }
    $1 == "metric" { m = $2 }
    $1 == "median" { v[b, m, s] = $2; key[++n] = b SUBSEP m SUBSEP s }
    END {
        for ( i = 1; i <= n; i++ ) {
            split(key[i], k, SUBSEP)
            if ( k[3] ~ /^xmig/ || !((k[1], k[2], "xmig") in v) ||
                 v[key[i]] == 0 )
                continue
            printf "%-16s %-18s %-15s %.3f\n", k[1], k[2], k[3],
                v[k[1], k[2], "xmig"] / v[key[i]]
        }
    }'
}
