/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See control.h: the side of who asks.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int control_path(const char *dir, const char *file, char *buf, size_t room)
{
    int n = snprintf(buf, room, "%s/%s", dir, file);

    return n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
}

int control_address(const char *dir, struct sockaddr_un *sun)
{
    memset(sun, 0, sizeof(*sun));
    sun->sun_family = AF_UNIX;

    return control_path(dir, "control", sun->sun_path,
                        sizeof(sun->sun_path));
}

static int open_control(const char *dir)
{
    struct sockaddr_un sun;
    int fd, rc = control_address(dir, &sun);

    if ( rc )
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ( fd < 0 )
        return -errno;
    if ( !connect(fd, (struct sockaddr *)&sun, sizeof(sun)) )
        return fd;
    rc = -errno;
    close(fd);

    return rc;
}

/* An answer that begins with "error" is one. */
int control_ask(const char *dir, const char *line)
{
    char buf[CONTROL_LINE_MAX * 2];
    size_t len = 0;
    ssize_t n = 0;
    int fd = open_control(dir);

    if ( fd < 0 )
    {
        fprintf(stderr, "xmig-link: no link runs in %s: %s\n", dir,
                strerror(-fd));
        return 1;
    }
    if ( send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 ||
         send(fd, "\n", 1, MSG_NOSIGNAL) < 0 )
        n = -1;
    while ( n >= 0 && len < sizeof(buf) - 1 &&
            (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0 )
        len += (size_t)n;
    close(fd);
    buf[len] = '\0';
    if ( n < 0 || !len )
    {
        fprintf(stderr, "xmig-link: the link in %s does not answer\n", dir);
        return 1;
    }
    n = strncmp(buf, "error", 5) != 0;
    fputs(buf, n ? stdout : stderr);

    return n ? 0 : 1;
}

/* The answer comes when the program has tidied up and closes. */
int control_stop(const char *dir)
{
    return control_ask(dir, "stop");
}

int control_netns(const char *dir, const char *end,
                  char ret_name[CONTROL_NAME_MAX])
{
    char path[256];
    FILE *f;
    int rc;

    if ( strcmp(end, "here") && strcmp(end, "there") )
        return -EINVAL;
    rc = control_path(dir, end, path, sizeof(path));
    if ( rc )
        return rc;
    f = fopen(path, "re");
    if ( !f )
        return -errno;
    rc = fscanf(f, "%63s", ret_name) == 1 ? 0 : -EIO;
    fclose(f);

    return rc;
}
