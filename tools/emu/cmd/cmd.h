/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the verbs of xmig-emu share: where a host's files are, its daemons,
 * and the libraries a verb talks to the host with.
 *
 * A verb prints its own failure with err() and returns an exit status:
 * 0 done, 1 failed, 2 used wrongly.
 */
#ifndef XMIG_EMU_CMD_H
#define XMIG_EMU_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EXIT_OK     0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

struct xenstore_handle;
struct xs_handle;
struct xc_interface_core;

struct verb
{
    const char *name;
    const char *usage;
    const char *help;
    int (*run)(int argc, char **argv);
};

int verb_start(int argc, char **argv);
int verb_stop(int argc, char **argv);
int verb_create(int argc, char **argv);
int verb_destroy(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_console(int argc, char **argv);
int verb_wait(int argc, char **argv);
int verb_fault(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_env(int argc, char **argv);
int verb_run(int argc, char **argv);

/* "xmig-emu: <text>" on stderr. */
void err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The usage line of a verb, on stderr; returns EXIT_USAGE. */
int usage(const char *verb);
/* Monotonic clock, microseconds. */
uint64_t now_us(void);
/* Decimal number with an optional bound; 0 or -EINVAL. */
int parse_u64(const char *s, uint64_t max, uint64_t *ret_v);

/* ---- paths (paths.c) ------------------------------------------------- */

struct host
{
    char dir[256];           /* the host's directory, absolute */
    char base[256];          /* where xmig-emu-host and the others are */
    char libdir[272];        /* the replaced libraries */
};

/*
 * Finds the host a verb is about.  The verb takes nr positional arguments
 * after the directory; when the directory is left out, $XMIG_EMU names it.
 * more: further arguments may follow.
 * Moves *ind past the directory.  Returns 0 or EXIT_USAGE/EXIT_FAILED.
 */
int host_from_args(struct host *h, int argc, char **argv, int *ind, int nr,
                   bool more);
/* The same for a verb without options and further arguments. */
int host_alone(struct host *h, int argc, char **argv);
int host_from_dir(struct host *h, const char *dir);
/* dir/name into buf; the directory's length is bounded, so that this fits. */
#define HOST_PATH_MAX 320
const char *host_path(const struct host *h, const char *name,
                      char buf[HOST_PATH_MAX]);
/* XMIG_EMU, XENSTORED_*, LD_LIBRARY_PATH for this process and its children */
int host_setenv(const struct host *h, bool with_libs);

/* ---- daemons (proc.c) ------------------------------------------------ */

struct proc
{
    pid_t pid;
    int pidfd;               /* -1: not running */
    int ready_fd;            /* of one just started; -1: none */
};

/* A daemon may write a byte to this descriptor when it is ready. */
#define READY_FD 3

/*
 * Starts argv as daemon `name` of the host: own session, output appended to
 * name.log, pid in name.pid.  preload: an LD_PRELOAD value or NULL.
 */
int proc_spawn(const struct host *h, const char *name, char *const argv[],
               const char *preload, struct proc *ret_p);
/*
 * Polls ready(arg) (0 ready, -EAGAIN not yet, else failed) until it is, the
 * process ends, or the time is over.  ready NULL: until it says so itself.
 */
int proc_wait_ready(struct proc *p, int (*ready)(void *arg), void *arg,
                    uint64_t timeout_us);
/*
 * The daemon `name` of this host, if it runs: the pid file's process must
 * have been started for this very directory.  0, -ESRCH or another error.
 */
int proc_find(const struct host *h, const char *name, struct proc *ret_p);
/* SIGTERM, after grace_us SIGKILL; waits for the end and removes the file. */
int proc_stop(const struct host *h, const char *name, struct proc *p,
              uint64_t grace_us);
void proc_close(struct proc *p);
/* The last lines of name.log on stderr. */
void proc_show_log(const struct host *h, const char *name);

/* Daemons in the order they start. */
extern const char *const host_daemons[];
extern const unsigned int nr_host_daemons;

/* Stops whatever of the host runs; 0 or -errno. */
int host_stop(const struct host *h);

/* ---- the toolstack's connections (conn.c) ---------------------------- */

struct tools
{
    struct xc_interface_core *xch;
    struct xs_handle *xs;
    void *logger;
};

/* Environment, libxenctrl and libxenstore of a running host. */
int tools_open(const struct host *h, struct tools *ret_t);
void tools_close(struct tools *t);
/*
 * The first domain whose number is at least from: 1, or 0 when there is none,
 * or -errno, printed.
 */
struct xc_dominfo;
int tools_next(struct tools *t, uint32_t from, struct xc_dominfo *ret_info);
/* A name or a number to a domid; prints why not. */
int tools_domid(struct tools *t, const char *dom, uint32_t *ret_domid);

/* ---- the host process (ctl.c) ----------------------------------------- */

/*
 * A request EMU_KIND_CTL knows; text NULL: none with it.  The answer goes to
 * stdout.  host_setenv() must have been called.
 */
int ctl_talk(const struct host *h, uint32_t op, const char *text);

/* ---- xenstore (nodes.c) ---------------------------------------------- */

enum node_perm
{
    NODE_DOM0,               /* dom0 owns it, nobody else sees it */
    NODE_RO,                 /* dom0 owns it, the domain reads it */
    NODE_RW,                 /* the domain owns it */
};

struct node_tx
{
    struct xs_handle *xs;
    uint32_t t;
    uint32_t domid;          /* whom the permissions are about */
    bool failed;             /* the first failure sticks, errno kept */
    int error;
    char what[256];          /* the path that failed */
};

/* value NULL: an empty directory node. */
void node_put(struct node_tx *tx, enum node_perm perm, const char *value,
              const char *path_fmt, ...)
    __attribute__((format(printf, 4, 5)));
/*
 * Runs fill() in a transaction, again as long as it collides.  0 or -errno;
 * a failure is printed.
 */
int node_transaction(struct xs_handle *xs, uint32_t domid,
                     void (*fill)(struct node_tx *tx, void *arg), void *arg);
/* NULL if there is none; to be freed. */
char *node_get(struct xs_handle *xs, const char *path_fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- domain config (config.c) ---------------------------------------- */

#define CONFIG_MAX_VIFS 8
#define CONFIG_MAX_VCPUS 64

struct vif_config
{
    char mac[18];
    char bridge[32];         /* "" : none */
};

struct dom_config
{
    char *name;
    char *cmdline;           /* the guest's `extra` */
    uint8_t uuid[16];
    uint64_t memory_mib;
    uint64_t maxmem_mib;
    unsigned int vcpus;
    uint32_t tsc_mode;       /* Xen's numbers */
    struct vif_config vifs[CONFIG_MAX_VIFS];
    unsigned int nr_vifs;
};

/* Reads an xl.cfg-style file; prints what is wrong with it. */
int config_read(const char *file, struct dom_config *ret_c);
void config_free(struct dom_config *c);
/* Warns of each key set in the file that known() does not know. */
void config_warn_unknown(const char *file, bool (*known)(const char *key));
/* One vif specification: "mac=...,bridge=...". */
int config_parse_vif(const char *spec, struct vif_config *ret_v);

/* ---- the bare toolstack (build.c, devices.c) ------------------------- */

struct dom_built
{
    uint32_t domid;
    uint64_t store_gfn, console_gfn;
    uint32_t store_port, console_port;
};

/* Creates and fills a domain, paused; it is destroyed again on failure. */
int build_domain(struct tools *t, const struct dom_config *c,
                 struct dom_built *ret_b);
/* Its xenstore subtree, its introduction to xenstored and its devices. */
int devices_add(struct tools *t, const struct dom_config *c,
                const struct dom_built *b);
/* Everything in xenstore that belongs to the domain. */
int devices_remove(struct tools *t, uint32_t domid);

#endif
