/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Lets the real xenstored start where the kernel has no /proc/xen: it reads
 * dom0's xenstore port from /proc/xen/xsd_port and maps dom0's ring page
 * from /proc/xen/xsd_kva.  This preload answers those two names with files
 * of the emulated host ($XMIG_EMU/xenstored/) and touches nothing else.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROC_XEN "/proc/xen/"

static int open_at(const char *path, int flags, unsigned int mode)
{
    const char *dir = getenv("XMIG_EMU");
    char ours[512];

    if ( dir && (!strcmp(path, PROC_XEN "xsd_port") ||
                 !strcmp(path, PROC_XEN "xsd_kva")) )
    {
        snprintf(ours, sizeof(ours), "%s/xenstored/%s", dir,
                 path + strlen(PROC_XEN));
        path = ours;
    }

    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int has_mode(int flags)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...);                          \
    int name(const char *path, int flags, ...)                           \
    {                                                                    \
        unsigned int mode = 0;                                           \
        va_list ap;                                                      \
                                                                         \
        if ( has_mode(flags) )                                           \
        {                                                                \
            va_start(ap, flags);                                         \
            mode = va_arg(ap, unsigned int);                             \
            va_end(ap);                                                  \
        }                                                                \
        return open_at(path, flags, mode);                               \
    }

#undef open
#undef open64
OPEN(open)
OPEN(open64)
