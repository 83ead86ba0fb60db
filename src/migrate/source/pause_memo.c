/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The last pause: see pause_memo.h.
 */
#include "pause_memo.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"

/* More than that was a host in trouble. */
#define MOST_US (10 * US_PER_S)

static const char *node(char buf[64], const char *part, const char *manager)
{
    snprintf(buf, 64, "/tool/xmig/%s-us%s%.20s", part, manager ? "-" : "",
             manager ? manager : "");

    return buf;
}

static uint64_t read_part(struct store *st, const char *part,
                          const char *manager)
{
    char buf[64];
    uint64_t us;

    if ( store_read_u64(st, NULL, &us, "%s", node(buf, part, manager)) ||
         us > MOST_US )
        return 0;

    return us;
}

static void write_part(struct store *st, const char *part,
                       const char *manager, uint64_t us)
{
    char buf[64], text[24];

    if ( !us )
        return;
    snprintf(text, sizeof(text), "%" PRIu64, us);
    store_write(st, NULL, text, "%s", node(buf, part, manager));
}

void pause_memo_read(struct store *st, const char *manager,
                     struct pause_memo *ret)
{
    ret->suspend_us = read_part(st, "suspend", NULL);
    ret->state_us = read_part(st, "state", manager);
    ret->commit_us = read_part(st, "commit", manager);
}

void pause_memo_write(struct store *st, const char *manager,
                      const struct pause_memo *m)
{
    write_part(st, "suspend", NULL, m->suspend_us);
    write_part(st, "state", manager, m->state_us);
    write_part(st, "commit", manager, m->commit_us);
}
