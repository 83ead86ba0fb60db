/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The methods by their numbers: see zip.h.
 */
#include "zip.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "zip_impl.h"

struct zip_packer
{
    const struct zip_ops *ops;
    void *priv;
};

struct zip_unpacker
{
    const struct zip_ops *ops;
    void *priv;
};

static const struct zip_ops *ops_of(enum zip_method method)
{
    assert(method == ZIP_ZLIB || method == ZIP_ZSTD);

    return method == ZIP_ZLIB ? &zip_zlib_ops : &zip_zstd_ops;
}

const char *zip_name(unsigned int method)
{
    if ( method == ZIP_NONE )
        return "none";

    return method == ZIP_ZLIB || method == ZIP_ZSTD ? ops_of(method)->name
                                                    : NULL;
}

int zip_level_min(enum zip_method method)
{
    return ops_of(method)->level_min;
}

int zip_level_max(enum zip_method method)
{
    return ops_of(method)->level_max;
}

int zip_packer_new(enum zip_method method, struct zip_packer **ret_p)
{
    struct zip_packer *p = calloc(1, sizeof(*p));

    if ( p )
    {
        p->ops = ops_of(method);
        p->priv = p->ops->packer();
    }
    if ( !p || !p->priv )
    {
        free(p);
        return -ENOMEM;
    }
    *ret_p = p;

    return 0;
}

void zip_packer_free(struct zip_packer *p)
{
    if ( !p )
        return;
    p->ops->packer_free(p->priv);
    free(p);
}

size_t zip_pack(struct zip_packer *p, int level, void *out, size_t room,
                const void *in, size_t len)
{
    return p->ops->pack(p->priv, level, out, room, in, len);
}

int zip_unpacker_new(enum zip_method method, struct zip_unpacker **ret_u)
{
    struct zip_unpacker *u = calloc(1, sizeof(*u));

    if ( u )
    {
        u->ops = ops_of(method);
        u->priv = u->ops->unpacker();
    }
    if ( !u || !u->priv )
    {
        free(u);
        return -ENOMEM;
    }
    *ret_u = u;

    return 0;
}

void zip_unpacker_free(struct zip_unpacker *u)
{
    if ( !u )
        return;
    u->ops->unpacker_free(u->priv);
    free(u);
}

int zip_unpack(struct zip_unpacker *u, void *out, size_t out_len,
               const void *in, size_t in_len, struct err *e)
{
    return u->ops->unpack(u->priv, out, out_len, in, in_len, e);
}
