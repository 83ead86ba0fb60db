/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Program "server": answers the outside client (netproto.h).  With size=SIZE
 * it also dirties memory in the background, as program "dirty" does and with
 * the same options.
 *
 * Each client session has one page: its keys, their values and the highest
 * number written.  Such a page carries gfn, version and checksum, a directory
 * says which version each must be, and two registers of vCPU 0 hold the sum
 * of all versions and of all checksums; so the guest itself finds a page that
 * was lost, is stale, or belongs to an older moment together with all the
 * others.  The client outside checks the same from its own book.
 */
#include <errno.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "netfront.h"
#include "netproto.h"

#define SERVER_MAGIC   0x5256455347584dull
#define STORE_MAGIC    0x45524f5453584dull
#define SESSIONS       4u
#define OWNER_SERVER   3u
#define GPR_VERSIONS   GPR_R14   /* vCPU 0: sum of all pages' versions */
#define GPR_CHECKSUMS  GPR_R15   /* vCPU 0: sum of all pages' checksums */

struct key
{
    uint64_t number;             /* last write; 0: none */
    uint64_t value;
};

/* A session's page. */
struct store
{
    uint64_t magic;
    uint64_t gfn;
    uint64_t version;            /* writes, from 1 when made */
    uint64_t session;            /* 0: nobody's */
    uint64_t high;               /* highest number written */
    struct key keys[NET_KEYS];
    uint8_t filler[GUEST_PAGE_SIZE - 6 * 8 -
                   NET_KEYS * sizeof(struct key)];
    uint64_t checksum;           /* of all bytes above */
};
_Static_assert(sizeof(struct store) == GUEST_PAGE_SIZE, "one page");

/* The program's page. */
struct server
{
    uint64_t magic;
    uint64_t clock;              /* for finding the session used longest ago */
    uint64_t requests, writes, repeats, unsent;
    uint32_t dirties;            /* the background load is on */
    uint32_t pad;
    struct
    {
        uint64_t gfn;
        uint64_t version;
        uint64_t checksum;
        uint64_t used;
    } dir[SESSIONS];
};
_Static_assert(sizeof(struct server) <= GUEST_PAGE_SIZE, "program page");

extern const struct guest_program prog_dirty, prog_server;

static struct store *store_get(struct guest_env *env, unsigned int i)
{
    struct server *s = program_page(env);

    return guest_page(env, s->dir[i].gfn);
}

/* Four lanes, so that a page takes well under a microsecond. */
static uint64_t store_checksum(const struct store *st)
{
    const uint64_t *w = (const void *)st;
    uint64_t lane[4] = { 1, 2, 3, 4 };
    size_t n = offsetof(struct store, checksum) / 8;

    for ( size_t i = 0; i < n; i++ )
        lane[i & 3] = (lane[i & 3] ^ w[i]) * 0x9e3779b97f4a7c15ull +
                      (lane[i & 3] >> 29);
    return lane[0] ^ (lane[1] << 1) ^ (lane[2] << 2) ^ (lane[3] << 3);
}

/* A page was changed: new version, directory and registers follow. */
static void store_seal(struct guest_env *env, unsigned int i)
{
    struct server *s = program_page(env);
    struct store *st = store_get(env, i);
    uint64_t *gpr = env->regs->gpr;

    st->version++;
    st->checksum = store_checksum(st);
    gpr[GPR_VERSIONS] += st->version - s->dir[i].version;
    gpr[GPR_CHECKSUMS] += st->checksum - s->dir[i].checksum;
    s->dir[i].version = st->version;
    s->dir[i].checksum = st->checksum;
}

/* False: the guest is crashing. */
static bool store_is_right(struct guest_env *env, unsigned int i)
{
    struct server *s = program_page(env);
    const struct store *st = store_get(env, i);

    if ( st->magic == STORE_MAGIC && st->gfn == s->dir[i].gfn &&
         st->version == s->dir[i].version &&
         st->checksum == s->dir[i].checksum &&
         st->checksum == store_checksum(st) )
        return true;
    kernel_bad(env, "server page %u, gfn 0x%llx: want version %llu, found "
               "%llu, checksum %s", i, (unsigned long long)s->dir[i].gfn,
               (unsigned long long)s->dir[i].version,
               (unsigned long long)st->version,
               st->checksum == store_checksum(st) ? "its own" : "wrong");
    return false;
}

/* The directory against the registers. */
static bool directory_is_right(struct guest_env *env)
{
    struct server *s = program_page(env);
    uint64_t versions = 0, checksums = 0;

    for ( unsigned int i = 0; i < SESSIONS; i++ )
    {
        versions += s->dir[i].version;
        checksums += s->dir[i].checksum;
    }
    if ( s->magic == SERVER_MAGIC &&
         versions == env->regs->gpr[GPR_VERSIONS] &&
         checksums == env->regs->gpr[GPR_CHECKSUMS] )
        return true;
    kernel_bad(env, "server memory of another moment: %llu writes in memory, "
               "%llu in the registers", (unsigned long long)versions,
               (unsigned long long)env->regs->gpr[GPR_VERSIONS]);
    return false;
}

/* ---- requests ----------------------------------------------------------- */

static uint64_t msg_checksum(const struct net_msg *msg)
{
    const uint8_t *p = (const void *)msg;
    uint64_t h = NET_FNV_BASIS;

    for ( size_t i = 0; i < offsetof(struct net_msg, checksum); i++ )
        h = (h ^ p[i]) * NET_FNV_PRIME;
    return h;
}

static bool is_request(const struct net_msg *msg)
{
    return msg->magic == NET_MSG_MAGIC && msg->version == NET_MSG_VERSION &&
           !(msg->flags & NET_MSG_ANSWER) && msg->session && msg->number &&
           msg->key < NET_KEYS &&
           (msg->type == NET_MSG_WRITE || msg->type == NET_MSG_READ) &&
           msg->checksum == msg_checksum(msg);
}

/* The session's page; one unused for longest is taken for a new session.
 * SESSIONS: a read of a session that is unknown here. */
static unsigned int find_session(struct guest_env *env,
                                 const struct net_msg *msg)
{
    struct server *s = program_page(env);
    unsigned int oldest = 0;
    struct store *st;

    for ( unsigned int i = 0; i < SESSIONS; i++ )
    {
        if ( store_get(env, i)->session == msg->session )
            return i;
        if ( s->dir[i].used < s->dir[oldest].used )
            oldest = i;
    }
    if ( msg->type == NET_MSG_READ )
        return SESSIONS;
    st = store_get(env, oldest);
    st->session = msg->session;
    st->high = 0;
    memset(st->keys, 0, sizeof(st->keys));
    store_seal(env, oldest);
    return oldest;
}

/* Carry out a request and complete msg to its answer.  False: crashing. */
static bool serve(struct guest_env *env, struct net_msg *msg)
{
    struct server *s = program_page(env);
    unsigned int i = find_session(env, msg);
    struct store *st;
    struct key *key;

    msg->flags |= NET_MSG_ANSWER;
    msg->high = msg->old_number = msg->old_value = 0;
    if ( i == SESSIONS )
        return true;
    if ( !store_is_right(env, i) || !directory_is_right(env) )
        return false;
    st = store_get(env, i);
    key = &st->keys[msg->key];
    msg->high = st->high;
    msg->old_number = key->number;
    msg->old_value = key->value;
    s->dir[i].used = ++s->clock;
    if ( msg->type == NET_MSG_READ )
        return true;
    if ( key->number >= msg->number )
    {
        msg->flags |= NET_MSG_STALE;
        s->repeats++;
        return true;
    }
    key->number = msg->number;
    key->value = msg->value;
    if ( msg->number > st->high )
        st->high = msg->number;
    s->writes++;
    store_seal(env, i);
    return true;
}

void server_on_frame(struct guest_env *env, uint32_t slot,
                     const struct xenbus_msg *unused)
{
    struct server *s = program_page(env);
    struct net_request_frame f;
    struct net_msg msg;
    const void *frame;
    size_t len;

    (void)unused;
    frame = netfront_frame(env, slot, &len);
    if ( len < sizeof(f) )
        return;
    memcpy(&f, frame, sizeof(f));
    memcpy(&msg, f.msg, sizeof(msg));
    if ( f.eth.type[0] != NET_TYPE_REQUEST >> 8 ||
         f.eth.type[1] != (NET_TYPE_REQUEST & 0xff) ||
         memcmp(f.eth.dst, netfront_mac(env), NET_MAC_LEN) ||
         !is_request(&msg) )
        return;

    s->requests++;
    if ( !serve(env, &msg) )
        return;
    msg.checksum = msg_checksum(&msg);
    memcpy(f.msg, &msg, sizeof(msg));
    memcpy(f.eth.dst, f.eth.src, NET_MAC_LEN);
    memcpy(f.eth.src, netfront_mac(env), NET_MAC_LEN);
    /* What finds no buffer is asked for again. */
    if ( netfront_send(env, &f, sizeof(f)) )
        s->unsent++;
}

/* ---- program ------------------------------------------------------------ */

static bool has_load(const struct guest_env *env)
{
    uint64_t bytes;

    return cmdline_bytes(kernel_get(env)->cmdline, "size", &bytes) != -ENOENT;
}

static int server_plan(struct guest_env *env, uint64_t *ret_work_pages)
{
    if ( has_load(env) )
        return prog_dirty.plan(env, ret_work_pages);
    *ret_work_pages = 0;
    return 0;
}

static int server_init(struct guest_env *env)
{
    struct server *s = program_page(env);

    s->magic = SERVER_MAGIC;
    for ( unsigned int i = 0; i < SESSIONS; i++ )
    {
        struct store *st;
        int rc = frame_alloc(env, OWNER_SERVER, &s->dir[i].gfn);

        if ( rc )
            return rc;
        st = store_get(env, i);
        memset(st, 0, sizeof(*st));
        st->magic = STORE_MAGIC;
        st->gfn = s->dir[i].gfn;
        store_seal(env, i);
    }
    netfront_receiver(env, FN_server_on_frame);
    s->dirties = has_load(env);
    return s->dirties ? prog_dirty.init(env) : 0;
}

static enum guest_next server_step(struct guest_env *env,
                                   uint64_t *deadline_us)
{
    const struct server *s = program_page(env);

    /* Requests come to vCPU 0 through the driver. */
    return s->dirties ? prog_dirty.step(env, deadline_us) : GUEST_WAIT;
}

static void server_resume(struct guest_env *env, bool new_host)
{
    struct server *s = program_page(env);

    (void)new_host;
    for ( unsigned int i = 0; i < SESSIONS; i++ )
        if ( s->dir[i].gfn >= env->nr_gfns || !store_is_right(env, i) )
            return;
    directory_is_right(env);
}

static void server_progress(struct guest_env *env, char *buf, size_t size)
{
    const struct server *s = program_page(env);

    snprintf(buf, size, "requests=%llu writes=%llu repeats=%llu",
             (unsigned long long)s->requests, (unsigned long long)s->writes,
             (unsigned long long)s->repeats);
}

static const char *const server_options[] = { "size", "rate", "order", NULL };

const struct guest_program prog_server =
{
    .name = "server",
    .options = server_options,
    .plan = server_plan,
    .init = server_init,
    .step = server_step,
    .resume = server_resume,
    .progress = server_progress,
};
