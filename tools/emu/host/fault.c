/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The fault plan: rules, their parser, and carrying them out.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "fault.h"
#include "host.h"

#define MAX_RULE 160u

static const struct
{
    const char *name;
    int value;
} errnos[] = {
#define E(x) { #x, x }
    E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG),
    E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(EBUSY), E(EEXIST),
    E(ENODEV), E(EINVAL), E(ENOSPC), E(ERANGE), E(ENOSYS), E(ENODATA),
    E(EOPNOTSUPP), E(ENOBUFS), E(ETIMEDOUT), E(EILSEQ),
#undef E
};

static int parse_number(const char *s, uint64_t max, uint64_t *ret_n)
{
    unsigned long long n;
    char *end;

    if ( !isdigit((unsigned char)*s) )
        return -EINVAL;
    errno = 0;
    n = strtoull(s, &end, 10);
    if ( errno || *end || n > max )
        return -EINVAL;
    *ret_n = n;
    return 0;
}

static int parse_errno(const char *s, int *ret_value)
{
    uint64_t n;
    size_t i;

    for ( i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++ )
        if ( !strcmp(s, errnos[i].name) )
        {
            *ret_value = errnos[i].value;
            return 0;
        }
    if ( parse_number(s, 4095, &n) || !n )
        return -EINVAL;
    *ret_value = (int)n;
    return 0;
}

static int parse_what(char *word, struct fault_rule *r)
{
    char *sub = strchr(word, ':');

    if ( sub )
        *sub++ = 0;
    if ( !*word || strlen(word) >= sizeof(r->what) ||
         (sub && (!*sub || strlen(sub) >= sizeof(r->sub))) )
        return -EINVAL;
    memcpy(r->what, word, strlen(word) + 1);
    if ( sub )
        memcpy(r->sub, sub, strlen(sub) + 1);
    return 0;
}

static int parse_word(const char *word, struct fault_rule *r, bool *has_act)
{
    uint64_t n;

    if ( !strncmp(word, "nth=", 4) )
        return r->nth || parse_number(word + 4, UINT64_MAX, &r->nth) ||
               !r->nth ? -EINVAL : 0;
    if ( *has_act )
        return -EINVAL;
    *has_act = true;
    if ( !strncmp(word, "fail=", 5) )
    {
        r->act = FAULT_FAIL;
        return parse_errno(word + 5, &r->value);
    }
    if ( !strncmp(word, "delay=", 6) )
    {
        if ( parse_number(word + 6, 600000, &n) )
            return -EINVAL;
        r->act = FAULT_DELAY;
        r->value = (int)n;
        return 0;
    }
    r->act = FAULT_KILL;
    return strcmp(word, "kill") ? -EINVAL : 0;
}

static int parse_rule(char *text, struct fault_rule *r)
{
    bool has_act = false;
    char *save, *word;
    int rc;

    memset(r, 0, sizeof(*r));
    word = strtok_r(text, " \t", &save);
    if ( !word )
        return -EINVAL;
    rc = parse_what(word, r);
    while ( !rc && (word = strtok_r(NULL, " \t", &save)) )
        rc = parse_word(word, r, &has_act);
    return rc || !has_act || !r->nth ? -EINVAL : 0;
}

void fault_init(struct fault_plan *p)
{
    memset(p, 0, sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
}

static bool blank(const char *s)
{
    return s[strspn(s, " \t")] == 0;
}

int fault_add(struct fault_plan *p, const char *text, size_t len)
{
    struct fault_rule rule[FAULT_MAX_RULES];
    unsigned int nr = 0;
    size_t at, end;
    int rc = 0;

    for ( at = 0; at < len; at = end + 1 )
    {
        char one[MAX_RULE];

        for ( end = at; end < len && text[end] != ';' && text[end] != '\n';
              end++ )
            if ( !text[end] )
                return -EINVAL;
        if ( end - at >= sizeof(one) )
            return -EINVAL;
        memcpy(one, text + at, end - at);
        one[end - at] = 0;
        if ( blank(one) )
            continue;
        if ( nr == FAULT_MAX_RULES )
            return -ENOSPC;
        rc = parse_rule(one, &rule[nr++]);
        if ( rc )
            return rc;
    }

    pthread_mutex_lock(&p->lock);
    if ( p->nr + nr > FAULT_MAX_RULES )
        rc = -ENOSPC;
    else
    {
        memcpy(p->rule + p->nr, rule, nr * sizeof(*rule));
        __atomic_store_n(&p->nr, p->nr + nr, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void fault_clear(struct fault_plan *p)
{
    pthread_mutex_lock(&p->lock);
    __atomic_store_n(&p->nr, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&p->lock);
}

size_t fault_print(struct fault_plan *p, const char *who, char *buf,
                   size_t size)
{
    static const char *const act[] = { "fail", "delay", "kill" };
    unsigned int i;
    size_t len = 0;

    pthread_mutex_lock(&p->lock);
    for ( i = 0; i < p->nr; i++ )
    {
        const struct fault_rule *r = &p->rule[i];
        char value[16] = "";
        int n;

        if ( r->act != FAULT_KILL )
            snprintf(value, sizeof(value), "=%d", r->value);
        n = snprintf(buf + (len < size ? len : size),
                     len < size ? size - len : 0,
                     "%u %s %s%s%s nth=%llu %s%s calls=%llu done=%d\n",
                     i, who, r->what, *r->sub ? ":" : "", r->sub,
                     (unsigned long long)r->nth, act[r->act], value,
                     (unsigned long long)r->calls, r->done);
        len += n > 0 ? (size_t)n : 0;
    }
    pthread_mutex_unlock(&p->lock);
    return len;
}

bool fault_match(struct fault_plan *p, const char *what, const char *sub,
                 struct fault_rule *ret_rule)
{
    bool hit = false;
    unsigned int i;

    /* A rule that is being added at this moment counts from the next. */
    if ( !__atomic_load_n(&p->nr, __ATOMIC_RELAXED) )
        return false;
    pthread_mutex_lock(&p->lock);
    for ( i = 0; i < p->nr; i++ )
    {
        struct fault_rule *r = &p->rule[i];

        if ( strcmp(r->what, what) ||
             (*r->sub && (!sub || strcmp(r->sub, sub))) )
            continue;
        if ( ++r->calls == r->nth && !hit )
        {
            r->done = true;
            *ret_rule = *r;
            hit = true;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return hit;
}

static int carry_out(const struct fault_rule *r, const char *what,
                     const char *sub)
{
    struct timespec ts = {
        .tv_sec = r->value / 1000, .tv_nsec = r->value % 1000 * 1000000l,
    };

    switch ( r->act )
    {
    case FAULT_FAIL:
        log_line("fault: %s%s%s call %llu fails: %s", what, sub ? ":" : "",
                 sub ? sub : "", (unsigned long long)r->nth,
                 strerror(r->value));
        return -r->value;

    case FAULT_DELAY:
        log_line("fault: %s%s%s call %llu delayed %d ms", what,
                 sub ? ":" : "", sub ? sub : "",
                 (unsigned long long)r->nth, r->value);
        while ( nanosleep(&ts, &ts) && errno == EINTR )
            continue;
        return 0;

    case FAULT_KILL:
        log_line("fault: host ends at %s%s%s call %llu", what,
                 sub ? ":" : "", sub ? sub : "", (unsigned long long)r->nth);
        _exit(137);
    }
    return 0;
}

int fault_check(struct host *h, struct conn *c, const char *what,
                const char *sub)
{
    struct fault_rule r;
    int rc = 0;

    if ( fault_match(&h->faults, what, sub, &r) )
        rc = carry_out(&r, what, sub);
    if ( !rc && c && c->client &&
         fault_match(client_faults(c->client), what, sub, &r) )
        rc = carry_out(&r, what, sub);
    return rc;
}
