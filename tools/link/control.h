/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A link's directory, and talking to the program that runs the link: a line
 * to its socket, an answer until it closes.
 */
#ifndef LINK_CONTROL_H
#define LINK_CONTROL_H

#include <stddef.h>
#include <sys/un.h>

#define CONTROL_LINE_MAX 1024u
#define CONTROL_NAME_MAX 64u

/* Path of a file in the link's directory; -ENAMETOOLONG. */
int control_path(const char *dir, const char *file, char *buf, size_t room);
/* -ENAMETOOLONG */
int control_address(const char *dir, struct sockaddr_un *sun);

/* Send a line and print the answer; returns the exit status. */
int control_ask(const char *dir, const char *line);
/* Ends the program and waits until it has tidied up; exit status. */
int control_stop(const char *dir);
/* The name of "here" or "there". */
int control_netns(const char *dir, const char *end,
                  char ret_name[CONTROL_NAME_MAX]);

#endif
