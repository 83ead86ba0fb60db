/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Runs a command and writes what it took of the machine.
 *
 *   gauge FILE COMMAND [ARGUMENT...]
 *
 * FILE gets "cpu_us=N rss_anon_kib=N": CPU, user and system, of the command
 * and of all that it waited for; the largest sum of anonymous resident memory
 * (RssAnon in /proc/PID/status) of the command and its descendants, looked at
 * every 10 ms.  Guest memory is mapped from files and is not in it.
 * Exits as the command did.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PERIOD_MS 10
#define FILE_MAX  4096

static pid_t child;

static void pass_on(int sig)
{
    if ( child > 0 )
        kill(child, sig);
}

/* The text of a file of /proc; empty when the process is gone. */
static void slurp(const char *path, char text[FILE_MAX])
{
    FILE *f = fopen(path, "re");
    size_t n = 0;

    if ( f )
    {
        n = fread(text, 1, FILE_MAX - 1, f);
        fclose(f);
    }
    text[n] = '\0';
}

static uint64_t tree_kib(pid_t pid, unsigned int depth)
{
    char path[64], text[FILE_MAX], *at, *end;
    uint64_t sum = 0;
    long kid;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    slurp(path, text);
    at = strstr(text, "\nRssAnon:");
    if ( at )
        sum = strtoull(at + 9, NULL, 10);
    if ( depth == 0 )
        return sum;
    /* Those that other threads than the first have forked are missed. */
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    slurp(path, text);
    for ( at = text; (kid = strtol(at, &end, 10)) > 0 && end != at; at = end )
        sum += tree_kib(kid, depth - 1);

    return sum;
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = pass_on };
    uint64_t peak_kib = 0, kib, cpu_us;
    struct pollfd pfd = { .events = POLLIN };
    struct rusage ru;
    int status;
    FILE *f;

    if ( argc < 3 )
    {
        fprintf(stderr, "usage: gauge FILE COMMAND [ARGUMENT...]\n");
        return 2;
    }
    child = fork();
    if ( child < 0 )
        goto fail;
    if ( !child )
    {
        execvp(argv[2], argv + 2);
        fprintf(stderr, "gauge: %s: %s\n", argv[2], strerror(errno));
        _exit(127);
    }
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    pfd.fd = syscall(SYS_pidfd_open, child, 0);
    if ( pfd.fd < 0 )
        goto fail;
    do {
        kib = tree_kib(child, 4);
        if ( kib > peak_kib )
            peak_kib = kib;
    } while ( poll(&pfd, 1, PERIOD_MS) <= 0 );

    if ( waitpid(child, &status, 0) != child ||
         getrusage(RUSAGE_CHILDREN, &ru) )
        goto fail;
    cpu_us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000ull +
             ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
    f = fopen(argv[1], "we");
    if ( !f )
        goto fail;
    fprintf(f, "cpu_us=%llu rss_anon_kib=%llu\n", (unsigned long long)cpu_us,
            (unsigned long long)peak_kib);
    if ( fclose(f) )
        goto fail;

    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

 fail:
    fprintf(stderr, "gauge: %s\n", strerror(errno));
    if ( child > 0 )
        kill(child, SIGKILL);

    return 99;
}
