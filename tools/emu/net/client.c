/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu-client: the client outside.  Sends numbered requests to a guest
 * that runs the program "server", at a fixed rate whether or not answers come,
 * repeats those that stay unanswered, and reports what it felt: gaps, latency,
 * losses, and above all whether an acknowledged write was ever forgotten.
 *
 * It holds one port of the switch from beginning to end and never reconnects:
 * moving the guest is no business of its clients.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "net_ledger.h"
#include "net_port.h"
#include "net_report.h"

#define PROBE_US     20000u     /* between reads until the first answer */
#define DRAIN_US     5000u
#define MIN_TICK_US  200u
#define BURST        256u
#define AUDIT_WINDOW 32u        /* reads in flight when reading back */

enum phase
{
    PROBE,                      /* is the server there? */
    RUN,                        /* requests at the given rate */
    DRAIN,                      /* wait for what is still open */
    AUDIT,                      /* read back all keys */
    END,
};

struct options
{
    const char *path, *timeline;
    uint8_t mac[NET_MAC_LEN];
    bool have_mac, json;
    uint64_t rate, count, duration_s, retry_ms, drain_ms, wait_s;
    int ready_fd;
};

struct client
{
    const struct options *o;
    enum phase phase;
    uint64_t phase_start_us;
    uint64_t start_us;          /* when RUN began */
    uint8_t own_mac[NET_MAC_LEN];
    int fd, timer_fd, signal_fd;
    bool stopped;               /* by a signal */
    FILE *timeline;
    struct net_ledger ledger;
};

static int set_tick(struct client *c, uint64_t start_us, uint64_t tick_us)
{
    struct itimerspec its = {
        .it_value = { start_us / 1000000, start_us % 1000000 * 1000 },
        .it_interval = { tick_us / 1000000, tick_us % 1000000 * 1000 },
    };

    if ( timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &its, NULL) )
        return -errno;
    return 0;
}

static int enter(struct client *c, enum phase phase)
{
    uint64_t now_us = net_now_us();
    uint64_t tick_us = DRAIN_US;

    c->phase = phase;
    c->phase_start_us = now_us;
    if ( phase == RUN )
    {
        c->start_us = now_us;
        tick_us = 1000000 / c->o->rate;
        if ( tick_us < MIN_TICK_US )
            tick_us = MIN_TICK_US;
        net_ready(c->o->ready_fd);
    }
    else if ( phase == PROBE )
        tick_us = PROBE_US;
    else if ( phase == AUDIT )
        net_ledger_audit(&c->ledger);
    return set_tick(c, now_us, tick_us);
}

/* A frame that does not fit is lost, as on any network. */
static int send_msg(struct client *c, const struct net_msg *msg)
{
    struct net_request_frame f;
    int rc;

    memcpy(f.eth.dst, c->o->mac, NET_MAC_LEN);
    memcpy(f.eth.src, c->own_mac, NET_MAC_LEN);
    f.eth.type[0] = NET_TYPE_REQUEST >> 8;
    f.eth.type[1] = NET_TYPE_REQUEST & 0xff;
    memcpy(f.msg, msg, sizeof(*msg));
    rc = net_port_send(c->fd, &f, sizeof(f));
    return rc == -EAGAIN ? 0 : rc;
}

static int probe(struct client *c, uint64_t now_us)
{
    struct net_msg msg;

    if ( now_us - c->phase_start_us > c->o->wait_s * 1000000 )
    {
        fprintf(stderr, "no answer within %lu s\n", c->o->wait_s);
        return -ETIMEDOUT;
    }
    net_ledger_read(&c->ledger, 0, now_us, &msg);
    return send_msg(c, &msg);
}

static int retry(struct client *c, uint64_t now_us, unsigned int max)
{
    struct net_msg msg;
    int rc = 0;

    while ( !rc && max-- && net_ledger_retry(&c->ledger, now_us,
                                             c->o->retry_ms * 1000, &msg) )
        rc = send_msg(c, &msg);
    return rc;
}

/* When the next request is due: always counted from the start. */
static uint64_t next_due_us(const struct client *c)
{
    uint64_t n = c->ledger.next - 1;

    return c->start_us + n / c->o->rate * 1000000 +
           n % c->o->rate * 1000000 / c->o->rate;
}

static int run_tick(struct client *c, uint64_t now_us)
{
    unsigned int n = 0;
    int rc = 0;

    while ( !rc && n < BURST && next_due_us(c) <= now_us )
    {
        struct net_msg msg;

        if ( (c->o->count && c->ledger.sent == c->o->count) ||
             (c->o->duration_s && next_due_us(c) - c->start_us >=
                                      c->o->duration_s * 1000000) )
            return enter(c, DRAIN);
        net_ledger_next(&c->ledger, next_due_us(c), net_now_us(), &msg);
        rc = send_msg(c, &msg);
        n++;
    }
    return rc ? rc : retry(c, now_us, 2 * n + 1);
}

static int drain_tick(struct client *c, uint64_t now_us)
{
    if ( !net_ledger_open(&c->ledger) ||
         now_us - c->phase_start_us > c->o->drain_ms * 1000 )
    {
        net_ledger_end(&c->ledger, now_us);
        return enter(c, AUDIT);
    }
    return retry(c, now_us, BURST);
}

static int audit_tick(struct client *c, uint64_t now_us)
{
    unsigned int asked = 0;
    int rc = 0;

    for ( uint32_t key = 0; !rc && key < NET_KEYS && asked < AUDIT_WINDOW;
          key++ )
    {
        struct net_msg msg;

        if ( net_ledger_key_audited(&c->ledger, key) )
            continue;
        net_ledger_read(&c->ledger, key, now_us, &msg);
        rc = send_msg(c, &msg);
        asked++;
    }
    if ( !asked || now_us - c->phase_start_us > c->o->drain_ms * 1000 )
        c->phase = END;
    return rc;
}

static int tick(struct client *c)
{
    uint64_t expirations, now_us = net_now_us();

    if ( read(c->timer_fd, &expirations, sizeof(expirations)) < 0 )
        return errno == EAGAIN ? 0 : -errno;
    switch ( c->phase )
    {
    case PROBE:
        return probe(c, now_us);
    case RUN:
        return run_tick(c, now_us);
    case DRAIN:
        return drain_tick(c, now_us);
    case AUDIT:
        return audit_tick(c, now_us);
    case END:
        break;
    }
    return 0;
}

static int one_frame(struct client *c, const uint8_t *frame, size_t len)
{
    const struct net_eth *eth = (const void *)frame;
    uint64_t sent_us, latency_us, now_us = net_now_us();
    uint64_t answered = c->ledger.answered;
    enum net_answer what;
    struct net_msg msg;

    /* The switch floods what it does not know; much is not for us. */
    if ( len < sizeof(struct net_request_frame) ||
         memcmp(eth->dst, c->own_mac, NET_MAC_LEN) ||
         eth->type[0] != NET_TYPE_REQUEST >> 8 ||
         eth->type[1] != (NET_TYPE_REQUEST & 0xff) )
        return 0;
    memcpy(&msg, frame + sizeof(*eth), sizeof(msg));
    what = net_ledger_answer(&c->ledger, &msg, now_us, &sent_us, &latency_us);
    if ( what == NET_ANSWER_FIRST && c->phase == PROBE )
        return enter(c, RUN);
    if ( c->timeline && c->ledger.answered > answered )
        fprintf(c->timeline, "%lu,%lu,%lu\n", msg.number,
                sent_us - c->start_us, latency_us);
    return 0;
}

static int receive(struct client *c)
{
    uint8_t buf[NET_FRAME_MAX];

    for ( unsigned int i = 0; i < BURST; i++ )
    {
        int len = net_port_recv(c->fd, buf, sizeof(buf));
        int rc;

        if ( len == -EAGAIN )
            return 0;
        if ( len == -EMSGSIZE )
            continue;
        if ( len < 0 )
            return len;
        rc = one_frame(c, buf, len);
        if ( rc )
            return rc;
    }
    return 0;
}

static int signalled(struct client *c)
{
    struct signalfd_siginfo si;

    if ( read(c->signal_fd, &si, sizeof(si)) != sizeof(si) )
        return 0;
    if ( c->stopped || c->phase == PROBE )
    {
        net_ledger_end(&c->ledger, net_now_us());
        c->phase = END;
        return 0;
    }
    c->stopped = true;
    return c->phase == RUN ? enter(c, DRAIN) : 0;
}

static int loop(struct client *c)
{
    int rc = enter(c, PROBE);

    while ( !rc && c->phase != END )
    {
        struct pollfd p[] = {
            { .fd = c->fd, .events = POLLIN },
            { .fd = c->timer_fd, .events = POLLIN },
            { .fd = c->signal_fd, .events = POLLIN },
        };

        if ( poll(p, 3, -1) < 0 )
        {
            rc = errno == EINTR ? 0 : -errno;
            continue;
        }
        if ( p[0].revents )
            rc = receive(c);
        if ( !rc && p[1].revents )
            rc = tick(c);
        if ( !rc && p[2].revents )
            rc = signalled(c);
    }
    return rc;
}

static int client_open(struct client *c)
{
    sigset_t set;
    uint64_t session;
    int rc;

    if ( getrandom(&session, sizeof(session), 0) != sizeof(session) ||
         getrandom(c->own_mac, NET_MAC_LEN, 0) != NET_MAC_LEN )
        return -errno;
    c->own_mac[0] = (c->own_mac[0] & 0xfc) | 0x02;  /* local, one station */
    rc = net_ledger_init(&c->ledger, session | 1);
    if ( rc )
        return rc;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if ( c->signal_fd < 0 || c->timer_fd < 0 )
        return -errno;

    if ( c->o->timeline )
    {
        c->timeline = fopen(c->o->timeline, "we");
        if ( !c->timeline )
        {
            rc = -errno;
            fprintf(stderr, "cannot write %s: %s\n", c->o->timeline,
                    strerror(-rc));
            return rc;
        }
        fprintf(c->timeline, "number,sent_us,latency_us\n");
    }
    rc = net_port_connect(c->o->path, &c->fd);
    if ( rc )
        fprintf(stderr, "cannot reach the switch %s: %s\n", c->o->path,
                strerror(-rc));
    return rc;
}

/* Closing the book: 0 or -errno if the timeline could not be written. */
static int client_close(struct client *c)
{
    int rc = 0;

    if ( c->timeline && (ferror(c->timeline) | fclose(c->timeline)) )
    {
        fprintf(stderr, "cannot write %s\n", c->o->timeline);
        rc = -EIO;
    }
    if ( c->fd >= 0 )
        close(c->fd);
    if ( c->timer_fd >= 0 )
        close(c->timer_fd);
    if ( c->signal_fd >= 0 )
        close(c->signal_fd);
    net_ledger_done(&c->ledger);
    return rc;
}

static int usage(FILE *out, int status)
{
    fprintf(out,
"usage: xmig-emu-client --switch PATH --mac GUESTMAC [options]\n"
"\n"
"  --rate N          requests a second (100)\n"
"  --count N         end after N requests\n"
"  --duration S      end after S seconds; without either, at SIGTERM\n"
"  --retry-ms MS     repeat what stays unanswered (100)\n"
"  --drain-ms MS     wait at the end for what is open (3000)\n"
"  --wait S          wait for the first answer (10)\n"
"  --timeline FILE   CSV: number, time sent, latency\n"
"  --ready-fd N      say \"ready\" there when the server answers\n"
"  --json            report as one JSON object\n"
"\n"
"Status: 0 good; 1 could not go on; 2 usage; 3 an acknowledged write was\n"
"forgotten or an answer was corrupt; 4 requests stayed unanswered.\n");
    return status;
}

static const struct option opts[] = {
    { "switch", required_argument, NULL, 's' },
    { "mac", required_argument, NULL, 'm' },
    { "rate", required_argument, NULL, 'r' },
    { "count", required_argument, NULL, 'c' },
    { "duration", required_argument, NULL, 'd' },
    { "retry-ms", required_argument, NULL, 'R' },
    { "drain-ms", required_argument, NULL, 'D' },
    { "wait", required_argument, NULL, 'w' },
    { "timeline", required_argument, NULL, 't' },
    { "ready-fd", required_argument, NULL, 'f' },
    { "json", no_argument, NULL, 'j' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

/* 0; -1: print usage and fail; 1: help was asked for. */
static int parse(int argc, char **argv, struct options *o)
{
    uint64_t value;
    int opt, rc = 0;

    while ( !rc && (opt = getopt_long(argc, argv, "h", opts, NULL)) != -1 )
        switch ( opt )
        {
        case 's':
            o->path = optarg;
            break;
        case 'm':
            rc = net_mac_parse(optarg, o->mac);
            o->have_mac = true;
            break;
        case 'r':
            rc = net_number_parse(optarg, 1, 1000000, &o->rate);
            break;
        case 'c':
            rc = net_number_parse(optarg, 1, UINT32_MAX, &o->count);
            break;
        case 'd':
            rc = net_number_parse(optarg, 1, 1000000, &o->duration_s);
            break;
        case 'R':
            rc = net_number_parse(optarg, 1, 60000, &o->retry_ms);
            break;
        case 'D':
            rc = net_number_parse(optarg, 1, 600000, &o->drain_ms);
            break;
        case 'w':
            rc = net_number_parse(optarg, 1, 3600, &o->wait_s);
            break;
        case 't':
            o->timeline = optarg;
            break;
        case 'f':
            rc = net_number_parse(optarg, 0, 1 << 20, &value);
            if ( !rc )
                o->ready_fd = value;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            return 1;
        default:
            return -1;
        }
    if ( rc )
        fprintf(stderr, "%s: not a possible value\n", optarg);
    return rc || !o->path || !o->have_mac || optind != argc ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct options o = { .rate = 100, .retry_ms = 100, .drain_ms = 3000,
                         .wait_s = 10, .ready_fd = -1 };
    struct client c = { .o = &o, .fd = -1, .timer_fd = -1, .signal_fd = -1 };
    int rc = parse(argc, argv, &o);
    int status;

    if ( rc )
        return rc > 0 ? usage(stdout, 0) : usage(stderr, 2);
    rc = client_open(&c);
    if ( !rc )
    {
        rc = loop(&c);
        if ( rc && rc != -ETIMEDOUT )
            fprintf(stderr, "the switch is gone: %s\n", strerror(-rc));
        net_ledger_end(&c.ledger, net_now_us());
        net_report(stdout, o.json, &c.ledger, o.rate, c.start_us,
                   net_now_us());
    }
    status = rc == -ETIMEDOUT ? 4 : rc ? 1 : net_verdict_status(&c.ledger);
    if ( client_close(&c) && !status )
        status = 1;
    return status;
}
