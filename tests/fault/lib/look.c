/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A host as seen from outside: domains by libxenctrl, nodes by libxenstore,
 * what the host process counts, and the journals as text.  Nothing of
 * libxmig's is used here, so that it is not its own witness.
 */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenstore.h>

#include "lib/emu_conn.h"

#define DOMAINS_MAX 64
#define CTL_BYTES   (64u << 10)

void host_env(const struct host *h, const char *fault_rule)
{
    char path[160];

    setenv("XMIG_EMU", h->dir, 1);
    snprintf(path, sizeof(path), "%s/xenstored.sock", h->dir);
    setenv("XENSTORED_PATH", path, 1);
    snprintf(path, sizeof(path), "%s/xenstored", h->dir);
    setenv("XENSTORED_RUNDIR", path, 1);
    if ( fault_rule )
        setenv("XMIG_EMU_FAULT", fault_rule, 1);
    else
        unsetenv("XMIG_EMU_FAULT");
}

int host_look_open(struct host *h, const char *dir)
{
    snprintf(h->dir, sizeof(h->dir), "%s", dir);
    snprintf(h->state_dir, sizeof(h->state_dir), "%s/journals", dir);
    host_env(h, NULL);
    h->xch = xc_interface_open(NULL, NULL, 0);
    h->xs = xs_open(0);

    return h->xch && h->xs ? 0 : -EIO;
}

void host_look_close(struct host *h)
{
    if ( h->xch )
        xc_interface_close(h->xch);
    if ( h->xs )
        xs_close(h->xs);
    h->xch = NULL;
    h->xs = NULL;
}

static void say_why_not(const xc_domaininfo_t *d, char *buf, size_t size)
{
    if ( d->flags & XEN_DOMINF_dying )
        snprintf(buf, size, "dying");
    else if ( d->flags & XEN_DOMINF_shutdown )
        snprintf(buf, size, "shut down, reason %u",
                 d->flags >> XEN_DOMINF_shutdownshift &
                 XEN_DOMINF_shutdownmask);
    else
        snprintf(buf, size, "paused");
}

int host_guest(const struct host *h, struct guest_seen *ret)
{
    xc_domaininfo_t list[DOMAINS_MAX];
    const unsigned int no = XEN_DOMINF_dying | XEN_DOMINF_shutdown |
                            XEN_DOMINF_paused;
    char *name;
    int nr, i;

    memset(ret, 0, sizeof(*ret));
    nr = xc_domain_getinfolist(h->xch, 1, DOMAINS_MAX, list);
    if ( nr < 0 )
        return -errno;
    for ( i = 0; i < nr; i++ )
    {
        bool runs = !(list[i].flags & no);

        ret->domains++;
        ret->running += runs;
        ret->claimed_pages += list[i].outstanding_pages;
        if ( !runs && ret->running )
            continue;
        ret->domid = list[i].domain;
        if ( !runs )
            say_why_not(&list[i], ret->why_not, sizeof(ret->why_not));
    }
    name = ret->domains ? host_node(h, ret->domid, "name") : NULL;
    snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "");
    free(name);

    return 0;
}

char *host_node(const struct host *h, uint32_t domid, const char *path)
{
    char full[192];
    unsigned int len;

    snprintf(full, sizeof(full), "/local/domain/%u/%s", domid, path);

    return xs_read(h->xs, XBT_NULL, full, &len);
}

uint64_t host_u64(const struct host *h, uint32_t domid, const char *path)
{
    char *text = host_node(h, domid, path);
    uint64_t n = text ? strtoull(text, NULL, 10) : 0;

    free(text);

    return n;
}

/* ---- What the host process says ----------------------------------------- */

const char *host_ctl(const struct host *h, uint32_t op, const char *text)
{
    static char answer[CTL_BYTES + 1];
    struct emu_part part = { text, text ? strlen(text) : 0 };
    struct emu_conn c;
    size_t len = 0;
    unsigned int i;
    int64_t r;

    host_env(h, NULL);
    if ( emu_connect(&c, EMU_KIND_CTL, 0) )
        return NULL;
    r = emu_call(&c, op, &part, text ? 1 : 0, answer, CTL_BYTES, &len, NULL,
                 0, NULL);
    for ( i = 0; i < c.nr_fds; i++ )
        close(c.fds[i]);
    emu_disconnect(&c);
    if ( r < 0 )
        return NULL;
    answer[len < CTL_BYTES ? len : CTL_BYTES] = '\0';

    return answer;
}

uint64_t host_status(const struct host *h, const char *key)
{
    const char *text = host_ctl(h, EMU_STATUS, NULL), *at;

    at = text ? strstr(text, key) : NULL;

    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

uint64_t host_calls(const struct host *h, pid_t pid, bool *ret_hit)
{
    const char *text = host_ctl(h, EMU_FAULT_LIST, NULL), *at;
    char who[32];

    *ret_hit = false;
    snprintf(who, sizeof(who), " pid%d ", (int)pid);
    at = text ? strstr(text, who) : NULL;
    at = at ? strstr(at, " calls=") : NULL;
    if ( !at )
        return 0;
    *ret_hit = !strncmp(strstr(at, " done="), " done=1", 7);

    return strtoull(at + 7, NULL, 10);
}

/* ---- The store ---------------------------------------------------------- */

struct text
{
    char *buf;
    size_t len, room;
};

static void add_line(struct text *t, const char *line)
{
    size_t len = strlen(line);

    if ( t->len + len + 2 > t->room )
    {
        t->room = (t->room + len + 2) * 2;
        t->buf = realloc(t->buf, t->room);
        if ( !t->buf )
            abort();
    }
    memcpy(t->buf + t->len, line, len);
    t->len += len;
    t->buf[t->len++] = '\n';
    t->buf[t->len] = '\0';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* show is what the path is printed as: domid and uuid have names there. */
static void add_tree(const struct host *h, struct text *t, const char *path,
                     const char *show, const char *domid)
{
    unsigned int nr = 0, i;
    char **list = xs_directory(h->xs, XBT_NULL, path, &nr);

    if ( list && nr )
        qsort(list, nr, sizeof(*list), by_name);
    for ( i = 0; list && i < nr; i++ )
    {
        char below[512], shown[512];
        const char *name = list[i];

        snprintf(below, sizeof(below), "%s/%s", path, name);
        if ( strlen(name) == 36 && name[8] == '-' )
            name = "UUID";
        else if ( !strcmp(name, domid) )
            name = "GUEST";
        snprintf(shown, sizeof(shown), "%s/%s", show, name);
        add_line(t, shown);
        add_tree(h, t, below, shown, domid);
    }
    free(list);
}

char *host_store_text(const struct host *h, uint32_t domid)
{
    static const char *const roots[] = { "/local", "/vm", "/libxl" };
    struct text t = { 0 };
    char id[16] = "none";
    unsigned int i;

    if ( domid )
        snprintf(id, sizeof(id), "%u", domid);
    add_line(&t, "");
    for ( i = 0; i < sizeof(roots) / sizeof(roots[0]); i++ )
        add_tree(h, &t, roots[i], roots[i], id);

    return t.buf;
}

/* ---- Journals ----------------------------------------------------------- */

static bool last_state(const char *path, char *ret, size_t size)
{
    FILE *f = fopen(path, "r");
    char line[1024];
    const char *at;

    snprintf(ret, size, "EMPTY");
    if ( !f )
        return false;
    while ( fgets(line, sizeof(line), f) )
    {
        at = strstr(line, "state=");
        if ( at )
            snprintf(ret, size, "%.*s", (int)strcspn(at + 6, " \n"), at + 6);
    }
    fclose(f);

    return true;
}

static void cut_last_line(const char *path)
{
    FILE *f = fopen(path, "r+");
    char line[1024];
    long at = 0, last = 0;

    if ( !f )
        return;
    while ( fgets(line, sizeof(line), f) )
    {
        last = at;
        at = ftell(f);
    }
    if ( ftruncate(fileno(f), last) )
        abort();
    fclose(f);
}

static bool ends_in(const char *name, const char *end)
{
    size_t a = strlen(name), b = strlen(end);

    return a > b && !strcmp(name + a - b, end);
}

enum walk { PASS_OVER, FORGET, LOSE };

/* What to do with those of a destination in that state. */
static const char *walk_journals(const struct host *h, const char *except,
                                 enum walk what)
{
    static char text[320];
    DIR *dir = opendir(h->state_dir);
    const char *ret = NULL;
    struct dirent *e;
    char path[640], state[32];
    bool old;

    while ( dir && !ret && (e = readdir(dir)) )
    {
        if ( !ends_in(e->d_name, ".source") &&
             !ends_in(e->d_name, ".destination") )
            continue;
        snprintf(path, sizeof(path), "%s/%s", h->state_dir, e->d_name);
        if ( !last_state(path, state, sizeof(state)) )
            continue;
        old = ends_in(e->d_name, ".destination") && !strcmp(state, except);
        if ( old && what == FORGET )
            unlink(path);
        else if ( old && what == LOSE )
            cut_last_line(path);
        else if ( !old && what == PASS_OVER )
        {
            snprintf(text, sizeof(text), "%s is %s", e->d_name, state);
            ret = text;
        }
    }
    if ( dir )
        closedir(dir);

    return ret;
}

/* ABANDONED stays at a destination: the source may still ask. */
const char *host_open_journal(const struct host *h)
{
    return walk_journals(h, "ABANDONED", PASS_OVER);
}

void host_forget(const struct host *h, const char *state)
{
    walk_journals(h, state, FORGET);
}

void host_lose(const struct host *h, const char *state)
{
    walk_journals(h, state, LOSE);
}
