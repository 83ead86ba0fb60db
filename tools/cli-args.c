/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Arguments: options and words in any order, underscores in long options as
 * good as dashes, and usage messages that all look alike.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

void args_init(struct args *a, const struct command *cmd, int argc,
               char **argv)
{
    memset(a, 0, sizeof(*a));
    a->cmd = cmd;
    a->argc = argc;
    a->argv = argv;
    a->at = 1;
}

static int bad(struct args *a)
{
    a->at = a->argc;
    return ARG_BAD;
}

static int long_option(struct args *a, char *text,
                       const struct arg_opt *opts)
{
    char *eq = strchr(text, '=');
    size_t i, len = eq ? (size_t)(eq - text) : strlen(text);

    if ( len >= sizeof(a->name) )
    {
        cli_usage(a->cmd, "unknown option --%.40s...", text);
        return bad(a);
    }
    for ( i = 0; i < len; i++ )
        a->name[i] = text[i] == '_' ? '-' : text[i];
    a->name[len] = '\0';
    a->value = eq ? eq + 1 : NULL;

    for ( ; opts->id; opts++ )
        if ( opts->name && !strcmp(opts->name, a->name) )
            break;
    if ( !opts->id )
        return ARG_OTHER;

    if ( opts->value && !a->value )
    {
        if ( a->at >= a->argc )
        {
            cli_usage(a->cmd, "--%s needs a value", a->name);
            return bad(a);
        }
        a->value = a->argv[a->at++];
    }
    if ( !opts->value && a->value )
    {
        cli_usage(a->cmd, "--%s takes no value", a->name);
        return bad(a);
    }
    return opts->id;
}

static int letter_option(struct args *a, const struct arg_opt *opts)
{
    char letter = *a->letters++;

    for ( ; opts->id; opts++ )
        if ( opts->id == letter )
            break;
    if ( !opts->id )
    {
        cli_usage(a->cmd, "unknown option -%c", letter);
        return bad(a);
    }
    if ( !opts->value )
        return opts->id;

    a->value = (char *)a->letters;
    a->letters = NULL;
    if ( *a->value )
        return opts->id;
    if ( a->at >= a->argc )
    {
        cli_usage(a->cmd, "-%c needs a value", letter);
        return bad(a);
    }
    a->value = a->argv[a->at++];
    return opts->id;
}

int args_next(struct args *a, const struct arg_opt *opts)
{
    char *arg;

    a->value = NULL;
    if ( a->letters && *a->letters )
        return letter_option(a, opts);

    if ( a->at >= a->argc )
        return ARG_END;
    arg = a->argv[a->at++];

    if ( !a->words_only && !strcmp(arg, "--") )
    {
        a->words_only = true;
        return args_next(a, opts);
    }
    if ( a->words_only || arg[0] != '-' || !arg[1] )
    {
        a->value = arg;
        return ARG_WORD;
    }
    if ( arg[1] == '-' )
        return long_option(a, arg + 2, opts);

    a->letters = arg + 1;
    return letter_option(a, opts);
}

/* Is this an option of the library that is on or off? */
static bool is_switch(const char *name)
{
    struct xmig_option o;
    const char *dot;
    unsigned int i;

    for ( i = 0; !xmig_option_get(NULL, i, &o); i++ )
    {
        dot = strchr(o.key, '.');
        if ( !strcmp(o.key, name) || (dot && !strcmp(dot + 1, name)) )
            return !strcmp(o.max, "on");
    }
    return false;
}

static bool is_truth(const char *word)
{
    static const char *const words[] = { "0", "1", "on", "off", "yes", "no",
                                         "true", "false" };
    size_t i;

    for ( i = 0; word && i < sizeof(words) / sizeof(words[0]); i++ )
        if ( !strcmp(word, words[i]) )
            return true;
    return false;
}

char *args_other_value(struct args *a)
{
    static char on[] = "on";

    if ( a->value )
        return a->value;
    /* By itself it means that it is on. */
    if ( is_switch(a->name) && !is_truth(a->argv[a->at]) )
        return on;
    if ( a->at < a->argc )
        return a->argv[a->at++];

    cli_usage(a->cmd, "--%s needs a value", a->name);
    return NULL;
}

int args_usual(struct args *a, int opt)
{
    switch ( opt )
    {
    case 'h':
        cli_help(stdout, a->cmd);
        return EXIT_DONE;
    case ARG_WORD:
        return cli_usage(a->cmd, "\"%s\" is too much", a->value);
    case ARG_OTHER:
        return cli_usage(a->cmd, "unknown option --%s", a->name);
    }
    return EXIT_NOTHING;                 /* has been reported */
}

/* ---- Messages about usage ----------------------------------------------- */

void cli_usage_line(FILE *f, const struct command *cmd)
{
    if ( cmd )
        fprintf(f, "usage: xmig %s %s\n", cmd->name, cmd->args);
    else
        fputs("usage: xmig [-v] [-t] [--state-dir DIR] COMMAND ...\n", f);
}

int cli_usage(const struct command *cmd, const char *fmt, ...)
{
    va_list ap;

    if ( cmd )
        fprintf(stderr, "xmig %s: ", cmd->name);
    else
        fputs("xmig: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    cli_usage_line(stderr, cmd);
    fprintf(stderr, "\"xmig help%s%s\" says more.\n", cmd ? " " : "",
            cmd ? cmd->name : "");

    return EXIT_NOTHING;
}

/* The option lines of a command, indented. */
static void print_lines(FILE *f, const char *text)
{
    while ( *text )
    {
        int len = strcspn(text, "\n");

        fprintf(f, "  %.*s\n", len, text);
        text += len + !!text[len];
    }
}

void cli_help(FILE *f, const struct command *cmd)
{
    cli_usage_line(f, cmd);
    if ( cmd )
    {
        fprintf(f, "\n%s: %s\n", cmd->name, cmd->help);
        if ( cmd->text[0] )
        {
            fputs("\n", f);
            print_lines(f, cmd->text);
        }
        return;
    }

    fputs("\nLive migration of Xen domains.\n\n", f);
    for ( cmd = commands; cmd->name; cmd++ )
        fprintf(f, "  %-9s %s\n", cmd->name, cmd->help);
    fputs("\n  -v               log to the standard error; -vv, -vvv more\n"
          "  -t               show progress though that is no terminal\n"
          "  --state-dir DIR  directory of the migration journals\n"
          "\nxmig(1) has the exit statuses and examples.\n", f);
}

int cmd_help(const struct command *cmd, int argc, char **argv)
{
    const struct command *c;

    if ( argc > 2 )
        return cli_usage(cmd, "one command at a time");
    if ( argc == 2 && strcmp(argv[1], "--help") && strcmp(argv[1], "-h") )
    {
        for ( c = commands; c->name; c++ )
            if ( !strcmp(c->name, argv[1]) )
                break;
        if ( !c->name )
            return cli_usage(cmd, "there is no command \"%s\"", argv[1]);
        cli_help(stdout, c);
        return EXIT_DONE;
    }

    cli_help(stdout, NULL);
    return EXIT_DONE;
}

/* ---- Addresses ---------------------------------------------------------- */

bool cli_port(const char *text, uint16_t *ret_port)
{
    unsigned long port;
    char *end;

    if ( text[0] < '0' || text[0] > '9' )
        return false;
    port = strtoul(text, &end, 10);
    if ( *end || !port || port > UINT16_MAX )
        return false;
    *ret_port = port;
    return true;
}

int cli_port_option(const struct command *cmd, const char *text,
                    uint16_t *ret_port)
{
    if ( cli_port(text, ret_port) )
        return 0;
    return cli_usage(cmd, "--port %s: a port is a number from 1 to 65535",
                     text);
}

bool cli_host_port(char *text, char **ret_host, uint16_t *ret_port,
                   const char **ret_why)
{
    char *port = NULL, *close;

    *ret_port = 0;
    *ret_host = text;
    if ( text[0] == '[' )
    {
        close = strchr(text, ']');
        if ( !close || (close[1] && close[1] != ':') )
        {
            *ret_why = "an address in [] must end with ] or ]:PORT";
            return false;
        }
        *close = '\0';
        *ret_host = text + 1;
        port = close[1] ? close + 2 : NULL;
    }
    else
    {
        port = strchr(text, ':');
        if ( port && strchr(port + 1, ':') )
            port = NULL;                 /* IPv6 without a port */
        else if ( port )
            *port++ = '\0';
    }

    if ( !**ret_host )
    {
        *ret_why = "the host has no name";
        return false;
    }
    if ( port && !cli_port(port, ret_port) )
    {
        *ret_why = "a port is a number from 1 to 65535";
        return false;
    }
    return true;
}
