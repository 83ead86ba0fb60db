/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl's protocol with its save helper, our end of it.
 */
#include "callout.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX 8192u        /* libxl takes up to 64 KiB */
#define TEXT_MAX    4096u

struct message
{
    uint16_t len;                /* of what follows, as sent */
    uint8_t body[MESSAGE_MAX];
};

static struct
{
    int in_fd, out_fd;
    pthread_mutex_t lock;        /* a message, and its answer, are whole */
} parent = { 0, 1, PTHREAD_MUTEX_INITIALIZER };

void callout_init(int in_fd, int out_fd)
{
    parent.in_fd = in_fd;
    parent.out_fd = out_fd;
}

/* ---- Packing ------------------------------------------------------------ */

static void add(struct message *m, const void *data, size_t bytes)
{
    memcpy(m->body + m->len, data, bytes);
    m->len += bytes;
}

static void begin(struct message *m, enum callout what)
{
    uint16_t number = what;

    m->len = 0;
    add(m, &number, sizeof(number));
}

/* Cut where it is too long: a log need not be whole. */
static void add_string(struct message *m, const char *text)
{
    uint32_t len;
    size_t n;

    if ( !text )
        text = "";
    n = strnlen(text, TEXT_MAX / 2);
    len = n + 1;
    add(m, &len, sizeof(len));
    add(m, text, n);
    add(m, "", 1);
}

/* ---- Bytes -------------------------------------------------------------- */

static int put(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    ssize_t r;

    while ( bytes )
    {
        r = write(parent.out_fd, at, bytes);
        if ( r < 0 && errno == EINTR )
            continue;
        if ( r < 0 )
            return -errno;
        at += r;
        bytes -= r;
    }
    return 0;
}

static int get(void *data, size_t bytes)
{
    uint8_t *at = data;
    ssize_t r;

    while ( bytes )
    {
        r = read(parent.in_fd, at, bytes);
        if ( r < 0 && errno == EINTR )
            continue;
        if ( r <= 0 )
            return r ? -errno : -ENODATA;
        at += r;
        bytes -= r;
    }
    return 0;
}

static int tell(const struct message *m)
{
    int rc;

    pthread_mutex_lock(&parent.lock);
    rc = put(&m->len, sizeof(m->len));
    if ( !rc )
        rc = put(m->body, m->len);
    pthread_mutex_unlock(&parent.lock);
    return rc;
}

static int ask(const struct message *m, int *ret_answer)
{
    int rc, answer;

    pthread_mutex_lock(&parent.lock);
    rc = put(&m->len, sizeof(m->len));
    if ( !rc )
        rc = put(m->body, m->len);
    if ( !rc )
        rc = get(&answer, sizeof(answer));
    pthread_mutex_unlock(&parent.lock);
    if ( !rc )
        *ret_answer = answer;
    return rc;
}

/* ---- Messages ----------------------------------------------------------- */

void callout_log(xentoollog_level level, int errnoval, const char *context,
                 const char *text)
{
    uint32_t numbers[2] = { level, errnoval };
    struct message m;

    begin(&m, CALLOUT_LOG);
    add(&m, numbers, sizeof(numbers));
    add_string(&m, context);
    add_string(&m, text);
    tell(&m);
}

void callout_progress(const char *context, const char *what,
                      unsigned long done, unsigned long total)
{
    struct message m;

    begin(&m, CALLOUT_PROGRESS);
    add_string(&m, context);
    add_string(&m, what);
    add(&m, &done, sizeof(done));
    add(&m, &total, sizeof(total));
    tell(&m);
}

int callout_suspend(int *ret_answer)
{
    struct message m;

    begin(&m, CALLOUT_SUSPEND);
    return ask(&m, ret_answer);
}

int callout_logdirty(uint32_t domid, unsigned int enable, int *ret_answer)
{
    struct message m;

    begin(&m, CALLOUT_LOGDIRTY);
    add(&m, &domid, sizeof(domid));
    add(&m, &enable, sizeof(enable));
    return ask(&m, ret_answer);
}

int callout_static_data(unsigned int missing, int *ret_answer)
{
    struct message m;

    begin(&m, CALLOUT_STATIC_DATA);
    add(&m, &missing, sizeof(missing));
    return ask(&m, ret_answer);
}

void callout_results(uint64_t store_gfn, uint64_t console_gfn)
{
    struct message m;

    begin(&m, CALLOUT_RESULTS);
    add(&m, &store_gfn, sizeof(store_gfn));
    add(&m, &console_gfn, sizeof(console_gfn));
    tell(&m);
}

int callout_complete(int retval, int errnoval)
{
    int numbers[2] = { retval, errnoval }, answer;
    struct message m;

    begin(&m, CALLOUT_COMPLETE);
    add(&m, numbers, sizeof(numbers));
    return ask(&m, &answer);
}

/* ---- Logger ------------------------------------------------------------- */

static void log_message(struct xentoollog_logger *logger,
                        xentoollog_level level, int errnoval,
                        const char *context, const char *format, va_list al)
{
    char text[TEXT_MAX / 2];

    (void)logger;
    vsnprintf(text, sizeof(text), format, al);
    callout_log(level, errnoval, context, text);
}

static void log_progress(struct xentoollog_logger *logger,
                         const char *context, const char *doing_what,
                         int percent, unsigned long done,
                         unsigned long total)
{
    (void)logger;
    (void)percent;
    callout_progress(context, doing_what, done, total);
}

static void log_destroy(struct xentoollog_logger *logger)
{
    (void)logger;
}

struct xentoollog_logger *callout_logger(void)
{
    static struct xentoollog_logger logger = {
        .vmessage = log_message,
        .progress = log_progress,
        .destroy = log_destroy,
    };

    return &logger;
}
