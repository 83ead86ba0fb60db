/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Threads that compress batches, for all lanes of a migration.  A lane takes
 * its batches back in the order in which it put them.
 */
#ifndef XMIG_CODE_POOL_H
#define XMIG_CODE_POOL_H

#include "code_job.h"

struct code_pool;

/* method ZLIB or ZSTD.  -ENOMEM, -EAGAIN */
int code_pool_new(enum zip_method method, unsigned int threads,
                  struct code_pool **ret_pool);
/* No batch is in it any more; pool may be NULL. */
void code_pool_free(struct code_pool *pool);

/* Thread: any, with another job each. */
void code_pool_put(struct code_pool *pool, struct code_job *job);
/* Until it is packed. */
void code_pool_wait(struct code_pool *pool, struct code_job *job);
/* Is it? */
bool code_pool_is_done(struct code_pool *pool, struct code_job *job);

#endif
