/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The arguments with which libxl runs its save helper.
 */
#ifndef HELPER_ARGS_H
#define HELPER_ARGS_H

#include <stdbool.h>
#include <stdint.h>

/* xcflags of a save */
#define ARGS_LIVE  1u
#define ARGS_DEBUG 2u

struct args
{
    bool save;                   /* else restore */
    int stream_fd;
    int back_fd;                 /* -1 = none */
    uint32_t domid;
    unsigned int callbacks;      /* bit n: message n may be sent */
    unsigned int stream_type;    /* 0 = plain, else Remus or COLO */

    unsigned int flags;          /* save: ARGS_* */

    /* restore */
    uint32_t store_port, console_port;
    uint32_t store_domid, console_domid;
};

/*
 * All of argv is looked at, nothing else is; why (size bytes) gets a sentence
 * on failure.
 *   -EINVAL
 */
int args_parse(char *const *argv, struct args *ret, char *why, int size);

#endif
