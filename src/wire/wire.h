/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The session protocol, docs/stream.md section 2: records as structures, and
 * functions that turn them into bytes and back.
 *
 * Pure functions on buffers; they own nothing, wait for nothing and trust
 * nothing.  Each structure mirrors the body in the specification at the
 * same offsets (asserted in wire.c) and is used in host byte order.
 *
 * Decoding: body and length as received; -EPROTO and a sentence in e when
 * anything breaks the specification.  What a decoded structure points to
 * lies in the body.
 * Encoding: into a caller's buffer of room bytes; *ret_len is the length
 * with padding.  -EMSGSIZE when it does not fit (caller's bug; the
 * WIRE_*_MAX below always do), -EINVAL for what decoding would refuse.
 */
#ifndef XMIG_WIRE_H
#define XMIG_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "ident.h"

#define WIRE_VERSION_MIN 1
#define WIRE_VERSION_MAX 1

/* ---- Header ------------------------------------------------------------ */

struct wire_hdr
{
    uint32_t type;
    uint32_t length;             /* of the body, a multiple of 8 */
    uint32_t seq;
    uint32_t crc;
};

#define WIRE_HDR_BYTES 16u

/* Which connection a record is on; its limits differ. */
enum wire_role
{
    WIRE_CONTROL = 1,
    WIRE_BULK = 2,
    WIRE_FAULT = 3,
    WIRE_QUERY = 4,
};

#define WIRE_ID_ENGINE 1u
#define WIRE_TYPE(id, n) ((uint32_t)(id) << 16 | (uint32_t)(n))
#define WIRE_TYPE_ID(type) ((uint16_t)((type) >> 16))
#define WIRE_TYPE_N(type) ((uint16_t)(type))

enum wire_type
{
    WIRE_HELLO      = WIRE_TYPE(WIRE_ID_ENGINE, 1),
    WIRE_ERROR      = WIRE_TYPE(WIRE_ID_ENGINE, 2),
    WIRE_DOMAIN     = WIRE_TYPE(WIRE_ID_ENGINE, 3),
    WIRE_POLICY     = WIRE_TYPE(WIRE_ID_ENGINE, 4),
    WIRE_MEMORY     = WIRE_TYPE(WIRE_ID_ENGINE, 5),
    WIRE_PREPARED   = WIRE_TYPE(WIRE_ID_ENGINE, 6),
    WIRE_JOINED     = WIRE_TYPE(WIRE_ID_ENGINE, 7),
    WIRE_ROUND      = WIRE_TYPE(WIRE_ID_ENGINE, 8),
    WIRE_ROUND_ACK  = WIRE_TYPE(WIRE_ID_ENGINE, 9),
    WIRE_ARM        = WIRE_TYPE(WIRE_ID_ENGINE, 10),
    WIRE_ARMED      = WIRE_TYPE(WIRE_ID_ENGINE, 11),
    WIRE_STATE      = WIRE_TYPE(WIRE_ID_ENGINE, 12),
    WIRE_STATE_END  = WIRE_TYPE(WIRE_ID_ENGINE, 13),
    WIRE_READY      = WIRE_TYPE(WIRE_ID_ENGINE, 14),
    WIRE_GO         = WIRE_TYPE(WIRE_ID_ENGINE, 15),
    WIRE_REFUSED    = WIRE_TYPE(WIRE_ID_ENGINE, 16),
    WIRE_RUNNING    = WIRE_TYPE(WIRE_ID_ENGINE, 17),
    WIRE_BYE        = WIRE_TYPE(WIRE_ID_ENGINE, 18),
    WIRE_QUERY_REC  = WIRE_TYPE(WIRE_ID_ENGINE, 19),
    WIRE_OUTCOME    = WIRE_TYPE(WIRE_ID_ENGINE, 20),
    WIRE_ALIVE      = WIRE_TYPE(WIRE_ID_ENGINE, 21),
    WIRE_ECHO       = WIRE_TYPE(WIRE_ID_ENGINE, 22),
    WIRE_PAGES      = WIRE_TYPE(WIRE_ID_ENGINE, 32),
    WIRE_ROUND_END  = WIRE_TYPE(WIRE_ID_ENGINE, 33),
    /* post-copy, see wire_fault.h */
    WIRE_ABSENT     = WIRE_TYPE(WIRE_ID_ENGINE, 40),
    WIRE_ABSENT_ACK = WIRE_TYPE(WIRE_ID_ENGINE, 41),
    WIRE_FAULT_REC  = WIRE_TYPE(WIRE_ID_ENGINE, 42),
    WIRE_REMAINING  = WIRE_TYPE(WIRE_ID_ENGINE, 43),
    WIRE_PLACED     = WIRE_TYPE(WIRE_ID_ENGINE, 44),
    WIRE_PROGRESS   = WIRE_TYPE(WIRE_ID_ENGINE, 45),
    WIRE_CODED      = WIRE_TYPE(WIRE_ID_ENGINE, 56),   /* wire_coded.h */
};

/* "HELLO" ...; NULL for a type that the engine does not have. */
const char *wire_name(uint32_t type);
/*
 * The bounds of a body's length on a connection of that role.  False if the
 * engine's record does not exist or does not belong there.  A mechanism's
 * record (id > 1) may be 0 ... 1 MiB on control and nowhere else.
 */
bool wire_limits(uint32_t type, enum wire_role role, uint32_t *ret_min,
                 uint32_t *ret_max);

#define WIRE_CONTROL_MAX (1u << 20)
#define WIRE_BULK_MAX    (8u << 20)

/* A received record: header checked, crc checked. */
struct wire_record
{
    uint32_t type;
    uint32_t length;
    const void *body;            /* aligned to 8 */
};

/*
 * CRC-32 over the header's first 12 bytes and the covered part of the body:
 * all of it, of PAGES the head and the runs.
 */
uint32_t wire_crc(const struct wire_hdr *hdr, const void *covered,
                  size_t covered_bytes);
/* CRC-32 of any bytes, continued from crc (0 at the start). */
uint32_t wire_crc32(uint32_t crc, const void *data, size_t len);

/* Header with its crc, from type, the body's length, seq and the covered
 * part of the body. */
void wire_hdr_encode(uint8_t out[WIRE_HDR_BYTES], uint32_t type,
                     uint32_t length, uint32_t seq, const void *covered,
                     size_t covered_bytes);
/*
 * Check type, length and sequence; the crc is checked by wire_crc_check()
 * once the covered part of the body is there.
 */
int wire_hdr_decode(const uint8_t in[WIRE_HDR_BYTES], enum wire_role role,
                    uint32_t want_seq, struct err *e,
                    struct wire_hdr *ret_hdr);
int wire_crc_check(const struct wire_hdr *hdr, const void *covered,
                   size_t covered_bytes, struct err *e);

/* Bodies without fields: PREPARED ARM ARMED READY GO BYE ALIVE ECHO have
 * length 0. */

/* ---- HELLO ------------------------------------------------------------- */

#define WIRE_CAP_ZERO      (1u << 0)
#define WIRE_CAP_LANES     (1u << 1)
#define WIRE_CAP_ALLOC     (1u << 2)
#define WIRE_CAP_POSTCOPY  (1u << 3)
#define WIRE_CAP_REDIRECT  (1u << 4)
#define WIRE_CAP_ZLIB      (1u << 5)
#define WIRE_CAP_ZSTD      (1u << 6)
#define WIRE_CAP_DELTA     (1u << 7)
#define WIRE_CAP_TOOLSTACK (1u << 8)
#define WIRE_CAP_FILL      (1u << 9)
#define WIRE_CAP_BYE       (1u << 10) /* BYE is answered with BYE */
#define WIRE_CAP_ACCESS    (1u << 11) /* WIRE_DOMAIN_ACCESS is known */
#define WIRE_CAP_EARLY_GO  (1u << 12) /* WIRE_ROUND_EARLY_GO is known */
#define WIRE_CAP_ECHO      (1u << 13) /* ECHO is answered */

/* Name of a capability's bit number, "bit 40" for one unknown. */
const char *wire_cap_name(unsigned int bit, char buf[16]);

#define WIRE_ARCH_X86_64 1u
#define WIRE_LANES_MAX   16u

struct wire_hello
{
    uint8_t magic[8];            /* "XMIGSESS"; filled by encode */
    uint16_t version_min;
    uint16_t version_max;
    uint16_t role;               /* enum wire_role */
    uint16_t lane;               /* of a bulk connection, else 0 */
    uint64_t caps;
    uint8_t id[IDENT_BYTES];     /* migration */
    uint8_t boot[IDENT_BYTES];
    uint8_t token[IDENT_BYTES];
    uint32_t xen_version;        /* major << 16 | minor */
    uint32_t page_shift;         /* 12 */
    uint32_t arch;
    uint32_t reserved;
};

#define WIRE_HELLO_BYTES 88u

int wire_hello_encode(const struct wire_hello *h, void *buf, size_t room,
                      size_t *ret_len);
/*
 * Form only: magic, role, lane, reserved.  -EPROTO says what; a peer that
 * does not send the magic "is not xmig".
 */
int wire_hello_decode(const void *body, size_t len, struct err *e,
                      struct wire_hello *ret);
/*
 * Can we talk?  Chooses the version and ands the capabilities.
 *   -EPROTONOSUPPORT  no version in common (both ranges named), other page
 *                     size or architecture
 */
int wire_hello_agree(const struct wire_hello *ours,
                     const struct wire_hello *theirs, struct err *e,
                     uint16_t *ret_version, uint64_t *ret_caps);

/* ---- ERROR, REFUSED, OUTCOME: with text -------------------------------- */

#define WIRE_TEXT_MAX 512u       /* with the NUL */

struct wire_error
{
    uint32_t code;               /* errno, positive, 1 ... 4095 */
    uint32_t guest;              /* enum xmig_guest; 0 in REFUSED */
    char text[WIRE_TEXT_MAX];
};

/* Text longer than the limit is cut; control characters become '?'. */
int wire_error_encode(const struct wire_error *r, void *buf, size_t room,
                      size_t *ret_len);
int wire_error_decode(const void *body, size_t len, struct err *e,
                      struct wire_error *ret);
int wire_refused_encode(const struct wire_error *r, void *buf, size_t room,
                        size_t *ret_len);
int wire_refused_decode(const void *body, size_t len, struct err *e,
                        struct wire_error *ret);

enum wire_outcome_kind
{
    WIRE_OUTCOME_STARTED = 1,
    WIRE_OUTCOME_ABANDONED = 2,
    WIRE_OUTCOME_UNKNOWN = 3,
    WIRE_OUTCOME_PENDING = 4,
    WIRE_OUTCOME_SPLIT = 5,      /* it runs there, and needs the pages here */
    WIRE_OUTCOME_LOST = 6,       /* it ran there and can't go on */
};

struct wire_outcome
{
    uint32_t outcome;            /* enum wire_outcome_kind */
    uint32_t reserved;
    uint8_t boot[IDENT_BYTES];
    char text[WIRE_TEXT_MAX];
};

int wire_outcome_encode(const struct wire_outcome *r, void *buf, size_t room,
                        size_t *ret_len);
int wire_outcome_decode(const void *body, size_t len, struct err *e,
                        struct wire_outcome *ret);

/* Errno numbers of Linux on the wire are those of x86; unknown ones read as
 * EIO. */
int wire_code_to_rc(uint32_t code);

/* ---- DOMAIN, and pairs in general -------------------------------------- */

#define WIRE_PAIRS_MAX      256u
#define WIRE_PAIR_KEY_MAX   256u     /* with the NUL; at least 1 character */
#define WIRE_PAIR_VALUE_MAX 4096u    /* with the NUL */

/* NUL-terminated key, value, key, value ... in a buffer. */
struct wire_pairs
{
    const char *data;
    size_t bytes;                /* without padding */
    unsigned int nr;
};

/* Check form and limits; padding is fewer than 8 zero bytes. */
int wire_pairs_decode(const void *data, size_t len, struct err *e,
                      struct wire_pairs *ret);
/* The pair at *pos (0 at the start); false behind the last. */
bool wire_pairs_next(const struct wire_pairs *p, size_t *pos,
                     const char **ret_key, const char **ret_value);
/* The value of key, or NULL. */
const char *wire_pairs_get(const struct wire_pairs *p, const char *key);
/* Append one at *len of buf.  -EMSGSIZE: no room, or too long. */
int wire_pairs_add(void *buf, size_t room, size_t *len, const char *key,
                   const char *value);

#define WIRE_NAME_MAX 128u       /* with the NUL */
#define WIRE_DOMAIN_HAP     1u
#define WIRE_DOMAIN_MANAGED 2u   /* STATE(toolstack) follows */
#define WIRE_DOMAIN_POSTCOPY 4u  /* it may become one: open a fault source */
#define WIRE_DOMAIN_ABSENT   8u  /* it is one from the start */
#define WIRE_DOMAIN_ACCESS  16u  /* its fault source is to be mem_access */

struct wire_domain
{
    uint32_t vcpus;
    uint32_t flags;              /* WIRE_DOMAIN_* */
    uint64_t max_mem_kib;
    uint64_t paging_bytes;
    uint64_t populated_pages;
    uint64_t nr_gfns;
    uint32_t nr_lanes;
    uint32_t ssidref;
    uint8_t uuid[IDENT_BYTES];
    uint32_t emulation_flags;
    uint32_t grant_frames;
    uint32_t maptrack_frames;
    uint32_t evtchn_limit;
    char name[WIRE_NAME_MAX];
    /* behind the fixed part */
    struct wire_pairs pairs;
};

#define WIRE_DOMAIN_BYTES 208u   /* the fixed part */
#define WIRE_VCPUS_MAX    512u
#define WIRE_GFNS_MAX     (1ull << 36)   /* 256 TiB */

int wire_domain_encode(const struct wire_domain *d, void *buf, size_t room,
                       size_t *ret_len);
int wire_domain_decode(const void *body, size_t len, struct err *e,
                       struct wire_domain *ret);

/* ---- POLICY ------------------------------------------------------------ */

#define WIRE_LEAF_BYTES  24u
#define WIRE_MSR_BYTES   16u
#define WIRE_LEAVES_MAX  4096u
#define WIRE_MSRS_MAX    4096u

struct wire_policy
{
    uint32_t nr_leaves;
    uint32_t nr_msrs;
    const void *leaves;          /* xen_cpuid_leaf_t [nr_leaves] */
    const void *msrs;            /* xen_msr_entry_t [nr_msrs] */
};

int wire_policy_encode(const struct wire_policy *p, void *buf, size_t room,
                       size_t *ret_len);
int wire_policy_decode(const void *body, size_t len, struct err *e,
                       struct wire_policy *ret);

/* ---- MEMORY ------------------------------------------------------------ */

#define WIRE_MEMORY_MORE       1u    /* another MEMORY follows */
#define WIRE_MEMORY_RANGES_MAX 65535u

struct wire_range
{
    uint64_t first;
    uint64_t count;
};

/* Head of the body; the ranges follow it. */
struct wire_memory
{
    uint32_t nr_ranges;
    uint32_t flags;
    const struct wire_range *ranges;
};

/* buf needs 8 + 16 * nr_ranges bytes. */
int wire_memory_encode(const struct wire_memory *m, void *buf, size_t room,
                       size_t *ret_len);
/* Ranges must ascend, not overlap or touch, begin at or above from, and end
 * at nr_gfns at most. */
int wire_memory_decode(const void *body, size_t len, uint64_t nr_gfns,
                       uint64_t from, struct err *e,
                       struct wire_memory *ret);
/* The same of ABSENT and REMAINING, which look alike. */
int wire_ranges_decode(const char *name, const void *body, size_t len,
                       uint64_t nr_gfns, uint64_t from, struct err *e,
                       struct wire_memory *ret);

/* ---- Small ones -------------------------------------------------------- */

struct wire_joined
{
    uint16_t lane;
    uint16_t reserved[3];
};

#define WIRE_ROUND_LAST     1u
#define WIRE_ROUND_EARLY_GO 2u   /* of the last: STATE comes on lane 0, and GO
                                    does not wait for READY */

struct wire_round
{
    uint32_t round;
    uint32_t flags;
    uint64_t pages;
    uint64_t dirty;
};

struct wire_round_ack
{
    uint32_t round;
    uint32_t reserved;
    uint64_t placed_pages;
};

struct wire_state_end
{
    uint64_t sent_pages;
    uint64_t populated_pages;
};

struct wire_running
{
    uint64_t unpause_us;
    uint64_t reserved;
};

#define WIRE_QUERY_ABANDON 1u
/* In SPLIT: the pages that were here are gone. */
#define WIRE_QUERY_GONE    2u

struct wire_query
{
    uint8_t id[IDENT_BYTES];
    uint32_t flags;
    uint32_t reserved;
};

struct wire_round_end
{
    uint32_t round;
    uint32_t next_lanes;         /* 1 ... WIRE_LANES_MAX */
    uint64_t pages;
};

int wire_joined_encode(const struct wire_joined *r, void *buf, size_t room,
                       size_t *ret_len);
int wire_joined_decode(const void *body, size_t len, struct err *e,
                       struct wire_joined *ret);
int wire_round_encode(const struct wire_round *r, void *buf, size_t room,
                      size_t *ret_len);
int wire_round_decode(const void *body, size_t len, struct err *e,
                      struct wire_round *ret);
int wire_round_ack_encode(const struct wire_round_ack *r, void *buf,
                          size_t room, size_t *ret_len);
int wire_round_ack_decode(const void *body, size_t len, struct err *e,
                          struct wire_round_ack *ret);
int wire_state_end_encode(const struct wire_state_end *r, void *buf,
                          size_t room, size_t *ret_len);
int wire_state_end_decode(const void *body, size_t len, struct err *e,
                          struct wire_state_end *ret);
int wire_running_encode(const struct wire_running *r, void *buf, size_t room,
                        size_t *ret_len);
int wire_running_decode(const void *body, size_t len, struct err *e,
                        struct wire_running *ret);
int wire_query_encode(const struct wire_query *r, void *buf, size_t room,
                      size_t *ret_len);
int wire_query_decode(const void *body, size_t len, struct err *e,
                      struct wire_query *ret);
int wire_round_end_encode(const struct wire_round_end *r, void *buf,
                          size_t room, size_t *ret_len);
int wire_round_end_decode(const void *body, size_t len, struct err *e,
                          struct wire_round_end *ret);

/* ---- STATE ------------------------------------------------------------- */

enum wire_state_kind
{
    WIRE_STATE_TSC = 1,          /* struct wire_tsc */
    WIRE_STATE_CONTEXT = 2,      /* HVM context, as Xen gave it */
    WIRE_STATE_PARAMS = 3,       /* struct wire_param [] */
    WIRE_STATE_PAIRS = 4,        /* pairs that changed */
    WIRE_STATE_TOOLSTACK = 5,    /* name, NUL, its configuration */
};

struct wire_state
{
    uint32_t kind;
    uint32_t bytes;              /* of data, without padding */
    const void *data;
};

struct wire_tsc
{
    uint32_t mode;
    uint32_t khz;
    uint64_t nsec;
    uint32_t incarnation;
    uint32_t reserved;
};

struct wire_param
{
    uint64_t index;
    uint64_t value;
};

#define WIRE_PARAMS_MAX 64u

int wire_state_encode(const struct wire_state *r, void *buf, size_t room,
                      size_t *ret_len);
int wire_state_decode(const void *body, size_t len, struct err *e,
                      struct wire_state *ret);
/* Of r->data. */
int wire_tsc_encode(const struct wire_tsc *t, void *buf, size_t room,
                    size_t *ret_len);
int wire_tsc_decode(const void *data, size_t len, struct err *e,
                    struct wire_tsc *ret);
/* Of STATE(toolstack): the configuration that a toolstack has of a domain;
 * not empty, without a NUL. */
#define WIRE_TOOLSTACK_NAME_MAX 32u  /* with the NUL */

struct wire_toolstack
{
    const char *name;
    const char *config;          /* decoded: not terminated */
    size_t config_bytes;
};

int wire_toolstack_encode(const struct wire_toolstack *t, void *buf,
                          size_t room, size_t *ret_len);
int wire_toolstack_decode(const void *data, size_t len, struct err *e,
                          struct wire_toolstack *ret);

int wire_params_encode(const struct wire_param *params, unsigned int nr,
                       void *buf, size_t room, size_t *ret_len);
/* params has room for WIRE_PARAMS_MAX. */
int wire_params_decode(const void *data, size_t len, struct err *e,
                       struct wire_param *params, unsigned int *ret_nr);

/* ---- PAGES ------------------------------------------------------------- */

#define WIRE_RUNS_MAX  4096u
#define WIRE_DATA_MAX  1024u     /* pages with data in a batch */

enum wire_kind
{
    WIRE_KIND_DATA = 1,
    WIRE_KIND_ZERO = 2,
    WIRE_KIND_ALLOC = 3,
    WIRE_KIND_HOLE = 4,
    WIRE_KIND_FILL = 5,          /* word, again and again */
    WIRE_KIND_DELTA = 6,         /* in CODED only */
};

struct wire_run
{
    uint64_t gfn;                /* the first */
    uint32_t count;
    uint8_t kind;                /* enum wire_kind */
    uint32_t word;               /* FILL; else 0 */
};

struct wire_pages_head
{
    uint32_t round;
    uint32_t nr_runs;            /* 1 ... WIRE_RUNS_MAX */
    uint32_t nr_data;            /* 0 ... WIRE_DATA_MAX */
    uint32_t data_crc;           /* of the pages, 0 = not given */
};

#define WIRE_PAGES_HEAD_BYTES 16u
#define WIRE_RUN_BYTES        16u
/* Head and runs: what the crc covers and what is read before the pages. */
#define WIRE_PAGES_META_MAX (WIRE_PAGES_HEAD_BYTES + \
                             WIRE_RUNS_MAX * WIRE_RUN_BYTES)

static inline size_t wire_pages_meta_bytes(uint32_t nr_runs)
{
    return WIRE_PAGES_HEAD_BYTES + (size_t)nr_runs * WIRE_RUN_BYTES;
}

static inline uint32_t wire_pages_length(uint32_t nr_runs, uint32_t nr_data)
{
    return WIRE_PAGES_HEAD_BYTES + nr_runs * WIRE_RUN_BYTES + nr_data * 4096u;
}

/* What the runs of a batch are checked against. */
struct wire_pages_bounds
{
    uint64_t nr_gfns;
    unsigned int lane;
    unsigned int nr_lanes;
    uint64_t caps;               /* zero, alloc and fill runs need theirs */
};

/* Head and runs into buf (wire_pages_meta_bytes()); the pages follow it. */
int wire_pages_encode(const struct wire_pages_head *h,
                      const struct wire_run *runs, void *buf, size_t room,
                      size_t *ret_len);
/* The first 16 bytes of a body of length bytes. */
int wire_pages_head_decode(const void *body, size_t length, struct err *e,
                           struct wire_pages_head *ret);
/* The run list behind them; runs has room for h->nr_runs. */
int wire_runs_decode(const void *list, size_t len,
                     const struct wire_pages_head *h,
                     const struct wire_pages_bounds *b, struct err *e,
                     struct wire_run *runs);
/* The same of any batch: nr runs, with_deltas if it is a CODED one; name
 * for messages. */
int wire_run_list_decode(const char *name, const void *list, uint32_t nr,
                         bool with_deltas, const struct wire_pages_bounds *b,
                         struct err *e, struct wire_run *runs);
/* A run list at p, WIRE_RUN_BYTES each. */
void wire_run_list_encode(const struct wire_run *runs, uint32_t nr, void *p);

#endif
