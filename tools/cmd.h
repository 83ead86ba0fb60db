/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the commands of xmig share: arguments, the handle, errors with their
 * exit status, progress.  A command prints its own failure and returns the
 * exit status.
 */
#ifndef CMD_H
#define CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "xmig.h"

/* Exit statuses; docs/man/xmig.1 has the same list. */
enum
{
    EXIT_DONE        = 0,
    EXIT_NOTHING     = 1,        /* failed, no guest is concerned; usage */
    EXIT_SOURCE      = 2,        /* failed, the guest is where it was */
    EXIT_DESTINATION = 3,        /* failed, but the guest runs there */
    EXIT_SPLIT       = 4,        /* runs there, pages are still here */
    EXIT_DOUBT       = 5,        /* runs nowhere until it is settled */
    EXIT_LOST        = 6,        /* cannot run any more */
};

struct command
{
    const char *name;
    const char *args;            /* for the usage line */
    const char *help;            /* one line */
    const char *text;            /* options, a line each; "" = none */
    int (*run)(const struct command *cmd, int argc, char **argv);
};

/* Ended by a row without a name. */
extern const struct command commands[];

int cmd_list(const struct command *cmd, int argc, char **argv);
int cmd_save(const struct command *cmd, int argc, char **argv);
int cmd_restore(const struct command *cmd, int argc, char **argv);
int cmd_migrate(const struct command *cmd, int argc, char **argv);
int cmd_receive(const struct command *cmd, int argc, char **argv);
int cmd_status(const struct command *cmd, int argc, char **argv);
int cmd_cancel(const struct command *cmd, int argc, char **argv);
int cmd_postcopy(const struct command *cmd, int argc, char **argv);
int cmd_set(const struct command *cmd, int argc, char **argv);
int cmd_report(const struct command *cmd, int argc, char **argv);
int cmd_watch(const struct command *cmd, int argc, char **argv);
int cmd_recover(const struct command *cmd, int argc, char **argv);
int cmd_dump(const struct command *cmd, int argc, char **argv);
int cmd_options(const struct command *cmd, int argc, char **argv);
int cmd_help(const struct command *cmd, int argc, char **argv);
int cmd_version(const struct command *cmd, int argc, char **argv);

/* What stands before the verb. */
struct cli
{
    int verbose;                 /* -v, how often */
    bool progress;               /* -t */
    const char *state_dir;       /* NULL = the usual one */
};
extern struct cli cli;

/* ---- Arguments (cli-args.c) --------------------------------------------- */

struct arg_opt
{
    int id;                      /* the letter, or a number above 255 */
    const char *name;            /* long form without dashes, or NULL */
    bool value;                  /* takes one */
};

/* Results of args_next() other than an id. */
#define ARG_END        (-1)
#define ARG_WORD       (-2)      /* value is a word that is no option */
#define ARG_OTHER      (-3)      /* name is a long option that is not in the
                                    list, value what follows '=' or NULL */
#define ARG_BAD        (-4)      /* has been reported */

struct args
{
    const struct command *cmd;   /* for messages; NULL = xmig itself */
    int argc;
    char **argv;
    int at;
    const char *letters;         /* rest of "-abc" */
    bool words_only;             /* "--" has been seen */
    char name[64];               /* dashes for underscores */
    char *value;
};

/* Begin behind argv[0]. */
void args_init(struct args *a, const struct command *cmd, int argc,
               char **argv);
/* The next option or word, in any order.  opts is ended by an id of 0. */
int args_next(struct args *a, const struct arg_opt *opts);
/* What a command has no case for: help, too many words, unknown options.
 * Returns the exit status. */
int args_usual(struct args *a, int opt);
/* The value of an ARG_OTHER: what follows '=', or the next argument; "on" for
 * a switch that none is given for. */
char *args_other_value(struct args *a);

/* Complain about usage: text, then the usage line.  Returns EXIT_NOTHING. */
int cli_usage(const struct command *cmd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The usage line alone, and the whole help of a command. */
void cli_usage_line(FILE *f, const struct command *cmd);
void cli_help(FILE *f, const struct command *cmd);

/* "host", "host:port", "[v6]:port" cut in two in place; port 0 if there is
 * none.  False, and *ret_why says why, if it is malformed. */
bool cli_host_port(char *text, char **ret_host, uint16_t *ret_port,
                   const char **ret_why);
bool cli_port(const char *text, uint16_t *ret_port);
/* The value of --port: 0, or the exit status after telling what is wrong. */
int cli_port_option(const struct command *cmd, const char *text,
                    uint16_t *ret_port);

/* ---- Options of the library (cli-settings.c) ---------------------------- */

struct settings
{
    struct setting { char *key; const char *value; } *list;
    unsigned int nr;
};

/* key is copied, value is not.  All return 0 or the exit status. */
int cli_settings_add(struct settings *l, const char *key,
                     const char *value);
/* NAME=VALUE, of --set; cut in two in place. */
int cli_settings_word(struct settings *l, const struct command *cmd,
                      char *text);
int cli_settings_apply(const struct settings *l, const struct command *cmd,
                       struct xmig *s);
/* The last value given for it by this name, or NULL. */
const char *cli_settings_value(const struct settings *l, const char *key);
void cli_settings_done(struct settings *l);

/* ---- The handle (cli-host.c) -------------------------------------------- */

/*
 * Open the library and set the state directory.  Returns 0, or the exit
 * status after telling why not.
 */
int cli_open(struct xmig **ret_s);
/* A logger to the standard error, the caller's (xtl_logger_destroy()); NULL:
 * no memory. */
struct xentoollog_logger *cli_log_open(void);
/* Of the migrations' journals and monitors; NULL: the library's default. */
const char *cli_state_dir(void);
void cli_close(struct xmig *s);
/* SIGINT and SIGTERM cancel the operation of s from now on; NULL = none. */
void cli_cancel_on_signal(struct xmig *s);
/* Find a domain; returns 0, or the exit status after telling why not. */
int cli_find(struct xmig *s, const char *name_or_id, uint32_t *ret_domid);

/* ---- The holder (cmd-hold.c) -------------------------------------------- */

#define HOLD "--hold"
/* Have one started for each post-copy that is received. */
void cli_use_holder(struct xmig *s, const struct settings *settings,
                    bool stdio, bool no_watch);
/* When the handle has been closed. */
void cli_holder_done(void);
/* It is one: argv[1] is HOLD. */
int cli_hold(int argc, char **argv);

/* ---- Failures (cli-error.c) --------------------------------------------- */

/* "xmig: ...": for failures of the command line itself. */
void cli_complain(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
/*
 * Tell what an operation ended with: the sentence, where the guest is, what
 * to do.  what names the operation ("migrate worker to host").
 * Returns the exit status.
 */
int cli_fail(const struct xmig_error *err, int rc, const char *what);
int cli_status(const struct xmig_error *err, int rc);
const char *cli_guest_sentence(enum xmig_guest guest);

/* ---- Progress and figures (cli-progress.c) ------------------------------ */

/* Show a line of progress on stderr, if it is a terminal or -t was given. */
void cli_progress_begin(struct xmig *s);
void cli_progress_end(struct xmig *s);
/* Something else is going to be printed. */
void cli_progress_break(void);
/* A line that stays, about a round that has ended. */
void cli_progress_round(const struct xmig_stats *st);
/* A line for the standard error, beside the one of progress: data is what to
 * put in front of it (char *).  Any thread. */
void cli_remote_line(void *data, const char *line);
/* The table at the end. */
void cli_table(FILE *f, const struct xmig_stats *st, const char *guest);
/* "12.3 MiB" */
const char *cli_bytes(uint64_t bytes, char buf[32]);
/* "1.23 s", "45.6 ms" */
const char *cli_time(uint64_t us, char buf[32]);

/* ---- Events (cli-events.c) ---------------------------------------------- */

/*
 * Tell of a migration that does not converge, and write a log of events, an
 * object a line, to the file; path NULL = no log.  0 or the exit status.
 */
int cli_events_begin(struct xmig *s, const char *path, const char *domain,
                     const char *peer);
void cli_events_end(struct xmig *s);

/* ---- JSON (cli-json.c) -------------------------------------------------- */

struct json_object;

struct json_object *cli_json_stats(const struct xmig_stats *st);
/* {"status", "guest", "error"?, ...stats}; the caller adds its own. */
struct json_object *cli_json_outcome(const struct xmig_error *err, int rc,
                                     const struct xmig_stats *st);
void cli_uuid_text(const uint8_t uuid[16], char text[37]);
/* Print, newline, free. */
void cli_json_print(struct json_object *obj);

#endif
