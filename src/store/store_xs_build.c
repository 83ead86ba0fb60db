/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Laying out a new domain's subtree, and taking it away.
 *
 * The layout and the permissions are those that libxl gives a PVH domain.
 * Everything a peer's pairs say goes through store_key_travels() first, and
 * the script of a network interface must be one in the host's own directory.
 */
#include "store_xs.h"

#include <inttypes.h>

#define SCRIPT_DIR "/etc/xen/scripts/"
#define CONSOLE_LIMIT "1048576"
#define XENBUS_INITIALISING "1"
#define VIFS_MAX 16u

/* A writer of nodes that remembers its first failure. */
struct layout
{
    struct store *st;
    struct err *e;
    const struct store_domain *d;
    char dom[40], vm[48];
    int rc;
};

static void put(struct layout *l, enum store_perm perm, const char *value,
                const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* value NULL: a directory. */
static void put(struct layout *l, enum store_perm perm, const char *value,
                const char *fmt, ...)
{
    char path[STORE_PATH_MAX];
    va_list ap;

    if ( l->rc )
        return;
    va_start(ap, fmt);
    l->rc = store_path(path, l->e, fmt, ap);
    va_end(ap);
    if ( l->rc )
        return;
    l->rc = value ? store_write(l->st, l->e, value, "%s", path)
                  : store_mkdir(l->st, l->e, "%s", path);
    if ( !l->rc )
        l->rc = store_perm(l->st, l->e, l->d->domid, perm, "%s", path);
}

static void put_u64(struct layout *l, enum store_perm perm, uint64_t value,
                    const char *path)
{
    char buf[24];

    snprintf(buf, sizeof(buf), "%" PRIu64, value);
    put(l, perm, buf, "%s/%s", l->dom, path);
}

/* The peer's pair, or NULL. */
static const char *pair(const struct layout *l, const char *key)
{
    return l->d->pairs ? store_pairs_get(l->d->pairs, key) : NULL;
}

static void put_identity(struct layout *l)
{
    char uuid[IDENT_TEXT], *there;

    put(l, STORE_PERM_READ, NULL, "%s", l->dom);
    put(l, STORE_PERM_READ, l->d->name, "%s/name", l->dom);
    put_u64(l, STORE_PERM_READ, l->d->domid, "domid");
    put(l, STORE_PERM_READ, l->vm, "%s/vm", l->dom);

    /* A domain that moves within its host shares /vm with its successor. */
    if ( !l->rc && !store_read(l->st, NULL, &there, "%s/uuid", l->vm) )
    {
        free(there);
        return;
    }
    put(l, STORE_PERM_READ, NULL, "%s", l->vm);
    put(l, STORE_PERM_READ, l->d->name, "%s/name", l->vm);
    put(l, STORE_PERM_READ, ident_text(l->d->uuid, uuid), "%s/uuid", l->vm);
}

static void put_cpus(struct layout *l)
{
    char key[40];
    const char *value;
    unsigned int i;

    put(l, STORE_PERM_READ, NULL, "%s/cpu", l->dom);
    for ( i = 0; i < l->d->vcpus; i++ )
    {
        snprintf(key, sizeof(key), "cpu/%u/availability", i);
        value = pair(l, key);
        put(l, STORE_PERM_READ,
            value && !strcmp(value, "offline") ? "offline" : "online",
            "%s/%s", l->dom, key);
    }
}

static void put_control(struct layout *l)
{
    static const char *const guest_writes[] = {
        "control/shutdown", "control/feature-poweroff",
        "control/feature-reboot", "control/feature-suspend",
        "control/sysrq", "device/suspend/event-channel", "data", "drivers",
        "feature", "attr", "error",
    };
    size_t i;

    put(l, STORE_PERM_READ, NULL, "%s/device", l->dom);
    put(l, STORE_PERM_READ, NULL, "%s/device/suspend", l->dom);
    put(l, STORE_PERM_READ, NULL, "%s/control", l->dom);
    for ( i = 0; i < sizeof(guest_writes) / sizeof(guest_writes[0]); i++ )
        put(l, STORE_PERM_WRITE, "", "%s/%s", l->dom, guest_writes[i]);
    put(l, STORE_PERM_READ, "1",
        "%s/control/platform-feature-multiprocessor-suspend", l->dom);
    put(l, STORE_PERM_READ, "1",
        "%s/control/platform-feature-xs_reset_watches", l->dom);
}

static void put_rings(struct layout *l)
{
    const struct store_domain *d = l->d;

    put(l, STORE_PERM_READ, NULL, "%s/store", l->dom);
    put(l, STORE_PERM_READ, NULL, "%s/console", l->dom);
    if ( d->store_port )
        put_u64(l, STORE_PERM_READ, d->store_port, "store/port");
    if ( d->store_gfn )
        put_u64(l, STORE_PERM_READ, d->store_gfn, "store/ring-ref");
    if ( d->console_port )
        put_u64(l, STORE_PERM_READ, d->console_port, "console/port");
    if ( d->console_gfn )
        put_u64(l, STORE_PERM_READ, d->console_gfn, "console/ring-ref");
}

static void put_console(struct layout *l)
{
    put_rings(l);
    put(l, STORE_PERM_READ, "0", "%s/console/backend-id", l->dom);
    put(l, STORE_PERM_READ, CONSOLE_LIMIT, "%s/console/limit", l->dom);
    put(l, STORE_PERM_READ, "xenconsoled", "%s/console/type", l->dom);
    put(l, STORE_PERM_READ, "pty", "%s/console/output", l->dom);
    put(l, STORE_PERM_READ, "", "%s/console/tty", l->dom);
}

/* ---- Network interfaces ------------------------------------------------ */

/* May it be run?  A name in the host's directory and nothing else. */
static bool script_sound(const char *name)
{
    return !strncmp(name, "vif-", 4) && strlen(name) < 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                  "0123456789-_") == strlen(name);
}

/* What both the backend and libxl are told of it, in their directories. */
static void put_vif_facts(struct layout *l, enum store_perm perm,
                          unsigned int n, const char *dir)
{
    static const struct
    {
        const char *leaf, *otherwise;
    } facts[] = {
        { "mac", NULL }, { "rate", NULL }, { "ip", NULL }, { "mtu", NULL },
        { "bridge", "" }, { "type", "vif" },
    };
    const char *value;
    char buf[128];
    size_t i;

    snprintf(buf, sizeof(buf), "%u", l->d->domid);
    put(l, perm, buf, "%s/frontend-id", dir);
    snprintf(buf, sizeof(buf), "%u", n);
    put(l, perm, buf, "%s/handle", dir);
    put(l, perm, "1", "%s/online", dir);
    for ( i = 0; i < sizeof(facts) / sizeof(facts[0]); i++ )
    {
        snprintf(buf, sizeof(buf), "vif/%u/%s", n, facts[i].leaf);
        value = pair(l, buf);
        if ( !value )
            value = facts[i].otherwise;
        if ( value )
            put(l, perm, value, "%s/%s", dir, facts[i].leaf);
    }
    snprintf(buf, sizeof(buf), "vif/%u/script", n);
    value = pair(l, buf);
    if ( value && script_sound(value) )
    {
        snprintf(buf, sizeof(buf), SCRIPT_DIR "%.64s", value);
        put(l, perm, buf, "%s/script", dir);
    }
}

static void put_vif(struct layout *l, unsigned int n, const char *mac)
{
    char front[96], back[96], tool[96], num[16];

    snprintf(front, sizeof(front), "%s/device/vif/%u", l->dom, n);
    snprintf(back, sizeof(back), "/local/domain/0/backend/vif/%u/%u",
             l->d->domid, n);
    snprintf(tool, sizeof(tool), "/libxl/%u/device/vif/%u", l->d->domid, n);
    snprintf(num, sizeof(num), "%u", n);

    put(l, STORE_PERM_READ, NULL, "%s/device/vif", l->dom);
    put(l, STORE_PERM_WRITE, NULL, "%s", front);
    put(l, STORE_PERM_WRITE, back, "%s/backend", front);
    put(l, STORE_PERM_WRITE, "0", "%s/backend-id", front);
    put(l, STORE_PERM_WRITE, num, "%s/handle", front);
    put(l, STORE_PERM_WRITE, mac, "%s/mac", front);
    put(l, STORE_PERM_WRITE, XENBUS_INITIALISING, "%s/state", front);

    /* xl destroy takes away the devices that are listed here. */
    put(l, STORE_PERM_DOM0, front, "%s/frontend", tool);
    put(l, STORE_PERM_DOM0, back, "%s/backend", tool);
    put_vif_facts(l, STORE_PERM_DOM0, n, tool);

    put(l, STORE_PERM_READ, NULL, "%s", back);
    put(l, STORE_PERM_READ, front, "%s/frontend", back);
    put_vif_facts(l, STORE_PERM_READ, n, back);
    /* Last: a backend acts on it. */
    put(l, STORE_PERM_READ, XENBUS_INITIALISING, "%s/state", back);
}

static void put_vifs(struct layout *l)
{
    const char *mac;
    char key[32];
    unsigned int n;

    for ( n = 0; n < VIFS_MAX; n++ )
    {
        snprintf(key, sizeof(key), "vif/%u/mac", n);
        mac = pair(l, key);
        if ( mac )
            put_vif(l, n, mac);
    }
}

/* ---- The peer's pairs -------------------------------------------------- */

/* The guest's own nodes: what is written for the toolstack, and what the
 * layout has said already, is not among them. */
static bool guest_node(const char *key)
{
    const char *leaf;
    unsigned int n;

    return store_key_travels(key) && !store_key_vif(key, &n, &leaf) &&
           strncmp(key, "memory/", 7) && strncmp(key, "cpu/", 4);
}

static void put_guest_nodes(struct layout *l, const struct store_pairs *pairs)
{
    size_t i;

    for ( i = 0; pairs && i < pairs->nr; i++ )
        if ( guest_node(pairs->pairs[i].key) )
            put(l, STORE_PERM_WRITE, pairs->pairs[i].value, "%s/%s", l->dom,
                pairs->pairs[i].key);
}

/* Keys that do not travel are passed over; values that are not what the
 * host expects are not written anywhere. */
static int check_pairs(const struct store_pairs *pairs, struct err *e)
{
    size_t i;

    for ( i = 0; pairs && i < pairs->nr; i++ )
        if ( store_key_travels(pairs->pairs[i].key) &&
             !store_value_sound(pairs->pairs[i].key, pairs->pairs[i].value) )
            return err_set(e, -EPROTO, "xenstore node %s of the domain: "
                           "\"%.64s\" is not a value for it",
                           pairs->pairs[i].key, pairs->pairs[i].value);

    return 0;
}

static void layout_init(struct layout *l, struct store *st, struct err *e,
                        const struct store_domain *d)
{
    char uuid[IDENT_TEXT];

    memset(l, 0, sizeof(*l));
    l->st = st;
    l->e = e;
    l->d = d;
    snprintf(l->dom, sizeof(l->dom), "/local/domain/%u", d->domid);
    snprintf(l->vm, sizeof(l->vm), "/vm/%s", ident_text(d->uuid, uuid));
}

/* What an earlier domain of that number may have left. */
static int remove_backends(struct store *st, struct err *e, uint32_t domid)
{
    unsigned int nr, i;
    char **kinds;
    int rc;

    rc = store_ls(st, e, &kinds, &nr, "/local/domain/0/backend");
    if ( rc || !nr )
        return rc;
    for ( i = 0; !rc && i < nr; i++ )
        rc = store_rm(st, e, "/local/domain/0/backend/%s/%u", kinds[i],
                      domid);
    free(kinds);

    return rc;
}

static int do_build(struct store *st, struct err *e, void *arg)
{
    struct layout l;

    layout_init(&l, st, e, arg);
    l.rc = store_rm(st, e, "%s", l.dom);
    if ( !l.rc )
        l.rc = store_rm(st, e, "/libxl/%u", l.d->domid);
    if ( !l.rc )
        l.rc = remove_backends(st, e, l.d->domid);
    put_identity(&l);
    put_cpus(&l);
    put(&l, STORE_PERM_READ, NULL, "%s/memory", l.dom);
    put_u64(&l, STORE_PERM_READ, l.d->max_mem_kib, "memory/static-max");
    put_u64(&l, STORE_PERM_READ, l.d->target_kib, "memory/target");
    put_control(&l);
    put_console(&l);
    put_vifs(&l);
    put_guest_nodes(&l, l.d->pairs);

    return l.rc;
}

int store_build(struct store *st, struct err *e,
                const struct store_domain *d)
{
    int rc = check_pairs(d->pairs, e);

    return rc ? rc : store_transact(st, e, do_build, (void *)d);
}

static int do_connect(struct store *st, struct err *e, void *arg)
{
    struct layout l;

    layout_init(&l, st, e, arg);
    put_rings(&l);

    return l.rc;
}

int store_connect(struct store *st, struct err *e,
                  const struct store_domain *d)
{
    int rc = store_transact(st, e, do_connect, (void *)d);

    if ( rc )
        return rc;

    return store_introduce(st, e, d->domid, d->store_gfn, d->store_port);
}

struct update
{
    const struct store_domain *d;
    const struct store_pairs *pairs;
};

static int do_update(struct store *st, struct err *e, void *arg)
{
    const struct update *u = arg;
    const char *target;
    struct layout l;

    layout_init(&l, st, e, u->d);
    put_guest_nodes(&l, u->pairs);
    target = store_pairs_get(u->pairs, "memory/target");
    if ( target )
        put(&l, STORE_PERM_READ, target, "%s/memory/target", l.dom);

    return l.rc;
}

int store_update(struct store *st, struct err *e, uint32_t domid,
                 const struct store_pairs *pairs)
{
    struct store_domain d = { .domid = domid };
    struct update u = { .d = &d, .pairs = pairs };
    int rc = check_pairs(pairs, e);

    return rc ? rc : store_transact(st, e, do_update, &u);
}

/* ---- Removing ---------------------------------------------------------- */

/* *ret_vm is NULL where there is none, which is no error. */
static int read_vm(struct store *st, struct err *e, const char *dom,
                   char **ret_vm)
{
    char path[STORE_PATH_MAX];
    int rc;

    *ret_vm = NULL;
    snprintf(path, sizeof(path), "/local/domain/%s/vm", dom);
    rc = store_read(st, NULL, ret_vm, "%s", path);
    if ( !rc || rc == -ENOENT )
        return 0;

    return err_set(e, rc, "xenstore: read %s: %s", path, err_text(rc));
}

/* Does another domain have the same /vm? */
static int vm_shared(struct store *st, struct err *e, const char *vm,
                     uint32_t domid, bool *ret_shared)
{
    unsigned int nr, i;
    char **doms, *other;
    bool shared = false;
    int rc;

    rc = store_ls(st, e, &doms, &nr, "/local/domain");
    if ( rc )
        return rc;
    for ( i = 0; !rc && i < nr; i++ )
    {
        if ( strtoul(doms[i], NULL, 10) == domid )
            continue;
        rc = read_vm(st, e, doms[i], &other);
        shared = shared || (other && !strcmp(other, vm));
        free(other);
    }
    if ( nr )
        free(doms);
    *ret_shared = shared;

    return rc;
}

static int do_remove(struct store *st, struct err *e, void *arg)
{
    uint32_t domid = *(const uint32_t *)arg;
    bool shared = true;
    char *vm = NULL, dom[16];
    int rc;

    snprintf(dom, sizeof(dom), "%u", domid);
    rc = remove_backends(st, e, domid);
    if ( !rc )
        rc = read_vm(st, e, dom, &vm);
    if ( !rc && vm )
        rc = vm_shared(st, e, vm, domid, &shared);
    if ( !rc && vm && !shared && !strncmp(vm, "/vm/", 4) )
        rc = store_rm(st, e, "%s", vm);
    if ( !rc )
        rc = store_rm(st, e, "/local/domain/%u", domid);
    if ( !rc )
        rc = store_rm(st, e, "/libxl/%u", domid);
    free(vm);

    return rc;
}

int store_remove(struct store *st, struct err *e, uint32_t domid)
{
    int rc = store_transact(st, e, do_remove, &domid);

    if ( !rc )
        rc = store_release(st, e, domid);

    return rc;
}
