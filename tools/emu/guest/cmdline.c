/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest's command line: "key=value" words separated by blanks.  Parsed
 * from its text whenever a value is wanted; nothing is kept.
 */
#include <errno.h>
#include <string.h>

#include "kernel.h"

static const char *skip_blanks(const char *p)
{
    while ( *p == ' ' || *p == '\t' || *p == '\n' )
        p++;
    return p;
}

static const char *word_end(const char *p)
{
    while ( *p && *p != ' ' && *p != '\t' && *p != '\n' )
        p++;
    return p;
}

/* Length of the key part of the word [p, end). */
static size_t key_len(const char *p, const char *end)
{
    const char *eq = memchr(p, '=', end - p);

    return (eq ? eq : end) - p;
}

int cmdline_str(const char *cmdline, const char *key, char *buf, size_t size)
{
    const char *p, *end, *value = NULL;
    size_t len = 0, want = strlen(key);

    for ( p = skip_blanks(cmdline); *p; p = skip_blanks(end) )
    {
        size_t klen;

        end = word_end(p);
        klen = key_len(p, end);
        if ( klen != want || memcmp(p, key, klen) )
            continue;
        value = p + klen + (p + klen < end);
        len = end - value;
    }
    if ( !value )
        return -ENOENT;
    if ( len >= size )
        return -EINVAL;
    memcpy(buf, value, len);
    buf[len] = '\0';
    return 0;
}

int cmdline_key(const char *cmdline, unsigned int n, char *buf, size_t size)
{
    const char *p, *end;

    for ( p = skip_blanks(cmdline); *p; p = skip_blanks(end) )
    {
        size_t klen;

        end = word_end(p);
        if ( n-- )
            continue;
        klen = key_len(p, end);
        if ( klen >= size )
            klen = size - 1;
        memcpy(buf, p, klen);
        buf[klen] = '\0';
        return 0;
    }
    return -ENOENT;
}

/* Digits at the start of s; *ret_rest is what follows them. */
static int digits(const char *s, uint64_t *ret_value, const char **ret_rest)
{
    uint64_t value = 0;
    const char *p;

    for ( p = s; *p >= '0' && *p <= '9'; p++ )
        if ( __builtin_mul_overflow(value, 10, &value) ||
             __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value) )
            return -EINVAL;
    if ( p == s )
        return -EINVAL;
    *ret_value = value;
    *ret_rest = p;
    return 0;
}

static int fetch(const char *cmdline, const char *key, char *buf, size_t size,
                 uint64_t *ret_value, const char **ret_rest)
{
    int rc = cmdline_str(cmdline, key, buf, size);

    return rc ? rc : digits(buf, ret_value, ret_rest);
}

int cmdline_u64(const char *cmdline, const char *key, uint64_t *ret_value)
{
    char buf[32];
    const char *rest;
    uint64_t value;
    int rc = fetch(cmdline, key, buf, sizeof(buf), &value, &rest);

    if ( rc )
        return rc;
    if ( *rest )
        return -EINVAL;
    *ret_value = value;
    return 0;
}

int cmdline_bytes(const char *cmdline, const char *key, uint64_t *ret_bytes)
{
    static const char units[] = "KMGT";
    char buf[32];
    const char *rest, *unit;
    uint64_t value;
    int rc = fetch(cmdline, key, buf, sizeof(buf), &value, &rest);

    if ( rc )
        return rc;
    if ( *rest )
    {
        unit = strchr(units, *rest == 'k' ? 'K' : *rest);
        if ( unit )
        {
            unsigned int shift = 10 * (unit - units + 1);

            if ( value > UINT64_MAX >> shift )
                return -EINVAL;
            value <<= shift;
            rest++;
        }
    }
    if ( rest[0] == 'i' && rest[1] == 'B' )
        rest += 2;
    else if ( rest[0] == 'B' )
        rest++;
    if ( rest[0] == '/' && rest[1] == 's' )
        rest += 2;
    if ( *rest )
        return -EINVAL;
    *ret_bytes = value;
    return 0;
}

int cmdline_us(const char *cmdline, const char *key, uint64_t *ret_us)
{
    static const struct { const char *unit; uint64_t us; } units[] =
    {
        { "us", 1 }, { "ms", 1000 }, { "", 1000 },
        { "s", 1000000 }, { "m", 60000000 },
    };
    char buf[32];
    const char *rest;
    uint64_t value;
    unsigned int i;
    int rc = fetch(cmdline, key, buf, sizeof(buf), &value, &rest);

    if ( rc )
        return rc;
    for ( i = 0; i < sizeof(units) / sizeof(units[0]); i++ )
        if ( !strcmp(rest, units[i].unit) )
        {
            if ( __builtin_mul_overflow(value, units[i].us, &value) )
                return -EINVAL;
            *ret_us = value;
            return 0;
        }
    return -EINVAL;
}
