/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What libxengnttab and the host say to each other, in the frames of
 * proto.h.  A connection is one handle.
 */
#ifndef XMIG_EMU_PROTO_GNTTAB_H
#define XMIG_EMU_PROTO_GNTTAB_H

#include "proto.h"

enum emu_gnttab_op
{
    /*
     * struct emu_gnt_map, struct emu_gnt_ref[num]; result: id of the mapping;
     * reply u64 mfn[num].  All of it is mapped or nothing.
     */
    EMU_GNTTAB_MAP = EMU_GNTTAB_FIRST,
    /* u64 id.  The client has unmapped the pages before. */
    EMU_GNTTAB_UNMAP,
    /* u32: how many grants the handle may have mapped */
    EMU_GNTTAB_SET_MAX,
    /*
     * u64 num, struct emu_gnt_copy[num], then the data of the segments whose
     * source is local, in order; reply int16_t status[num] (GNTST_*), padded
     * bytes, then the data of the segments whose destination is local.
     */
    EMU_GNTTAB_COPY,
};

#define EMU_GNT_MAP_WRITE   1u
#define EMU_GNT_NO_NOTIFY   0xffffffffu
#define EMU_GNT_MAX_MAP     (1u << 16)   /* pages in one mapping */
#define EMU_GNT_MAX_COPY    512u         /* segments in one request */

struct emu_gnt_ref
{
    uint32_t domid;
    uint32_t ref;
};

struct emu_gnt_map
{
    uint32_t num;
    uint32_t flags;              /* EMU_GNT_MAP_WRITE */
    /* At unmap: zero this byte of the first page, fire this port of dom0. */
    uint32_t notify_offset;      /* or EMU_GNT_NO_NOTIFY */
    uint32_t notify_port;        /* or EMU_GNT_NO_NOTIFY */
};

#define EMU_GNT_COPY_SRC_REF  1u /* the source is a grant, else local */
#define EMU_GNT_COPY_DST_REF  2u

struct emu_gnt_copy
{
    struct emu_gnt_ref src, dst;
    uint16_t src_offset, dst_offset;
    uint16_t len;
    uint16_t flags;              /* EMU_GNT_COPY_* */
};

#endif
