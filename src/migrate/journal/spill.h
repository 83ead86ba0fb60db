/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The spill of a post-copy: what the destination lacks, in a file that it
 * can reach when the source is gone (docs/stream.md section 4).
 *
 * Written once, from its beginning to its end; what stands in front of a
 * place where it breaks off, or is damaged, counts.
 */
#ifndef XMIG_SPILL_H
#define XMIG_SPILL_H

#include <stdint.h>

#include "err.h"
#include "ident.h"
#include "wire.h"

#define SPILL_PAGES_MAX 256u     /* in a batch */

/* ---- Writing ------------------------------------------------------------ */

struct spill_writer;

/*
 * Make the file of migration id in dir, mode 0600.
 *   -EEXIST  there is one
 *   -ENOENT, -ENOSPC, -EACCES ...
 */
int spill_create(const char *dir, const uint8_t id[IDENT_BYTES],
                 uint64_t nr_gfns, struct err *e,
                 struct spill_writer **ret_w);
/*
 * Add a page: WIRE_KIND_DATA (a page of zeros becomes ZERO by itself), ZERO
 * or HOLE; page is not looked at for the others.  It is not durable before a
 * sync, of which there is one every 16 MiB and one in spill_finish().
 */
int spill_put(struct spill_writer *w, struct err *e, uint64_t gfn,
              enum wire_kind kind, const void *page);
/* All there is to come has come: whole, and durable. */
int spill_finish(struct spill_writer *w, struct err *e);
/* Pages that are durable. */
uint64_t spill_durable(const struct spill_writer *w);
/* The file stays.  w may be NULL. */
void spill_close(struct spill_writer *w);
/* It is of no use any more; 0 if there is none. */
int spill_remove(const char *dir, const uint8_t id[IDENT_BYTES],
                 struct err *e);

/* ---- Reading ------------------------------------------------------------ */

struct spill_reader;

struct spill_page
{
    uint64_t gfn;
    enum wire_kind kind;         /* DATA, ZERO or HOLE */
    const void *page;            /* of DATA; until the next batch is read */
};

/*
 *   -ENOENT    there is none
 *   -EPROTO    it is none, or another migration's, or of another size
 *   -EAGAIN    not even its head is whole
 */
int spill_open(const char *dir, const uint8_t id[IDENT_BYTES],
               uint64_t nr_gfns, struct err *e, struct spill_reader **ret_r);
/* The same of a descriptor, which becomes the reader's. */
int spill_open_fd(int fd, const char *name, const uint8_t id[IDENT_BYTES],
                  uint64_t nr_gfns, struct err *e,
                  struct spill_reader **ret_r);
/*
 * The next batch, of *ret_nr pages.
 *   -EAGAIN   there is no more yet: it breaks off here, or is still written
 *   -ENODATA  there was no more to write: it is whole
 *   -EPROTO   damaged here; what came before counts
 */
int spill_next(struct spill_reader *r, struct err *e,
               const struct spill_page **ret_pages, unsigned int *ret_nr);
/* r may be NULL. */
void spill_reader_close(struct spill_reader *r);

#endif
