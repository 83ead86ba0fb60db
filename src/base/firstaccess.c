/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See firstaccess.h.
 */
#include "firstaccess.h"

#include <stdint.h>

#include "clock.h"
#include "pages.h"

/* An exit takes 4 us and more, a miss of all caches and of the TLB 0.3. */
#define DEAR_US 3u

/* An atomic operation that changes nothing.  In assembler, as for a thread
 * sanitizer others' plain stores to the same bytes would be a race. */
static inline void touch(void *page)
{
#ifdef __x86_64__
    __asm__ volatile("lock orl $0, %0" : "+m"(*(uint32_t *)page));
#else
    __atomic_fetch_or((uint32_t *)page, 0, __ATOMIC_RELAXED);
#endif
}

bool first_access_is_dear(void *const pages[FIRST_ACCESS_SAMPLES],
                          bool write)
{
    uint64_t begin, end = clock_now_us();
    unsigned int i, slow = 0;

    for ( i = 0; i < FIRST_ACCESS_SAMPLES; i++ )
    {
        begin = end;
        if ( write )
            touch(pages[i]);
        else
            (void)*(volatile uint32_t *)pages[i];
        end = clock_now_us();
        slow += end - begin >= DEAR_US;
    }

    return slow > FIRST_ACCESS_SAMPLES / 2;
}

void first_access_make(void *addr, size_t nr)
{
    size_t i;

    for ( i = 0; i < nr; i++ )
        touch((uint8_t *)addr + i * PAGE_BYTES);
}
