/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * DOMAIN, POLICY and MEMORY (docs/stream.md 2.4): what the destination needs
 * to build a domain; and pairs of strings.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "wire.h"
#include "wire_bytes.h"

#define AT(type, field, off) \
    static_assert(offsetof(struct type, field) == (off), #type "." #field)

AT(wire_domain, flags, 4);
AT(wire_domain, max_mem_kib, 8);
AT(wire_domain, paging_bytes, 16);
AT(wire_domain, populated_pages, 24);
AT(wire_domain, nr_gfns, 32);
AT(wire_domain, nr_lanes, 40);
AT(wire_domain, ssidref, 44);
AT(wire_domain, uuid, 48);
AT(wire_domain, emulation_flags, 64);
AT(wire_domain, grant_frames, 68);
AT(wire_domain, maptrack_frames, 72);
AT(wire_domain, evtchn_limit, 76);
AT(wire_domain, name, 80);
AT(wire_domain, pairs, WIRE_DOMAIN_BYTES);
static_assert(sizeof(struct wire_range) == 16, "range of MEMORY");
AT(wire_range, count, 8);
AT(wire_memory, flags, 4);
AT(wire_policy, nr_msrs, 4);

/* ---- Pairs ------------------------------------------------------------- */

/* The string at pos; *ret_next is behind its NUL.  Its length is below max. */
static int pair_string(const char *what, const char *data, size_t len,
                       size_t pos, size_t max, struct err *e,
                       size_t *ret_next)
{
    size_t n = strnlen(data + pos, len - pos), i;

    if ( n == len - pos )
        return err_set(e, -EPROTO, "pairs: %s at byte %zu does not end", what,
                       pos);
    if ( n >= max )
        return err_set(e, -EPROTO, "pairs: %s of %zu bytes, may have %zu",
                       what, n, max - 1);
    /* Keys become paths in xenstore. */
    for ( i = 0; what[0] == 'k' && i < n; i++ )
        if ( (unsigned char)data[pos + i] <= 0x20 ||
             (unsigned char)data[pos + i] >= 0x7f )
            return err_set(e, -EPROTO, "pairs: character %#x in a key",
                           (unsigned char)data[pos + i]);
    *ret_next = pos + n + 1;

    return 0;
}

int wire_pairs_decode(const void *data, size_t len, struct err *e,
                      struct wire_pairs *ret)
{
    struct wire_pairs p = { .data = data };
    size_t pos = 0;
    int rc;

    while ( pos < len && p.data[pos] )
    {
        if ( p.nr == WIRE_PAIRS_MAX )
            return err_set(e, -EPROTO, "pairs: more than %u", WIRE_PAIRS_MAX);
        rc = pair_string("key", p.data, len, pos, WIRE_PAIR_KEY_MAX, e, &pos);
        if ( !rc && pos == len )
            rc = err_set(e, -EPROTO, "pairs: the last key has no value");
        if ( !rc )
            rc = pair_string("value", p.data, len, pos, WIRE_PAIR_VALUE_MAX,
                             e, &pos);
        if ( rc )
            return rc;
        p.nr++;
    }
    if ( len - pos >= 8 || !wire_zeros(p.data + pos, len - pos) )
        return err_set(e, -EPROTO, "pairs: %zu bytes behind the last are not "
                       "padding", len - pos);
    p.bytes = pos;
    *ret = p;

    return 0;
}

bool wire_pairs_next(const struct wire_pairs *p, size_t *pos,
                     const char **ret_key, const char **ret_value)
{
    if ( *pos >= p->bytes )
        return false;
    *ret_key = p->data + *pos;
    *pos += strlen(*ret_key) + 1;
    *ret_value = p->data + *pos;
    *pos += strlen(*ret_value) + 1;

    return true;
}

const char *wire_pairs_get(const struct wire_pairs *p, const char *key)
{
    const char *k, *v;
    size_t pos = 0;

    while ( wire_pairs_next(p, &pos, &k, &v) )
        if ( !strcmp(k, key) )
            return v;

    return NULL;
}

int wire_pairs_add(void *buf, size_t room, size_t *len, const char *key,
                   const char *value)
{
    size_t k = strlen(key) + 1, v = strlen(value) + 1;

    if ( k == 1 || k > WIRE_PAIR_KEY_MAX || v > WIRE_PAIR_VALUE_MAX ||
         *len > room || k + v > room - *len )
        return -EMSGSIZE;
    memcpy((char *)buf + *len, key, k);
    memcpy((char *)buf + *len + k, value, v);
    *len += k + v;

    return 0;
}

/* ---- DOMAIN ------------------------------------------------------------ */

static int check_domain(const struct wire_domain *d, struct err *e)
{
    if ( !d->vcpus || d->vcpus > WIRE_VCPUS_MAX )
        return err_set(e, -EPROTO, "DOMAIN: %u vcpus, may be 1 ... %u",
                       d->vcpus, WIRE_VCPUS_MAX);
    if ( d->flags & ~(WIRE_DOMAIN_HAP | WIRE_DOMAIN_MANAGED |
                      WIRE_DOMAIN_POSTCOPY | WIRE_DOMAIN_ABSENT |
                      WIRE_DOMAIN_ACCESS) )
        return err_set(e, -EPROTO, "DOMAIN: unknown flags %#x", d->flags);
    if ( (d->flags & (WIRE_DOMAIN_ABSENT | WIRE_DOMAIN_ACCESS)) &&
         !(d->flags & WIRE_DOMAIN_POSTCOPY) )
        return err_set(e, -EPROTO, "DOMAIN: flags %#x: those of post-copy "
                       "without it", d->flags);
    if ( !d->nr_gfns || d->nr_gfns > WIRE_GFNS_MAX )
        return err_set(e, -EPROTO, "DOMAIN: %" PRIu64 " gfns, may be 1 ... %"
                       PRIu64, d->nr_gfns, (uint64_t)WIRE_GFNS_MAX);
    if ( d->populated_pages > d->nr_gfns )
        return err_set(e, -EPROTO, "DOMAIN: %" PRIu64 " pages populated of %"
                       PRIu64 " gfns", d->populated_pages, d->nr_gfns);
    if ( d->max_mem_kib > WIRE_GFNS_MAX * 4 )
        return err_set(e, -EPROTO, "DOMAIN: memory limit of %" PRIu64 " KiB "
                       "is too large", d->max_mem_kib);
    if ( !d->nr_lanes || d->nr_lanes > WIRE_LANES_MAX )
        return err_set(e, -EPROTO, "DOMAIN: %u lanes, may be 1 ... %u",
                       d->nr_lanes, WIRE_LANES_MAX);
    if ( !d->name[0] || strchr(d->name, '/') )
        return err_set(e, -EPROTO, "DOMAIN: \"%s\" is no name", d->name);

    return 0;
}

int wire_domain_encode(const struct wire_domain *d, void *buf, size_t room,
                       size_t *ret_len)
{
    size_t len = wire_round8(WIRE_DOMAIN_BYTES + d->pairs.bytes);
    size_t n = strnlen(d->name, WIRE_NAME_MAX);
    uint8_t *p = buf;

    if ( n == WIRE_NAME_MAX || check_domain(d, NULL) ||
         d->pairs.nr > WIRE_PAIRS_MAX )
        return -EINVAL;
    if ( room < len || len > WIRE_CONTROL_MAX )
        return -EMSGSIZE;
    memset(p, 0, WIRE_DOMAIN_BYTES);
    wire_put32(p, d->vcpus);
    wire_put32(p + 4, d->flags);
    wire_put64(p + 8, d->max_mem_kib);
    wire_put64(p + 16, d->paging_bytes);
    wire_put64(p + 24, d->populated_pages);
    wire_put64(p + 32, d->nr_gfns);
    wire_put32(p + 40, d->nr_lanes);
    wire_put32(p + 44, d->ssidref);
    memcpy(p + 48, d->uuid, 16);
    wire_put32(p + 64, d->emulation_flags);
    wire_put32(p + 68, d->grant_frames);
    wire_put32(p + 72, d->maptrack_frames);
    wire_put32(p + 76, d->evtchn_limit);
    memcpy(p + 80, d->name, n);
    if ( d->pairs.bytes )
        memcpy(p + WIRE_DOMAIN_BYTES, d->pairs.data, d->pairs.bytes);
    memset(p + WIRE_DOMAIN_BYTES + d->pairs.bytes, 0,
           len - WIRE_DOMAIN_BYTES - d->pairs.bytes);
    *ret_len = len;

    return 0;
}

int wire_domain_decode(const void *body, size_t len, struct err *e,
                       struct wire_domain *ret)
{
    const uint8_t *p = body;
    struct wire_domain d;
    int rc;

    if ( len < WIRE_DOMAIN_BYTES )
        return err_set(e, -EPROTO, "DOMAIN: body of %zu bytes is too short",
                       len);
    d.vcpus = wire_get32(p);
    d.flags = wire_get32(p + 4);
    d.max_mem_kib = wire_get64(p + 8);
    d.paging_bytes = wire_get64(p + 16);
    d.populated_pages = wire_get64(p + 24);
    d.nr_gfns = wire_get64(p + 32);
    d.nr_lanes = wire_get32(p + 40);
    d.ssidref = wire_get32(p + 44);
    memcpy(d.uuid, p + 48, 16);
    d.emulation_flags = wire_get32(p + 64);
    d.grant_frames = wire_get32(p + 68);
    d.maptrack_frames = wire_get32(p + 72);
    d.evtchn_limit = wire_get32(p + 76);
    rc = wire_get_text("DOMAIN: name", p + 80, WIRE_NAME_MAX, d.name,
                       sizeof(d.name), e);
    if ( !rc )
        rc = check_domain(&d, e);
    if ( !rc )
        rc = wire_pairs_decode(p + WIRE_DOMAIN_BYTES, len - WIRE_DOMAIN_BYTES,
                               e, &d.pairs);
    if ( !rc )
        *ret = d;

    return rc;
}

/* ---- POLICY ------------------------------------------------------------ */

int wire_policy_encode(const struct wire_policy *pol, void *buf, size_t room,
                       size_t *ret_len)
{
    size_t leaves = (size_t)pol->nr_leaves * WIRE_LEAF_BYTES;
    size_t msrs = (size_t)pol->nr_msrs * WIRE_MSR_BYTES;
    uint8_t *p = buf;

    if ( pol->nr_leaves > WIRE_LEAVES_MAX || pol->nr_msrs > WIRE_MSRS_MAX )
        return -EINVAL;
    if ( room < 8 + leaves + msrs )
        return -EMSGSIZE;
    wire_put32(p, pol->nr_leaves);
    wire_put32(p + 4, pol->nr_msrs);
    /* Xen's own layout is little-endian on the one architecture there is. */
    if ( leaves )
        memcpy(p + 8, pol->leaves, leaves);
    if ( msrs )
        memcpy(p + 8 + leaves, pol->msrs, msrs);
    *ret_len = 8 + leaves + msrs;

    return 0;
}

int wire_policy_decode(const void *body, size_t len, struct err *e,
                       struct wire_policy *ret)
{
    const uint8_t *p = body;
    struct wire_policy pol;
    size_t want;
    int rc;

    if ( len < 8 )
        return err_set(e, -EPROTO, "POLICY: body of %zu bytes is too short",
                       len);
    pol.nr_leaves = wire_get32(p);
    pol.nr_msrs = wire_get32(p + 4);
    if ( pol.nr_leaves > WIRE_LEAVES_MAX || pol.nr_msrs > WIRE_MSRS_MAX )
        return err_set(e, -EPROTO, "POLICY: %u leaves and %u MSRs, may be %u "
                       "and %u", pol.nr_leaves, pol.nr_msrs, WIRE_LEAVES_MAX,
                       WIRE_MSRS_MAX);
    want = 8 + (size_t)pol.nr_leaves * WIRE_LEAF_BYTES +
           (size_t)pol.nr_msrs * WIRE_MSR_BYTES;
    rc = wire_want_len("POLICY", len, want, e);
    if ( rc )
        return rc;
    pol.leaves = p + 8;
    pol.msrs = p + 8 + (size_t)pol.nr_leaves * WIRE_LEAF_BYTES;
    *ret = pol;

    return 0;
}

/* ---- MEMORY ------------------------------------------------------------ */

int wire_memory_encode(const struct wire_memory *m, void *buf, size_t room,
                       size_t *ret_len)
{
    size_t len = 8 + (size_t)m->nr_ranges * 16;
    uint8_t *p = buf;
    uint32_t i;

    if ( m->nr_ranges > WIRE_MEMORY_RANGES_MAX )
        return -EINVAL;
    if ( room < len )
        return -EMSGSIZE;
    wire_put32(p, m->nr_ranges);
    wire_put32(p + 4, m->flags);
    for ( i = 0; i < m->nr_ranges; i++ )
    {
        wire_put64(p + 8 + (size_t)i * 16, m->ranges[i].first);
        wire_put64(p + 16 + (size_t)i * 16, m->ranges[i].count);
    }
    *ret_len = len;

    return 0;
}

int wire_ranges_decode(const char *name, const void *body, size_t len,
                       uint64_t nr_gfns, uint64_t from, struct err *e,
                       struct wire_memory *ret)
{
    const uint8_t *p = body;
    struct wire_memory m;
    uint32_t i;
    int rc;

    if ( len < 8 )
        return err_set(e, -EPROTO, "%s: body of %zu bytes is too short",
                       name, len);
    m.nr_ranges = wire_get32(p);
    m.flags = wire_get32(p + 4);
    m.ranges = (const struct wire_range *)(p + 8);
    if ( m.flags & ~WIRE_MEMORY_MORE )
        return err_set(e, -EPROTO, "%s: unknown flags %#x", name,
                       m.flags);
    if ( m.nr_ranges > WIRE_MEMORY_RANGES_MAX )
        return err_set(e, -EPROTO, "%s: %u ranges, may be %u", name,
                       m.nr_ranges, WIRE_MEMORY_RANGES_MAX);
    rc = wire_want_len(name, len, 8 + (size_t)m.nr_ranges * 16, e);
    if ( rc )
        return rc;
    for ( i = 0; i < m.nr_ranges; i++ )
    {
        uint64_t first = wire_get64(p + 8 + (size_t)i * 16);
        uint64_t count = wire_get64(p + 16 + (size_t)i * 16);

        if ( !count || first < from || first >= nr_gfns ||
             count > nr_gfns - first )
            return err_set(e, -EPROTO, "%s: range %u: %" PRIu64 " gfns from "
                           "%#" PRIx64 " lie outside %#" PRIx64 " ... %#"
                           PRIx64, name, i, count, first, from, nr_gfns);
        from = first + count + 1;
    }
    *ret = m;

    return 0;
}

int wire_memory_decode(const void *body, size_t len, uint64_t nr_gfns,
                       uint64_t from, struct err *e,
                       struct wire_memory *ret)
{
    return wire_ranges_decode("MEMORY", body, len, nr_gfns, from, e, ret);
}
