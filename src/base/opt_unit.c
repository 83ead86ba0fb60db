/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Numbers with units: text to base units and back.
 */
#include "opt_unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct
{
    const char *name;
    enum opt_type type;
    uint64_t base;
} units[] = {
    { "B", OPT_SIZE, 1 },
    { "KiB", OPT_SIZE, 1ull << 10 },
    { "MiB", OPT_SIZE, 1ull << 20 },
    { "GiB", OPT_SIZE, 1ull << 30 },
    { "TiB", OPT_SIZE, 1ull << 40 },
    { "K", OPT_SIZE, 1ull << 10 },
    { "M", OPT_SIZE, 1ull << 20 },
    { "G", OPT_SIZE, 1ull << 30 },
    { "T", OPT_SIZE, 1ull << 40 },
    { "B/s", OPT_BANDWIDTH, 1 },
    { "KiB/s", OPT_BANDWIDTH, 1ull << 10 },
    { "MiB/s", OPT_BANDWIDTH, 1ull << 20 },
    { "GiB/s", OPT_BANDWIDTH, 1ull << 30 },
    { "K", OPT_BANDWIDTH, 1ull << 10 },
    { "M", OPT_BANDWIDTH, 1ull << 20 },
    { "G", OPT_BANDWIDTH, 1ull << 30 },
    { "us", OPT_DURATION, 1 },
    { "ms", OPT_DURATION, 1000 },
    { "s", OPT_DURATION, 1000000 },
    { "min", OPT_DURATION, 60000000 },
};

uint64_t opt_unit_base(enum opt_type type, const char *name)
{
    unsigned int i;

    if ( type == OPT_UINT )
        return 1;
    for ( i = 0; i < sizeof(units) / sizeof(units[0]); i++ )
        if ( units[i].type == type && !strcasecmp(units[i].name, name) )
            return units[i].base;

    return 0;
}

bool opt_is_number(enum opt_type type)
{
    return type == OPT_UINT || type == OPT_SIZE || type == OPT_BANDWIDTH ||
           type == OPT_DURATION;
}

int opt_number_parse(const struct opt_row *r, const char *text,
                     uint64_t *ret)
{
    const char *p = text + strspn(text, " ");
    uint64_t whole = 0, part = 0, scale = 1, base;
    unsigned __int128 v;
    char unit[16];
    size_t n;

    if ( *p < '0' || *p > '9' )
        return -EINVAL;
    for ( ; *p >= '0' && *p <= '9'; p++ )
        if ( __builtin_mul_overflow(whole, 10, &whole) ||
             __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole) )
            return -ERANGE;
    if ( *p == '.' )
    {
        if ( r->type == OPT_UINT || p[1] < '0' || p[1] > '9' )
            return -EINVAL;
        for ( p++; *p >= '0' && *p <= '9'; p++ )
        {
            if ( scale == 1000000 )
                return -EINVAL;
            part = part * 10 + (uint64_t)(*p - '0');
            scale *= 10;
        }
    }
    p += strspn(p, " ");
    n = strcspn(p, " ");
    if ( n >= sizeof(unit) || p[n + strspn(p + n, " ")] )
        return -EINVAL;
    memcpy(unit, p, n);
    unit[n] = '\0';
    if ( r->type == OPT_UINT )
    {
        if ( n && strcmp(unit, r->unit) )
            return -EINVAL;
        base = 1;
    }
    else
        base = opt_unit_base(r->type, n ? unit : r->unit);
    if ( !base )
        return -EINVAL;
    v = (unsigned __int128)whole * base +
        (unsigned __int128)part * base / scale;
    if ( v > UINT64_MAX )
        return -ERANGE;
    *ret = (uint64_t)v;

    return 0;
}

void opt_number_text(const struct opt_row *r, uint64_t num, char *buf,
                     size_t room)
{
    uint64_t base = opt_unit_base(r->type, r->unit), rest = num % base;
    int n = snprintf(buf, room, "%" PRIu64, num / base);
    char *p = buf + n;

    if ( !rest )
        return;
    snprintf(p, room - (size_t)n, ".%06" PRIu64,
             (uint64_t)((unsigned __int128)rest * 1000000 / base));
    p += strlen(p);
    while ( p[-1] == '0' )
        *--p = '\0';
    if ( p[-1] == '.' )
        p[-1] = '\0';
}
