/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Function ids.  Guest pages can't hold C pointers, so a callback is known by
 * a small number.  Add a line to GUEST_FUNCTIONS to get the enum constant
 * FN_<name> and the prototype of <name>(); tables.c turns ids into functions.
 *
 * Ids live in guest memory: append only, or a guest of an older build that
 * arrives by migration calls the wrong function.
 */
#ifndef XMIG_EMU_GUEST_TABLES_H
#define XMIG_EMU_GUEST_TABLES_H

#include <stdint.h>

struct guest_env;
struct xenbus_msg;

/* msg: the reply or the watch event (xenbus.h); NULL for timers and ports.
 * It is valid only during the call. */
typedef void guest_fn(struct guest_env *env, uint32_t arg,
                      const struct xenbus_msg *msg);

#define GUEST_FUNCTIONS(X)      \
    X(xenbus_on_event)          \
    X(xenbus_on_watch_set)      \
    X(suspend_on_watch)         \
    X(suspend_on_read)          \
    X(suspend_on_tx)            \
    X(suspend_on_tx_read)       \
    X(suspend_on_tx_write)      \
    X(suspend_on_tx_end)        \
    X(suspend_on_port)          \
    X(publish_on_timer)         \
    X(publish_on_bad)           \
    X(balloon_on_watch)         \
    X(balloon_on_read)          \
    X(balloon_on_timer)         \
    X(check_on_timer)           \
    X(netfront_on_backend)      \
    X(netfront_on_backend_id)   \
    X(netfront_on_mac)          \
    X(netfront_on_state)        \
    X(netfront_on_written)      \
    X(netfront_on_backend_watch) \
    X(netfront_on_dir_watch)    \
    X(netfront_on_event)        \
    X(netfront_on_timer)        \
    X(server_on_frame)

enum guest_fn_id
{
    FN_none,                    /* nobody: a failed request is logged */
#define X(name) FN_##name,
    GUEST_FUNCTIONS(X)
#undef X
    FN_count,
};

#define X(name) guest_fn name;
GUEST_FUNCTIONS(X)
#undef X

/* Call by id; FN_none and unknown ids do nothing. */
void guest_call(struct guest_env *env, uint32_t fn, uint32_t arg,
                const struct xenbus_msg *msg);

/* Drivers, in the order of guest_drivers[] in tables.c; at most
 * KERNEL_MAX_DRIVERS. */
enum guest_driver_id
{
    DRIVER_NETFRONT,
    DRIVER_COUNT,
};

#endif
