/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The checker of the image stream: docs/stream.md section 1 as code.  One
 * function per step, each refusing with a sentence.  It must stay pure: the
 * reader, the dump command and the fuzzer all judge by it.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "image_rec.h"

#define SEEN(type) (UINT32_C(1) << (type))

/* What must lie behind the last page. */
#define SEEN_STATE (SEEN(IMAGE_TSC_INFO) | SEEN(IMAGE_HVM_CONTEXT) | \
                    SEEN(IMAGE_HVM_PARAMS))
#define SEEN_STATIC (SEEN(IMAGE_CPUID_POLICY) | SEEN(IMAGE_MSR_POLICY))

static const char *const type_names[] = {
    [IMAGE_END]              = "END",
    [IMAGE_PAGE_DATA]        = "PAGE_DATA",
    [IMAGE_PV_INFO]          = "X86_PV_INFO",
    [IMAGE_PV_P2M_FRAMES]    = "X86_PV_P2M_FRAMES",
    [IMAGE_PV_VCPU_BASIC]    = "X86_PV_VCPU_BASIC",
    [IMAGE_PV_VCPU_EXTENDED] = "X86_PV_VCPU_EXTENDED",
    [IMAGE_PV_VCPU_XSAVE]    = "X86_PV_VCPU_XSAVE",
    [IMAGE_SHARED_INFO]      = "SHARED_INFO",
    [IMAGE_TSC_INFO]         = "X86_TSC_INFO",
    [IMAGE_HVM_CONTEXT]      = "HVM_CONTEXT",
    [IMAGE_HVM_PARAMS]       = "HVM_PARAMS",
    [IMAGE_TOOLSTACK]        = "TOOLSTACK",
    [IMAGE_PV_VCPU_MSRS]     = "X86_PV_VCPU_MSRS",
    [IMAGE_VERIFY]           = "VERIFY",
    [IMAGE_CHECKPOINT]       = "CHECKPOINT",
    [IMAGE_DIRTY_PFN_LIST]   = "CHECKPOINT_DIRTY_PFN_LIST",
    [IMAGE_STATIC_DATA_END]  = "STATIC_DATA_END",
    [IMAGE_CPUID_POLICY]     = "X86_CPUID_POLICY",
    [IMAGE_MSR_POLICY]       = "X86_MSR_POLICY",
};
#define NR_TYPES (sizeof(type_names) / sizeof(type_names[0]))
static_assert(NR_TYPES <= 32, "struct image_state's seen has 32 bits");

const char *image_type_name(uint32_t type)
{
    if ( type < NR_TYPES )
        return type_names[type];
    return "unknown";
}

static int __attribute__((format(printf, 3, 4)))
refuse(struct image_why *why, int rc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    return rc;
}

void image_state_init(struct image_state *st, uint64_t nr_gfns)
{
    memset(st, 0, sizeof(*st));
    st->nr_gfns = UINT64_C(1) << IMAGE_GFN_BITS;
    if ( nr_gfns && nr_gfns < st->nr_gfns )
        st->nr_gfns = nr_gfns;
}

int image_check_ihdr(struct image_state *st, const struct image_ihdr *hdr,
                     struct image_why *why)
{
    uint32_t id = be32toh(hdr->id), version = be32toh(hdr->version);
    uint16_t options = be16toh(hdr->options);

    if ( hdr->marker != IMAGE_MARKER )
        return refuse(why, -EPROTO, "no image of a Xen domain begins here:"
                      " the marker is %#018"PRIx64" and not 64 one bits"
                      " (images older than Xen 4.6 have none; convert them"
                      " with convert-legacy-stream)", hdr->marker);
    if ( id != IMAGE_ID )
        return refuse(why, -EPROTO, "the image header's id is %#x, expected"
                      " %#x (\"XENF\")", id, IMAGE_ID);
    if ( version < IMAGE_VERSION_MIN || version > IMAGE_VERSION )
        return refuse(why, -EPROTONOSUPPORT, "the image is of version %u;"
                      " versions %u to %u are read here", version,
                      IMAGE_VERSION_MIN, IMAGE_VERSION);
    if ( options & IMAGE_OPT_BIG_ENDIAN )
        return refuse(why, -EPROTONOSUPPORT, "the image was made on a"
                      " big-endian machine; only little-endian ones are read"
                      " here");
    if ( options || hdr->reserved1 || hdr->reserved2 )
        return refuse(why, -EPROTO, "reserved bits are set in the image"
                      " header (options %#x, %#x, %#x)", options,
                      hdr->reserved1, hdr->reserved2);

    st->version = version;
    return 0;
}

int image_check_dhdr(struct image_state *st, const struct image_dhdr *hdr,
                     struct image_why *why)
{
    if ( hdr->type == IMAGE_DOMAIN_PV )
        return refuse(why, -EPROTONOSUPPORT, "the image is that of an x86 PV"
                      " domain (type 1); only x86 HVM and PVH (type 2) are"
                      " read here");
    if ( hdr->type != IMAGE_DOMAIN_HVM )
        return refuse(why, -EPROTONOSUPPORT, "the image is that of a domain"
                      " of type %u, another architecture; only x86 HVM and"
                      " PVH (type 2) are read here", hdr->type);
    if ( hdr->page_shift != IMAGE_PAGE_SHIFT )
        return refuse(why, -EPROTONOSUPPORT, "the image's pages are of 2^%u"
                      " bytes; only 2^%u is read here", hdr->page_shift,
                      IMAGE_PAGE_SHIFT);
    if ( hdr->reserved )
        return refuse(why, -EPROTO, "reserved bits are set in the domain"
                      " header (%#x)", hdr->reserved);

    st->xen_major = hdr->xen_major;
    st->xen_minor = hdr->xen_minor;
    return 0;
}

/* ---- Record headers ----------------------------------------------------- */

/* The shortest and longest body, and the size of its parts. */
static int check_length(const struct image_rhdr *rec, uint32_t min,
                        uint32_t max, uint32_t head, uint32_t unit,
                        struct image_why *why)
{
    if ( rec->length < min || rec->length > max )
        return refuse(why, -EPROTO, "%s record of %u bytes; it may have %u"
                      " to %u", image_type_name(rec->type), rec->length,
                      min, max);
    if ( (rec->length - head) % unit )
        return refuse(why, -EPROTO, "%s record of %u bytes: not %s%u-byte"
                      " parts", image_type_name(rec->type), rec->length,
                      head ? "a head and " : "", unit);
    return 0;
}

static int check_type_length(const struct image_rhdr *rec,
                             struct image_why *why)
{
    switch ( rec->type )
    {
    case IMAGE_END:
    case IMAGE_STATIC_DATA_END:
    case IMAGE_VERIFY:
        return check_length(rec, 0, 0, 0, 1, why);

    case IMAGE_PAGE_DATA:
        return check_length(rec, sizeof(struct image_pages) + 8,
                            sizeof(struct image_pages) + IMAGE_BATCH_PAGES *
                            (8 + IMAGE_PAGE_SIZE), 0, 8, why);

    case IMAGE_TSC_INFO:
        return check_length(rec, sizeof(struct image_tsc),
                            sizeof(struct image_tsc), 0, 1, why);

    case IMAGE_HVM_CONTEXT:
        return check_length(rec, 8, IMAGE_CONTEXT_MAX, 0, 1, why);

    case IMAGE_HVM_PARAMS:
        return check_length(rec, sizeof(struct image_params),
                            sizeof(struct image_params) + IMAGE_PARAMS_MAX *
                            sizeof(struct image_param),
                            sizeof(struct image_params),
                            sizeof(struct image_param), why);

    case IMAGE_CPUID_POLICY:
        return check_length(rec, 0, IMAGE_LEAVES_MAX * IMAGE_LEAF_BYTES, 0,
                            IMAGE_LEAF_BYTES, why);

    case IMAGE_MSR_POLICY:
        return check_length(rec, 0, IMAGE_MSRS_MAX * IMAGE_MSR_BYTES, 0,
                            IMAGE_MSR_BYTES, why);
    }

    return check_length(rec, 0, IMAGE_RECORD_MAX, 0, 1, why);
}

static int check_order(const struct image_state *st,
                       const struct image_rhdr *rec, struct image_why *why)
{
    const char *name = image_type_name(rec->type);
    bool is_static = SEEN(rec->type) & SEEN_STATIC ||
                     rec->type == IMAGE_STATIC_DATA_END;

    if ( is_static && st->version < 3 )
        return refuse(why, -EPROTO, "%s record in an image of version %u,"
                      " which has none", name, st->version);
    if ( rec->type != IMAGE_PAGE_DATA && st->seen & SEEN(rec->type) )
        return refuse(why, -EPROTO, "a second %s record", name);
    if ( SEEN(rec->type) & SEEN_STATIC &&
         st->seen & SEEN(IMAGE_STATIC_DATA_END) )
        return refuse(why, -EPROTO, "%s record behind STATIC_DATA_END", name);
    if ( !is_static && st->version >= 3 &&
         !(st->seen & SEEN(IMAGE_STATIC_DATA_END)) )
        return refuse(why, -EPROTO, "%s record before STATIC_DATA_END", name);
    if ( (rec->type == IMAGE_PAGE_DATA || rec->type == IMAGE_VERIFY) &&
         st->seen & SEEN_STATE )
        return refuse(why, -EPROTO, "%s record behind the state of the"
                      " domain", name);
    if ( (SEEN(rec->type) & SEEN_STATE || rec->type == IMAGE_VERIFY) &&
         !(st->seen & SEEN(IMAGE_PAGE_DATA)) )
        return refuse(why, -EPROTO, "%s record before any PAGE_DATA", name);
    if ( rec->type == IMAGE_END && !(st->seen & SEEN(IMAGE_HVM_CONTEXT)) )
        return refuse(why, -EPROTO, "END without an HVM_CONTEXT record: the"
                      " state of the processors is missing");
    if ( rec->type == IMAGE_END && !(st->seen & SEEN(IMAGE_HVM_PARAMS)) )
        return refuse(why, -EPROTO, "END without an HVM_PARAMS record: the"
                      " places of the special pages are missing");
    return 0;
}

int image_check_record(struct image_state *st, const struct image_rhdr *rec,
                       struct image_why *why)
{
    int rc;

    if ( st->ended )
        return refuse(why, -EPROTO, "a record behind END");

    if ( rec->type & IMAGE_OPTIONAL )
        return check_length(rec, 0, IMAGE_RECORD_MAX, 0, 1, why);

    switch ( rec->type )
    {
    case IMAGE_END:
    case IMAGE_PAGE_DATA:
    case IMAGE_TSC_INFO:
    case IMAGE_HVM_CONTEXT:
    case IMAGE_HVM_PARAMS:
    case IMAGE_STATIC_DATA_END:
    case IMAGE_CPUID_POLICY:
    case IMAGE_MSR_POLICY:
    case IMAGE_VERIFY:
        break;

    case IMAGE_CHECKPOINT:
    case IMAGE_DIRTY_PFN_LIST:
        return refuse(why, -EPROTONOSUPPORT, "%s record: the stream is that"
                      " of Remus or COLO and no image",
                      image_type_name(rec->type));

    default:
        if ( rec->type >= NR_TYPES )
            return refuse(why, -EPROTO, "record of the unknown type %#x,"
                          " which may not be skipped", rec->type);
        return refuse(why, -EPROTO, "%s record in the image of an HVM or PVH"
                      " domain", image_type_name(rec->type));
    }

    rc = check_order(st, rec, why);
    if ( !rc )
        rc = check_type_length(rec, why);
    if ( rc )
        return rc;

    st->seen |= SEEN(rec->type);
    st->ended = rec->type == IMAGE_END;
    return 0;
}

/* ---- Bodies ------------------------------------------------------------- */

int image_check_pages(const struct image_rhdr *rec,
                      const struct image_pages *hdr, struct image_why *why)
{
    uint64_t entries = (uint64_t)hdr->count * 8;
    uint64_t rest = rec->length - sizeof(*hdr);

    if ( !hdr->count || hdr->count > IMAGE_BATCH_PAGES )
        return refuse(why, -EPROTO, "PAGE_DATA record of %u pages; it may"
                      " have 1 to %u", hdr->count, IMAGE_BATCH_PAGES);
    if ( hdr->reserved )
        return refuse(why, -EPROTO, "reserved bits are set in a PAGE_DATA"
                      " record (%#x)", hdr->reserved);
    if ( rest < entries )
        return refuse(why, -EPROTO, "PAGE_DATA record of %u bytes is too"
                      " short for its %u entries", rec->length, hdr->count);
    if ( (rest - entries) % IMAGE_PAGE_SIZE ||
         (rest - entries) / IMAGE_PAGE_SIZE > hdr->count )
        return refuse(why, -EPROTO, "PAGE_DATA record of %u bytes does not"
                      " fit its %u entries", rec->length, hdr->count);
    return 0;
}

int image_check_pfns(const struct image_state *st,
                     const struct image_rhdr *rec, const uint64_t *entries,
                     unsigned int count, unsigned int *ret_nr_data,
                     struct image_why *why)
{
    unsigned int i, nr_data = 0;
    uint64_t expected;

    for ( i = 0; i < count; i++ )
    {
        uint64_t gfn = image_entry_gfn(entries[i]);
        unsigned int type = image_entry_type(entries[i]);

        if ( gfn != (entries[i] & ~(UINT64_C(0xf) << IMAGE_PFN_SHIFT)) )
            return refuse(why, -EPROTO, "reserved bits are set in entry %u of"
                          " a PAGE_DATA record (%#"PRIx64")", i, entries[i]);
        if ( gfn >= st->nr_gfns )
            return refuse(why, -EPROTO, "entry %u of a PAGE_DATA record names"
                          " frame %#"PRIx64"; the last one possible is"
                          " %#"PRIx64, i, gfn, st->nr_gfns - 1);
        switch ( type )
        {
        case IMAGE_PAGE_NORMAL:
            nr_data++;
            break;

        case IMAGE_PAGE_BROKEN:
        case IMAGE_PAGE_ALLOC:
        case IMAGE_PAGE_HOLE:
            break;

        default:
            return refuse(why, -EPROTO, "entry %u of a PAGE_DATA record is of"
                          " type %#x, which no HVM or PVH domain has", i,
                          type);
        }
    }

    expected = sizeof(struct image_pages) + (uint64_t)count * 8 +
               (uint64_t)nr_data * IMAGE_PAGE_SIZE;
    if ( rec->length != expected )
        return refuse(why, -EPROTO, "PAGE_DATA record of %u bytes; its %u"
                      " entries with %u pages of data make %"PRIu64,
                      rec->length, count, nr_data, expected);

    *ret_nr_data = nr_data;
    return 0;
}

static int check_params(const uint8_t *body, uint32_t length,
                        struct image_why *why)
{
    struct image_params hdr;
    struct image_param param;
    uint64_t seen = 0;
    uint32_t i;

    memcpy(&hdr, body, sizeof(hdr));
    if ( hdr.reserved )
        return refuse(why, -EPROTO, "reserved bits are set in the HVM_PARAMS"
                      " record (%#x)", hdr.reserved);
    if ( length != sizeof(hdr) + (uint64_t)hdr.count * sizeof(param) )
        return refuse(why, -EPROTO, "HVM_PARAMS record of %u bytes does not"
                      " fit its %u parameters", length, hdr.count);

    for ( i = 0; i < hdr.count; i++ )
    {
        memcpy(&param, body + sizeof(hdr) + i * sizeof(param), sizeof(param));
        if ( param.index >= IMAGE_PARAMS_MAX )
            return refuse(why, -EPROTO, "HVM parameter %"PRIu64"; they are"
                          " below %u", param.index, IMAGE_PARAMS_MAX);
        if ( seen & (UINT64_C(1) << param.index) )
            return refuse(why, -EPROTO, "HVM parameter %"PRIu64" is given"
                          " twice", param.index);
        seen |= UINT64_C(1) << param.index;
    }
    return 0;
}

/* Xen's HVM context is a chain of {u16 type, u16 instance, u32 length} and
 * bodies; the first is a header with a magic number, the last is empty. */
static int check_context(const uint8_t *body, uint32_t length,
                         struct image_why *why)
{
    uint32_t at = 0, magic, piece;
    uint16_t code;
    bool first = true;

    for ( ;; )
    {
        if ( length - at < 8 )
            return refuse(why, -EPROTO, "the HVM context has no end: %u bytes"
                          " are left at byte %u of it", length - at, at);
        memcpy(&code, body + at, sizeof(code));
        memcpy(&piece, body + at + 4, sizeof(piece));
        at += 8;
        if ( piece > length - at )
            return refuse(why, -EPROTO, "the HVM context has a part of type"
                          " %u with %u bytes at byte %u, where only %u are"
                          " left", code, piece, at - 8, length - at);
        if ( first )
        {
            if ( code != 1 || piece < sizeof(magic) )
                return refuse(why, -EPROTO, "the HVM context does not begin"
                              " with its header");
            memcpy(&magic, body + at, sizeof(magic));
            if ( magic != 0x54381286 )
                return refuse(why, -EPROTO, "the HVM context's header has the"
                              " magic number %#x, expected 0x54381286",
                              magic);
            first = false;
        }
        at += piece;
        if ( !code )
            break;
    }

    if ( at != length )
        return refuse(why, -EPROTO, "the HVM context ends at byte %u of %u",
                      at, length);
    return 0;
}

int image_check_body(const struct image_state *st,
                     const struct image_rhdr *rec, const void *body,
                     struct image_why *why)
{
    struct image_tsc tsc;

    (void)st;
    switch ( rec->type )
    {
    case IMAGE_TSC_INFO:
        memcpy(&tsc, body, sizeof(tsc));
        if ( tsc.reserved )
            return refuse(why, -EPROTO, "reserved bits are set in the"
                          " X86_TSC_INFO record (%#x)", tsc.reserved);
        return 0;

    case IMAGE_HVM_PARAMS:
        return check_params(body, rec->length, why);

    case IMAGE_HVM_CONTEXT:
        return check_context(body, rec->length, why);
    }

    return 0;
}

int image_check_padding(const void *padding, size_t bytes,
                        struct image_why *why)
{
    const uint8_t *p = padding;

    for ( ; bytes; bytes--, p++ )
        if ( *p )
            return refuse(why, -EPROTO, "the padding behind a record is not"
                          " zero (%#x)", *p);
    return 0;
}
