/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Starting a holder, and ending it: see holder.h.
 */
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* It opens the hypervisor and maps a page. */
#define READY_US (20 * US_PER_S)
/* Behind those that it is to have. */
#define FD_BEHIND (HOLDER_FD_JOURNAL + 1)

extern char **environ;

struct holder
{
    struct session *s;
    struct holder_shared *sh;
    int shared_fd, socket;
    pid_t pid;                   /* 0: none runs */
};

int holder_new(struct session *s, struct err *e, struct holder **ret_h)
{
    struct holder *h = calloc(1, sizeof(*h));
    int rc = 0;

    if ( !h )
        return err_set(e, -ENOMEM, "make a holder: %s", err_text(-ENOMEM));
    h->s = s;
    h->socket = -1;
    h->sh = MAP_FAILED;
    h->shared_fd = memfd_create("xmig-holder", MFD_CLOEXEC);
    if ( h->shared_fd < 0 || ftruncate(h->shared_fd, sizeof(*h->sh)) < 0 )
        rc = -errno;
    else
        h->sh = mmap(NULL, sizeof(*h->sh), PROT_READ | PROT_WRITE, MAP_SHARED,
                     h->shared_fd, 0);
    if ( !rc && h->sh == MAP_FAILED )
        rc = -errno;
    if ( rc )
    {
        holder_end(h);
        return err_set(e, rc, "make a holder: %s", err_text(rc));
    }
    h->sh->magic = HOLDER_MAGIC;
    *ret_h = h;

    return 0;
}

struct holder_shared *holder_shared(struct holder *h)
{
    return h->sh;
}

/* fds become HOLDER_FD_SOCKET and those that follow. */
static int spawn(struct holder *h, const int fds[3])
{
    const struct xmig *x = h->s->x;
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    int high[3], i, r = 0;
    sigset_t none;

    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID |
                             POSIX_SPAWN_SETSIGMASK);
    for ( i = 0; i < 3; i++ )
        high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FD_BEHIND);
    for ( i = 0; !r && i < 3; i++ )
        r = high[i] < 0 ? EMFILE :
            posix_spawn_file_actions_adddup2(&fa, high[i],
                                             HOLDER_FD_SOCKET + i);
    for ( i = 0; !r && i < 2; i++ )
        r = posix_spawn_file_actions_addopen(&fa, i, "/dev/null", O_RDWR, 0);
    if ( !r )
        r = posix_spawn_file_actions_addclosefrom_np(&fa, FD_BEHIND);
    if ( !r )
        r = posix_spawn(&h->pid, x->holder_path, &fa, &attr, x->holder_argv,
                        environ);
    for ( i = 0; i < 3; i++ )
        if ( high[i] >= 0 )
            close(high[i]);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&fa);
    if ( r )
        h->pid = 0;

    return -r;
}

/* A byte says that it holds; else its reason comes, or nothing. */
static int await_ready(struct holder *h, struct err *e)
{
    char said[256];
    ssize_t n = -1;
    int rc = cancel_poll(h->s->stop, h->socket, POLLIN, deadline_in(READY_US));

    if ( !rc )
        n = recv(h->socket, said, sizeof(said) - 1, 0);
    if ( n == 1 )
        return 0;
    said[n > 0 ? n : 0] = '\0';

    return err_set(e, rc ? rc : -ECHILD, "the holder of absent pages does not "
                   "start: %s", rc ? err_text(rc) : n > 0 ? said
                                                          : "it has ended");
}

int holder_run(struct holder *h, const struct journal *j, struct err *e)
{
    int pair[2], rc;

    if ( socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 )
        return err_set(e, -errno, "start a holder: %s", err_text(-errno));
    h->socket = pair[0];
    rc = spawn(h, (const int[]){ pair[1], h->shared_fd, journal_fd(j) });
    close(pair[1]);
    if ( rc )
        return err_set(e, rc, "start a holder, %s: %s", h->s->x->holder_path,
                       err_text(rc));

    return await_ready(h, e);
}

static void free_it(struct holder *h)
{
    if ( h->socket >= 0 )
        close(h->socket);
    if ( h->sh != MAP_FAILED )
        munmap(h->sh, sizeof(*h->sh));
    if ( h->shared_fd >= 0 )
        close(h->shared_fd);
    free(h);
}

void holder_end(struct holder *h)
{
    if ( !h )
        return;
    /* It has nothing to tidy up. */
    if ( h->pid > 0 )
    {
        kill(h->pid, SIGKILL);
        while ( waitpid(h->pid, NULL, 0) < 0 && errno == EINTR )
            continue;
    }
    free_it(h);
}

void holder_leave(struct holder *h)
{
    if ( h )
        free_it(h);
}
