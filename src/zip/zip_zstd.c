/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * zstd: one frame for each buffer, with its content size.
 *
 * What comes in is looked at before the library sees it: libzstd also reads
 * skippable frames, several frames in a row and formats of the past, none of
 * which we write.
 */
#include <errno.h>
#include <zstd.h>

#include "zip_impl.h"

static void *packer(void)
{
    return ZSTD_createCCtx();
}

static void packer_free(void *p)
{
    ZSTD_freeCCtx(p);
}

static size_t pack(void *p, int level, void *out, size_t room,
                   const void *in, size_t len)
{
    size_t r = ZSTD_compressCCtx(p, out, room, in, len, level);

    return ZSTD_isError(r) ? 0 : r;
}

static void *unpacker(void)
{
    return ZSTD_createDCtx();
}

static void unpacker_free(void *u)
{
    ZSTD_freeDCtx(u);
}

static int unpack(void *u, void *out, size_t out_len, const void *in,
                  size_t in_len, struct err *e)
{
    const uint8_t *p = in;
    size_t r;

    if ( in_len < 5 || (p[0] | p[1] << 8 | p[2] << 16 |
                        (uint32_t)p[3] << 24) != ZSTD_MAGICNUMBER )
        return err_set(e, -EPROTO, "unpack %zu bytes by zstd: no frame of "
                       "zstd", in_len);
    if ( ZSTD_getFrameContentSize(in, in_len) != out_len )
        return err_set(e, -EPROTO, "unpack %zu bytes by zstd: the frame does "
                       "not hold the %zu bytes that were announced", in_len,
                       out_len);
    if ( ZSTD_findFrameCompressedSize(in, in_len) != in_len )
        return err_set(e, -EPROTO, "unpack %zu bytes by zstd: they are not "
                       "one frame", in_len);
    r = ZSTD_decompressDCtx(u, out, out_len, in, in_len);
    if ( ZSTD_isError(r) )
        return err_set(e, -EPROTO, "unpack %zu bytes by zstd: %s", in_len,
                       ZSTD_getErrorName(r));
    if ( r != out_len )
        return err_set(e, -EPROTO, "unpack by zstd: %zu bytes where %zu were "
                       "announced", r, out_len);

    return 0;
}

const struct zip_ops zip_zstd_ops = {
    .name = "zstd",
    .level_min = -7,
    .level_max = 19,
    .packer = packer,
    .packer_free = packer_free,
    .pack = pack,
    .unpacker = unpacker,
    .unpacker_free = unpacker_free,
    .unpack = unpack,
};
