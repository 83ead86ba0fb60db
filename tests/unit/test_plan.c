/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Registry and plan, with mechanisms made up here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan.h"
#include "said.h"
#include "wire.h"


static int setup(struct session *s, void **ret_priv)
{
    (void)s;
    *ret_priv = NULL;

    return 0;
}

static void cleanup(struct session *s, void *priv, bool ok)
{
    (void)s;
    (void)priv;
    (void)ok;
}

static int can(struct session *s)
{
    (void)s;

    return 0;
}

static int cannot(struct session *s)
{
    (void)s;

    return err_set(&e, -EOPNOTSUPP, "no such hardware");
}

static const struct mech_end_ops whole = { .setup = setup,
                                           .cleanup = cleanup };
static const struct mech_end_ops half = { .setup = setup };

static const struct mech one = { .name = "one", .id = 2, .probe = can,
                                 .source = &whole };
static const struct mech two = { .name = "two", .id = 3, .probe = cannot,
                                 .needs = WIRE_CAP_POSTCOPY,
                                 .source = &whole };
static const struct mech three = { .name = "three", .id = 4, .probe = can,
                                   .conflicts = WIRE_CAP_ZLIB,
                                   .dest = &whole };

static int fresh(void **state)
{
    (void)state;
    err_init(&e);

    return 0;
}

static void the_mechanisms_here_are_sound(void **state)
{
    const struct mech *const *all;
    size_t nr, i;

    (void)state;
    all = registry_all(&nr);
    assert_int_equal(registry_check(all, nr, &e), 0);
    for ( i = 0; i < nr; i++ )
    {
        assert_ptr_equal(registry_by_name(all[i]->name), all[i]);
        assert_ptr_equal(registry_by_id(all[i]->id), all[i]);
    }
    assert_null(registry_by_name("nonsense"));
    assert_null(registry_by_id(1));
}

static void unsound_mechanisms_are_named(void **state)
{
    struct mech m;
    const struct mech *list[2] = { &m, &one };

    (void)state;
    m = one;
    m.name = "";
    assert_said(registry_check(list, 1, &e), -EINVAL, "no name");
    m = one;
    m.id = 1;
    assert_said(registry_check(list, 1, &e), -EINVAL, "id 1");
    m = one;
    m.probe = NULL;
    assert_said(registry_check(list, 1, &e), -EINVAL, "no probe");
    m = one;
    m.source = NULL;
    assert_said(registry_check(list, 1, &e), -EINVAL, "no end");
    m = one;
    m.dest = &half;
    assert_said(registry_check(list, 1, &e), -EINVAL, "cleanup");
    m = one;
    m.needs = m.conflicts = 1;
    assert_said(registry_check(list, 1, &e), -EINVAL, "conflicts");
    m = two;
    m.id = one.id;
    assert_said(registry_check(list, 2, &e), -EINVAL, "both have id 2");
    m = two;
    m.name = "one";
    assert_said(registry_check(list, 2, &e), -EINVAL, "called one");
}

static void a_plan_keeps_its_order(void **state)
{
    const struct mech *list[] = { &three, &two, &one };
    struct plan p = { .nr = 0 };

    (void)state;
    assert_int_equal(plan_build(list, 3, WIRE_CAP_POSTCOPY, &e, &p), 0);
    assert_int_equal(p.nr, 3);
    assert_ptr_equal(p.mechs[0], &three);
    assert_ptr_equal(p.mechs[2], &one);
    assert_ptr_equal(plan_by_id(&p, 3), &two);
    assert_null(plan_by_id(&p, 9));
    assert_int_equal(plan_build(list, 0, 0, &e, &p), 0);
    assert_int_equal(p.nr, 0);
}

static void a_plan_that_cannot_be_is_refused(void **state)
{
    const struct mech *list[PLAN_MAX + 1] = { &one, &two, &one };
    static const char *const names[] = { "nonsense" };
    struct plan p = { .nr = 77 };

    (void)state;
    assert_said(plan_build(list, 2, 0, &e, &p), -EOPNOTSUPP,
                "two needs post-copy");
    assert_said(plan_build(list, 3, WIRE_CAP_POSTCOPY, &e, &p), -EINVAL,
                "one is there twice");
    list[0] = &three;
    assert_said(plan_build(list, 1, WIRE_CAP_ZLIB, &e, &p), -EOPNOTSUPP,
                "three does not go with zlib");
    assert_said(plan_build(list, PLAN_MAX + 1, 0, &e, &p), -EINVAL, "9");
    assert_said(plan_build_names(names, 1, 0, &e, &p), -ENOENT, "nonsense");
    assert_int_equal(p.nr, 77);
}

static void a_probe_that_fails_says_which(void **state)
{
    const struct mech *list[] = { &one, &two };
    struct plan p;

    (void)state;
    assert_int_equal(plan_build(list, 2, ~0u, &e, &p), 0);
    assert_said(plan_probe(&p, NULL, &e), -EOPNOTSUPP,
                "two cannot be used here: no such hardware");
    assert_int_equal(plan_build(list, 1, ~0u, &e, &p), 0);
    assert_int_equal(plan_probe(&p, NULL, &e), 0);
}

#define T(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_mechanisms_here_are_sound),
        T(unsound_mechanisms_are_named),
        T(a_plan_keeps_its_order),
        T(a_plan_that_cannot_be_is_refused),
        T(a_probe_that_fails_says_which),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
