/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Handing a domain to the stock helper.
 */
#ifndef HELPER_STOCK_H
#define HELPER_STOCK_H

/*
 * Become libxl's own helper, with the same arguments and descriptors; nothing
 * of the stream may have been read or written.  why: the reason, for xl's
 * log.  path: where it is, NULL = look for it.
 *
 * Returns only on failure, -errno, having logged it.
 */
int stock_exec(const char *path, char **argv, const char *why);

#endif
