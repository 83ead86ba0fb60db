/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See uffd.h.
 */
#include "uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int uffd_open(uint64_t features)
{
    struct uffdio_api api = { .api = UFFD_API, .features = features };
    long fd;
    int rc;

    /* Guests fault from user mode only, which needs no privilege. */
    fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK |
                 UFFD_USER_MODE_ONLY);
    if ( fd < 0 )
        return -errno;
    if ( ioctl((int)fd, UFFDIO_API, &api) )
    {
        rc = -errno;
        close((int)fd);
        return rc;
    }
    return (int)fd;
}
