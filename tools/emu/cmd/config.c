/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain's configuration file, in xl's syntax and read by xl's own parser.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>
#include <libxlutil.h>

#include "cmd.h"

#define MIN_MEMORY_MIB 4
#define MAX_MEMORY_MIB (1u << 20)
#define MAX_NAME 64
/* struct guest_boot keeps the command line; see guest.h. */
#define MAX_CMDLINE 2047

static const char *const known_keys[] = {
    "name", "uuid", "type", "memory", "maxmem", "vcpus", "kernel", "extra",
    "vif", "tsc_mode",
};

static bool is_known(const char *key)
{
    size_t i;

    for ( i = 0; i < sizeof(known_keys) / sizeof(known_keys[0]); i++ )
        if ( !strcmp(known_keys[i], key) )
            return true;

    return false;
}

void config_free(struct dom_config *c)
{
    free(c->name);
    free(c->cmdline);
    memset(c, 0, sizeof(*c));
}

static bool is_mac(const char *s)
{
    unsigned int i;

    for ( i = 0; i < 17; i++ )
        if ( i % 3 == 2 ? s[i] != ':'
                        : !strchr("0123456789abcdefABCDEF", s[i]) || !s[i] )
            return false;

    return !s[17];
}

/* An address of Xen's range, for a vif that names none. */
static void random_mac(char mac[18])
{
    uuid_t u;

    uuid_generate_random(u);
    snprintf(mac, 18, "00:16:3e:%02x:%02x:%02x", u[0] & 0x7f, u[1], u[2]);
}

int config_parse_vif(const char *spec, struct vif_config *ret_v)
{
    struct vif_config v = { .mac = "" };
    char *copy = strdup(spec), *save = NULL, *word, *eq;
    int rc = -EINVAL;

    if ( !copy )
        return -ENOMEM;
    for ( word = strtok_r(copy, ",", &save); word;
          word = strtok_r(NULL, ",", &save) )
    {
        word += strspn(word, " \t");
        eq = strchr(word, '=');
        if ( !eq )
        {
            err("vif \"%s\": \"%s\" is not key=value", spec, word);
            goto out;
        }
        *eq++ = '\0';
        if ( !strcmp(word, "mac") )
        {
            if ( !is_mac(eq) )
            {
                err("vif \"%s\": \"%s\" is no MAC address", spec, eq);
                goto out;
            }
            memcpy(v.mac, eq, strlen(eq) + 1);
        }
        else if ( !strcmp(word, "bridge") && strlen(eq) < sizeof(v.bridge) )
            memcpy(v.bridge, eq, strlen(eq) + 1);
        else
            err("warning: vif \"%s\": \"%s\" is ignored", spec, word);
    }
    if ( !v.mac[0] )
        random_mac(v.mac);
    *ret_v = v;
    rc = 0;

 out:
    free(copy);

    return rc;
}

static int get_number(const XLU_Config *cfg, const char *file,
                      const char *key, long min, long max, uint64_t *ret_v)
{
    long v;
    int r = xlu_cfg_get_long(cfg, key, &v, 0);

    if ( r == ESRCH )
        return -ESRCH;
    if ( r || v < min || v > max )
    {
        err("%s: %s must be a number from %ld to %ld", file, key, min, max);
        return -EINVAL;
    }
    *ret_v = v;

    return 0;
}

/* 0 with *ret_s NULL when the key is not there. */
static int get_string(const XLU_Config *cfg, const char *file,
                      const char *key, const char **ret_s)
{
    int r;

    *ret_s = NULL;
    r = xlu_cfg_get_string(cfg, key, ret_s, 0);
    if ( r && r != ESRCH )
    {
        err("%s: %s must be a string", file, key);
        return -EINVAL;
    }

    return 0;
}

static int get_vifs(const XLU_Config *cfg, const char *file,
                    struct dom_config *c)
{
    XLU_ConfigList *list;
    const char *spec;
    int n, i, r, rc;

    r = xlu_cfg_get_list(cfg, "vif", &list, &n, 0);
    if ( r == ESRCH )
        return 0;
    if ( r || n > CONFIG_MAX_VIFS )
    {
        err("%s: vif must be a list of at most %d strings", file,
            CONFIG_MAX_VIFS);
        return -EINVAL;
    }
    for ( i = 0; i < n; i++ )
    {
        spec = xlu_cfg_get_listitem(list, i);
        if ( !spec )
        {
            err("%s: vif %d is not a string", file, i);
            return -EINVAL;
        }
        rc = config_parse_vif(spec, &c->vifs[c->nr_vifs]);
        if ( rc )
            return rc;
        c->nr_vifs++;
    }

    return 0;
}

/* What create can't build is refused by name. */
static int check_kind(const XLU_Config *cfg, const char *file)
{
    const char *s;
    int rc;

    rc = get_string(cfg, file, "type", &s);
    if ( rc )
        return rc;
    if ( s && strcmp(s, "pvh") )
    {
        err("%s: type \"%s\" is not to be had here, only \"pvh\"", file, s);
        return -EINVAL;
    }
    rc = get_string(cfg, file, "kernel", &s);
    if ( rc )
        return rc;
    if ( s && strcmp(s, "builtin") )
    {
        err("%s: kernel \"%s\": create runs kernel \"builtin\" only; a "
            "kernel file is for xl create", file, s);
        return -EINVAL;
    }

    return 0;
}

static int get_identity(const XLU_Config *cfg, const char *file,
                        struct dom_config *c)
{
    const char *s;
    int rc;

    rc = get_string(cfg, file, "name", &s);
    if ( rc )
        return rc;
    if ( !s || !*s || strlen(s) > MAX_NAME || strpbrk(s, "/ \t\n") ||
         strspn(s, "0123456789") == strlen(s) )
    {
        err("%s: a name is needed: up to %d characters, no slash, no space, "
            "not just digits", file, MAX_NAME);
        return -EINVAL;
    }
    c->name = strdup(s);
    if ( !c->name )
        return -ENOMEM;

    rc = get_string(cfg, file, "uuid", &s);
    if ( rc )
        return rc;
    if ( s && uuid_parse(s, c->uuid) )
    {
        err("%s: \"%s\" is no UUID", file, s);
        return -EINVAL;
    }
    if ( !s )
        uuid_generate(c->uuid);

    return 0;
}

static int get_size(const XLU_Config *cfg, const char *file,
                    struct dom_config *c)
{
    uint64_t vcpus = 1;
    int rc;

    rc = get_number(cfg, file, "memory", MIN_MEMORY_MIB, MAX_MEMORY_MIB,
                    &c->memory_mib);
    if ( rc == -ESRCH )
        err("%s: memory, in MiB, is needed", file);
    if ( rc )
        return rc;
    c->maxmem_mib = c->memory_mib;
    rc = get_number(cfg, file, "maxmem", c->memory_mib, MAX_MEMORY_MIB,
                    &c->maxmem_mib);
    if ( rc && rc != -ESRCH )
        return rc;
    rc = get_number(cfg, file, "vcpus", 1, CONFIG_MAX_VCPUS, &vcpus);
    if ( rc && rc != -ESRCH )
        return rc;
    c->vcpus = vcpus;

    return 0;
}

/* As text, as xl takes it; a number is its place in the list. */
static int get_tsc_mode(const XLU_Config *cfg, const char *file,
                        struct dom_config *c)
{
    static const char *const modes[] = {
        "default", "always_emulate", "native",
    };
    const char *s;
    uint32_t i;
    int rc;

    rc = get_string(cfg, file, "tsc_mode", &s);
    if ( rc || !s )
        return rc;
    for ( i = 0; i < sizeof(modes) / sizeof(modes[0]); i++ )
        if ( !strcmp(modes[i], s) )
        {
            c->tsc_mode = i;
            return 0;
        }
    err("%s: tsc_mode \"%s\" is not known", file, s);

    return -EINVAL;
}

static int get_cmdline(const XLU_Config *cfg, const char *file,
                       struct dom_config *c)
{
    const char *s;
    int rc;

    rc = get_string(cfg, file, "extra", &s);
    if ( rc )
        return rc;
    if ( s && strlen(s) > MAX_CMDLINE )
    {
        err("%s: extra has %zu characters, %d are possible", file, strlen(s),
            MAX_CMDLINE);
        return -EINVAL;
    }
    c->cmdline = strdup(s ?: "");

    return c->cmdline ? 0 : -ENOMEM;
}

static int fill(const XLU_Config *cfg, const char *file,
                struct dom_config *c)
{
    int rc;

    rc = check_kind(cfg, file);
    if ( !rc )
        rc = get_identity(cfg, file, c);
    if ( !rc )
        rc = get_size(cfg, file, c);
    if ( !rc )
        rc = get_cmdline(cfg, file, c);
    if ( !rc )
        rc = get_vifs(cfg, file, c);
    if ( !rc )
        rc = get_tsc_mode(cfg, file, c);

    return rc;
}

int config_read(const char *file, struct dom_config *ret_c)
{
    struct dom_config c = { 0 };
    XLU_Config *cfg;
    int r, rc;

    cfg = xlu_cfg_init(stderr, file);
    if ( !cfg )
        return -ENOMEM;
    /* The parser tells a directory or an unreadable file apart poorly. */
    if ( access(file, R_OK) )
    {
        rc = -errno;
        err("cannot read %s: %s", file, strerror(errno));
        goto out;
    }
    r = xlu_cfg_readfile(cfg, file);
    if ( r )
    {
        rc = -r;
        err("%s is not a usable domain configuration", file);
        goto out;
    }
    config_warn_unknown(file, is_known);
    rc = fill(cfg, file, &c);
    if ( rc == -ENOMEM )
        err("out of memory");
    if ( !rc )
    {
        *ret_c = c;
        memset(&c, 0, sizeof(c));
    }

 out:
    config_free(&c);
    xlu_cfg_destroy(cfg);

    return rc;
}
