/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which nodes of a domain travel: what a hostile peer may have written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store_xs.h"

static void the_guests_own_travel(void **state)
{
    static const char *const good[] = {
        "data/verdict", "data/a/b/c", "attr/os/name", "feature/x",
        "drivers/0", "control/feature-suspend", "memory/target",
        "memory/static-max", "cpu/0/availability", "cpu/127/availability",
        "vif/0/mac", "vif/15/bridge", "vif/3/script",
    };
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(good) / sizeof(good[0]); i++ )
        if ( !store_key_travels(good[i]) )
            fail_msg("%s does not travel", good[i]);
}

static void the_hosts_do_not(void **state)
{
    static const char *const bad[] = {
        "", "/", "data", "data/", "/data/x", "data//x", "data/x/", "name",
        "domid", "vm", "store/port", "store/ring-ref", "console/tty",
        "control/shutdown", "control/sysrq",
        "control/platform-feature-x", "device/vif/0/backend",
        "device/suspend/event-channel", "memory/other", "cpu/0",
        "cpu/0/availability/x", "cpu/x/availability", "cpu/-1/availability",
        "vif/0/backend", "vif/16/mac", "vif/99999999999999999999/mac",
        "vif//mac", "vif/-1/mac", "vif/0/mac/x", "vif/0/", "vif/0/frontend",
        "data/../name", "data/a b", "data/a\nb", "data/\x80", "@release",
        "data/%s",
    };
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
        if ( store_key_travels(bad[i]) )
            fail_msg("%s travels", bad[i]);
}

static void very_long_keys_do_not(void **state)
{
    char key[400];

    (void)state;
    memset(key, 'x', sizeof(key));
    memcpy(key, "data/", 5);
    key[255] = '\0';
    assert_true(store_key_travels(key));
    key[255] = 'x';
    key[399] = '\0';
    assert_false(store_key_travels(key));
}

static void parts_of_interfaces_are_found(void **state)
{
    const char *leaf = NULL;
    unsigned int n = 0;

    (void)state;
    assert_true(store_key_vif("vif/12/mac", &n, &leaf));
    assert_int_equal(n, 12);
    assert_string_equal(leaf, "mac");
    assert_false(store_key_vif("data/12/mac", &n, &leaf));
}

static void values_for_the_host_are_judged(void **state)
{
    static const char *const good[][2] = {
        { "vif/0/mac", "00:16:3e:0A:bc:ff" }, { "vif/0/bridge", "xenbr0" },
        { "vif/0/bridge", "" }, { "vif/0/rate", "1000,50000" },
        { "vif/0/ip", "192.0.2.1 2001:db8::1" }, { "memory/target", "65536" },
        { "cpu/3/availability", "offline" }, { "data/x", "any\nthing $(x)" },
    }, *const bad[] = {
        "vif/0/mac", "", "vif/0/mac", "00:16:3e:0A:bc",
        "vif/0/mac", "00:16:3e:0A:bc:ff:", "vif/0/mac", "00-16-3e-0a-bc-ff",
        "vif/0/mac", "00:16:3e:0A:bc:fg", "vif/0/bridge", "$(reboot)",
        "vif/0/bridge", "a;b", "vif/0/bridge", "a\nb", "vif/0/ip", "`x`",
        "memory/target", "", "memory/target", "-1", "memory/target", "1 2",
        "memory/static-max", "99999999999999999999",
        "cpu/0/availability", "maybe",
    };
    char text[200];
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(good) / sizeof(good[0]); i++ )
        if ( !store_value_sound(good[i][0], good[i][1]) )
            fail_msg("%s=%s is refused", good[i][0], good[i][1]);
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i += 2 )
        if ( store_value_sound(bad[i], bad[i + 1]) )
            fail_msg("%s=%s is taken", bad[i], bad[i + 1]);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(store_value_sound("vif/0/bridge", text));
}

static void pairs_are_kept(void **state)
{
    struct store_pairs p = { 0 };
    char key[16];
    int i;

    (void)state;
    for ( i = 0; i < 100; i++ )
    {
        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(store_pairs_add(&p, key, key + 1), 0);
    }
    assert_int_equal(p.nr, 100);
    assert_string_equal(store_pairs_get(&p, "k42"), "42");
    assert_null(store_pairs_get(&p, "k100"));
    store_pairs_done(&p);
    assert_int_equal(p.nr, 0);
    store_pairs_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guests_own_travel),
        cmocka_unit_test(the_hosts_do_not),
        cmocka_unit_test(very_long_keys_do_not),
        cmocka_unit_test(parts_of_interfaces_are_found),
        cmocka_unit_test(values_for_the_host_are_judged),
        cmocka_unit_test(pairs_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
