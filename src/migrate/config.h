/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain's description from a configuration file, for images that bring
 * none of ours: xl.cfg's syntax, or libxl's JSON as it stands in the header
 * of `xl save`.
 */
#ifndef XMIG_CONFIG_H
#define XMIG_CONFIG_H

#include "err.h"
#include "wire.h"

struct config
{
    struct wire_domain domain;   /* .pairs point into pairs_buf */
    char *pairs_buf;
};

/*
 * They return 0, or
 *   -EINVAL  not in that syntax, something needed is missing, or a kind of
 *            domain that is not carried; says which
 *   -ENOENT, -EACCES ...  the file can't be read
 */
int config_read_file(const char *path, struct err *e, struct config *ret);
/* The same of text that came from where. */
int config_read_cfg(const char *text, size_t len, const char *where,
                    struct err *e, struct config *ret);
int config_read_json(const char *text, struct err *e, struct config *ret);
void config_done(struct config *c);

/*
 * Take over from c what a configuration beside an image of our own says
 * anew: name, uuid, and network interfaces.
 */
int config_override(struct wire_domain *domain, const struct config *c,
                    struct err *e, char **ret_pairs_buf);

#endif
