/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A host and a domain for tests of the emulated host's parts: real machine
 * memory, real P2M, no connections, no event channels.
 */
#ifndef XMIG_TEST_EMU_FAKE_H
#define XMIG_TEST_EMU_FAKE_H

#include "host.h"

struct domain *fake_domain(uint64_t machine_mib, enum dirty_mode mode);
void fake_domain_free(struct domain *d);
/* A further domain of the same host. */
struct domain *fake_sibling(struct domain *d);
void fake_sibling_free(struct domain *d);

#endif
