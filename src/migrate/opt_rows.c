/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The engine's own options.
 */
#include "opt.h"

#include "wire.h"

static const char *const opt_timeout_actions[] = {
    [OPT_TIMEOUT_ABORT] = "abort", [OPT_TIMEOUT_SUSPEND] = "suspend", NULL,
};

const struct opt_row opt_engine_rows[] = {
    { .key = "bandwidth", .unit = "MiB/s", .type = OPT_BANDWIDTH,
      .live = true,
      .min = 0, .max = 1u << 20, .def = 0,
      .help = "cap of all connections together, 0 = none" },
    { .key = "downtime-limit", .unit = "ms", .type = OPT_DURATION,
      .live = true, .alias = "max-downtime",
      .min = 1, .max = 60000, .def = 300,
      .help = "pause of the guest to aim at" },
    { .key = "lanes", .unit = "", .type = OPT_UINT, .alias = "parallel",
      .min = 1, .max = WIRE_LANES_MAX, .def = 1,
      .help = "bulk connections side by side" },
    { .key = "suspend-timeout", .unit = "ms", .type = OPT_DURATION,
      .live = true,
      .min = 10, .max = 600000, .def = 10000,
      .help = "time the guest is given to suspend itself" },
    { .key = "connect-timeout", .unit = "ms", .type = OPT_DURATION,
      .min = 10, .max = 600000, .def = 10000,
      .help = "time to reach the other host" },
    { .key = "ssh-timeout", .unit = "ms", .type = OPT_DURATION,
      .min = 10, .max = 3600000, .def = 120000,
      .help = "time for ssh to log in and the other host to answer" },
    { .key = "io-timeout", .unit = "ms", .type = OPT_DURATION,
      .min = 100, .max = 3600000, .def = 30000,
      .help = "a peer that moves no byte for so long is gone" },
    { .key = "recover-timeout", .unit = "ms", .type = OPT_DURATION,
      .live = true,
      .min = 0, .max = 86400000, .def = 60000,
      .help = "patience in asking the other host for the outcome" },
    { .key = "timeout", .unit = "s", .type = OPT_DURATION, .live = true,
      .min = 0, .max = 604800, .def = 0,
      .help = "time for the live phase, 0 = any; then timeout-action" },
    { .key = "timeout-action", .unit = "", .type = OPT_CHOICE, .live = true,
      .choices = opt_timeout_actions, .def = OPT_TIMEOUT_ABORT,
      .help = "abort: give up; suspend: switch over at any price" },
    { .key = "name", .unit = "", .type = OPT_STRING,
      .min = 0, .max = WIRE_NAME_MAX - 1,
      .help = "name of the domain at the destination, empty = its own" },
    { .key = "zero-pages", .unit = "", .type = OPT_BOOL,
      .min = 0, .max = 1, .def = 1,
      .help = "look for pages of zeros and send marks instead" },
    { .key = NULL },
};
