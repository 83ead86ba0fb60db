/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The Ethernet switch between the hosts of a lab.
 *
 *   switch SOCKET LOCKFILE
 *
 * QEMU connects with -netdev stream: each frame is preceded by its length,
 * 4 bytes, big-endian.  A stream, since datagrams are lost when a host is
 * slow, and emulated hosts are.  A port that does not read holds up those who
 * send to it, as TCP wants it.  Ends when the last host has left; LOCKFILE is
 * locked as long as it runs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PORTS   32
#define MAX_FRAME   (1u << 17)
#define MAX_MACS    64
#define MAC_BYTES   6

struct port {
    int fd;                     /* -1: free; under table_lock */
    pthread_mutex_t out;        /* one frame at a time */
};

static struct port ports[MAX_PORTS];
static struct {
    uint8_t mac[MAC_BYTES];
    int port;
} macs[MAX_MACS];               /* ring of the last learnt; under table_lock */
static unsigned int next_mac;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *socket_path;

static void die(const char *what)
{
    fprintf(stderr, "switch: %s: %s\n", what, strerror(errno));
    exit(1);
}

static bool read_all(int fd, void *buf, size_t len)
{
    for ( char *p = buf; len; )
    {
        ssize_t n = read(fd, p, len);

        if ( n < 0 && errno == EINTR )
            continue;
        if ( n <= 0 )
            return false;
        p += n;
        len -= n;
    }
    return true;
}

static bool write_all(int fd, const void *buf, size_t len)
{
    for ( const char *p = buf; len; )
    {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if ( n < 0 && errno == EINTR )
            continue;
        if ( n <= 0 )
            return false;
        p += n;
        len -= n;
    }
    return true;
}

/* Port of a unicast address, or -1: all of them. */
static int look_up(const uint8_t *mac)
{
    if ( mac[0] & 1 )
        return -1;
    for ( unsigned int i = 0; i < MAX_MACS; i++ )
        if ( !memcmp(macs[i].mac, mac, MAC_BYTES) )
            return macs[i].port;
    return -1;
}

/* A guest that has moved announces itself: the newest place counts. */
static void learn(const uint8_t *mac, int port)
{
    for ( unsigned int i = 0; i < MAX_MACS; i++ )
    {
        if ( memcmp(macs[i].mac, mac, MAC_BYTES) )
            continue;
        macs[i].port = port;
        return;
    }
    memcpy(macs[next_mac].mac, mac, MAC_BYTES);
    macs[next_mac].port = port;
    next_mac = (next_mac + 1) % MAX_MACS;
}

/* frame has its length in front. */
static void forward(int from, const uint8_t *frame, size_t len)
{
    int to;

    pthread_mutex_lock(&table_lock);
    learn(frame + 4 + MAC_BYTES, from);
    to = look_up(frame + 4);
    pthread_mutex_unlock(&table_lock);
    for ( int i = 0; i < MAX_PORTS; i++ )
    {
        if ( i == from || (to >= 0 && i != to) )
            continue;
        pthread_mutex_lock(&ports[i].out);
        if ( ports[i].fd >= 0 )
            write_all(ports[i].fd, frame, len);
        pthread_mutex_unlock(&ports[i].out);
    }
}

static void leave(int port)
{
    bool empty = true;

    /* A writer to it fails now, and lets go of it. */
    shutdown(ports[port].fd, SHUT_RDWR);
    pthread_mutex_lock(&table_lock);
    pthread_mutex_lock(&ports[port].out);
    close(ports[port].fd);
    ports[port].fd = -1;
    pthread_mutex_unlock(&ports[port].out);
    for ( int i = 0; i < MAX_PORTS; i++ )
        empty &= ports[i].fd < 0;
    if ( empty )
    {
        unlink(socket_path);
        exit(0);
    }
    pthread_mutex_unlock(&table_lock);
}

static void *serve(void *arg)
{
    struct port *p = arg;
    int me = p - ports, fd = p->fd;
    uint8_t *frame = malloc(4 + MAX_FRAME);
    uint32_t len;

    while ( frame && read_all(fd, frame, 4) )
    {
        memcpy(&len, frame, 4);
        len = ntohl(len);
        if ( len < 2 * MAC_BYTES || len > MAX_FRAME ||
             !read_all(fd, frame + 4, len) )
            break;
        forward(me, frame, 4 + len);
    }
    free(frame);
    leave(me);
    return NULL;
}

static void join(int fd)
{
    pthread_t t;

    pthread_mutex_lock(&table_lock);
    for ( int i = 0; i < MAX_PORTS; i++ )
    {
        if ( ports[i].fd >= 0 )
            continue;
        ports[i].fd = fd;
        if ( pthread_create(&t, NULL, serve, &ports[i]) )
            die("thread");
        pthread_detach(t);
        fd = -1;
        break;
    }
    pthread_mutex_unlock(&table_lock);
    if ( fd >= 0 )
        close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int s, lock;

    if ( argc != 3 || strlen(argv[1]) >= sizeof(a.sun_path) )
        return 2;
    socket_path = argv[1];
    lock = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if ( lock < 0 || flock(lock, LOCK_EX | LOCK_NB) )
        die(argv[2]);
    for ( int i = 0; i < MAX_PORTS; i++ )
    {
        ports[i].fd = -1;
        pthread_mutex_init(&ports[i].out, NULL);
    }
    unlink(argv[1]);
    memcpy(a.sun_path, argv[1], strlen(argv[1]));
    s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ( s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 8) )
        die(argv[1]);
    /* Whoever started it waits for this. */
    puts("ready");
    fclose(stdout);
    for ( ; ; )
    {
        int fd = accept(s, NULL, NULL);

        if ( fd >= 0 )
            join(fd);
        else if ( errno != EINTR )
            die("accept");
    }
}
