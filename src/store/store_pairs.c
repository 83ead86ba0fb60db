/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pairs of a domain's xenstore subtree, and which of them travel.
 *
 * The rule is applied at both ends: what a peer sends may only name what
 * store_export() would have named.
 */
#include "store_xs.h"

#define VIFS_MAX 16u

void store_pairs_done(struct store_pairs *p)
{
    size_t i;

    for ( i = 0; i < p->nr; i++ )
    {
        free(p->pairs[i].key);
        free(p->pairs[i].value);
    }
    free(p->pairs);
    memset(p, 0, sizeof(*p));
}

int store_pairs_add(struct store_pairs *p, const char *key,
                    const char *value)
{
    char *k, *v;

    if ( p->nr == p->room )
    {
        size_t room = p->room ? p->room * 2 : 16;
        struct store_pair *pairs = reallocarray(p->pairs, room,
                                                sizeof(*pairs));

        if ( !pairs )
            return -ENOMEM;
        p->pairs = pairs;
        p->room = room;
    }
    k = strdup(key);
    v = strdup(value);
    if ( !k || !v )
    {
        free(k);
        free(v);
        return -ENOMEM;
    }
    p->pairs[p->nr].key = k;
    p->pairs[p->nr++].value = v;

    return 0;
}

const char *store_pairs_get(const struct store_pairs *p, const char *key)
{
    size_t i;

    for ( i = 0; i < p->nr; i++ )
        if ( !strcmp(p->pairs[i].key, key) )
            return p->pairs[i].value;

    return NULL;
}

/* ---- What travels ------------------------------------------------------ */

static bool begins(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

/* Is s a relative xenstore path with nothing odd in it? */
static bool path_sound(const char *s)
{
    size_t len = strlen(s);

    return len && len < STORE_PATH_MAX / 2 && s[0] != '/' &&
           s[len - 1] != '/' && !strstr(s, "//") &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                  "0123456789-/_@") == len;
}

bool store_key_vif(const char *key, unsigned int *ret_n,
                   const char **ret_leaf)
{
    static const char *const leaves[] = {
        "mac", "bridge", "script", "type", "rate", "ip", "mtu",
    };
    unsigned long n;
    unsigned int i;
    char *end;

    if ( !begins(key, "vif/") || key[4] < '0' || key[4] > '9' )
        return false;
    n = strtoul(key + 4, &end, 10);
    if ( n >= VIFS_MAX || *end != '/' )
        return false;
    for ( i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++ )
        if ( !strcmp(end + 1, leaves[i]) )
        {
            *ret_n = (unsigned int)n;
            *ret_leaf = leaves[i];
            return true;
        }

    return false;
}

bool store_key_travels(const char *key)
{
    static const char *const trees[] = {
        "data/", "attr/", "feature/", "drivers/", "control/feature-",
    };
    static const char *const leaves[] = {
        "memory/static-max", "memory/target",
    };
    const char *leaf;
    unsigned int i, n;
    int pos = 0;

    if ( !path_sound(key) )
        return false;
    for ( i = 0; i < sizeof(trees) / sizeof(trees[0]); i++ )
        if ( begins(key, trees[i]) )
            return true;
    for ( i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++ )
        if ( !strcmp(key, leaves[i]) )
            return true;
    if ( begins(key, "cpu/") && key[4] >= '0' && key[4] <= '9' &&
         sscanf(key, "cpu/%3u/%n", &n, &pos) == 1 &&
         !strcmp(key + pos, "availability") )
        return true;

    return store_key_vif(key, &n, &leaf);
}

static bool is_mac(const char *s)
{
    unsigned int i;

    for ( i = 0; i < 17; i++ )
        if ( i % 3 == 2 ? s[i] != ':'
                        : !s[i] || !strchr("0123456789abcdefABCDEF", s[i]) )
            return false;

    return !s[17];
}

bool store_value_sound(const char *key, const char *value)
{
    const char *leaf;
    unsigned int n;

    if ( store_key_vif(key, &n, &leaf) )
    {
        /* Backends and their scripts read these. */
        if ( !strcmp(leaf, "mac") )
            return is_mac(value);
        return strlen(value) <= 128 &&
               strspn(value, "abcdefghijklmnopqrstuvwxyz"
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:,/@ ") ==
               strlen(value);
    }
    if ( begins(key, "memory/") )
        return value[0] && strlen(value) < 20 &&
               strspn(value, "0123456789") == strlen(value);
    if ( begins(key, "cpu/") )
        return !strcmp(value, "online") || !strcmp(value, "offline");

    return true;
}
