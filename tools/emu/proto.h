/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the replaced Xen libraries and the emulated host say to each other
 * over the stream socket $XMIG_EMU/host.sock.
 *
 * One connection per library handle.  The client sends a request (struct
 * emu_msg and len bytes), the host answers it (struct emu_reply and len
 * bytes), strictly in turn.  The first request is EMU_HELLO.  File
 * descriptors travel by SCM_RIGHTS with the first byte of a reply.  Both ends
 * are on one machine and of one build, so fields are in native order.
 *
 * Event channel and grant messages are in proto_evtchn.h and proto_gnttab.h.
 */
#ifndef XMIG_EMU_PROTO_H
#define XMIG_EMU_PROTO_H

#include <stdint.h>

#define EMU_SOCK_NAME     "host.sock"
#define EMU_ENV_DIR       "XMIG_EMU"
#define EMU_ENV_FAULT     "XMIG_EMU_FAULT"
#define EMU_ENV_MAP       "XMIG_EMU_MAP"
#define EMU_ENV_TRACE     "XMIG_EMU_TRACE"

#define EMU_PROTO_VERSION 1u
#define EMU_PAGE_SIZE     4096u
#define EMU_PAGE_SHIFT    12
#define EMU_POISON        0xc2
#define EMU_MAX_MSG       (32u << 20)  /* bytes after a header */
#define EMU_MAX_FAULT     1024u        /* bytes of fault rules in a hello */
#define EMU_MAX_MAP       (2u << 20)   /* pages in one EMU_MAP */
#define EMU_MAX_FDS       4u

struct emu_msg
{
    uint32_t op;                 /* enum emu_op */
    uint32_t len;                /* bytes that follow */
};

struct emu_reply
{
    uint32_t op;                 /* that of the request */
    uint32_t len;                /* bytes that follow */
    int64_t result;              /* >= 0, or -errno */
};

enum emu_kind
{
    EMU_KIND_CALL = 1,           /* libxencall */
    EMU_KIND_FMEM,               /* libxenforeignmemory */
    EMU_KIND_EVTCHN,             /* libxenevtchn */
    EMU_KIND_GNTTAB,             /* libxengnttab */
    EMU_KIND_CTL,                /* xmig-emu */
};

enum emu_op
{
    EMU_HELLO = 1,               /* struct emu_hello, then the fault rules;
                                  * reply struct emu_welcome */
    EMU_CALL = 0x10,             /* struct emu_call; result: the hypercall's */

    EMU_MAP = 0x20,              /* struct emu_map, u64 gfns[num]; result: id;
                                  * reply struct emu_run[], in order */
    EMU_UNMAP,                   /* u64 id */
    EMU_RESOURCE,                /* struct emu_resource; result: id;
                                  * reply struct emu_run[] */
    EMU_RESOURCE_SIZE,           /* struct emu_resource; result: frames */
    EMU_RESTRICT,                /* u32 domid: only this domain from now on */

    /* EMU_KIND_CTL.  Text in, text out, no NULs. */
    EMU_FAULT_ADD = 0x40,        /* rules for all clients; see docs/emu.md */
    EMU_FAULT_CLEAR,             /* forget those of EMU_FAULT_ADD */
    EMU_FAULT_LIST,              /* all rules: "id who rule calls=N done=B" */
    EMU_STATUS,                  /* "key value" lines */

    EMU_EVTCHN_FIRST = 0x200, EMU_EVTCHN_LAST = 0x2ff,  /* to evtchn_msg() */
    EMU_GNTTAB_FIRST = 0x300, EMU_GNTTAB_LAST = 0x3ff,  /* to gnttab_msg() */
};

#define EMU_HELLO_MAGIC 0x4f4d4549u

struct emu_hello
{
    uint32_t magic;
    uint32_t version;            /* EMU_PROTO_VERSION */
    uint32_t kind;               /* enum emu_kind */
    uint32_t fault_len;          /* bytes of rules that follow */
    uint64_t arena_va;           /* EMU_KIND_CALL: where the client will map
                                  * its arena, EMU_ARENA_BYTES long */
};

/*
 * Descriptors with it: machine memory for FMEM and GNTTAB; the arena for
 * CALL; none for the others.
 */
struct emu_welcome
{
    uint64_t machine_pages;      /* size of machine memory */
    uint64_t arena_bytes;        /* EMU_ARENA_BYTES */
};

/*
 * The arena: hypercall buffers of one CALL handle, shared by both ends.  Its
 * first EMU_ARENA_HEADER pages hold a bitmap, a bit for each page of the
 * arena, least significant first, set by the client while the page is part of
 * an allocated buffer.  The host takes a guest handle only if all its bytes
 * lie in such pages.
 */
#define EMU_ARENA_BYTES   (512ull << 20)
#define EMU_ARENA_PAGES   ((uint32_t)(EMU_ARENA_BYTES / EMU_PAGE_SIZE))
#define EMU_ARENA_HEADER  (EMU_ARENA_PAGES / 8 / EMU_PAGE_SIZE)

struct emu_call
{
    uint64_t nr;                 /* __HYPERVISOR_* */
    uint64_t arg[5];             /* pointers are addresses in the client */
};

#define EMU_MAP_WRITE 1u

struct emu_map
{
    uint32_t domid;
    uint32_t flags;              /* EMU_MAP_WRITE */
    uint32_t num;
    uint32_t pad;
};

/* nr pages that are consecutive in machine memory, or that all failed. */
struct emu_run
{
    uint64_t mfn;                /* first one, if !err */
    uint32_t nr;
    int32_t err;                 /* 0 or -errno */
};

struct emu_resource
{
    uint32_t domid;
    uint32_t type;               /* XENMEM_resource_* */
    uint32_t id;
    uint32_t pad;
    uint64_t frame;
    uint64_t nr;
};

#endif
