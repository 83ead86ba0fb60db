/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * 128-bit identities (migration, boot, token, domain uuid) as text in the
 * usual form 8-4-4-4-12, lower case.  Sixteen zeros are "no identity".
 */
#ifndef XMIG_IDENT_H
#define XMIG_IDENT_H

#include <stdbool.h>
#include <stdint.h>

#define IDENT_BYTES 16
#define IDENT_TEXT  37           /* with the NUL */

/* Returns text. */
char *ident_text(const uint8_t id[IDENT_BYTES], char text[IDENT_TEXT]);
/* -EINVAL if text is anything but one identity. */
int ident_parse(const char *text, uint8_t ret_id[IDENT_BYTES]);
bool ident_equal(const uint8_t a[IDENT_BYTES], const uint8_t b[IDENT_BYTES]);
bool ident_is_null(const uint8_t id[IDENT_BYTES]);
/* A random (version 4) identity from the kernel; -errno if it has none. */
int ident_random(uint8_t ret_id[IDENT_BYTES]);

#endif
