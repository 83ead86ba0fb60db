/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A migration as its log of events tells it, and the picture of it.  Private
 * to cmd-report.c, report-read.c and report-draw.c.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The figures at a moment. */
struct report_sample
{
    double t;                    /* seconds since it began, as all times */
    double sent, left;           /* MiB */
};

/* Parts of a downtime. */
#define REPORT_PARTS 5

/* A live round that has ended. */
struct report_round
{
    double begin, end;
    double dirty;                /* MiB/s */
    double pause_ms;             /* predicted at its end */
    double parts_ms[REPORT_PARTS];
};

struct report_step
{
    double t;
    double percent;              /* slowed down by */
};

struct report
{
    char domain[128], peer[256], date[32], id[40];
    struct report_sample *samples;
    struct report_round *rounds;
    struct report_step *steps;
    size_t nr_samples, nr_rounds, nr_steps;
    double total;                /* seconds */
    double setup;                /* the first round began, 0 = never */
    double stopped;              /* the guest was asked to suspend; 0 = not */
    double sent;                 /* MiB, in all */
    double downtime_ms, parts_ms[REPORT_PARTS];
    double expected_ms, expected_parts_ms[REPORT_PARTS];
    bool ended;
    int code;                    /* of the end */
    char text[512];              /* of the end */
    char verdict[512];
};

/* Names of the parts of a downtime, in order. */
extern const char *const report_parts[REPORT_PARTS];

/* 0, or -errno and *ret_line is where the log is not one. */
int report_read(FILE *f, struct report *r, unsigned long *ret_line);
void report_done(struct report *r);
/* As SVG.  0 or -errno; failures to write are f's. */
int report_draw(FILE *f, const struct report *r);

#endif
