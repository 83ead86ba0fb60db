/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The log that "xmig report" draws: whatever it is, it is refused, or becomes
 * a picture without markup of the log's own.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *f = fmemopen((void *)data, size ? size : 1, "r"), *out;
    struct report r;
    unsigned long line;
    char *svg = NULL;
    size_t len;

    if ( !f )
        return 0;
    if ( !report_read(f, &r, &line) )
    {
        out = open_memstream(&svg, &len);
        if ( out && !report_draw(out, &r) && !fclose(out) &&
             strstr(svg, "<script") )
            abort();
        free(svg);
    }
    report_done(&r);
    fclose(f);

    return 0;
}
