/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Xenstore nodes, transactions and the host's boot identity.
 *
 * A transaction holds the store's lock, which is recursive; the functions
 * called inside it find it in the store.
 */
#include "store_xs.h"

#include <inttypes.h>

#define MAX_TRIES 200u
#define BOOT_ID_NODE "/tool/xmig/boot-id"

/* ---- Open and close ---------------------------------------------------- */

int store_open(struct err *e, struct store **ret_st)
{
    pthread_mutexattr_t attr;
    struct store *st = calloc(1, sizeof(*st));
    int rc;

    if ( !st )
        return err_set(e, -ENOMEM, "open xenstore: out of memory");
    errno = 0;
    st->xs = xs_open(0);
    if ( !st->xs )
    {
        rc = errno == EACCES || errno == EPERM ? -EACCES : -ENODEV;
        free(st);
        return err_set(e, rc, rc == -EACCES
                       ? "open xenstore: no permission (be root)"
                       : "open xenstore: there is no xenstored here");
    }
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&st->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    st->t = XBT_NULL;
    *ret_st = st;

    return 0;
}

void store_close(struct store *st)
{
    if ( !st )
        return;
    xs_close(st->xs);
    pthread_mutex_destroy(&st->lock);
    free(st);
}

int store_path(char buf[STORE_PATH_MAX], struct err *e, const char *fmt,
               va_list ap)
{
    int n = vsnprintf(buf, STORE_PATH_MAX, fmt, ap);

    if ( n < 0 || n >= STORE_PATH_MAX )
        return err_set(e, -ENAMETOOLONG, "xenstore: path %.64s... is too "
                       "long", buf);

    return 0;
}

/* The path of a variadic function: returns from it on failure. */
#define PATH(path, e, fmt)                                              \
    do {                                                                \
        va_list ap_;                                                    \
        int rc_;                                                        \
                                                                        \
        va_start(ap_, fmt);                                             \
        rc_ = store_path(path, e, fmt, ap_);                            \
        va_end(ap_);                                                    \
        if ( rc_ )                                                      \
            return rc_;                                                 \
    } while ( 0 )

static int failed(struct err *e, int rc, const char *what, const char *path)
{
    /* A transaction that collides is tried again, nobody needs to know. */
    if ( rc == -EAGAIN )
        return rc;

    return err_set(e, rc, "xenstore: %s %s: %s", what, path, err_text(rc));
}

/* ---- Nodes ------------------------------------------------------------- */

int store_read(struct store *st, struct err *e, char **ret_value,
               const char *fmt, ...)
{
    char path[STORE_PATH_MAX], *value;
    unsigned int len;
    int rc = 0;

    PATH(path, e, fmt);
    pthread_mutex_lock(&st->lock);
    errno = 0;
    value = xs_read(st->xs, st->t, path, &len);
    if ( !value )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);
    if ( rc )
        return failed(e, rc, "read", path);
    *ret_value = value;

    return 0;
}

int store_read_u64(struct store *st, struct err *e, uint64_t *ret_value,
                   const char *fmt, ...)
{
    char path[STORE_PATH_MAX], *text, *end;
    uint64_t value;
    int rc;

    PATH(path, e, fmt);
    rc = store_read(st, e, &text, "%s", path);
    if ( rc )
        return rc;
    errno = 0;
    value = strtoull(text, &end, 10);
    if ( text[0] < '0' || text[0] > '9' || *end || errno )
        rc = err_set(e, -EINVAL, "xenstore: %s is \"%.32s\", no number", path,
                     text);
    else
        *ret_value = value;
    free(text);

    return rc;
}

int store_write(struct store *st, struct err *e, const char *value,
                const char *fmt, ...)
{
    char path[STORE_PATH_MAX];
    int rc = 0;

    PATH(path, e, fmt);
    pthread_mutex_lock(&st->lock);
    errno = 0;
    if ( !xs_write(st->xs, st->t, path, value, (unsigned int)strlen(value)) )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);

    return rc ? failed(e, rc, "write", path) : 0;
}

int store_mkdir(struct store *st, struct err *e, const char *fmt, ...)
{
    char path[STORE_PATH_MAX];
    int rc = 0;

    PATH(path, e, fmt);
    pthread_mutex_lock(&st->lock);
    errno = 0;
    if ( !xs_mkdir(st->xs, st->t, path) )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);

    return rc ? failed(e, rc, "make", path) : 0;
}

int store_rm(struct store *st, struct err *e, const char *fmt, ...)
{
    char path[STORE_PATH_MAX];
    int rc = 0;

    PATH(path, e, fmt);
    pthread_mutex_lock(&st->lock);
    errno = 0;
    if ( !xs_rm(st->xs, st->t, path) && errno != ENOENT )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);

    return rc ? failed(e, rc, "remove", path) : 0;
}

int store_perm(struct store *st, struct err *e, uint32_t domid,
               enum store_perm perm, const char *fmt, ...)
{
    struct xs_permissions perms[2] = {
        { .id = perm == STORE_PERM_WRITE ? domid : 0,
          .perms = XS_PERM_NONE },
        { .id = domid, .perms = XS_PERM_READ },
    };
    char path[STORE_PATH_MAX];
    int rc = 0;

    PATH(path, e, fmt);
    pthread_mutex_lock(&st->lock);
    errno = 0;
    if ( !xs_set_permissions(st->xs, st->t, path, perms,
                             perm == STORE_PERM_READ ? 2 : 1) )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);

    return rc ? failed(e, rc, "set permissions of", path) : 0;
}

int store_ls(struct store *st, struct err *e, char ***ret_names,
             unsigned int *ret_nr, const char *fmt, ...)
{
    char path[STORE_PATH_MAX], **names;
    unsigned int nr = 0;
    int rc = 0;

    PATH(path, e, fmt);
    pthread_mutex_lock(&st->lock);
    errno = 0;
    names = xs_directory(st->xs, st->t, path, &nr);
    if ( !names )
        rc = store_rc();
    pthread_mutex_unlock(&st->lock);
    if ( rc == -ENOENT )
    {
        nr = 0;
        rc = 0;
    }
    if ( rc )
        return failed(e, rc, "list", path);
    if ( !nr )
    {
        /* No names is NULL, not an empty block that callers forget. */
        free(names);
        names = NULL;
    }
    *ret_names = names;
    *ret_nr = nr;

    return 0;
}

int store_put(struct store *st, struct err *e, uint32_t domid,
              enum store_perm perm, const char *value, const char *fmt, ...)
{
    char path[STORE_PATH_MAX];
    int rc;

    PATH(path, e, fmt);
    rc = store_write(st, e, value, "%s", path);
    if ( !rc )
        rc = store_perm(st, e, domid, perm, "%s", path);

    return rc;
}

/* ---- Transactions ------------------------------------------------------ */

/* Once: 0, -EAGAIN for a collision, or the failure. */
static int transact_once(struct store *st, struct err *e,
                         int (*fn)(struct store *st, struct err *e,
                                   void *arg),
                         void *arg)
{
    int rc;

    errno = 0;
    st->t = xs_transaction_start(st->xs);
    if ( st->t == XBT_NULL )
        return failed(e, store_rc(), "start", "a transaction");
    rc = fn(st, e, arg);
    errno = 0;
    if ( !xs_transaction_end(st->xs, st->t, rc != 0) && !rc )
        rc = failed(e, store_rc(), "end", "a transaction");
    st->t = XBT_NULL;

    return rc;
}

int store_transact(struct store *st, struct err *e,
                   int (*fn)(struct store *st, struct err *e, void *arg),
                   void *arg)
{
    unsigned int try;
    int rc;

    pthread_mutex_lock(&st->lock);
    if ( st->t != XBT_NULL )
    {
        pthread_mutex_unlock(&st->lock);
        return err_set(e, -EINVAL, "internal error: transactions of xenstore "
                       "do not nest");
    }
    for ( try = 0; try < MAX_TRIES; try++ )
    {
        rc = transact_once(st, e, fn, arg);
        if ( rc != -EAGAIN )
            break;
    }
    pthread_mutex_unlock(&st->lock);
    if ( rc == -EAGAIN )
        err_set(e, rc, "xenstore: a transaction collided %u times",
                MAX_TRIES);

    return rc;
}

/* ---- Host -------------------------------------------------------------- */

static int get_boot_id(struct store *st, struct err *e, void *arg)
{
    char text[IDENT_TEXT], *value;
    uint8_t *id = arg;
    int rc;

    rc = store_read(st, NULL, &value, BOOT_ID_NODE);
    if ( !rc )
    {
        rc = ident_parse(value, id);
        if ( rc )
            err_set(e, rc, "xenstore: " BOOT_ID_NODE " is \"%.40s\", no "
                    "identity", value);
        free(value);
        return rc;
    }
    if ( rc != -ENOENT )
        return failed(e, rc, "read", BOOT_ID_NODE);
    rc = ident_random(id);
    if ( rc )
        return err_set(e, rc, "make a boot identity: %s", err_text(rc));

    return store_put(st, e, 0, STORE_PERM_DOM0, ident_text(id, text),
                     BOOT_ID_NODE);
}

int store_boot_id(struct store *st, struct err *e,
                  uint8_t ret_id[IDENT_BYTES])
{
    uint8_t id[IDENT_BYTES];
    int rc = store_transact(st, e, get_boot_id, id);

    if ( !rc )
        memcpy(ret_id, id, sizeof(id));

    return rc;
}
