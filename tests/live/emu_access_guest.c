/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What becomes of a guest under mem_access (docs/emu.md, "Denied pages"): all
 * its memory is denied while it runs.  Who starts this has the guest judge
 * its memory afterwards.  Prints TAP.
 *
 *   emu_access_guest DOMID CASE...
 *                a running domain of 64 MiB; for the cases see cases[]
 */
#include "tap.h"
#include "access.h"

#define RAM       0x4000u        /* gfns below have frames, but a few */
#define MAX_VCPUS 64u

struct tally
{
    unsigned int served, reads, writes;
    unsigned int inside;         /* not of the first byte of a page */
    unsigned int strange;        /* not what a request should be */
    unsigned int twice;          /* by one that had no answer yet */
    unsigned int refused;        /* answered, without the right */
    unsigned int again;          /* asked the same after that */
    unsigned int skipped;        /* went on after that, without the right */
    bool asked[MAX_VCPUS];
    vm_event_request_t refusal[MAX_VCPUS]; /* version 0: the last was none */
};

/* ---- serving ------------------------------------------------------------ */

static bool proper(const vm_event_request_t *rq)
{
    return rq->version == VM_EVENT_INTERFACE_VERSION &&
           rq->reason == VM_EVENT_REASON_MEM_ACCESS &&
           rq->flags == VM_EVENT_FLAG_VCPU_PAUSED && !rq->altp2m_idx &&
           rq->vcpu_id < nr_vcpus && rq->u.mem_access.gfn <= max_gfn &&
           rq->u.mem_access.offset < XC_PAGE_SIZE &&
           (rq->u.mem_access.flags == MEM_ACCESS_R ||
            rq->u.mem_access.flags == MEM_ACCESS_W);
}

/* It may have been allowed for another vCPU; no right is taken away, so what
 * is denied now was so all the time. */
static void after_refusal(const vm_event_request_t *rq,
                          vm_event_request_t *old, struct tally *t)
{
    if ( !memcmp(&rq->u.mem_access, &old->u.mem_access,
                 sizeof(rq->u.mem_access)) )
        t->again++;
    else if ( get(old->u.mem_access.gfn) == XENMEM_access_n )
        t->skipped++;
    old->version = 0;
}

static void note(struct tally *t, const vm_event_request_t rqs[],
                 unsigned int n)
{
    bool now[MAX_VCPUS] = { false };
    unsigned int i, v;

    for ( i = 0; i < n; i++ )
    {
        v = rqs[i].vcpu_id;
        if ( !proper(&rqs[i]) || v >= MAX_VCPUS )
        {
            t->strange++;
            continue;
        }
        t->twice += now[v];
        now[v] = t->asked[v] = true;
        if ( rqs[i].u.mem_access.flags == MEM_ACCESS_W )
            t->writes++;
        else
            t->reads++;
        t->inside += rqs[i].u.mem_access.offset != 0;
        if ( t->refusal[v].version )
            after_refusal(&rqs[i], &t->refusal[v], t);
    }
}

static void serve_one(struct tally *t, const vm_event_request_t *rq,
                      unsigned int refuse_each)
{
    if ( refuse_each && t->served % refuse_each == 0 )
    {
        t->refused++;
        t->refusal[rq->vcpu_id] = *rq;
    }
    else
        need(!set(XENMEM_access_rwx, rq->u.mem_access.gfn, 1), "allow");
    t->served++;
    answer(rq->vcpu_id);
}

/* So many; one answer in refuse_each gives no right (0: each gives it). */
static void serve(struct tally *t, unsigned int nr_requests,
                  unsigned int refuse_each)
{
    vm_event_request_t rqs[PLACES];
    unsigned int i, n;

    memset(t, 0, sizeof(*t));
    while ( t->served < nr_requests && !t->strange && asked() )
    {
        n = take(rqs);
        note(t, rqs, n);
        for ( i = 0; i < n && !t->strange; i++ )
            serve_one(t, &rqs[i], refuse_each);
        tell(t->served & 1);
    }
    printf("# %u served, %u R, %u W, %u inside, %u refused, %u of these "
           "again\n", t->served, t->reads, t->writes, t->inside, t->refused,
           t->again);
    claim(t->served >= nr_requests, "the guest asks %u times", nr_requests);
    is(t->strange, 0, "for R or W each time, by a vCPU that is paused");
    is(t->twice, 0, "and not twice before it has an answer");
}

/* ---- waiting for the guest ---------------------------------------------- */

static bool eventually(bool (*so)(void))
{
    uint64_t deadline = deadline_in(PATIENCE);

    while ( !so() && !deadline_passed(deadline) )
        poll(NULL, 0, 1);

    return so();
}

/* Each vCPU has asked, or waits for room to do so: it is in the middle of an
 * instruction, neither blocked nor running. */
static bool all_wait(void)
{
    xc_vcpuinfo_t v;
    unsigned int i;

    for ( i = 0; i < nr_vcpus; i++ )
    {
        need(!xc_vcpu_getinfo(xch, domid, i, &v), "vCPU info");
        if ( v.running || v.blocked )
            return false;
    }

    return true;
}

static bool crashed(void)
{
    unsigned int flags = info().flags;

    return (flags & XEN_DOMINF_shutdown) &&
           ((flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask) ==
           SHUTDOWN_crash;
}

static void deny_until_all_wait(void)
{
    pause_domain();
    deny_all();
    unpause_domain();
    claim(eventually(all_wait), "all %u vCPUs wait", nr_vcpus);
}

/* ---- cases -------------------------------------------------------------- */

static void served(void)
{
    struct tally t;

    ring_on();
    deny_all();
    serve(&t, 3000, 0);
    claim(t.reads && t.writes && t.inside, "it reads and writes, and not "
          "only where a page begins");
    deny_all();
    serve(&t, 3000, 3);
    claim(t.refused && t.again > t.refused / 2,
          "who gets no right asks the same again");
    is(t.skipped, 0, "and does not go on");
    let_go();
    is(denied_below(RAM), 0, "nothing is denied any more");
    ring_off();
}

/* Nearly all of what the guest asks for is of one kind. */
static void one_kind(bool write)
{
    struct tally t;

    ring_on();
    deny_all();
    serve(&t, 500, 0);
    claim((write ? t.writes : t.reads) > t.served * 3 / 4,
          "the guest %s", write ? "writes" : "reads");
    let_go();
    ring_off();
}

static void reads(void)
{
    one_kind(false);
}

static void writes(void)
{
    one_kind(true);
}

/* Only an answer lets a vCPU go, even if in another ring. */
static void unanswered(void)
{
    struct tally t;
    unsigned int v;

    ring_on();
    deny_until_all_wait();
    ring_off();
    claim(all_wait(), "they wait though it is off");
    ring_on();
    claim(all_wait() && !RING_HAS_UNCONSUMED_REQUESTS(&ring),
          "and when it is on again, where they do not ask");
    for ( v = 0; v < nr_vcpus; v++ )
        answer(v);
    tell(true);
    serve(&t, 500, 0);
    let_go();
    ring_off();
}

static void crowded(void)
{
    struct tally t;
    unsigned int v, n = 0;

    ring_on();
    deny_until_all_wait();
    is(ring_disable(), -EBUSY, "the ring stays on while some wait for room");
    serve(&t, 2000, 0);
    for ( v = 0; v < nr_vcpus; v++ )
        n += t.asked[v];
    is(n, nr_vcpus, "each vCPU had its turn");
    let_go();
    ring_off();
}

/* The ring goes and leaves denied what is denied: the guest runs on... */
static void left(void)
{
    unsigned int n;

    pause_domain();
    ring_on();
    deny_all();
    n = denied_below(RAM);
    claim(n > RAM * 3 / 4, "%u pages are denied", n);
    ring_off();
    ring_on();
    is(denied_below(RAM), n, "they stay so when the ring goes");
    ring_off();
    unpause_domain();
}

/* ... and has made rwx what it touched. */
static void found(void)
{
    unsigned int n;

    pause_domain();
    ring_on();
    n = denied_below(RAM);
    printf("# %u are denied\n", n);
    claim(n < RAM * 3 / 4, "what the guest touched is allowed");
    claim(n > 0, "what it did not is denied");
    is(log_dirty(true), -EBUSY, "so there is no log-dirty mode");
    let_go();
    ring_off();
    unpause_domain();
    is(log_dirty(true), 0, "but when all is allowed");
    is(log_dirty(false), 0, "and off");
}

static void required(void)
{
    ring_on();
    need(!xc_domain_set_access_required(xch, domid, 1), "access required");
    pause_domain();
    deny_all();
    ring_off();
    claim(!crashed(), "a listener is required: the domain is still there");
    unpause_domain();
    claim(eventually(crashed), "and crashes when it touches a page");
}

static const struct
{
    const char *name;
    void (*run)(void);
} cases[] = {
    { "served", served },        /* by requests, some refused at first */
    { "reads", reads },          /* by a guest that reads */
    { "writes", writes },        /* by a guest that writes */
    { "unanswered", unanswered },
    { "crowded", crowded },      /* by more vCPUs than the ring has places */
    { "left", left },            /* first half, a verdict in between, and */
    { "found", found },          /* second half */
    { "required", required },    /* ends in a crash */
};

int main(int argc, char **argv)
{
    unsigned int i, nr_run = 0;
    int arg;

    if ( argc < 3 )
        return 99;
    access_start(argv[1]);
    for ( arg = 2; arg < argc; arg++ )
        for ( i = 0; i < sizeof(cases) / sizeof(cases[0]); i++ )
            if ( !strcmp(argv[arg], cases[i].name) )
            {
                printf("# %s\n", cases[i].name);
                cases[i].run();
                nr_run++;
            }
    must(nr_run + 2 == (unsigned int)argc ? 0 :
         err_set(&err, -EINVAL, "no such case"));

    return access_end();
}
