/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The error record.  The first error wins; every text is one line of
 * printable characters, as peers' words end up in it.
 */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the wrapper and the record can hold between them. */
#define TEXT_BYTES sizeof(((struct xmig_error *)0)->text)

void err_init(struct err *e)
{
    pthread_mutex_init(&e->lock, NULL);
    memset(&e->rec, 0, sizeof(e->rec));
}

void err_done(struct err *e)
{
    pthread_mutex_destroy(&e->lock);
}

void err_reset(struct err *e)
{
    if ( !e )
        return;
    pthread_mutex_lock(&e->lock);
    e->rec.code = 0;
    memset(e->rec.text, 0, sizeof(e->rec.text));
    pthread_mutex_unlock(&e->lock);
}

const char *err_text(int rc)
{
    const char *text = strerrordesc_np(rc < 0 ? -rc : rc);

    return text ? text : "unknown error";
}

size_t err_control_at(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned int follow = 0;     /* bytes of a UTF-8 character to come */
    size_t i;

    for ( i = 0; i < len; i++ )
    {
        if ( p[i] < 0x20 || p[i] == 0x7f )
            break;
        if ( p[i] >= 0x80 && p[i] < 0xc0 && follow )
        {
            follow--;
            continue;
        }
        if ( p[i] >= 0x80 && p[i] < 0xa0 )
            break;
        if ( p[i] == 0xc2 && i + 1 < len && p[i + 1] >= 0x80 &&
             p[i + 1] < 0xa0 )
            break;
        follow = p[i] < 0xc0 ? 0 : p[i] < 0xe0 ? 1 : p[i] < 0xf0 ? 2 : 3;
    }

    return i;
}

/* One line: whatever would break it, or a terminal, becomes '?'. */
static void one_line(char *text)
{
    size_t len = strlen(text), at;

    while ( (at = err_control_at(text, len)) < len )
        text[at] = '?';
}

int err_vset(struct err *e, int rc, const char *fmt, va_list ap)
{
    if ( !e )
        return rc;
    pthread_mutex_lock(&e->lock);
    if ( !e->rec.code )
    {
        e->rec.code = rc;
        vsnprintf(e->rec.text, sizeof(e->rec.text), fmt, ap);
        one_line(e->rec.text);
    }
    pthread_mutex_unlock(&e->lock);

    return rc;
}

int err_set(struct err *e, int rc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    err_vset(e, rc, fmt, ap);
    va_end(ap);

    return rc;
}

int err_wrap(struct err *e, int rc, const char *fmt, ...)
{
    char head[TEXT_BYTES], tail[TEXT_BYTES];
    va_list ap;
    size_t used;

    if ( !e )
        return rc;
    va_start(ap, fmt);
    vsnprintf(head, sizeof(head), fmt, ap);
    va_end(ap);

    pthread_mutex_lock(&e->lock);
    if ( !e->rec.code )
    {
        e->rec.code = rc;
        snprintf(tail, sizeof(tail), "%s", err_text(rc));
    }
    else
        memcpy(tail, e->rec.text, sizeof(tail));
    used = strnlen(head, sizeof(head) - 4);
    memcpy(e->rec.text, head, used);
    snprintf(e->rec.text + used, sizeof(e->rec.text) - used, ": %s", tail);
    one_line(e->rec.text);
    pthread_mutex_unlock(&e->lock);

    return rc;
}

int err_code(struct err *e)
{
    int code;

    if ( !e )
        return 0;
    pthread_mutex_lock(&e->lock);
    code = e->rec.code;
    pthread_mutex_unlock(&e->lock);

    return code;
}

void err_copy(struct err *e, struct xmig_error *ret)
{
    pthread_mutex_lock(&e->lock);
    *ret = e->rec;
    pthread_mutex_unlock(&e->lock);
}

int err_take(struct err *e, struct err *src)
{
    struct xmig_error rec;

    err_copy(src, &rec);
    if ( rec.code )
        err_set(e, rec.code, "%s", rec.text);

    return rec.code;
}

void err_guest_set(struct err *e, enum xmig_guest guest)
{
    if ( !e )
        return;
    pthread_mutex_lock(&e->lock);
    e->rec.guest = guest;
    pthread_mutex_unlock(&e->lock);
}

enum xmig_guest err_guest(struct err *e)
{
    enum xmig_guest guest;

    if ( !e )
        return XMIG_GUEST_NONE;
    pthread_mutex_lock(&e->lock);
    guest = e->rec.guest;
    pthread_mutex_unlock(&e->lock);

    return guest;
}
