/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The frame allocator: one descriptor per frame of RAM, and a free list
 * threaded through them.
 *
 * The lock is only ever tried: its holder may be a vCPU that the host has
 * stopped inside a page fault, and a vCPU that spun for it could not be
 * paused.
 */
#include <errno.h>

#include "kernel.h"

#define LOCK_TRIES 200

uint64_t frame_gfn_of_index(const struct kernel *k, uint64_t index)
{
    return index < k->low_pages ? index
                                : k->high_gfn + (index - k->low_pages);
}

uint64_t frame_index_of_gfn(const struct kernel *k, uint64_t gfn)
{
    if ( gfn < k->low_pages )
        return gfn;
    if ( gfn >= k->high_gfn &&
         gfn - k->high_gfn < k->ram_pages - k->low_pages )
        return k->low_pages + (gfn - k->high_gfn);
    return NO_GFN;
}

static struct frame *frame_at(const struct guest_env *env, uint64_t index)
{
    return (struct frame *)guest_page(env, kernel_get(env)->frames_gfn) +
           index;
}

struct frame *frame_get(const struct guest_env *env, uint64_t gfn)
{
    uint64_t index = frame_index_of_gfn(kernel_get(env), gfn);

    return index == NO_GFN ? NULL : frame_at(env, index);
}

static bool lock(struct kernel *k)
{
    unsigned int i;

    for ( i = 0; i < LOCK_TRIES; i++ )
    {
        uint32_t free_lock = 0;

        if ( __atomic_compare_exchange_n(&k->frames_lock, &free_lock, 1,
                                         false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED) )
            return true;
        __builtin_ia32_pause();
    }
    return false;
}

static void unlock(struct kernel *k)
{
    __atomic_store_n(&k->frames_lock, 0, __ATOMIC_RELEASE);
}

int frame_alloc(struct guest_env *env, unsigned int owner, uint64_t *ret_gfn)
{
    struct kernel *k = kernel_get(env);
    struct frame *f;
    uint64_t index;

    if ( !lock(k) )
        return -EAGAIN;
    if ( !k->free_head )
    {
        unlock(k);
        return -ENOMEM;
    }
    index = k->free_head - 1;
    f = frame_at(env, index);
    k->free_head = f->next;
    k->nr_free--;
    f->next = 0;
    f->kind = FRAME_USED;
    f->owner = owner;
    f->priv = 0;
    unlock(k);
    *ret_gfn = frame_gfn_of_index(k, index);
    return 0;
}

int frame_free(struct guest_env *env, uint64_t gfn)
{
    struct kernel *k = kernel_get(env);
    uint64_t index = frame_index_of_gfn(k, gfn);
    struct frame *f;

    if ( index == NO_GFN )
        return -EINVAL;
    f = frame_at(env, index);
    if ( f->kind != FRAME_USED && f->kind != FRAME_BALLOON )
        return -EINVAL;
    if ( !lock(k) )
        return -EAGAIN;
    f->kind = FRAME_FREE;
    f->owner = 0;
    f->priv = 0;
    f->next = k->free_head;
    k->free_head = index + 1;
    k->nr_free++;
    unlock(k);
    return 0;
}

uint64_t frames_nr_free(const struct guest_env *env)
{
    return __atomic_load_n(&kernel_get(env)->nr_free, __ATOMIC_RELAXED);
}

uint64_t frames_desc_pages(uint64_t ram_pages)
{
    return (ram_pages * sizeof(struct frame) + GUEST_PAGE_SIZE - 1) /
           GUEST_PAGE_SIZE;
}

void frames_add_range(struct guest_env *env, uint64_t from, uint64_t to)
{
    struct kernel *k = kernel_get(env);
    uint64_t index;

    for ( index = to; index-- > from; )
    {
        struct frame *f = frame_at(env, index);

        f->owner = 0;
        f->priv = 0;
        f->next = 0;
        if ( index == SHARED_INFO_GFN ||
             (index >= KERNEL_GFN && index < k->reserved_end) ||
             frame_gfn_of_index(k, index) == k->boot_gfn )
        {
            f->kind = FRAME_RESERVED;
            continue;
        }
        f->kind = FRAME_FREE;
        f->next = k->free_head;
        k->free_head = index + 1;
        k->nr_free++;
    }
}
