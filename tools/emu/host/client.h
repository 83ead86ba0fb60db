/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Client processes that came with a fault plan of their own: all their
 * connections count together.
 */
#ifndef XMIG_EMU_CLIENT_H
#define XMIG_EMU_CLIENT_H

#include <stddef.h>

#include "fault.h"

struct client;

/* The client of this process and these rules, made if need be.  -EINVAL:
 * rules not understood. */
int client_get(struct host *h, int pid, const char *rules, size_t len,
               struct client **ret_client);
void client_put(struct host *h, struct client *cl);
struct fault_plan *client_faults(struct client *cl);
/* All clients' rules, as fault_print(). */
size_t clients_print(struct host *h, char *buf, size_t size);

/* All of them, at the end of the host. */
void clients_end(struct host *h);

#endif
