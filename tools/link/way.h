/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One direction of a link: a thread that moves packets from one TUN to the
 * other, each when its shaper says.
 */
#ifndef LINK_WAY_H
#define LINK_WAY_H

#include <pthread.h>

#include "shaper.h"

struct piece;

struct way
{
    /* set at the start, then read-only */
    int from_fd, to_fd;
    int stop_fd;                 /* readable: end */
    pthread_t thread;

    struct shaper shaper;

    /* the thread's */
    struct piece *first, *last;  /* under way, by time */
    uint32_t nr;                 /* so many */
};

/* The shaper has been initialised.  0 or -errno. */
int way_start(struct way *w);
/* After stop_fd has become readable. */
void way_end(struct way *w);

#endif
