/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A port of the switch as its user sees it: one SOCK_SEQPACKET connection,
 * one Ethernet frame a message; and the small things every program of this
 * folder needs (clock, addresses, readiness).
 */
#ifndef XMIG_EMU_NET_PORT_H
#define XMIG_EMU_NET_PORT_H

#include <stddef.h>
#include <stdint.h>

/* 0 and a non-blocking, close-on-exec descriptor, or -errno. */
int net_port_connect(const char *path, int *ret_fd);

/* 0; -EAGAIN: the other side is slow, try when writable; else the port is
 * of no more use. */
int net_port_send(int fd, const void *frame, size_t len);

/* Bytes received (> 0); -EAGAIN: none now; -EMSGSIZE: a frame longer than
 * size was dropped; -ENODATA or other: the port is of no more use. */
int net_port_recv(int fd, void *buf, size_t size);

/* CLOCK_MONOTONIC, microseconds. */
uint64_t net_now_us(void);

/* "00:16:3e:00:00:01"; 0 or -EINVAL. */
int net_mac_parse(const char *text, uint8_t *ret_mac);

/* Tell whoever started us that we are ready: one line, then close.  fd < 0:
 * nobody asked. */
void net_ready(int fd);

/* Whole number in [min, max]; 0 or -EINVAL. */
int net_number_parse(const char *text, uint64_t min, uint64_t max,
                     uint64_t *ret_value);

#endif
