/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Foreign mappings: what a client has mapped, and the pins that go with it.
 */
#ifndef XMIG_EMU_FMEM_H
#define XMIG_EMU_FMEM_H

#include "host.h"

/* A request on an EMU_KIND_FMEM connection.  Returns as conn_reply(). */
int fmem_msg(struct conn *c, uint32_t op, uint32_t len);
/* Drops all pins. */
void fmem_conn_close(struct conn *c);

#endif
