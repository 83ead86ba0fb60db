/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a mapping of shared memory costs on this machine, a page: to make, at
 * the first and second access, and to remove.  Says whether the figures of
 * two runs of the benchmarks may be compared, and what of them is the
 * machine's: under a hypervisor that shadows page tables each first access
 * is an exit, once in user mode and once in the kernel.
 *
 *   mapcost       prints a line for each kind of mapping and access, in us
 */
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

#define PAGE   4096u
#define BYTES  (64u << 20)
#define WINDOW (16u << 20)       /* as the mover's */

enum how
{
    LOAD,                        /* in user mode */
    STORE,
    WRITE,                       /* the kernel reads it: into a pipe */
};

static int mem_fd, pipe_fd[2];

static void touch(volatile uint8_t *page, enum how how)
{
    char sink[64];

    switch ( how )
    {
    case LOAD:
        (void)page[64];
        break;

    case STORE:
        page[64] = 1;
        break;

    case WRITE:
        if ( write(pipe_fd[1], (void *)page, sizeof(sink)) != sizeof(sink) ||
             read(pipe_fd[0], sink, sizeof(sink)) != sizeof(sink) )
            die("pipe");
        break;
    }
}

/* All of it in turn; us since *since, which becomes now. */
static double pass(uint8_t *p, enum how how, double *since)
{
    double begin = *since;
    size_t at;

    for ( at = 0; at < WINDOW; at += PAGE )
        touch(p + at, how);
    *since = now_ns() / 1e3;

    return *since - begin;
}

static void measure(const char *what, int prot, enum how first,
                    enum how second)
{
    double map = 0, one = 0, two = 0, three = 0, unmap = 0, t, begin;
    const double pages = BYTES / PAGE;
    uint8_t *p;
    off_t at;

    for ( at = 0; at < BYTES; at += WINDOW )
    {
        begin = t = now_ns() / 1e3;
        p = mmap(NULL, WINDOW, prot, MAP_SHARED | MAP_POPULATE, mem_fd, at);
        if ( p == MAP_FAILED )
            die("mmap");
        t = now_ns() / 1e3;
        map += t - begin;
        one += pass(p, first, &t);
        two += pass(p, second, &t);
        three += pass(p, second, &t);
        begin = t;
        munmap(p, WINDOW);
        unmap += now_ns() / 1e3 - begin;
    }
    printf("%-30s map %6.3f  first %6.3f  then %6.3f  again %6.3f  unmap "
           "%6.3f\n", what, map / pages, one / pages, two / pages,
           three / pages, unmap / pages);
}

int main(void)
{
    const int rw = PROT_READ | PROT_WRITE;
    void *p;

    mem_fd = memfd_create("mapcost", MFD_CLOEXEC);
    if ( mem_fd < 0 || ftruncate(mem_fd, BYTES) || pipe(pipe_fd) )
        die("set up");
    p = mmap(NULL, BYTES, rw, MAP_SHARED, mem_fd, 0);
    if ( p == MAP_FAILED )
        die("mmap");
    memset(p, 1, BYTES);
    munmap(p, BYTES);

    measure("read-only, user then user", PROT_READ, LOAD, LOAD);
    measure("read-only, user then kernel", PROT_READ, LOAD, WRITE);
    measure("read-only, kernel then user", PROT_READ, WRITE, LOAD);
    measure("writable, user then user", rw, STORE, STORE);
    measure("writable, user then kernel", rw, STORE, WRITE);

    return 0;
}
