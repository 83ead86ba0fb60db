/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Fuzzer of everything that reads a saved domain: headers of xmig and xl,
 * libxl's stream, the image's records, and the configuration in front.
 *
 * Beyond "no crash" it holds the reader to its promises: it reads exactly
 * what it says it has read, never behind END, and every refusal has a
 * sentence and a place in the stream.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "image_front.h"
#include "wire.h"

struct input
{
    const uint8_t *data;
    size_t size, at;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if ( !holds )
        abort();
}

static int read_input(void *data, void *buf, size_t bytes)
{
    struct input *in = data;

    if ( bytes > in->size - in->at )
        return -ENODATA;
    memcpy(buf, in->data + in->at, bytes);
    in->at += bytes;
    return 0;
}

static void read_config(const struct image_front *front)
{
    struct wire_domain domain;
    struct config config;

    if ( !front->config )
        return;
    if ( front->ours )
        wire_domain_decode(front->config, front->config_bytes, NULL, &domain);
    else if ( front->json &&
              !config_read_json((const char *)front->config, NULL, &config) )
    {
        insist(config.domain.name[0] && config.domain.vcpus);
        config_done(&config);
    }
}

static int read_records(struct image_reader *r, uint8_t *pages)
{
    int rc = image_read_headers(r);

    while ( !rc )
    {
        rc = image_read_record(r);
        if ( rc || r->rec.type == IMAGE_END )
            break;
        /* Every other batch is left to the reader to skip. */
        if ( r->rec.type == IMAGE_PAGE_DATA && r->nr_entries % 2 )
            rc = image_read_pages(r, pages);
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t pages[IMAGE_BATCH_PAGES * IMAGE_PAGE_SIZE];
    struct input input = { data, size, 0 };
    struct image_in in = { .read = read_input, .data = &input };
    struct image_front front = { 0 };
    struct image_error error = { 0 };
    struct image_reader r;
    struct image_rhdr rec;
    int rc;

    image_reader_init(&r, &in, 1u << 20, &error);
    rc = image_read_front(&in, &front, &error);
    if ( !rc )
    {
        read_config(&front);
        rc = read_records(&r, pages);
    }
    if ( !rc )
        insist(r.state.ended);
    while ( !rc && front.libxl )
    {
        rc = image_read_libxl(&in, &rec, &error);
        if ( rc || rec.type == IMAGE_LIBXL_END )
            break;
        rc = image_skip(&in, rec.length + (uint64_t)image_padding(rec.length),
                        "a record", &error);
    }

    insist(in.offset + in.nr_unread == input.at);
    if ( rc )
        insist(error.text[0] && error.offset <= size &&
               (rc == -EPROTO || rc == -EPROTONOSUPPORT || rc == -ENOMEM));
    image_reader_done(&r);
    image_front_done(&front);
    return 0;
}
