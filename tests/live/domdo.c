/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * domdo pause|unpause|crash|poweroff|destroy|cap|maxmem DOMID,
 * domdo setcap DOMID N:
 * what an operator, or the guest itself, may do in the middle of a migration.
 * Stock libxenctrl only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

/* The cap on CPU time: print it, or set it if there is a value. */
static int cap(xc_interface *xch, uint32_t domid, const char *value)
{
    struct xen_domctl_sched_credit2 p;
    int r = xc_sched_credit2_domain_get(xch, domid, &p);

    if ( r )
        return r;
    if ( !value )
        return printf("%u\n", p.cap) < 0;
    p.cap = (uint16_t)strtoul(value, NULL, 10);

    return xc_sched_credit2_domain_set(xch, domid, &p);
}

/* The limit of its memory, in KiB. */
static int maxmem(xc_interface *xch, uint32_t domid)
{
    xc_dominfo_t info;

    if ( xc_domain_getinfo(xch, domid, 1, &info) != 1 ||
         info.domid != domid )
        return -1;

    return printf("%lu\n", info.max_memkb) < 0;
}

int main(int argc, char **argv)
{
    xc_interface *xch;
    uint32_t domid;
    int r = -1;

    if ( argc != 3 && argc != 4 )
        return 2;
    domid = strtoul(argv[2], NULL, 10);
    xch = xc_interface_open(NULL, NULL, 0);
    if ( !xch )
        return 1;
    if ( !strcmp(argv[1], "pause") )
        r = xc_domain_pause(xch, domid);
    else if ( !strcmp(argv[1], "unpause") )
        r = xc_domain_unpause(xch, domid);
    else if ( !strcmp(argv[1], "crash") )
        r = xc_domain_shutdown(xch, domid, SHUTDOWN_crash);
    else if ( !strcmp(argv[1], "poweroff") )
        r = xc_domain_shutdown(xch, domid, SHUTDOWN_poweroff);
    else if ( !strcmp(argv[1], "destroy") )
        r = xc_domain_destroy(xch, domid);
    else if ( !strcmp(argv[1], "cap") || !strcmp(argv[1], "setcap") )
        r = cap(xch, domid, argv[3]);
    else if ( !strcmp(argv[1], "maxmem") )
        r = maxmem(xch, domid);
    if ( r )
        perror(argv[1]);
    xc_interface_close(xch);

    return r != 0;
}
