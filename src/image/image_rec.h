/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The image stream as it stands in a file: structures, numbers, and the
 * rules of docs/stream.md section 1 as a checker that knows nothing of
 * domains, descriptors or memory.
 *
 * A checker (struct image_state) is fed headers, record headers and bodies in
 * the order of the stream and refuses what breaks the rules with a sentence.
 * Everything here is pure: no allocation, no input or output.
 */
#ifndef IMAGE_REC_H
#define IMAGE_REC_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_MARKER        UINT64_MAX
#define IMAGE_ID            0x58454e46u      /* "XENF", big-endian on disk */
#define IMAGE_VERSION       3u
#define IMAGE_VERSION_MIN   2u               /* no static records yet */
#define IMAGE_OPT_BIG_ENDIAN 1u
#define IMAGE_DOMAIN_PV     1u
#define IMAGE_DOMAIN_HVM    2u
#define IMAGE_PAGE_SHIFT    12u
#define IMAGE_PAGE_SIZE     4096u
#define IMAGE_BATCH_PAGES   1024u            /* at most, in a PAGE_DATA */
#define IMAGE_GFN_BITS      44u
#define IMAGE_RECORD_MAX    (128u << 20)
#define IMAGE_CONTEXT_MAX   (16u << 20)
#define IMAGE_LEAVES_MAX    4096u
#define IMAGE_MSRS_MAX      4096u
#define IMAGE_PARAMS_MAX    64u              /* indexes are below it, too */
#define IMAGE_OPTIONAL      0x80000000u      /* may be skipped if unknown */

enum image_type
{
    IMAGE_END               = 0x00,
    IMAGE_PAGE_DATA         = 0x01,
    IMAGE_PV_INFO           = 0x02,
    IMAGE_PV_P2M_FRAMES     = 0x03,
    IMAGE_PV_VCPU_BASIC     = 0x04,
    IMAGE_PV_VCPU_EXTENDED  = 0x05,
    IMAGE_PV_VCPU_XSAVE     = 0x06,
    IMAGE_SHARED_INFO       = 0x07,
    IMAGE_TSC_INFO          = 0x08,
    IMAGE_HVM_CONTEXT       = 0x09,
    IMAGE_HVM_PARAMS        = 0x0a,
    IMAGE_TOOLSTACK         = 0x0b,
    IMAGE_PV_VCPU_MSRS      = 0x0c,
    IMAGE_VERIFY            = 0x0d,
    IMAGE_CHECKPOINT        = 0x0e,
    IMAGE_DIRTY_PFN_LIST    = 0x0f,
    IMAGE_STATIC_DATA_END   = 0x10,
    IMAGE_CPUID_POLICY      = 0x11,
    IMAGE_MSR_POLICY        = 0x12,
};

/* Page types of a PAGE_DATA entry, its bits 60-63. */
enum image_page
{
    IMAGE_PAGE_NORMAL = 0x0,                 /* has data */
    IMAGE_PAGE_BROKEN = 0xd,
    IMAGE_PAGE_ALLOC  = 0xe,                 /* a frame, contents promised
                                                nothing */
    IMAGE_PAGE_HOLE   = 0xf,
};
#define IMAGE_PFN_MASK      ((UINT64_C(1) << 52) - 1)
#define IMAGE_PFN_SHIFT     60

/* marker, id and the rest up to options are big-endian in every stream. */
struct image_ihdr
{
    uint64_t marker;
    uint32_t id;
    uint32_t version;
    uint16_t options;
    uint16_t reserved1;
    uint32_t reserved2;
};

struct image_dhdr
{
    uint32_t type;
    uint16_t page_shift;
    uint16_t reserved;
    uint32_t xen_major;
    uint32_t xen_minor;
};

struct image_rhdr
{
    uint32_t type;
    uint32_t length;                         /* of the body, not padded */
};

struct image_pages
{
    uint32_t count;
    uint32_t reserved;
};

struct image_tsc
{
    uint32_t mode;
    uint32_t khz;
    uint64_t nsec;
    uint32_t incarnation;
    uint32_t reserved;
};

struct image_params
{
    uint32_t count;
    uint32_t reserved;
};

struct image_param
{
    uint64_t index;
    uint64_t value;
};

static_assert(sizeof(struct image_ihdr) == 24, "image header");
static_assert(offsetof(struct image_ihdr, options) == 16, "image header");
static_assert(sizeof(struct image_dhdr) == 16, "domain header");
static_assert(offsetof(struct image_dhdr, xen_major) == 8, "domain header");
static_assert(sizeof(struct image_rhdr) == 8, "record header");
static_assert(sizeof(struct image_pages) == 8, "PAGE_DATA");
static_assert(sizeof(struct image_tsc) == 24, "X86_TSC_INFO");
static_assert(offsetof(struct image_tsc, incarnation) == 16, "X86_TSC_INFO");
static_assert(sizeof(struct image_params) == 8, "HVM_PARAMS");
static_assert(sizeof(struct image_param) == 16, "HVM_PARAMS entry");
#define IMAGE_LEAF_BYTES    24u              /* xen_cpuid_leaf_t */
#define IMAGE_MSR_BYTES     16u              /* xen_msr_entry_t */

/* What was wrong, one sentence without the place. */
struct image_why
{
    char text[256];
};

struct image_state
{
    uint32_t version;
    uint32_t xen_major, xen_minor;
    uint64_t nr_gfns;                        /* every pfn is below it */
    uint32_t seen;                           /* bit per record type < 32 */
    bool ended;
};

/* nr_gfns 0 = no limit but that of the format. */
void image_state_init(struct image_state *st, uint64_t nr_gfns);

/*
 * Each returns 0, -EPROTO (the stream is wrong) or -EPROTONOSUPPORT (it is of
 * a version or kind that is not read here), with *why filled in.
 */
int image_check_ihdr(struct image_state *st, const struct image_ihdr *hdr,
                     struct image_why *why);
int image_check_dhdr(struct image_state *st, const struct image_dhdr *hdr,
                     struct image_why *why);

/* Type, order and length, before anything is allocated for the body. */
int image_check_record(struct image_state *st, const struct image_rhdr *rec,
                       struct image_why *why);

/* The body of any record but PAGE_DATA; rec has passed the check above. */
int image_check_body(const struct image_state *st,
                     const struct image_rhdr *rec, const void *body,
                     struct image_why *why);

/* PAGE_DATA in two steps: its header, then its entries. */
int image_check_pages(const struct image_rhdr *rec,
                      const struct image_pages *hdr, struct image_why *why);
int image_check_pfns(const struct image_state *st,
                     const struct image_rhdr *rec, const uint64_t *entries,
                     unsigned int count, unsigned int *ret_nr_data,
                     struct image_why *why);

/* All padding is zero. */
int image_check_padding(const void *padding, size_t bytes,
                        struct image_why *why);

/* "PAGE_DATA" ...; "unknown" for what has no name.  Never NULL. */
const char *image_type_name(uint32_t type);

static inline uint64_t image_entry(uint64_t gfn, enum image_page type)
{
    return gfn | (uint64_t)type << IMAGE_PFN_SHIFT;
}

static inline uint64_t image_entry_gfn(uint64_t entry)
{
    return entry & IMAGE_PFN_MASK;
}

static inline enum image_page image_entry_type(uint64_t entry)
{
    return entry >> IMAGE_PFN_SHIFT;
}

/* Bytes of padding behind a body. */
static inline size_t image_padding(uint32_t length)
{
    return -length & 7;
}

#endif
