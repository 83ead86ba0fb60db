/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading what of a domain's subtree travels.
 *
 * A guest may fill its own nodes as it likes; that must not keep it from
 * being moved.  What the toolstack needs is read first, then the guest's own
 * nodes until the room is used up, and a node that does not fit a pair
 * (binary, or too long) is left behind.  A xenstored that does not answer is
 * another matter: then nobody knows what the guest has.
 */
#include "store_xs.h"

#define PAIRS_MAX  256u
#define KEY_MAX    255u
#define VALUE_MAX  4095u
#define BYTES_MAX  (512u << 10)
#define DEPTH_MAX  8u

struct walk
{
    struct store *st;
    struct err *e;
    struct store_pairs *out;
    size_t bytes;
};

/* Add a pair if it fits; only a lack of memory is an error. */
static int add(struct walk *w, const char *key, const char *value)
{
    size_t k = strlen(key), v = strlen(value);

    if ( w->out->nr >= PAIRS_MAX || k > KEY_MAX || v > VALUE_MAX ||
         w->bytes + k + v + 2 > BYTES_MAX || !store_key_travels(key) ||
         !store_value_sound(key, value) )
        return 0;
    w->bytes += k + v + 2;
    if ( store_pairs_add(w->out, key, value) )
        return err_set(w->e, -ENOMEM, "read a domain's nodes: out of memory");

    return 0;
}

/* The value of a node if it is text. */
static int read_text(struct store *st, const char *path, char **ret_value)
{
    unsigned int len = 0;
    char *value;
    int rc = 0;

    pthread_mutex_lock(&st->lock);
    errno = 0;
    value = xs_read(st->xs, st->t, path, &len);
    if ( !value )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);
    if ( !rc && memchr(value, 0, len) )
    {
        free(value);
        rc = -EINVAL;
    }
    if ( !rc )
        *ret_value = value;

    return rc;
}

/* 0 when it is the node's doing that it can't be read. */
static int unread(struct walk *w, int rc, const char *path)
{
    switch ( rc )
    {
    case -ENOENT:
    case -EINVAL:
    case -E2BIG:
    case -EACCES:
        return 0;
    }

    return err_set(w->e, rc, "xenstore: read %s: %s", path, err_text(rc));
}

/* One leaf, under the key it travels by. */
static int leaf(struct walk *w, const char *path, const char *key)
{
    char *value;
    int rc = read_text(w->st, path, &value);

    if ( rc )
        return unread(w, rc, path);
    rc = add(w, key, value);
    free(value);

    return rc;
}

/* dir of the domain dom, and all below it. */
static int tree(struct walk *w, const char *dom, const char *dir,
                unsigned int depth)
{
    char path[STORE_PATH_MAX], key[STORE_PATH_MAX], **names;
    unsigned int nr, i;
    int n, rc;

    if ( depth == DEPTH_MAX || w->out->nr >= PAIRS_MAX )
        return 0;
    rc = store_ls(w->st, NULL, &names, &nr, "%s/%s", dom, dir);
    if ( rc )
        return unread(w, rc, dir);
    if ( !nr )
        return 0;
    for ( i = 0, rc = 0; !rc && i < nr; i++ )
    {
        n = snprintf(key, sizeof(key), "%s/%s", dir, names[i]);
        if ( n >= (int)sizeof(key) )
            continue;
        n = snprintf(path, sizeof(path), "%s/%s", dom, key);
        if ( n >= (int)sizeof(path) )
            continue;
        rc = leaf(w, path, key);
        if ( !rc )
            rc = tree(w, dom, key, depth + 1);
    }
    free(names);

    return rc;
}

/* A script's path is the host's affair: only its name travels. */
static int vif_script(struct walk *w, const char *back, const char *vif)
{
    char path[STORE_PATH_MAX], key[64], *value, *slash;
    int rc;

    snprintf(path, sizeof(path), "%s/script", back);
    snprintf(key, sizeof(key), "vif/%s/script", vif);
    rc = read_text(w->st, path, &value);
    if ( rc )
        return unread(w, rc, path);
    slash = strrchr(value, '/');
    rc = add(w, key, slash ? slash + 1 : value);
    free(value);

    return rc;
}

static int vif(struct walk *w, uint32_t domid, const char *name)
{
    static const char *const back_leaves[] = {
        "bridge", "type", "rate", "ip", "mtu",
    };
    char front[128], back[128], path[STORE_PATH_MAX], key[64];
    unsigned int i;
    int rc;

    if ( strlen(name) > 8 )
        return 0;
    snprintf(front, sizeof(front), "/local/domain/%u/device/vif/%s", domid,
             name);
    snprintf(back, sizeof(back), "/local/domain/0/backend/vif/%u/%s", domid,
             name);
    snprintf(path, sizeof(path), "%s/mac", front);
    snprintf(key, sizeof(key), "vif/%s/mac", name);
    rc = leaf(w, path, key);
    for ( i = 0; !rc && i < sizeof(back_leaves) / sizeof(back_leaves[0]);
          i++ )
    {
        snprintf(path, sizeof(path), "%s/%s", back, back_leaves[i]);
        snprintf(key, sizeof(key), "vif/%s/%s", name, back_leaves[i]);
        rc = leaf(w, path, key);
    }
    if ( !rc )
        rc = vif_script(w, back, name);

    return rc;
}

static int vifs(struct walk *w, uint32_t domid)
{
    unsigned int nr, i;
    char **names;
    int rc;

    rc = store_ls(w->st, w->e, &names, &nr, "/local/domain/%u/device/vif",
                  domid);
    if ( rc || !nr )
        return rc;
    for ( i = 0; !rc && i < nr; i++ )
        rc = vif(w, domid, names[i]);
    free(names);

    return rc;
}

int store_export(struct store *st, struct err *e, uint32_t domid,
                 struct store_pairs *ret)
{
    static const char *const trees[] = {
        "control", "memory", "cpu", "attr", "feature", "drivers", "data",
    };
    struct store_pairs out = { 0 };
    struct walk w = { .st = st, .e = e, .out = &out };
    char dom[64];
    unsigned int i;
    int rc;

    snprintf(dom, sizeof(dom), "/local/domain/%u", domid);
    rc = vifs(&w, domid);
    for ( i = 0; !rc && i < sizeof(trees) / sizeof(trees[0]); i++ )
        rc = tree(&w, dom, trees[i], 0);
    if ( rc )
        store_pairs_done(&out);
    else
        *ret = out;

    return rc;
}
