/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Logging: macros over a borrowed xentoollog_logger; NULL is no log.
 *
 * Failures are returned, not logged (err.h); one ERROR line when a session
 * ends badly.  A message is what was attempted, on what, with numbers:
 * "map 64 gfns at 0x1f400: 3 failed, first -ENOENT".  No trailing "\n".
 */
#ifndef XMIG_LOG_H
#define XMIG_LOG_H

#include <xentoollog.h>

#define LOG_AT(logger, level, ...)                                      \
    do {                                                                \
        struct xentoollog_logger *log_l_ = (logger);                    \
        if ( log_l_ )                                                   \
            xtl_log(log_l_, (level), -1, "xmig", __VA_ARGS__);          \
    } while ( 0 )

#define LOG_DEBUG(logger, ...)  LOG_AT(logger, XTL_DEBUG, __VA_ARGS__)
#define LOG_DETAIL(logger, ...) LOG_AT(logger, XTL_DETAIL, __VA_ARGS__)
#define LOG_INFO(logger, ...)   LOG_AT(logger, XTL_INFO, __VA_ARGS__)
#define LOG_WARN(logger, ...)   LOG_AT(logger, XTL_WARN, __VA_ARGS__)
#define LOG_ERROR(logger, ...)  LOG_AT(logger, XTL_ERROR, __VA_ARGS__)

#endif
