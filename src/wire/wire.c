/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Record header of the session protocol (docs/stream.md 2.2) and the table
 * of records: names, where each belongs and how long it may be.
 */
#include "wire.h"

#include <assert.h>
#include <errno.h>
#include <zlib.h>

#include "wire_bytes.h"
#include "wire_fault.h"
#include "wire_coded.h"

static_assert(sizeof(struct wire_hdr) == WIRE_HDR_BYTES, "header");
static_assert(offsetof(struct wire_hdr, length) == 4, "header");
static_assert(offsetof(struct wire_hdr, seq) == 8, "header");
static_assert(offsetof(struct wire_hdr, crc) == 12, "header");

#define ON_CONTROL (1u << WIRE_CONTROL)
#define ON_BULK    (1u << WIRE_BULK)
#define ON_FAULT   (1u << WIRE_FAULT)
#define ON_QUERY   (1u << WIRE_QUERY)
#define ON_ALL     (ON_CONTROL | ON_BULK | ON_FAULT | ON_QUERY)

#define TEXT_LEN(fixed) (fixed), (fixed) + WIRE_TEXT_MAX

static const struct
{
    uint32_t type;
    const char *name;
    unsigned int where;
    uint32_t min, max;           /* bytes of the body */
} records[] = {
    { WIRE_HELLO, "HELLO", ON_ALL, WIRE_HELLO_BYTES, WIRE_HELLO_BYTES },
    { WIRE_ERROR, "ERROR", ON_ALL, TEXT_LEN(8) },
    { WIRE_DOMAIN, "DOMAIN", ON_CONTROL, WIRE_DOMAIN_BYTES,
      WIRE_CONTROL_MAX },
    { WIRE_POLICY, "POLICY", ON_CONTROL, 8,
      8 + WIRE_LEAVES_MAX * WIRE_LEAF_BYTES + WIRE_MSRS_MAX *
      WIRE_MSR_BYTES },
    { WIRE_MEMORY, "MEMORY", ON_CONTROL, 8, WIRE_CONTROL_MAX },
    { WIRE_PREPARED, "PREPARED", ON_CONTROL, 0, 0 },
    { WIRE_JOINED, "JOINED", ON_BULK | ON_FAULT, 8, 8 },
    { WIRE_ROUND, "ROUND", ON_CONTROL, 24, 24 },
    { WIRE_ROUND_ACK, "ROUND_ACK", ON_CONTROL, 16, 16 },
    { WIRE_ARM, "ARM", ON_CONTROL, 0, 0 },
    { WIRE_ARMED, "ARMED", ON_CONTROL, 0, 0 },
    { WIRE_STATE, "STATE", ON_CONTROL | ON_BULK, 8, WIRE_CONTROL_MAX },
    { WIRE_STATE_END, "STATE_END", ON_CONTROL | ON_BULK, 16, 16 },
    { WIRE_READY, "READY", ON_CONTROL, 0, 0 },
    { WIRE_GO, "GO", ON_CONTROL, 0, 0 },
    { WIRE_REFUSED, "REFUSED", ON_CONTROL, TEXT_LEN(8) },
    { WIRE_RUNNING, "RUNNING", ON_CONTROL, 16, 16 },
    { WIRE_BYE, "BYE", ON_CONTROL | ON_QUERY, 0, 0 },
    { WIRE_QUERY_REC, "QUERY", ON_QUERY, 24, 24 },
    { WIRE_OUTCOME, "OUTCOME", ON_QUERY, TEXT_LEN(24) },
    { WIRE_ALIVE, "ALIVE", ON_CONTROL | ON_FAULT, 0, 0 },
    { WIRE_ECHO, "ECHO", ON_CONTROL, 0, 0 },
    { WIRE_PAGES, "PAGES", ON_BULK | ON_FAULT,
      WIRE_PAGES_HEAD_BYTES + WIRE_RUN_BYTES,
      WIRE_PAGES_META_MAX + WIRE_DATA_MAX * 4096 },
    { WIRE_ROUND_END, "ROUND_END", ON_BULK, 16, 16 },
    { WIRE_ABSENT, "ABSENT", ON_CONTROL, 8, WIRE_CONTROL_MAX },
    { WIRE_ABSENT_ACK, "ABSENT_ACK", ON_CONTROL, 16, 16 },
    { WIRE_FAULT_REC, "FAULT", ON_FAULT, 16, 8 + WIRE_FAULTS_MAX * 8 },
    { WIRE_REMAINING, "REMAINING", ON_CONTROL, 8, WIRE_CONTROL_MAX },
    { WIRE_PLACED, "PLACED", ON_CONTROL, WIRE_PROGRESS_BYTES,
      WIRE_PROGRESS_BYTES },
    { WIRE_PROGRESS, "PROGRESS", ON_CONTROL, WIRE_PROGRESS_BYTES,
      WIRE_PROGRESS_BYTES },
    { WIRE_CODED, "CODED", ON_BULK, WIRE_CODED_HEAD_BYTES + WIRE_RUN_BYTES,
      WIRE_CODED_MAX },
};

#define NR_RECORDS (sizeof(records) / sizeof(records[0]))

const char *wire_name(uint32_t type)
{
    size_t i;

    for ( i = 0; i < NR_RECORDS; i++ )
        if ( records[i].type == type )
            return records[i].name;

    return NULL;
}

static const char *role_name(enum wire_role role)
{
    switch ( role )
    {
    case WIRE_CONTROL: return "control";
    case WIRE_BULK:    return "bulk";
    case WIRE_FAULT:   return "fault";
    case WIRE_QUERY:   return "query";
    }

    return "unknown";
}

bool wire_limits(uint32_t type, enum wire_role role, uint32_t *ret_min,
                 uint32_t *ret_max)
{
    size_t i;

    if ( WIRE_TYPE_ID(type) > WIRE_ID_ENGINE )
    {
        if ( role != WIRE_CONTROL || WIRE_TYPE_N(type) == 0 )
            return false;
        *ret_min = 0;
        *ret_max = WIRE_CONTROL_MAX;
        return true;
    }
    for ( i = 0; i < NR_RECORDS; i++ )
        if ( records[i].type == type )
        {
            if ( !(records[i].where >> role & 1) )
                return false;
            *ret_min = records[i].min;
            *ret_max = records[i].max;
            return true;
        }

    return false;
}

uint32_t wire_crc32(uint32_t crc, const void *data, size_t len)
{
    return (uint32_t)crc32_z(crc, data, len);
}

static void put_hdr12(uint8_t out[12], uint32_t type, uint32_t length,
                      uint32_t seq)
{
    wire_put32(out, type);
    wire_put32(out + 4, length);
    wire_put32(out + 8, seq);
}

uint32_t wire_crc(const struct wire_hdr *hdr, const void *covered,
                  size_t covered_bytes)
{
    uint8_t head[12];
    uint32_t crc;

    put_hdr12(head, hdr->type, hdr->length, hdr->seq);
    crc = wire_crc32(0, head, sizeof(head));

    return covered_bytes ? wire_crc32(crc, covered, covered_bytes) : crc;
}

void wire_hdr_encode(uint8_t out[WIRE_HDR_BYTES], uint32_t type,
                     uint32_t length, uint32_t seq, const void *covered,
                     size_t covered_bytes)
{
    struct wire_hdr hdr = { .type = type, .length = length, .seq = seq };

    put_hdr12(out, type, length, seq);
    wire_put32(out + 12, wire_crc(&hdr, covered, covered_bytes));
}

int wire_hdr_decode(const uint8_t in[WIRE_HDR_BYTES], enum wire_role role,
                    uint32_t want_seq, struct err *e,
                    struct wire_hdr *ret_hdr)
{
    struct wire_hdr h;
    uint32_t min, max;
    const char *name;

    h.type = wire_get32(in);
    h.length = wire_get32(in + 4);
    h.seq = wire_get32(in + 8);
    h.crc = wire_get32(in + 12);

    name = wire_name(h.type);
    if ( !wire_limits(h.type, role, &min, &max) )
        return err_set(e, -EPROTO, "record %u: type %#x%s%s%s does not belong "
                       "on a %s connection", want_seq, h.type,
                       name ? " (" : "", name ? name : "", name ? ")" : "",
                       role_name(role));
    if ( !name )
        name = "of a mechanism";
    if ( h.seq != want_seq )
        return err_set(e, -EPROTO, "record %s: sequence number %u where %u "
                       "was due", name, h.seq, want_seq);
    if ( h.length < min || h.length > max || h.length % 8 )
        return err_set(e, -EPROTO, "record %u %s: length %u, may be a "
                       "multiple of 8 in %u ... %u", h.seq, name, h.length,
                       min, max);
    *ret_hdr = h;

    return 0;
}

int wire_crc_check(const struct wire_hdr *hdr, const void *covered,
                   size_t covered_bytes, struct err *e)
{
    uint32_t crc = wire_crc(hdr, covered, covered_bytes);
    const char *name = wire_name(hdr->type);

    if ( crc != hdr->crc )
        return err_set(e, -EPROTO, "record %u %s: checksum %#010x where the "
                       "contents give %#010x", hdr->seq,
                       name ? name : "of a mechanism", hdr->crc, crc);

    return 0;
}

/* ---- wire_bytes.h ------------------------------------------------------ */

bool wire_zeros(const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t i;

    for ( i = 0; i < len; i++ )
        if ( p[i] )
            return false;

    return true;
}

int wire_want_len(const char *name, size_t len, size_t want, struct err *e)
{
    if ( len != want )
        return err_set(e, -EPROTO, "%s: body of %zu bytes, must be %zu", name,
                       len, want);

    return 0;
}

int wire_want_zeros(const char *name, const void *data, size_t len,
                    struct err *e)
{
    if ( !wire_zeros(data, len) )
        return err_set(e, -EPROTO, "%s: reserved bytes or padding not 0",
                       name);

    return 0;
}

int wire_get_text(const char *name, const void *data, size_t len, char *out,
                  size_t room, struct err *e)
{
    const char *p = data;
    size_t n = strnlen(p, len);

    if ( n == len )
        return err_set(e, -EPROTO, "%s: text does not end", name);
    if ( n >= room )
        return err_set(e, -EPROTO, "%s: text of %zu bytes, may have %zu",
                       name, n, room - 1);
    if ( !wire_zeros(p + n, len - n) )
        return err_set(e, -EPROTO, "%s: bytes behind the text not 0", name);
    if ( err_control_at(p, n) < n )
        return err_set(e, -EPROTO, "%s: control character in the text", name);
    memcpy(out, p, n + 1);

    return 0;
}

size_t wire_put_text(void *data, size_t room, const char *text)
{
    char *p = data;
    size_t n = strnlen(text, room - 1), used = wire_round8(n + 1), i;

    memcpy(p, text, n);
    while ( (i = err_control_at(p, n)) < n )
        p[i] = '?';
    memset(p + n, 0, used - n);

    return used;
}
