/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig dump: print the stream of a saved domain, a line a record, or refuse
 * it with the place and the reason.  It uses the library's own checker and
 * reader, and no hypervisor.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xen/hvm/params.h>

#include "cmd.h"
#include "err.h"
#include "image_front.h"
#include "wire.h"

struct dump
{
    int fd;
    bool json;
    struct image_in in;
    struct image_error error;
    uint8_t *pages;              /* room for a batch */
    /* sums */
    uint64_t records, data, zero, alloc, holes, broken;
};

static int read_fd(void *data, void *buf, size_t bytes)
{
    struct dump *d = data;
    uint8_t *p = buf;
    ssize_t n;

    while ( bytes )
    {
        n = read(d->fd, p, bytes);
        if ( n < 0 && errno == EINTR )
            continue;
        if ( n < 0 )
            return -errno;
        if ( !n )
            return -ENODATA;
        p += n;
        bytes -= n;
    }
    return 0;
}

/* ---- Lines -------------------------------------------------------------- */

static void json_line(uint64_t offset, const char *name, uint64_t length,
                      struct json_object *details)
{
    struct json_object *obj = json_object_new_object();

    json_object_object_add(obj, "offset", json_object_new_uint64(offset));
    json_object_object_add(obj, "record", json_object_new_string(name));
    json_object_object_add(obj, "length", json_object_new_uint64(length));
    if ( details )
    {
        json_object_object_foreach(details, key, value)
            json_object_object_add(obj, key, json_object_get(value));
        json_object_put(details);
    }
    puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(obj);
}

/* A record with details as text, or as the members of obj (consumed). */
static void __attribute__((format(printf, 6, 7)))
line(struct dump *d, uint64_t offset, const char *name, uint64_t length,
     struct json_object *obj, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if ( d->json )
    {
        json_line(offset, name, length, obj);
        return;
    }

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("%12"PRIu64"  %-22s %9"PRIu64"%s%s\n", offset, name, length,
           text[0] ? "  " : "", text);
}

static struct json_object *numbers(struct dump *d, const char *key, ...)
{
    struct json_object *obj;
    va_list ap;

    if ( !d->json )
        return NULL;
    obj = json_object_new_object();
    va_start(ap, key);
    for ( ; key; key = va_arg(ap, const char *) )
        json_object_object_add(obj, key,
                               json_object_new_uint64(va_arg(ap, uint64_t)));
    va_end(ap);
    return obj;
}

static void add_text(struct json_object *obj, const char *key,
                     const char *text)
{
    if ( obj )
        json_object_object_add(obj, key, json_object_new_string(text));
}

/* ---- What stands in front ----------------------------------------------- */

static int print_our_front(struct dump *d, const struct image_front *f)
{
    struct json_object *obj, *pairs;
    struct wire_domain dom;
    const char *key, *value;
    size_t pos = 0;
    struct err e;
    char uuid[37];
    int rc;

    err_init(&e);
    rc = wire_domain_decode(f->config, f->config_bytes, &e, &dom);
    if ( rc )
    {
        image_fail(&d->error, rc, sizeof(struct image_front_hdr), "the"
                   " configuration in xmig's file header: %s", e.rec.text);
        goto out;
    }

    cli_uuid_text(dom.uuid, uuid);
    obj = numbers(d, "version", (uint64_t)f->version, "vcpus",
                  (uint64_t)dom.vcpus, "max-mem-kib", dom.max_mem_kib,
                  "populated-pages", dom.populated_pages, "frames",
                  dom.nr_gfns, NULL);
    add_text(obj, "name", dom.name);
    add_text(obj, "uuid", uuid);
    if ( obj )
    {
        pairs = json_object_new_object();
        while ( wire_pairs_next(&dom.pairs, &pos, &key, &value) )
            add_text(pairs, key, value);
        json_object_object_add(obj, "xenstore", pairs);
    }
    line(d, 0, "xmig header", f->config_bytes, obj, "version %u, \"%s\", uuid"
         " %s, %u vcpus, %"PRIu64" KiB, %"PRIu64" pages below frame %#"
         PRIx64", %u nodes", f->version, dom.name, uuid, dom.vcpus,
         dom.max_mem_kib, dom.populated_pages, dom.nr_gfns, dom.pairs.nr);

 out:
    err_done(&e);
    return rc;
}

static int dump_front(struct dump *d, struct image_front *f)
{
    struct json_object *obj;
    int rc;

    rc = image_read_front(&d->in, f, &d->error);
    if ( rc )
        return rc;

    if ( f->ours )
        return print_our_front(d, f);
    if ( f->xl )
    {
        obj = numbers(d, "flags", (uint64_t)f->xl_flags, NULL);
        line(d, 0, "xl header", f->config_bytes, obj, "flags %#x, %s",
             f->xl_flags, f->json ? "configuration in JSON" :
             f->config ? "configuration in xl.cfg's syntax" :
             "no configuration");
    }
    if ( f->libxl )
        line(d, d->in.offset - sizeof(struct image_rhdr),
             "libxl LIBXC_CONTEXT", 0, NULL, "libxl's stream, version %u",
             IMAGE_LIBXL_VERSION);
    return 0;
}

/* ---- Records ------------------------------------------------------------ */

static bool page_zero(const uint8_t *page)
{
    return !page[0] && !memcmp(page, page + 1, IMAGE_PAGE_SIZE - 1);
}

static int print_pages(struct dump *d, struct image_reader *r)
{
    uint64_t first = UINT64_MAX, last = 0, zero = 0, alloc = 0, holes = 0;
    uint64_t broken = 0;
    struct json_object *obj;
    unsigned int i;
    int rc;

    rc = image_read_pages(r, d->pages);
    if ( rc )
        return rc;
    for ( i = 0; i < r->nr_data; i++ )
        zero += page_zero(d->pages + (size_t)i * IMAGE_PAGE_SIZE);
    for ( i = 0; i < r->nr_entries; i++ )
    {
        uint64_t gfn = image_entry_gfn(r->entries[i]);

        first = gfn < first ? gfn : first;
        last = gfn > last ? gfn : last;
        switch ( image_entry_type(r->entries[i]) )
        {
        case IMAGE_PAGE_NORMAL:
            break;
        case IMAGE_PAGE_ALLOC:
            alloc++;
            break;
        case IMAGE_PAGE_HOLE:
            holes++;
            break;
        case IMAGE_PAGE_BROKEN:
            broken++;
            break;
        }
    }

    obj = numbers(d, "entries", (uint64_t)r->nr_entries, "first", first,
                  "last", last, "data", (uint64_t)r->nr_data, "zero", zero,
                  "alloc", alloc, "holes", holes, "broken", broken, NULL);
    line(d, r->offset, "PAGE_DATA", r->rec.length, obj, "%u pages in %#"
         PRIx64"...%#"PRIx64": %u with data (%"PRIu64" zero), %"PRIu64
         " to allocate, %"PRIu64" holes, %"PRIu64" broken", r->nr_entries,
         first, last, r->nr_data, zero, alloc, holes, broken);
    d->data += r->nr_data;
    d->zero += zero;
    d->alloc += alloc;
    d->holes += holes;
    d->broken += broken;
    return 0;
}

/* Names of those that every PVH domain has. */
static const char *param_name(uint64_t index, char buf[24])
{
    switch ( index )
    {
    case HVM_PARAM_STORE_PFN:
        return "store";
    case HVM_PARAM_CONSOLE_PFN:
        return "console";
    case HVM_PARAM_PAGING_RING_PFN:
        return "paging-ring";
    case HVM_PARAM_MONITOR_RING_PFN:
        return "monitor-ring";
    case HVM_PARAM_SHARING_RING_PFN:
        return "sharing-ring";
    case HVM_PARAM_IDENT_PT:
        return "ident-pt";
    case HVM_PARAM_VM86_TSS_SIZED:
        return "vm86-tss";
    case HVM_PARAM_X87_FIP_WIDTH:
        return "x87-fip-width";
    }
    snprintf(buf, 24, "%"PRIu64, index);
    return buf;
}

static void print_params(struct dump *d, struct image_reader *r)
{
    struct image_params hdr;
    struct image_param p;
    struct json_object *obj = NULL;
    char text[400] = "", buf[24];
    const char *key;
    size_t len = 0;
    uint32_t i;

    memcpy(&hdr, r->body, sizeof(hdr));
    if ( d->json )
        obj = json_object_new_object();
    for ( i = 0; i < hdr.count; i++ )
    {
        memcpy(&p, r->body + sizeof(hdr) + i * sizeof(p), sizeof(p));
        key = param_name(p.index, buf);
        if ( obj )
            json_object_object_add(obj, key, json_object_new_uint64(p.value));
        if ( len < sizeof(text) )
            len += snprintf(text + len, sizeof(text) - len, "%s%s=%#"PRIx64,
                            i ? " " : "", key, p.value);
    }
    line(d, r->offset, "HVM_PARAMS", r->rec.length, obj, "%s", text);
}

static void print_context(struct dump *d, struct image_reader *r)
{
    unsigned int parts = 0, cpus = 0;
    uint32_t at = 0, length;
    uint16_t code;

    do {
        memcpy(&code, r->body + at, sizeof(code));
        memcpy(&length, r->body + at + 4, sizeof(length));
        at += 8 + length;
        parts++;
        cpus += code == 2;
    } while ( code );

    line(d, r->offset, "HVM_CONTEXT", r->rec.length,
         numbers(d, "parts", (uint64_t)parts, "cpus", (uint64_t)cpus, NULL),
         "%u parts, %u processors", parts, cpus);
}

static int print_record(struct dump *d, struct image_reader *r)
{
    struct image_tsc tsc;
    uint64_t n;

    d->records++;
    if ( r->rec.type & IMAGE_OPTIONAL )
    {
        line(d, r->offset, "optional", r->rec.length,
             numbers(d, "type", (uint64_t)r->rec.type, NULL),
             "type %#x, skipped", r->rec.type);
        return 0;
    }

    switch ( r->rec.type )
    {
    case IMAGE_PAGE_DATA:
        return print_pages(d, r);

    case IMAGE_HVM_PARAMS:
        print_params(d, r);
        return 0;

    case IMAGE_HVM_CONTEXT:
        print_context(d, r);
        return 0;

    case IMAGE_CPUID_POLICY:
        n = r->rec.length / IMAGE_LEAF_BYTES;
        line(d, r->offset, "X86_CPUID_POLICY", r->rec.length,
             numbers(d, "leaves", n, NULL), "%"PRIu64" leaves", n);
        return 0;

    case IMAGE_MSR_POLICY:
        n = r->rec.length / IMAGE_MSR_BYTES;
        line(d, r->offset, "X86_MSR_POLICY", r->rec.length,
             numbers(d, "msrs", n, NULL), "%"PRIu64" registers", n);
        return 0;

    case IMAGE_TSC_INFO:
        memcpy(&tsc, r->body, sizeof(tsc));
        line(d, r->offset, "X86_TSC_INFO", r->rec.length,
             numbers(d, "mode", (uint64_t)tsc.mode, "khz", (uint64_t)tsc.khz,
                     "nsec", tsc.nsec, "incarnation",
                     (uint64_t)tsc.incarnation, NULL),
             "mode %u, %u kHz, %"PRIu64" ns, incarnation %u", tsc.mode,
             tsc.khz, tsc.nsec, tsc.incarnation);
        return 0;
    }

    line(d, r->offset, image_type_name(r->rec.type), r->rec.length, NULL,
         "%s", "");
    return 0;
}

static int dump_image(struct dump *d, struct image_reader *r)
{
    uint64_t offset = d->in.offset;
    int rc;

    rc = image_read_headers(r);
    if ( rc )
        return rc;
    line(d, offset, "image header", d->in.offset - offset,
         numbers(d, "version", (uint64_t)r->state.version, "xen-major",
                 (uint64_t)r->state.xen_major, "xen-minor",
                 (uint64_t)r->state.xen_minor, NULL),
         "version %u, x86 HVM or PVH, from Xen %u.%u", r->state.version,
         r->state.xen_major, r->state.xen_minor);

    do {
        rc = image_read_record(r);
        if ( !rc )
            rc = print_record(d, r);
    } while ( !rc && r->rec.type != IMAGE_END );

    return rc;
}

/* What libxl has behind the image. */
static int dump_tail(struct dump *d)
{
    struct image_rhdr rec;
    char name[40];
    int rc;

    do {
        uint64_t offset = d->in.offset;

        rc = image_read_libxl(&d->in, &rec, &d->error);
        if ( rc )
            return rc;
        snprintf(name, sizeof(name), "libxl %s", image_libxl_name(rec.type));
        line(d, offset, name, rec.length, NULL, "%s", "");
        rc = image_skip(&d->in, rec.length + image_padding(rec.length), name,
                        &d->error);
    } while ( !rc && rec.type != IMAGE_LIBXL_END );

    return rc;
}

static int dump(struct dump *d)
{
    struct image_front front = { 0 };
    struct image_reader r;
    int rc;

    image_reader_init(&r, &d->in, 0, &d->error);
    rc = dump_front(d, &front);
    if ( !rc )
        rc = dump_image(d, &r);
    if ( !rc && front.libxl )
        rc = dump_tail(d);
    if ( !rc && !d->json )
        printf("%12"PRIu64"  end: %"PRIu64" records, %"PRIu64" pages with"
               " data (%"PRIu64" zero), %"PRIu64" to allocate, %"PRIu64
               " holes, %"PRIu64" broken\n", d->in.offset, d->records,
               d->data, d->zero, d->alloc, d->holes, d->broken);
    image_reader_done(&r);
    image_front_done(&front);
    return rc;
}

static void print_refusal(struct dump *d, const char *file)
{
    struct json_object *obj;

    fflush(stdout);
    if ( d->json )
    {
        obj = json_object_new_object();
        json_object_object_add(obj, "refused",
                               json_object_new_string(d->error.text));
        json_object_object_add(obj, "offset",
                               json_object_new_uint64(d->error.offset));
        puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
                                            JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(obj);
    }
    cli_complain("%s is refused %s", strcmp(file, "-") ? file : "the stream",
                 d->error.text);
}

static int open_and_dump(struct dump *d, const char *file)
{
    int rc;

    d->fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC)
                              : STDIN_FILENO;
    if ( d->fd < 0 )
    {
        cli_complain("open %s: %s", file, strerror(errno));
        return EXIT_NOTHING;
    }
    d->pages = malloc((size_t)IMAGE_BATCH_PAGES * IMAGE_PAGE_SIZE);
    if ( !d->pages )
    {
        cli_complain("no memory");
        rc = -ENOMEM;
    }
    else
    {
        rc = dump(d);
        if ( rc )
            print_refusal(d, file);
    }

    free(d->pages);
    if ( d->fd != STDIN_FILENO )
        close(d->fd);
    return rc ? EXIT_NOTHING : EXIT_DONE;
}

int cmd_dump(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 256, "json", false },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    struct dump d = { .fd = -1, .in = { .read = read_fd } };
    const char *file = NULL;
    struct args a;
    int opt;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 256:
            d.json = true;
            break;
        case ARG_WORD:
            if ( file )
                return cli_usage(cmd, "one file at a time");
            file = a.value;
            break;
        default:
            return args_usual(&a, opt);
        }
    }

    d.in.data = &d;
    return open_and_dump(&d, file ? file : "-");
}
