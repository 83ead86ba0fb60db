/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The limit the others are measured against: a block of random memory sent
 * over TCP on the loopback by writev(1024 x 4 KiB), from one process to
 * another that reads 4 MiB at a time and either discards it or has it put
 * into memory mapped beforehand, as a guest's would be.
 *
 *   raw MIB       then on stdin, a line each: "discard" or "mapped"
 *
 * Answers "bytes=N us=N cpu_us=N": from before the first write until the
 * reader has all and has said so; CPU of both processes, user and system,
 * in that time.  Memory is touched once, at start.
 */
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define PAGE 4096u
#define BATCH 1024u
#define CHUNK (BATCH * PAGE)

struct result
{
    uint64_t us, cpu_us;
};

static uint64_t cpu_us(void)
{
    struct rusage ru;

    getrusage(RUSAGE_SELF, &ru);

    return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000ull +
           ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
}

/* xorshift64*: what matters is that nothing can be compressed. */
static void fill_random(uint64_t *p, size_t bytes)
{
    uint64_t x;
    size_t i;

    if ( getrandom(&x, sizeof(x), 0) != sizeof(x) )
        die("getrandom");
    x |= 1;
    for ( i = 0; i < bytes / 8; i++ )
    {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        p[i] = x * 0x2545f4914f6cdd1dull;
    }
}

/* Shared, so that a forked end sees it; its own page tables it fills with
 * prefault() before the clock starts. */
static void *memory(size_t bytes)
{
    int fd = memfd_create("raw", MFD_CLOEXEC);
    void *p;

    if ( fd < 0 || ftruncate(fd, bytes) )
        die("memfd");
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if ( p == MAP_FAILED )
        die("mmap");
    close(fd);

    return p;
}

static void prefault(void *p, size_t bytes, bool for_write)
{
    if ( madvise(p, bytes, for_write ? MADV_POPULATE_WRITE
                                     : MADV_POPULATE_READ) )
        die("populate");
}

static void tcp_pair(int ret_fd[2])
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    socklen_t len = sizeof(sa);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if ( fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
         listen(fd, 1) || getsockname(fd, (struct sockaddr *)&sa, &len) )
        die("listen");
    ret_fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ( ret_fd[0] < 0 ||
         connect(ret_fd[0], (struct sockaddr *)&sa, sizeof(sa)) )
        die("connect");
    ret_fd[1] = accept(fd, NULL, NULL);
    if ( ret_fd[1] < 0 ||
         setsockopt(ret_fd[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) )
        die("accept");
    close(fd);
}

static void put_byte(int fd)
{
    if ( write(fd, "", 1) != 1 )
        die("write");
}

static void get_byte(int fd)
{
    char c;

    if ( read(fd, &c, 1) != 1 )
        die("the other end is gone");
}

static void send_all(int fd, uint8_t *p, size_t bytes)
{
    struct iovec iov[BATCH];
    size_t at, i, n, skip;
    ssize_t r;

    for ( at = 0; at < bytes; at += CHUNK )
    {
        for ( n = 0; n < BATCH && at + n * PAGE < bytes; n++ )
        {
            iov[n].iov_base = p + at + n * PAGE;
            iov[n].iov_len = PAGE;
        }
        for ( i = 0; i < n; )
        {
            r = writev(fd, iov + i, n - i);
            if ( r < 0 )
                die("writev");
            for ( skip = r; i < n && skip >= iov[i].iov_len; i++ )
                skip -= iov[i].iov_len;
            if ( skip )
            {
                iov[i].iov_base = (char *)iov[i].iov_base + skip;
                iov[i].iov_len -= skip;
            }
        }
    }
}

static void read_all(int fd, uint8_t *p, size_t bytes, bool discard)
{
    size_t at, want;
    ssize_t r;

    for ( at = 0; at < bytes; at += r )
    {
        want = bytes - at < CHUNK ? bytes - at : CHUNK;
        r = read(fd, discard ? p : p + at, want);
        if ( r <= 0 )
            die("read");
    }
}

/*
 * One end, in a process of its own: says on `sync` that it is ready, waits
 * for the word, works, and writes its result there.
 */
static void end_process(int fd, int sync, uint8_t *p, size_t bytes,
                        bool sender, bool discard)
{
    struct result res;
    uint64_t cpu;

    prefault(p, discard && !sender ? CHUNK : bytes, !sender);
    put_byte(sync);
    get_byte(sync);
    cpu = cpu_us();
    res.us = now_us();
    if ( sender )
    {
        send_all(fd, p, bytes);
        get_byte(fd);
    }
    else
    {
        read_all(fd, p, bytes, discard);
        put_byte(fd);
    }
    res.us = now_us() - res.us;
    res.cpu_us = cpu_us() - cpu;
    if ( write(sync, &res, sizeof(res)) != sizeof(res) )
        die("result");
    _exit(0);
}

static void transfer(uint8_t *from, uint8_t *to, size_t bytes, bool discard)
{
    struct result res[2];
    int fd[2], sync[2][2], status;
    pid_t pid[2];
    unsigned int i;

    tcp_pair(fd);
    for ( i = 0; i < 2; i++ )
    {
        if ( socketpair(AF_UNIX, SOCK_STREAM, 0, sync[i]) )
            die("socketpair");
        pid[i] = fork();
        if ( pid[i] < 0 )
            die("fork");
        if ( !pid[i] )
        {
            close(sync[i][0]);
            close(fd[!i]);
            end_process(fd[i], sync[i][1], i ? to : from, bytes, !i, discard);
        }
        close(sync[i][1]);
    }
    for ( i = 0; i < 2; i++ )
    {
        close(fd[i]);
        get_byte(sync[i][0]);
    }
    /* The reader first: the sender's clock is the one that counts. */
    put_byte(sync[1][0]);
    put_byte(sync[0][0]);
    for ( i = 0; i < 2; i++ )
    {
        if ( read(sync[i][0], &res[i], sizeof(res[i])) != sizeof(res[i]) )
            die("an end failed");
        close(sync[i][0]);
        if ( waitpid(pid[i], &status, 0) != pid[i] || status )
            die("an end failed");
    }
    printf("bytes=%zu us=%lu cpu_us=%lu\n", bytes, (unsigned long)res[0].us,
           (unsigned long)(res[0].cpu_us + res[1].cpu_us));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[32], *end = NULL;
    unsigned long mib = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
    uint8_t *from, *to;
    size_t bytes;

    if ( !end || *end || !mib || mib > 65536 )
    {
        fprintf(stderr, "usage: raw MIB\n");
        return 2;
    }
    bytes = (size_t)mib << 20;
    from = memory(bytes);
    to = memory(bytes);
    fill_random((uint64_t *)from, bytes);
    prefault(to, bytes, true);

    while ( fgets(line, sizeof(line), stdin) )
    {
        if ( !strcmp(line, "discard\n") )
            transfer(from, to, bytes, true);
        else if ( !strcmp(line, "mapped\n") )
            transfer(from, to, bytes, false);
        else
        {
            fprintf(stderr, "raw: discard or mapped\n");
            return 2;
        }
    }

    return 0;
}
