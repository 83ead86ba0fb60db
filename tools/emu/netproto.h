/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What travels over the switch: Ethernet frames, the requests of the outside
 * client and the answers of the guest program "server", and the announcement
 * with which a resumed guest tells the switch where it is now.
 *
 * Shared by tools/emu/net and tools/emu/guest; declarations only.  All fields
 * of struct net_msg are little-endian, which is what both ends run on.
 */
#ifndef XMIG_EMU_NETPROTO_H
#define XMIG_EMU_NETPROTO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NET_MAC_LEN        6
#define NET_FRAME_MIN      14
#define NET_FRAME_MAX      4096  /* one guest page, header included */

#define NET_TYPE_REQUEST   0x88b5 /* IEEE 802 local experimental 1 */
#define NET_TYPE_RARP      0x8035 /* announcement */

struct net_eth
{
    uint8_t dst[NET_MAC_LEN];
    uint8_t src[NET_MAC_LEN];
    uint8_t type[2];             /* big-endian */
};

/*
 * The announcement: a RARP request "who am I", broadcast, in which sender
 * and target are the guest.  Switches learn from its source address and
 * nobody needs to answer it.
 */
#define NET_RARP_REQUEST   3
struct net_rarp
{
    struct net_eth eth;
    uint8_t hw_type[2];          /* 1, Ethernet; fields are big-endian */
    uint8_t proto_type[2];       /* 0x0800 */
    uint8_t hw_len;              /* 6 */
    uint8_t proto_len;           /* 4 */
    uint8_t op[2];               /* NET_RARP_REQUEST */
    uint8_t sender_mac[NET_MAC_LEN];
    uint8_t sender_ip[4];        /* 0 */
    uint8_t target_mac[NET_MAC_LEN];
    uint8_t target_ip[4];        /* 0 */
    uint8_t pad[18];             /* up to the smallest Ethernet frame */
};

/* "Here I am", for switches to learn. */
static inline struct net_rarp net_rarp_of(const uint8_t mac[NET_MAC_LEN])
{
    struct net_rarp f = {
        .eth.dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
        .eth.type = { NET_TYPE_RARP >> 8, NET_TYPE_RARP & 0xff },
        .hw_type = { 0, 1 },
        .proto_type = { 8, 0 },
        .hw_len = NET_MAC_LEN,
        .proto_len = 4,
        .op = { 0, NET_RARP_REQUEST },
    };

    memcpy(f.eth.src, mac, NET_MAC_LEN);
    memcpy(f.sender_mac, mac, NET_MAC_LEN);
    memcpy(f.target_mac, mac, NET_MAC_LEN);
    return f;
}

#define NET_MSG_MAGIC      0x51474d58u /* "XMGQ" */
#define NET_MSG_VERSION    1

enum net_msg_type
{
    NET_MSG_WRITE = 1,           /* write value under key, as number */
    NET_MSG_READ  = 2,           /* only answer with what the key holds */
};

#define NET_MSG_ANSWER     0x01  /* flag: comes from the server */
#define NET_MSG_STALE      0x02  /* flag: the key held this number or later */

/* Keys of a session; write number n goes to key n % NET_KEYS. */
#define NET_KEYS           128

/*
 * A request, and with NET_MSG_ANSWER set its answer, in which the first part
 * comes back as it was sent.  Repeating a request is harmless: a write is
 * applied only if its number is above the one the key holds.
 *
 * "known" and "key_known" are what had been acknowledged to the client, at
 * all and for this key, when it sent this copy of the request.  An honest
 * server answers with high >= known and old_number >= key_known, whatever
 * the network lost, repeated or reordered; less means that an acknowledged
 * write is gone.
 */
struct net_msg
{
    uint32_t magic;
    uint8_t version;
    uint8_t type;                /* enum net_msg_type */
    uint8_t flags;
    uint8_t reserved;            /* 0 */
    uint64_t session;            /* chosen by the client, not 0 */
    uint64_t number;             /* from 1 */
    uint64_t sent_us;            /* client's clock, this copy */
    uint32_t attempt;            /* from 1 */
    uint32_t key;                /* < NET_KEYS */
    uint64_t value;
    uint64_t known;
    uint64_t key_known;
    /* 0 in a request */
    uint64_t high;               /* highest number written before this one */
    uint64_t old_number;         /* what the key held before this request */
    uint64_t old_value;
    uint64_t checksum;           /* FNV-1a of all the bytes above */
};

struct net_request_frame
{
    struct net_eth eth;
    uint8_t msg[sizeof(struct net_msg)];
};

_Static_assert(sizeof(struct net_eth) == 14, "Ethernet header");
_Static_assert(sizeof(struct net_rarp) == 60, "smallest Ethernet frame");
_Static_assert(sizeof(struct net_msg) == 96, "request");
_Static_assert(offsetof(struct net_msg, checksum) == 88, "request");
_Static_assert(sizeof(struct net_request_frame) == 110, "request frame");

/* FNV-1a, 64 bits: how checksum is made. */
#define NET_FNV_BASIS      0xcbf29ce484222325ull
#define NET_FNV_PRIME      0x100000001b3ull

#endif
