/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The daemons of a host: started detached, found again by their pid files,
 * and stopped by process descriptor.  A pid read from a file is only
 * believed if that process was started with this host's directory in its
 * environment, so a stale file never hits a stranger.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

/* How often a start looks whether its daemon has become ready. */
#define READY_POLL_MS 5
#define LOG_TAIL_BYTES 1500

static int pidfd_open_nr(pid_t pid)
{
    return syscall(SYS_pidfd_open, pid, 0);
}

static int pidfd_kill(int pidfd, int sig)
{
    return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

void proc_close(struct proc *p)
{
    if ( p->pidfd >= 0 )
        close(p->pidfd);
    if ( p->ready_fd >= 0 )
        close(p->ready_fd);
    p->pidfd = p->ready_fd = -1;
}

/* The child's half: only what is safe between fork and exec. */
static void daemon_exec(int log, char *const argv[], int report, int ready)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), e;

    /* None of the pipes may be where the ready descriptor goes. */
    report = fcntl(report, F_DUPFD_CLOEXEC, READY_FD + 1);
    ready = fcntl(ready, F_DUPFD_CLOEXEC, READY_FD + 1);
    setsid();
    if ( null >= 0 && dup2(null, 0) >= 0 && dup2(log, 1) >= 0 &&
         dup2(log, 2) >= 0 && dup2(ready, READY_FD) >= 0 )
    {
        signal(SIGPIPE, SIG_DFL);
        syscall(SYS_close_range, READY_FD + 1u, ~0u,
                4u /* CLOSE_RANGE_CLOEXEC */);
        execv(argv[0], argv);
    }
    e = errno;
    if ( write(report, &e, sizeof(e)) < 0 )
        _exit(126);
    _exit(127);
}

static int write_pid(const struct host *h, const char *name, pid_t pid)
{
    char path[HOST_PATH_MAX], file[64];
    FILE *f;

    snprintf(file, sizeof(file), "%s.pid", name);
    f = fopen(host_path(h, file, path), "we");
    if ( !f )
        return -errno;
    fprintf(f, "%d\n", (int)pid);

    return fclose(f) ? -errno : 0;
}

static void close_pair(int fd[2])
{
    unsigned int i;

    for ( i = 0; i < 2; i++ )
        if ( fd[i] >= 0 )
            close(fd[i]);
}

/* 0 when the child has become the program, else why not. */
static int exec_result(int report)
{
    ssize_t n;
    int e;

    do {
        n = read(report, &e, sizeof(e));
    } while ( n < 0 && errno == EINTR );

    return n == sizeof(e) ? -e : 0;
}

int proc_spawn(const struct host *h, const char *name, char *const argv[],
               const char *preload, struct proc *ret_p)
{
    struct proc p = { .pid = -1, .pidfd = -1, .ready_fd = -1 };
    int log, report[2] = { -1, -1 }, ready[2] = { -1, -1 }, rc;
    char path[HOST_PATH_MAX], file[64];

    snprintf(file, sizeof(file), "%s.log", name);
    log = open(host_path(h, file, path),
               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if ( log < 0 || pipe2(report, O_CLOEXEC) ||
         pipe2(ready, O_CLOEXEC | O_NONBLOCK) )
    {
        rc = -errno;
        goto out;
    }

    p.pid = fork();
    if ( p.pid < 0 )
    {
        rc = -errno;
        goto out;
    }
    if ( !p.pid )
    {
        /* Single-threaded parent: setenv is fine here. */
        if ( preload )
            setenv("LD_PRELOAD", preload, 1);
        daemon_exec(log, argv, report[1], ready[1]);
    }

    close(report[1]);
    report[1] = -1;
    p.pidfd = pidfd_open_nr(p.pid);
    rc = p.pidfd < 0 ? -errno : exec_result(report[0]);
    if ( !rc )
        rc = write_pid(h, name, p.pid);
    if ( rc )
    {
        /* Our own child, not waited for: the number is still its. */
        kill(p.pid, SIGKILL);
        waitpid(p.pid, NULL, 0);
        goto out;
    }
    p.ready_fd = ready[0];
    ready[0] = -1;
    *ret_p = p;
    p.pidfd = p.ready_fd = -1;

 out:
    proc_close(&p);
    if ( log >= 0 )
        close(log);
    close_pair(report);
    close_pair(ready);

    return rc;
}

/* 1 ended, 0 not within ms. */
static int wait_end(const struct proc *p, int ms)
{
    struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };
    int r;

    do {
        r = poll(&pfd, 1, ms);
    } while ( r < 0 && errno == EINTR );

    return r > 0;
}

static int said_ready(const struct proc *p)
{
    char c;
    ssize_t n = read(p->ready_fd, &c, 1);

    if ( n == 1 )
        return 0;

    return !n ? -ECHILD : errno == EINTR ? -EAGAIN : -errno;
}

int proc_wait_ready(struct proc *p, int (*ready)(void *arg), void *arg,
                    uint64_t timeout_us)
{
    uint64_t end = now_us() + timeout_us;
    int rc;

    for ( ; ; )
    {
        rc = ready ? ready(arg) : said_ready(p);
        if ( rc != -EAGAIN )
            return rc;
        if ( wait_end(p, READY_POLL_MS) )
            return -ECHILD;
        if ( now_us() >= end )
            return -ETIMEDOUT;
    }
}

/* Was the process started for this host? */
static int is_ours(const struct host *h, pid_t pid)
{
    char path[64], want[HOST_PATH_MAX], *buf = NULL, *p;
    size_t len = 0, cap = 0;
    FILE *f;
    int rc = -ESRCH, c;

    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    snprintf(want, sizeof(want), "XMIG_EMU=%s", h->dir);
    f = fopen(path, "re");
    if ( !f )
        return errno == ENOENT ? -ESRCH : -errno;
    while ( (c = fgetc(f)) != EOF )
    {
        if ( len + 1 >= cap )
        {
            cap = cap ? cap * 2 : 4096;
            p = realloc(buf, cap);
            if ( !p )
            {
                rc = -ENOMEM;
                goto out;
            }
            buf = p;
        }
        buf[len++] = c;
    }
    if ( !len )
        goto out;
    buf[len] = '\0';
    for ( p = buf; p < buf + len; p += strlen(p) + 1 )
        if ( !strcmp(p, want) )
        {
            rc = 0;
            break;
        }

 out:
    free(buf);
    fclose(f);

    return rc;
}

int proc_find(const struct host *h, const char *name, struct proc *ret_p)
{
    char path[HOST_PATH_MAX], file[64];
    struct proc p = { .pid = -1, .pidfd = -1, .ready_fd = -1 };
    FILE *f;
    int pid = 0, rc;

    snprintf(file, sizeof(file), "%s.pid", name);
    f = fopen(host_path(h, file, path), "re");
    if ( !f )
        return errno == ENOENT ? -ESRCH : -errno;
    if ( fscanf(f, "%d", &pid) != 1 || pid <= 1 )
        pid = 0;
    fclose(f);
    if ( !pid )
        return -ESRCH;

    /* The descriptor first: what it names cannot be recycled any more. */
    p.pid = pid;
    p.pidfd = pidfd_open_nr(pid);
    if ( p.pidfd < 0 )
        return errno == ESRCH || errno == EINVAL ? -ESRCH : -errno;
    rc = is_ours(h, pid);
    if ( !rc && wait_end(&p, 0) )
        rc = -ESRCH;
    if ( rc )
        proc_close(&p);
    else
        *ret_p = p;

    return rc;
}

int proc_stop(const struct host *h, const char *name, struct proc *p,
              uint64_t grace_us)
{
    char path[HOST_PATH_MAX], file[64];
    int rc = 0;

    if ( pidfd_kill(p->pidfd, SIGTERM) && errno != ESRCH )
        rc = -errno;
    if ( !rc && !wait_end(p, grace_us / 1000) )
    {
        err("%s (pid %d) ignores SIGTERM, killing it", name, (int)p->pid);
        if ( pidfd_kill(p->pidfd, SIGKILL) && errno != ESRCH )
            rc = -errno;
        else if ( !wait_end(p, 10000) )
            rc = -ETIMEDOUT;
    }
    /* Reaps it where this process started it; nobody's child otherwise. */
    waitpid(p->pid, NULL, WNOHANG);
    if ( !rc )
    {
        snprintf(file, sizeof(file), "%s.pid", name);
        unlink(host_path(h, file, path));
    }
    else
        err("cannot stop %s (pid %d): %s", name, (int)p->pid, strerror(-rc));

    return rc;
}

void proc_show_log(const struct host *h, const char *name)
{
    char path[HOST_PATH_MAX], file[64], buf[LOG_TAIL_BYTES + 1], *p = buf;
    FILE *f;
    size_t n;

    snprintf(file, sizeof(file), "%s.log", name);
    f = fopen(host_path(h, file, path), "re");
    if ( !f )
        return;
    if ( !fseek(f, -LOG_TAIL_BYTES, SEEK_END) )
    {
        n = fread(buf, 1, LOG_TAIL_BYTES, f);
        buf[n] = '\0';
        p = strchr(buf, '\n');
        p = p ? p + 1 : buf;
    }
    else
    {
        rewind(f);
        n = fread(buf, 1, LOG_TAIL_BYTES, f);
        buf[n] = '\0';
    }
    fclose(f);
    if ( *p )
        fprintf(stderr, "end of %s:\n%s%s", path, p,
                p[strlen(p) - 1] == '\n' ? "" : "\n");
}
