/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Debian's own libxenguest on a file, for the tests of xmig save and restore:
 *
 *   stock_file save DOMID FILE      xc_domain_save(), live; destroys it
 *   stock_file restore CONFIG FILE  xc_domain_restore(); prints the domid
 *   stock_file unpause DOMID
 *
 * Only the image is stock's work; what a toolstack does around it is done
 * with our services.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenguest.h>

#include "config.h"
#include "err.h"
#include "hv.h"
#include "store.h"
#include "suspend.h"

#define SUSPEND_LIMIT_US 10000000ull

static struct err err;
static struct hv *hv;
static struct store *st;
static xc_interface *xch;

static void __attribute__((noreturn)) die(const char *what)
{
    struct xmig_error rec;

    err_copy(&err, &rec);
    fprintf(stderr, "stock_file: %s: %s\n", what,
            rec.code ? rec.text : strerror(errno));
    exit(1);
}

static int on_suspend(void *data)
{
    struct suspend *su = data;

    return !suspend_guest(su, SUSPEND_LIMIT_US, NULL, NULL, NULL, NULL);
}

static int on_logdirty(uint32_t domid, unsigned int enable, void *data)
{
    (void)domid;
    (void)enable;
    (void)data;
    return 0;
}

static void save(uint32_t domid, const char *file)
{
    struct save_callbacks cb = {
        .suspend = on_suspend, .switch_qemu_logdirty = on_logdirty,
    };
    struct suspend su;
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if ( fd < 0 )
        die(file);
    if ( suspend_open(&su, hv, st, &err, domid) )
        die("suspend_open");
    cb.data = &su;
    if ( xc_domain_save(xch, fd, domid, XCFLAGS_LIVE, &cb, XC_STREAM_PLAIN,
                        -1) )
        die("xc_domain_save");
    suspend_close(&su);
    if ( close(fd) )
        die(file);
    if ( hv_destroy(hv, &err, domid) || store_remove(st, &err, domid) )
        die("destroy");
}

static uint32_t create(const struct config *c, struct store_domain *sd)
{
    struct hv_create hc = {
        .hap = true,
        .vcpus = c->domain.vcpus,
        .emulation_flags = c->domain.emulation_flags,
        .max_mem_kib = c->domain.max_mem_kib,
        .paging_bytes = c->domain.paging_bytes,
    };

    memcpy(hc.uuid, c->domain.uuid, sizeof(hc.uuid));
    memcpy(sd->uuid, c->domain.uuid, sizeof(sd->uuid));
    if ( hv_create(hv, &err, &hc, &sd->domid) ||
         hv_rings_ports(hv, &err, sd->domid, &sd->store_port,
                        &sd->console_port) )
        die("create");
    sd->name = c->domain.name;
    sd->max_mem_kib = sd->target_kib = c->domain.populated_pages * 4;
    sd->vcpus = c->domain.vcpus;
    if ( store_build(st, &err, sd) )
        die("store_build");
    return sd->domid;
}

static void restore(const char *config, const char *file)
{
    struct restore_callbacks cb = { 0 };
    unsigned long store_gfn, console_gfn;
    struct store_domain sd = { 0 };
    struct config c;
    uint32_t domid;
    char more;
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if ( fd < 0 )
        die(file);
    if ( config_read_file(config, &err, &c) )
        die(config);
    domid = create(&c, &sd);
    if ( xc_domain_restore(xch, fd, domid, sd.store_port, &store_gfn, 0,
                           sd.console_port, &console_gfn, 0, XC_STREAM_PLAIN,
                           &cb, -1) )
    {
        hv_destroy(hv, NULL, domid);
        store_remove(st, NULL, domid);
        die("xc_domain_restore");
    }
    if ( read(fd, &more, 1) )
        die("something is left behind what stock reads");
    sd.store_gfn = store_gfn;
    sd.console_gfn = console_gfn;
    if ( store_connect(st, &err, &sd) || hv_unpause(hv, &err, domid) )
        die("start");
    printf("%u\n", domid);
    config_done(&c);
    close(fd);
}

int main(int argc, char **argv)
{
    xentoollog_logger *lg = (xentoollog_logger *)
        xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);

    err_init(&err);
    if ( !lg || hv_open(NULL, &err, &hv) || store_open(&err, &st) )
        die("open");
    xch = xc_interface_open(lg, lg, 0);
    if ( !xch )
        die("xc_interface_open");

    if ( argc == 4 && !strcmp(argv[1], "save") )
        save(strtoul(argv[2], NULL, 10), argv[3]);
    else if ( argc == 4 && !strcmp(argv[1], "restore") )
        restore(argv[2], argv[3]);
    else if ( argc == 3 && !strcmp(argv[1], "unpause") )
    {
        if ( hv_unpause(hv, &err, strtoul(argv[2], NULL, 10)) )
            die("unpause");
    }
    else
    {
        fprintf(stderr, "usage: stock_file save DOMID FILE | restore CONFIG"
                " FILE | unpause DOMID\n");
        return 2;
    }

    xc_interface_close(xch);
    xtl_logger_destroy(lg);
    store_close(st);
    hv_close(hv);
    err_done(&err);
    return 0;
}
