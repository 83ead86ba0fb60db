/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See tun.h.  Namespaces are files below /run/netns, as iproute2 keeps them.
 */
#include "tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shaper.h"

#define NETNS_DIR "/run/netns"

static void path_of(const char *netns, char path[128])
{
    snprintf(path, 128, NETNS_DIR "/%s", netns);
}

/* iproute2 wants the directory to be a shared mount point of its own. */
static int make_dir(void)
{
    if ( mkdir(NETNS_DIR, 0755) && errno != EEXIST )
        return -errno;
    if ( !mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) )
        return 0;
    if ( errno != EINVAL ||
         mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) ||
         mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) )
        return -errno;

    return 0;
}

static int interface_up(const char *name, const char *address,
                        unsigned int mtu)
{
    struct ifreq req = { 0 };
    struct sockaddr_in *sin = (struct sockaddr_in *)&req.ifr_addr;
    int rc = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if ( fd < 0 )
        return -errno;
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    if ( address )
    {
        sin->sin_family = AF_INET;
        inet_pton(AF_INET, address, &sin->sin_addr);
        if ( ioctl(fd, SIOCSIFADDR, &req) )
            rc = -errno;
        inet_pton(AF_INET, "255.255.255.0", &sin->sin_addr);
        if ( !rc && ioctl(fd, SIOCSIFNETMASK, &req) )
            rc = -errno;
        req.ifr_mtu = (int)mtu;
        if ( !rc && ioctl(fd, SIOCSIFMTU, &req) )
            rc = -errno;
    }
    if ( !rc && ioctl(fd, SIOCGIFFLAGS, &req) )
        rc = -errno;
    req.ifr_flags |= IFF_UP;
    if ( !rc && ioctl(fd, SIOCSIFFLAGS, &req) )
        rc = -errno;
    close(fd);

    return rc;
}

static int open_tun(int *ret_fd)
{
    struct ifreq req = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
    int header = TUN_HEADER_BYTES, rc = 0;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if ( fd < 0 )
        return -errno;
    snprintf(req.ifr_name, sizeof(req.ifr_name), "link");
    if ( ioctl(fd, TUNSETIFF, &req) ||
         ioctl(fd, TUNSETVNETHDRSZ, &header) ||
         ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) )
        rc = -errno;
    if ( rc )
        close(fd);
    else
        *ret_fd = fd;

    return rc;
}

int tun_make(const char *netns, const char *address, unsigned int mtu,
             int *ret_fd, const char **ret_what)
{
    int home, fd = -1, rc, file = -1;
    char path[128];

    path_of(netns, path);
    *ret_what = "make " NETNS_DIR;
    rc = make_dir();
    if ( rc )
        return rc;
    *ret_what = "make a network namespace";
    home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    if ( home < 0 || file < 0 || unshare(CLONE_NEWNET) )
    {
        rc = -errno;
        goto out;
    }
    if ( mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) )
        rc = -errno;
    if ( !rc )
    {
        *ret_what = "make a TUN interface";
        rc = open_tun(&fd);
    }
    if ( !rc )
    {
        *ret_what = "set the interface up";
        rc = interface_up("lo", NULL, 0);
        if ( !rc )
            rc = interface_up("link", address, mtu);
        if ( rc )
            close(fd);
        else
            *ret_fd = fd;
    }
    if ( setns(home, CLONE_NEWNET) && !rc )
        rc = -errno;

out:
    if ( rc && file >= 0 )
        tun_remove(netns);
    if ( file >= 0 )
        close(file);
    if ( home >= 0 )
        close(home);

    return rc;
}

void tun_remove(const char *netns)
{
    char path[128];

    path_of(netns, path);
    umount2(path, MNT_DETACH);
    unlink(path);
}

int tun_enter(const char *netns)
{
    char path[128];
    int fd, rc = 0;

    path_of(netns, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if ( fd < 0 )
        return -errno;
    if ( setns(fd, CLONE_NEWNET) )
        rc = -errno;
    close(fd);

    return rc;
}

uint32_t tun_packets(const void *piece, uint32_t len, uint64_t *ret_bytes)
{
    struct virtio_net_hdr h;
    uint32_t ip = len - TUN_HEADER_BYTES, header;

    memcpy(&h, piece, TUN_HEADER_BYTES);
    if ( h.gso_type == VIRTIO_NET_HDR_GSO_NONE )
        return shaper_packets(ip, 0, 0, ret_bytes);
    header = h.hdr_len > ip ? ip : h.hdr_len;

    return shaper_packets(ip, header, h.gso_size, ret_bytes);
}
