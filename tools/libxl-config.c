/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What in a libxl configuration can be moved, and what is not taken from
 * just anybody.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <libxl_utils.h>

#include "libxl-hooks.h"

static void reason(char *why, size_t room, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void reason(char *why, size_t room, const char *fmt, ...)
{
    size_t used = strlen(why);
    va_list ap;

    used += snprintf(why + used, room - used, "%s", used ? "; " : "");
    va_start(ap, fmt);
    if ( used < room )
        vsnprintf(why + used, room - used, fmt, ap);
    va_end(ap);
}

int config_carried(const libxl_domain_config *cfg, char *why, size_t room)
{
    const libxl_domain_build_info *b = &cfg->b_info;

    why[0] = '\0';
    if ( cfg->c_info.type == LIBXL_DOMAIN_TYPE_PV )
        reason(why, room, "it is PV (xl migrate with xmig-save-helper moves "
               "it)");
    if ( cfg->c_info.type == LIBXL_DOMAIN_TYPE_HVM )
        reason(why, room, "it has a device model, whose state is not carried "
               "(xl migrate with xmig-save-helper moves it)");
    if ( !libxl_defbool_is_default(b->disable_migrate) &&
         libxl_defbool_val(b->disable_migrate) )
        reason(why, room, "its configuration says nomigrate");
    if ( b->num_vnuma_nodes )
        reason(why, room, "it has virtual NUMA");
    if ( !libxl_defbool_is_default(b->nested_hvm) &&
         libxl_defbool_val(b->nested_hvm) )
        reason(why, room, "it has nested HVM");
    if ( cfg->num_pcidevs )
        reason(why, room, "it has %d PCI devices passed through",
               cfg->num_pcidevs);
    if ( cfg->num_usbctrls || cfg->num_usbdevs )
        reason(why, room, "it has USB devices passed through");
    if ( cfg->num_dtdevs || cfg->num_rdms )
        reason(why, room, "it has host devices or reserved memory passed "
               "through");

    return why[0] ? -EINVAL : 0;
}

/* A script of the usual directory, by its name or its full path. */
static bool is_usual_script(const char *script)
{
    static const char dir[] = "/etc/xen/scripts/";

    if ( !script )
        return true;
    if ( !strncmp(script, dir, sizeof(dir) - 1) )
        script += sizeof(dir) - 1;

    return !strchr(script, '/');
}

int config_harmless(const libxl_domain_config *cfg, char *why, size_t room)
{
    const libxl_domain_build_info *b = &cfg->b_info;
    int i;

    why[0] = '\0';
    for ( i = 0; i < cfg->num_nics; i++ )
        if ( !is_usual_script(cfg->nics[i].script) )
            reason(why, room, "its network interface %d has the script %.80s",
                   i, cfg->nics[i].script);
    if ( cfg->num_disks )
        reason(why, room, "it has disks");
    if ( cfg->num_p9s || cfg->num_vfbs || cfg->num_vkbs || cfg->num_vtpms ||
         cfg->num_channels || cfg->num_pvcallsifs || cfg->num_vdispls ||
         cfg->num_vsnds )
        reason(why, room, "it has devices other than disks and network "
               "interfaces");
    if ( b->device_model || b->stubdomain_kernel || b->stubdomain_ramdisk ||
         b->extra || b->extra_pv || b->extra_hvm )
        reason(why, room, "it has words for a device model");
    if ( !why[0] )
        return 0;
    reason(why, room, "such a domain names files of this host: receive it "
           "with --trusted-peers, if all who can connect are");

    return -EACCES;
}

/*
 * A block device is handed to the guest past this host's caches, and opening
 * it reads nothing.  What is behind a file or a script may have been read
 * here, by the backend or by udev, while the guest still wrote it elsewhere.
 */
static bool is_plain_device(const libxl_device_disk *disk)
{
    struct stat st;

    return (disk->backend == LIBXL_DISK_BACKEND_PHY ||
            disk->backend == LIBXL_DISK_BACKEND_UNKNOWN) &&
           disk->format == LIBXL_DISK_FORMAT_RAW && !disk->script &&
           !disk->is_cdrom && disk->pdev_path &&
           !stat(disk->pdev_path, &st) && S_ISBLK(st.st_mode);
}

bool config_is_late(const libxl_domain_config *cfg)
{
    int i;

    for ( i = 0; i < cfg->num_disks; i++ )
        if ( !is_plain_device(&cfg->disks[i]) )
            return true;

    return cfg->num_p9s;
}
