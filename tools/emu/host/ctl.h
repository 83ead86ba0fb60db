/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Control of the host itself, by xmig-emu.
 */
#ifndef XMIG_EMU_CTL_H
#define XMIG_EMU_CTL_H

#include "host.h"

/* A request on an EMU_KIND_CTL connection.  Returns as conn_reply(). */
int ctl_msg(struct conn *c, uint32_t op, uint32_t len);

#endif
