/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The mechanisms there are (registry), and the ordered list of those that
 * take part in a session (plan).
 */
#ifndef XMIG_PLAN_H
#define XMIG_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "mech.h"

/* ---- registry.c: generated from src/<name>/mech.c ---------------------- */

/* src/<name>/mech.c defines: const struct mech mech_<name>; */

/* All of them, by name; *ret_nr may be 0. */
const struct mech *const *registry_all(size_t *ret_nr);
const struct mech *registry_by_name(const char *name);    /* or NULL */
const struct mech *registry_by_id(uint16_t id);           /* or NULL */
/* Is the table of n mechanisms sound: required members, ids above 1 and
 * unique, names unique? -EINVAL says which is not. */
int registry_check(const struct mech *const *mechs, size_t nr,
                   struct err *e);

/* ---- plan.c ------------------------------------------------------------ */

#define PLAN_MAX 8

struct plan
{
    const struct mech *mechs[PLAN_MAX];
    unsigned int nr;
};

/*
 * Accept or refuse an ordered list of mechanisms.
 *
 * caps   the session's capabilities (WIRE_CAP_*)
 *
 *   -EINVAL      one is there twice, or there are too many
 *   -EOPNOTSUPP  one needs a capability that caps lacks, or conflicts with
 *                one that caps has
 * On failure *ret is untouched and e names the mechanism and the reason.
 */
int plan_build(const struct mech *const *mechs, size_t nr, uint32_t caps,
               struct err *e, struct plan *ret);
/* From names; -ENOENT for one that does not exist. */
int plan_build_names(const char *const *names, size_t nr, uint32_t caps,
                     struct err *e, struct plan *ret);
/* Ask each mechanism whether it can run here; its own reason on failure. */
int plan_probe(const struct plan *plan, struct session *s, struct err *e);
/* The mechanism of the plan that has this wire id, or NULL. */
const struct mech *plan_by_id(const struct plan *plan, uint16_t id);

#endif
