/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a method has to offer; zip.c is the only caller.
 */
#ifndef XMIG_ZIP_IMPL_H
#define XMIG_ZIP_IMPL_H

#include "zip.h"

struct zip_ops
{
    const char *name;
    int level_min, level_max;
    /* NULL: no memory */
    void *(*packer)(void);
    void (*packer_free)(void *p);
    size_t (*pack)(void *p, int level, void *out, size_t room,
                   const void *in, size_t len);
    void *(*unpacker)(void);
    void (*unpacker_free)(void *u);
    int (*unpack)(void *u, void *out, size_t out_len, const void *in,
                  size_t in_len, struct err *e);
};

extern const struct zip_ops zip_zlib_ops, zip_zstd_ops;

#endif
