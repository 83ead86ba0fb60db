/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The network driver's handshake with its backend, as Linux's does it: wait
 * for the offer (InitWait), make the rings, publish them, say Connected.  On a
 * new host everything but the frames under way is forgotten and the handshake
 * starts from the beginning; a cancelled suspend changes nothing.
 *
 * Requests to xenstore are noted in nf->due and sent as slots become free.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/xenbus.h>

#include "netfront.h"
#include "netfront_state.h"
#include "xenbus.h"

#define DIR             "device/vif/0"
#define OWNER_NETFRONT  2u
#define ALLOC_BATCH     16u
#define ANNOUNCEMENTS   5u
#define ANNOUNCE_US     50000u   /* the second; then ever later */
#define RETRY_US        20000u
#define NR_FRAMES       (2 + NETFRONT_TX + NETFRONT_RX)
#define PUBLISHED       8u       /* xenstore requests of DUE_PUBLISH */

bool netfront_exists(const struct guest_env *env)
{
    const struct netfront *nf = netfront_get(env);

    return nf->magic == NETFRONT_MAGIC && nf->have_mac;
}

const uint8_t *netfront_mac(const struct guest_env *env)
{
    return netfront_get(env)->mac;
}

void netfront_receiver(struct guest_env *env, enum guest_fn_id fn)
{
    netfront_get(env)->receiver = fn;
}

static void say_state(struct netfront *nf, enum xenbus_state state)
{
    nf->xenbus_state = state;
    nf->due |= DUE_STATE;
}

/* Ask who serves us.  Answers to older questions no longer count. */
static void look(struct netfront *nf)
{
    nf->generation++;
    nf->pending = 0;
    nf->have_backend = nf->have_id = nf->have_mac = 0;
    nf->backend_state = XenbusStateUnknown;
    nf->said_so = 0;
    nf->due &= DUE_WATCH_DIR;
    nf->due |= DUE_READ_BACKEND | DUE_READ_ID | DUE_READ_MAC;
    nf->state = NETFRONT_LOOK;
}

/* ---- connecting and closing --------------------------------------------- */

static void drop_port(struct guest_env *env, struct netfront *nf)
{
    if ( !nf->port )
        return;
    port_unbind(env, nf->port);
    env->hv->evtchn_close(env, nf->port);
    nf->port = 0;
}

static void connect_backend(struct guest_env *env, struct netfront *nf)
{
    int rc;

    drop_port(env, nf);
    rc = env->hv->evtchn_alloc_unbound(env, nf->backend_domid, &nf->port);
    if ( !rc )
        rc = port_bind(env, nf->port, FN_netfront_on_event, 0);
    if ( !rc )
        rc = netfront_rings_init(env);
    if ( rc )
    {
        kernel_log(env, "net: cannot connect: %d", rc);
        timer_set(env, FN_netfront_on_timer, 0,
                  guest_now_us(env) + RETRY_US);
        return;
    }
    nf->state = NETFRONT_CONNECTING;
    nf->due |= DUE_PUBLISH;
    say_state(nf, XenbusStateConnected);
    nf->announcements = ANNOUNCEMENTS - 1;
    netfront_announce(env);
    timer_set(env, FN_netfront_on_timer, 0, guest_now_us(env) + ANNOUNCE_US);
}

/* The backend has let go: be ready for the next one. */
static void wait_for_offer(struct guest_env *env, struct netfront *nf)
{
    if ( netfront_rings_done(env) )
    {
        timer_set(env, FN_netfront_on_timer, 0,
                  guest_now_us(env) + RETRY_US);
        return;
    }
    nf->state = NETFRONT_WAIT;
    nf->said_so = 1;
    say_state(nf, XenbusStateInitialising);
}

/* The interface was taken away; another may come in its place. */
static void backend_vanished(struct guest_env *env, struct netfront *nf)
{
    kernel_log(env, "net: the interface is gone");
    drop_port(env, nf);
    netfront_rings_done(env);
    nf->have_mac = 0;
    nf->state = NETFRONT_NONE;
}

static void backend_is(struct guest_env *env, struct netfront *nf,
                       enum xenbus_state be)
{
    nf->backend_state = be;
    if ( nf->state == NETFRONT_WAIT && !nf->said_so &&
         (be == XenbusStateConnected || be == XenbusStateClosed) )
    {
        /* It still serves, or served, who we were before the suspend. */
        nf->said_so = 1;
        say_state(nf, XenbusStateInitialising);
    }
    switch ( be )
    {
    case XenbusStateInitWait:
        if ( nf->state == NETFRONT_WAIT )
            connect_backend(env, nf);
        break;

    case XenbusStateConnected:
        if ( nf->state == NETFRONT_CONNECTING )
        {
            nf->state = NETFRONT_CONNECTED;
            kernel_log(env, "net: connected, %llu frames sent again",
                       (unsigned long long)nf->replayed);
            nf->replayed = 0;
        }
        /* Also to a backend that took over from one that died. */
        if ( nf->state == NETFRONT_CONNECTED )
            env->hv->evtchn_send(env, nf->port);
        break;

    case XenbusStateClosing:
    case XenbusStateClosed:
        if ( nf->state == NETFRONT_CONNECTING ||
             nf->state == NETFRONT_CONNECTED )
        {
            kernel_log(env, "net: the backend closed");
            nf->state = NETFRONT_CLOSED;
            drop_port(env, nf);
            say_state(nf, XenbusStateClosed);
        }
        if ( nf->state == NETFRONT_CLOSED && be == XenbusStateClosed )
            wait_for_offer(env, nf);
        break;

    case XenbusStateUnknown:
        backend_vanished(env, nf);
        break;

    default:
        break;
    }
}

/* ---- what xenstore and timers say --------------------------------------- */

/* An answer: does it belong to the present connection? */
static bool is_current(struct netfront *nf, uint32_t arg)
{
    if ( arg != nf->generation )
        return false;
    if ( nf->pending )
        nf->pending--;
    return true;
}

static void found_all(struct netfront *nf)
{
    if ( nf->state != NETFRONT_LOOK || !nf->have_backend || !nf->have_id ||
         !nf->have_mac )
        return;
    nf->state = NETFRONT_WAIT;
    if ( strcmp(nf->watched, nf->backend) )
        nf->due |= DUE_WATCH | (nf->watched[0] ? DUE_UNWATCH : 0);
    nf->due |= DUE_READ_STATE;
}

static void found_nothing(struct guest_env *env, struct netfront *nf,
                          const char *what)
{
    if ( nf->state != NETFRONT_LOOK )
        return;
    kernel_log(env, "net: no interface (%s)", what);
    nf->state = NETFRONT_NONE;
}

void netfront_on_backend(struct guest_env *env, uint32_t arg,
                         const struct xenbus_msg *msg)
{
    struct netfront *nf = netfront_get(env);

    if ( !is_current(nf, arg) )
        return;
    if ( msg->error || !msg->len || msg->len >= NETFRONT_PATH - 6 )
    {
        found_nothing(env, nf, "backend");
        return;
    }
    memcpy(nf->backend, msg->data, msg->len + 1);
    nf->have_backend = 1;
    found_all(nf);
}

void netfront_on_backend_id(struct guest_env *env, uint32_t arg,
                            const struct xenbus_msg *msg)
{
    struct netfront *nf = netfront_get(env);
    unsigned int domid;

    if ( !is_current(nf, arg) )
        return;
    if ( msg->error || sscanf(msg->data, "%u", &domid) != 1 )
    {
        found_nothing(env, nf, "backend-id");
        return;
    }
    nf->backend_domid = domid;
    nf->have_id = 1;
    found_all(nf);
}

void netfront_on_mac(struct guest_env *env, uint32_t arg,
                     const struct xenbus_msg *msg)
{
    struct netfront *nf = netfront_get(env);
    unsigned int b[NET_MAC_LEN];

    if ( !is_current(nf, arg) )
        return;
    if ( msg->error || sscanf(msg->data, "%x:%x:%x:%x:%x:%x", &b[0], &b[1],
                              &b[2], &b[3], &b[4], &b[5]) != NET_MAC_LEN )
    {
        found_nothing(env, nf, "mac");
        return;
    }
    for ( unsigned int i = 0; i < NET_MAC_LEN; i++ )
        nf->mac[i] = b[i];
    nf->have_mac = 1;
    found_all(nf);
}

void netfront_on_state(struct guest_env *env, uint32_t arg,
                       const struct xenbus_msg *msg)
{
    struct netfront *nf = netfront_get(env);
    unsigned int state;

    if ( !is_current(nf, arg) || nf->state < NETFRONT_WAIT )
        return;
    if ( msg->error || sscanf(msg->data, "%u", &state) != 1 )
        state = XenbusStateUnknown;
    backend_is(env, nf, state);
}

/* Our own state is written. */
void netfront_on_written(struct guest_env *env, uint32_t arg,
                         const struct xenbus_msg *msg)
{
    if ( is_current(netfront_get(env), arg) && msg->error )
        kernel_log(env, "net: cannot write our state: %d", msg->error);
}

void netfront_on_backend_watch(struct guest_env *env, uint32_t arg,
                               const struct xenbus_msg *msg)
{
    struct netfront *nf = netfront_get(env);

    (void)arg;
    (void)msg;
    if ( nf->state >= NETFRONT_WAIT )
        nf->due |= DUE_READ_STATE;
    else
        netfront_on_dir_watch(env, 0, msg);
}

void netfront_on_dir_watch(struct guest_env *env, uint32_t arg,
                           const struct xenbus_msg *msg)
{
    struct netfront *nf = netfront_get(env);

    (void)arg;
    (void)msg;
    if ( nf->state != NETFRONT_NONE || nf->pending )
        return;
    nf->state = NETFRONT_ALLOC;
    if ( nf->nr_frames == NR_FRAMES )
        look(nf);
}

void netfront_on_event(struct guest_env *env, uint32_t arg,
                       const struct xenbus_msg *msg)
{
    /* The rings are looked at in every step anyway. */
    (void)env;
    (void)arg;
    (void)msg;
}

void netfront_on_timer(struct guest_env *env, uint32_t arg,
                       const struct xenbus_msg *msg)
{
    struct netfront *nf = netfront_get(env);

    (void)arg;
    (void)msg;
    if ( nf->state == NETFRONT_WAIT )
        nf->due |= DUE_READ_STATE;
    else if ( nf->state == NETFRONT_CLOSED &&
              nf->backend_state == XenbusStateClosed )
        wait_for_offer(env, nf);
    else if ( nf->rings_up && nf->announcements )
    {
        netfront_announce(env);
        nf->announcements--;
        if ( nf->announcements )
            timer_set(env, FN_netfront_on_timer, 0, guest_now_us(env) +
                      ANNOUNCE_US * (ANNOUNCEMENTS - nf->announcements));
    }
}

/* ---- sending what is to do ---------------------------------------------- */

static int publish(struct guest_env *env, const struct netfront *nf)
{
    static const char *const flags[][2] = {
        { DIR "/request-rx-copy", "1" },
        { DIR "/feature-rx-notify", "1" },
        { DIR "/feature-sg", "0" },
        { DIR "/feature-no-csum-offload", "1" },
    };
    int rc;

    if ( xenbus_free_slots(env) < PUBLISHED )
        return -ENOBUFS;
    rc = xenbus_writef(env, 0, DIR "/tx-ring-ref", FN_none, 0, "%u",
                       GRANT_TX_RING);
    if ( !rc )
        rc = xenbus_writef(env, 0, DIR "/rx-ring-ref", FN_none, 0, "%u",
                           GRANT_RX_RING);
    if ( !rc )
        rc = xenbus_writef(env, 0, DIR "/event-channel", FN_none, 0, "%u",
                           nf->port);
    for ( unsigned int i = 0; !rc && i < 4; i++ )
        rc = xenbus_write(env, 0, flags[i][0], flags[i][1], FN_none, 0);
    return rc;
}

static void backend_state_path(char *path, const char *backend)
{
    snprintf(path, XENBUS_PATH, "%s/state", backend);
}

/* 0, or -ENOBUFS: later.  *ret_answer: an answer of this generation comes. */
static int submit(struct guest_env *env, struct netfront *nf,
                  enum netfront_due what, bool *ret_answer)
{
    uint32_t gen = nf->generation;
    char path[XENBUS_PATH];
    int rc;

    *ret_answer = true;
    switch ( what )
    {
    case DUE_READ_BACKEND:
        return xenbus_read(env, 0, DIR "/backend", FN_netfront_on_backend,
                           gen);
    case DUE_READ_ID:
        return xenbus_read(env, 0, DIR "/backend-id",
                           FN_netfront_on_backend_id, gen);
    case DUE_READ_MAC:
        return xenbus_read(env, 0, DIR "/mac", FN_netfront_on_mac, gen);
    case DUE_READ_STATE:
        backend_state_path(path, nf->backend);
        return xenbus_read(env, 0, path, FN_netfront_on_state, gen);
    case DUE_STATE:
        return xenbus_writef(env, 0, DIR "/state", FN_netfront_on_written,
                             gen, "%u", nf->xenbus_state);
    default:
        break;
    }

    *ret_answer = false;
    switch ( what )
    {
    case DUE_WATCH_DIR:
        return xenbus_watch(env, "device/vif", FN_netfront_on_dir_watch, 0);
    case DUE_UNWATCH:
        backend_state_path(path, nf->watched);
        rc = xenbus_unwatch(env, path, FN_netfront_on_backend_watch, 0);
        if ( rc != -ENOBUFS )
            nf->watched[0] = '\0';
        return rc;
    case DUE_WATCH:
        backend_state_path(path, nf->backend);
        rc = xenbus_watch(env, path, FN_netfront_on_backend_watch, 0);
        if ( !rc )
            memcpy(nf->watched, nf->backend, sizeof(nf->watched));
        return rc;
    case DUE_PUBLISH:
        return publish(env, nf);
    default:
        return 0;
    }
}

/* True: something was queued and leaves in the next step. */
static bool submit_all(struct guest_env *env, struct netfront *nf)
{
    bool queued = false;

    for ( uint32_t what = 1; nf->due >= what; what <<= 1 )
    {
        bool answer;
        int rc;

        if ( !(nf->due & what) )
            continue;
        rc = submit(env, nf, what, &answer);
        if ( rc == -ENOBUFS )
            return queued;
        nf->due &= ~what;
        queued = true;
        if ( rc )
            kernel_log(env, "net: xenstore request %u refused: %d", what, rc);
        else if ( answer )
            nf->pending++;
    }
    return queued;
}

/* ---- driver operations -------------------------------------------------- */

/* Some frames for rings and buffers.  True: there is more to take. */
static bool alloc_some(struct guest_env *env, struct netfront *nf)
{
    for ( unsigned int n = 0; n < ALLOC_BATCH; n++ )
    {
        uint32_t i = nf->nr_frames;
        uint64_t gfn;
        int rc;

        if ( i == NR_FRAMES )
        {
            look(nf);
            return false;
        }
        rc = frame_alloc(env, OWNER_NETFRONT, &gfn);
        if ( rc == -EAGAIN )
            return true;
        if ( rc )
        {
            kernel_log(env, "net: no memory for buffers");
            nf->state = NETFRONT_NONE;
            return false;
        }
        if ( i == 0 )
            nf->tx_ring_gfn = gfn;
        else if ( i == 1 )
            nf->rx_ring_gfn = gfn;
        else if ( i < 2 + NETFRONT_TX )
            nf->tx[i - 2].gfn = gfn;
        else
            nf->rx_gfn[i - 2 - NETFRONT_TX] = gfn;
        nf->nr_frames++;
    }
    return true;
}

static int netfront_init(struct guest_env *env)
{
    struct netfront *nf = netfront_get(env);

    nf->magic = NETFRONT_MAGIC;
    nf->state = NETFRONT_NONE;
    nf->due = DUE_WATCH_DIR;
    return 0;
}

static bool netfront_poll(struct guest_env *env)
{
    struct netfront *nf = netfront_get(env);
    bool more = false;

    if ( nf->state == NETFRONT_ALLOC )
        more = alloc_some(env, nf);
    if ( netfront_rings_poll(env) )
        more = true;
    if ( nf->due && submit_all(env, nf) )
        more = true;
    return more;
}

/* The handshake comes to rest; the rings may go on till the last moment. */
static bool netfront_quiesce(struct guest_env *env)
{
    const struct netfront *nf = netfront_get(env);

    return !nf->due && !nf->pending;
}

static void netfront_resume(struct guest_env *env, bool new_host)
{
    struct netfront *nf = netfront_get(env);

    if ( !new_host )
        return;
    nf->port = 0;
    nf->rings_up = 0;
    if ( nf->nr_frames < NR_FRAMES )
        return;
    look(nf);
}

static const char *const options[] = { NULL };

const struct guest_driver driver_netfront =
{
    .name = "netfront",
    .options = options,
    .init = netfront_init,
    .poll = netfront_poll,
    .quiesce = netfront_quiesce,
    .resume = netfront_resume,
};
