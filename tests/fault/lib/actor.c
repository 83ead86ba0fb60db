/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The processes that do something: a receiver, a sender, one that recovers.
 * Each is forked from the controller, which has no threads, becomes a client
 * of its host with its own fault plan, and leaves its outcome in a page that
 * is shared with the controller.
 */
#include "sweep.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xentoollog.h>

#include "chan_fault.h"

#define HANG_MS 20000

/* A plan that hits nothing and counts. */
#define NEVER (1ull << 62)

uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool again(uint64_t until_ms)
{
    if ( now_ms() >= until_ms )
        return false;
    poll(NULL, 0, 2);

    return true;
}

const char *fault_text(const struct fault *f)
{
    static const char *const ways[] = { "fails", "is reset", "is closed",
                                        "is the end" };
    static const char *const kinds[] = { "", "", "read", "write",
                                         "xenstore request" };
    static char text[128];

    if ( f->kind == NO_FAULT )
        snprintf(text, sizeof(text), "no fault");
    else if ( f->kind == HYPERCALL && f->way == KILL )
        snprintf(text, sizeof(text), "%s: host ends at %s %llu",
                 f->at_dest ? "destination" : "source", f->what,
                 (unsigned long long)f->nth);
    else
        snprintf(text, sizeof(text), "%s: %s %llu %s%s%s",
                 f->at_dest ? "destination" : "source",
                 f->kind == HYPERCALL ? f->what : kinds[f->kind],
                 (unsigned long long)f->nth, ways[f->way],
                 f->way == FAIL ? " with " : "",
                 f->way == FAIL ? f->errno_name : "");

    return text;
}

/* ---- In the child ------------------------------------------------------- */

static xentoollog_logger *become(const struct host *h, const struct fault *f,
                                 const char *role)
{
    char rule[128], path[192];
    FILE *log;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    rule[0] = '\0';
    if ( f && f->kind == HYPERCALL )
        snprintf(rule, sizeof(rule), "%s nth=%llu %s%s", f->what,
                 (unsigned long long)f->nth,
                 f->way == KILL ? "kill" : "fail=",
                 f->way == KILL ? "" : f->errno_name);
    host_env(h, rule[0] ? rule : NULL);
    if ( f && f->kind == STORE )
        store_interpose(h, f);
    snprintf(path, sizeof(path), "%s/%s.log", h->dir, role);
    log = fopen(path, "ae");
    if ( !log )
        return NULL;
    setvbuf(log, NULL, _IOLBF, 0);
    dup2(fileno(log), STDERR_FILENO);
    dup2(fileno(log), STDOUT_FILENO);
    fprintf(log, "---- %d: %s\n", (int)getpid(),
            f ? fault_text(f) : "no fault");

    return (xentoollog_logger *)xtl_createlogger_stdiostream(
        log, XTL_DETAIL, XTL_STDIOSTREAM_SHOW_PID);
}

bool actor_early_go;

static void plan(const struct fault *f)
{
    chan_fault_how(f->way == KILL ? CHAN_FAULT_KILL
                   : f->way == CLOSED ? CHAN_FAULT_CLOSED
                   : CHAN_FAULT_RESET);
    chan_fault_plan(f->kind == READ ? f->nth : NEVER,
                    f->kind == WRITE ? f->nth : NEVER);
}

static int open_handle(const struct host *h, xentoollog_logger *log,
                       struct xmig **ret)
{
    /* Rounds as many as ever, so that the calls are, too. */
    static const char *const opts[][2] = {
        { "io-timeout", "3000" }, { "connect-timeout", "3000" },
        { "suspend-timeout", "3000" }, { "precopy.max-iters", "2" },
        { "precopy.min-remaining", "0" },
    };
    int rc = xmig_open(log, ret);
    unsigned int i;

    if ( rc )
        return rc;
    rc = xmig_set_state_dir(*ret, h->state_dir);
    for ( i = 0; !rc && i < sizeof(opts) / sizeof(opts[0]); i++ )
        rc = xmig_option_set(*ret, opts[i][0], opts[i][1]);
    if ( !rc && actor_early_go )
        rc = xmig_option_set(*ret, "early-go", "on");

    return rc;
}

/* ---- The receiver ------------------------------------------------------- */

static struct xmig *serving;

static void on_term(int sig)
{
    (void)sig;
    xmig_cancel(serving);
}

/* The controller sends plans, and asks for counts. */
struct counts
{
    uint64_t reads, writes;
};

static void *obey(void *arg)
{
    int fd = *(int *)arg;
    struct counts c;
    struct fault f;

    while ( read(fd, &f, sizeof(f)) == sizeof(f) )
    {
        if ( f.kind != NO_FAULT )
            plan(&f);
        c = (struct counts){ chan_fault_reads(), chan_fault_writes() };
        if ( write(fd, &c, sizeof(c)) != sizeof(c) )
            break;
    }

    return NULL;
}

/* A host that ends takes its programs with it. */
static void *end_with_host(void *arg)
{
    int fd = *(int *)arg;
    char byte;

    if ( read(fd, &byte, 1) <= 0 )
        raise(SIGKILL);

    return NULL;
}

static void watch_host(const struct host *h)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    static int fd;
    pthread_t thread;

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/host.sock", h->dir);
    if ( fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) ||
         pthread_create(&thread, NULL, end_with_host, &fd) ||
         pthread_detach(thread) )
        _exit(3);
}

static void serve(const struct host *h, const struct fault *f, int fd)
{
    struct sigaction sa = { .sa_handler = on_term };
    xentoollog_logger *log = become(h, f, "receiver");
    pthread_t thread;
    int rc = open_handle(h, log, &serving);

    if ( rc )
        _exit(3);
    if ( f->kind == HYPERCALL && f->way == KILL )
        watch_host(h);
    sigaction(SIGTERM, &sa, NULL);
    if ( pthread_create(&thread, NULL, obey, &fd) )
        _exit(3);
    rc = xmig_serve(serving, "127.0.0.1", h->port, false, NULL, NULL);
    shutdown(fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    xmig_close(serving);
    xtl_logger_destroy(log);
    /* exit(), for the leak checker. */
    exit(rc && rc != -ECANCELED ? 3 : 0);
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if ( fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
         getsockname(fd, (struct sockaddr *)&a, &len) )
        abort();
    close(fd);

    return ntohs(a.sin_port);
}

static bool can_connect(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    yes = fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a));
    close(fd);

    return yes;
}

static bool talk(struct host *h, const struct fault *f, struct counts *ret)
{
    struct pollfd p = { .fd = h->server_fd, .events = POLLIN };

    return write(h->server_fd, f, sizeof(*f)) == sizeof(*f) &&
           poll(&p, 1, 5000) == 1 &&
           read(h->server_fd, ret, sizeof(*ret)) == sizeof(*ret);
}

bool server_lives(struct host *h)
{
    int status;

    if ( !h->server )
        return false;
    if ( waitpid(h->server, &status, WNOHANG) == 0 )
        return true;
    close(h->server_fd);
    h->server = 0;

    return false;
}

bool server_start(struct host *h, const struct fault *f)
{
    static const struct fault none = { NO_FAULT };
    struct fault count = { .kind = READ, .nth = NEVER };
    unsigned int idle = 2;
    uint64_t until = now_ms() + 10000;
    struct counts c;
    int pair[2];

    if ( !f || !f->at_dest )
        f = &none;
    if ( f->kind == HYPERCALL && f->way == KILL )
        idle++;
    if ( !h->port )
        h->port = free_port();
    if ( f->kind == STORE )
        store_reset();
    if ( socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) )
        abort();
    fflush(NULL);
    h->server = fork();
    if ( h->server < 0 )
        abort();
    if ( !h->server )
    {
        close(pair[0]);
        serve(h, f, pair[1]);
    }
    close(pair[1]);
    h->server_fd = pair[0];
    h->base_fds = h->base_threads = 0;
    while ( server_lives(h) && !can_connect(h->port) )
        if ( !again(until) )
            return false;
    if ( !server_lives(h) )
        return false;
    /* Wait for the end of the thread that the probe had, then count. */
    for ( ; ; )
    {
        unsigned int fds, threads;

        server_size(h, &fds, &threads);
        if ( threads <= idle || !server_lives(h) || !again(until) )
            break;
    }

    return server_lives(h) &&
           talk(h, f->kind == READ || f->kind == WRITE ? f : &count, &c);
}

void server_kill(struct host *h)
{
    if ( !h->server )
        return;
    kill(h->server, SIGKILL);
    waitpid(h->server, NULL, 0);
    close(h->server_fd);
    h->server = 0;
}

bool server_stop(struct host *h)
{
    uint64_t until = now_ms() + HANG_MS;
    int status = 0;
    pid_t r;

    if ( !h->server )
        return true;
    kill(h->server, SIGTERM);
    while ( (r = waitpid(h->server, &status, WNOHANG)) == 0 && again(until) )
        ;
    if ( !r )
    {
        kill(h->server, SIGKILL);
        waitpid(h->server, &status, 0);
    }
    close(h->server_fd);
    h->server = 0;

    return r > 0 && WIFEXITED(status) && !WEXITSTATUS(status);
}

bool server_plan(struct host *h, const struct fault *f)
{
    struct counts c;

    return talk(h, f, &c);
}

uint64_t server_count(struct host *h, const struct fault *f, bool *ret_hit)
{
    static const struct fault none = { NO_FAULT };
    struct counts c = { 0 };
    uint64_t n;

    if ( f->kind == HYPERCALL )
        return host_calls(h, h->server, ret_hit);
    if ( f->kind == STORE )
    {
        *ret_hit = store_calls() >= f->nth;
        return store_calls();
    }
    if ( !server_lives(h) || !talk(h, &none, &c) )
    {
        *ret_hit = f->way == KILL;
        return 0;
    }
    n = f->kind == READ ? c.reads : c.writes;
    *ret_hit = n >= f->nth;

    return n;
}

static unsigned int entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned int nr = 0;
    struct dirent *e;

    while ( dir && (e = readdir(dir)) )
        nr += e->d_name[0] != '.';
    if ( dir )
        closedir(dir);

    return nr;
}

void server_size(const struct host *h, unsigned int *ret_fds,
                 unsigned int *ret_threads)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)h->server);
    *ret_fds = entries(path);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)h->server);
    *ret_threads = entries(path);
}

/* ---- Sender and recoverer ----------------------------------------------- */

static struct outcome *shared(void)
{
    static struct outcome *page;

    if ( !page )
    {
        page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if ( page == MAP_FAILED )
            abort();
    }
    memset(page, 0, sizeof(*page));

    return page;
}

static void finish(struct xmig *x, struct outcome *o, xentoollog_logger *log)
{
    if ( x )
        o->error = *xmig_error(x);
    o->reads = chan_fault_reads();
    o->writes = chan_fault_writes();
    o->ended = 1;
    xmig_close(x);
    xtl_logger_destroy(log);
    exit(0);
}

static void send_it(const struct host *from, const struct host *to,
                    uint32_t domid, const struct fault *f,
                    unsigned int patience_ms, struct outcome *o)
{
    xentoollog_logger *log = become(from, f->at_dest ? NULL : f, "sender");
    struct xmig *x = NULL;
    char text[16];

    plan(f->at_dest ? &(struct fault){ NO_FAULT } : f);
    o->rc = open_handle(from, log, &x);
    o->opened = !o->rc;
    snprintf(text, sizeof(text), "%u", patience_ms);
    if ( !o->rc )
        o->rc = xmig_option_set(x, "recover-timeout", text);
    if ( !o->rc )
        o->rc = xmig_send(x, domid, "127.0.0.1", to->port);
    finish(x, o, log);
}

static void recover_it(const struct host *at, bool fenced, struct outcome *o)
{
    xentoollog_logger *log = become(at, NULL, "recover");
    struct xmig *x = NULL;

    o->rc = open_handle(at, log, &x);
    o->opened = !o->rc;
    if ( !o->rc )
        o->rc = xmig_recover(x, NULL, fenced);
    finish(x, o, log);
}

/* Wait for a child, for so long as none of ours should take. */
static void await(pid_t pid, struct outcome *page, struct outcome *ret)
{
    struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
    uint64_t began = now_ms();
    bool hung = poll(&p, 1, HANG_MS) == 0;

    if ( hung )
        kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(p.fd);
    *ret = *page;
    ret->ms = now_ms() - began;
    ret->hung = hung;
}

void actor_send(struct host *from, const struct host *to, uint32_t domid,
                const struct fault *f, unsigned int patience_ms,
                struct outcome *ret)
{
    struct outcome *page = shared();
    uint64_t n;
    pid_t pid;

    if ( f->kind == STORE && !f->at_dest )
        store_reset();
    fflush(NULL);
    pid = fork();
    if ( pid < 0 )
        abort();
    if ( !pid )
        send_it(from, to, domid, f, patience_ms, page);
    await(pid, page, ret);
    if ( f->at_dest || f->kind == NO_FAULT )
        return;
    if ( f->kind == HYPERCALL )
        ret->calls = host_calls(from, pid, &ret->hit);
    else if ( f->kind == STORE )
    {
        store_interposed(from, pid);
        ret->calls = store_calls();
        ret->hit = ret->calls >= f->nth;
    }
    else
    {
        n = f->kind == READ ? ret->reads : ret->writes;
        ret->calls = n;
        ret->hit = f->way == KILL ? !ret->ended : n >= f->nth;
    }
}

void actor_recover(struct host *at, bool fenced, struct outcome *ret)
{
    struct outcome *page = shared();
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if ( pid < 0 )
        abort();
    if ( !pid )
        recover_it(at, fenced, page);
    await(pid, page, ret);
}
