/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The monitor: requests that are parsed, and a real socket with clients that
 * behave and clients that do not.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "monitor/monitor.h"

/* ---- Requests ----------------------------------------------------------- */

static int parse(const char *line, struct monitor_request *q)
{
    struct err e;
    int rc;

    err_init(&e);
    rc = monitor_request_parse(line, strlen(line), &e, q);
    assert_int_equal(rc, err_code(&e));
    err_done(&e);

    return rc;
}

static void requests_are_understood(void **state)
{
    struct monitor_request q;

    (void)state;
    assert_int_equal(parse("{\"execute\":\"status\"}", &q), 0);
    assert_int_equal(q.verb, MONITOR_STATUS);
    assert_int_equal(parse("{\"execute\":\"watch\",\"arguments\":"
                           "{\"interval\":250}}", &q), 0);
    assert_int_equal(q.verb, MONITOR_WATCH);
    assert_int_equal(q.interval_us, 250000);
    assert_int_equal(parse(" { \"execute\" : \"cancel\" } ", &q), 0);
    assert_int_equal(parse("{\"execute\":\"cancel\"}", &q), 0);
    assert_int_equal(q.interval_us, 0);
    assert_int_equal(parse("{\"execute\":\"cancel\",\"arguments\":"
                           "{\"watch\":true}}", &q), 0);
    assert_true(q.interval_us > 0);
    assert_int_equal(parse("{\"execute\":\"set\",\"arguments\":{\"a\":\"1\","
                           "\"b\":2,\"c\":true}}", &q), 0);
    assert_int_equal(q.nr, 3);
    assert_string_equal(q.settings[1].value, "2");
    assert_string_equal(q.settings[2].value, "true");
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "x", "[]", "{}", "null", "{\"execute\":1}",
        "{\"execute\":\"fly\"}",
        "{\"execute\":\"status\"", "{\"execute\":\"status\"}{}",
        "{\"execute\":\"status\"} x",
        "{\"execute\":\"watch\",\"arguments\":7}",
        "{\"execute\":\"watch\",\"arguments\":{\"interval\":\"1\"}}",
        "{\"execute\":\"watch\",\"arguments\":{\"interval\":1}}",
        "{\"execute\":\"watch\",\"arguments\":{\"interval\":9999999999}}",
        "{\"execute\":\"cancel\",\"arguments\":{\"watch\":1}}",
        "{\"execute\":\"set\"}", "{\"execute\":\"set\",\"arguments\":{}}",
        "{\"execute\":\"set\",\"arguments\":{\"a\":null}}",
        "{\"execute\":\"set\",\"arguments\":{\"a\":{}}}",
        "{\"execute\":\"set\",\"arguments\":{\"a\":[[[[[[1]]]]]]}}",
        "{\"execute\":\"\xff\xfe\"}", "[[[[[[[[[[[[[[[[",
    };
    struct monitor_request q;
    char line[256], many[2048];
    size_t i, len;

    (void)state;
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
        if ( !parse(bad[i], &q) )
            fail_msg("taken: %s", bad[i]);
    len = (size_t)snprintf(many, sizeof(many), "{\"execute\":\"set\","
                           "\"arguments\":{");
    for ( i = 0; i <= MONITOR_SETTINGS; i++ )
        len += (size_t)snprintf(many + len, sizeof(many) - len,
                                "%s\"k%zu\":1", i ? "," : "", i);
    snprintf(many + len, sizeof(many) - len, "}}");
    assert_int_equal(parse(many, &q), -EINVAL);
    snprintf(line, sizeof(line), "{\"execute\":\"set\",\"arguments\":"
             "{\"%0120d\":1}}", 0);
    assert_int_equal(parse(line, &q), -EINVAL);
    assert_int_equal(monitor_request_parse("{\"execute\":\"status\"\0}", 21,
                                           NULL, &q), -EPROTO);
}

/* ---- A monitor ---------------------------------------------------------- */

static const struct opt_row rows[] = {
    { .key = "speed", .unit = "", .type = OPT_UINT, .max = 100, .def = 5,
      .help = "live", .live = true },
    { .key = "shape", .unit = "", .type = OPT_UINT, .max = 100, .def = 5,
      .help = "not live" },
    { .key = NULL },
};

static struct
{
    char dir[64];
    struct optset *opts;
    struct monitor *m;
    uint8_t id[IDENT_BYTES];
    atomic_int cancels, rounds;
    bool late;
    char set[128];
} f;

static void status(void *data, struct monitor_status *ret)
{
    (void)data;
    ret->domid = 7;
    snprintf(ret->domain, sizeof(ret->domain), "quo\"ted\n");
    snprintf(ret->peer, sizeof(ret->peer), "host:1");
    ret->state = "live";
    ret->status = "active";
    ret->guest = "at-source";
    ret->cancellable = true;
    ret->stats.rounds = (unsigned int)f.rounds;
}

static int cancel(void *data, struct err *e)
{
    (void)data;
    if ( f.late )
        return err_set(e, -EBUSY, "too late");
    f.cancels++;

    return 0;
}

static void was_set(void *data, const char *text)
{
    (void)data;
    snprintf(f.set, sizeof(f.set), "%s", text);
}

static const struct monitor_ops ops = {
    .status = status, .cancel = cancel, .was_set = was_set,
};

static int begin(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    snprintf(f.dir, sizeof(f.dir), "/tmp/xmig-mon.XXXXXX");
    if ( !mkdtemp(f.dir) || optset_new(&f.opts) ||
         optset_add(f.opts, NULL, "test", rows) || ident_random(f.id) )
        return -1;

    return monitor_open(f.dir, f.id, true, &ops, NULL, f.opts, NULL, &f.m);
}

static int finish(void **state)
{
    char path[128];

    (void)state;
    monitor_end(f.m, 0, "");
    optset_free(f.opts);
    snprintf(path, sizeof(path), "%s/run", f.dir);

    /* Which fails if something was left. */
    return rmdir(path) || rmdir(f.dir);
}

static int client(void)
{
    char name[MONITOR_NAME];
    int dir, fd;

    monitor_dir_name(f.id, true, name);
    assert_int_equal(monitor_dir_open(f.dir, false, &dir), 0);
    assert_int_equal(monitor_dir_connect(dir, name, &fd), 0);
    close(dir);

    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
                     strlen(text));
}

/* The next line; "" when it was closed. */
static const char *hear(int fd)
{
    static char line[MONITOR_REPLY_MAX + 1];
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    size_t len = 0;

    while ( len < sizeof(line) - 1 && (!len || line[len - 1] != '\n') )
    {
        if ( poll(&pfd, 1, 5000) != 1 )
            fail_msg("no answer");
        if ( recv(fd, line + len, 1, 0) != 1 )
            break;
        len++;
    }
    line[len] = '\0';

    return line;
}

static void hears(int fd, const char *text)
{
    const char *line = hear(fd);

    if ( !strstr(line, text) )
        fail_msg("\"%s\" has no \"%s\"", line, text);
}

static void it_tells_its_status(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "{\"execute\":\"status\"}\n");
    hears(fd, "\"domain\":\"quo\\\"ted\\n\"");
    say(fd, "{\"execute\":\"status\"}\n{\"execute\":\"status\"}\n");
    hears(fd, "\"test.speed\":\"5\"");
    assert_null(strstr(hear(fd), "test.shape"));
    close(fd);
}

static void live_options_are_set_all_or_none(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "{\"execute\":\"set\",\"arguments\":{\"speed\":9}}\n");
    hears(fd, "{\"return\":{}}");
    assert_int_equal(opt_u64(f.opts, "test", "speed"), 9);
    assert_string_equal(f.set, "speed=9");
    say(fd, "{\"execute\":\"set\",\"arguments\":{\"speed\":8,"
            "\"shape\":1}}\n");
    hears(fd, "can't be changed");
    assert_int_equal(opt_u64(f.opts, "test", "speed"), 9);
    close(fd);
}

static void a_cancel_is_passed_on(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "{\"execute\":\"cancel\"}\n");
    hears(fd, "{\"return\":{}}");
    assert_int_equal(f.cancels, 1);
    f.late = true;
    say(fd, "{\"execute\":\"cancel\"}\n");
    hears(fd, "too late");
    close(fd);
}

static void watchers_hear_of_changes_and_of_the_end(void **state)
{
    int fd = client(), other = client();
    const char *line;

    (void)state;
    say(fd, "{\"execute\":\"watch\",\"arguments\":{\"interval\":60000}}\n");
    hears(fd, "\"dirty-sync-count\":0");
    f.rounds = 1;
    hears(fd, "\"dirty-sync-count\":1");
    say(other, "{\"execute\":\"cancel\",\"arguments\":{\"watch\":true}}\n");
    hears(other, "{\"return\":{}}");
    monitor_end(f.m, -ECANCELED, "somebody said so");
    f.m = NULL;
    hears(fd, "\"status\":\"cancelled\"");
    assert_string_equal(hear(fd), "");
    /* What it watches came first. */
    while ( !strstr(line = hear(other), "\"end\":true") )
        assert_true(line[0]);
    assert_non_null(strstr(line, "\"end\":true,\"error\":{\"code\":-125,"
                           "\"text\":\"somebody said so\"}"));
    close(other);
    close(fd);
}

static void nonsense_ends_the_conversation(void **state)
{
    char line[MONITOR_REQUEST_MAX + 100];
    int fd = client();

    (void)state;
    say(fd, "GET / HTTP/1.0\n{\"execute\":\"cancel\"}\n");
    hears(fd, "\"code\":-71");
    assert_string_equal(hear(fd), "");
    close(fd);
    assert_int_equal(f.cancels, 0);

    fd = client();
    memset(line, ' ', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    say(fd, line);
    hears(fd, "4096 bytes");
    close(fd);
}

static void who_does_not_read_harms_nobody(void **state)
{
    int deaf = client(), fd = client(), flags = fcntl(deaf, F_GETFL);
    static const char ask[] = "{\"execute\":\"status\"}\n";
    unsigned int i;

    (void)state;
    fcntl(deaf, F_SETFL, flags | O_NONBLOCK);
    /* Until nothing more goes in. */
    for ( i = 0; i < 1000000 &&
          send(deaf, ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0; i++ )
        continue;
    assert_true(i < 1000000);
    say(fd, "{\"execute\":\"status\"}\n");
    hears(fd, "\"domid\":7");
    monitor_end(f.m, 0, "");
    f.m = NULL;
    close(deaf);
    close(fd);
}

static void too_many_are_turned_away(void **state)
{
    int fd[12], i, served = 0;

    (void)state;
    for ( i = 0; i < 12; i++ )
    {
        fd[i] = client();
        if ( send(fd[i], "{\"execute\":\"status\"}\n", 21,
                  MSG_NOSIGNAL) == 21 )
            served += strstr(hear(fd[i]), "domid") != NULL;
    }
    assert_int_equal(served, 8);
    for ( i = 0; i < 12; i++ )
        close(fd[i]);
    i = client();
    close(i);
}

static void strangers_are_turned_away(void **state)
{
    char path[128];
    int st, fd;
    pid_t pid;

    (void)state;
    if ( geteuid() )
        skip();
    /* Even if the permissions would let them in. */
    snprintf(path, sizeof(path), "%s/run", f.dir);
    chmod(f.dir, 0755);
    chmod(path, 0755);
    fd = open(path, O_RDONLY | O_DIRECTORY);
    pid = fork();
    if ( !pid )
    {
        char name[MONITOR_NAME], c;
        int s;

        monitor_dir_name(f.id, true, name);
        if ( fchmodat(fd, name, 0666, 0) || setuid(65534) ||
             monitor_dir_connect(fd, name, &s) )
            _exit(2);
        send(s, "{\"execute\":\"cancel\"}\n", 21, MSG_NOSIGNAL);
        fcntl(s, F_SETFL, 0);
        _exit(recv(s, &c, 1, 0) == 1);
    }
    assert_int_equal(waitpid(pid, &st, 0), pid);
    close(fd);
    assert_true(WIFEXITED(st));
    assert_int_equal(WEXITSTATUS(st), 0);
    assert_int_equal(f.cancels, 0);
    /* And such a directory is not looked at any more. */
    assert_int_equal(monitor_dir_open(f.dir, false, &fd), -EPERM);
    chmod(path, 0700);
}

/* ---- xmig_monitor() ----------------------------------------------------- */

static int keep(void *data, const char *line)
{
    snprintf(data, 256, "%s", line);

    return 0;
}

static void the_caller_finds_it_by_name_number_and_id(void **state)
{
    static const char ask[] = "{\"execute\":\"status\"}";
    char id[IDENT_TEXT], line[256];

    (void)state;
    assert_int_equal(xmig_monitor(f.dir, NULL, ask, keep, line), 0);
    assert_int_equal(xmig_monitor(f.dir, "7", ask, keep, line), 0);
    assert_int_equal(xmig_monitor(f.dir, "quo\"ted\n", ask, keep, line), 0);
    assert_int_equal(xmig_monitor(f.dir, ident_text(f.id, id), ask, keep,
                                  line), 0);
    assert_int_equal(xmig_monitor(f.dir, "8", ask, keep, line), -ENOENT);
    assert_int_equal(xmig_monitor("/nowhere", NULL, ask, keep, line),
                     -ENOENT);
    assert_int_equal(xmig_monitor(f.dir, "7", "nonsense", keep, line), 0);
    assert_non_null(strstr(line, "error"));
}

static void what_the_dead_left_is_removed(void **state)
{
    char path[192], other[IDENT_TEXT], line[256];
    uint8_t id[IDENT_BYTES];
    int dir, fd, st;
    pid_t pid;

    (void)state;
    assert_int_equal(ident_random(id), 0);
    pid = fork();
    if ( !pid )
        _exit(0);
    assert_int_equal(waitpid(pid, &st, 0), pid);
    /* A socket without a listener, and one that never got its name. */
    assert_int_equal(monitor_dir_open(f.dir, false, &dir), 0);
    snprintf(path, sizeof(path), "%s.source", ident_text(id, other));
    assert_int_equal(monitor_dir_listen(dir, path, &fd), 0);
    close(fd);
    snprintf(path, sizeof(path), ".%d.%s.source", (int)pid, other);
    fd = openat(dir, path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    close(dir);
    assert_int_equal(xmig_monitor(f.dir, NULL, "{\"execute\":\"status\"}",
                                  keep, line), 0);
    /* finish() finds the directory empty. */
}

#define T(x) cmocka_unit_test_setup_teardown(x, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_understood),
        cmocka_unit_test(nonsense_is_refused),
        T(it_tells_its_status),
        T(live_options_are_set_all_or_none),
        T(a_cancel_is_passed_on),
        T(watchers_hear_of_changes_and_of_the_end),
        T(nonsense_ends_the_conversation),
        T(who_does_not_read_harms_nobody),
        T(too_many_are_turned_away),
        T(strangers_are_turned_away),
        T(the_caller_finds_it_by_name_number_and_id),
        T(what_the_dead_left_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
