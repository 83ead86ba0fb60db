/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Guest memory: mapping, populating, claiming.
 */
#include "hv_xen.h"

#include <sys/mman.h>

#define SUPER_ORDER   9u             /* 2 MiB */
#define SUPER_BATCH   256u           /* extents in one call: 512 MiB */
#define SINGLE_BATCH  1024u

static_assert(sizeof(xen_pfn_t) == sizeof(uint64_t), "gfn lists are shared");
static_assert(CHUNK_GFNS == 1u << SUPER_ORDER, "a chunk is an extent");

int hv_nr_gfns(struct hv *hv, struct err *e, uint32_t domid,
               uint64_t *ret_nr)
{
    xen_pfn_t nr;
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_nr_gpfns(hv->xch, domid, &nr));
    if ( !rc )
        *ret_nr = nr;

    return hv_done(e, rc, domid, "highest gfn");
}

/* ---- Mapping ----------------------------------------------------------- */

int hv_map(struct hv *hv, struct err *e, uint32_t domid, bool writable,
           const uint64_t *gfns, size_t n, int *errs, void **ret_addr)
{
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ, rc;
    void *addr;
    size_t i;

    pthread_mutex_lock(&hv->fmem_lock);
    errno = 0;
    addr = xenforeignmemory_map(hv->fmem, domid, prot, n,
                                (const xen_pfn_t *)gfns, errs);
    rc = addr ? 0 : hv_rc();
    pthread_mutex_unlock(&hv->fmem_lock);
    if ( rc )
        return err_set(e, rc, "domain %u: map %zu gfns from %#" PRIx64 ": %s",
                       domid, n, gfns[0], err_text(rc));
    /* Kernels write -errno, the library's header says errno. */
    for ( i = 0; errs && i < n; i++ )
        if ( errs[i] > 0 )
            errs[i] = -errs[i];
    *ret_addr = addr;

    return 0;
}

int hv_map_range(struct hv *hv, struct err *e, uint32_t domid, bool writable,
                 uint64_t first, size_t n, int *errs, void **ret_addr)
{
    uint64_t *gfns = reallocarray(NULL, n, sizeof(*gfns));
    size_t i;
    int rc;

    if ( !gfns )
        return err_set(e, -ENOMEM, "domain %u: map %zu gfns: out of memory",
                       domid, n);
    for ( i = 0; i < n; i++ )
        gfns[i] = first + i;
    rc = hv_map(hv, e, domid, writable, gfns, n, errs, ret_addr);
    free(gfns);

    return rc;
}

void hv_unmap(struct hv *hv, void *addr, size_t n)
{
    if ( !addr )
        return;
    pthread_mutex_lock(&hv->fmem_lock);
    xenforeignmemory_unmap(hv->fmem, addr, n);
    pthread_mutex_unlock(&hv->fmem_lock);
}

/* ---- Populating -------------------------------------------------------- */

/*
 * Populate n extents; the list is used up.  Returns how many, from the
 * first on, have been, or -errno; fewer than n is a lack of memory.
 */
static int populate_call(struct hv *hv, uint32_t domid, unsigned int n,
                         unsigned int order, xen_pfn_t *extents)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_populate_physmap(hv->xch, domid, n, order,
                                                   0, extents));

    return rc ? rc : r;
}

/* n <= SINGLE_BATCH single frames; *ret_done as documented. */
static int populate_singles(struct hv *hv, uint32_t domid,
                            const uint64_t *gfns, unsigned int n,
                            unsigned int *ret_done)
{
    xen_pfn_t list[SINGLE_BATCH];
    int r;

    memcpy(list, gfns, n * sizeof(*list));
    r = populate_call(hv, domid, n, 0, list);
    *ret_done = r < 0 ? 0 : (unsigned int)r;

    return r < 0 ? r : (unsigned int)r < n ? -ENOMEM : 0;
}

/* Singly [first, first + n), n <= SINGLE_BATCH. */
static int populate_piece(struct hv *hv, uint32_t domid, uint64_t first,
                          unsigned int n, unsigned int *ret_done)
{
    uint64_t gfns[SINGLE_BATCH];
    unsigned int i;

    for ( i = 0; i < n; i++ )
        gfns[i] = first + i;

    return populate_singles(hv, domid, gfns, n, ret_done);
}

/* n whole chunks from first, aligned; *ret_done counts gfns.  A chunk for
 * which there is no 2 MiB piece is made of single frames. */
static int populate_chunks(struct hv *hv, uint32_t domid, uint64_t first,
                           unsigned int n, unsigned int *ret_done)
{
    xen_pfn_t extents[SUPER_BATCH];
    unsigned int i, done = 0;
    int r, rc;

    for ( i = 0; i < n; i++ )
        extents[i] = first + (uint64_t)i * CHUNK_GFNS;
    r = populate_call(hv, domid, n, SUPER_ORDER, extents);
    *ret_done = r > 0 ? (unsigned int)r * CHUNK_GFNS : 0;
    if ( r == (int)n )
        return 0;
    if ( r < 0 && r != -ENOMEM && r != -EBUSY )
        return r;
    rc = populate_piece(hv, domid, first + *ret_done, CHUNK_GFNS, &done);
    *ret_done += done;

    return rc;
}

static int populate_failed(struct hv *hv, struct err *e, uint32_t domid,
                           int rc, uint64_t gfn, uint64_t left)
{
    struct hv_host host;

    if ( rc == -ENOMEM && !hv_host_info(hv, NULL, &host) )
        return err_set(e, rc, "domain %u: populate gfn %#" PRIx64 ": %" PRIu64
                       " pages are still to come and the host has %" PRIu64
                       " free (or the domain's limit is reached)", domid, gfn,
                       left, host.free_pages);

    return err_set(e, rc, "domain %u: populate gfn %#" PRIx64 ", %" PRIu64
                   " pages still to come: %s", domid, gfn, left,
                   err_text(rc));
}

int hv_populate_range(struct hv *hv, struct err *e, uint32_t domid,
                      uint64_t first, uint64_t count, uint64_t *ret_done)
{
    uint64_t done = 0;
    int rc = 0;

    while ( !rc && done < count )
    {
        uint64_t gfn = first + done, left = count - done;
        uint64_t to_chunk = -gfn & (CHUNK_GFNS - 1);
        unsigned int step = 0;

        if ( !to_chunk && left >= CHUNK_GFNS )
        {
            uint64_t n = left / CHUNK_GFNS;

            rc = populate_chunks(hv, domid, gfn, n > SUPER_BATCH
                                 ? SUPER_BATCH : (unsigned int)n, &step);
        }
        else
        {
            uint64_t n = to_chunk && to_chunk < left ? to_chunk : left;

            rc = populate_piece(hv, domid, gfn, (unsigned int)n, &step);
        }
        done += step;
    }
    if ( ret_done )
        *ret_done = done;

    return rc ? populate_failed(hv, e, domid, rc, first + done, count - done)
              : 0;
}

int hv_populate(struct hv *hv, struct err *e, uint32_t domid,
                const uint64_t *gfns, size_t n, size_t *ret_done)
{
    size_t done = 0;
    int rc = 0;

    while ( !rc && done < n )
    {
        unsigned int step, want = n - done > SINGLE_BATCH
                                  ? SINGLE_BATCH : (unsigned int)(n - done);

        rc = populate_singles(hv, domid, gfns + done, want, &step);
        done += step;
    }
    if ( ret_done )
        *ret_done = done;

    return rc ? populate_failed(hv, e, domid, rc, gfns[done], n - done) : 0;
}

/* Has gfn no frame? */
static int is_hole(struct hv *hv, struct err *e, uint32_t domid, uint64_t gfn,
                   bool *ret_hole)
{
    struct pageset ram;
    int rc;

    rc = pageset_init(&ram, gfn + 1);
    if ( rc )
        return err_set(e, rc, "domain %u: out of memory", domid);
    rc = hv_page_types(hv, e, domid, gfn, 1, &ram, NULL);
    if ( !rc )
        *ret_hole = !pageset_test(&ram, gfn);
    pageset_done(&ram);

    return rc;
}

int hv_depopulate(struct hv *hv, struct err *e, uint32_t domid,
                  uint64_t first, uint64_t count)
{
    xen_pfn_t list[SINGLE_BATCH];
    uint64_t done = 0;

    while ( done < count )
    {
        unsigned int i, n = count - done > SINGLE_BATCH
                            ? SINGLE_BATCH : (unsigned int)(count - done);
        bool hole = false;
        int r, rc;

        for ( i = 0; i < n; i++ )
            list[i] = first + done + i;
        rc = HV_CALL(hv, r, xc_domain_decrease_reservation(hv->xch, domid, n,
                                                           0, list));
        if ( !rc )
            done += (unsigned int)r;
        if ( !rc && (unsigned int)r == n )
            continue;
        /* It stopped at a gfn: at one without a frame, or for a reason. */
        if ( is_hole(hv, e, domid, first + done, &hole) || !hole )
            return err_set(e, rc ? rc : -EBUSY, "domain %u: take away the "
                           "frame of gfn %#" PRIx64 ": %s", domid,
                           first + done, err_text(rc ? rc : -EBUSY));
        done++;
    }

    return 0;
}

int hv_claim(struct hv *hv, struct err *e, uint32_t domid, uint64_t pages)
{
    struct hv_host host;
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_claim_pages(hv->xch, domid, pages));
    if ( rc == -ENOSYS )
        rc = -EOPNOTSUPP;
    if ( rc == -ENOMEM && !hv_host_info(hv, NULL, &host) )
        return err_set(e, rc, "domain %u: %" PRIu64 " MiB of memory are "
                       "needed, the host has %" PRIu64 " MiB free", domid,
                       pages >> 8, host.free_pages >> 8);
    if ( rc )
        return err_set(e, rc, "domain %u: claim %" PRIu64 " pages: %s", domid,
                       pages, err_text(rc));

    return 0;
}
