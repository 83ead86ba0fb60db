/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The data of STATE(toolstack): what is taken and what is not.  (The other
 * small records are in test_wire_rules.c.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire.h"

static void configuration_comes_back(void **state)
{
    struct wire_toolstack t = { "libxl", "{}", 2 }, got;
    char buf[64];
    size_t len;

    (void)state;
    assert_int_equal(wire_toolstack_encode(&t, buf, sizeof(buf), &len), 0);
    assert_int_equal(len, 8);
    assert_int_equal(wire_toolstack_decode(buf, len, NULL, &got), 0);
    assert_string_equal(got.name, "libxl");
    assert_int_equal(got.config_bytes, 2);
    assert_memory_equal(got.config, "{}", 2);
}

static void encoder_refuses_what_decoder_would(void **state)
{
    struct wire_toolstack none = { "", "{}", 2 };
    struct wire_toolstack long_name = {
        "a-name-of-thirty-two-characters!", "{}", 2,
    };
    struct wire_toolstack no_config = { "libxl", "", 0 };
    struct wire_toolstack t = { "libxl", "{}", 2 };
    char buf[64];
    size_t len;

    (void)state;
    assert_int_equal(wire_toolstack_encode(&none, buf, 64, &len), -EINVAL);
    assert_int_equal(wire_toolstack_encode(&long_name, buf, 64, &len),
                     -EINVAL);
    assert_int_equal(wire_toolstack_encode(&no_config, buf, 64, &len),
                     -EINVAL);
    assert_int_equal(wire_toolstack_encode(&t, buf, 7, &len), -EMSGSIZE);
    assert_int_equal(wire_toolstack_encode(&t, buf, 5, &len), -EMSGSIZE);
}

static void malformed_is_eproto(void **state)
{
    static const struct { const char *data; size_t len; } bad[] = {
        { "", 0 }, { "\0{}", 3 }, { "libxl", 5 }, { "libxl", 6 },
        { "lib xl\0{}", 9 }, { "lib\x80\0{}", 7 }, { "libxl\0{\0}", 9 },
        { "a-name-of-thirty-two-characters!\0{}", 35 },
    };
    struct wire_toolstack got;
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
        assert_int_equal(wire_toolstack_decode(bad[i].data, bad[i].len, NULL,
                                               &got), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration_comes_back),
        cmocka_unit_test(encoder_refuses_what_decoder_would),
        cmocka_unit_test(malformed_is_eproto),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
