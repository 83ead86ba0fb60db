/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See serve.h.  The program's main thread answers on the control socket; one
 * client at a time, with little patience.
 */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "tun.h"

static const char *const ends[] = { "here", "there" };
static const char *const addresses[] = { "10.77.0.1", "10.77.0.2" };

void serve_init(struct serve *v)
{
    unsigned int i;

    for ( i = 0; i < 2; i++ )
        shaper_init(&v->way[i].shaper, i + 1);
}

bool serve_set(struct serve *v, const char *key, const char *value)
{
    size_t n = strcspn(key, ".");
    unsigned int i;

    if ( !key[n] )
        return shaper_set(&v->way[SERVE_HERE].shaper, key, value) &&
               shaper_set(&v->way[SERVE_THERE].shaper, key, value);
    for ( i = 0; i < 2; i++ )
        if ( strlen(ends[i]) == n && !strncmp(key, ends[i], n) )
            return shaper_set(&v->way[i].shaper, key + n + 1, value);

    return false;
}

/* ---- The control socket ------------------------------------------------- */

static void answer_show(struct serve *v, FILE *f)
{
    unsigned int i;

    for ( i = 0; i < 2; i++ )
    {
        const struct shaper *s = &v->way[i].shaper;

        fprintf(f, "%s netns=%s address=%s delay=%g rate=%g queue=%g loss=%g "
                "packets=%lu bytes=%lu lost=%lu dropped=%lu "
                "late_max_us=%lu\n", ends[i], v->netns[i], addresses[i],
                (double)s->delay_ns / 1e6, (double)s->rate_bps / 1e6,
                (double)s->queue_ns / 1e6, s->loss_ppm / 1e4,
                (unsigned long)s->packets, (unsigned long)s->bytes,
                (unsigned long)s->lost, (unsigned long)s->dropped,
                (unsigned long)(s->late_max_ns / 1000));
    }
}

static void answer_set(struct serve *v, char *words, FILE *f)
{
    char *word, *value, *save;

    for ( word = strtok_r(words, " ", &save); word;
          word = strtok_r(NULL, " ", &save) )
    {
        value = strchr(word, '=');
        if ( value )
            *value++ = '\0';
        if ( !value || !serve_set(v, word, value) )
        {
            fprintf(f, "error: %s=%s: no such parameter, or not in range\n",
                    word, value ? value : "");
            return;
        }
    }
    fputs("ok\n", f);
}

/* True: "stop"; the client's descriptor stays open in *ret_fd then. */
static bool serve_client(struct serve *v, int *ret_fd)
{
    struct timeval patience = { .tv_sec = 1 };
    char line[CONTROL_LINE_MAX];
    size_t len = 0;
    ssize_t n;
    FILE *f;
    int fd = accept4(v->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if ( fd < 0 )
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    while ( len < sizeof(line) &&
            (n = read(fd, line + len, sizeof(line) - len)) > 0 )
    {
        len += (size_t)n;
        if ( line[len - 1] == '\n' )
            break;
    }
    if ( !len || line[len - 1] != '\n' )
    {
        close(fd);
        return false;
    }
    line[len - 1] = '\0';
    if ( !strcmp(line, "stop") )
    {
        *ret_fd = fd;
        return true;
    }
    f = fdopen(fd, "w");
    if ( !f )
    {
        close(fd);
        return false;
    }
    if ( !strncmp(line, "set ", 4) )
        answer_set(v, line + 4, f);
    else if ( !strcmp(line, "show") )
        answer_show(v, f);
    else
        fputs("error: set, show or stop\n", f);
    fclose(f);

    return false;
}

/* Until told to end; returns who is to be told, or -1. */
static int serve_loop(struct serve *v)
{
    int fd = -1;

    for ( ; ; )
    {
        struct pollfd pfd[] = {
            { .fd = v->listen_fd, .events = POLLIN },
            { .fd = v->signal_fd, .events = POLLIN },
        };

        if ( poll(pfd, 2, -1) < 0 && errno != EINTR )
            return -1;
        if ( pfd[1].revents )
            return -1;
        if ( pfd[0].revents && serve_client(v, &fd) )
            return fd;
    }
}

/* ---- Its life --------------------------------------------------------- */

static int write_name(struct serve *v, const char *file, const char *text)
{
    char path[256];
    int rc = control_path(v->dir, file, path, sizeof(path));
    FILE *f;

    if ( rc )
        return rc;
    f = fopen(path, "we");
    if ( !f )
        return -errno;
    fprintf(f, "%s\n", text);

    return fclose(f) ? -errno : 0;
}

static void remove_files(struct serve *v)
{
    static const char *const files[] = { "control", "pid", "here", "there" };
    char path[256];
    unsigned int i;

    for ( i = 0; i < 4; i++ )
        if ( !control_path(v->dir, files[i], path, sizeof(path)) )
            unlink(path);
    rmdir(v->dir);
}

static int listen_here(struct serve *v)
{
    struct sockaddr_un sun;
    int rc = control_address(v->dir, &sun);

    if ( rc )
        return rc;
    v->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ( v->listen_fd < 0 ||
         bind(v->listen_fd, (struct sockaddr *)&sun, sizeof(sun)) ||
         chmod(sun.sun_path, 0600) || listen(v->listen_fd, 8) )
        return -errno;

    return 0;
}

static int make(struct serve *v, const char **what)
{
    char pid[16];
    sigset_t set;
    int rc, i;

    *what = "make the directory";
    if ( mkdir(v->dir, 0700) )
        return -errno;
    *what = "catch signals";
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    v->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    v->stop_fd = eventfd(0, EFD_CLOEXEC);
    if ( v->signal_fd < 0 || v->stop_fd < 0 )
        return -errno;
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    *what = "write to the directory";
    rc = write_name(v, "pid", pid);
    for ( i = 0; !rc && i < 2; i++ )
    {
        snprintf(v->netns[i], sizeof(v->netns[i]), "xmig-%s-%s", pid,
                 ends[i]);
        rc = write_name(v, ends[i], v->netns[i]);
    }
    for ( i = 0; !rc && i < 2; i++ )
    {
        rc = tun_make(v->netns[i], addresses[i], v->mtu, &v->way[i].from_fd,
                      what);
        if ( rc )
            v->netns[i][0] = '\0';
    }
    if ( rc )
        return rc;
    *what = "listen";
    rc = listen_here(v);
    for ( i = 0; !rc && i < 2; i++ )
    {
        *what = "make a thread";
        v->way[i].to_fd = v->way[!i].from_fd;
        v->way[i].stop_fd = v->stop_fd;
        rc = way_start(&v->way[i]);
    }

    return rc;
}

/* The child: ready_fd gets a byte when all is up, an exit status if not. */
static void serve_main(struct serve *v, int ready_fd)
{
    const char *what;
    uint64_t one = 1;
    char status = 0;
    int rc, i, asked = -1;
    bool made;

    rc = make(v, &what);
    made = !rc;
    if ( rc )
    {
        fprintf(stderr, "xmig-link: %s: %s: %s\n", v->dir, what,
                strerror(-rc));
        status = rc == -EPERM || rc == -EACCES ? 77 : 1;
    }
    if ( write(ready_fd, &status, 1) == 1 && made )
    {
        close(ready_fd);
        dup2(1, 2);
        asked = serve_loop(v);
        if ( write(v->stop_fd, &one, sizeof(one)) == sizeof(one) )
            for ( i = 0; i < 2; i++ )
                way_end(&v->way[i]);
    }
    for ( i = 0; i < 2; i++ )
        if ( v->netns[i][0] )
            tun_remove(v->netns[i]);
    if ( made || rc != -EEXIST )
        remove_files(v);
    if ( asked >= 0 && write(asked, "ok\n", 3) < 0 )
        status = 1;
    _exit(status);
}

int serve_start(struct serve *v)
{
    int ready[2], null;
    char status = 1;
    pid_t pid;

    if ( pipe2(ready, O_CLOEXEC) || (pid = fork()) < 0 )
    {
        fprintf(stderr, "xmig-link: %s\n", strerror(errno));
        return 1;
    }
    if ( !pid )
    {
        close(ready[0]);
        setsid();
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0);
        dup2(null, 1);
        serve_main(v, ready[1]);
    }
    close(ready[1]);
    if ( read(ready[0], &status, 1) != 1 )
        fprintf(stderr, "xmig-link: it ended at once\n");
    close(ready[0]);

    return status;
}
