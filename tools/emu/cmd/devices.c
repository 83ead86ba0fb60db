/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a domain has in xenstore: its own subtree with the permissions a
 * toolstack gives, /vm, its console for xenconsoled and its network
 * interfaces for a backend in dom0.  The domains made here are not libxl's,
 * so nothing is written under /libxl.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>
#include <xenctrl.h>
#include <xenstore.h>

#include "cmd.h"

#define CONSOLE_LIMIT "1048576"
#define XENBUS_INITIALISING "1"

struct subtree
{
    const struct dom_config *c;
    const struct dom_built *b;
};

/* "%u" of a value, for node_put's value argument. */
static const char *num(char buf[24], uint64_t v)
{
    snprintf(buf, 24, "%lu", (unsigned long)v);

    return buf;
}

static void fill_control(struct node_tx *tx, const char *dom)
{
    static const char *const guest_writes[] = {
        "control/shutdown", "control/feature-poweroff",
        "control/feature-reboot", "control/feature-suspend",
        "control/sysrq", "device/suspend/event-channel", "data", "drivers",
        "feature", "attr", "error",
    };
    size_t i;

    node_put(tx, NODE_RO, NULL, "%s/device", dom);
    node_put(tx, NODE_RO, NULL, "%s/device/suspend", dom);
    node_put(tx, NODE_RO, NULL, "%s/control", dom);
    for ( i = 0; i < sizeof(guest_writes) / sizeof(guest_writes[0]); i++ )
        node_put(tx, NODE_RW, "", "%s/%s", dom, guest_writes[i]);
    node_put(tx, NODE_RO, "1",
             "%s/control/platform-feature-multiprocessor-suspend", dom);
    node_put(tx, NODE_RO, "1", "%s/control/platform-feature-xs_reset_watches",
             dom);
}

static void fill_console(struct node_tx *tx, const char *dom,
                         const struct dom_built *b)
{
    char buf[24];

    node_put(tx, NODE_RO, NULL, "%s/console", dom);
    node_put(tx, NODE_RO, "0", "%s/console/backend-id", dom);
    node_put(tx, NODE_RO, CONSOLE_LIMIT, "%s/console/limit", dom);
    node_put(tx, NODE_RO, "xenconsoled", "%s/console/type", dom);
    node_put(tx, NODE_RO, "pty", "%s/console/output", dom);
    node_put(tx, NODE_RO, "", "%s/console/tty", dom);
    node_put(tx, NODE_RO, num(buf, b->console_port), "%s/console/port", dom);
    node_put(tx, NODE_RO, num(buf, b->console_gfn), "%s/console/ring-ref",
             dom);
}

static void fill_vif(struct node_tx *tx, const char *dom, unsigned int devid,
                     const struct vif_config *v)
{
    char front[128], back[128], buf[24];

    snprintf(front, sizeof(front), "%s/device/vif/%u", dom, devid);
    snprintf(back, sizeof(back), "/local/domain/0/backend/vif/%u/%u",
             tx->domid, devid);

    node_put(tx, NODE_RO, NULL, "%s/device/vif", dom);
    node_put(tx, NODE_RW, NULL, "%s", front);
    node_put(tx, NODE_RW, back, "%s/backend", front);
    node_put(tx, NODE_RW, "0", "%s/backend-id", front);
    node_put(tx, NODE_RW, num(buf, devid), "%s/handle", front);
    node_put(tx, NODE_RW, v->mac, "%s/mac", front);
    node_put(tx, NODE_RW, XENBUS_INITIALISING, "%s/state", front);

    node_put(tx, NODE_RO, NULL, "%s", back);
    node_put(tx, NODE_RO, front, "%s/frontend", back);
    node_put(tx, NODE_RO, num(buf, tx->domid), "%s/frontend-id", back);
    node_put(tx, NODE_RO, num(buf, devid), "%s/handle", back);
    node_put(tx, NODE_RO, v->mac, "%s/mac", back);
    node_put(tx, NODE_RO, v->bridge, "%s/bridge", back);
    node_put(tx, NODE_RO, "vif", "%s/type", back);
    node_put(tx, NODE_RO, "1", "%s/online", back);
    node_put(tx, NODE_RO, XENBUS_INITIALISING, "%s/state", back);
}

static void fill_domain(struct node_tx *tx, void *arg)
{
    const struct subtree *s = arg;
    const struct dom_config *c = s->c;
    const struct dom_built *b = s->b;
    char dom[64], uuid[37], vm[64], buf[24];
    unsigned int i;

    uuid_unparse_lower(c->uuid, uuid);
    snprintf(dom, sizeof(dom), "/local/domain/%u", b->domid);
    snprintf(vm, sizeof(vm), "/vm/%s", uuid);

    xs_rm(tx->xs, tx->t, dom);
    node_put(tx, NODE_RO, NULL, "%s", dom);
    node_put(tx, NODE_RO, c->name, "%s/name", dom);
    node_put(tx, NODE_RO, num(buf, b->domid), "%s/domid", dom);
    node_put(tx, NODE_RO, vm, "%s/vm", dom);

    xs_rm(tx->xs, tx->t, vm);
    node_put(tx, NODE_RO, NULL, "%s", vm);
    node_put(tx, NODE_RO, c->name, "%s/name", vm);
    node_put(tx, NODE_RO, uuid, "%s/uuid", vm);

    node_put(tx, NODE_RO, NULL, "%s/cpu", dom);
    for ( i = 0; i < c->vcpus; i++ )
        node_put(tx, NODE_RO, "online", "%s/cpu/%u/availability", dom, i);
    node_put(tx, NODE_RO, NULL, "%s/memory", dom);
    node_put(tx, NODE_RO, num(buf, c->maxmem_mib * 1024),
             "%s/memory/static-max", dom);
    node_put(tx, NODE_RO, num(buf, c->memory_mib * 1024),
             "%s/memory/target", dom);
    fill_control(tx, dom);

    node_put(tx, NODE_RO, NULL, "%s/store", dom);
    node_put(tx, NODE_RO, num(buf, b->store_port), "%s/store/port", dom);
    node_put(tx, NODE_RO, num(buf, b->store_gfn), "%s/store/ring-ref", dom);
    fill_console(tx, dom, b);
    for ( i = 0; i < c->nr_vifs; i++ )
        fill_vif(tx, dom, i, &c->vifs[i]);
}

int devices_add(struct tools *t, const struct dom_config *c,
                const struct dom_built *b)
{
    struct subtree s = { .c = c, .b = b };
    int rc;

    rc = node_transaction(t->xs, b->domid, fill_domain, &s);
    if ( rc )
        return rc;
    if ( !xs_introduce_domain(t->xs, b->domid, b->store_gfn, b->store_port) )
    {
        rc = errno ? -errno : -EIO;
        err("xenstored would not take domain %u: %s", b->domid,
            strerror(-rc));
        devices_remove(t, b->domid);
    }

    return rc;
}

/* Every backend in dom0 that serves the domain. */
static void remove_backends(struct xs_handle *xs, uint32_t domid)
{
    unsigned int n = 0, i;
    char path[256];
    char **kinds;

    kinds = xs_directory(xs, XBT_NULL, "/local/domain/0/backend", &n);
    for ( i = 0; kinds && i < n; i++ )
    {
        snprintf(path, sizeof(path), "/local/domain/0/backend/%.64s/%u",
                 kinds[i], domid);
        xs_rm(xs, XBT_NULL, path);
    }
    free(kinds);
}

/* A domain moved within its host has the same /vm as its successor. */
static bool vm_is_shared(struct tools *t, const char *vm, uint32_t domid)
{
    unsigned int n = 0, i;
    bool shared = false;
    char **doms, *other;

    doms = xs_directory(t->xs, XBT_NULL, "/local/domain", &n);
    for ( i = 0; doms && i < n && !shared; i++ )
    {
        if ( strtoul(doms[i], NULL, 10) == domid )
            continue;
        other = node_get(t->xs, "/local/domain/%.16s/vm", doms[i]);
        shared = other && !strcmp(other, vm);
        free(other);
    }
    free(doms);

    return shared;
}

int devices_remove(struct tools *t, uint32_t domid)
{
    char path[256], *vm;
    bool shared;

    vm = node_get(t->xs, "/local/domain/%u/vm", domid);
    shared = vm && vm_is_shared(t, vm, domid);
    remove_backends(t->xs, domid);
    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    xs_rm(t->xs, XBT_NULL, path);
    if ( vm && !shared && !strncmp(vm, "/vm/", 4) )
        xs_rm(t->xs, XBT_NULL, vm);
    free(vm);
    snprintf(path, sizeof(path), "/libxl/%u", domid);
    xs_rm(t->xs, XBT_NULL, path);
    /* Fails where xenstored has already noticed the end by itself. */
    xs_release_domain(t->xs, domid);

    return 0;
}
