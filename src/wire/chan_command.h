/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A command as a connection: its standard input and output are one socket,
 * as xl uses ssh.  What it writes to its standard error is handed on line by
 * line, and the last word of it is kept for the error.
 *
 * The command ignores SIGHUP, SIGINT and SIGQUIT, which a terminal sends to
 * all of its foreground at once: the operation ends it in its own time.  It
 * stays in the foreground so that ssh can ask for a password.
 *
 * Thread: one at a time per command, but for what the lines are handed to,
 * which has a thread of its own.
 */
#ifndef XMIG_CHAN_COMMAND_H
#define XMIG_CHAN_COMMAND_H

#include "chan.h"

/* A line without its end and without control characters. */
typedef void chan_command_line_fn(void *data, const char *line);

struct chan_command;

/*
 * Run text by sh.  *ret_fd is our end of its socket, the caller's to close;
 * on_line may be NULL.
 *   -ENOMEM, -EMFILE, -EAGAIN
 */
int chan_command_start(const char *text, chan_command_line_fn *on_line,
                       void *data, struct err *e,
                       struct chan_command **ret_command, int *ret_fd);

/* Wait until it has ended.  False: it still runs. */
bool chan_command_wait(struct chan_command *c, uint64_t deadline_us);
/*
 * How it ended and what it said last: "ended with status 255 (ssh: connect
 * to ...)"; "still runs".  *ret_status (may be NULL): its exit status, -1 if
 * it has none.
 */
#define CHAN_COMMAND_TEXT 320
void chan_command_describe(struct chan_command *c,
                           char text[CHAN_COMMAND_TEXT], int *ret_status);
/*
 * Free it: a command that has not ended by the deadline gets SIGTERM, and
 * SIGKILL soon after.  Nothing is left of it.  c may be NULL.
 */
void chan_command_end(struct chan_command *c, uint64_t deadline_us);

#endif
