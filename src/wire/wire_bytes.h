/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Little-endian integers in byte buffers of any alignment, and the checks
 * that every record's decoder begins with.  Private to wire_*.c.
 */
#ifndef XMIG_WIRE_BYTES_H
#define XMIG_WIRE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "err.h"

static inline uint16_t wire_get16(const void *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));

    return le16toh(v);
}

static inline uint32_t wire_get32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));

    return le32toh(v);
}

static inline uint64_t wire_get64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));

    return le64toh(v);
}

static inline void wire_put16(void *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void wire_put32(void *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void wire_put64(void *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static inline size_t wire_round8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* Are all bytes 0? */
bool wire_zeros(const void *data, size_t len);
/* -EPROTO unless the body of the record named has exactly want bytes. */
int wire_want_len(const char *name, size_t len, size_t want, struct err *e);
/* -EPROTO unless the reserved bytes of the record named are 0. */
int wire_want_zeros(const char *name, const void *data, size_t len,
                    struct err *e);
/* Copy a text field: NUL-terminated inside len, nothing but zeros behind the
 * NUL when that must be, printable.  room >= 1. */
int wire_get_text(const char *name, const void *data, size_t len, char *out,
                  size_t room, struct err *e);
/* Write text, cut to room - 1, control characters as '?', padded to a
 * multiple of 8 with zeros.  Returns the bytes used. */
size_t wire_put_text(void *data, size_t room, const char *text);

#endif
