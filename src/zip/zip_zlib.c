/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * zlib (RFC 1950): one stream for each buffer.
 */
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "zip_impl.h"

struct packer
{
    z_stream z;
    int level;
};

static void *packer(void)
{
    struct packer *p = calloc(1, sizeof(*p));

    if ( !p )
        return NULL;
    p->level = 1;
    if ( deflateInit(&p->z, p->level) == Z_OK )
        return p;
    free(p);

    return NULL;
}

static void packer_free(void *priv)
{
    struct packer *p = priv;

    deflateEnd(&p->z);
    free(p);
}

static size_t pack(void *priv, int level, void *out, size_t room,
                   const void *in, size_t len)
{
    struct packer *p = priv;

    if ( deflateReset(&p->z) != Z_OK )
        return 0;
    if ( level != p->level )
    {
        if ( deflateParams(&p->z, level, Z_DEFAULT_STRATEGY) != Z_OK )
            return 0;
        p->level = level;
    }
    p->z.next_in = (Bytef *)in;
    p->z.avail_in = (uInt)len;
    p->z.next_out = out;
    p->z.avail_out = (uInt)room;

    return deflate(&p->z, Z_FINISH) == Z_STREAM_END ? room - p->z.avail_out
                                                    : 0;
}

static void *unpacker(void)
{
    z_stream *z = calloc(1, sizeof(*z));

    if ( z && inflateInit(z) == Z_OK )
        return z;
    free(z);

    return NULL;
}

static void unpacker_free(void *priv)
{
    inflateEnd(priv);
    free(priv);
}

static int unpack(void *priv, void *out, size_t out_len, const void *in,
                  size_t in_len, struct err *e)
{
    z_stream *z = priv;
    int r;

    if ( inflateReset(z) != Z_OK )
        return err_set(e, -EINVAL, "internal error: zlib's state");
    z->next_in = (Bytef *)in;
    z->avail_in = (uInt)in_len;
    z->next_out = out;
    z->avail_out = (uInt)out_len;
    r = inflate(z, Z_FINISH);
    if ( r == Z_MEM_ERROR )
        return err_set(e, -ENOMEM, "unpack by zlib: %s", err_text(-ENOMEM));
    if ( r != Z_STREAM_END && z->avail_out )
        return err_set(e, -EPROTO, "unpack %zu bytes by zlib: %s", in_len,
                       z->msg ? z->msg : "they end too early");
    if ( r != Z_STREAM_END )
        return err_set(e, -EPROTO, "unpack %zu bytes by zlib: they do not "
                       "end with the %zu bytes that were announced", in_len,
                       out_len);
    if ( z->avail_out || z->avail_in )
        return err_set(e, -EPROTO, "unpack by zlib: %u bytes are missing of "
                       "%zu, %u left over", z->avail_out, out_len,
                       z->avail_in);

    return 0;
}

const struct zip_ops zip_zlib_ops = {
    .name = "zlib",
    .level_min = 1,
    .level_max = 9,
    .packer = packer,
    .packer_free = packer_free,
    .pack = pack,
    .unpacker = unpacker,
    .unpacker_free = unpacker_free,
    .unpack = unpack,
};
