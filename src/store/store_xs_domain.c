/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Domains in xenstore: names, what is carried, suspend requests, and
 * xenstored's own knowledge of them.
 */
#include "store_xs.h"

#include <inttypes.h>

/* ---- Names ------------------------------------------------------------- */

int store_name(struct store *st, struct err *e, uint32_t domid,
               char **ret_name)
{
    int rc = store_read(st, NULL, ret_name, "/local/domain/%u/name", domid);

    if ( rc )
        err_set(e, rc, "domain %u: its name in xenstore: %s", domid,
                err_text(rc));

    return rc;
}

/* How many domains but for one have the name; the last one found. */
static int count_name(struct store *st, struct err *e, const char *name,
                      uint32_t but, unsigned int *ret_count,
                      uint32_t *ret_domid)
{
    unsigned int nr, i, count = 0;
    char **doms, *value;
    int rc;

    rc = store_ls(st, e, &doms, &nr, "/local/domain");
    if ( rc )
        return rc;
    for ( i = 0; i < nr; i++ )
    {
        uint32_t domid = (uint32_t)strtoul(doms[i], NULL, 10);

        if ( domid == but ||
             store_read(st, NULL, &value, "/local/domain/%s/name", doms[i]) )
            continue;
        if ( !strcmp(value, name) )
        {
            *ret_domid = domid;
            count++;
        }
        free(value);
    }
    if ( nr )
        free(doms);
    *ret_count = count;

    return 0;
}

int store_find(struct store *st, struct err *e, const char *name,
               uint32_t *ret_domid)
{
    unsigned int count;
    uint32_t domid = 0;
    int rc;

    rc = count_name(st, e, name, UINT32_MAX, &count, &domid);
    if ( rc )
        return rc;
    if ( !count )
        return err_set(e, -ENOENT, "there is no domain \"%s\"", name);
    if ( count > 1 )
        return err_set(e, -ENOTUNIQ, "%u domains are called \"%s\": give the "
                       "domid", count, name);
    *ret_domid = domid;

    return 0;
}

struct rename
{
    uint32_t domid;
    const char *name;
};

/* /vm/<uuid>/name, unless another domain here has the same /vm. */
static int rename_vm(struct store *st, struct err *e, const struct rename *r)
{
    char *vm;
    int rc;

    if ( store_read(st, NULL, &vm, "/local/domain/%u/vm", r->domid) )
        return 0;
    rc = strncmp(vm, "/vm/", 4) ? 0
         : store_put(st, e, r->domid, STORE_PERM_READ, r->name, "%s/name",
                     vm);
    free(vm);

    return rc;
}

static int do_rename(struct store *st, struct err *e, void *arg)
{
    const struct rename *r = arg;
    unsigned int count;
    uint32_t other = 0;
    int rc;

    rc = count_name(st, e, r->name, r->domid, &count, &other);
    if ( rc )
        return rc;
    if ( count )
        return err_set(e, -EEXIST, "domain %u: domain %u is already called "
                       "\"%s\"", r->domid, other, r->name);
    rc = store_put(st, e, r->domid, STORE_PERM_READ, r->name,
                   "/local/domain/%u/name", r->domid);
    if ( !rc )
        rc = rename_vm(st, e, r);

    return rc;
}

int store_rename(struct store *st, struct err *e, uint32_t domid,
                 const char *name)
{
    struct rename r = { .domid = domid, .name = name };

    return store_transact(st, e, do_rename, &r);
}

/* ---- Carried? ---------------------------------------------------------- */

static bool exists(struct store *st, const char *path)
{
    char *value;

    if ( store_read(st, NULL, &value, "%s", path) )
        return false;
    free(value);

    return true;
}

static void add_reason(char *text, size_t room, const char *reason)
{
    size_t used = strlen(text);

    snprintf(text + used, room - used, "%s%s", used ? "; " : "", reason);
}

/* Frontends of one kind: only vif, with its backend in dom0. */
static void check_kind(struct store *st, uint32_t domid, const char *kind,
                       char *text, size_t room)
{
    unsigned int nr = 0, i;
    uint64_t backend;
    char buf[160], **devs = NULL;

    if ( !strcmp(kind, "suspend") ||
         store_ls(st, NULL, &devs, &nr, "/local/domain/%u/device/%s", domid,
                  kind) || !nr )
        return;
    if ( strcmp(kind, "vif") )
    {
        snprintf(buf, sizeof(buf), "it has a device \"%.64s\"", kind);
        add_reason(text, room, buf);
    }
    else
        for ( i = 0; i < nr; i++ )
            if ( !store_read_u64(st, NULL, &backend,
                                 "/local/domain/%u/device/vif/%s/backend-id",
                                 domid, devs[i]) && backend )
            {
                snprintf(buf, sizeof(buf), "the backend of its vif %.16s is "
                         "domain %" PRIu64, devs[i], backend);
                add_reason(text, room, buf);
            }
    free(devs);
}

int store_carried(struct store *st, struct err *e, uint32_t domid)
{
    char text[384] = "", path[80], **kinds;
    unsigned int nr, i;
    int rc;

    snprintf(path, sizeof(path), "/local/domain/0/backend/pci/%u", domid);
    if ( exists(st, path) )
        add_reason(text, sizeof(text), "it has PCI devices passed through");
    snprintf(path, sizeof(path), "/local/domain/0/device-model/%u", domid);
    if ( exists(st, path) )
        add_reason(text, sizeof(text), "it has a device model, whose state "
                   "only libxl can move");
    rc = store_ls(st, e, &kinds, &nr, "/local/domain/%u/device", domid);
    if ( rc )
        return rc;
    for ( i = 0; i < nr; i++ )
        check_kind(st, domid, kinds[i], text, sizeof(text));
    if ( nr )
        free(kinds);
    if ( text[0] )
        return err_set(e, -EINVAL, "domain %u is not of a kind that is "
                       "carried: %s", domid, text);

    return 0;
}

bool store_has_device(struct store *st, uint32_t domid, char *name,
                      size_t room)
{
    char **kinds, **devs;
    unsigned int nr_kinds, nr, i;
    bool has = false;

    if ( store_ls(st, NULL, &kinds, &nr_kinds, "/local/domain/%u/device",
                  domid) || !nr_kinds )
        return false;
    for ( i = 0; !has && i < nr_kinds; i++ )
    {
        if ( !strcmp(kinds[i], "suspend") ||
             store_ls(st, NULL, &devs, &nr, "/local/domain/%u/device/%s",
                      domid, kinds[i]) || !nr )
            continue;
        has = true;
        snprintf(name, room, "%s/%s", kinds[i], devs[0]);
        free(devs);
    }
    free(kinds);

    return has;
}

/* ---- xenstored's knowledge of a domain --------------------------------- */

int store_introduce(struct store *st, struct err *e, uint32_t domid,
                    uint64_t gfn, uint32_t port)
{
    int rc = 0;

    pthread_mutex_lock(&st->lock);
    errno = 0;
    if ( !xs_introduce_domain(st->xs, domid, gfn, port) )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);
    if ( rc )
        return err_set(e, rc, "domain %u: introduce it to xenstored (gfn %#"
                       PRIx64 ", port %u): %s", domid, gfn, port,
                       err_text(rc));

    return 0;
}

int store_release(struct store *st, struct err *e, uint32_t domid)
{
    int rc = 0;

    pthread_mutex_lock(&st->lock);
    errno = 0;
    /* xenstored may have seen the domain's end by itself. */
    if ( !xs_release_domain(st->xs, domid) && errno != ENOENT &&
         errno != EINVAL )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);
    if ( rc )
        return err_set(e, rc, "domain %u: release it from xenstored: %s",
                       domid, err_text(rc));

    return 0;
}

int store_resume(struct store *st, struct err *e, uint32_t domid)
{
    int rc = 0;

    pthread_mutex_lock(&st->lock);
    errno = 0;
    if ( !xs_resume_domain(st->xs, domid) )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);
    if ( rc )
        return err_set(e, rc, "domain %u: resume it at xenstored: %s", domid,
                       err_text(rc));

    return 0;
}

/* ---- Suspend ----------------------------------------------------------- */

#define SHUTDOWN_NODE "/local/domain/%u/control/shutdown"

int store_suspend_request(struct store *st, struct err *e, uint32_t domid)
{
    return store_write(st, e, "suspend", SHUTDOWN_NODE, domid);
}

/* An acknowledged request is an empty node, or none. */
static int read_acked(struct store *st, struct err *e, uint32_t domid,
                      bool *ret_acked)
{
    char *value;
    int rc;

    rc = store_read(st, NULL, &value, SHUTDOWN_NODE, domid);
    if ( rc == -ENOENT )
    {
        *ret_acked = true;
        return 0;
    }
    if ( rc == -EAGAIN )
        return rc;
    if ( rc )
        return err_set(e, rc, "domain %u: read its suspend request: %s",
                       domid, err_text(rc));
    *ret_acked = !value[0];
    free(value);

    return 0;
}

int store_suspend_acked(struct store *st, struct err *e, uint32_t domid,
                        bool *ret_acked)
{
    return read_acked(st, e, domid, ret_acked);
}

struct withdraw
{
    uint32_t domid;
    bool acked;
};

static int do_withdraw(struct store *st, struct err *e, void *arg)
{
    struct withdraw *w = arg;
    int rc;

    rc = read_acked(st, e, w->domid, &w->acked);
    if ( rc || w->acked )
        return rc;

    return store_write(st, e, "", SHUTDOWN_NODE, w->domid);
}

int store_suspend_withdraw(struct store *st, struct err *e, uint32_t domid,
                           bool *ret_acked)
{
    struct withdraw w = { .domid = domid };
    int rc;

    rc = store_transact(st, e, do_withdraw, &w);
    if ( !rc )
        *ret_acked = w.acked;

    return rc;
}

int store_suspend_port(struct store *st, struct err *e, uint32_t domid,
                       uint32_t *ret_port)
{
    uint64_t port;
    int rc;

    /* Toolstacks make the node empty; a guest that offers a port fills it. */
    rc = store_read_u64(st, NULL, &port,
                        "/local/domain/%u/device/suspend/event-channel",
                        domid);
    if ( rc == -EINVAL || (!rc && (!port || port > UINT32_MAX)) )
        rc = -ENOENT;
    if ( rc )
        return err_set(e, rc, "domain %u: its suspend event channel: %s",
                       domid, err_text(rc));
    *ret_port = (uint32_t)port;

    return 0;
}
