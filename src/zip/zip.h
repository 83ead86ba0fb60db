/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Making a batch of pages smaller, and as large again: zlib and zstd behind
 * one face.
 *
 * Every call is about one whole buffer: nothing is kept from one to the
 * next but memory.  What is unpacked is not trusted: it becomes exactly as
 * many bytes as it was said to, in a buffer of that size, or is refused.
 *
 * Thread: a struct belongs to one thread at a time.
 */
#ifndef XMIG_ZIP_H
#define XMIG_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Numbers on the wire (CODED, docs/stream.md). */
enum zip_method
{
    ZIP_NONE = 0,
    ZIP_ZLIB = 1,
    ZIP_ZSTD = 2,
};

/* "none", "zlib", "zstd"; NULL for another number. */
const char *zip_name(unsigned int method);

/* ---- Packing ------------------------------------------------------------ */

struct zip_packer;

/* Levels that are accepted: of zlib 1 ... 9, of zstd -7 ... 19. */
int zip_level_min(enum zip_method method);
int zip_level_max(enum zip_method method);

/* method ZLIB or ZSTD.  -ENOMEM */
int zip_packer_new(enum zip_method method, struct zip_packer **ret_p);
/* p may be NULL. */
void zip_packer_free(struct zip_packer *p);
/*
 * Pack len bytes into out.  Returns the bytes used; 0 when they do not fit
 * into room, so that a room below len says what is worth it.  The input must
 * not change meanwhile.
 */
size_t zip_pack(struct zip_packer *p, int level, void *out, size_t room,
                const void *in, size_t len);

/* ---- Unpacking ---------------------------------------------------------- */

struct zip_unpacker;

int zip_unpacker_new(enum zip_method method, struct zip_unpacker **ret_u);
void zip_unpacker_free(struct zip_unpacker *u);
/*
 * Unpack all of in into out, which it fills exactly.
 *   -EPROTO  it does not; e says why
 */
int zip_unpack(struct zip_unpacker *u, void *out, size_t out_len,
               const void *in, size_t in_len, struct err *e);

#endif
