/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest judges every migration itself.
 *
 * Checked pages are entries of one table in guest memory: entry i says which
 * gfn it is and which version that page must hold.  The whole 4 KiB follow
 * from (gfn, version), so a page that was lost, is older than it should be,
 * or is a mix of two versions is found and named.  Each vCPU owns a stripe
 * of the table and alone touches its pages.
 *
 * A consistent but old image of table and pages together is found by the
 * vCPU's registers: GPR_WRITES counts the writes and GPR_DIGEST is a digest
 * of the vCPU's stripe, kept up at every write.  A walk must arrive at the
 * same figures.  (suspend.c compares the registers themselves.)
 *
 * After every resume each vCPU walks its stripe in small steps, among the
 * program's own; a page that is written before the walk got there is checked
 * first, so that every page is judged as it arrived.  vCPU 0 publishes
 *   data/verdict      "ok pages=N resumes=K writes=W", or "bad ..."
 *   data/resumes, data/cancels, data/writes, data/downtime_us, data/program
 *   data/ballooned    pages given up for memory/target
 *   data/state        "running" once memory is filled
 * data/verdict is "checking resumes=K" from a resume until its walk is done.
 * On a mismatch the guest says what and where on the console and in
 * data/verdict, and crashes (SHUTDOWN_crash).
 *
 * A stripe is laid out as: work pages (for the program to write), static
 * pages (fill=, written once), and on vCPU 0 the balloon's pages (balloon=).
 *
 * Options of every program:
 *   fill=SIZE          static pages, all vCPUs together
 *   zero=PERCENT       so many of the page versions are all zeros
 *   compressible=PERCENT  so many repeat one 128-byte block
 *   uniform=PERCENT    so many repeat one 32-bit word
 *   sparse=PERCENT     so many have 6 of 8 bytes 0; the others are random bits
 *   same=PERCENT       so many of the pages change from version to version in
 *                      their header and one row of 128 bytes only
 *   verify=PERIOD      walk also every PERIOD; verify-delay=TIME: start the
 *                      walk so long after a resume; verify=off: never walk
 */
#ifndef XMIG_EMU_GUEST_CHECK_H
#define XMIG_EMU_GUEST_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"

/* Table entry. */
struct check_entry
{
    uint32_t gfn;
    uint32_t version;            /* CHECK_HOLE: ballooned out at present */
};
#define CHECK_HOLE 0x80000000u

/* What a page version looks like: set at boot, the same on all vCPUs. */
struct check_mix
{
    uint32_t zero_percent;
    uint32_t compressible_percent;
    uint32_t uniform_percent;
    uint32_t sparse_percent;
    uint32_t same_percent;       /* of the pages, not of their versions */
};

enum check_found
{
    CHECK_OK,
    CHECK_STALE,                 /* a whole older version */
    CHECK_NEWER,                 /* a whole newer version: the table is old */
    CHECK_MISPLACED,             /* a whole page of another gfn */
    CHECK_LOST_ZERO,             /* zeros where there should be data */
    CHECK_LOST_POISON,           /* never written: 0xc2 */
    CHECK_TORN,                  /* none of these: mixed or damaged */
};

struct check_result
{
    enum check_found found;
    uint64_t found_gfn;          /* of the page's header, where it has one */
    uint32_t found_version;
    uint32_t first_bad;          /* first differing byte */
};

/* ---- page content; pure functions (content.c) -------------------------- */

/* Write the 4 KiB that (gfn, version) stand for. */
void content_fill(void *page, uint64_t gfn, uint32_t version,
                  const struct check_mix *mix);
/* True: the page is exactly that. */
bool content_is(const void *page, uint64_t gfn, uint32_t version,
                const struct check_mix *mix);
/* Say what else it is. */
void content_explain(const void *page, uint64_t gfn, uint32_t version,
                     const struct check_mix *mix,
                     struct check_result *ret_result);
const char *check_found_name(enum check_found found);

/* ---- for programs, on their own vCPU ----------------------------------- */

/* Work pages of this vCPU: indices 0 ... n-1 below. */
uint64_t check_nr_work(const struct guest_env *env);
/* Of any vCPU. */
uint64_t check_nr_work_on(const struct guest_env *env, unsigned int vcpu);
/* Write the next version of work page i.  False: the page was found damaged,
 * the guest is crashing; return from the step. */
bool check_write(struct guest_env *env, uint64_t i);
/* Judge work page i now. */
bool check_read(struct guest_env *env, uint64_t i);
/* The gfn of work page i. */
uint64_t check_gfn(const struct guest_env *env, uint64_t i);

/* ---- for the balloon, vCPU 0 ------------------------------------------- */

uint64_t check_nr_balloon(const struct guest_env *env);
uint64_t check_balloon_gfn(const struct guest_env *env, uint64_t i);
/* Mark page i given up; or write its next version after it came back.  False
 * as check_write(). */
bool check_balloon_out(struct guest_env *env, uint64_t i);
bool check_balloon_in(struct guest_env *env, uint64_t i);

/* ---- for the kernel ---------------------------------------------------- */

/* Boot, vCPU 0: parse the options and size the table. */
int check_plan(struct guest_env *env, uint64_t work_pages,
               uint64_t *ret_table_pages);
/* Boot, vCPU 0: take frames for entries; -EAGAIN: call again. */
int check_alloc(struct guest_env *env);
/* Boot, each vCPU, registers 0 at first: write some of the stripe; true when
 * all is written. */
bool check_fill_some(struct guest_env *env);
/* Ask all vCPUs for a walk.  vCPU 0. */
void check_start_walk(struct guest_env *env);
/* Resume on vCPU 0: from now on written pages are judged first. */
void check_resume(struct guest_env *env);
/* Each vCPU, each step: walk on a little if a walk is due.  True: there is
 * more. */
bool check_walk_some(struct guest_env *env);
/* vCPU 0: totals over all vCPUs. */
uint64_t check_total_pages(const struct guest_env *env);
uint64_t check_total_writes(const struct guest_env *env);

#endif
