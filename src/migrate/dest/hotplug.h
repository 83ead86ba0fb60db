/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Hotplug scripts of network interfaces: what joins dom0's end of an
 * interface to its bridge.  libxl runs them for its domains; for those that
 * are nobody's somebody else has to.
 */
#ifndef XMIG_HOTPLUG_H
#define XMIG_HOTPLUG_H

#include <stdint.h>

#include "err.h"
#include "store.h"

/*
 * Run "SCRIPT online" for each interface of the domain whose backend names
 * one, once the backend has made its end.
 *   -ENOENT     the script is not here
 *   -ETIMEDOUT  backend or script took too long
 *   -EIO        the script has failed; its words are in e
 */
int hotplug_vifs(struct store *st, struct err *e, uint32_t domid);

#endif
