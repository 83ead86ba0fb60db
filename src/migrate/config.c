/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Configuration files: libxlutil reads xl.cfg's syntax, json-c libxl's JSON;
 * both end in the same few facts.  Only this file knows either library.
 *
 * The facts are those that a domain is built with when its memory comes from
 * an image: what runs in it (kernel, command line) is in the image.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libxlutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ident.h"
#include "pages.h"

#define PAIRS_ROOM     (64u << 10)
/* What a PVH domain has emulated: its local APICs. */
#define PVH_EMULATION  1u
/* Special pages and the like beyond the guest's RAM. */
#define SLACK_KIB      1024u
/* The highest gfn of a PVH domain lies below 4 GiB or that far above. */
#define LOW_GFNS       (1ull << 20)
#define MEMORY_MAX_KIB (WIRE_GFNS_MAX / 4)

/* Facts as they are gathered; 0 = not said. */
struct facts
{
    const char *where;
    const char *name, *uuid, *type;
    uint64_t memory_kib, max_kib, paging_kib;
    uint64_t vcpus;
    uint64_t grant_frames, maptrack_frames, evtchn_limit, ssidref;
    bool no_hap;
    struct config *c;            /* its pairs grow */
    unsigned int nr_vifs;
};

static int config_begin(struct config *c, struct err *e)
{
    memset(c, 0, sizeof(*c));
    c->pairs_buf = malloc(PAIRS_ROOM);
    if ( !c->pairs_buf )
        return err_set(e, -ENOMEM, "read a configuration: %s",
                       err_text(-ENOMEM));
    c->domain.pairs.data = c->pairs_buf;
    return 0;
}

void config_done(struct config *c)
{
    free(c->pairs_buf);
    memset(c, 0, sizeof(*c));
}

static int add_pair(struct facts *f, struct err *e, const char *key,
                    const char *value)
{
    struct wire_pairs *p = &f->c->domain.pairs;
    int rc;

    rc = p->nr < WIRE_PAIRS_MAX
         ? wire_pairs_add(f->c->pairs_buf, PAIRS_ROOM, &p->bytes, key, value)
         : -EMSGSIZE;
    if ( rc )
        return err_set(e, -EINVAL, "%s: too many network interfaces, or too"
                       " long ones", f->where);
    p->nr++;
    return 0;
}

static int add_kib(struct facts *f, struct err *e, const char *key,
                   uint64_t kib)
{
    char text[24];

    snprintf(text, sizeof(text), "%"PRIu64, kib);
    return add_pair(f, e, key, text);
}

static int add_vif_pair(struct facts *f, struct err *e, const char *key,
                        const char *value)
{
    char path[64];

    if ( !value || !*value )
        return 0;
    snprintf(path, sizeof(path), "vif/%u/%s", f->nr_vifs, key);
    return add_pair(f, e, path, value);
}

static int add_vif(struct facts *f, struct err *e, const char *mac,
                   const char *bridge, const char *script)
{
    char made[18];
    uint8_t id[IDENT_BYTES];
    int rc = 0;

    if ( !mac || !*mac )
    {
        rc = ident_random(id);
        if ( rc )
            return err_set(e, rc, "make a MAC address: %s", err_text(rc));
        snprintf(made, sizeof(made), "00:16:3e:%02x:%02x:%02x", id[0] & 0x7f,
                 id[1], id[2]);
        mac = made;
    }
    rc = add_vif_pair(f, e, "mac", mac);
    if ( !rc )
        rc = add_vif_pair(f, e, "bridge", bridge);
    if ( !rc )
        rc = add_vif_pair(f, e, "script", script);
    f->nr_vifs++;
    return rc;
}

/* Check the facts and make a domain of them. */
static int settle(struct facts *f, struct err *e)
{
    struct wire_domain *d = &f->c->domain;
    int rc;

    if ( !f->name || !*f->name )
        return err_set(e, -EINVAL, "%s: gives the domain no name", f->where);
    if ( strlen(f->name) >= sizeof(d->name) )
        return err_set(e, -EINVAL, "%s: the name is longer than %zu"
                       " characters", f->where, sizeof(d->name) - 1);
    if ( !f->type || strcmp(f->type, "pvh") )
        return err_set(e, -EINVAL, "%s: the domain is of type %s; only pvh is"
                       " carried", f->where, f->type ? f->type : "pv (as"
                       " nothing else is said)");
    if ( !f->memory_kib )
        f->memory_kib = f->max_kib;
    if ( f->max_kib < f->memory_kib )
        f->max_kib = f->memory_kib;
    if ( !f->memory_kib || f->max_kib > MEMORY_MAX_KIB )
        return err_set(e, -EINVAL, "%s: memory of %"PRIu64" KiB", f->where,
                       f->max_kib);
    if ( !f->vcpus )
        f->vcpus = 1;
    if ( f->vcpus > WIRE_VCPUS_MAX )
        return err_set(e, -EINVAL, "%s: %"PRIu64" vcpus; there may be %u",
                       f->where, f->vcpus, WIRE_VCPUS_MAX);
    if ( f->uuid ? ident_parse(f->uuid, d->uuid) : ident_random(d->uuid) )
        return err_set(e, -EINVAL, "%s: \"%s\" is no uuid", f->where,
                       f->uuid ? f->uuid : "");

    memcpy(d->name, f->name, strlen(f->name) + 1);
    d->vcpus = f->vcpus;
    d->flags = f->no_hap ? 0 : WIRE_DOMAIN_HAP;
    d->max_mem_kib = f->max_kib + SLACK_KIB;
    d->populated_pages = f->memory_kib / 4;
    /* A MiB for each vcpu, and two pages for each MiB. */
    if ( !f->paging_kib )
        f->paging_kib = f->vcpus * 1024 + f->max_kib / 1024 * 8;
    d->paging_bytes = f->paging_kib * 1024;
    d->nr_gfns = LOW_GFNS + f->max_kib / 4 + SLACK_KIB / 4;
    d->nr_lanes = 1;
    d->ssidref = f->ssidref;
    d->emulation_flags = PVH_EMULATION;
    d->grant_frames = f->grant_frames;
    d->maptrack_frames = f->maptrack_frames;
    d->evtchn_limit = f->evtchn_limit;

    rc = add_kib(f, e, "memory/static-max", f->max_kib);
    if ( !rc )
        rc = add_kib(f, e, "memory/target", f->memory_kib);
    return rc;
}

/* ---- xl.cfg ------------------------------------------------------------- */

static int cfg_number(XLU_Config *cfg, struct facts *f, struct err *e,
                      const char *key, uint64_t unit, uint64_t *ret)
{
    long v;
    int r = xlu_cfg_get_bounded_long(cfg, key, 0, INT32_MAX, &v, 1);

    if ( r == ESRCH )
        return 0;
    if ( r )
        return err_set(e, -EINVAL, "%s: %s is no number in range", f->where,
                       key);
    *ret = v * unit;
    return 0;
}

static const char *cfg_string(XLU_Config *cfg, const char *key)
{
    const char *v;

    return xlu_cfg_get_string(cfg, key, &v, 1) ? NULL : v;
}

/* "mac=...,bridge=..." */
static int cfg_vif(struct facts *f, struct err *e, const char *spec)
{
    char *copy = strdup(spec), *rest = copy, *part, *value;
    const char *mac = NULL, *bridge = NULL, *script = NULL;
    int rc;

    if ( !copy )
        return err_set(e, -ENOMEM, "%s: %s", f->where, err_text(-ENOMEM));
    while ( (part = strsep(&rest, ",")) )
    {
        part += strspn(part, " \t");
        value = strchr(part, '=');
        if ( !value )
            continue;
        *value++ = '\0';
        if ( !strcmp(part, "mac") )
            mac = value;
        else if ( !strcmp(part, "bridge") )
            bridge = value;
        else if ( !strcmp(part, "script") )
            script = value;
    }
    rc = add_vif(f, e, mac, bridge, script);
    free(copy);
    return rc;
}

static int cfg_list_empty(XLU_Config *cfg, struct facts *f, struct err *e,
                          const char *key, const char *what)
{
    int n = 0;

    if ( !xlu_cfg_get_list(cfg, key, NULL, &n, 1) && n )
        return err_set(e, -EINVAL, "%s: the domain has %s, which %s not"
                       " carried", f->where, what,
                       what[strlen(what) - 1] == 's' ? "are" : "is");
    return 0;
}

static int cfg_facts(XLU_Config *cfg, struct facts *f, struct err *e)
{
    XLU_ConfigList *list;
    const char *spec;
    uint64_t hap = 1, online = 0;
    int i, n, rc;

    f->name = cfg_string(cfg, "name");
    f->uuid = cfg_string(cfg, "uuid");
    f->type = cfg_string(cfg, "type");
    if ( !f->type )
        f->type = cfg_string(cfg, "builder");
    rc = cfg_number(cfg, f, e, "memory", 1024, &f->memory_kib);
    if ( !rc )
        rc = cfg_number(cfg, f, e, "maxmem", 1024, &f->max_kib);
    if ( !rc )
        rc = cfg_number(cfg, f, e, "shadow_memory", 1024, &f->paging_kib);
    if ( !rc )
        rc = cfg_number(cfg, f, e, "vcpus", 1, &online);
    f->vcpus = online;
    if ( !rc )
        rc = cfg_number(cfg, f, e, "maxvcpus", 1, &f->vcpus);
    if ( !rc )
        rc = cfg_number(cfg, f, e, "max_grant_frames", 1, &f->grant_frames);
    if ( !rc )
        rc = cfg_number(cfg, f, e, "max_maptrack_frames", 1,
                        &f->maptrack_frames);
    if ( !rc )
        rc = cfg_number(cfg, f, e, "max_event_channels", 1,
                        &f->evtchn_limit);
    if ( !rc )
        rc = cfg_number(cfg, f, e, "hap", 1, &hap);
    f->no_hap = !hap;
    if ( !rc )
        rc = cfg_list_empty(cfg, f, e, "disk", "disks");
    if ( !rc )
        rc = cfg_list_empty(cfg, f, e, "pci", "PCI passthrough");
    if ( rc )
        return rc;

    if ( !xlu_cfg_get_list(cfg, "vif", &list, &n, 1) )
        for ( i = 0; !rc && i < n; i++ )
        {
            spec = xlu_cfg_get_listitem(list, i);
            rc = cfg_vif(f, e, spec ? spec : "");
        }
    return rc;
}

int config_read_cfg(const char *text, size_t len, const char *where,
                    struct err *e, struct config *ret)
{
    struct config c = { 0 };
    struct facts f = { .where = where, .c = &c };
    char *report = NULL, *end;
    size_t report_len = 0;
    XLU_Config *cfg = NULL;
    FILE *sink = NULL;
    int rc;

    rc = config_begin(&c, e);
    if ( rc )
        return rc;
    if ( len > INT32_MAX )
    {
        rc = err_set(e, -EINVAL, "%s: too long", where);
        goto out;
    }
    /* What libxlutil has to say goes to memory: a library does not print. */
    sink = open_memstream(&report, &report_len);
    cfg = sink ? xlu_cfg_init(sink, where) : NULL;
    if ( !cfg )
    {
        rc = err_set(e, -ENOMEM, "%s: %s", where, err_text(-ENOMEM));
        goto out;
    }
    if ( xlu_cfg_readdata(cfg, text, len) )
    {
        fflush(sink);
        end = report ? strchr(report, '\n') : NULL;
        if ( end )
            *end = '\0';
        rc = err_set(e, -EINVAL, "%s", report && *report ? report :
                     "the configuration is in no known syntax");
        goto out;
    }
    rc = cfg_facts(cfg, &f, e);
    if ( !rc )
        rc = settle(&f, e);

 out:
    if ( cfg )
        xlu_cfg_destroy(cfg);
    if ( sink )
        fclose(sink);
    free(report);
    if ( rc )
        config_done(&c);
    else
        *ret = c;
    return rc;
}

int config_read_file(const char *path, struct err *e, struct config *ret)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f;
    int rc;

    f = fopen(path, "re");
    if ( !f )
    {
        rc = -errno;
        return err_set(e, rc, "read the configuration %s: %s", path,
                       err_text(rc));
    }
    text = malloc(WIRE_CONTROL_MAX);
    if ( !text )
    {
        rc = err_set(e, -ENOMEM, "read the configuration %s: %s", path,
                     err_text(-ENOMEM));
        goto out;
    }
    len = fread(text, 1, WIRE_CONTROL_MAX, f);
    if ( ferror(f) )
    {
        rc = -errno;
        err_set(e, rc, "read the configuration %s: %s", path, err_text(rc));
        goto out;
    }
    if ( len == WIRE_CONTROL_MAX )
    {
        rc = err_set(e, -EINVAL, "%s: too long for a configuration", path);
        goto out;
    }
    rc = config_read_cfg(text, len, path, e, ret);

 out:
    fclose(f);
    free(text);
    return rc;
}

/* ---- libxl's JSON ------------------------------------------------------- */

static struct json_object *member(struct json_object *obj, const char *key)
{
    struct json_object *v = NULL;

    if ( json_object_is_type(obj, json_type_object) )
        json_object_object_get_ex(obj, key, &v);
    return v;
}

static const char *json_text(struct json_object *obj, const char *key)
{
    struct json_object *v = member(obj, key);

    return json_object_is_type(v, json_type_string)
           ? json_object_get_string(v) : NULL;
}

static uint64_t json_number(struct json_object *obj, const char *key)
{
    struct json_object *v = member(obj, key);
    int64_t n = json_object_is_type(v, json_type_int)
                ? json_object_get_int64(v) : 0;

    /* libxl writes some defaults as all ones. */
    return n < 0 || n >= UINT32_MAX ? 0 : n;
}

static size_t json_len(struct json_object *obj, const char *key)
{
    struct json_object *v = member(obj, key);

    return json_object_is_type(v, json_type_array)
           ? json_object_array_length(v) : 0;
}

static int json_facts(struct json_object *root, struct facts *f,
                      struct err *e)
{
    struct json_object *ci = member(root, "c_info");
    struct json_object *bi = member(root, "b_info"), *nic, *v;
    size_t i, n;
    int rc = 0;

    f->name = json_text(ci, "name");
    f->uuid = json_text(ci, "uuid");
    f->type = json_text(ci, "type");
    f->ssidref = json_number(ci, "ssidref");
    /* A defbool reads "True", "False" or "<default>". */
    v = member(ci, "hap");
    f->no_hap = v && (!strcmp(json_object_get_string(v), "False") ||
                      !strcmp(json_object_get_string(v), "false"));
    f->vcpus = json_number(bi, "max_vcpus");
    f->max_kib = json_number(bi, "max_memkb");
    f->memory_kib = json_number(bi, "target_memkb");
    f->paging_kib = json_number(bi, "shadow_memkb");
    f->grant_frames = json_number(bi, "max_grant_frames");
    f->maptrack_frames = json_number(bi, "max_maptrack_frames");
    f->evtchn_limit = json_number(bi, "event_channels");

    if ( json_len(root, "disks") )
        return err_set(e, -EINVAL, "%s: the domain has disks, which are not"
                       " carried", f->where);
    if ( json_len(root, "pcidevs") )
        return err_set(e, -EINVAL, "%s: the domain has PCI passthrough, which"
                       " is not carried", f->where);

    n = json_len(root, "nics");
    for ( i = 0; !rc && i < n; i++ )
    {
        nic = json_object_array_get_idx(member(root, "nics"), i);
        rc = add_vif(f, e, json_text(nic, "mac"), json_text(nic, "bridge"),
                     json_text(nic, "script"));
    }
    return rc;
}

int config_read_json(const char *text, struct err *e, struct config *ret)
{
    struct config c = { 0 };
    struct facts f = { .where = "the configuration in the file", .c = &c };
    struct json_object *root = NULL;
    enum json_tokener_error why;
    int rc;

    rc = config_begin(&c, e);
    if ( rc )
        return rc;
    root = json_tokener_parse_verbose(text, &why);
    if ( !json_object_is_type(root, json_type_object) )
    {
        rc = err_set(e, -EINVAL, "%s: no JSON object: %s", f.where,
                     json_tokener_error_desc(why));
        goto out;
    }
    rc = json_facts(root, &f, e);
    if ( !rc )
        rc = settle(&f, e);

 out:
    json_object_put(root);
    if ( rc )
        config_done(&c);
    else
        *ret = c;
    return rc;
}

/* ---- Beside an image of ours -------------------------------------------- */

/* Copy the pairs of p that are network interfaces, or those that are not. */
static int copy_pairs(const struct wire_pairs *p, bool vifs, char *buf,
                      size_t *len, unsigned int *nr)
{
    const char *key, *value;
    size_t pos = 0;
    int rc = 0;

    while ( !rc && wire_pairs_next(p, &pos, &key, &value) )
    {
        if ( !strncmp(key, "vif/", 4) != vifs )
            continue;
        rc = *nr < WIRE_PAIRS_MAX
             ? wire_pairs_add(buf, PAIRS_ROOM, len, key, value) : -EMSGSIZE;
        (*nr)++;
    }
    return rc;
}

int config_override(struct wire_domain *domain, const struct config *c,
                    struct err *e, char **ret_pairs_buf)
{
    unsigned int nr = 0;
    size_t len = 0;
    char *buf;
    int rc;

    buf = malloc(PAIRS_ROOM);
    if ( !buf )
        return err_set(e, -ENOMEM, "take over a configuration: %s",
                       err_text(-ENOMEM));
    rc = copy_pairs(&domain->pairs, false, buf, &len, &nr);
    if ( !rc )
        rc = copy_pairs(&c->domain.pairs, true, buf, &len, &nr);
    if ( rc )
    {
        free(buf);
        return err_set(e, -EINVAL, "the configuration and that of the image"
                       " are too long together");
    }

    memcpy(domain->name, c->domain.name, sizeof(domain->name));
    memcpy(domain->uuid, c->domain.uuid, sizeof(domain->uuid));
    domain->pairs.data = buf;
    domain->pairs.bytes = len;
    domain->pairs.nr = nr;
    *ret_pairs_buf = buf;
    return 0;
}
