/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The error record: what an operation failed of.  The first error wins, as
 * later ones are mostly its consequences; whoever knows most calls err_set()
 * and callers pass the value up.
 *
 * A record also holds where the guest is, which only owner_set() (state.h)
 * changes.
 *
 * Everywhere a struct err * is taken it may be NULL: the text is then lost
 * and only the returned value tells.
 *
 * Thread: any function from any thread, but for init, done and reset.
 */
#ifndef XMIG_ERR_H
#define XMIG_ERR_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>

#include "xmig.h"

struct err
{
    pthread_mutex_t lock;
    /* under lock */
    struct xmig_error rec;
};

void err_init(struct err *e);
void err_done(struct err *e);
/* Forget the error; where the guest is stays. */
void err_reset(struct err *e);

/*
 * Record rc (-errno, not 0) and why.  The text says what was attempted, on
 * what, and what went wrong: one line, no full stop, no "\n".
 *
 * Returns rc, so that one can write: return err_set(e, -EPROTO, "...").
 */
int err_set(struct err *e, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int err_vset(struct err *e, int rc, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/*
 * Put "<text>: " in front of the recorded text, when it helps a human.
 * When nothing is recorded yet, records rc with <text> and rc's meaning.
 * Returns rc.
 */
int err_wrap(struct err *e, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The code recorded, 0 if none. */
int err_code(struct err *e);
/* A copy of the record. */
void err_copy(struct err *e, struct xmig_error *ret);
/*
 * Record src's error in e, as if err_set(); for a helper that kept a record
 * of its own (a lane, a query).  Returns its code.
 */
int err_take(struct err *e, struct err *src);

/* For owner_set() only. */
void err_guest_set(struct err *e, enum xmig_guest guest);
enum xmig_guest err_guest(struct err *e);

/*
 * Where in len bytes of text the first control character is, C1 included, as
 * UTF-8 or as a bare byte; len if there is none.
 */
size_t err_control_at(const char *text, size_t len);

/* strerror() for -errno; thread-safe, never NULL. */
const char *err_text(int rc);

#endif
