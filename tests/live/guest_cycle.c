/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Suspend a guest and take the suspend back, again and again, as a stock
 * toolstack does: by control/shutdown in a transaction or by event channel,
 * then xc_domain_resume(fast).  After each round the guest must have counted
 * the cancel and judged its memory as right.
 *
 *   guest_cycle DOMID ROUNDS store|event
 *   guest_cycle DOMID GFN corrupt
 *
 * Prints the longest time a suspend took, in us.  The second form flips one
 * bit of a page during a single suspend and does not wait for the guest.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenguest.h>
#include <xenstore.h>

#define LIMIT_US 20000000u

static xc_interface *xch;
static struct xs_handle *xsh;
static uint32_t domid;

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static char *path_of(const char *node, char *buf, size_t size)
{
    snprintf(buf, size, "/local/domain/%u/%s", domid, node);
    return buf;
}

static bool node_is(const char *node, const char *prefix)
{
    char path[128];
    unsigned int len;
    char *value = xs_read(xsh, XBT_NULL, path_of(node, path, sizeof(path)),
                          &len);
    bool is = value && !strncmp(value, prefix, strlen(prefix));

    free(value);
    return is;
}

static bool has_suspended(unsigned int round)
{
    xc_dominfo_t info;

    (void)round;
    return xc_domain_getinfo(xch, domid, 1, &info) == 1 &&
           info.domid == domid && info.shutdown &&
           info.shutdown_reason == SHUTDOWN_suspend;
}

static bool goes_on(unsigned int round)
{
    char cancels[16];

    snprintf(cancels, sizeof(cancels), "%u", round);
    return node_is("data/cancels", cancels) &&
           node_is("data/verdict", "ok ");
}

/* Wait for a condition that a watch announces. */
static int await(bool (*done)(unsigned int), unsigned int round)
{
    uint64_t end = now_us() + LIMIT_US;
    struct pollfd p = { .fd = xs_fileno(xsh), .events = POLLIN };

    while ( !done(round) )
    {
        char **event;
        int r;

        if ( now_us() >= end )
            return -ETIMEDOUT;
        r = poll(&p, 1, 1000);
        if ( r < 0 && errno != EINTR )
            return -errno;
        while ( (event = xs_check_watch(xsh)) != NULL )
            free(event);
    }
    return 0;
}

static int ask_by_store(void)
{
    char path[128];
    xs_transaction_t tx;

    path_of("control/shutdown", path, sizeof(path));
    do {
        tx = xs_transaction_start(xsh);
        if ( !tx || !xs_write(xsh, tx, path, "suspend", 7) )
            return -errno;
    } while ( !xs_transaction_end(xsh, tx, false) && errno == EAGAIN );
    return 0;
}

static int ask_by_event(xenevtchn_handle *xce, int port, int *lockfd)
{
    int local = xc_suspend_evtchn_init_exclusive(xch, xce, domid, port,
                                                 lockfd);
    int rc = 0;

    if ( local < 0 )
        return -EIO;
    if ( xenevtchn_notify(xce, local) < 0 ||
         xc_await_suspend(xch, xce, local) < 0 )
        rc = -EIO;
    xc_suspend_evtchn_release(xch, xce, domid, local, lockfd);
    return rc;
}

static int resume(void)
{
    /* Without the second, xenstored never again tells of its suspends. */
    if ( xc_domain_resume(xch, domid, 1) || !xs_resume_domain(xsh, domid) )
        return -errno;
    return 0;
}

static int flip_bit(xen_pfn_t gfn)
{
    xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);
    uint8_t *page;

    if ( !fmem )
        return -errno;
    page = xenforeignmemory_map(fmem, domid, PROT_READ | PROT_WRITE, 1, &gfn,
                                NULL);
    if ( page )
    {
        page[1234] ^= 4;
        xenforeignmemory_unmap(fmem, page, 1);
    }
    xenforeignmemory_close(fmem);
    return page ? 0 : -EFAULT;
}

static int corrupt(xen_pfn_t gfn)
{
    int rc = ask_by_store();

    if ( !rc )
        rc = await(has_suspended, 0);
    if ( !rc )
        rc = flip_bit(gfn);
    if ( !rc )
        rc = resume();
    return rc;
}

static int one_round(unsigned int round, bool by_event, uint64_t *longest_us)
{
    uint64_t start = now_us();
    xenevtchn_handle *xce = NULL;
    int lockfd = -1, rc;

    if ( by_event )
    {
        xce = xenevtchn_open(NULL, 0);
        if ( !xce )
            return -errno;
        rc = ask_by_event(xce, xs_suspend_evtchn_port(domid), &lockfd);
        xenevtchn_close(xce);
    }
    else
        rc = ask_by_store();
    if ( !rc )
        rc = await(has_suspended, round);
    if ( rc )
    {
        fprintf(stderr, "round %u: no suspend: %s\n", round, strerror(-rc));
        return rc;
    }
    if ( now_us() - start > *longest_us )
        *longest_us = now_us() - start;
    rc = resume();
    if ( rc )
    {
        fprintf(stderr, "round %u: resume: %s\n", round, strerror(-rc));
        return rc;
    }
    rc = await(goes_on, round);
    if ( rc )
        fprintf(stderr, "round %u: the guest does not go on: %s\n", round,
                strerror(-rc));
    return rc;
}

int main(int argc, char **argv)
{
    uint64_t longest_us = 0;
    unsigned int i, rounds;
    char path[128];
    int rc = 0;

    if ( argc != 4 )
        return 2;
    domid = strtoul(argv[1], NULL, 10);
    rounds = strtoul(argv[2], NULL, 10);
    xch = xc_interface_open(NULL, NULL, 0);
    xsh = xs_open(0);
    if ( !xch || !xsh ||
         !xs_watch(xsh, "@releaseDomain", "r") ||
         !xs_watch(xsh, path_of("data", path, sizeof(path)), "d") )
    {
        fprintf(stderr, "no host: %s\n", strerror(errno));
        return 1;
    }
    if ( !strcmp(argv[3], "corrupt") )
    {
        rc = corrupt(strtoul(argv[2], NULL, 0));
        rounds = 0;
    }
    for ( i = 1; i <= rounds && !rc; i++ )
        rc = one_round(i, !strcmp(argv[3], "event"), &longest_us);
    if ( !rc )
        printf("%llu\n", (unsigned long long)longest_us);
    xs_close(xsh);
    xc_interface_close(xch);
    return rc ? 1 : 0;
}
