/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Headers in front of an image stream: tells them apart by their first eight
 * bytes and checks what they say.  What a configuration means is none of its
 * business.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "image_front.h"

static const char our_magic[32] = IMAGE_FRONT_MAGIC;
static const char xl_magic[32] = "Xen saved domain, xl format\n \0 \r";

static const char *const libxl_names[] = {
    [IMAGE_LIBXL_END]              = "END",
    [IMAGE_LIBXL_LIBXC]            = "LIBXC_CONTEXT",
    [IMAGE_LIBXL_EMULATOR_STORE]   = "EMULATOR_XENSTORE_DATA",
    [IMAGE_LIBXL_EMULATOR_CONTEXT] = "EMULATOR_CONTEXT",
    [IMAGE_LIBXL_CHECKPOINT_END]   = "CHECKPOINT_END",
    [IMAGE_LIBXL_CHECKPOINT_STATE] = "CHECKPOINT_STATE",
};

const char *image_libxl_name(uint32_t type)
{
    if ( type < sizeof(libxl_names) / sizeof(libxl_names[0]) )
        return libxl_names[type];
    return "unknown";
}

static int read_config(struct image_in *in, struct image_front *front,
                       uint32_t bytes, const char *what,
                       struct image_error *error)
{
    /* One more, so that text can be read as a string. */
    front->config = calloc(1, (size_t)bytes + 1);
    if ( !front->config )
        return image_fail(error, -ENOMEM, in->offset, "no memory for %s of"
                          " %u bytes", what, bytes);
    front->config_bytes = bytes;
    return image_need(in, front->config, bytes, what, error);
}

static int read_ours(struct image_in *in, struct image_front *front,
                     struct image_error *error)
{
    uint64_t offset = in->offset;
    struct image_front_hdr hdr;
    uint8_t padding[8];
    struct image_why why;
    int rc;

    rc = image_need(in, &hdr, sizeof(hdr), "xmig's file header", error);
    if ( rc )
        return rc;
    if ( memcmp(hdr.magic, our_magic, sizeof(hdr.magic)) )
        return image_fail(error, -EPROTO, offset, "the magic string of"
                          " xmig's file header is damaged");
    if ( hdr.version != IMAGE_FRONT_VERSION )
        return image_fail(error, -EPROTONOSUPPORT, offset, "xmig's file"
                          " header is of version %u; version %u is read"
                          " here", hdr.version, IMAGE_FRONT_VERSION);
    if ( !hdr.length || hdr.length > IMAGE_FRONT_CONFIG_MAX )
        return image_fail(error, -EPROTO, offset, "xmig's file header"
                          " announces a configuration of %u bytes; it may"
                          " have 1 to %u", hdr.length,
                          IMAGE_FRONT_CONFIG_MAX);

    front->ours = true;
    front->version = hdr.version;
    rc = read_config(in, front, hdr.length, "xmig's configuration", error);
    if ( rc )
        return rc;

    offset = in->offset;
    rc = image_need(in, padding, image_padding(hdr.length), "the padding of"
                    " xmig's configuration", error);
    if ( rc )
        return rc;
    rc = image_check_padding(padding, image_padding(hdr.length), &why);
    if ( rc )
        return image_fail(error, rc, offset, "%s", why.text);
    return 0;
}

/* xl: header, u32 length, configuration, perhaps more that is not ours to
 * understand. */
static int read_xl(struct image_in *in, struct image_front *front,
                   struct image_error *error)
{
    uint64_t offset = in->offset;
    struct image_xl_hdr hdr;
    uint32_t flags, left, bytes;
    int rc;

    rc = image_need(in, &hdr, sizeof(hdr), "xl's file header", error);
    if ( rc )
        return rc;
    if ( memcmp(hdr.magic, xl_magic, sizeof(hdr.magic)) )
        return image_fail(error, -EPROTO, offset, "the magic string of xl's"
                          " file header is damaged");
    if ( hdr.byteorder != IMAGE_XL_BYTEORDER )
        return image_fail(error, -EPROTONOSUPPORT, offset, "xl's file header"
                          " is of another byte order (%#x, expected %#x)",
                          hdr.byteorder, IMAGE_XL_BYTEORDER);
    flags = hdr.mandatory_flags;
    if ( flags & ~(IMAGE_XL_JSON | IMAGE_XL_STREAM_V2) )
        return image_fail(error, -EPROTONOSUPPORT, offset, "xl's file header"
                          " has mandatory flags that are not known here"
                          " (%#x)", flags);
    if ( !(flags & IMAGE_XL_STREAM_V2) )
        return image_fail(error, -EPROTONOSUPPORT, offset, "the file is of"
                          " xl before Xen 4.6; its stream is not read here");

    front->xl = true;
    front->libxl = true;
    front->json = flags & IMAGE_XL_JSON;
    front->xl_flags = flags;
    left = hdr.optional_length;
    if ( !left )
        return 0;

    offset = in->offset;
    if ( left < sizeof(bytes) || left > IMAGE_XL_CONFIG_MAX )
        return image_fail(error, -EPROTO, offset, "xl's file header announces"
                          " %u bytes of configuration; it may have %zu to"
                          " %u", left, sizeof(bytes), IMAGE_XL_CONFIG_MAX);
    rc = image_need(in, &bytes, sizeof(bytes), "xl's configuration", error);
    if ( rc )
        return rc;
    left -= sizeof(bytes);
    if ( bytes > left )
        return image_fail(error, -EPROTO, offset, "xl's configuration of %u"
                          " bytes does not fit the %u announced", bytes,
                          left);
    rc = read_config(in, front, bytes, "xl's configuration", error);
    if ( !rc )
        rc = image_skip(in, left - bytes, "what follows xl's configuration",
                        error);
    return rc;
}

static int read_libxl_hdr(struct image_in *in, struct image_error *error)
{
    uint64_t offset = in->offset;
    struct image_libxl_hdr hdr;
    uint32_t version, options;
    int rc;

    rc = image_need(in, &hdr, sizeof(hdr), "libxl's stream header", error);
    if ( rc )
        return rc;
    version = be32toh(hdr.version);
    options = be32toh(hdr.options);
    if ( be64toh(hdr.ident) != IMAGE_LIBXL_IDENT )
        return image_fail(error, -EPROTO, offset, "libxl's stream header has"
                          " the ident %#"PRIx64", expected %#"PRIx64
                          " (\"LibxlFmt\")", be64toh(hdr.ident),
                          IMAGE_LIBXL_IDENT);
    if ( version != IMAGE_LIBXL_VERSION )
        return image_fail(error, -EPROTONOSUPPORT, offset, "libxl's stream is"
                          " of version %u; version %u is read here", version,
                          IMAGE_LIBXL_VERSION);
    if ( options )
        return image_fail(error, -EPROTONOSUPPORT, offset, "libxl's stream"
                          " has options that are not read here (%#x)",
                          options);
    return 0;
}

int image_read_libxl(struct image_in *in, struct image_rhdr *ret_rec,
                     struct image_error *error)
{
    uint64_t offset = in->offset;
    struct image_rhdr rec;
    int rc;

    rc = image_need(in, &rec, sizeof(rec), "a record's header of libxl's"
                    " stream, or before its END", error);
    if ( rc )
        return rc;
    if ( rec.type > IMAGE_LIBXL_CHECKPOINT_STATE )
        return image_fail(error, -EPROTO, offset, "record of the unknown type"
                          " %#x in libxl's stream", rec.type);
    if ( rec.type == IMAGE_LIBXL_CHECKPOINT_END ||
         rec.type == IMAGE_LIBXL_CHECKPOINT_STATE )
        return image_fail(error, -EPROTONOSUPPORT, offset, "%s record in"
                          " libxl's stream: that of Remus or COLO and no"
                          " saved domain", image_libxl_name(rec.type));
    if ( (rec.type == IMAGE_LIBXL_END || rec.type == IMAGE_LIBXL_LIBXC) &&
         rec.length )
        return image_fail(error, -EPROTO, offset, "%s record of %u bytes in"
                          " libxl's stream; it may have none",
                          image_libxl_name(rec.type), rec.length);
    if ( rec.length > IMAGE_RECORD_MAX )
        return image_fail(error, -EPROTO, offset, "%s record of %u bytes in"
                          " libxl's stream; it may have %u",
                          image_libxl_name(rec.type), rec.length,
                          IMAGE_RECORD_MAX);

    *ret_rec = rec;
    return 0;
}

int image_read_front(struct image_in *in, struct image_front *ret_front,
                     struct image_error *error)
{
    struct image_front front = { 0 };
    uint64_t offset = in->offset, ident;
    struct image_rhdr rec;
    char first[8];
    int rc;

    rc = image_need(in, first, sizeof(first), "its first eight bytes", error);
    if ( rc )
        return rc;
    image_in_unread(in, first, sizeof(first));

    memcpy(&ident, first, sizeof(ident));
    if ( !memcmp(first, our_magic, sizeof(first)) )
        rc = read_ours(in, &front, error);
    else if ( !memcmp(first, xl_magic, sizeof(first)) )
        rc = read_xl(in, &front, error);
    else if ( be64toh(ident) == IMAGE_LIBXL_IDENT )
        front.libxl = true;
    else if ( ident != IMAGE_MARKER )
        rc = image_fail(error, -EPROTO, offset, "this is no saved domain:"
                        " neither a header of xmig or xl nor a stream of"
                        " libxl or libxc begins here");
    if ( rc )
        goto out;

    if ( front.libxl )
    {
        rc = read_libxl_hdr(in, error);
        if ( rc )
            goto out;
        offset = in->offset;
        rc = image_read_libxl(in, &rec, error);
        if ( rc )
            goto out;
        if ( rec.type != IMAGE_LIBXL_LIBXC )
        {
            rc = image_fail(error, -EPROTO, offset, "libxl's stream begins"
                            " with a %s record, expected LIBXC_CONTEXT",
                            image_libxl_name(rec.type));
            goto out;
        }
    }

    *ret_front = front;
    front.config = NULL;

 out:
    image_front_done(&front);
    return rc;
}

void image_front_done(struct image_front *front)
{
    free(front->config);
    front->config = NULL;
}

int image_write_front(struct image_out *out, const void *config,
                      uint32_t bytes)
{
    struct image_front_hdr hdr = {
        .version = IMAGE_FRONT_VERSION,
        .length = bytes,
    };
    uint8_t padding[8] = { 0 };
    int rc;

    assert(bytes && bytes <= IMAGE_FRONT_CONFIG_MAX);
    memcpy(hdr.magic, our_magic, sizeof(hdr.magic));
    rc = image_out_write(out, &hdr, sizeof(hdr));
    if ( !rc )
        rc = image_out_write(out, config, bytes);
    if ( !rc )
        rc = image_out_write(out, padding, image_padding(bytes));
    return rc;
}
