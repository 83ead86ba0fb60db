/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A network namespace of our own with a TUN interface in it.
 */
#ifndef LINK_TUN_H
#define LINK_TUN_H

#include <stdint.h>

/* What precedes each packet: struct virtio_net_hdr. */
#define TUN_HEADER_BYTES 10u
/* A piece with its header. */
#define TUN_PIECE_MAX (65536u + TUN_HEADER_BYTES)

/*
 * Make the namespace (as "ip netns add" does, for "ip netns exec") and in it
 * the interface "link" with an address of 10.77.0.0/24, up; lo is up, too.
 *
 * *ret_fd is the interface's other side, non-blocking, with offloads.
 * Returns 0 or -errno; *ret_what says what failed.
 * Thread: the caller's namespace is switched and switched back.
 */
int tun_make(const char *netns, const char *address, unsigned int mtu,
             int *ret_fd, const char **ret_what);
/* Removes the namespace; what runs in it keeps it alive. */
void tun_remove(const char *netns);

/* Enter a namespace made by tun_make(), for good. */
int tun_enter(const char *netns);

/*
 * Of a piece as read: the IP bytes on the wire, and in how many packets.
 */
uint32_t tun_packets(const void *piece, uint32_t len, uint64_t *ret_bytes);

#endif
