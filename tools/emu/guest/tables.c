/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The constant tables: functions by id, drivers, programs.  Adding a driver
 * or a program ends here.
 */
#include <stddef.h>

#include "kernel.h"

static guest_fn *const functions[FN_count] =
{
#define X(name) [FN_##name] = name,
    GUEST_FUNCTIONS(X)
#undef X
};

void guest_call(struct guest_env *env, uint32_t fn, uint32_t arg,
                const struct xenbus_msg *msg)
{
    if ( fn < FN_count && functions[fn] )
        functions[fn](env, arg, msg);
}

extern const struct guest_driver driver_netfront;

/* In the order of enum guest_driver_id. */
const struct guest_driver *const guest_drivers[] =
{
    [DRIVER_NETFRONT] = &driver_netfront,
};
const unsigned int guest_nr_drivers = DRIVER_COUNT;

extern const struct guest_program prog_idle, prog_cpu, prog_dirty,
    prog_server;

const struct guest_program *const guest_programs[] =
{
    &prog_idle,                  /* the first is the default */
    &prog_cpu,
    &prog_dirty,
    &prog_server,
};
const unsigned int guest_nr_programs =
    sizeof(guest_programs) / sizeof(guest_programs[0]);
