/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Migration journals: docs/stream.md section 3.  One append-only file per
 * migration and role; each line carries its own checksum, so a torn last
 * line is seen and ignored.
 *
 * The decision STARTED or ABANDONED is made once, under a lock on the file
 * that excludes other processes and other handles of this one.
 */
#ifndef XMIG_JOURNAL_H
#define XMIG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "err.h"
#include "ident.h"

enum journal_role
{
    JOURNAL_SOURCE,
    JOURNAL_DESTINATION,
};

enum journal_state
{
    JOURNAL_EMPTY,               /* only the first line */
    JOURNAL_PREPARING,
    JOURNAL_PERMIT,              /* source: GO may be sent */
    JOURNAL_SUSPENDING,          /* source: the guest is being asked to
                                    suspend, GO may have been sent */
    JOURNAL_WITHDRAWN,           /* source: given up before GO, but the guest
                                    may still obey and suspend */
    JOURNAL_WRITTEN,             /* of a save: the image is whole, the domain
                                    is to go */
    JOURNAL_IN_DOUBT,            /* source: given up asking, for now */
    JOURNAL_RESUMED,             /* source: the guest runs on here */
    JOURNAL_MAY_START,           /* destination: GO will be obeyed */
    JOURNAL_SPLIT,               /* it runs at the destination, and pages are
                                    still at the source */
    JOURNAL_STARTED,             /* destination: all of it is here */
    JOURNAL_ABANDONED,           /* destination: GO is refused for ever */
    JOURNAL_LOST,                /* destination, behind SPLIT: what was still
                                    at the source will not come */
    JOURNAL_DONE,                /* nothing is left to do */
    JOURNAL_NR_,
};

#define JOURNAL_NAME_MAX 128
#define JOURNAL_PEER_MAX 1024

/* The first line. */
struct journal_info
{
    enum journal_role role;
    uint8_t id[IDENT_BYTES];     /* of the migration */
    uint32_t domid;              /* at this end */
    uint8_t uuid[IDENT_BYTES];   /* of the domain */
    uint8_t boot[IDENT_BYTES];   /* of this host */
    char name[JOURNAL_NAME_MAX]; /* of the domain */
    char peer[JOURNAL_PEER_MAX]; /* whom to ask, as peer.h has it; "" at the
                                    destination, and of a save */
};

struct journal;

/* "PERMIT" ...; never NULL. */
const char *journal_state_name(enum journal_state st);
/* Is the step legal for the role? */
bool journal_legal(enum journal_role role, enum journal_state from,
                   enum journal_state to);
/* Is nothing left to do from here: DONE, RESUMED, or ABANDONED? */
bool journal_settled(enum journal_role role, enum journal_state st);

/* Make a directory, mode 0700, and those above it that are missing; 0 if it
 * is there. */
int journal_make_dir(const char *dir);
/*
 * Create the file (and dir, mode 0700), write the first line and sync file
 * and directory.
 *   -EEXIST  there is one for this id and role
 *   -ENOSPC, -EACCES, -EROFS ...
 */
int journal_create(const char *dir, const struct journal_info *info,
                   struct err *e, struct journal **ret_j);
/*
 * Open an existing one and read it.
 *   -ENOENT
 *   -ENODATA  the first line is torn: nothing was ever done under it
 *   -EBADMSG  a line is damaged, so what was decided cannot be known (a
 *             torn last line is no error: it does not count)
 */
int journal_open(const char *dir, const uint8_t id[IDENT_BYTES],
                 enum journal_role role, struct err *e,
                 struct journal **ret_j);
/*
 * The same of a descriptor that another process had opened and has left to
 * this one: with it came its claim.  fd becomes the journal's on success.
 */
int journal_open_fd(const char *dir, const uint8_t id[IDENT_BYTES],
                    enum journal_role role, int fd, struct err *e,
                    struct journal **ret_j);
/* The journal's own; claims live as long as any copy of it. */
int journal_fd(const struct journal *j);
void journal_close(struct journal *j);

const struct journal_info *journal_info(const struct journal *j);
/* As of the last operation on this handle. */
enum journal_state journal_state(const struct journal *j);

/* Could only this user (or root) have written it? */
bool journal_is_ours(const struct journal *j);

/*
 * Append a state.  With sync it is durable on return.  Reads first what
 * others have appended.
 *   -EINVAL  illegal step; *nothing* was written
 *   -ENOSPC, -EIO ...  nothing that counts was written
 */
int journal_append(struct journal *j, enum journal_state st, bool sync,
                   struct err *e);
/* Make durable what has been appended. */
int journal_sync(struct journal *j, struct err *e);

/*
 * Destination: decide st, STARTED (SPLIT) or ABANDONED, unless it is decided.
 * *ret_st is what holds now: st, or what was there before (then the return
 * value is 0 too; DONE is told as STARTED).  Nothing is ever decided twice.
 */
int journal_decide(struct journal *j, enum journal_state st, bool sync,
                   struct err *e, enum journal_state *ret_st);

/* Note a new domid (the domain was built after the journal was begun). */
int journal_set_domid(struct journal *j, uint32_t domid, struct err *e);

/*
 * Take the whole journal for oneself until it is closed, so that only one
 * process runs (or recovers) this migration.
 *   -EBUSY  somebody else has it
 */
int journal_claim(struct journal *j, struct err *e);

/* Remove the file and sync the directory; j is still to be closed. */
int journal_remove(struct journal *j, struct err *e);

struct journal_entry
{
    struct journal_info info;
    enum journal_state state;
    struct timespec changed;     /* the last line's time */
    int error;                   /* -EBADMSG, -ENODATA: unreadable; info.role
                                    and info.id are from the file's name */
};

/*
 * All journals in dir; a missing dir has none.  *ret_list is malloc'ed.
 * open_only: leave out the settled ones, and those whose first line is torn.
 */
int journal_list(const char *dir, bool open_only, struct err *e,
                 struct journal_entry **ret_list, size_t *ret_nr);

/*
 * Remove the ABANDONED journals of destinations but the newest so many: whose
 * source asks after that gets UNKNOWN.
 */
#define JOURNAL_KEEP 256
int journal_prune(const char *dir, size_t keep, struct err *e);

/* ---- For tests --------------------------------------------------------- */

/*
 * What a file of these bytes says.  0, -ENODATA or -EBADMSG as above.
 * *ret_used is where the next line goes: behind the last whole line.
 */
int journal_parse(const char *text, size_t len, struct journal_info *ret_info,
                  enum journal_state *ret_st, size_t *ret_used);

#endif
