/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Records: each is built right, then bent field by field.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

#define ROOM (WIRE_BULK_MAX + 4096u)

static uint8_t body[ROOM];

/* ---- Bodies ------------------------------------------------------------- */

static void must(int rc, const char *what)
{
    if ( rc )
        bad_script("%s: %s", what, strerror(-rc));
}

static size_t put_hello(struct peer *p, struct word *w)
{
    struct wire_hello h = {
        .version_min = 1, .version_max = 1, .role = WIRE_CONTROL,
        .caps = WIRE_CAP_ZERO | WIRE_CAP_LANES | WIRE_CAP_ALLOC,
        .xen_version = 4 << 16 | 17, .page_shift = 12,
        .arch = WIRE_ARCH_X86_64,
    };
    size_t len;

    (void)w;
    if ( p->cur == LINK_QUERY )
        h.role = WIRE_QUERY;
    else if ( p->cur != LINK_CONTROL )
    {
        h.role = WIRE_BULK;
        h.lane = p->cur - LINK_LANE(0);
    }
    memcpy(h.id, p->id, sizeof(h.id));
    memcpy(h.boot, p->boot, sizeof(h.boot));
    if ( p->dest || h.role == WIRE_BULK )
        memcpy(h.token, p->token, sizeof(h.token));
    must(wire_hello_encode(&h, body, ROOM, &len), "HELLO");

    return len;
}

/* text=..., as it is. */
static size_t put_text(size_t at, const char *text)
{
    size_t len = at + strlen(text) + 1;

    memcpy(body + at, text, strlen(text) + 1);
    while ( len % 8 )
        body[len++] = 0;

    return len;
}

static size_t put_error(struct peer *p, struct word *w)
{
    const char *text = word_get(w, "text");

    (void)p;
    body[0] = 5;
    return put_text(8, text ? text : "no longer");
}

static size_t put_outcome(struct peer *p, struct word *w)
{
    const char *text = word_get(w, "text");

    body[0] = WIRE_OUTCOME_UNKNOWN;
    memcpy(body + 8, p->boot, sizeof(p->boot));
    return put_text(24, text ? text : "who knows");
}

static size_t put_string(size_t at, const char *text)
{
    size_t n = strlen(text) + 1;

    if ( at + n > ROOM )
        bad_script("too much");
    memcpy(body + at, text, n);

    return at + n;
}

/* pair=KEY~VALUE, any number; pairs=N more of them */
static size_t put_own_pairs(struct word *w, size_t at)
{
    uint64_t more = word_num(w, "pairs", 0);
    unsigned int i;
    char key[16], *cut;

    for ( i = 0; i < w->nr; i++ )
    {
        if ( strcmp(w->arg[i].key, "pair") )
            continue;
        w->arg[i].used = true;
        cut = strchr(w->arg[i].value, '~');
        if ( !cut )
            bad_script("pair=%s", w->arg[i].value);
        *cut = '\0';
        at = put_string(at, w->arg[i].value);
        at = put_string(at, cut + 1);
    }
    for ( i = 0; i < more; i++ )
    {
        snprintf(key, sizeof(key), "data/n%u", i);
        at = put_string(at, key);
        at = put_string(at, "1");
    }

    return at;
}

static size_t put_domain(struct peer *p, struct word *w)
{
    struct wire_domain d = p->desc.domain;
    const char *name = word_get(w, "name"), *v;
    size_t len, end = WIRE_DOMAIN_BYTES;

    d.nr_lanes = 1;
    must(wire_domain_encode(&d, body, ROOM, &len), "DOMAIN");
    if ( name )
    {
        memset(body + 80, 0, WIRE_NAME_MAX);
        memcpy(body + 80, name, strnlen(name, WIRE_NAME_MAX));
    }
    v = word_get(w, "uuid");
    if ( v )
        must(ident_parse(v, body + 48), "uuid");
    end += d.pairs.bytes;
    if ( word_get(w, "nopairs") )
        end = WIRE_DOMAIN_BYTES;
    end = put_own_pairs(w, end);
    if ( word_get(w, "endless") )
        while ( end % 8 || end == WIRE_DOMAIN_BYTES )
            body[end++] = 'x';
    while ( end % 8 )
        body[end++] = 0;

    return end;
}

static size_t put_policy(struct peer *p, struct word *w)
{
    struct wire_policy pol = {
        p->desc.policy.nr_leaves, p->desc.policy.nr_msrs,
        p->desc.policy.leaves, p->desc.policy.msrs,
    };
    size_t len, i;

    must(wire_policy_encode(&pol, body, ROOM, &len), "POLICY");
    /* Every feature there is: no host has them. */
    if ( word_get(w, "greedy") )
        for ( i = 0; i < pol.nr_leaves; i++ )
            memset(body + 8 + i * WIRE_LEAF_BYTES + 8, 0xff, 16);

    return len;
}

static size_t state(uint32_t kind, const void *data, size_t bytes)
{
    struct wire_state st = { kind, (uint32_t)bytes, data };
    size_t len;

    must(wire_state_encode(&st, body, ROOM, &len), "STATE");

    return len;
}

static size_t put_params(struct peer *p, struct word *w)
{
    struct wire_param list[WIRE_PARAMS_MAX];
    uint8_t data[sizeof(list)];
    uint64_t index = word_num(w, "index", 0);
    unsigned int i, nr = p->desc.nr_params;
    size_t len;

    for ( i = 0; i < nr; i++ )
    {
        list[i].index = p->desc.params[i].index;
        list[i].value = p->desc.params[i].value;
        if ( index && list[i].index == index )
            list[i].value = word_num(w, "value", 0);
    }
    if ( word_get(w, "add") )
    {
        list[nr].index = word_num(w, "add", 0);
        list[nr++].value = 1;
    }
    if ( word_get(w, "none") )
        nr = 0;
    must(wire_params_encode(list, nr, data, sizeof(data), &len), "params");

    return state(WIRE_STATE_PARAMS, data, len);
}

static size_t put_memory(struct peer *p, struct word *w)
{
    struct wire_range list[1024];
    struct wire_memory m = { .ranges = list };
    struct gfn_run run = { 0 };
    size_t len;
    unsigned int i;

    pageset_for_each_run(&p->present, run)
    {
        if ( m.nr_ranges == 1024 )
            bad_script("the domain is too scattered");
        list[m.nr_ranges++] = (struct wire_range){ run.first, run.count };
    }
    /* range=FIRST+COUNT instead */
    for ( i = 0, len = 0; i < w->nr; i++ )
        if ( !strcmp(w->arg[i].key, "range") )
        {
            char *end;

            list[len].first = strtoull(w->arg[i].value, &end, 0);
            list[len++].count = strtoull(end + 1, NULL, 0);
            m.nr_ranges = len;
            w->arg[i].used = true;
        }
    must(wire_memory_encode(&m, body, ROOM, &len), "MEMORY");

    return len;
}

static size_t put_tsc(struct peer *p, struct word *w)
{
    struct wire_tsc t = { p->tsc.mode, p->tsc.khz, p->tsc.nsec,
                          p->tsc.incarnation, 0 };
    uint8_t data[32];
    size_t len;

    t.mode = (uint32_t)word_num(w, "mode", t.mode);
    must(wire_tsc_encode(&t, data, sizeof(data), &len), "TSC");

    return state(WIRE_STATE_TSC, data, len);
}

static size_t put_context(struct peer *p, struct word *w)
{
    size_t len = word_num(w, "bytes", p->context_len), i;
    uint8_t *data = calloc(1, len > p->context_len ? len : p->context_len);

    memcpy(data, p->context, p->context_len);
    if ( word_get(w, "junk") )
        for ( i = 0; i < len; i++ )
            data[i] = (uint8_t)(i * 37 + 11);
    len = state(WIRE_STATE_CONTEXT, data, len);
    free(data);

    return len;
}

static size_t put_pairs(struct peer *p, struct word *w)
{
    const char *pair = word_get(w, "pair");
    char data[512], *cut;
    size_t len = 0;

    (void)p;
    snprintf(data, sizeof(data), "%s", pair ? pair : "data/x~1");
    len = strlen(data) + 1;
    cut = strchr(data, '~');
    if ( cut )
        *cut = '\0';

    return state(WIRE_STATE_PAIRS, data, len);
}

static size_t put_round(struct peer *p, struct word *w)
{
    struct wire_round r = { .round = p->round, .pages = p->present.count };
    size_t len;

    if ( word_get(w, "last") )
        r.flags = WIRE_ROUND_LAST;
    if ( word_get(w, "early") )
        r.flags |= WIRE_ROUND_EARLY_GO;
    must(wire_round_encode(&r, body, ROOM, &len), "ROUND");

    return len;
}

static size_t put_round_ack(struct peer *p, struct word *w)
{
    struct wire_round_ack r = { .round = p->round };
    size_t len;

    (void)w;
    must(wire_round_ack_encode(&r, body, ROOM, &len), "ROUND_ACK");

    return len;
}

static size_t put_state_end(struct peer *p, struct word *w)
{
    struct wire_state_end r = { p->present.count, p->present.count };
    size_t len;

    (void)w;
    must(wire_state_end_encode(&r, body, ROOM, &len), "STATE_END");

    return len;
}

static size_t put_round_end(struct peer *p, struct word *w)
{
    struct wire_round_end r = { .round = p->round, .next_lanes = 1,
                                .pages = p->links[p->cur].pages };
    size_t len;

    (void)w;
    must(wire_round_end_encode(&r, body, ROOM, &len), "ROUND_END");
    p->links[p->cur].pages = 0;

    return len;
}

static size_t put_query(struct peer *p, struct word *w)
{
    struct wire_query q = { .flags = 0 };
    const char *id = word_get(w, "id");
    size_t len;

    memcpy(q.id, p->id, sizeof(q.id));
    if ( id )
        must(ident_parse(id, q.id), "id");
    must(wire_query_encode(&q, body, ROOM, &len), "QUERY");

    return len;
}

static size_t put_joined(struct peer *p, struct word *w)
{
    struct wire_joined r = { .lane = (uint16_t)(p->cur - LINK_LANE(0)) };
    size_t len;

    (void)w;
    must(wire_joined_encode(&r, body, ROOM, &len), "JOINED");

    return len;
}

static size_t put_running(struct peer *p, struct word *w)
{
    (void)p;
    (void)w;
    return 16;
}

/* See batch_runs(). */
static size_t put_pages(struct peer *p, struct word *w)
{
    struct wire_pages_head h = { .round = p->round };
    struct wire_run runs[ARGS_MAX + 1];
    size_t len, at;
    unsigned int i;

    h.nr_runs = batch_runs(p, w, runs);
    for ( i = 0; i < h.nr_runs; i++ )
    {
        if ( runs[i].kind == WIRE_KIND_DATA && runs[i].count <= 1024 )
            h.nr_data += runs[i].count;
    }
    memset(body, 0, 16);
    body[0] = (uint8_t)h.round;
    body[4] = (uint8_t)h.nr_runs;
    body[8] = (uint8_t)h.nr_data;
    body[9] = (uint8_t)(h.nr_data >> 8);
    for ( i = 0, at = 16; i < h.nr_runs; i++, at += 16 )
    {
        uint64_t v = runs[i].gfn | (uint64_t)runs[i].kind << 56;

        memcpy(body + at, &v, 8);
        memcpy(body + at + 8, &runs[i].count, 4);
        memset(body + at + 12, 0, 4);
    }
    len = (size_t)h.nr_data * PAGE_BYTES;
    memset(body + at, 0xaa, len);

    return at + len;
}

static size_t put_coded(struct peer *p, struct word *w)
{
    return batch_coded(p, w, body, ROOM);
}

static size_t put_nothing(struct peer *p, struct word *w)
{
    (void)p;
    (void)w;
    return 0;
}

/* bytes=N: any type with N zeros. */
static size_t put_raw(struct peer *p, struct word *w)
{
    (void)p;
    return word_num(w, "bytes", 0);
}

/* ---- The table ---------------------------------------------------------- */

static const struct record
{
    const char *name;
    uint32_t type;
    size_t (*put)(struct peer *p, struct word *w);
    /* "field off.size ..." */
    const char *fields;
} records[] = {
    { "hello", WIRE_HELLO, put_hello,
      "magic 0.8 min 8.2 max 10.2 role 12.2 lane 14.2 caps 16.8 id 24.8 "
      "id2 32.8 token 56.8 shift 76.4 arch 80.4 reserved 84.4" },
    { "error", WIRE_ERROR, put_error, "code 0.4 guest 4.4" },
    { "domain", WIRE_DOMAIN, put_domain,
      "vcpus 0.4 flags 4.4 maxmem 8.8 paging 16.8 populated 24.8 gfns 32.8 "
      "lanes 40.4 ssidref 44.4 emulation 64.4 grants 68.4 maptrack 72.4 "
      "evtchn 76.4" },
    { "policy", WIRE_POLICY, put_policy, "leaves 0.4 msrs 4.4" },
    { "memory", WIRE_MEMORY, put_memory, "ranges 0.4 flags 4.4" },
    { "prepared", WIRE_PREPARED, put_nothing, "" },
    { "joined", WIRE_JOINED, put_joined, "lane 0.2" },
    { "round", WIRE_ROUND, put_round, "round 0.4 flags 4.4 pages 8.8" },
    { "roundack", WIRE_ROUND_ACK, put_round_ack,
      "round 0.4 reserved 4.4 placed 8.8" },
    { "arm", WIRE_ARM, put_nothing, "" },
    { "armed", WIRE_ARMED, put_nothing, "" },
    { "params", WIRE_STATE, put_params, "kind 0.4 bytes 4.4" },
    { "tsc", WIRE_STATE, put_tsc, "kind 0.4 bytes 4.4" },
    { "context", WIRE_STATE, put_context, "kind 0.4 claim 4.4" },
    { "pairs", WIRE_STATE, put_pairs, "kind 0.4 bytes 4.4" },
    { "stateend", WIRE_STATE_END, put_state_end, "sent 0.8 populated 8.8" },
    { "ready", WIRE_READY, put_nothing, "" },
    { "go", WIRE_GO, put_nothing, "" },
    { "refused", WIRE_REFUSED, put_error, "code 0.4" },
    { "running", WIRE_RUNNING, put_running, "us 0.8 reserved 8.8" },
    { "bye", WIRE_BYE, put_nothing, "" },
    { "query", WIRE_QUERY_REC, put_query, "flags 16.4 reserved 20.4" },
    { "outcome", WIRE_OUTCOME, put_outcome,
      "outcome 0.4 reserved 4.4 boot 8.8" },
    { "alive", WIRE_ALIVE, put_nothing, "" },
    { "pages", WIRE_PAGES, put_pages,
      "round 0.4 runs 4.4 data 8.4 crc 12.4" },
    { "coded", WIRE_CODED, put_coded,
      "round 0.4 runs 4.4 method 8.4 plain 12.4 coded 16.4 reserved 20.4" },
    { "roundend", WIRE_ROUND_END, put_round_end,
      "round 0.4 lanes 4.4 pages 8.8" },
    { "raw", 0, put_raw, "" },
};

#define NR (sizeof(records) / sizeof(records[0]))

static const struct record *find(const char *name)
{
    size_t i;

    for ( i = 0; i < NR; i++ )
        if ( !strcmp(records[i].name, name) )
            return &records[i];

    return NULL;
}

bool record_known(const char *name, uint32_t *ret_type)
{
    const struct record *r = find(name);

    if ( r )
        *ret_type = r->type;

    return r;
}

/* ---- Bending ------------------------------------------------------------ */

static bool field_at(const char *fields, const char *key, unsigned int *off,
                     unsigned int *size)
{
    char name[32];
    int n;

    if ( sscanf(key, "@%u.%u", off, size) == 2 )
        return true;
    while ( sscanf(fields, "%31s %u.%u %n", name, off, size, &n) == 3 )
    {
        if ( !strcmp(name, key) )
            return true;
        fields += n;
    }

    return false;
}

static void bend(const struct record *r, struct word *w)
{
    unsigned int i, off, size;
    uint64_t v;

    for ( i = 0; i < w->nr; i++ )
    {
        if ( w->arg[i].used || w->arg[i].key[0] == '!' )
            continue;
        if ( !field_at(r->fields, w->arg[i].key, &off, &size) )
            bad_script("%s has no \"%s\"", r->name, w->arg[i].key);
        v = strtoull(w->arg[i].value, NULL, 0);
        memcpy(body + off, &v, size);
    }
}

int record_send(struct peer *p, struct word *w)
{
    const struct record *r = find(w->name);
    struct conn *c = p->links[p->cur].conn;
    uint8_t hdr[WIRE_HDR_BYTES];
    size_t len, covered, cut, n;
    uint32_t type;
    int rc;

    if ( !c )
        return -ENOTCONN;
    memset(body, 0, 4096);
    len = r->put(p, w);
    bend(r, w);
    type = (uint32_t)word_num(w, "!type", r->type);
    covered = len;
    if ( type == WIRE_PAGES && len >= 16 )
    {
        uint32_t runs;

        memcpy(&runs, body + 4, 4);
        covered = wire_pages_meta_bytes(runs < ARGS_MAX ? runs : 1);
    }
    wire_hdr_encode(hdr, type, (uint32_t)word_num(w, "!len", len),
                    c->tx_seq++ + (uint32_t)word_num(w, "!seq", 0), body,
                    covered < len ? covered : len);
    if ( word_get(w, "!crc") )
        hdr[12] ^= 1;
    cut = word_num(w, "!cut", sizeof(hdr) + len);
    n = cut < sizeof(hdr) ? cut : sizeof(hdr);
    rc = chan_write(c->chan, hdr, n);
    if ( !rc && cut > n )
        rc = chan_write(c->chan, body, cut - n);

    return rc;
}

int records_zeros(struct peer *p, struct word *w)
{
    unsigned int nr_lanes = (unsigned int)word_num(w, "lanes", 1), lane;
    uint64_t less = word_num(w, "less", 0), left = p->present.count - less;
    struct wire_run run = { .kind = WIRE_KIND_ZERO };
    struct wire_pages_head h = { .round = p->round, .nr_runs = 1 };
    struct gfn_run r = { 0 };
    size_t len;
    int rc = 0;

    while ( !rc && left &&
            pageset_next_run(&p->present, r.first + r.count, 512, &r) )
    {
        run.gfn = r.first;
        run.count = (uint32_t)(r.count < left ? r.count : left);
        if ( (run.gfn & 511) + run.count > 512 )
            run.count = 512 - (run.gfn & 511);
        r.count = run.count;
        left -= run.count;
        lane = (unsigned int)(run.gfn >> 9) % nr_lanes;
        must(wire_pages_encode(&h, &run, body, ROOM, &len), "PAGES");
        p->links[LINK_LANE(lane)].pages += run.count;
        if ( !p->links[LINK_LANE(lane)].conn )
            return -ENOTCONN;
        rc = conn_send_pages(p->links[LINK_LANE(lane)].conn, body, len, NULL,
                             0, 0);
    }

    return rc;
}
