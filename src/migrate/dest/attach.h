/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Handing a connection over from the process that has it on its standard
 * input and output to the one of this host that runs the migration.
 *
 * The receiver of a migration listens on the Unix socket "<id>" in the
 * directory "attach" below the state directory (0700); both ends look at the
 * other's user.  The descriptors themselves go over, so no byte is copied.
 */
#ifndef XMIG_ATTACH_H
#define XMIG_ATTACH_H

#include "chan.h"
#include "err.h"
#include "ident.h"

struct attach_listener
{
    int fd;                      /* -1: none */
    int dir_fd;
    char name[IDENT_TEXT];
};

/* -EADDRINUSE: a process that runs this migration listens already. */
int attach_listen(struct attach_listener *l, const char *state_dir,
                  const uint8_t id[IDENT_BYTES], struct err *e);
void attach_close(struct attach_listener *l);
/*
 * Wait for somebody who hands over a connection; *ret_fd is to be kept open
 * for as long as it lasts.  As chan_accept(); -EACCES (with text): it was
 * another user's, go on.
 */
int attach_accept(const struct attach_listener *l,
                  const struct cancel *cancel, struct err *e, int *ret_fd);
/* Take what is handed over: two descriptors (maybe one socket twice), and
 * what has been read of the connection.  -ENODATA, without a text: nothing
 * was. */
int attach_take(int fd, uint64_t deadline_us, const struct cancel *cancel,
                struct err *e, int ret_fds[2],
                uint8_t ret_read[CHAN_UNREAD_MAX], size_t *ret_nr_read);

/*
 * Hand over a connection, of which read has been read, to the process that
 * runs migration id.  The caller closes its copies of the descriptors, and
 * waits for the end of *ret_fd.
 *   -ENOENT  there is none
 */
int attach_give(const char *state_dir, const uint8_t id[IDENT_BYTES],
                const int fds[2], const void *read, size_t nr_read,
                struct err *e, int *ret_fd);
/* Remove the sockets of processes that are gone. */
void attach_tidy(const char *state_dir);

#endif
