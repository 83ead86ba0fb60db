/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the kernel's own files call of each other.  Drivers and programs have
 * no use for it.
 */
#ifndef XMIG_EMU_GUEST_INTERNAL_H
#define XMIG_EMU_GUEST_INTERNAL_H

#include "kernel.h"

/* boot.c: one step of vCPU 0 while state is KERNEL_BOOT. */
void boot_first(struct guest_env *env);
void boot_step(struct guest_env *env);

/* boot_pvh.c: the gfn of a boot page made from the struct hvm_start_info at
 * this guest physical address; 0 if there is none. */
uint64_t boot_pvh_page(struct guest_env *env, uint64_t gpa);

/* kernel.c */
bool ports_poll(struct guest_env *env);      /* true: something fired */
void ports_drop(struct guest_env *env);
bool timers_run(struct guest_env *env);      /* true: something fired */
uint64_t timers_next_us(const struct guest_env *env);
void kernel_shutdown(struct guest_env *env, unsigned int reason);
/* A vCPU reported something bad: publish, then crash.  True: dying. */
bool kernel_bad_poll(struct guest_env *env);

/* suspend.c */
void suspend_init(struct guest_env *env);
/* Carry on with a suspend that was asked for; vCPU 0, each step. */
void suspend_poll(struct guest_env *env);
/* vCPU 0's first step after shutdown(suspend). */
void suspend_wake(struct guest_env *env);

/* Stop a vCPU at a step boundary, with this rip, for the suspend. */
void suspend_seal(struct guest_env *env, uint64_t rip);
/* It goes on: is the context what it was?  False: the guest is crashing. */
bool suspend_unseal(struct guest_env *env);

/* publish.c */
void publish_init(struct guest_env *env);
/* Requests to xenstore that it takes; some are lost if there is no room. */
#define PUBLISH_SLOTS 8u
void publish_resume(struct guest_env *env);
void publish_verdict_poll(struct guest_env *env);

/* balloon.c */
extern const char *const balloon_options[];
int balloon_plan(struct guest_env *env, uint64_t *ret_pages);
void balloon_init(struct guest_env *env);
bool balloon_poll(struct guest_env *env);    /* true: more to do */
/* Pages given up for memory/target. */
uint64_t balloon_nr_out(const struct guest_env *env);

/* check.c */
extern const char *const check_options[];
void check_init(struct guest_env *env);
/* All vCPUs have walked since the last resume. */
bool check_walk_done(const struct guest_env *env);
bool check_is_off(const struct guest_env *env);

#endif
