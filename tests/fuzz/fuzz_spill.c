/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A spill of any bytes: it ends, with a reason, and no page is told that lies
 * outside of the domain or of what was read.  With a byte in front that says
 * so, heads and checksums are made right, to get past them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "spill_file.h"
#include "wire_bytes.h"

#define NR_GFNS 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(int it_holds)
{
    if ( !it_holds )
        abort();
}

/* Make the checksums of head and batches right, as far as they can be. */
static void mend(uint8_t *p, size_t size)
{
    size_t at = SPILL_HEAD_BYTES, len, nr, nr_data;

    if ( size < at )
        return;
    wire_put32(p + 60, wire_crc32(0, p, 60));
    while ( size - at >= SPILL_BATCH_BYTES )
    {
        nr = wire_get32(p + at + 12);
        nr_data = wire_get32(p + at + 16);
        if ( nr > SPILL_PAGES_MAX || nr_data > nr )
            return;
        len = nr * SPILL_ENTRY_BYTES + nr_data * PAGE_BYTES;
        if ( size - at - SPILL_BATCH_BYTES < len )
            return;
        wire_put32(p + at + 28,
                   wire_crc32(wire_crc32(0, p + at, 28),
                              p + at + SPILL_BATCH_BYTES, len));
        at += SPILL_BATCH_BYTES + len;
    }
}

static void look(struct spill_reader *r, struct err *e)
{
    const struct spill_page *list;
    unsigned int nr, i, j;
    volatile uint8_t sum = 0;    /* every byte is read, under ASan */
    int rc;

    while ( !(rc = spill_next(r, e, &list, &nr)) )
    {
        insist(nr && nr <= SPILL_PAGES_MAX);
        for ( i = 0; i < nr; i++ )
        {
            insist(list[i].gfn < NR_GFNS);
            insist((list[i].kind == WIRE_KIND_DATA) == !!list[i].page);
            for ( j = 0; list[i].page && j < PAGE_BYTES; j++ )
                sum = sum ^ ((const uint8_t *)list[i].page)[j];
        }
    }
    insist(rc == -EAGAIN || rc == -ENODATA ||
           (rc == -EPROTO && err_code(e) == rc));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t id[IDENT_BYTES] = { 1, 2, 3, 4 };
    struct spill_reader *r = NULL;
    struct err e;
    uint8_t *copy;
    int fd;

    if ( !size )
        return 0;
    copy = malloc(size);
    fd = memfd_create("spill", MFD_CLOEXEC);
    insist(copy && fd >= 0);
    memcpy(copy, data + 1, size - 1);
    if ( data[0] & 1 )
        mend(copy, size - 1);
    insist(write(fd, copy, size - 1) == (ssize_t)size - 1);
    free(copy);
    err_init(&e);
    if ( !spill_open_fd(fd, "memory", id, NR_GFNS, &e, &r) )
        look(r, &e);
    else
        insist(err_code(&e) == -EPROTO || err_code(&e) == -EAGAIN);
    spill_reader_close(r);
    err_done(&e);

    return 0;
}
