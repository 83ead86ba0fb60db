/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Configurations: what xl.cfg and libxl's JSON say of a domain, what is not
 * carried is refused by name, and what an override takes over.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "ident.h"

#define UUID "6a9ab2e1-3d2c-4c4e-9f0d-1f6d7c1f9a11"

static struct err err;

static int cfg(const char *text, struct config *ret)
{
    err_reset(&err);
    return config_read_cfg(text, strlen(text), "test.cfg", &err, ret);
}

static int json(const char *text, struct config *ret)
{
    err_reset(&err);
    return config_read_json(text, &err, ret);
}

#define assert_refused(call, words)                                     \
    do {                                                                \
        struct config c_;                                               \
        assert_int_equal((call), -EINVAL);                              \
        if ( !strstr(err.rec.text, (words)) )                           \
            fail_msg("\"%s\" does not say \"%s\"", err.rec.text,        \
                     (words));                                          \
        (void)c_;                                                       \
    } while ( 0 )

static void assert_pair(const struct config *c, const char *key,
                        const char *value)
{
    const char *v = wire_pairs_get(&c->domain.pairs, key);

    if ( value )
        assert_string_equal(v ? v : "(none)", value);
    else
        assert_null(v);
}

static void cfg_says_what_is_built(void **s)
{
    uint8_t uuid[IDENT_BYTES];
    struct config c;

    (void)s;
    assert_int_equal(cfg("name = \"web\"\ntype = \"pvh\"\nmemory = 100\n"
                         "maxmem = 200\nvcpus = 2\nmaxvcpus = 4\n"
                         "uuid = \"" UUID "\"\n"
                         "vif = [ \"mac=00:16:3e:00:00:07,bridge=br1\","
                         " \"bridge=br2\" ]\n", &c), 0);
    assert_string_equal(c.domain.name, "web");
    assert_int_equal(ident_parse(UUID, uuid), 0);
    assert_memory_equal(c.domain.uuid, uuid, sizeof(uuid));
    assert_int_equal(c.domain.vcpus, 4);
    assert_int_equal(c.domain.populated_pages, 100 * 256);
    assert_in_range(c.domain.max_mem_kib, 200 * 1024, 202 * 1024);
    assert_in_range(c.domain.paging_bytes, 4u << 20, 8u << 20);
    assert_true(c.domain.flags & WIRE_DOMAIN_HAP);
    assert_true(c.domain.nr_gfns > 1u << 20);
    assert_pair(&c, "vif/0/mac", "00:16:3e:00:00:07");
    assert_pair(&c, "vif/0/bridge", "br1");
    assert_non_null(wire_pairs_get(&c.domain.pairs, "vif/1/mac"));
    assert_pair(&c, "vif/1/bridge", "br2");
    assert_pair(&c, "vif/2/mac", NULL);
    assert_pair(&c, "memory/target", "102400");
    assert_pair(&c, "memory/static-max", "204800");
    config_done(&c);
}

static void cfg_has_defaults(void **s)
{
    uint8_t none[IDENT_BYTES] = { 0 };
    struct config c;

    (void)s;
    assert_int_equal(cfg("name='a'\ntype='pvh'\nmemory=16\n", &c), 0);
    assert_int_equal(c.domain.vcpus, 1);
    assert_memory_not_equal(c.domain.uuid, none, sizeof(none));
    config_done(&c);
}

static void its_description_can_be_sent(void **s)
{
    uint8_t body[4096];
    struct config c;
    size_t len;

    (void)s;
    assert_int_equal(cfg("name='a'\ntype='pvh'\nmemory=16\n", &c), 0);
    assert_int_equal(wire_domain_encode(&c.domain, body, sizeof(body), &len),
                     0);
    config_done(&c);
}

static void bad_cfg_is_refused(void **s)
{
    char name[200];

    (void)s;
    assert_refused(cfg("name = [\n", &c_), "test.cfg:");
    assert_refused(cfg("", &c_), "no name");
    assert_refused(cfg("name='a'\ntype='pvh'\n", &c_), "memory");
    assert_refused(cfg("name='a'\nmemory=16\n", &c_), "only pvh");
    assert_refused(cfg("name='a'\ntype='hvm'\nmemory=16\n", &c_),
                   "type hvm");
    assert_refused(cfg("name='a'\ntype='pvh'\nmemory='lots'\n", &c_),
                   "memory is no number");
    assert_refused(cfg("name='a'\ntype='pvh'\nmemory='-1'\n", &c_),
                   "memory is no number");
    assert_refused(cfg("name='a'\ntype='pvh'\nmemory=16\nvcpus=1000\n",
                       &c_), "1000 vcpus");
    assert_refused(cfg("name='a'\ntype='pvh'\nmemory=16\nuuid='x'\n", &c_),
                   "no uuid");
    assert_refused(cfg("name='a'\ntype='pvh'\nmemory=16\ndisk=['x']\n",
                       &c_), "disks");
    assert_refused(cfg("name='a'\ntype='pvh'\nmemory=16\npci=['x']\n", &c_),
                   "PCI passthrough");
    snprintf(name, sizeof(name), "name='%0150d'\ntype='pvh'\nmemory=16\n",
             1);
    assert_refused(cfg(name, &c_), "127 characters");
}

static void json_says_what_is_built(void **s)
{
    uint8_t uuid[IDENT_BYTES];
    struct config c;

    (void)s;
    assert_int_equal(json(
        "{\"c_info\": {\"type\": \"pvh\", \"name\": \"web\", \"uuid\": \""
        UUID "\"}, \"b_info\": {\"max_vcpus\": 3, \"max_memkb\": 65536,"
        " \"target_memkb\": 49152, \"shadow_memkb\": 2048,"
        " \"max_grant_frames\": 64, \"max_maptrack_frames\": 4294967295},"
        " \"nics\": [{\"mac\": \"00:16:3e:00:00:07\","
        " \"bridge\": \"br1\"}]}", &c), 0);
    assert_string_equal(c.domain.name, "web");
    assert_int_equal(ident_parse(UUID, uuid), 0);
    assert_memory_equal(c.domain.uuid, uuid, sizeof(uuid));
    assert_int_equal(c.domain.vcpus, 3);
    assert_int_equal(c.domain.populated_pages, 49152 / 4);
    assert_int_equal(c.domain.paging_bytes, 2u << 20);
    assert_int_equal(c.domain.grant_frames, 64);
    assert_int_equal(c.domain.maptrack_frames, 0);
    assert_pair(&c, "vif/0/mac", "00:16:3e:00:00:07");
    config_done(&c);
}

static void bad_json_is_refused(void **s)
{
    (void)s;
    assert_refused(json("", &c_), "no JSON object");
    assert_refused(json("[1]", &c_), "no JSON object");
    assert_refused(json("{\"c_info\": ", &c_), "no JSON object");
    assert_refused(json("{}", &c_), "no name");
    assert_refused(json("{\"c_info\": 3, \"b_info\": [], \"nics\": \"x\"}",
                        &c_), "no name");
    assert_refused(json("{\"c_info\": {\"name\": \"a\", \"type\": \"pv\"}}",
                        &c_), "type pv");
    assert_refused(json("{\"c_info\": {\"name\": \"a\", \"type\": \"pvh\"},"
                        " \"disks\": [{}]}", &c_), "disks");
}

static void files_are_read(void **s)
{
    char path[] = "/tmp/test_config.XXXXXX";
    const char text[] = "name='a'\ntype='pvh'\nmemory=16\n";
    int fd = mkstemp(path);
    struct config c;

    (void)s;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    err_reset(&err);
    assert_int_equal(config_read_file(path, &err, &c), 0);
    config_done(&c);
    unlink(path);
    assert_int_equal(config_read_file(path, &err, &c), -ENOENT);
    assert_non_null(strstr(err.rec.text, path));
    assert_int_equal(config_read_file("/tmp", NULL, &c), -EISDIR);
}

static void an_override_changes_name_and_network_only(void **s)
{
    struct config c, base;
    char *buf = NULL;

    (void)s;
    assert_int_equal(cfg("name='a'\ntype='pvh'\nmemory=16\nvcpus=2\n"
                         "vif=['mac=00:16:3e:00:00:01']\n", &base), 0);
    assert_int_equal(cfg("name='b'\ntype='pvh'\nmemory=99\nuuid='" UUID "'\n"
                         "vif=['mac=00:16:3e:00:00:02']\n", &c), 0);
    assert_int_equal(config_override(&base.domain, &c, &err, &buf), 0);
    assert_string_equal(base.domain.name, "b");
    assert_memory_equal(base.domain.uuid, c.domain.uuid, IDENT_BYTES);
    assert_int_equal(base.domain.vcpus, 2);
    assert_int_equal(base.domain.populated_pages, 16 * 256);
    assert_pair(&base, "vif/0/mac", "00:16:3e:00:00:02");
    assert_pair(&base, "memory/target", "16384");
    free(buf);
    config_done(&c);
    config_done(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cfg_says_what_is_built),
        cmocka_unit_test(cfg_has_defaults),
        cmocka_unit_test(its_description_can_be_sent),
        cmocka_unit_test(bad_cfg_is_refused),
        cmocka_unit_test(json_says_what_is_built),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(an_override_changes_name_and_network_only),
    };
    int rc;

    err_init(&err);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    err_done(&err);
    return rc;
}
