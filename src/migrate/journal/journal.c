/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Journal files: creating, appending, deciding, listing.
 *
 * Whoever appends holds a lock on the file, reads what is there, and writes
 * behind the last whole line, over whatever is torn.  So a line counts once
 * it is whole, and what follows a torn line can never be taken for valid.
 *
 * Two locks: bytes of the file (open file description locks).  Byte 0 is
 * held for a moment to read and append, byte 1 for as long as a process
 * claims the migration.
 */
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal_file.h"

#define FILE_MAX_BYTES 65536
#define LOCK_APPEND 0
#define LOCK_CLAIM  1

struct journal
{
    int fd;
    char *path, *dir;
    struct journal_info info;
    enum journal_state state;
    size_t used;                 /* where the next line goes */
};

/* ---- System calls ------------------------------------------------------ */

static int lock_byte(int fd, off_t byte, short type, bool wait)
{
    struct flock fl = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1,
    };
    int r;

    do {
        r = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &fl);
    } while ( r < 0 && errno == EINTR );
    if ( r < 0 )
        return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;

    return 0;
}

static int write_at(int fd, const char *data, size_t len, size_t at)
{
    while ( len )
    {
        ssize_t r = pwrite(fd, data, len, (off_t)at);

        if ( r < 0 && errno == EINTR )
            continue;
        if ( r <= 0 )
            return r < 0 ? -errno : -EIO;
        data += r;
        len -= (size_t)r;
        at += (size_t)r;
    }

    return 0;
}

static int sync_fd(int fd)
{
    int r;

    do {
        r = fdatasync(fd);
    } while ( r < 0 && errno == EINTR );

    return r < 0 ? -errno : 0;
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if ( fd < 0 )
        return -errno;
    rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);

    return rc;
}

/* One directory; if it is new, its name is made durable. */
static int make_one_dir(const char *path, mode_t mode)
{
    char *copy;
    int rc;

    if ( mkdir(path, mode) < 0 )
        return errno == EEXIST ? 0 : -errno;
    copy = strdup(path);
    if ( !copy )
        return -ENOMEM;
    rc = sync_dir(dirname(copy));
    free(copy);

    return rc;
}

/* The directory and those above it that are missing. */
int journal_make_dir(const char *dir)
{
    char *path = strdup(dir), *p;
    int rc = 0;

    if ( !path )
        return -ENOMEM;
    for ( p = path; !rc && *p; p++ )
        if ( *p == '/' && p > path )
        {
            *p = '\0';
            rc = make_one_dir(path, 0755);
            *p = '/';
        }
    if ( !rc )
        rc = make_one_dir(path, 0700);
    free(path);

    return rc;
}

/* ---- One journal ------------------------------------------------------- */

static int read_all(struct journal *j)
{
    char *text = malloc(FILE_MAX_BYTES);
    size_t len = 0;
    int rc = 0;

    if ( !text )
        return -ENOMEM;
    while ( len < FILE_MAX_BYTES )
    {
        ssize_t r = pread(j->fd, text + len, FILE_MAX_BYTES - len,
                          (off_t)len);

        if ( r < 0 && errno == EINTR )
            continue;
        if ( r < 0 )
            rc = -errno;
        if ( r <= 0 )
            break;
        len += (size_t)r;
    }
    if ( !rc )
        rc = journal_parse(text, len, &j->info, &j->state, &j->used);
    free(text);

    return rc;
}

static struct journal *journal_new(const char *dir,
                                   const uint8_t id[IDENT_BYTES],
                                   enum journal_role role)
{
    struct journal *j = calloc(1, sizeof(*j));
    char text[IDENT_TEXT];

    if ( !j )
        return NULL;
    j->fd = -1;
    j->dir = strdup(dir);
    if ( !j->dir || asprintf(&j->path, "%s/%s.%s", dir, ident_text(id, text),
                             journal_role_name(role)) < 0 )
    {
        free(j->dir);
        free(j);
        return NULL;
    }

    return j;
}

void journal_close(struct journal *j)
{
    if ( !j )
        return;
    if ( j->fd >= 0 )
        close(j->fd);
    free(j->path);
    free(j->dir);
    free(j);
}

static int create_file(struct journal *j, const struct journal_info *info)
{
    char line[JOURNAL_LINE_MAX];
    size_t len = journal_first_line(line, info);
    int rc;

    j->fd = open(j->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if ( j->fd < 0 )
        return -errno;
    rc = write_at(j->fd, line, len, 0);
    if ( !rc )
        rc = sync_fd(j->fd);
    if ( !rc )
        rc = sync_dir(j->dir);
    if ( rc )
        unlink(j->path);
    j->info = *info;
    j->state = JOURNAL_EMPTY;
    j->used = len;

    return rc;
}

int journal_create(const char *dir, const struct journal_info *info,
                   struct err *e, struct journal **ret_j)
{
    struct journal *j = journal_new(dir, info->id, info->role);
    int rc;

    if ( !j )
        return err_set(e, -ENOMEM, "create a journal in %s: out of memory",
                       dir);
    rc = journal_make_dir(dir);
    if ( !rc )
        rc = create_file(j, info);
    if ( rc )
    {
        err_set(e, rc, "create the journal %s: %s", j->path, err_text(rc));
        journal_close(j);
        return rc;
    }
    *ret_j = j;

    return 0;
}

int journal_open(const char *dir, const uint8_t id[IDENT_BYTES],
                 enum journal_role role, struct err *e,
                 struct journal **ret_j)
{
    return journal_open_fd(dir, id, role, -1, e, ret_j);
}

int journal_open_fd(const char *dir, const uint8_t id[IDENT_BYTES],
                    enum journal_role role, int fd, struct err *e,
                    struct journal **ret_j)
{
    struct journal *j = journal_new(dir, id, role);
    int rc;

    if ( !j )
        return err_set(e, -ENOMEM, "open a journal in %s: out of memory",
                       dir);
    j->fd = fd >= 0 ? fd : open(j->path, O_RDWR | O_CLOEXEC);
    rc = j->fd < 0 ? -errno : read_all(j);
    if ( !rc && (j->info.role != role || !ident_equal(j->info.id, id)) )
        rc = -EBADMSG;
    if ( rc )
    {
        err_set(e, rc, "open the journal %s: %s", j->path,
                rc == -EBADMSG ? "a line is damaged" :
                rc == -ENODATA ? "its first line is torn" : err_text(rc));
        if ( fd >= 0 )
            j->fd = -1;
        journal_close(j);
        return rc;
    }
    *ret_j = j;

    return 0;
}

int journal_fd(const struct journal *j)
{
    return j->fd;
}

const struct journal_info *journal_info(const struct journal *j)
{
    return &j->info;
}

enum journal_state journal_state(const struct journal *j)
{
    return j->state;
}

bool journal_is_ours(const struct journal *j)
{
    struct stat st;

    return !fstat(j->fd, &st) && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
           (st.st_uid == geteuid() || st.st_uid == 0);
}

/* ---- Appending --------------------------------------------------------- */

/* Write a line behind the last whole one; the lock is held. */
static int put_line(struct journal *j, const char *text, bool sync)
{
    char line[JOURNAL_LINE_MAX];
    size_t len = strlen(text);
    int rc;

    memcpy(line, text, len);
    len = journal_seal(line, len);
    /* What is torn must not stand behind the new line. */
    if ( ftruncate(j->fd, (off_t)j->used) < 0 )
        return -errno;
    rc = write_at(j->fd, line, len, j->used);
    if ( !rc && sync )
        rc = sync_fd(j->fd);
    if ( rc )
    {
        /* Whether it is on the disk is unknown: it shall not be. */
        if ( ftruncate(j->fd, (off_t)j->used) == 0 )
            sync_fd(j->fd);
        return rc;
    }
    j->used += len;

    return 0;
}

static int put_state(struct journal *j, enum journal_state st, bool sync)
{
    char text[32];
    int rc;

    if ( !journal_legal(j->info.role, j->state, st) )
        return -EINVAL;
    snprintf(text, sizeof(text), "state=%s", journal_state_name(st));
    rc = put_line(j, text, sync);
    if ( !rc )
        j->state = st;

    return rc;
}

static int begin_append(struct journal *j)
{
    int rc = lock_byte(j->fd, LOCK_APPEND, F_WRLCK, true);

    if ( rc )
        return rc;
    rc = read_all(j);
    if ( rc )
        lock_byte(j->fd, LOCK_APPEND, F_UNLCK, false);

    return rc;
}

static void end_append(struct journal *j)
{
    lock_byte(j->fd, LOCK_APPEND, F_UNLCK, false);
}

int journal_append(struct journal *j, enum journal_state st, bool sync,
                   struct err *e)
{
    enum journal_state from;
    int rc;

    rc = begin_append(j);
    if ( !rc )
    {
        from = j->state;
        rc = put_state(j, st, sync);
        end_append(j);
        if ( rc == -EINVAL )
            return err_set(e, rc, "internal error: journal %s: step from %s "
                           "to %s", j->path, journal_state_name(from),
                           journal_state_name(st));
    }
    if ( rc )
        err_set(e, rc, "write %s to the journal %s: %s",
                journal_state_name(st), j->path, err_text(rc));

    return rc;
}

int journal_sync(struct journal *j, struct err *e)
{
    int rc = sync_fd(j->fd);

    if ( rc )
        err_set(e, rc, "make the journal %s durable: %s", j->path,
                err_text(rc));

    return rc;
}

int journal_decide(struct journal *j, enum journal_state st, bool sync,
                   struct err *e, enum journal_state *ret_st)
{
    int rc;

    rc = begin_append(j);
    if ( !rc )
    {
        if ( j->state == JOURNAL_STARTED || j->state == JOURNAL_ABANDONED ||
             j->state == JOURNAL_SPLIT || j->state == JOURNAL_LOST )
            *ret_st = j->state;
        else if ( j->state == JOURNAL_DONE )
            *ret_st = JOURNAL_STARTED;
        else
        {
            rc = put_state(j, st, sync);
            if ( !rc )
                *ret_st = st;
        }
        end_append(j);
    }
    if ( rc )
        err_set(e, rc, "decide %s in the journal %s: %s",
                journal_state_name(st), j->path, err_text(rc));

    return rc;
}

int journal_set_domid(struct journal *j, uint32_t domid, struct err *e)
{
    char text[32];
    int rc;

    snprintf(text, sizeof(text), "domid=%u", domid);
    rc = begin_append(j);
    if ( !rc )
    {
        rc = put_line(j, text, false);
        if ( !rc )
            j->info.domid = domid;
        end_append(j);
    }
    if ( rc )
        err_set(e, rc, "write the domid to the journal %s: %s", j->path,
                err_text(rc));

    return rc;
}

int journal_claim(struct journal *j, struct err *e)
{
    int rc = lock_byte(j->fd, LOCK_CLAIM, F_WRLCK, false);

    if ( rc == -EBUSY )
        err_set(e, rc, "the journal %s belongs to a process that runs",
                j->path);
    else if ( rc )
        err_set(e, rc, "claim the journal %s: %s", j->path, err_text(rc));

    return rc;
}

int journal_remove(struct journal *j, struct err *e)
{
    int rc = 0;

    if ( unlink(j->path) < 0 && errno != ENOENT )
        rc = -errno;
    if ( !rc )
        rc = sync_dir(j->dir);
    if ( rc )
        err_set(e, rc, "remove the journal %s: %s", j->path, err_text(rc));

    return rc;
}

/* ---- Listing ----------------------------------------------------------- */

/* "<id>.<role>" */
static int parse_name(const char *name, struct journal_info *info)
{
    char id[IDENT_TEXT];

    memset(info, 0, sizeof(*info));
    if ( strlen(name) < IDENT_TEXT )
        return -EINVAL;
    memcpy(id, name, IDENT_TEXT - 1);
    id[IDENT_TEXT - 1] = '\0';
    if ( ident_parse(id, info->id) )
        return -EINVAL;
    if ( !strcmp(name + IDENT_TEXT - 1, ".source") )
        info->role = JOURNAL_SOURCE;
    else if ( !strcmp(name + IDENT_TEXT - 1, ".destination") )
        info->role = JOURNAL_DESTINATION;
    else
        return -EINVAL;

    return 0;
}

/* The entry of one file: 0, -ENOENT if it has gone meanwhile. */
static int read_entry(const char *dir, struct journal_entry *ent)
{
    struct journal *j;
    struct stat st;
    int rc;

    rc = journal_open(dir, ent->info.id, ent->info.role, NULL, &j);
    if ( rc && rc != -EBADMSG && rc != -ENODATA )
        return rc;
    ent->error = rc;
    ent->state = JOURNAL_EMPTY;
    memset(&ent->changed, 0, sizeof(ent->changed));
    if ( !rc )
    {
        if ( !fstat(j->fd, &st) )
            ent->changed = st.st_mtim;
        ent->info = *journal_info(j);
        ent->state = journal_state(j);
        journal_close(j);
    }

    return 0;
}

static bool entry_wanted(const struct journal_entry *ent, bool open_only)
{
    if ( !open_only )
        return true;
    if ( ent->error )
        return ent->error != -ENODATA;

    return !journal_settled(ent->info.role, ent->state);
}

static int list_dir(DIR *d, const char *dir, bool open_only,
                    struct journal_entry **list, size_t *nr)
{
    struct journal_entry ent, *more;
    struct dirent *de;
    int rc;

    for ( ; ; )
    {
        errno = 0;
        de = readdir(d);
        if ( !de )
            return -errno;
        if ( parse_name(de->d_name, &ent.info) )
            continue;
        rc = read_entry(dir, &ent);
        if ( rc == -ENOENT || (!rc && !entry_wanted(&ent, open_only)) )
            continue;
        if ( rc )
            return rc;
        more = reallocarray(*list, *nr + 1, sizeof(**list));
        if ( !more )
            return -ENOMEM;
        *list = more;
        (*list)[(*nr)++] = ent;
    }
}

int journal_list(const char *dir, bool open_only, struct err *e,
                 struct journal_entry **ret_list, size_t *ret_nr)
{
    struct journal_entry *list = NULL;
    DIR *d = opendir(dir);
    size_t nr = 0;
    int rc;

    if ( d )
    {
        rc = list_dir(d, dir, open_only, &list, &nr);
        closedir(d);
    }
    else
        rc = errno == ENOENT ? 0 : -errno;
    if ( rc )
    {
        free(list);
        return err_set(e, rc, "list the journals in %s: %s", dir,
                       err_text(rc));
    }
    *ret_list = list;
    *ret_nr = nr;

    return 0;
}
