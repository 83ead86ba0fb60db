/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The layout of a spill (docs/stream.md section 4), shared by its writer and
 * its reader.
 */
#ifndef XMIG_SPILL_FILE_H
#define XMIG_SPILL_FILE_H

#include <stdint.h>

#include "ident.h"
#include "pages.h"
#include "spill.h"

#define SPILL_MAGIC      "XMIGSPIL"
#define SPILL_VERSION    1u
#define SPILL_HEAD_BYTES 64u

#define SPILL_BATCH_MAGIC   0x48435442u       /* "BTCH" */
#define SPILL_BATCH_BYTES   32u
#define SPILL_ENTRY_BYTES   8u
#define SPILL_KIND_SHIFT    56
#define SPILL_KIND_PAGES    1u
#define SPILL_KIND_END      2u
#define SPILL_BATCH_MAX     (SPILL_BATCH_BYTES + SPILL_PAGES_MAX * \
                             (SPILL_ENTRY_BYTES + PAGE_BYTES))

/* The path of migration id's spill in dir; NULL without memory. */
char *spill_path(const char *dir, const uint8_t id[IDENT_BYTES]);

#endif
