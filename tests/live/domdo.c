/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * domdo pause|unpause|crash|poweroff|destroy DOMID: what an operator, or the
 * guest itself, may do in the middle of a migration.  Stock libxenctrl only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

int main(int argc, char **argv)
{
    xc_interface *xch;
    uint32_t domid;
    int r = -1;

    if ( argc != 3 )
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
    if ( r )
        perror(argv[1]);
    xc_interface_close(xch);

    return r != 0;
}
