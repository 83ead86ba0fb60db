/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A link that runs: its namespaces, its two directions, its control socket.
 */
#ifndef LINK_SERVE_H
#define LINK_SERVE_H

#include <stdbool.h>

#include "control.h"
#include "way.h"

enum { SERVE_HERE, SERVE_THERE };

struct serve
{
    const char *dir;
    unsigned int mtu;
    struct way way[2];           /* what here sends, what there sends */
    char netns[2][CONTROL_NAME_MAX];
    int listen_fd, signal_fd, stop_fd;
};

/* Parameters to their defaults. */
void serve_init(struct serve *v);
/* key may have "here." or "there." in front.  False: see shaper_set(). */
bool serve_set(struct serve *v, const char *key, const char *value);
/*
 * Make it, go into the background, and return the exit status once it is up
 * or has failed, which is told on standard error.
 */
int serve_start(struct serve *v);

#endif
