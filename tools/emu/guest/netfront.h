/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Network driver: one interface (device/vif/0), Xen's netif protocol.  For
 * vCPU 0 only.
 *
 * What was handed to netfront_send() and is not yet known to be on its way is
 * sent again after a move to a new host, so the other end may see a frame
 * twice, never not at all because of a migration.
 */
#ifndef XMIG_EMU_GUEST_NETFRONT_H
#define XMIG_EMU_GUEST_NETFRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "tables.h"

/* The interface exists; its address (6 bytes). */
bool netfront_exists(const struct guest_env *env);
const uint8_t *netfront_mac(const struct guest_env *env);

/* Queue a frame; it leaves when this step ends at the latest.  0; -ENODEV: no
 * interface; -ENOBUFS: all buffers are on their way; -EINVAL: its length. */
int netfront_send(struct guest_env *env, const void *frame, size_t len);

/* Call fn(env, slot, NULL) for each frame that arrives; during the call
 * netfront_frame() is the frame.  FN_none: frames are thrown away. */
void netfront_receiver(struct guest_env *env, enum guest_fn_id fn);
const void *netfront_frame(const struct guest_env *env, uint32_t slot,
                           size_t *ret_len);

#endif
