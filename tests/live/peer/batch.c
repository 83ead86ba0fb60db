/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Batches: the runs that a word names, and coded ones.
 */
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "wire_coded.h"
#include "zip.h"

static void must(int rc, const char *what)
{
    if ( rc )
        bad_script("%s: %s", what, strerror(-rc));
}

uint32_t batch_runs(struct peer *p, struct word *w,
                    struct wire_run runs[ARGS_MAX + 1])
{
    uint32_t nr = 0, i;

    for ( i = 0; i < w->nr; i++ )
    {
        struct wire_run *r = &runs[nr];
        char *end;

        if ( strcmp(w->arg[i].key, "run") )
            continue;
        w->arg[i].used = true;
        *r = (struct wire_run){ 0 };
        r->gfn = strtoull(w->arg[i].value, &end, 0);
        r->count = (uint32_t)strtoul(end + 1, &end, 0);
        r->kind = (uint8_t)strtoul(end + 1, NULL, 0);
        nr++;
    }
    if ( !nr )
        runs[nr++] = (struct wire_run){ .count = 1, .kind = WIRE_KIND_DATA };
    for ( i = 0; i < nr; i++ )
        p->links[p->cur].pages += runs[i].count;

    return nr;
}

size_t batch_coded(struct peer *p, struct word *w, uint8_t *body, size_t room)
{
    static uint8_t material[1u << 20];
    struct wire_coded h = { .round = p->round };
    enum zip_method method = word_get(w, "zlib") ? ZIP_ZLIB
                             : word_get(w, "zstd") ? ZIP_ZSTD : ZIP_NONE;
    struct wire_run runs[ARGS_MAX + 1];
    struct zip_packer *packer = NULL;
    uint64_t junk = word_num(w, "junk", UINT64_MAX);
    size_t plain = 0, len;
    uint8_t *data;
    uint32_t i;

    h.nr_runs = batch_runs(p, w, runs);
    for ( i = 0; i < h.nr_runs; i++ )
        plain += runs[i].count % 256 * (runs[i].kind == WIRE_KIND_DATA ? 4096
                                        : runs[i].kind == WIRE_KIND_DELTA
                                        ? 2 : 0);
    plain += word_num(w, "more", 0);
    memset(material, runs[0].kind == WIRE_KIND_DATA ? 0xaa : 0, plain);
    data = body + wire_coded_meta_bytes(h.nr_runs);
    h.method = method;
    h.plain_bytes = h.coded_bytes = (uint32_t)plain;
    if ( method == ZIP_NONE )
        memcpy(data, material, plain);
    else
    {
        must(zip_packer_new(method, &packer), "zip");
        h.coded_bytes = (uint32_t)zip_pack(packer, 1, data, sizeof(material),
                                           material, plain);
        zip_packer_free(packer);
    }
    if ( junk < h.coded_bytes )
        data[junk] ^= 0xff;
    must(wire_coded_encode(&h, runs, body, room, &len), "CODED");

    return len;
}
