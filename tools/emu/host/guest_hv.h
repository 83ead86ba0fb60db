/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The hypervisor as a guest sees it.
 */
#ifndef XMIG_EMU_GUEST_HV_H
#define XMIG_EMU_GUEST_HV_H

#include "guest/guest.h"

extern const struct guest_hv guest_hv;

#endif
