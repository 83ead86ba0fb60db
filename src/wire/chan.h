/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Channels: exact reads and writes on a file descriptor, with time limits,
 * cancellation, byte counters and a bandwidth cap.
 *
 * The descriptor may be a socket, a pipe or a file.  SIGPIPE is never
 * raised.  Only copying system calls are used (recvmsg, sendmsg, readv,
 * writev), so buffers may lie in foreign memory of the guest.
 *
 * Thread: one reader and one writer per channel at a time; cancel_raise(),
 * the counters and bucket_set_rate() from any thread.
 */
#ifndef XMIG_CHAN_H
#define XMIG_CHAN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "clock.h"
#include "err.h"

/* ---- Cancellation ------------------------------------------------------ */

/* Once raised, every wait of every channel that has it ends with -ECANCELED
 * (or with the reason given), until it is lowered. */
struct cancel
{
    int fd;                      /* eventfd, readable when raised */
    _Atomic int reason;          /* 0 = not raised, else -errno */
};

int cancel_init(struct cancel *c);
void cancel_done(struct cancel *c);
/* rc: what the waits return, 0 = -ECANCELED.  The first reason stays.
 * Async-signal-safe. */
void cancel_raise(struct cancel *c, int rc);
void cancel_lower(struct cancel *c);
/* 0 or the reason; c may be NULL. */
int cancel_check(const struct cancel *c);
/*
 * Wait until fd is ready for events (of poll()), the deadline comes, or c is
 * raised; fd may be -1 (just wait), c NULL.
 * 0, -ETIMEDOUT or the reason of c.
 */
int cancel_poll(const struct cancel *c, int fd, short events,
                uint64_t deadline_us);
/* The same with two that may be raised; b may be NULL or not in use (fd
 * -1). */
int cancel_poll_either(const struct cancel *a, const struct cancel *b,
                       int fd, short events, uint64_t deadline_us);

/* ---- Bandwidth cap ----------------------------------------------------- */

/* A token bucket that any number of channels may draw from. */
struct bucket
{
    pthread_mutex_t lock;
    /* under lock */
    uint64_t rate_bps;           /* bytes per second, 0 = no cap */
    uint64_t last_us;
    int64_t tokens;              /* bytes; below 0 = in debt */
};

void bucket_init(struct bucket *b, uint64_t rate_bps);
void bucket_done(struct bucket *b);
void bucket_set_rate(struct bucket *b, uint64_t rate_bps);
/* Take bytes; returns the microseconds to wait before the next. */
uint64_t bucket_take(struct bucket *b, uint64_t bytes);

/* ---- Channels ---------------------------------------------------------- */

struct chan;

/*
 * fd       owned by the channel from success on (closed by chan_close());
 *          with borrowed it stays the caller's, and its flags stay as they
 *          are
 * name     for messages: "control connection to host:8002"; copied
 * cancel   borrowed, may be NULL
 * e        where failures are recorded; may be NULL
 */
int chan_open(int fd, bool borrowed, const char *name,
              const struct cancel *cancel, struct err *e,
              struct chan **ret_chan);
/*
 * The same with a descriptor per direction (standard input and output); both
 * are the channel's from success on.  One socket in both is used as one.
 */
int chan_open_pair(int in_fd, int out_fd, const char *name,
                   const struct cancel *cancel, struct err *e,
                   struct chan **ret_chan);
void chan_close(struct chan *c);
/* The one that is read, and the one that is written. */
int chan_fd(const struct chan *c);
int chan_out_fd(const struct chan *c);
const char *chan_name(const struct chan *c);

/* A transfer in which no byte moves for so long fails with -ETIMEDOUT;
 * 0 = no limit (as opened). */
void chan_set_io_timeout(struct chan *c, uint64_t timeout_us);
/* Every transfer fails once this point has come, however it goes;
 * DEADLINE_NEVER as opened.  For dialogues that must end. */
void chan_set_deadline(struct chan *c, uint64_t deadline_us);
/* Cap what is written; borrowed, NULL = no cap. */
void chan_set_bucket(struct chan *c, struct bucket *b);
/* Record failures elsewhere. */
void chan_set_err(struct chan *c, struct err *e);
/* Be stopped by another, or (NULL) by nothing.  Between transfers. */
void chan_set_cancel(struct chan *c, const struct cancel *cancel);

/*
 * Read exactly len bytes.
 *   -ENODATA    the peer has closed; the text says after how many bytes of
 *               this read
 *   -ECONNRESET the connection broke
 *   -ETIMEDOUT, -ECANCELED (or the cancel's reason), -EIO ...
 */
int chan_read(struct chan *c, void *buf, size_t len);
/* As chan_read(); the array is used up (modified).  Any nr. */
int chan_readv(struct chan *c, struct iovec *iov, size_t nr);
/*
 * Read at least 1 and at most len bytes; the end of the stream is *ret_len
 * = 0 and no error.
 */
int chan_read_some(struct chan *c, void *buf, size_t len, size_t *ret_len);
/* Put bytes back in front of what is read next; at most so many at a time. */
#define CHAN_UNREAD_MAX 512
void chan_unread(struct chan *c, const void *buf, size_t len);

/*
 * Write all.  -EPIPE the reader has gone, -ECONNRESET, -ENOSPC, -ETIMEDOUT,
 * -ECANCELED ...
 */
int chan_write(struct chan *c, const void *buf, size_t len);
/* The array is used up (modified).  Any nr. */
int chan_writev(struct chan *c, struct iovec *iov, size_t nr);

/* Wait for something to read (or the peer's end).  0, -ETIMEDOUT, the
 * cancel's reason; records nothing. */
int chan_wait_readable(struct chan *c, uint64_t deadline_us);
/* Has the peer closed or broken the connection?  Does not wait. */
bool chan_peer_gone(struct chan *c);
/* No more writes (sockets: FIN, a pair: closed); the other direction goes
 * on. */
void chan_shut_write(struct chan *c);
/* Break the connection at once; ends reads and writes of other threads.
 * Thread: any. */
void chan_break(struct chan *c);

/* Bytes moved so far.  Thread: any. */
uint64_t chan_bytes_read(const struct chan *c);
uint64_t chan_bytes_written(const struct chan *c);
/* Bytes written that the peer's kernel has not acknowledged (sockets). */
uint64_t chan_bytes_unsent(const struct chan *c);

/* ---- Making connections ------------------------------------------------ */

struct chan_tuning
{
    bool nodelay;                /* TCP_NODELAY */
    unsigned int lowat_bytes;    /* TCP_NOTSENT_LOWAT, 0 = leave */
    unsigned int dead_after_ms;  /* TCP_USER_TIMEOUT and keepalives, 0 = no */
    unsigned int rcvbuf_bytes;   /* 0 = leave; beyond the system's limit
                                    where we may */
    /* So large from the start, where chan_may_force_buffers(); else they are
     * left to the kernel, which tunes them: a size that is set ends that. */
    unsigned int sndbuf_start_bytes, rcvbuf_start_bytes;
    const char *congestion;      /* a wish, NULL = the system's */
#define CHAN_CONGESTION_FEW "reno"
                                 /* where little is sent: bbr, where it is the
                                    system's, would take its rate from that
                                    little, and each ten seconds let no more
                                    than 4 packets be under way for 0.2 s */
    bool urgent;                 /* little is sent, and somebody waits for
                                    it: what is lost is sent again after some
                                    50 ms, not 200, 400 ... (a wish; Linux
                                    6.15) */
};

/* Options that the socket does not have (not TCP) are passed over. */
int chan_tune(int fd, const struct chan_tuning *t);
/* May this process make socket buffers larger than the system's limit
 * (CAP_NET_ADMIN)? */
bool chan_may_force_buffers(void);
/* The shortest round trip that TCP has seen; false where there is none. */
bool chan_round_trip(int fd, uint64_t *ret_us);
/* What TCP sees of the line now; false where there is none. */
struct chan_flow
{
    uint64_t acked_bytes;        /* by the peer, since the beginning */
    uint64_t waiting_bytes;      /* written, and not sent yet */
    uint64_t queued_us;          /* of the round trip, in the line's queues */
    unsigned int window_packets; /* may be under way */
    unsigned int sent_packets;   /* are, or are lost */
    uint64_t carried_bps;        /* bytes: of late, if it was kept busy */
};
bool chan_flow(int fd, struct chan_flow *ret);
/* At most so many bytes a second; where the kernel paces. */
void chan_pace(int fd, uint64_t bps);

/*
 * Connect to host (name or address) and port, trying each address until the
 * deadline.  ret_peer (at least CHAN_PEER_TEXT bytes, or NULL) gets the
 * address in the form "192.0.2.1:8002", "[2001:db8::1]:8002".
 *   -EHOSTUNREACH (also: name not known), -ECONNREFUSED, -ETIMEDOUT,
 *   -ECANCELED ...
 */
#define CHAN_PEER_TEXT 64
int chan_connect(const char *host, uint16_t port, uint64_t deadline_us,
                 const struct cancel *cancel, struct err *e, int *ret_fd,
                 char *ret_peer);

/*
 * Listen.  bind_to NULL = all addresses, IPv6 and IPv4; port 0 = any free one,
 * see chan_local_port().
 *   -EADDRINUSE, -EADDRNOTAVAIL, -EACCES
 */
int chan_listen(const char *bind_to, uint16_t port, struct err *e,
                int *ret_fd);
int chan_local_port(int fd, uint16_t *ret_port);
/* -ETIMEDOUT when nobody came: records nothing then. */
int chan_accept(int listen_fd, uint64_t deadline_us,
                const struct cancel *cancel, struct err *e, int *ret_fd,
                char *ret_peer);

#endif
