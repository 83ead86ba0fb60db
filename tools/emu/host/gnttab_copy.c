/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Copies between a program of dom0 and granted frames.  The program's own
 * memory travels in the messages; what a grant's frame receives is logged as
 * dirty after it is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/grant_table.h>

#include "gnttab_priv.h"
#include "proto_gnttab.h"

struct side
{
    struct domain *d;            /* a reference; NULL: the program itself */
    uint32_t ref;
    bool write;
    uint64_t mfn;
    uint8_t *ptr;                /* NULL: the status says why */
};

static int16_t side_begin(struct conn *c, struct side *s,
                          const struct emu_gnt_ref *r, uint16_t offset,
                          uint16_t len, bool write)
{
    struct domain *d;
    int16_t st;

    if ( offset + len > (int)PAGE_SIZE )
        return GNTST_bad_copy_arg;
    d = domain_find(c->host, r->domid);
    if ( !d || !d->hvm )
    {
        domain_put(d);
        return GNTST_bad_domain;
    }
    st = gnttab_use(d, r->ref, write, &s->mfn);
    if ( st != GNTST_okay )
    {
        domain_put(d);
        return st;
    }
    s->d = d;
    s->ref = r->ref;
    s->write = write;
    s->ptr = (uint8_t *)machine_ptr(&c->host->machine, s->mfn) + offset;

    return GNTST_okay;
}

static void side_end(struct side *s)
{
    if ( !s->d )
        return;
    gnttab_unuse(s->d, s->ref, s->write, s->mfn);
    domain_put(s->d);
}

static int16_t try_copy(struct conn *c, const struct emu_gnt_copy *seg,
                        uint8_t *in, uint8_t *out)
{
    struct side src = { .ptr = in }, dst = { .ptr = out };
    int16_t st = GNTST_okay;

    pthread_mutex_lock(&gnttab_lock);
    if ( seg->flags & EMU_GNT_COPY_SRC_REF )
        st = side_begin(c, &src, &seg->src, seg->src_offset, seg->len, false);
    if ( st == GNTST_okay && (seg->flags & EMU_GNT_COPY_DST_REF) )
        st = side_begin(c, &dst, &seg->dst, seg->dst_offset, seg->len, true);
    if ( st == GNTST_okay )
        memmove(dst.ptr, src.ptr, seg->len);
    side_end(&dst);
    side_end(&src);
    pthread_mutex_unlock(&gnttab_lock);

    return st;
}

/* in, out: where the segment's local bytes are in the messages. */
static int16_t copy_one(struct conn *c, const struct emu_gnt_copy *seg,
                        uint8_t *in, uint8_t *out)
{
    unsigned int delay_ms = 1;
    int16_t st;

    for ( ; ; )
    {
        st = try_copy(c, seg, in, out);
        if ( st != GNTST_eagain )
            return st;
        /* Whichever of the two it is. */
        if ( !gnttab_wait_absent(c, seg->flags & EMU_GNT_COPY_SRC_REF ?
                                 seg->src.domid : seg->dst.domid,
                                 &delay_ms) )
            return GNTST_bad_page;
    }
}

int gnttab_copy_msg(struct conn *c, uint32_t len)
{
    const struct emu_gnt_copy *seg;
    size_t in_size = 0, out_size = 0, head, i;
    uint8_t *reply, *in, *out;
    uint32_t num = 0;
    int rc;

    if ( len >= sizeof(uint64_t) )
        memcpy(&num, c->buf, sizeof(num));
    seg = (const void *)(c->buf + sizeof(uint64_t));
    if ( !num || num > EMU_GNT_MAX_COPY ||
         len - sizeof(uint64_t) < num * sizeof(*seg) )
        return conn_reply(c, EMU_GNTTAB_COPY, -EINVAL, NULL, 0, NULL, 0);
    for ( i = 0; i < num; i++ )
    {
        if ( !(seg[i].flags & EMU_GNT_COPY_SRC_REF) )
            in_size += seg[i].len;
        if ( !(seg[i].flags & EMU_GNT_COPY_DST_REF) )
            out_size += seg[i].len;
    }
    if ( len != sizeof(uint64_t) + num * sizeof(*seg) + in_size )
        return conn_reply(c, EMU_GNTTAB_COPY, -EINVAL, NULL, 0, NULL, 0);

    head = (num * sizeof(int16_t) + 7) & ~(size_t)7;
    reply = calloc(1, head + out_size + 1);
    if ( !reply )
        return conn_reply(c, EMU_GNTTAB_COPY, -ENOMEM, NULL, 0, NULL, 0);
    in = c->buf + sizeof(uint64_t) + num * sizeof(*seg);
    out = reply + head;
    for ( i = 0; i < num; i++ )
    {
        int16_t st = copy_one(c, &seg[i], in, out);

        memcpy(reply + i * sizeof(st), &st, sizeof(st));
        if ( !(seg[i].flags & EMU_GNT_COPY_SRC_REF) )
            in += seg[i].len;
        if ( !(seg[i].flags & EMU_GNT_COPY_DST_REF) )
            out += seg[i].len;
    }
    rc = conn_reply(c, EMU_GNTTAB_COPY, 0, reply, head + out_size, NULL, 0);
    free(reply);

    return rc;
}
