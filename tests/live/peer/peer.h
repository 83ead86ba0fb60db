/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A peer that misbehaves on demand: one end of the session protocol, driven
 * by words of a script.  What it sends is built by the library's own
 * encoders, from the description of a real domain, and then bent.
 *
 * One thread.  Whatever the other end answers with ERROR or REFUSED is
 * printed as "says: TEXT".
 */
#ifndef PEER_H
#define PEER_H

#include "conn.h"
#include "describe.h"
#include "pages.h"

#define LINK_CONTROL 0u
#define LINK_LANE(n) (1u + (n))
#define LINK_QUERY   (1u + WIRE_LANES_MAX)
#define NR_LINKS     (2u + WIRE_LANES_MAX)

/* How long the other end is waited for, in anything. */
#define PATIENCE_US (20 * US_PER_S)

struct link
{
    struct conn *conn;           /* NULL: not there, or over */
    uint64_t pages;              /* on it in this round */
    uint32_t rounds;             /* that have ended on it (tame.c) */
};

struct peer
{
    bool dest;
    const char *host;
    uint16_t port;
    int listen_fd;
    struct err err;
    struct link links[NR_LINKS];
    unsigned int cur;
    uint8_t id[IDENT_BYTES], boot[IDENT_BYTES], token[IDENT_BYTES];

    /* source: a domain of this host, to be described */
    struct hv *hv;
    uint32_t domid;
    struct description desc;
    struct pageset present;
    struct hv_tsc tsc;
    void *context;
    size_t context_len;
    uint32_t round;

    /* destination (tame.c) */
    unsigned int nr_lanes;
    uint32_t last_round;
    bool last_known, state_end;
    char answer[64];             /* arguments for OUTCOME */
};

/* ---- Arguments of a word: "word:key=value,key,..." ---------------------- */

#define ARGS_MAX 40u

struct word
{
    char text[8192];             /* cut up */
    const char *name;
    unsigned int nr;
    struct { const char *key, *value; bool used; } arg[ARGS_MAX];
};

void word_parse(struct word *w, const char *text);
/* The value of key, "" if it has none, NULL if it is not there. */
const char *word_get(struct word *w, const char *key);
uint64_t word_num(struct word *w, const char *key, uint64_t otherwise);

/* The script itself is wrong: no verdict on the other end. */
void bad_script(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

/* ---- subject.c ---------------------------------------------------------- */

/* Look at the domain that is described to the other end. */
void subject_init(struct peer *p);
void subject_done(struct peer *p);

/* ---- records.c ---------------------------------------------------------- */

/* Is name a record?  (lower case, "_" left out: "stateend") */
bool record_known(const char *name, uint32_t *ret_type);
/*
 * Build and send the record that w names on the current connection; fields
 * replaced as w says ("vcpus=0", "@64.4=1" for 4 bytes at 64) and its frame
 * bent ("!crc", "!seq=1", "!len=8", "!cut=20", "!type=7").
 * 0 or -errno: the other end has gone.
 */
int record_send(struct peer *p, struct word *w);
/* All populated gfns as runs of zeros, on the lanes they belong to. */
int records_zeros(struct peer *p, struct word *w);

/* ---- tame.c ------------------------------------------------------------- */

/*
 * Behave as a destination should until the nth record of that name comes;
 * that one is not answered.  0, or -errno when the connection is over.
 */
int tame_until(struct peer *p, const char *name, unsigned int nth);

/* ---- hostile.c ---------------------------------------------------------- */

/* A connection that was made, to be link n, as role. */
int link_open(struct peer *p, int fd, unsigned int n, enum wire_role role,
              unsigned int lane);
void link_close(struct peer *p, unsigned int n);
/* ERROR and REFUSED are printed; true if rec was one. */
bool link_says(struct peer *p, const struct wire_record *rec);

/* ---- batch.c ------------------------------------------------------------ */

/* run=GFN+COUNT*KIND, any number; default: one page of data. */
uint32_t batch_runs(struct peer *p, struct word *w,
                    struct wire_run runs[ARGS_MAX + 1]);
/*
 * A body of CODED with such runs; of a delta run each page is as it was.
 * zlib or zstd: the material is packed; more=N: it has N bytes more; junk=N:
 * of what is packed byte N is wrong.
 */
size_t batch_coded(struct peer *p, struct word *w, uint8_t *body,
                   size_t room);

#endif
