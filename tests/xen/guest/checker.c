/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a Linux guest of the lab runs instead of a system: it keeps memory
 * that never changes and memory that it writes all the time, verifies both
 * three times a second, and tells in xenstore and on its console what it
 * found.
 *
 * On the kernel's command line, all optional:
 *   check.static=8   MiB that never change
 *   check.dirty=8    MiB that are written in random order
 *   check.rate=50    pages written in 100 ms
 *   check.ip=A.B.C.D address of eth0 (/24)
 *   check.disk=8     MiB of xvda that are written and read back
 *
 * data/check in xenstore then reads, each time:
 *   tick=12 writes=6000 bad=0 disk=96 gap=103
 * bad counts wrong words, ever; gap is the longest time in ms between two
 * slices of 100 ms since the last tick, on the guest's monotonic clock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>

#define PAGE     4096u
#define WORDS    (PAGE / sizeof(uint64_t))
#define MIB      (1u << 20)
#define SLICE_NS 100000000
#define SLICES   3              /* between two looks at everything */
#define BLOCKS   3              /* written to the disk at each look */

struct check {
    /* set at start, then read-only */
    size_t static_pages, dirty_pages, disk_pages;
    unsigned int rate;
    uint64_t *mem;              /* static pages, then dirty ones */
    int disk, store;            /* -1: none */

    uint32_t *version;          /* of each dirty page */
    uint32_t *disk_version;
    uint64_t ticks, writes, disk_writes, bad, gap_ms;
    uint64_t last_slice_ns;
};

/* Bijective, so that different pages and versions never look alike. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t page_word(size_t page, uint32_t version)
{
    return mix(((uint64_t)page << 32) | version);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static void die(const char *what)
{
    printf("CHECK cannot %s: %s\n", what, strerror(errno));
    fflush(stdout);
    for ( ; ; )
        pause();
}

/* ---- set up ------------------------------------------------------------- */

static unsigned long option(const char *cmdline, const char *name,
                            unsigned long otherwise)
{
    const char *p = strstr(cmdline, name);

    return p ? strtoul(p + strlen(name), NULL, 0) : otherwise;
}

/* In the order of their names, which is that of their dependencies. */
static void load_modules(void)
{
    glob_t g;

    if ( glob("/modules/*.ko", 0, NULL, &g) )
        return;
    for ( size_t i = 0; i < g.gl_pathc; i++ )
    {
        int fd = open(g.gl_pathv[i], O_RDONLY | O_CLOEXEC);

        if ( syscall(SYS_finit_module, fd, "", 0) )
            printf("CHECK %s: %s\n", g.gl_pathv[i], strerror(errno));
        close(fd);
    }
    globfree(&g);
}

static void set_address(struct ifreq *r, const char *dotted)
{
    struct sockaddr_in a = { .sin_family = AF_INET };

    if ( !inet_aton(dotted, &a.sin_addr) )
        die("read check.ip");
    memcpy(&r->ifr_addr, &a, sizeof(a));
}

/* The frontend connects some time after its module was loaded. */
static void network_up(const char *cmdline)
{
    struct ifreq r = { .ifr_name = "eth0" };
    const char *p = strstr(cmdline, "check.ip=");
    char ip[16];
    int s, tries = 100;

    if ( !p || sscanf(p, "check.ip=%15[0-9.]", ip) != 1 )
        return;
    s = socket(AF_INET, SOCK_DGRAM, 0);
    for ( ; ; )
    {
        set_address(&r, ip);
        if ( !ioctl(s, SIOCSIFADDR, &r) )
            break;
        if ( !tries-- )
            die("set the address of eth0");
        nanosleep(&(struct timespec){ .tv_nsec = SLICE_NS }, NULL);
    }
    set_address(&r, "255.255.255.0");
    if ( ioctl(s, SIOCSIFNETMASK, &r) || ioctl(s, SIOCGIFFLAGS, &r) )
        die("configure eth0");
    r.ifr_flags |= IFF_UP;
    if ( ioctl(s, SIOCSIFFLAGS, &r) )
        die("bring eth0 up");
    close(s);
}

static int open_disk(void)
{
    int fd, tries = 100;

    while ( (fd = open("/dev/xvda", O_RDWR | O_DIRECT | O_CLOEXEC)) < 0 )
    {
        if ( !tries-- )
            die("open /dev/xvda");
        nanosleep(&(struct timespec){ .tv_nsec = SLICE_NS }, NULL);
    }
    return fd;
}

static void fill(struct check *c)
{
    for ( size_t i = 0; i < c->static_pages * WORDS; i += 8 )
        c->mem[i] = mix(i);
    for ( size_t i = 0; i < c->dirty_pages; i++ )
    {
        uint64_t *page = c->mem + (c->static_pages + i) * WORDS;

        page[0] = page_word(i, 0);
        page[WORDS - 1] = ~page_word(i, 0);
    }
}

static void set_up(struct check *c)
{
    char cmdline[2048] = "";
    int fd;

    mount("dev", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    if ( fd < 0 || read(fd, cmdline, sizeof(cmdline) - 1) < 0 )
        die("read the command line");
    close(fd);

    c->static_pages = option(cmdline, "check.static=", 8) * (MIB / PAGE);
    c->dirty_pages = option(cmdline, "check.dirty=", 8) * (MIB / PAGE);
    c->rate = option(cmdline, "check.rate=", 50);
    c->disk_pages = option(cmdline, "check.disk=", 0) * (MIB / PAGE);
    if ( !c->dirty_pages )
        c->rate = 0;
    load_modules();
    network_up(cmdline);
    c->disk = c->disk_pages ? open_disk() : -1;
    c->store = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
    c->mem = mmap(NULL, (c->static_pages + c->dirty_pages + 1) * PAGE,
                  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    c->version = calloc(c->dirty_pages + 1, sizeof(*c->version));
    c->disk_version = calloc(c->disk_pages + 1, sizeof(*c->disk_version));
    if ( c->mem == MAP_FAILED || !c->version || !c->disk_version )
        die("have the memory");
    fill(c);
    c->last_slice_ns = now_ns();
}

/* ---- write -------------------------------------------------------------- */

static void write_slice(struct check *c)
{
    for ( unsigned int k = 0; k < c->rate; k++ )
    {
        size_t i = mix(c->writes++) % c->dirty_pages;
        uint64_t *page = c->mem + (c->static_pages + i) * WORDS;

        c->version[i]++;
        page[0] = page_word(i, c->version[i]);
        page[WORDS - 1] = ~page_word(i, c->version[i]);
    }
}

static void wait_slice(struct check *c)
{
    uint64_t now, gap_ms;

    nanosleep(&(struct timespec){ .tv_nsec = SLICE_NS }, NULL);
    now = now_ns();
    gap_ms = (now - c->last_slice_ns) / 1000000;
    if ( gap_ms > c->gap_ms )
        c->gap_ms = gap_ms;
    c->last_slice_ns = now;
}

/* ---- verify ------------------------------------------------------------- */

static void wrong(struct check *c, const char *where, size_t page,
                  uint64_t found, uint64_t wanted)
{
    if ( c->bad++ < 20 )
        printf("CHECK %s page %zu: %016" PRIx64 " instead of %016" PRIx64 "\n",
               where, page, found, wanted);
}

static void verify_memory(struct check *c)
{
    for ( size_t i = 0; i < c->static_pages * WORDS; i += 8 )
        if ( c->mem[i] != mix(i) )
            wrong(c, "static", i / WORDS, c->mem[i], mix(i));
    for ( size_t i = 0; i < c->dirty_pages; i++ )
    {
        uint64_t *page = c->mem + (c->static_pages + i) * WORDS;
        uint64_t word = page_word(i, c->version[i]);

        if ( page[0] != word )
            wrong(c, "dirty", i, page[0], word);
        if ( page[WORDS - 1] != ~word )
            wrong(c, "end of dirty", i, page[WORDS - 1], ~word);
    }
}

/* Some blocks, and as many read back that were written before. */
static void exercise_disk(struct check *c)
{
    static uint64_t block[WORDS] __attribute__((aligned(PAGE)));

    for ( unsigned int k = 0; c->disk_pages && k < BLOCKS; k++ )
    {
        size_t to = mix(c->disk_writes++) % c->disk_pages;
        size_t from = mix(c->disk_writes / 2) % c->disk_pages;
        uint64_t word;

        for ( size_t i = 0; i < WORDS; i++ )
            block[i] = page_word(to, c->disk_version[to] + 1);
        if ( pwrite(c->disk, block, PAGE, to * PAGE) != PAGE )
            die("write to the disk");
        c->disk_version[to]++;
        if ( !c->disk_version[from] )
            continue;
        if ( pread(c->disk, block, PAGE, from * PAGE) != PAGE )
            die("read from the disk");
        word = page_word(from, c->disk_version[from]);
        if ( block[0] != word || block[WORDS - 1] != word )
            wrong(c, "disk", from, block[0], word);
    }
}

/* ---- tell --------------------------------------------------------------- */

static void store_write(struct check *c, const char *path, const char *value)
{
    struct xsd_sockmsg m = { .type = XS_WRITE };
    char buf[sizeof(m) + 512];

    if ( c->store < 0 )
        return;
    m.len = strlen(path) + 1 + strlen(value);
    memcpy(buf, &m, sizeof(m));
    snprintf(buf + sizeof(m), sizeof(buf) - sizeof(m), "%s%c%s", path, 0,
             value);
    if ( write(c->store, buf, sizeof(m) + m.len) < 0 ||
         read(c->store, buf, sizeof(m)) != sizeof(m) )
    {
        printf("CHECK xenstore: %s\n", strerror(errno));
        return;
    }
    memcpy(&m, buf, sizeof(m));
    if ( m.len > sizeof(buf) || read(c->store, buf, m.len) < 0 )
        printf("CHECK xenstore: bad answer of %u bytes\n", m.len);
    else if ( m.type == XS_ERROR )
        printf("CHECK xenstore: %.*s\n", (int)m.len, buf);
}

static void tell(struct check *c)
{
    char line[256];

    snprintf(line, sizeof(line), "tick=%" PRIu64 " writes=%" PRIu64
             " bad=%" PRIu64 " disk=%" PRIu64 " gap=%" PRIu64, c->ticks,
             c->writes, c->bad, c->disk_writes, c->gap_ms);
    store_write(c, "data/check", line);
    printf("CHECK %s\n", line);
    fflush(stdout);
    c->gap_ms = 0;
}

int main(void)
{
    static struct check c;

    set_up(&c);
    for ( ; ; )
    {
        for ( unsigned int k = 0; k < SLICES; k++ )
        {
            write_slice(&c);
            wait_slice(&c);
        }
        verify_memory(&c);
        exercise_disk(&c);
        c.ticks++;
        tell(&c);
    }
}
