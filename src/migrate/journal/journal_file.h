/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Private to journal*.c: lines and file names.
 */
#ifndef XMIG_JOURNAL_FILE_H
#define XMIG_JOURNAL_FILE_H

#include "journal.h"

/* Room for any line. */
#define JOURNAL_LINE_MAX (3 * (JOURNAL_NAME_MAX + JOURNAL_PEER_MAX) + 512)

/* "source", "destination" */
const char *journal_role_name(enum journal_role role);
/* Both return the line's length, newline included; a line has room for
 * JOURNAL_LINE_MAX bytes. */
size_t journal_first_line(char *line, const struct journal_info *info);
/* Add the crc and the newline behind used bytes. */
size_t journal_seal(char *line, size_t used);

#endif
