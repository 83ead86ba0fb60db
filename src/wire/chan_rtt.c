/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Round trip and rate as the kernel has measured them.  In a file of its own,
 * as <linux/tcp.h>, which has all of struct tcp_info, and <netinet/tcp.h>
 * exclude each other.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "chan.h"

bool chan_round_trip(int fd, uint64_t *ret_us)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof(info);

    /* The shortest, not the smoothed one: a reader that is busy answers
     * late. */
    if ( getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
         !info.tcpi_min_rtt || info.tcpi_min_rtt == UINT32_MAX )
        return false;
    *ret_us = info.tcpi_min_rtt;

    return true;
}

bool chan_flow(int fd, struct chan_flow *ret)
{
    struct tcp_info info = { 0 };
    uint32_t sure_us;
    socklen_t len = sizeof(info);

    if ( getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
         !info.tcpi_min_rtt || info.tcpi_min_rtt == UINT32_MAX )
        return false;
    ret->acked_bytes = info.tcpi_bytes_acked;
    ret->waiting_bytes = info.tcpi_notsent_bytes;
    ret->window_packets = info.tcpi_snd_cwnd;
    ret->sent_packets = info.tcpi_unacked;
    ret->carried_bps = info.tcpi_delivery_rate;
    /* A queue that stands delays all alike; a host that is busy does not. */
    sure_us = info.tcpi_min_rtt + 4 * info.tcpi_rttvar;
    ret->queued_us = info.tcpi_rtt > sure_us ? info.tcpi_rtt - sure_us : 0;

    return true;
}

void chan_pace(int fd, uint64_t bps)
{
    unsigned long rate = bps;

    setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
}
