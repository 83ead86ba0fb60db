/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * 128-bit identities as text.
 */
#include "ident.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

/* A dash stands in front of these bytes. */
static bool dash_before(unsigned int i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

char *ident_text(const uint8_t id[IDENT_BYTES], char text[IDENT_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned int i;
    char *p = text;

    for ( i = 0; i < IDENT_BYTES; i++ )
    {
        if ( dash_before(i) )
            *p++ = '-';
        *p++ = digits[id[i] >> 4];
        *p++ = digits[id[i] & 15];
    }
    *p = '\0';

    return text;
}

static int digit(char c)
{
    if ( c >= '0' && c <= '9' )
        return c - '0';
    if ( c >= 'a' && c <= 'f' )
        return c - 'a' + 10;
    if ( c >= 'A' && c <= 'F' )
        return c - 'A' + 10;

    return -1;
}

int ident_parse(const char *text, uint8_t ret_id[IDENT_BYTES])
{
    uint8_t id[IDENT_BYTES];
    unsigned int i;

    for ( i = 0; i < IDENT_BYTES; i++ )
    {
        int hi, lo;

        if ( dash_before(i) && *text++ != '-' )
            return -EINVAL;
        hi = digit(text[0]);
        if ( hi < 0 )
            return -EINVAL;
        lo = digit(text[1]);
        if ( lo < 0 )
            return -EINVAL;
        id[i] = (uint8_t)(hi << 4 | lo);
        text += 2;
    }
    if ( *text )
        return -EINVAL;
    memcpy(ret_id, id, sizeof(id));

    return 0;
}

bool ident_equal(const uint8_t a[IDENT_BYTES], const uint8_t b[IDENT_BYTES])
{
    return memcmp(a, b, IDENT_BYTES) == 0;
}

bool ident_is_null(const uint8_t id[IDENT_BYTES])
{
    static const uint8_t null[IDENT_BYTES];

    return ident_equal(id, null);
}

int ident_random(uint8_t ret_id[IDENT_BYTES])
{
    uint8_t id[IDENT_BYTES];
    ssize_t r;

    do {
        r = getrandom(id, sizeof(id), 0);
    } while ( r < 0 && errno == EINTR );
    if ( r != sizeof(id) )
        return r < 0 ? -errno : -EIO;
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    memcpy(ret_id, id, sizeof(id));

    return 0;
}
