/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Handles across fork(), as stock xl uses them: a child goes on with its
 * parent's handles, has none of its mappings, and does not disturb it.
 *
 *   emu_fork DOMID    (run by xmig-emu run)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#define ROUNDS 200

static xc_interface *xch;
static xenforeignmemory_handle *fmem;
static uint32_t domid;

/* Calls that would be answered wrongly if two processes shared a stream. */
static int use(uint32_t want)
{
    xen_pfn_t gfn = 0x200, max;
    xc_dominfo_t info;
    void *p;
    int i;

    for ( i = 0; i < ROUNDS; i++ )
    {
        if ( xc_domain_getinfo(xch, want, 1, &info) != 1 ||
             info.domid != want ||
             xc_domain_maximum_gpfn(xch, domid, &max) || max < gfn )
            return 1;
        p = xenforeignmemory_map(fmem, domid, PROT_READ, 1, &gfn, NULL);
        if ( !p || xenforeignmemory_unmap(fmem, p, 1) )
            return 1;
    }
    return 0;
}

static int child(void *parents_page)
{
    /* Not mapped here, as a foreign mapping on Xen is not. */
    if ( !msync(parents_page, 4096, MS_ASYNC) || errno != ENOMEM )
    {
        fprintf(stderr, "emu_fork: the child has its parent's mapping\n");
        return 1;
    }
    if ( use(0) )
        return 1;
    xenforeignmemory_close(fmem);
    xc_interface_close(xch);
    return 0;
}

int main(int argc, char **argv)
{
    xen_pfn_t gfn = 0x200;
    int status = 1;
    void *page;
    pid_t pid;

    domid = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    xch = xc_interface_open(NULL, NULL, 0);
    fmem = xenforeignmemory_open(NULL, 0);
    if ( !xch || !fmem )
        return 1;
    page = xenforeignmemory_map(fmem, domid, PROT_READ, 1, &gfn, NULL);
    if ( !page )
        return 1;
    pid = fork();
    if ( !pid )
        _exit(child(page));
    if ( use(domid) )
    {
        fprintf(stderr, "emu_fork: the parent is disturbed\n");
        return 1;
    }
    if ( waitpid(pid, &status, 0) != pid || status )
    {
        fprintf(stderr, "emu_fork: the child fails, status 0x%x\n", status);
        return 1;
    }
    xenforeignmemory_unmap(fmem, page, 1);
    xenforeignmemory_close(fmem);
    xc_interface_close(xch);
    return 0;
}
