/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * net_echo SWITCH MAC [N CHANGE]: a stand-in for a guest's server directly on
 * the switch, for tests of switch and client without a host.  After N writes
 * the CHANGE happens, once:
 *   move    it vanishes from its port, is away for 50 ms, and comes back on
 *           another port with an announcement
 *   silent  it goes on listening but never answers again
 *   forget  its memory is set back to what it was 20 writes earlier
 *   deaf    it reads nothing for 300 ms, so that the switch's queue fills
 * Prints "ready" when it listens; ends with the switch or at SIGTERM.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netproto.h>

#define BACK 20u

struct memory
{
    uint64_t session, high;
    struct { uint64_t number, value; } key[NET_KEYS];
};

static struct memory now, history[BACK];
static uint8_t own[NET_MAC_LEN];

static int port_open(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if ( fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) )
    {
        perror(path);
        exit(1);
    }
    return fd;
}

static void announce(int fd)
{
    struct net_rarp f = { .eth.type = { NET_TYPE_RARP >> 8,
                                        NET_TYPE_RARP & 0xff } };

    memset(f.eth.dst, 0xff, NET_MAC_LEN);
    memcpy(f.eth.src, own, NET_MAC_LEN);
    if ( send(fd, &f, sizeof(f), MSG_NOSIGNAL) < 0 )
        perror("announce");
}

static void seal(struct net_msg *msg)
{
    const uint8_t *p = (const void *)msg;

    msg->checksum = NET_FNV_BASIS;
    for ( size_t i = 0; i < offsetof(struct net_msg, checksum); i++ )
        msg->checksum = (msg->checksum ^ p[i]) * NET_FNV_PRIME;
}

static void serve(struct net_msg *msg, unsigned int *writes)
{
    if ( now.session != msg->session )
    {
        memset(&now, 0, sizeof(now));
        now.session = msg->session;
    }
    msg->flags = NET_MSG_ANSWER;
    msg->high = now.high;
    msg->old_number = now.key[msg->key].number;
    msg->old_value = now.key[msg->key].value;
    if ( msg->type == NET_MSG_WRITE && msg->old_number < msg->number )
    {
        history[(*writes)++ % BACK] = now;
        now.key[msg->key].number = msg->number;
        now.key[msg->key].value = msg->value;
        if ( now.high < msg->number )
            now.high = msg->number;
    }
    seal(msg);
}

int main(int argc, char **argv)
{
    unsigned int b[NET_MAC_LEN], writes = 0, after = 0;
    const char *change = "";
    int fd;

    if ( argc < 3 || sscanf(argv[2], "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2],
                            &b[3], &b[4], &b[5]) != NET_MAC_LEN )
        return 2;
    for ( unsigned int i = 0; i < NET_MAC_LEN; i++ )
        own[i] = b[i];
    if ( argc == 5 )
    {
        after = atoi(argv[3]);
        change = argv[4];
    }
    fd = port_open(argv[1]);
    printf("ready\n");
    fflush(stdout);

    for ( ;; )
    {
        struct net_request_frame f;
        struct net_msg msg;
        ssize_t n = recv(fd, &f, sizeof(f), 0);

        if ( n <= 0 )
            return 0;
        if ( n != sizeof(f) || memcmp(f.eth.dst, own, NET_MAC_LEN) )
            continue;
        memcpy(&msg, f.msg, sizeof(msg));
        if ( msg.key >= NET_KEYS )
            return 1;
        serve(&msg, &writes);
        memcpy(f.msg, &msg, sizeof(msg));
        memcpy(f.eth.dst, f.eth.src, NET_MAC_LEN);
        memcpy(f.eth.src, own, NET_MAC_LEN);
        if ( send(fd, &f, sizeof(f), MSG_NOSIGNAL) < 0 )
            return 0;

        if ( !after || writes < after )
            continue;
        after = 0;
        if ( !strcmp(change, "move") )
        {
            close(fd);
            poll(NULL, 0, 50);
            fd = port_open(argv[1]);
            announce(fd);
        }
        else if ( !strcmp(change, "silent") )
            while ( recv(fd, &f, sizeof(f), 0) > 0 )
                continue;
        else if ( !strcmp(change, "forget") )
            now = history[writes % BACK];
        else if ( !strcmp(change, "deaf") )
            poll(NULL, 0, 300);
    }
}
