/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands as connections: see chan_command.h.
 *
 * A thread reads the standard error.  It is not to wait for its end, as ssh
 * may leave a process behind that keeps it open (ControlPersist).
 */
#include "chan_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_BYTES 256
/* Between SIGTERM and SIGKILL. */
#define TERM_US (2 * US_PER_S)
/* What was written before the end is there at once. */
#define LAST_WORDS_US (200 * US_PER_MS)

extern char **environ;

struct chan_command
{
    pid_t pid;
    int pid_fd;
    bool ended;
    int status;                  /* of waitpid(), -1 = not to be had */
    /* standard error */
    int err_fd;
    pthread_t reader;
    struct cancel stop;          /* the reader shall end */
    struct cancel at_end;        /* the reader has seen the end */
    chan_command_line_fn *on_line;
    void *data;

    pthread_mutex_t lock;
    /* under lock */
    char last[LINE_BYTES];
};

/* ---- Standard error ----------------------------------------------------- */

static void take_line(struct chan_command *c, char *line)
{
    size_t at;

    while ( line[at = err_control_at(line, strlen(line))] )
        line[at] = ' ';
    for ( at = strlen(line); at && line[at - 1] == ' '; at-- )
        line[at - 1] = '\0';
    if ( !*line )
        return;
    pthread_mutex_lock(&c->lock);
    /* Advice follows what our own programs failed of. */
    if ( strncmp(c->last, "xmig: ", 6) )
        snprintf(c->last, sizeof(c->last), "%s", line);
    pthread_mutex_unlock(&c->lock);
    if ( c->on_line )
        c->on_line(c->data, line);
}

static void *reader_main(void *arg)
{
    struct chan_command *c = arg;
    char buf[LINE_BYTES];
    size_t used = 0;
    char *nl;
    ssize_t r;

    while ( !cancel_poll(&c->stop, c->err_fd, POLLIN, DEADLINE_NEVER) )
    {
        r = read(c->err_fd, buf + used, sizeof(buf) - 1 - used);
        if ( r < 0 && (errno == EAGAIN || errno == EINTR) )
            continue;
        if ( r <= 0 )
            break;
        used += (size_t)r;
        buf[used] = '\0';
        while ( (nl = memchr(buf, '\n', used)) != NULL )
        {
            *nl = '\0';
            take_line(c, buf);
            used -= (size_t)(nl + 1 - buf);
            memmove(buf, nl + 1, used + 1);
        }
        if ( used == sizeof(buf) - 1 )
        {
            take_line(c, buf);
            used = 0;
        }
    }
    buf[used] = '\0';
    take_line(c, buf);
    cancel_raise(&c->at_end, -ECANCELED);

    return NULL;
}

/* ---- Starting ----------------------------------------------------------- */

static int spawn(const char *text, int fd, int err_fd, pid_t *ret_pid)
{
    static const char guard[] = "trap '' HUP INT QUIT; ";
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    char *line = NULL;
    sigset_t none, pipe;
    char *argv[4];
    int r;

    if ( asprintf(&line, "%s%s", guard, text) < 0 )
        return -ENOMEM;
    argv[0] = (char *)"sh";
    argv[1] = (char *)"-c";
    argv[2] = line;
    argv[3] = NULL;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF |
                             POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &pipe);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawn_file_actions_init(&fa);
    r = posix_spawn_file_actions_adddup2(&fa, fd, STDIN_FILENO);
    if ( !r )
        r = posix_spawn_file_actions_adddup2(&fa, fd, STDOUT_FILENO);
    if ( !r )
        r = posix_spawn_file_actions_adddup2(&fa, err_fd, STDERR_FILENO);
    if ( !r )
        r = posix_spawn_file_actions_addclosefrom_np(&fa, 3);
    if ( !r )
        r = posix_spawn(ret_pid, "/bin/sh", &fa, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    free(line);

    return -r;
}

static void command_free(struct chan_command *c)
{
    if ( c->pid_fd >= 0 )
        close(c->pid_fd);
    if ( c->err_fd >= 0 )
        close(c->err_fd);
    cancel_done(&c->stop);
    cancel_done(&c->at_end);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct chan_command *command_new(chan_command_line_fn *on_line,
                                        void *data)
{
    struct chan_command *c = calloc(1, sizeof(*c));

    if ( !c )
        return NULL;
    c->on_line = on_line;
    c->data = data;
    c->pid_fd = c->err_fd = c->stop.fd = c->at_end.fd = -1;
    c->status = -1;
    pthread_mutex_init(&c->lock, NULL);
    if ( cancel_init(&c->stop) || cancel_init(&c->at_end) )
    {
        command_free(c);
        return NULL;
    }

    return c;
}

int chan_command_start(const char *text, chan_command_line_fn *on_line,
                       void *data, struct err *e,
                       struct chan_command **ret_command, int *ret_fd)
{
    struct chan_command *c = command_new(on_line, data);
    int ends[2] = { -1, -1 }, err_ends[2] = { -1, -1 }, rc = 0;

    if ( !c )
        return err_set(e, -ENOMEM, "run \"%s\": out of memory", text);
    if ( socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
         pipe2(err_ends, O_CLOEXEC) < 0 )
        rc = -errno;
    c->err_fd = err_ends[0];
    if ( !rc )
        rc = -pthread_create(&c->reader, NULL, reader_main, c);
    if ( rc )
        goto out;
    rc = spawn(text, ends[1], err_ends[1], &c->pid);
    if ( rc )
    {
        cancel_raise(&c->stop, 0);
        pthread_join(c->reader, NULL);
        goto out;
    }
    /* Without it (SIGCHLD is ignored) the end is seen on the socket. */
    c->pid_fd = pidfd_open(c->pid, 0);
    *ret_command = c;
    *ret_fd = ends[0];
    c = NULL;
    ends[0] = -1;

out:
    if ( rc )
        err_set(e, rc, "run \"%s\": %s", text, err_text(rc));
    if ( ends[0] >= 0 )
        close(ends[0]);
    if ( ends[1] >= 0 )
        close(ends[1]);
    if ( err_ends[1] >= 0 )
        close(err_ends[1]);
    if ( c )
        command_free(c);

    return rc;
}

/* ---- Its end ------------------------------------------------------------ */

static void reap(struct chan_command *c)
{
    int status;
    pid_t r;

    do {
        r = waitpid(c->pid, &status, 0);
    } while ( r < 0 && errno == EINTR );
    c->status = r == c->pid ? status : -1;
    c->ended = true;
}

bool chan_command_wait(struct chan_command *c, uint64_t deadline_us)
{
    if ( c->ended )
        return true;
    if ( c->pid_fd >= 0 &&
         cancel_poll(NULL, c->pid_fd, POLLIN, deadline_us) )
        return false;
    reap(c);

    return true;
}

void chan_command_describe(struct chan_command *c,
                           char text[CHAN_COMMAND_TEXT], int *ret_status)
{
    char last[LINE_BYTES];
    int status = -1;

    /* Its last words may still be on the way. */
    if ( c->ended )
        cancel_poll(&c->at_end, -1, 0, deadline_in(LAST_WORDS_US));
    pthread_mutex_lock(&c->lock);
    memcpy(last, c->last, sizeof(last));
    pthread_mutex_unlock(&c->lock);

    if ( !c->ended )
        snprintf(text, CHAN_COMMAND_TEXT, "still runs");
    else if ( c->status != -1 && WIFSIGNALED(c->status) )
        snprintf(text, CHAN_COMMAND_TEXT, "was ended by signal %d",
                 WTERMSIG(c->status));
    else if ( c->status != -1 )
    {
        status = WEXITSTATUS(c->status);
        snprintf(text, CHAN_COMMAND_TEXT, "ended with status %d", status);
    }
    else
        snprintf(text, CHAN_COMMAND_TEXT, "has ended");
    if ( *last )
        snprintf(text + strlen(text), CHAN_COMMAND_TEXT - strlen(text),
                 " (%s)", last);
    if ( ret_status )
        *ret_status = status;
}

void chan_command_end(struct chan_command *c, uint64_t deadline_us)
{
    if ( !c )
        return;
    if ( !c->ended && c->pid_fd < 0 )
        kill(c->pid, SIGTERM);
    if ( !chan_command_wait(c, deadline_us) )
    {
        kill(c->pid, SIGTERM);
        if ( !chan_command_wait(c, deadline_in(TERM_US)) )
            kill(c->pid, SIGKILL);
        chan_command_wait(c, DEADLINE_NEVER);
    }
    cancel_poll(&c->at_end, -1, 0, deadline_in(LAST_WORDS_US));
    cancel_raise(&c->stop, 0);
    pthread_join(c->reader, NULL);
    command_free(c);
}
