/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The conversation with libxl, our parent: messages on the standard output,
 * answers on the standard input.
 *
 * A message is its length (u16), its number (u16) and its arguments, packed
 * and in the byte order of the machine; a string is its length (u32, with
 * the NUL) and its bytes.  Some are answered by one int.
 *
 * Thread: any function from any thread, but for callout_init().
 */
#ifndef HELPER_CALLOUT_H
#define HELPER_CALLOUT_H

#include <stdint.h>

#include <xentoollog.h>

enum callout
{
    CALLOUT_LOG = 1,
    CALLOUT_PROGRESS = 2,
    CALLOUT_SUSPEND = 3,         /* answered: not 0 = the guest has */
    CALLOUT_LOGDIRTY = 7,        /* answered: 0 = done */
    CALLOUT_STATIC_DATA = 8,     /* answered: 0 = done */
    CALLOUT_RESULTS = 9,
    CALLOUT_COMPLETE = 10,       /* answered */
};

void callout_init(int in_fd, int out_fd);

void callout_log(xentoollog_level level, int errnoval, const char *context,
                 const char *text);
void callout_progress(const char *context, const char *what,
                      unsigned long done, unsigned long total);

/*
 * Ask and wait for the answer.
 *   -EPIPE, -ENODATA  libxl is gone
 */
int callout_suspend(int *ret_answer);
int callout_logdirty(uint32_t domid, unsigned int enable, int *ret_answer);
int callout_static_data(unsigned int missing, int *ret_answer);

void callout_results(uint64_t store_gfn, uint64_t console_gfn);
/* The last word: retval and errnoval as xc_domain_save() would return and
 * leave them. */
int callout_complete(int retval, int errnoval);

/* A logger whose messages go to libxl, and so into xl's log. */
struct xentoollog_logger *callout_logger(void);

#endif
