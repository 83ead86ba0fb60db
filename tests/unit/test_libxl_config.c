/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which libxl configurations are refused, by name, and which get their
 * devices late (tools/libxl-config.c).  No host without an IOMMU or a device
 * model has most of these domains, so the configurations are written here.
 *
 * LINK: tools/libxl-config.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tools/libxl-hooks.h"

/* A PVH domain with one block device; nothing in it needs to be freed. */
struct config
{
    libxl_domain_config cfg;
    libxl_device_disk disk;
};

static int set_up(void **state)
{
    struct config *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    libxl_domain_config_init(&c->cfg);
    c->cfg.c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    libxl_domain_build_info_init_type(&c->cfg.b_info, LIBXL_DOMAIN_TYPE_PVH);
    libxl_device_disk_init(&c->disk);
    c->disk.backend = LIBXL_DISK_BACKEND_PHY;
    c->disk.format = LIBXL_DISK_FORMAT_RAW;
    c->cfg.disks = &c->disk;
    *state = c;

    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void refused(const struct config *c, const char *why)
{
    char text[512];

    assert_int_equal(config_carried(&c->cfg, text, sizeof(text)), -EINVAL);
    assert_string_equal(text, why);
}

static void a_plain_domain_is_carried(void **state)
{
    struct config *c = *state;
    char text[512];

    libxl_defbool_set(&c->cfg.b_info.disable_migrate, false);
    libxl_defbool_set(&c->cfg.b_info.nested_hvm, false);
    assert_int_equal(config_carried(&c->cfg, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

static void a_device_model_is_refused(void **state)
{
    struct config *c = *state;

    c->cfg.c_info.type = LIBXL_DOMAIN_TYPE_HVM;
    refused(c, "it has a device model, whose state is not carried (xl migrate "
               "with xmig-save-helper moves it)");
}

static void pv_is_refused(void **state)
{
    struct config *c = *state;

    c->cfg.c_info.type = LIBXL_DOMAIN_TYPE_PV;
    refused(c, "it is PV (xl migrate with xmig-save-helper moves it)");
}

static void nomigrate_is_refused(void **state)
{
    struct config *c = *state;

    libxl_defbool_set(&c->cfg.b_info.disable_migrate, true);
    refused(c, "its configuration says nomigrate");
}

static void virtual_numa_is_refused(void **state)
{
    struct config *c = *state;

    c->cfg.b_info.num_vnuma_nodes = 2;
    refused(c, "it has virtual NUMA");
}

static void nested_hvm_is_refused(void **state)
{
    struct config *c = *state;

    libxl_defbool_set(&c->cfg.b_info.nested_hvm, true);
    refused(c, "it has nested HVM");
}

static void passthrough_is_refused(void **state)
{
    struct config *c = *state;

    c->cfg.num_pcidevs = 2;
    refused(c, "it has 2 PCI devices passed through");
    c->cfg.num_pcidevs = 0;
    c->cfg.num_usbctrls = 1;
    refused(c, "it has USB devices passed through");
    c->cfg.num_usbctrls = 0;
    c->cfg.num_usbdevs = 1;
    refused(c, "it has USB devices passed through");
    c->cfg.num_usbdevs = 0;
    c->cfg.num_dtdevs = 1;
    refused(c, "it has host devices or reserved memory passed through");
    c->cfg.num_dtdevs = 0;
    c->cfg.num_rdms = 1;
    refused(c, "it has host devices or reserved memory passed through");
}

static void all_reasons_are_told(void **state)
{
    struct config *c = *state;
    char small[24];

    c->cfg.b_info.num_vnuma_nodes = 1;
    c->cfg.num_pcidevs = 1;
    refused(c, "it has virtual NUMA; it has 1 PCI devices passed through");
    assert_int_equal(config_carried(&c->cfg, small, sizeof(small)), -EINVAL);
    assert_string_equal(small, "it has virtual NUMA; it");
}

/* ---- late --------------------------------------------------------------- */

/* Any block device will do, and there is none on some machines. */
static const char *block_device(void)
{
    static const char *const names[] = {
        "/dev/loop0", "/dev/vda", "/dev/sda", "/dev/ram0", "/dev/nvme0n1",
    };
    struct stat st;

    for ( size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++ )
        if ( !stat(names[i], &st) && S_ISBLK(st.st_mode) )
            return names[i];
    return NULL;
}

static void only_block_devices_are_early(void **state)
{
    struct config *c = *state;
    char file[] = "/tmp/xmig-test-XXXXXX";
    int fd = mkstemp(file);

    assert_true(fd >= 0);
    close(fd);
    assert_false(config_is_late(&c->cfg));
    c->cfg.num_disks = 1;
    c->disk.pdev_path = file;
    assert_true(config_is_late(&c->cfg));
    unlink(file);
    assert_true(config_is_late(&c->cfg));
    c->disk.pdev_path = NULL;
    assert_true(config_is_late(&c->cfg));
    c->cfg.num_disks = 0;
    c->cfg.num_p9s = 1;
    assert_true(config_is_late(&c->cfg));
}

static void a_script_or_a_format_makes_it_late(void **state)
{
    struct config *c = *state;
    char script[] = "block-drbd";

    c->cfg.num_disks = 1;
    c->disk.pdev_path = (char *)block_device();
    if ( !c->disk.pdev_path )
    {
        print_message("no block device on this machine\n");
        skip();
    }
    assert_false(config_is_late(&c->cfg));
    c->disk.script = script;
    assert_true(config_is_late(&c->cfg));
    c->disk.script = NULL;
    c->disk.format = LIBXL_DISK_FORMAT_QCOW2;
    assert_true(config_is_late(&c->cfg));
    c->disk.format = LIBXL_DISK_FORMAT_RAW;
    c->disk.backend = LIBXL_DISK_BACKEND_QDISK;
    assert_true(config_is_late(&c->cfg));
    c->disk.backend = LIBXL_DISK_BACKEND_PHY;
    c->disk.is_cdrom = 1;
    assert_true(config_is_late(&c->cfg));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(a_plain_domain_is_carried),
        TEST(a_device_model_is_refused),
        TEST(pv_is_refused),
        TEST(nomigrate_is_refused),
        TEST(virtual_numa_is_refused),
        TEST(nested_hvm_is_refused),
        TEST(passthrough_is_refused),
        TEST(all_reasons_are_told),
        TEST(only_block_devices_are_early),
        TEST(a_script_or_a_format_makes_it_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
