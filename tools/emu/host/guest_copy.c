/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See guest_copy.h.
 */
#include <string.h>

#include "guest_copy.h"
#include "p2m_entry.h"

static bool in_guest_memory(struct domain *d, const void *p)
{
    return (uintptr_t)p - (uintptr_t)d->p2m.mem < d->p2m.max_gfns * PAGE_SIZE;
}

static size_t rest_of_page(struct domain *d, const void *p)
{
    return PAGE_SIZE - ((uintptr_t)p - (uintptr_t)d->p2m.mem) % PAGE_SIZE;
}

/* Between buf and at, which is within one page of the guest's.  False: it has
 * no frame, or it goes by the name of an absent page. */
static bool by_frame(struct domain *d, void *at, void *buf, size_t len,
                     bool write)
{
    uint64_t off = (uintptr_t)at - (uintptr_t)d->p2m.mem;
    uint64_t gfn = off / PAGE_SIZE, mfn;
    bool there;
    uint8_t *p;

    pthread_rwlock_rdlock(&d->p2m_lock);
    there = !p2m_lookup(d, gfn, &mfn);
    if ( there )
    {
        p = (uint8_t *)machine_ptr(&d->host->machine, mfn) + off % PAGE_SIZE;
        if ( write )
        {
            memcpy(p, buf, len);
            p2m_mark_dirty(d, gfn);
        }
        else
            memcpy(buf, p, len);
    }
    pthread_rwlock_unlock(&d->p2m_lock);
    return there;
}

/* Have the page there, or never come back. */
static void fault_in(const void *p)
{
    (void)*(const volatile uint8_t *)p;
}

static void copy(struct domain *d, void *at, void *buf, size_t len,
                 bool write)
{
    size_t n;

    for ( ; len; len -= n )
    {
        n = rest_of_page(d, at) < len ? rest_of_page(d, at) : len;
        while ( !by_frame(d, at, buf, n, write) )
            fault_in(at);
        at = (uint8_t *)at + n;
        buf = (uint8_t *)buf + n;
    }
}

void copy_from_guest(struct domain *d, void *dst, const void *src, size_t len)
{
    if ( in_guest_memory(d, src) )
        copy(d, (void *)(uintptr_t)src, dst, len, false);
    else
        memcpy(dst, src, len);
}

void copy_to_guest(struct domain *d, void *dst, const void *src, size_t len)
{
    if ( in_guest_memory(d, dst) )
        copy(d, dst, (void *)(uintptr_t)src, len, true);
    else
        memcpy(dst, src, len);
}

void copy_guest_string(struct domain *d, char *dst, const char *src,
                       size_t size)
{
    size_t len = 0, n;

    if ( !in_guest_memory(d, src) )
        strncpy(dst, src, size - 1);
    else
        for ( ; len < size - 1; len += n )
        {
            n = rest_of_page(d, src + len);
            n = n < size - 1 - len ? n : size - 1 - len;
            copy_from_guest(d, dst + len, src + len, n);
            if ( memchr(dst + len, 0, n) )
                break;
        }
    dst[size - 1] = 0;
}
