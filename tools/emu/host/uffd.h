/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What of Linux's userfaultfd and PAGEMAP_SCAN this host uses but Debian 12's
 * headers (6.1) do not have.  Values are the kernel's ABI.
 */
#ifndef XMIG_EMU_UFFD_H
#define XMIG_EMU_UFFD_H

#include <linux/ioctl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>

#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1ull << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1ull << 15)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define SCAN_IS_WRITTEN    (1ull << 1)
#define SCAN_WP_MATCHING   (1ull << 0)

struct scan_region
{
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

struct scan_arg
{
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t vec;
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)

/* A userfaultfd with these UFFD_FEATURE_*, or -errno. */
int uffd_open(uint64_t features);

#endif
