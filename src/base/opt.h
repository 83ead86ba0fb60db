/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Options: rows that say key, unit, range, default and help; parsing, range
 * checks and printing are here, once.
 *
 * The engine's rows are opt_engine_rows; a mechanism brings its own
 * (struct mech .opts).  A mechanism's row is named "<mech>.<key>", and plain
 * "<key>" too as long as no other table has that key.  Underscores in a key
 * given by the user count as dashes.
 *
 * A number is written in the row's unit; a user may give a unit of the same
 * kind instead ("2s", "1.5GiB", "100MiB/s").  Values are handed out in
 * base units: bytes, bytes per second, microseconds, plain counts.
 *
 * Thread: any.  Rows that are not live are set while no operation runs.
 */
#ifndef XMIG_OPT_H
#define XMIG_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum opt_type
{
    OPT_UINT,                    /* unit: "", "pages", "rounds" ...: a noun */
    OPT_BOOL,                    /* 0 1, on off, yes no, true false */
    OPT_SIZE,                    /* unit "B", "KiB", "MiB" or "GiB" */
    OPT_BANDWIDTH,               /* unit "B/s", "KiB/s", "MiB/s", "GiB/s" */
    OPT_DURATION,                /* unit "us", "ms", "s" or "min" */
    OPT_CHOICE,                  /* value is the index into choices */
    OPT_STRING,
};

struct opt_row
{
    const char *key;             /* lower case, dashes; NULL ends a table */
    const char *unit;            /* "" = none */
    enum opt_type type;
    uint64_t min, max;           /* in unit; OPT_STRING: of the length */
    uint64_t def;                /* in unit; OPT_STRING's default is "" */
    const char *help;            /* one line */
    const char *const *choices;  /* OPT_CHOICE: NULL-terminated */
    const char *alias;           /* another spelling, or NULL */
    bool live;                   /* may be set while an operation runs; not
                                    for OPT_STRING */
};

struct optset;

/*
 * The engine's options:
 *   bandwidth         MiB/s  cap of all connections together, 0 = none
 *   downtime-limit    ms     pause of the guest to aim at
 *   lanes (parallel)         bulk connections
 *   suspend-timeout   ms     for the guest to suspend
 *   connect-timeout   ms     to reach the destination
 *   io-timeout        ms     a peer that moves no byte for so long is gone
 *   recover-timeout   ms     patience in asking for the outcome
 *   timeout           s      whole live phase, 0 = none
 *   timeout-action           what then: enum opt_timeout_action
 *   early-go                 enum opt_early_go
 *   postcopy                 enum opt_postcopy
 *   prepaging         bool   push around the last faults
 *   fault-neighbours  pages  that come along with one, at most
 *   postcopy-spill           directory for what is not there yet, "" = none
 *   name                     name of the domain at the destination
 *   zero-pages        bool   look for pages of zeros and send marks
 *   compressed        bool   compress pages where it pays
 *   comp-methods             zstd, zlib, delta, with commas; "" = the best
 *   comp-zstd-level, comp-zlib-level (comp-mt-level)  0 = by itself
 *   comp-threads (comp-mt-threads)
 *   comp-xbzrle-cache (delta-cache)  MiB  of old pages, 0 = no deltas
 *   comp-always       bool   whether it pays or not
 *   comp-accept       bool   decode what is coded
 */
extern const struct opt_row opt_engine_rows[];

enum opt_timeout_action
{
    OPT_TIMEOUT_ABORT,
    OPT_TIMEOUT_SUSPEND,
    OPT_TIMEOUT_POSTCOPY,
};

enum opt_postcopy
{
    OPT_POSTCOPY_OFF,
    OPT_POSTCOPY_READY,          /* when asked to, or by timeout-action */
    OPT_POSTCOPY_AFTER,          /* after rounds of pre-copy */
    OPT_POSTCOPY_NOW,            /* no page before */
};

enum opt_early_go
{
    OPT_EARLY_GO_AUTO,           /* on a long link */
    OPT_EARLY_GO_OFF,
    OPT_EARLY_GO_ON,
};

enum opt_first_access
{
    OPT_FIRST_ACCESS_AUTO,       /* as measured */
    OPT_FIRST_ACCESS_CHEAP,
    OPT_FIRST_ACCESS_DEAR,
};

enum opt_faults
{
    OPT_FAULTS_PAGING,
    OPT_FAULTS_ACCESS,
};

/* A set with the engine's rows and all defaults. */
int optset_new(struct optset **ret_set);
void optset_free(struct optset *set);
/*
 * Add a table; prefix is the mechanism's name (borrowed, as rows).
 *   -EINVAL  a row is malformed, or its key is there twice
 */
int optset_add(struct optset *set, struct err *e, const char *prefix,
               const struct opt_row *rows);
/* All values back to their defaults. */
void optset_reset(struct optset *set);

/*
 * Set by the user's key and text.
 *   -ENOENT  no such option (or the short key fits two of them)
 *   -EINVAL  no number, unknown unit, no such choice
 *   -ERANGE  out of range
 */
int opt_set(struct optset *set, struct err *e, const char *key,
            const char *value);
/* The same while an operation runs: -EBUSY unless the row is live.  Without
 * commit it is only seen whether it could be set. */
int opt_set_live(struct optset *set, struct err *e, const char *key,
                 const char *value, bool commit);

/* What opt_describe() makes up. */
#define OPT_KEY_MAX   96
#define OPT_VALUE_MAX 64
struct opt_text
{
    char key[OPT_KEY_MAX], value[OPT_VALUE_MAX];
    char min[OPT_VALUE_MAX], max[OPT_VALUE_MAX];
};

/* Row i, 0 ... in order of the tables; -ENOENT behind the last.  Strings lie
 * in *text, or live as long as the set; OPT_STRING's until it is set again. */
int opt_describe(const struct optset *set, unsigned int i,
                 struct opt_text *text, struct xmig_option *ret);

/*
 * Values in base units; prefix NULL = the engine.  It is a bug to ask for a
 * row that is not there, or for another type (assert).
 */
uint64_t opt_u64(const struct optset *set, const char *prefix,
                 const char *key);
bool opt_bool(const struct optset *set, const char *prefix, const char *key);
/* Lives until the option is set again. */
const char *opt_str(const struct optset *set, const char *prefix,
                    const char *key);
/* Has the user set it? */
bool opt_is_set(const struct optset *set, const char *prefix,
                const char *key);

#endif
