/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The engine's own options.
 */
#include "opt.h"

#include "wire.h"

static const char *const opt_timeout_actions[] = {
    [OPT_TIMEOUT_ABORT] = "abort", [OPT_TIMEOUT_SUSPEND] = "suspend",
    [OPT_TIMEOUT_POSTCOPY] = "postcopy", NULL,
};

static const char *const opt_postcopies[] = {
    [OPT_POSTCOPY_OFF] = "off", [OPT_POSTCOPY_READY] = "ready",
    [OPT_POSTCOPY_AFTER] = "after-precopy", [OPT_POSTCOPY_NOW] = "now", NULL,
};

static const char *const opt_early_gos[] = {
    [OPT_EARLY_GO_AUTO] = "auto", [OPT_EARLY_GO_OFF] = "off",
    [OPT_EARLY_GO_ON] = "on", NULL,
};

static const char *const opt_first_accesses[] = {
    [OPT_FIRST_ACCESS_AUTO] = "auto", [OPT_FIRST_ACCESS_CHEAP] = "cheap",
    [OPT_FIRST_ACCESS_DEAR] = "dear", NULL,
};

static const char *const opt_faults[] = {
    [OPT_FAULTS_PAGING] = "paging", [OPT_FAULTS_ACCESS] = "access", NULL,
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
      .min = 0, .max = WIRE_LANES_MAX, .def = 0,
      .help = "bulk connections side by side, 0 = as the link needs" },
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
      .help = "abort: give up; suspend: switch over at any price; postcopy: "
              "let the rest follow" },
    { .key = "early-go", .unit = "", .type = OPT_CHOICE,
      .choices = opt_early_gos, .def = OPT_EARLY_GO_AUTO,
      .help = "let the destination start when it has all, without asking "
              "back first; auto: on long links" },
    { .key = "first-access", .unit = "", .type = OPT_CHOICE,
      .choices = opt_first_accesses, .def = OPT_FIRST_ACCESS_AUTO,
      .help = "what the first access to a page that is mapped is taken to "
              "cost; auto: measure it" },
    { .key = "postcopy", .unit = "", .type = OPT_CHOICE,
      .choices = opt_postcopies, .def = OPT_POSTCOPY_OFF,
      .help = "run at the destination before all memory is there" },
    { .key = "fault-source", .unit = "", .type = OPT_CHOICE,
      .choices = opt_faults, .def = OPT_FAULTS_PAGING,
      .help = "post-copy: by which of Xen's means memory is absent; access: "
              "mem_access, for domains without devices" },
    { .key = "prepaging", .unit = "", .type = OPT_BOOL,
      .min = 0, .max = 1, .def = 1,
      .help = "post-copy: push what lies around the last faults first" },
    { .key = "fault-neighbours", .unit = "pages", .type = OPT_UINT,
      .min = 0, .max = 64, .def = 8,
      .help = "post-copy: so many come along with one that is waited for" },
    { .key = "postcopy-spill", .unit = "", .type = OPT_STRING,
      .min = 0, .max = 3071,
      .help = "post-copy: a directory that both hosts reach, for what is not "
              "there yet" },
    { .key = "name", .unit = "", .type = OPT_STRING,
      .min = 0, .max = WIRE_NAME_MAX - 1,
      .help = "name of the domain at the destination, empty = its own" },
    { .key = "zero-pages", .unit = "", .type = OPT_BOOL,
      .min = 0, .max = 1, .def = 1,
      .help = "look for pages of zeros and send marks instead" },
    { .key = "compressed", .unit = "", .type = OPT_BOOL,
      .min = 0, .max = 1, .def = 0,
      .help = "compress pages, and tell changes only, where that pays" },
    { .key = "comp-methods", .unit = "", .type = OPT_STRING,
      .min = 0, .max = 63,
      .help = "zstd, zlib, delta; with commas; empty = the best there is" },
    { .key = "comp-zstd-level", .unit = "", .type = OPT_UINT,
      .min = 0, .max = 19, .def = 0,
      .help = "1 fast ... 19 small, 0 = by itself" },
    { .key = "comp-zlib-level", .unit = "", .type = OPT_UINT,
      .min = 0, .max = 9, .def = 0, .alias = "comp-mt-level",
      .help = "1 fast ... 9 small, 0 = by itself" },
    { .key = "comp-threads", .unit = "", .type = OPT_UINT,
      .min = 0, .max = 64, .def = 0, .alias = "comp-mt-threads",
      .help = "that compress, 0 = one for each CPU, 4 at most" },
    { .key = "comp-xbzrle-cache", .unit = "MiB", .type = OPT_SIZE,
      .min = 0, .max = 1u << 20, .def = 64, .alias = "delta-cache",
      .help = "pages kept to tell changes only, 0 = do not" },
    { .key = "comp-always", .unit = "", .type = OPT_BOOL,
      .min = 0, .max = 1, .def = 0,
      .help = "also where it takes longer, for the bytes' sake" },
    { .key = "comp-accept", .unit = "", .type = OPT_BOOL,
      .min = 0, .max = 1, .def = 1,
      .help = "take what is compressed (both ends are asked)" },
    { .key = NULL },
};
