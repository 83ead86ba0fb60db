/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What may stand around an image stream in a file: the header of `xmig
 * save`, that of `xl save` with libxl's own stream, or nothing.
 */
#ifndef IMAGE_FRONT_H
#define IMAGE_FRONT_H

#include "image_read.h"
#include "image_write.h"

#define IMAGE_FRONT_MAGIC      "xmig saved domain\n"
#define IMAGE_FRONT_VERSION    1u
#define IMAGE_FRONT_CONFIG_MAX (64u << 10)
#define IMAGE_XL_CONFIG_MAX    (1u << 20)

struct image_front_hdr
{
    char magic[32];
    uint32_t version;
    uint32_t length;             /* of the configuration behind it, which is
                                    padded to a multiple of 8 */
};
static_assert(sizeof(struct image_front_hdr) == 40, "xmig's file header");

struct image_xl_hdr
{
    char magic[32];
    uint32_t byteorder;
    uint32_t mandatory_flags;
    uint32_t optional_flags;
    uint32_t optional_length;
};
static_assert(sizeof(struct image_xl_hdr) == 48, "xl's file header");
#define IMAGE_XL_BYTEORDER     0x01020304u
#define IMAGE_XL_JSON          1u
#define IMAGE_XL_STREAM_V2     2u

/* Big-endian in every stream. */
struct image_libxl_hdr
{
    uint64_t ident;
    uint32_t version;
    uint32_t options;
};
static_assert(sizeof(struct image_libxl_hdr) == 16, "libxl's header");
#define IMAGE_LIBXL_IDENT      UINT64_C(0x4c6962786c466d74)  /* LibxlFmt */
#define IMAGE_LIBXL_VERSION    2u

/* Record types of a libxl stream; headers as struct image_rhdr. */
enum image_libxl
{
    IMAGE_LIBXL_END              = 0,
    IMAGE_LIBXL_LIBXC            = 1,  /* an image stream follows */
    IMAGE_LIBXL_EMULATOR_STORE   = 2,
    IMAGE_LIBXL_EMULATOR_CONTEXT = 3,
    IMAGE_LIBXL_CHECKPOINT_END   = 4,
    IMAGE_LIBXL_CHECKPOINT_STATE = 5,
};

struct image_front
{
    bool ours;                   /* header of xmig save */
    bool xl;                     /* header of xl save */
    bool libxl;                  /* libxl's stream around the image */
    bool json;                   /* config is libxl's JSON, NUL-terminated */
    uint8_t *config;             /* NULL = none */
    uint32_t config_bytes;
    uint32_t version;            /* of our header */
    uint32_t xl_flags;
};

/*
 * Read everything in front of the image header.  Errors and *error as
 * image_read_headers().  On success the caller frees front with
 * image_front_done().
 */
int image_read_front(struct image_in *in, struct image_front *ret_front,
                     struct image_error *error);
void image_front_done(struct image_front *front);

/* Record of the libxl stream around an image. */
int image_read_libxl(struct image_in *in, struct image_rhdr *ret_rec,
                     struct image_error *error);

/* "LIBXC_CONTEXT" ... or "unknown". */
const char *image_libxl_name(uint32_t type);

/* Our header with a configuration of at most IMAGE_FRONT_CONFIG_MAX bytes. */
int image_write_front(struct image_out *out, const void *config,
                      uint32_t bytes);

#endif
