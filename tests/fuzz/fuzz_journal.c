/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Journals, as a crash, a full disk or another version may have left them.
 *
 * Each line's checksum is made right first where the input says so (its first
 * byte is 'c'), as nothing but the first line would be looked at otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "journal_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM (1u << 16)

static void insist(int it_holds)
{
    if ( !it_holds )
        abort();
}

/* The lines, each without a checksum, with one. */
static size_t seal_lines(const char *text, size_t len, char *out)
{
    char line[JOURNAL_LINE_MAX];
    size_t used = 0, n;
    const char *nl;

    while ( len && (nl = memchr(text, '\n', len)) != NULL )
    {
        n = (size_t)(nl - text);
        if ( n > JOURNAL_LINE_MAX - 64 )
            break;
        memcpy(line, text, n);
        n = journal_seal(line, n);
        if ( used + n > ROOM )
            break;
        memcpy(out + used, line, n);
        used += n;
        len -= (size_t)(nl - text) + 1;
        text = nl + 1;
    }

    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[ROOM];
    struct journal_info info;
    enum journal_state state = JOURNAL_NR_;
    size_t len, used;
    int rc;

    if ( !size || size > ROOM )
        return 0;
    len = size - 1;
    if ( data[0] == 'c' )
        len = seal_lines((const char *)data + 1, len, text);
    else
        memcpy(text, data + 1, len);
    memset(&info, 0x5a, sizeof(info));
    rc = journal_parse(text, len, &info, &state, &used);
    if ( rc )
        return 0;
    insist(state < JOURNAL_NR_ && used <= len);
    insist(info.role == JOURNAL_SOURCE || info.role == JOURNAL_DESTINATION);
    insist(memchr(info.name, '\0', sizeof(info.name)) != NULL);
    insist(memchr(info.peer, '\0', sizeof(info.peer)) != NULL);

    return 0;
}
