/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The seams to hypervisor and xenstore (hv.h, store.h) on a host: every
 * function, and with them a guest moved by hand into a second domain of the
 * same host.  Prints TAP.
 *
 *   hv DOMID      a running domain that keeps writing to its memory
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv.h"
#include "store.h"
#include "tap.h"

#define WAIT_US (20 * US_PER_S)
#define WINDOW  2048u

static struct hv *hv;
static struct store *st;
static uint32_t old_id, new_id;
static struct hv_domain old_info;
static uint64_t nr_gfns;
static struct pageset ram;

/* ---- Facts ------------------------------------------------------------- */

static void facts(void)
{
    struct hv_domain info, *list = NULL;
    struct hv_host host = { 0 };
    bool found = false;
    size_t n = 0, i;

    claim(!hv_host_info(hv, &err, &host) && host.xen_version >> 16 == 4 &&
          host.free_pages && host.free_pages < host.total_pages,
          "the host has a version and memory");
    claim(!hv_domain_info(hv, &err, old_id, &old_info) && old_info.hvm &&
          old_info.domid == old_id && !old_info.shut_down &&
          old_info.vcpus && old_info.tot_pages,
          "a domain has facts");
    claim(hv_domain_info(hv, &err, old_id + 500, &info) == -ENOENT &&
          said("no such domain"), "a domid that is not there is not found");
    claim(hv_domain_info(hv, &err, 1 << 20, &info) < 0,
          "a domid that cannot be is an error");
    claim(!hv_domain_list(hv, &err, &list, &n), "domains are listed");
    for ( i = 0; i < n; i++ )
        found |= list[i].domid == old_id &&
                 ident_equal(list[i].uuid, old_info.uuid);
    claim(found && n >= 2 && list[0].domid == 0,
          "the list has dom0 and the domain");
    free(list);
    claim(!hv_carried(hv, &err, old_id), "the domain is carried");
    claim(!store_carried(st, &err, old_id), "xenstore finds it carried");
    claim(hv_carried(hv, &err, 0) == -EINVAL && said("host's own"),
          "dom0 is not carried, and it says why");
}

static void types(void)
{
    struct pageset broken;

    claim(!hv_nr_gfns(hv, &err, old_id, &nr_gfns) && nr_gfns > 1000,
          "there is a highest gfn");
    if ( pageset_init(&ram, nr_gfns) || pageset_init(&broken, nr_gfns) )
        exit(99);
    claim(!hv_page_types(hv, &err, old_id, 0, nr_gfns, &ram, &broken) &&
          ram.count == old_info.tot_pages && !broken.count,
          "types count as many frames as the domain has (%" PRIu64 ")",
          old_info.tot_pages);
    claim(!pageset_test(&ram, 1) && pageset_test(&ram, 0) &&
          pageset_test(&ram, 2),
          "a guest's shared info page is a hole in its memory");
    pageset_done(&broken);
}

static void mapping(void)
{
    uint64_t hole = pageset_next_clear(&ram, 0), gfns[3];
    volatile uint8_t *addr;
    int errs[3] = { 1, 1, 1 };
    void *p = NULL;

    claim(!hv_map_range(hv, &err, old_id, false, WINDOW, WINDOW, NULL, &p),
          "%u gfns are mapped in one piece", WINDOW);
    addr = p;
    claim(addr && (addr[0] | addr[WINDOW * 4096 - 1] | 1), "and are there");
    hv_unmap(hv, p, WINDOW);
    gfns[0] = 2;
    gfns[1] = hole;
    gfns[2] = 3;
    p = NULL;
    claim(!hv_map(hv, &err, old_id, false, gfns, 3, errs, &p) && !errs[0] &&
          errs[1] < 0 && !errs[2], "a hole is named, its neighbours map");
    hv_unmap(hv, p, 3);
    claim(hv_map(hv, &err, old_id, false, gfns, 3, NULL, &p) < 0,
          "without a place for errors a hole fails it all");
}

static void dirty_log(void)
{
    uint64_t until = deadline_in(WAIT_US);
    struct hv_dirty *d = NULL, *again = NULL;
    struct hv_dirty_stats stats;
    struct pageset set, peek;

    if ( pageset_init(&set, nr_gfns) || pageset_init(&peek, nr_gfns) )
        exit(99);
    if ( !claim(!hv_dirty_open(hv, &err, old_id, nr_gfns, &d),
                "the dirty log goes on") )
        exit(tap_done());
    while ( !set.count && !deadline_passed(until) &&
            !hv_dirty_fetch(d, &err, false, &set, NULL) )
        cancel_poll(NULL, -1, 0, deadline_in(10 * US_PER_MS));
    claim(set.count > 0, "what the guest writes is in it");
    claim(pageset_count_and(&set, &ram) == set.count,
          "and nothing that has no frame");
    hv_pause(hv, &err, old_id);
    pageset_zero(&set);
    claim(!hv_dirty_fetch(d, &err, false, &set, &stats),
          "the log of a paused domain is fetched");
    pageset_zero(&set);
    claim(!hv_dirty_fetch(d, &err, false, &set, &stats) && !set.count &&
          !stats.dirty_pages, "and was cleared by that");
    hv_unpause(hv, &err, old_id);
    while ( !peek.count && !deadline_passed(until) &&
            !hv_dirty_peek(d, &err, &peek, NULL) )
        cancel_poll(NULL, -1, 0, deadline_in(10 * US_PER_MS));
    pageset_zero(&set);
    claim(peek.count && !hv_dirty_fetch(d, &err, true, &set, NULL) &&
          pageset_count_and(&set, &peek) == peek.count,
          "a look leaves in the log what it saw");
    pageset_zero(&set);
    claim(!hv_dirty_fetch(d, &err, false, &set, NULL) &&
          pageset_count_and(&set, &peek) == peek.count,
          "and so does the last fetch");
    claim(!hv_dirty_open(hv, &err, old_id, nr_gfns, &again),
          "a log that was left on begins anew");
    hv_dirty_close(again);
    hv_dirty_close(d);
    pageset_done(&set);
    pageset_done(&peek);
}

/* ---- Suspend ----------------------------------------------------------- */

/* Wait until the domain has suspended itself. */
static bool suspended(uint32_t domid, struct store_watch *w)
{
    uint64_t until = deadline_in(WAIT_US);
    struct hv_domain info;

    do {
        if ( hv_domain_info(hv, &err, domid, &info) )
            return false;
        if ( info.shut_down )
            return info.shutdown_reason == HV_SHUTDOWN_SUSPEND;
    } while ( !store_watch_wait(w, until, NULL, NULL) );

    return false;
}

static void withdrawing(void)
{
    bool acked = true;
    char *value = NULL;

    hv_pause(hv, &err, old_id);
    claim(!store_suspend_request(st, &err, old_id) &&
          !store_suspend_withdraw(st, &err, old_id, &acked) && !acked,
          "a request that nobody took is withdrawn");
    claim(!store_read(st, &err, &value, "/local/domain/%u/control/shutdown",
                      old_id) && !value[0], "and the node is empty again");
    free(value);
    hv_unpause(hv, &err, old_id);
}

static void cooperating(struct store_watch *w)
{
    bool acked = false;
    char *path = NULL;

    claim(!store_suspend_request(st, &err, old_id) && suspended(old_id, w),
          "the guest suspends itself on request");
    claim(!store_suspend_acked(st, &err, old_id, &acked) && acked &&
          !store_suspend_withdraw(st, &err, old_id, &acked) && acked,
          "and the withdrawal comes too late");
    claim(!hv_resume(hv, &err, old_id) && !store_resume(st, &err, old_id),
          "it is resumed cooperatively");
    claim(store_watch_wait(w, deadline_in(1000), NULL, &path) <= 0,
          "watches go on");
    free(path);
}

/* Notify the guest's own suspend port, and be told of the suspend by it. */
static void by_event_channel(void)
{
    struct hv_port *port = NULL;
    struct hv_domain info;
    uint32_t number = 0;
    int rc;

    if ( store_suspend_port(st, &err, old_id, &number) )
    {
        printf("ok %u - suspend by event channel # SKIP none offered\n",
               ++nr);
        err_reset(&err);
        return;
    }
    claim(!hv_port_bind(hv, &err, old_id, number, &port),
          "its suspend port is bound");
    while ( !hv_port_take(port, &err) )
        continue;
    rc = hv_port_on_suspend(hv, &err, old_id, number);
    claim(!rc, "subscribed to its suspend");
    claim(!hv_port_notify(port, &err) &&
          !cancel_poll(NULL, hv_port_fd(port), POLLIN,
                       deadline_in(WAIT_US)) && !hv_port_take(port, &err),
          "notified, the guest suspends, and the port tells");
    claim(hv_port_take(port, &err) == -EAGAIN, "once");
    claim(!hv_domain_info(hv, &err, old_id, &info) && info.shut_down &&
          info.shutdown_reason == HV_SHUTDOWN_SUSPEND, "it has suspended");
    hv_port_close(port);
    claim(!hv_resume(hv, &err, old_id) && !store_resume(st, &err, old_id),
          "it is resumed again");
}

/* ---- A move by hand ---------------------------------------------------- */

static void create(void)
{
    struct hv_create c = {
        .hap = old_info.hap, .ssidref = old_info.ssidref,
        .vcpus = old_info.vcpus,
        .emulation_flags = old_info.emulation_flags,
        .misc_flags = old_info.misc_flags,
        .max_mem_kib = (old_info.tot_pages + 512) * 4,
    };
    struct hv_host host;
    uint64_t pool = 0;
    uint64_t done_gfns = 0;

    memcpy(c.uuid, old_info.uuid, sizeof(c.uuid));
    if ( !hv_paging_pool_get(hv, NULL, old_id, &pool) )
        c.paging_bytes = pool;
    if ( !claim(!hv_create(hv, &err, &c, &new_id), "a domain is created") )
        exit(tap_done());
    hv_host_info(hv, NULL, &host);
    claim(hv_claim(hv, &err, new_id, c.max_mem_kib / 4 + 1) == -EINVAL,
          "more memory than the domain may have cannot be claimed");
    claim(!hv_set_max_mem(hv, &err, new_id, host.total_pages * 8) &&
          hv_claim(hv, &err, new_id, host.free_pages + 1000) == -ENOMEM &&
          said("free"), "nor more than there is");
    claim(!hv_set_max_mem(hv, &err, new_id, c.max_mem_kib),
          "the limit is changed");
    claim(!hv_claim(hv, &err, new_id, ram.count), "what is needed can");
    claim(hv_populate_range(hv, &err, new_id, 3, old_info.tot_pages + 5000,
                            &done_gfns) == -ENOMEM &&
          done_gfns == old_info.tot_pages + 512,
          "populating ends at the domain's limit, and not before");
    claim(!hv_depopulate(hv, &err, new_id, 3, old_info.tot_pages + 5000),
          "frames are taken away, holes passed over");
}

static void populate(void)
{
    struct gfn_run run;
    struct pageset got;
    uint64_t scattered[3] = { 0 };
    size_t n = 0;
    bool good = true;

    if ( pageset_init(&got, nr_gfns) )
        exit(99);
    pageset_for_each_run(&ram, run)
        good = good && !hv_populate_range(hv, &err, new_id, run.first,
                                          run.count, NULL);
    claim(good, "all ranges are populated");
    claim(!hv_page_types(hv, &err, new_id, 0, nr_gfns, &got, NULL) &&
          pageset_equal(&got, &ram), "and no gfn else");
    scattered[0] = pageset_next_set(&ram, WINDOW);
    scattered[1] = scattered[0] + 7;
    scattered[2] = scattered[0] + 5;
    claim(!hv_depopulate(hv, &err, new_id, scattered[0], 8) &&
          !hv_populate_range(hv, &err, new_id, scattered[0] + 1, 4, NULL) &&
          !hv_populate_range(hv, &err, new_id, scattered[0] + 6, 1, NULL) &&
          !hv_populate(hv, &err, new_id, scattered, 3, &n) && n == 3,
          "single gfns come back");
    pageset_zero(&got);
    claim(!hv_page_types(hv, &err, new_id, 0, nr_gfns, &got, NULL) &&
          pageset_equal(&got, &ram), "all of them");
    pageset_done(&got);
}

static void policy(void)
{
    struct hv_policy p = { 0 };
    uint32_t *leaves;

    if ( !claim(!hv_policy_get(hv, &err, old_id, &p) && p.nr_leaves,
                "a domain has a CPU policy") )
        return;
    claim(!hv_policy_check(hv, &err, p.leaves, p.nr_leaves, p.msrs,
                           p.nr_msrs), "which goes with its own host");
    claim(!hv_policy_set(hv, &err, new_id, p.leaves, p.nr_leaves, p.msrs,
                         p.nr_msrs), "and with the new domain");
    leaves = p.leaves;
    leaves[0] = 0x12345678;      /* no such leaf */
    claim(hv_policy_check(hv, &err, p.leaves, p.nr_leaves, p.msrs,
                          p.nr_msrs) == -EOPNOTSUPP,
          "one with an unknown leaf does not");
    hv_policy_done(&p);
}

static void copy_memory(void)
{
    struct hv *other = NULL;
    struct gfn_run run;
    bool good = true;

    /* A second set of handles, as a mapper thread has. */
    good = !hv_clone(hv, &err, &other);
    run.first = run.count = 0;
    while ( good && pageset_next_run(&ram, run.first + run.count, WINDOW,
                                     &run) )
    {
        void *from = NULL, *to = NULL;

        good = !hv_map_range(hv, &err, old_id, false, run.first, run.count,
                             NULL, &from) &&
               !hv_map_range(other, &err, new_id, true, run.first, run.count,
                             NULL, &to);
        if ( good )
            memcpy(to, from, run.count * PAGE_BYTES);
        hv_unmap(hv, from, run.count);
        hv_unmap(other, to, run.count);
    }
    hv_close(other);
    claim(good, "memory is copied");
}

static void copy_state(struct hv_rings *rings)
{
    struct hv_param params[HV_PARAMS_MAX], bad = { .index = 2, .value = 1 };
    struct hv_rings was = { 0 };
    uint32_t sp = 0, cp = 0, sp2 = 0, cp2 = 0;
    struct hv_tsc tsc = { 0 };
    unsigned int n = 0;
    size_t len = 0;
    void *ctx = NULL;

    claim(!hv_tsc_get(hv, &err, old_id, &tsc) &&
          !hv_tsc_set(hv, &err, new_id, &tsc), "the TSC's mode is copied");
    claim(!hv_params_get(hv, &err, old_id, params, &n) && n >= 2 &&
          !hv_params_set(hv, &err, new_id, params, n),
          "the parameters are copied");
    claim(hv_params_set(hv, &err, new_id, &bad, 1) == -EPROTO,
          "one that does not travel is refused");
    bad.index = params[0].index;
    bad.value = nr_gfns + 5000;
    claim(hv_params_set(hv, &err, new_id, &bad, 1) == -EPROTO,
          "a ring page that is not there is refused");
    claim(!hv_params_set(hv, &err, new_id, params, n), "and set right again");
    claim(!hv_rings_ports(hv, &err, new_id, &sp, &cp) && sp && cp &&
          sp != cp, "the rings have ports");
    claim(!hv_rings_ports(hv, &err, new_id, &sp2, &cp2) && sp2 == sp &&
          cp2 == cp, "and keep them");
    claim(!hv_rings_get(hv, &err, new_id, rings) && rings->store_port == sp &&
          !hv_rings_get(hv, &err, old_id, &was) &&
          rings->store_gfn == was.store_gfn &&
          rings->console_gfn == was.console_gfn,
          "and the pages of the old domain");
    claim(!hv_rings_seed(hv, &err, new_id, rings), "which are granted");
    claim(!hv_context_get(hv, &err, old_id, &ctx, &len) && len > 100 &&
          !hv_context_set(hv, &err, new_id, ctx, len),
          "the context is copied");
    claim(hv_context_set(hv, &err, new_id, ctx, 8) < 0,
          "half a context is refused");
    claim(!hv_context_set(hv, &err, new_id, ctx, len), "the whole is taken");
    free(ctx);
}

static void copy_store(const struct hv_rings *rings)
{
    struct store_pairs pairs = { 0 };
    struct store_domain d = {
        .domid = new_id, .name = "moved--incoming",
        .vcpus = old_info.vcpus, .pairs = &pairs,
    };
    uint32_t found = 0;
    char *name = NULL;

    memcpy(d.uuid, old_info.uuid, sizeof(d.uuid));
    claim(!store_export(st, &err, old_id, &pairs) &&
          store_pairs_get(&pairs, "memory/target") &&
          store_pairs_get(&pairs, "vif/0/mac") &&
          store_pairs_get(&pairs, "data/program") &&
          !store_pairs_get(&pairs, "control/shutdown"),
          "the right nodes travel");
    d.target_kib = d.max_mem_kib =
        strtoull(store_pairs_get(&pairs, "memory/target"), NULL, 10);
    if ( store_pairs_add(&pairs, "vif/1/mac", "$(reboot)") )
        exit(99);
    claim(store_build(st, &err, &d) == -EPROTO && said("vif/1/mac"),
          "a value that the host must not see is refused");
    pairs.pairs[pairs.nr - 1].key[4] = 'x';
    claim(!store_build(st, &err, &d), "the new subtree is built");
    d.store_gfn = rings->store_gfn;
    d.console_gfn = rings->console_gfn;
    d.store_port = rings->store_port;
    d.console_port = rings->console_port;
    claim(!store_connect(st, &err, &d), "and connected");
    claim(!store_find(st, &err, d.name, &found) && found == new_id,
          "the domain is found by its name");
    claim(!store_name(st, &err, old_id, &name) &&
          store_rename(st, &err, new_id, name) == -EEXIST,
          "a name that is taken is refused");
    claim(!store_rename(st, &err, old_id, "moved--away") &&
          !store_rename(st, &err, new_id, name), "names are changed");
    claim(store_find(st, &err, d.name, &found) == -ENOENT,
          "the old one is forgotten");
    free(name);
    store_pairs_done(&pairs);
}

/* Xen's own programs let go of it when they hear of its end. */
static bool gone(uint32_t domid)
{
    uint64_t until_us = deadline_in(WAIT_US);
    struct hv_domain info;

    while ( !deadline_passed(until_us) )
        if ( hv_domain_info(hv, NULL, domid, &info) == -ENOENT )
            return true;

    return false;
}

static void move(struct store_watch *w)
{
    struct hv_rings rings = { 0 };
    void *page = NULL, *other = NULL;
    struct hv_domain info;
    uint64_t holes;

    create();
    claim(!store_suspend_request(st, &err, old_id) && suspended(old_id, w),
          "the guest suspends itself once more");
    holes = ram.count;
    hv_page_types(hv, &err, old_id, 0, nr_gfns, &ram, NULL);
    claim(ram.count <= holes, "types are read again");
    populate();
    policy();
    copy_memory();
    copy_state(&rings);
    copy_store(&rings);
    claim(!hv_unpause(hv, &err, new_id), "the new domain runs");
    claim(!hv_map_range(hv, &err, old_id, false, WINDOW, 1, NULL, &page) &&
          !hv_destroy(hv, &err, old_id) && !store_remove(st, &err, old_id),
          "the old one is destroyed");
    claim(!hv_domain_info(hv, &err, old_id, &info) && info.dying &&
          !hv_destroy(hv, &err, old_id),
          "it is dying for as long as a page of it is mapped");
    claim(hv_map_range(hv, &err, old_id, false, WINDOW, 1, NULL, &other) < 0,
          "when no other can be");
    hv_unmap(hv, page, 1);
    claim(gone(old_id), "and gone with the mapping");
    claim(!store_remove(st, &err, old_id), "and not missed");
}

static void boot_id(void)
{
    uint8_t a[IDENT_BYTES], b[IDENT_BYTES];

    claim(!store_boot_id(st, &err, a) && !store_boot_id(st, &err, b) &&
          ident_equal(a, b) && !ident_is_null(a),
          "the host has one boot identity");
}

int main(int argc, char **argv)
{
    struct store_watch *w = NULL;

    if ( argc != 2 )
        return 99;
    old_id = (uint32_t)strtoul(argv[1], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    err_init(&err);
    if ( !claim(!hv_open(NULL, &err, &hv), "the hypervisor opens") ||
         !claim(!store_open(&err, &st), "xenstore opens") ||
         !claim(!store_watch_open(&err, &w) &&
                !store_watch_add(w, &err, "@releaseDomain"),
                "a watch is set") )
        exit(tap_done());
    boot_id();
    facts();
    types();
    mapping();
    dirty_log();
    withdrawing();
    cooperating(w);
    by_event_channel();
    move(w);
    store_watch_close(w);
    store_close(st);
    hv_close(hv);
    pageset_done(&ram);
    printf("# new domain %u\n", new_id);

    return tap_done();
}
