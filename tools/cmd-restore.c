/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig restore: a domain out of a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

static int report(struct xmig *s, const char *file, uint32_t domid,
                  bool paused, bool json, int rc)
{
    const struct xmig_error *err = xmig_error(s);
    struct xmig_stats st;
    struct json_object *obj;
    char what[512];

    xmig_get_stats(s, &st);
    if ( json )
    {
        obj = cli_json_outcome(err, rc, &st);
        json_object_object_add(obj, "file", json_object_new_string(file));
        if ( !rc )
            json_object_object_add(obj, "domid",
                                   json_object_new_int64(domid));
        cli_json_print(obj);
    }
    if ( rc )
    {
        snprintf(what, sizeof(what), "restore %.400s", file);
        return cli_fail(err, rc, what);
    }
    if ( !json )
    {
        printf("domain %"PRIu32" is restored\n", domid);
        cli_table(stdout, &st, paused ? "is paused here" : "runs here");
    }
    return EXIT_DONE;
}

static int open_and_restore(const char *file, const char *config, bool paused,
                            bool json)
{
    struct xmig *s = NULL;
    uint32_t domid = 0;
    int fd, rc, status;

    status = cli_open(&s);
    if ( status )
        return status;
    fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if ( fd < 0 )
    {
        cli_complain("open %s: %s", file, strerror(errno));
        status = EXIT_NOTHING;
        goto out;
    }

    cli_cancel_on_signal(s);
    cli_progress_begin(s);
    rc = xmig_restore(s, fd, config, paused, &domid);
    cli_progress_end(s);
    status = report(s, file, domid, paused, json, rc);

 out:
    if ( fd > STDERR_FILENO )
        close(fd);
    cli_close(s);
    return status;
}

int cmd_restore(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 'p', NULL, false },
        { 'e', NULL, false },            /* xl: nothing waits in background */
        { 'C', "config", true },
        { 256, "json", false },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    const char *words[2] = { NULL, NULL }, *config = NULL;
    bool paused = false, json = false;
    unsigned int nr = 0;
    struct args a;
    int opt;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 'p':
            paused = true;
            break;
        case 'e':
            break;
        case 'C':
            config = a.value;
            break;
        case 256:
            json = true;
            break;
        case ARG_WORD:
            if ( nr == 2 )
                return args_usual(&a, opt);
            words[nr++] = a.value;
            break;
        default:
            return args_usual(&a, opt);
        }
    }
    if ( !nr )
        return cli_usage(cmd, "needs a file");
    if ( nr == 2 && config )
        return cli_usage(cmd, "two configurations, %s and %s", config,
                         words[0]);
    if ( nr == 2 )
        config = words[0];

    return open_and_restore(words[nr - 1], config, paused, json);
}
