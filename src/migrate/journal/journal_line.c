/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Lines of a journal (docs/stream.md section 3): making them, and reading
 * what a file says.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal_file.h"
#include "wire.h"

#define CRC_BYTES 13             /* " crc=%08x" */

static const char *const state_names[JOURNAL_NR_] = {
    [JOURNAL_EMPTY] = "EMPTY",
    [JOURNAL_PREPARING] = "PREPARING",
    [JOURNAL_PERMIT] = "PERMIT",
    [JOURNAL_SUSPENDING] = "SUSPENDING",
    [JOURNAL_WITHDRAWN] = "WITHDRAWN",
    [JOURNAL_WRITTEN] = "WRITTEN",
    [JOURNAL_IN_DOUBT] = "IN_DOUBT",
    [JOURNAL_RESUMED] = "RESUMED",
    [JOURNAL_MAY_START] = "MAY_START",
    [JOURNAL_SPLIT] = "SPLIT",
    [JOURNAL_STARTED] = "STARTED",
    [JOURNAL_ABANDONED] = "ABANDONED",
    [JOURNAL_LOST] = "LOST",
    [JOURNAL_DONE] = "DONE",
};

#define J(x) (1u << JOURNAL_##x)

/* What may follow, at the source and at the destination. */
static const unsigned int next_states[2][JOURNAL_NR_] = {
    [JOURNAL_SOURCE] = {
        [JOURNAL_EMPTY] = J(PREPARING),
        [JOURNAL_PREPARING] = J(PERMIT) | J(SUSPENDING) | J(RESUMED),
        [JOURNAL_PERMIT] = J(SUSPENDING) | J(RESUMED) | J(SPLIT) | J(DONE),
        [JOURNAL_SUSPENDING] = J(WITHDRAWN) | J(WRITTEN) | J(IN_DOUBT) |
                               J(RESUMED) | J(SPLIT) | J(DONE),
        [JOURNAL_WRITTEN] = J(RESUMED) | J(DONE),
        [JOURNAL_WITHDRAWN] = J(RESUMED),
        [JOURNAL_IN_DOUBT] = J(IN_DOUBT) | J(RESUMED) | J(SPLIT) | J(DONE),
        /* Never resumed: it has run elsewhere. */
        [JOURNAL_SPLIT] = J(DONE),
    },
    [JOURNAL_DESTINATION] = {
        [JOURNAL_EMPTY] = J(PREPARING) | J(ABANDONED),
        [JOURNAL_PREPARING] = J(MAY_START) | J(ABANDONED),
        [JOURNAL_MAY_START] = J(SPLIT) | J(STARTED) | J(ABANDONED),
        [JOURNAL_SPLIT] = J(STARTED) | J(LOST),
        [JOURNAL_STARTED] = J(DONE),
        [JOURNAL_LOST] = J(DONE),
    },
};

const char *journal_state_name(enum journal_state st)
{
    return (unsigned int)st < JOURNAL_NR_ ? state_names[st] : "no state";
}

bool journal_legal(enum journal_role role, enum journal_state from,
                   enum journal_state to)
{
    if ( (unsigned int)role > JOURNAL_DESTINATION ||
         (unsigned int)from >= JOURNAL_NR_ || (unsigned int)to >= JOURNAL_NR_ )
        return false;

    return next_states[role][from] >> to & 1;
}

bool journal_settled(enum journal_role role, enum journal_state st)
{
    return !next_states[role][st];
}

const char *journal_role_name(enum journal_role role)
{
    return role == JOURNAL_SOURCE ? "source" : "destination";
}

/* ---- Making ------------------------------------------------------------ */

static bool plain(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._:[]/@+,", c));
}

/* src quoted into dst of room bytes, 3 for each of src's and 1. */
static void quote(char *dst, size_t room, const char *src)
{
    size_t used = 0;

    for ( ; *src && used + 4 <= room; src++ )
        if ( plain(*src) )
            dst[used++] = *src;
        else
            used += (size_t)snprintf(dst + used, room - used, "%%%02X",
                                     (unsigned char)*src);
    dst[used] = '\0';
}

size_t journal_seal(char *line, size_t used)
{
    uint32_t crc = wire_crc32(0, line, used);

    return used + (size_t)snprintf(line + used, JOURNAL_LINE_MAX - used,
                                   " crc=%08" PRIx32 "\n", crc);
}

size_t journal_first_line(char *line, const struct journal_info *info)
{
    char id[IDENT_TEXT], uuid[IDENT_TEXT], boot[IDENT_TEXT];
    char name[3 * JOURNAL_NAME_MAX], peer[3 * JOURNAL_PEER_MAX];
    int n;

    quote(name, sizeof(name), info->name);
    quote(peer, sizeof(peer), info->peer);
    n = snprintf(line, JOURNAL_LINE_MAX, "xmig-journal=1 role=%s id=%s "
                 "domid=%" PRIu32 " uuid=%s name=%s peer=%s boot=%s",
                 journal_role_name(info->role), ident_text(info->id, id),
                 info->domid, ident_text(info->uuid, uuid), name, peer,
                 ident_text(info->boot, boot));

    return journal_seal(line, (size_t)n);
}

/* ---- Reading ----------------------------------------------------------- */

/* src[0 .. len) unquoted into dst of room bytes. */
static int unquote(char *dst, size_t room, const char *src, size_t len)
{
    size_t used = 0, i;

    for ( i = 0; i < len; i++ )
    {
        char c = src[i];

        if ( c == '%' )
        {
            char hex[3];

            if ( i + 2 >= len || !isxdigit((unsigned char)src[i + 1]) ||
                 !isxdigit((unsigned char)src[i + 2]) )
                return -EBADMSG;
            hex[0] = src[i + 1];
            hex[1] = src[i + 2];
            hex[2] = '\0';
            c = (char)strtoul(hex, NULL, 16);
            if ( !c )
                return -EBADMSG;
            i += 2;
        }
        else if ( !plain(c) )
            return -EBADMSG;
        if ( used + 1 >= room )
            return -EBADMSG;
        dst[used++] = c;
    }
    dst[used] = '\0';

    return 0;
}

/* The word "key=value" of a line whose crc is cut off. */
static int word(const char *line, size_t len, const char *key, char *value,
                size_t room)
{
    const char *p = line, *end = line + len;
    size_t k = strlen(key);

    while ( p < end )
    {
        const char *stop = memchr(p, ' ', (size_t)(end - p));

        if ( !stop )
            stop = end;
        if ( (size_t)(stop - p) > k && !strncmp(p, key, k) && p[k] == '=' )
            return unquote(value, room, p + k + 1,
                           (size_t)(stop - p) - k - 1);
        p = stop < end ? stop + 1 : end;
    }

    return -EBADMSG;
}

static int word_ident(const char *line, size_t len, const char *key,
                      uint8_t id[IDENT_BYTES])
{
    char text[64];

    if ( word(line, len, key, text, sizeof(text)) || ident_parse(text, id) )
        return -EBADMSG;

    return 0;
}

static int word_u32(const char *line, size_t len, const char *key,
                    uint32_t *ret)
{
    char text[16], *end;
    unsigned long v;

    if ( word(line, len, key, text, sizeof(text)) || text[0] < '0' ||
         text[0] > '9' )
        return -EBADMSG;
    v = strtoul(text, &end, 10);
    if ( *end || v > UINT32_MAX )
        return -EBADMSG;
    *ret = (uint32_t)v;

    return 0;
}

static int parse_first(const char *line, size_t len,
                       struct journal_info *info)
{
    char text[16];

    memset(info, 0, sizeof(*info));
    if ( word(line, len, "xmig-journal", text, sizeof(text)) ||
         strcmp(text, "1") || word(line, len, "role", text, sizeof(text)) )
        return -EBADMSG;
    if ( !strcmp(text, "source") )
        info->role = JOURNAL_SOURCE;
    else if ( !strcmp(text, "destination") )
        info->role = JOURNAL_DESTINATION;
    else
        return -EBADMSG;
    if ( word_ident(line, len, "id", info->id) ||
         word_u32(line, len, "domid", &info->domid) ||
         word_ident(line, len, "uuid", info->uuid) ||
         word(line, len, "name", info->name, sizeof(info->name)) ||
         word(line, len, "peer", info->peer, sizeof(info->peer)) ||
         word_ident(line, len, "boot", info->boot) )
        return -EBADMSG;

    return 0;
}

/* A later line; what it does not understand, or what may not follow, is
 * damage. */
static int parse_later(const char *line, size_t len,
                       struct journal_info *info, enum journal_state *st)
{
    char text[16];
    unsigned int i;

    if ( !word_u32(line, len, "domid", &info->domid) )
        return 0;
    if ( word(line, len, "state", text, sizeof(text)) )
        return -EBADMSG;
    for ( i = 0; i < JOURNAL_NR_; i++ )
        if ( !strcmp(text, state_names[i]) )
        {
            if ( !journal_legal(info->role, *st, i) )
                return -EBADMSG;
            *st = i;
            return 0;
        }

    return -EBADMSG;
}

/* The line at text, without its crc; *ret_next is behind it. */
static int whole_line(const char *text, size_t len, size_t *ret_len,
                      size_t *ret_next)
{
    const char *nl = memchr(text, '\n', len);
    size_t n = nl ? (size_t)(nl - text) : 0;
    char crc[CRC_BYTES + 1];

    if ( n < CRC_BYTES )
        return -EBADMSG;
    n -= CRC_BYTES;
    snprintf(crc, sizeof(crc), " crc=%08" PRIx32, wire_crc32(0, text, n));
    if ( memcmp(text + n, crc, CRC_BYTES) )
        return -EBADMSG;
    *ret_len = n;
    *ret_next = (size_t)(nl - text) + 1;

    return 0;
}

int journal_parse(const char *text, size_t len, struct journal_info *ret_info,
                  enum journal_state *ret_st, size_t *ret_used)
{
    enum journal_state st = JOURNAL_EMPTY;
    struct journal_info info;
    size_t used = 0, n, next;

    /* A line without an end is torn: it never counted for anybody.  One
     * that has its end and is wrong was changed afterwards; what it said is
     * not known, and may have been the decision. */
    if ( !memchr(text, '\n', len) )
        return -ENODATA;
    while ( used < len && memchr(text + used, '\n', len - used) )
    {
        if ( whole_line(text + used, len - used, &n, &next) )
            return -EBADMSG;
        if ( used ? parse_later(text + used, n, &info, &st)
                  : parse_first(text, n, &info) )
            return -EBADMSG;
        used += next;
    }
    *ret_info = info;
    *ret_st = st;
    *ret_used = used;

    return 0;
}
