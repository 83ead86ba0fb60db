/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Identities as text.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ident.h"

#define TEXT "00112233-4455-6677-8899-aabbccddeeff"

static void text_goes_there_and_back(void **state)
{
    uint8_t id[IDENT_BYTES];
    char text[IDENT_TEXT];
    int i;

    (void)state;
    assert_int_equal(ident_parse(TEXT, id), 0);
    for ( i = 0; i < IDENT_BYTES; i++ )
        assert_int_equal(id[i], i * 0x11);
    assert_string_equal(ident_text(id, text), TEXT);
    assert_int_equal(ident_parse("00112233-4455-6677-8899-AABBCCDDEEFF", id),
                     0);
    assert_string_equal(ident_text(id, text), TEXT);
}

/* Cut, lengthened, or with a wrong character at any place. */
static void nothing_else_is_taken(void **state)
{
    uint8_t id[IDENT_BYTES], before[IDENT_BYTES];
    char text[IDENT_TEXT + 1];
    size_t i;

    (void)state;
    memset(id, 0x5a, sizeof(id));
    memcpy(before, id, sizeof(id));
    for ( i = 0; i < strlen(TEXT); i++ )
    {
        memcpy(text, TEXT, sizeof(TEXT));
        text[i] = '\0';
        assert_int_equal(ident_parse(text, id), -EINVAL);
        text[i] = 'g';
        assert_int_equal(ident_parse(text, id), -EINVAL);
    }
    memcpy(text, TEXT "0", sizeof(TEXT "0"));
    assert_int_equal(ident_parse(text, id), -EINVAL);
    assert_memory_equal(id, before, sizeof(id));
}

static void random_ones_differ(void **state)
{
    uint8_t a[IDENT_BYTES], b[IDENT_BYTES];

    (void)state;
    assert_int_equal(ident_random(a), 0);
    assert_int_equal(ident_random(b), 0);
    assert_false(ident_equal(a, b));
    assert_false(ident_is_null(a));
    assert_int_equal(a[6] >> 4, 4);
    memset(a, 0, sizeof(a));
    assert_true(ident_is_null(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_goes_there_and_back),
        cmocka_unit_test(nothing_else_is_taken),
        cmocka_unit_test(random_ones_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
