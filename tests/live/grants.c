/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Grants and event channels of an emulated host, through the libraries that
 * a backend in dom0 uses.  Prints TAP.
 *
 *   grants DOMID      a running domain whose console ring nobody uses
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xen/hvm/params.h>

#define FREE_BYTE  1500u         /* in the console ring, beyond its content */
#define EVENT_MS   5000
#define QUIET_MS   50

static unsigned int nr, nr_failed;
static uint32_t domid;
static xc_interface *xch;
static xenforeignmemory_handle *fmem;
static uint64_t console_gfn, p2m_size;

static bool claim(bool good, const char *fmt, ...)
{
    int e = errno;
    va_list ap;

    printf("%s %u - ", good ? "ok" : "not ok", ++nr);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    if ( !good )
    {
        nr_failed++;
        printf("# errno is \"%s\"\n", strerror(e));
    }

    return good;
}

static void bail(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(99);
}

static uint8_t *map_console(void)
{
    xen_pfn_t gfn = console_gfn;
    uint8_t *p = xenforeignmemory_map(fmem, domid, PROT_READ | PROT_WRITE, 1,
                                      &gfn, NULL);

    if ( !p )
        bail("map the console page");

    return p;
}

/* Is the console page in the dirty log?  Cleans the log. */
static bool dirty(void)
{
    DECLARE_HYPERCALL_BUFFER(uint8_t, bits);
    bool is;

    bits = xc_hypercall_buffer_alloc_pages(
        xch, bits, (p2m_size / 8 + XC_PAGE_SIZE) / XC_PAGE_SIZE);
    if ( !bits )
        bail("allocate a bitmap");
    if ( xc_logdirty_control(xch, domid, XEN_DOMCTL_SHADOW_OP_CLEAN,
                             HYPERCALL_BUFFER(bits), p2m_size, 0, NULL) !=
         (long long)p2m_size )
        bail("read the dirty log");
    is = bits[console_gfn / 8] >> console_gfn % 8 & 1;
    xc_hypercall_buffer_free_pages(
        xch, bits, (p2m_size / 8 + XC_PAGE_SIZE) / XC_PAGE_SIZE);

    return is;
}

static void maps(xengnttab_handle *xgt)
{
    uint8_t *own = map_console(), *p, *q;

    p = xengnttab_map_grant_ref(xgt, domid, 0, PROT_READ | PROT_WRITE);
    if ( !claim(p != NULL, "the reserved console grant can be mapped") )
        bail("map");
    p[FREE_BYTE] = 0x5a;
    claim(own[FREE_BYTE] == 0x5a, "it is the domain's console page");
    own[FREE_BYTE] = 0xa5;
    q = xengnttab_map_grant_ref(xgt, domid, 0, PROT_READ);
    claim(q && q[FREE_BYTE] == 0xa5, "it can be mapped twice");
    claim(!xengnttab_unmap(xgt, p, 1) && q[FREE_BYTE] == 0xa5,
          "unmapping one leaves the other");
    claim(xengnttab_unmap(xgt, p, 1) && errno == ENOENT,
          "what is not mapped can not be unmapped");
    claim(!xengnttab_unmap(xgt, q, 1), "the other goes too");

    claim(!xengnttab_map_grant_ref(xgt, domid, 4000, PROT_READ) &&
          errno == EINVAL, "an entry that grants nothing can not be mapped");
    claim(!xengnttab_map_grant_ref(xgt, domid, 1u << 20, PROT_READ) &&
          errno == EINVAL, "nor one beyond the table");
    claim(!xengnttab_map_grant_ref(xgt, 0x7000, 0, PROT_READ) &&
          errno == EINVAL, "nor one of no domain");
    xenforeignmemory_unmap(fmem, own, 1);
}

static void limits(void)
{
    xengnttab_handle *xgt = xengnttab_open(NULL, 0);
    uint32_t refs[2] = { 0, 1 };
    void *p;

    if ( !xgt || xengnttab_set_max_grants(xgt, 1) )
        bail("set_max_grants");
    claim(!xengnttab_map_domain_grant_refs(xgt, 2, domid, refs, PROT_READ),
          "a handle maps no more than its maximum");
    p = xengnttab_map_domain_grant_refs(xgt, 1, domid, refs, PROT_READ);
    claim(p != NULL, "and no less");
    /* Closed with a grant mapped: the host must let go of it. */
    xengnttab_close(xgt);
}

static void dirty_log(xengnttab_handle *xgt)
{
    uint8_t *own = map_console(), *p;

    if ( xc_shadow_control(xch, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY,
                           NULL, 0) < 0 )
        bail("switch the dirty log on");
    dirty();
    own[FREE_BYTE] = 1;
    claim(!dirty(), "a write through a foreign mapping is not logged");

    p = xengnttab_map_grant_ref(xgt, domid, 0, PROT_READ | PROT_WRITE);
    if ( !p )
        bail("map");
    p[FREE_BYTE] = 2;
    claim(!dirty(), "one through a grant is not logged while it is mapped");
    xengnttab_unmap(xgt, p, 1);
    claim(dirty(), "but when it is unmapped");
    claim(!dirty(), "and once");
    p = xengnttab_map_grant_ref(xgt, domid, 0, PROT_READ);
    xengnttab_unmap(xgt, p, 1);
    claim(!dirty(), "a read-only map is not logged");
    xenforeignmemory_unmap(fmem, own, 1);
}

static xengnttab_grant_copy_segment_t segment(void *virt, uint32_t ref,
                                              uint16_t offset, uint16_t len,
                                              bool to_grant)
{
    xengnttab_grant_copy_segment_t s = {
        .len = len,
        .flags = to_grant ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
    };
    union xengnttab_copy_ptr *g = to_grant ? &s.dest : &s.source;

    g->foreign.domid = domid;
    g->foreign.ref = ref;
    g->foreign.offset = offset;
    (to_grant ? &s.source : &s.dest)->virt = virt;

    return s;
}

static void copies(xengnttab_handle *xgt)
{
    char there[16] = "grant copy", back[16] = "", untouched[16] = "as it was";
    xengnttab_grant_copy_segment_t s[4];

    dirty();
    s[0] = segment(there, 0, FREE_BYTE, sizeof(there), true);
    s[1] = segment(back, 0, FREE_BYTE, sizeof(back), false);
    s[2] = segment(untouched, 4000, 0, sizeof(untouched), false);
    s[3] = segment(untouched, 0, 4090, sizeof(untouched), false);
    claim(!xengnttab_grant_copy(xgt, 4, s), "copies are carried out");
    claim(s[0].status == GNTST_okay && s[1].status == GNTST_okay &&
          !strcmp(back, there), "what went to a grant comes back from it");
    claim(s[2].status == GNTST_bad_gntref,
          "a copy from nothing granted says so");
    claim(s[3].status == GNTST_bad_copy_arg,
          "a copy beyond the page says so");
    claim(!strcmp(untouched, "as it was"), "neither copies anything");
    claim(dirty(), "a copy to a grant is logged");
    s[0] = segment(back, 0, FREE_BYTE, sizeof(back), false);
    if ( xengnttab_grant_copy(xgt, 1, s) )
        bail("copy");
    claim(!dirty(), "a copy from one is not");
}

static int event(xenevtchn_handle *xce, int ms)
{
    struct pollfd p = { .fd = xenevtchn_fd(xce), .events = POLLIN };

    return poll(&p, 1, ms) == 1 ? xenevtchn_pending(xce) : 0;
}

static void channels(xengnttab_handle *xgt)
{
    xenevtchn_handle *a = xenevtchn_open(NULL, 0);
    xenevtchn_handle *b = xenevtchn_open(NULL, 0);
    uint8_t *own = map_console(), *p;
    int port_a, port_b;

    if ( !a || !b )
        bail("open event channels");
    port_a = xenevtchn_bind_unbound_port(a, 0);
    port_b = xenevtchn_bind_interdomain(b, 0, port_a);
    claim(port_a > 0 && port_b > 0, "two programs of dom0 can connect");
    claim(event(b, EVENT_MS) == port_b, "binding raises an event");
    claim(!xenevtchn_notify(b, port_b) && event(a, EVENT_MS) == port_a,
          "an event arrives at the other program");
    claim(!xenevtchn_notify(b, port_b) && !event(a, QUIET_MS),
          "a port is quiet until it is unmasked");
    claim(!xenevtchn_unmask(a, port_a) && event(a, EVENT_MS) == port_a,
          "and then delivers what came");
    claim(xenevtchn_notify(a, port_b) == -1 && errno == ENOTCONN,
          "a program can not use the other's port");
    claim(xenevtchn_bind_virq(a, VIRQ_DOM_EXC) == -1 && errno == EEXIST,
          "VIRQ_DOM_EXC is xenstored's alone");

    xenevtchn_unmask(a, port_a);
    own[FREE_BYTE] = 7;
    p = xengnttab_map_grant_ref_notify(xgt, domid, 0, PROT_READ | PROT_WRITE,
                                       FREE_BYTE, port_b);
    claim(p && !xengnttab_unmap(xgt, p, 1) && own[FREE_BYTE] == 0 &&
          event(a, EVENT_MS) == port_a, "unmap notification works");
    xenevtchn_close(a);
    xenevtchn_close(b);
    xenforeignmemory_unmap(fmem, own, 1);
}

int main(int argc, char **argv)
{
    xengnttab_handle *xgt;
    xen_pfn_t max;

    if ( argc != 2 )
        return 2;
    domid = strtoul(argv[1], NULL, 10);
    xch = xc_interface_open(NULL, NULL, 0);
    fmem = xenforeignmemory_open(NULL, 0);
    xgt = xengnttab_open(NULL, 0);
    if ( !xch || !fmem || !xgt ||
         xc_hvm_param_get(xch, domid, HVM_PARAM_CONSOLE_PFN, &console_gfn) ||
         xc_domain_maximum_gpfn(xch, domid, &max) )
        bail("open the host");
    p2m_size = max + 1;

    maps(xgt);
    limits();
    dirty_log(xgt);
    copies(xgt);
    channels(xgt);
    printf("1..%u\n", nr);

    xengnttab_close(xgt);
    xenforeignmemory_close(fmem);
    xc_interface_close(xch);

    return !!nr_failed;
}
