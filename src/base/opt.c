/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Option tables: finding a row by what the user wrote, checking ranges,
 * handing values out.  It knows no particular option.
 */
#include "opt_unit.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_TABLES 16

struct value
{
    _Atomic uint64_t num;        /* base units */
    char *str;                   /* OPT_STRING; NULL = "" */
    _Atomic bool set;
};

struct table
{
    const char *prefix;          /* NULL = the engine */
    const struct opt_row *rows;
    unsigned int nr;
    struct value *values;
};

struct optset
{
    struct table tables[MAX_TABLES];
    unsigned int nr;
};

/* ---- Tables ------------------------------------------------------------ */

static uint64_t def_value(const struct opt_row *r)
{
    return opt_is_number(r->type) ? r->def * opt_unit_base(r->type, r->unit)
                                  : r->def;
}

static bool row_sound(const struct opt_row *r)
{
    uint64_t base;
    unsigned int n;

    if ( !r->key[0] || !r->help || !r->unit || r->max < r->min ||
         (r->live && r->type == OPT_STRING) )
        return false;
    if ( strspn(r->key, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
         strlen(r->key) )
        return false;
    switch ( r->type )
    {
    case OPT_UINT:
    case OPT_SIZE:
    case OPT_BANDWIDTH:
    case OPT_DURATION:
        base = opt_unit_base(r->type, r->unit);
        return base && r->max <= UINT64_MAX / base && r->def >= r->min &&
               r->def <= r->max;

    case OPT_BOOL:
        return r->def <= 1;

    case OPT_CHOICE:
        for ( n = 0; r->choices && r->choices[n]; n++ )
            continue;
        return r->def < n;

    case OPT_STRING:
        return true;
    }

    return false;
}

static void reset_table(struct table *t)
{
    unsigned int i;

    for ( i = 0; i < t->nr; i++ )
    {
        free(t->values[i].str);
        t->values[i].str = NULL;
        t->values[i].num = def_value(&t->rows[i]);
        t->values[i].set = false;
    }
}

int optset_add(struct optset *set, struct err *e, const char *prefix,
               const struct opt_row *rows)
{
    struct table *t = &set->tables[set->nr];
    const char *who = prefix ? prefix : "engine";
    unsigned int i, j;

    if ( set->nr == MAX_TABLES )
        return err_set(e, -EINVAL, "options of %s: too many tables", who);
    for ( i = 0; rows[i].key; i++ )
    {
        if ( !row_sound(&rows[i]) ||
             strlen(rows[i].key) + strlen(who) + 2 > OPT_KEY_MAX )
            return err_set(e, -EINVAL, "options of %s: row %s is malformed",
                           who, rows[i].key);
        for ( j = 0; j < i; j++ )
            if ( !strcmp(rows[i].key, rows[j].key) )
                return err_set(e, -EINVAL, "options of %s: %s is there twice",
                               who, rows[i].key);
    }
    t->values = calloc(i ? i : 1, sizeof(*t->values));
    if ( !t->values )
        return err_set(e, -ENOMEM, "options of %s: out of memory", who);
    t->prefix = prefix;
    t->rows = rows;
    t->nr = i;
    reset_table(t);
    set->nr++;

    return 0;
}

int optset_new(struct optset **ret_set)
{
    struct optset *set = calloc(1, sizeof(*set));
    int rc;

    if ( !set )
        return -ENOMEM;
    rc = optset_add(set, NULL, NULL, opt_engine_rows);
    if ( rc )
    {
        free(set);
        return rc;
    }
    *ret_set = set;

    return 0;
}

void optset_reset(struct optset *set)
{
    unsigned int i;

    for ( i = 0; i < set->nr; i++ )
        reset_table(&set->tables[i]);
}

void optset_free(struct optset *set)
{
    unsigned int i;

    if ( !set )
        return;
    optset_reset(set);
    for ( i = 0; i < set->nr; i++ )
        free(set->tables[i].values);
    free(set);
}

/* ---- What the user wrote ----------------------------------------------- */

static bool same_key(const char *a, const char *b)
{
    for ( ; *a && *b; a++, b++ )
        if ( (*a == '_' ? '-' : *a) != *b )
            return false;

    return *a == *b;
}

/* Does the user's key name row r of table t?  2 with the prefix, 1 without. */
static int key_fits(const struct table *t, const struct opt_row *r,
                    const char *key)
{
    size_t n = t->prefix ? strlen(t->prefix) : 0;

    if ( n && !strncmp(key, t->prefix, n) && key[n] == '.' )
        return same_key(key + n + 1, r->key) ||
               (r->alias && same_key(key + n + 1, r->alias)) ? 2 : 0;
    if ( same_key(key, r->key) || (r->alias && same_key(key, r->alias)) )
        return n ? 1 : 2;

    return 0;
}

static int find_key(struct optset *set, struct err *e, const char *key,
                    struct table **ret_t, unsigned int *ret_i)
{
    struct table *found = NULL;
    unsigned int t, i, row = 0;

    for ( t = 0; t < set->nr; t++ )
        for ( i = 0; i < set->tables[t].nr; i++ )
            switch ( key_fits(&set->tables[t], &set->tables[t].rows[i], key) )
            {
            case 2:
                *ret_t = &set->tables[t];
                *ret_i = i;
                return 0;

            case 1:
                if ( found )
                    return err_set(e, -ENOENT, "option %s: both %s.%s and "
                                   "%s.%s are meant; give the long name", key,
                                   found->prefix, found->rows[row].key,
                                   set->tables[t].prefix,
                                   set->tables[t].rows[i].key);
                found = &set->tables[t];
                row = i;
                break;
            }
    if ( !found )
        return err_set(e, -ENOENT, "option %s: there is no such option", key);
    *ret_t = found;
    *ret_i = row;

    return 0;
}

static int parse_bool(const char *text, uint64_t *ret)
{
    static const char *const words[2][4] = {
        { "0", "off", "no", "false" }, { "1", "on", "yes", "true" },
    };
    unsigned int v, i;

    for ( v = 0; v < 2; v++ )
        for ( i = 0; i < 4; i++ )
            if ( !strcasecmp(text, words[v][i]) )
            {
                *ret = v;
                return 0;
            }

    return -EINVAL;
}

static void choices_text(const struct opt_row *r, char *buf, size_t room)
{
    size_t used = 0;
    unsigned int i;

    buf[0] = '\0';
    for ( i = 0; r->choices[i] && used < room; i++ )
        used += (size_t)snprintf(buf + used, room - used, "%s%s",
                                 i ? "|" : "", r->choices[i]);
}

/* Values are only looked at while v is NULL. */
static int set_number(struct err *e, const struct opt_row *r,
                      struct value *v, const char *key, const char *text)
{
    uint64_t base = opt_unit_base(r->type, r->unit), num = 0;
    int rc = opt_number_parse(r, text, &num);

    if ( rc == -EINVAL )
        return err_set(e, rc, "option %s: \"%s\" is not a %s%s%s", key, text,
                       r->type == OPT_UINT ? "whole number" : "number",
                       r->unit[0] ? " of " : "", r->unit);
    if ( rc == -ERANGE || num < r->min * base || num > r->max * base )
        return err_set(e, -ERANGE, "option %s: %s is out of range, %" PRIu64
                       " ... %" PRIu64 "%s%s", key, text, r->min, r->max,
                       r->unit[0] ? " " : "", r->unit);
    if ( v )
        v->num = num;

    return 0;
}

static int set_bool(struct err *e, struct value *v, const char *key,
                    const char *text)
{
    uint64_t num = 0;
    int rc = parse_bool(text, &num);

    if ( rc )
        return err_set(e, rc, "option %s: \"%s\" is neither on nor off", key,
                       text);
    if ( v )
        v->num = num;

    return 0;
}

static int set_choice(struct err *e, const struct opt_row *r,
                      struct value *v, const char *key, const char *text)
{
    char list[128];
    unsigned int i;

    for ( i = 0; r->choices[i]; i++ )
        if ( !strcasecmp(text, r->choices[i]) )
        {
            if ( v )
                v->num = i;
            return 0;
        }
    choices_text(r, list, sizeof(list));

    return err_set(e, -EINVAL, "option %s: \"%s\" is none of %s", key, text,
                   list);
}

static int set_string(struct err *e, const struct opt_row *r,
                      struct value *v, const char *key, const char *text)
{
    size_t len = strlen(text);
    char *copy;

    if ( len < r->min || len > r->max )
        return err_set(e, -ERANGE, "option %s: %zu characters, may be "
                       "%" PRIu64 " ... %" PRIu64, key, len, r->min, r->max);
    copy = strdup(text);
    if ( !copy )
        return err_set(e, -ENOMEM, "option %s: out of memory", key);
    free(v->str);
    v->str = copy;

    return 0;
}

static int set_value(const struct opt_row *r, struct err *e, struct value *v,
                     const char *key, const char *text)
{
    int rc;

    switch ( r->type )
    {
    case OPT_BOOL:   rc = set_bool(e, v, key, text); break;
    case OPT_CHOICE: rc = set_choice(e, r, v, key, text); break;
    case OPT_STRING: rc = set_string(e, r, v, key, text); break;
    default:         rc = set_number(e, r, v, key, text); break;
    }
    if ( !rc && v )
        v->set = true;

    return rc;
}

int opt_set(struct optset *set, struct err *e, const char *key,
            const char *value)
{
    struct table *t = NULL;
    unsigned int i = 0;
    int rc = find_key(set, e, key, &t, &i);

    return rc ? rc : set_value(&t->rows[i], e, &t->values[i], key, value);
}

int opt_set_live(struct optset *set, struct err *e, const char *key,
                 const char *value, bool commit)
{
    struct table *t = NULL;
    unsigned int i = 0;
    int rc = find_key(set, e, key, &t, &i);

    if ( rc )
        return rc;
    if ( !t->rows[i].live )
        return err_set(e, -EBUSY, "option %s: it can't be changed while a "
                       "migration runs", key);

    return set_value(&t->rows[i], e, commit ? &t->values[i] : NULL, key,
                     value);
}

/* ---- Printing ---------------------------------------------------------- */

static void describe(const struct table *t, unsigned int i,
                     struct opt_text *text, struct xmig_option *ret)
{
    const struct opt_row *r = &t->rows[i];
    const struct value *v = &t->values[i];

    snprintf(text->key, sizeof(text->key), "%s%s%s",
             t->prefix ? t->prefix : "", t->prefix ? "." : "", r->key);
    text->min[0] = text->max[0] = '\0';
    ret->key = text->key;
    ret->unit = r->unit;
    ret->min = text->min;
    ret->max = text->max;
    ret->help = r->help;
    ret->live = r->live;
    ret->value = text->value;
    switch ( r->type )
    {
    case OPT_BOOL:
        ret->value = v->num ? "on" : "off";
        ret->min = "off";
        ret->max = "on";
        break;

    case OPT_CHOICE:
        ret->value = r->choices[v->num];
        choices_text(r, text->min, sizeof(text->min));
        break;

    case OPT_STRING:
        ret->value = v->str ? v->str : "";
        break;

    default:
        opt_number_text(r, v->num, text->value, sizeof(text->value));
        snprintf(text->min, sizeof(text->min), "%" PRIu64, r->min);
        snprintf(text->max, sizeof(text->max), "%" PRIu64, r->max);
        break;
    }
}

int opt_describe(const struct optset *set, unsigned int i,
                 struct opt_text *text, struct xmig_option *ret)
{
    unsigned int t;

    for ( t = 0; t < set->nr; t++ )
    {
        if ( i < set->tables[t].nr )
        {
            describe(&set->tables[t], i, text, ret);
            return 0;
        }
        i -= set->tables[t].nr;
    }

    return -ENOENT;
}

/* ---- Reading ----------------------------------------------------------- */

static const struct value *find_exact(const struct optset *set,
                                      const char *prefix, const char *key,
                                      const struct opt_row **ret_row)
{
    unsigned int t, i;

    for ( t = 0; t < set->nr; t++ )
    {
        const struct table *tab = &set->tables[t];

        if ( !prefix != !tab->prefix ||
             (prefix && strcmp(prefix, tab->prefix)) )
            continue;
        for ( i = 0; i < tab->nr; i++ )
            if ( !strcmp(tab->rows[i].key, key) )
            {
                *ret_row = &tab->rows[i];
                return &tab->values[i];
            }
    }
    assert(!"an option that no table has");

    return NULL;
}

uint64_t opt_u64(const struct optset *set, const char *prefix,
                 const char *key)
{
    const struct opt_row *r;
    const struct value *v = find_exact(set, prefix, key, &r);

    assert(r->type != OPT_STRING);

    return v->num;
}

bool opt_bool(const struct optset *set, const char *prefix, const char *key)
{
    const struct opt_row *r;
    const struct value *v = find_exact(set, prefix, key, &r);

    assert(r->type == OPT_BOOL);

    return v->num != 0;
}

const char *opt_str(const struct optset *set, const char *prefix,
                    const char *key)
{
    const struct opt_row *r;
    const struct value *v = find_exact(set, prefix, key, &r);

    assert(r->type == OPT_STRING || r->type == OPT_CHOICE);
    if ( r->type == OPT_CHOICE )
        return r->choices[v->num];

    return v->str ? v->str : "";
}

bool opt_is_set(const struct optset *set, const char *prefix,
                const char *key)
{
    const struct opt_row *r;

    return find_exact(set, prefix, key, &r)->set;
}
