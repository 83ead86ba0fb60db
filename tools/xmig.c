/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig: the table of commands, and the options that stand before one.
 */
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "libxl-hooks.h"

const struct command commands[] = {
    { "list", "[-l] [--json] [DOMAIN]", "list the domains of this host",
      "-l, --long        all details, as JSON\n"
      "    --json        the same\n",
      cmd_list },
    { "save", "[-c | -p] [--plain] DOMAIN FILE",
      "save a domain to a file (- is the standard output)",
      "-c                leave the domain running\n"
      "-p                leave the domain paused\n"
      "    --plain       only the stream that stock tools read, without the\n"
      "                  configuration in front of it\n"
      "    --json        print the figures as JSON\n",
      cmd_save },
    { "restore", "[-p] [-C CONFIG | CONFIG] FILE",
      "build a domain from a file (- is the standard input)",
      "-p                leave the domain paused\n"
      "-C, --config FILE configuration in the syntax of xl.cfg; needed where\n"
      "                  the file brings none\n"
      "    --json        print the figures as JSON\n",
      cmd_restore },
    { "migrate", "[OPTIONS] DOMAIN HOST[:PORT]",
      "move a running domain to another host",
      "-s SSH            command in place of ssh; '': HOST is all of it\n"
      "    --port PORT   connect to an xmig receive that listens there; as\n"
      "                  HOST:PORT\n"
      "    --tcp         the same, on its usual port (8002)\n"
      "-e, -F            by ssh: no process stays there for libxl's domain\n"
      "    --live        accepted: it always is\n"
      "    --json        print the figures as JSON\n"
      "    --set K=V     set an option by its full name\n"
      "    --NAME VALUE  set any option that xmig options lists, such as\n"
      "                  --bandwidth, --downtime-limit, --max-iters,\n"
      "                  --parallel, --auto-converge, --abort-if-busy\n"
      "    --timeout S   for the copying; then\n"
      "    --timeout-abort     give up (what happens by itself)\n"
      "    --timeout-suspend   switch over, however long the pause\n"
      "    --timeout-postcopy  go over to post-copy\n"
      "    --postcopy    run there at once, memory follows\n"
      "    --postcopy-after-precopy\n"
      "                  the same after --postcopy-rounds N of copying, or\n"
      "                  as soon as another gains nothing\n"
      "    --postcopy-ready    when xmig postcopy says so\n"
      "    --postcopy-spill DIR\n"
      "                  both hosts reach it: survive the source's death\n"
      "    --log-json FILE     write what happens, a JSON object a line, for\n"
      "                  xmig report\n",
      cmd_migrate },
    { "receive",
      "[--listen ADDR[:PORT]] [--port PORT] [--once] [--json] [OPTIONS]\n"
      "       xmig receive --stdio",
      "receive domains that are migrated here",
      "    --listen A    address to listen on, or A:PORT (all, 8002)\n"
      "    --port PORT   port to listen on\n"
      "    --once        end after one migration\n"
      "    --stdio       serve the connection on standard input and output;\n"
      "                  xmig migrate starts it by ssh\n"
      "    --json        print a JSON object for each migration\n"
      "-e                leave no xmig watch behind for domains of libxl\n"
      "    --trusted-peers\n"
      "                  accept domains of libxl that name this host's\n"
      "                  files (disks, scripts) from whoever can connect\n"
      "    --set K=V     set an option by its full name\n"
      "    --NAME VALUE  set any option that xmig options lists; io-timeout\n"
      "                  and recover-timeout matter here\n",
      cmd_receive },
    { "status", "[--json] [--watch] [--interval MS] [DOMAIN | ID]",
      "show the migrations that run here, from either end",
      "    --json        print JSON: a list; with --watch an object a line\n"
      "    --watch       go on showing one until it has ended, and end with\n"
      "                  the exit status of its xmig migrate\n"
      "    --interval MS how often (500), beside each change\n",
      cmd_status },
    { "cancel", "[DOMAIN | ID]",
      "stop a migration; the domain runs on at its source",
      "    --no-wait     only ask it to stop\n",
      cmd_cancel },
    { "postcopy", "[DOMAIN | ID]",
      "go over to post-copy: run at the destination now, memory follows", "",
      cmd_postcopy },
    { "set", "[DOMAIN | ID] NAME=VALUE...",
      "change options of a migration that runs, at its source", "",
      cmd_set },
    { "report", "[-o FILE.svg] LOG",
      "draw a migration from the log of xmig migrate --log-json",
      "-o, --output FILE where to (the standard output)\n", cmd_report },
    { "watch", "[-F] DOMAIN",
      "act on the shutdown of a domain of libxl, as xl create does",
      "-F                stay in the foreground\n",
      cmd_watch },
    { "recover", "[--fenced] [DOMAIN]",
      "settle migrations whose outcome is not known",
      "    --fenced      the destination is off and will not come back with\n"
      "                  the guest: resume it here; at the destination\n"
      "                  of a post-copy: the source is, the guest is lost\n",
      cmd_recover },
    { "dump", "[--json] [FILE]",
      "print a saved domain's stream, a line a record, or refuse it",
      "    --json        print a JSON object for each record\n",
      cmd_dump },
    { "options", "[--names | --json]", "list the options of migrate",
      "    --names       only their names\n"
      "    --json        as JSON\n",
      cmd_options },
    { "help", "[COMMAND]", "explain a command", "", cmd_help },
    { "version", "[--json]", "print the version",
      "    --json        as JSON\n", cmd_version },
    { NULL, NULL, NULL, NULL, NULL },
};

struct cli cli;

static const struct arg_opt global_opts[] = {
    { 'v', "verbose", false },
    { 't', "progress", false },
    { 'f', "force", false },             /* of xl; nothing to force here */
    { 'h', "help", false },
    { 'V', "version", false },
    { 256, "state-dir", true },
    { 0, NULL, false },
};

/* What was printed may not have arrived. */
static int finish(int status)
{
    if ( !fflush(stdout) && !ferror(stdout) )
        return status;
    cli_complain("write to the standard output: %s", strerror(errno));
    return status ? status : EXIT_NOTHING;
}

int main(int argc, char **argv)
{
    static char help_word[] = "help";
    const struct command *cmd;
    struct args a;
    int opt;

    if ( argc > 1 && !strcmp(argv[1], HELPER_RESTORE) )
        return libxl_helper(argv);
    if ( argc > 1 && !strcmp(argv[1], HOLD) )
        return cli_hold(argc, argv);
    args_init(&a, NULL, argc, argv);
    while ( (opt = args_next(&a, global_opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 'v':
            cli.verbose++;
            break;
        case 't':
            cli.progress = true;
            break;
        case 'f':
            break;
        case 'h':
            a.value = help_word;
            goto word;
        case 'V':
            return cmd_version(NULL, 1, argv);
        case 256:
            cli.state_dir = a.value;
            break;
        case ARG_WORD:
            goto word;
        case ARG_OTHER:
            return cli_usage(NULL, "unknown option --%s", a.name);
        default:
            return EXIT_NOTHING;
        }
    }

    cli_help(stderr, NULL);
    return EXIT_NOTHING;

 word:
    for ( cmd = commands; cmd->name; cmd++ )
        if ( !strcmp(cmd->name, a.value) )
            return finish(cmd->run(cmd, argc - a.at + 1, argv + a.at - 1));

    return cli_usage(NULL, "there is no command \"%s\"", a.value);
}
