/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The picture of a migration: panels over one axis of time, and the downtime
 * by its parts, as predicted and as it was.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define WIDTH   960.0
#define LEFT    84.0
#define RIGHT   24.0
#define PLOT    (WIDTH - LEFT - RIGHT)
#define COLUMNS 400              /* points of a curve at most */

/* Distinct also for who sees red and green alike. */
#define C_SENT  "#0072b2"
#define C_DIRTY "#d55e00"
#define C_LEFT  "#009e73"
#define C_SLOW  "#cc79a7"
static const char *const part_colours[REPORT_PARTS] = {
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9",
};

struct panel
{
    double top, height;
    double max;                  /* of the y axis */
};

/* ---- Text --------------------------------------------------------------- */

/* What comes from a log is not to become markup. */
static void put_escaped(FILE *f, const char *text)
{
    for ( ; *text; text++ )
    {
        switch ( *text )
        {
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '&': fputs("&amp;", f); break;
        case '"': fputs("&quot;", f); break;
        default:
            fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
        }
    }
}

static void put_text(FILE *f, double x, double y, const char *class,
                     const char *text)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    put_escaped(f, text);
    fputs("</text>\n", f);
}

/* Words, in lines of so many characters; returns where the next would be. */
static double put_paragraph(FILE *f, double x, double y, const char *text,
                            size_t width)
{
    char line[256];
    size_t len, cut;

    while ( *text )
    {
        len = strlen(text);
        cut = len;
        if ( len > width )
        {
            for ( cut = width; cut && text[cut] != ' '; cut-- )
                continue;
            if ( !cut )
                cut = width;
        }
        snprintf(line, sizeof(line), "%.*s", (int)cut, text);
        put_text(f, x, y, "small", line);
        y += 16;
        text += cut;
        while ( *text == ' ' )
            text++;
    }
    return y;
}

/* ---- Axes --------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, so that there are about n steps. */
static double nice_step(double max, int n)
{
    double raw = max / n, p = pow(10, floor(log10(raw)));

    if ( raw <= p )
        return p;
    return raw <= 2 * p ? 2 * p : raw <= 5 * p ? 5 * p : 10 * p;
}

/* The least whole number of about n steps that max fits into. */
static double nice_max(double max, int n)
{
    double step = nice_step(max > 0 ? max : 1, n);

    return step * ceil((max > 0 ? max : 1) / step - 1e-9);
}

static double x_of(const struct report *r, double t)
{
    return LEFT + PLOT * t / r->total;
}

static double y_of(const struct panel *p, double v)
{
    return p->top + p->height * (1 - v / p->max);
}

static void put_y_axis(FILE *f, const struct panel *p, const char *label)
{
    double step = nice_step(p->max, 4), v;
    char text[32];

    for ( v = 0; v <= p->max + step / 100; v += step )
    {
        fprintf(f, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
                "class=\"grid\"/>\n", LEFT, LEFT + PLOT, y_of(p, v),
                y_of(p, v));
        snprintf(text, sizeof(text), "%g", v);
        put_text(f, LEFT - 8, y_of(p, v) + 4, "tick end", text);
    }
    fprintf(f, "<text transform=\"translate(20 %.1f) rotate(-90)\" "
            "class=\"label mid\">%s</text>\n", p->top + p->height / 2, label);
}

static void put_x_axis(FILE *f, double y, double max, const char *label)
{
    double step = nice_step(max, 8), v;
    char text[32];

    for ( v = 0; v <= max + step / 100; v += step )
    {
        double x = LEFT + PLOT * v / max;

        fprintf(f, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
                "class=\"axis\"/>\n", x, x, y, y + 4);
        snprintf(text, sizeof(text), "%g", v);
        put_text(f, x, y + 17, "tick mid", text);
    }
    put_text(f, LEFT + PLOT / 2, y + 34, "label mid", label);
}

static void put_frame(FILE *f, const struct panel *p)
{
    fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
            "class=\"frame\"/>\n", LEFT, p->top, PLOT, p->height);
}

struct key
{
    const char *colour, *text;
};

/* A line of keys above a panel. */
static void put_legend(FILE *f, double y, const struct key *keys, size_t nr)
{
    double x = LEFT;
    size_t i;

    for ( i = 0; i < nr; i++ )
    {
        fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"10\" "
                "fill=\"%s\"/>\n", x, y - 9, keys[i].colour);
        put_text(f, x + 19, y, "small", keys[i].text);
        x += 34 + 6.3 * (double)strlen(keys[i].text);
    }
}

/* ---- Backgrounds -------------------------------------------------------- */

static void put_band(FILE *f, const struct report *r, const struct panel *p,
                     double from, double to, const char *colour)
{
    double x = x_of(r, from), w = x_of(r, to) - x;

    if ( w > 0 )
        fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\""
                " fill=\"%s\"/>\n", x, p->top, w, p->height, colour);
}

/* Setting up, and what came after the guest was asked to stop. */
static void put_phases(FILE *f, const struct report *r,
                       const struct panel *p)
{
    put_band(f, r, p, 0, r->setup ? r->setup : r->total, "#eeeeee");
    if ( r->stopped )
        put_band(f, r, p, r->stopped, r->total, "#fbe3dc");
}

/* A line where each round ends, and its number where there is room. */
static void put_rounds(FILE *f, const struct report *r,
                       const struct panel *p, bool numbers)
{
    double last = -100;
    char text[32];
    size_t i;

    for ( i = 0; i < r->nr_rounds; i++ )
    {
        double x = x_of(r, r->rounds[i].end);
        double mid = (x_of(r, r->rounds[i].begin) + x) / 2;

        if ( x < LEFT || (i + 1 < r->nr_rounds && x - last < 3 && i) )
            continue;
        fprintf(f, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
                "class=\"round\"/>\n", x, x, p->top, p->top + p->height);
        last = x;
        snprintf(text, sizeof(text), "%zu", i);
        if ( numbers && x - x_of(r, r->rounds[i].begin) > 18 )
            put_text(f, mid, p->top + 13, "tick mid", text);
    }
}

/* ---- Curves ------------------------------------------------------------- */

/* MiB/s between samples that are far enough apart to be seen. */
static double max_rate(const struct report *r, FILE *f,
                       const struct panel *p)
{
    double max = 0, gap = r->total / COLUMNS, rate;
    size_t i, from = 0;

    if ( f )
        fprintf(f, "<polyline class=\"curve\" stroke=\"%s\" points=\"",
                C_SENT);
    for ( i = 1; i < r->nr_samples; i++ )
    {
        const struct report_sample *a = &r->samples[from];
        const struct report_sample *b = &r->samples[i];

        if ( b->t - a->t < gap || b->t - a->t < 0.02 )
            continue;
        rate = b->sent > a->sent ? (b->sent - a->sent) / (b->t - a->t) : 0;
        if ( rate > max )
            max = rate;
        if ( f )
            fprintf(f, "%.1f,%.1f %.1f,%.1f ", x_of(r, a->t), y_of(p, rate),
                    x_of(r, b->t), y_of(p, rate));
        from = i;
    }
    if ( f )
        fputs("\"/>\n", f);
    return max;
}

static void put_dirty(FILE *f, const struct report *r, const struct panel *p)
{
    size_t i;

    fprintf(f, "<polyline class=\"curve\" stroke=\"%s\" points=\"", C_DIRTY);
    for ( i = 0; i < r->nr_rounds; i++ )
        fprintf(f, "%.1f,%.1f %.1f,%.1f ", x_of(r, r->rounds[i].begin),
                y_of(p, r->rounds[i].dirty), x_of(r, r->rounds[i].end),
                y_of(p, r->rounds[i].dirty));
    fputs("\"/>\n", f);
}

static void put_left(FILE *f, const struct report *r, const struct panel *p)
{
    double gap = r->total / COLUMNS / 4, last = -1, left = 0;
    size_t i;

    fprintf(f, "<polyline class=\"curve\" stroke=\"%s\" points=\"", C_LEFT);
    for ( i = 0; i < r->nr_samples; i++ )
    {
        const struct report_sample *s = &r->samples[i];

        /* A round that begins is a jump, however short the last one was. */
        if ( s->t < r->setup || (s->t - last < gap && s->left <= left) )
            continue;
        fprintf(f, "%.1f,%.1f ", x_of(r, s->t), y_of(p, s->left));
        last = s->t;
        left = s->left;
    }
    fputs("\"/>\n", f);
}

static void put_steps(FILE *f, const struct report *r, const struct panel *p)
{
    double end = r->stopped ? r->stopped : r->total, v = 0;
    size_t i;

    fprintf(f, "<polyline class=\"curve\" stroke=\"%s\" points=\"", C_SLOW);
    fprintf(f, "%.1f,%.1f ", x_of(r, r->setup), y_of(p, 0));
    for ( i = 0; i < r->nr_steps; i++ )
    {
        fprintf(f, "%.1f,%.1f %.1f,%.1f ", x_of(r, r->steps[i].t),
                y_of(p, v), x_of(r, r->steps[i].t),
                y_of(p, r->steps[i].percent));
        v = r->steps[i].percent;
    }
    fprintf(f, "%.1f,%.1f %.1f,%.1f\"/>\n", x_of(r, end), y_of(p, v),
            x_of(r, end), y_of(p, 0));
}

/* ---- Panels ------------------------------------------------------------- */

static double draw_rates(FILE *f, const struct report *r, double y)
{
    static const struct key keys[] = {
        { C_SENT, "sent" }, { C_DIRTY, "dirtied by the guest" },
        { "#eeeeee", "setting up" },
        { "#fbe3dc", "guest asked to suspend, and after" },
        { "#bbbbbb", "end of a round" },
    };
    struct panel p = { .top = y + 12, .height = 190 };
    size_t i;

    p.max = max_rate(r, NULL, NULL);
    for ( i = 0; i < r->nr_rounds; i++ )
        if ( r->rounds[i].dirty > p.max )
            p.max = r->rounds[i].dirty;
    p.max = nice_max(p.max * 1.08, 4);
    put_legend(f, y, keys, sizeof(keys) / sizeof(keys[0]));
    put_phases(f, r, &p);
    put_y_axis(f, &p, "rate, MiB/s");
    put_rounds(f, r, &p, true);
    put_dirty(f, r, &p);
    max_rate(r, f, &p);
    put_frame(f, &p);
    return p.top + p.height;
}

static double draw_left(FILE *f, const struct report *r, double y)
{
    static const struct key keys[] = {
        { C_LEFT, "memory that is still to be sent in this round" },
    };
    struct panel p = { .top = y + 12, .height = 150 };
    size_t i;

    for ( i = 0; i < r->nr_samples; i++ )
        if ( r->samples[i].left > p.max )
            p.max = r->samples[i].left;
    p.max = nice_max(p.max, 4);
    put_legend(f, y, keys, 1);
    put_phases(f, r, &p);
    put_y_axis(f, &p, "left, MiB");
    put_rounds(f, r, &p, false);
    put_left(f, r, &p);
    put_frame(f, &p);
    return p.top + p.height;
}

/* What was predicted at the end of a round holds until the next one's. */
static double draw_pause(FILE *f, const struct report *r, double y)
{
    struct panel p = { .top = y + 12, .height = 90 };
    struct key keys[REPORT_PARTS];
    double from, to, base;
    unsigned int part;
    size_t i;

    for ( i = 0; i < REPORT_PARTS; i++ )
        keys[i] = (struct key){ part_colours[i], report_parts[i] };
    keys[0].text = "pause predicted after each round: suspend";
    for ( i = 0; i < r->nr_rounds; i++ )
        if ( r->rounds[i].pause_ms > p.max )
            p.max = r->rounds[i].pause_ms;
    p.max = nice_max(p.max, 3);
    put_legend(f, y, keys, REPORT_PARTS - 1);
    put_phases(f, r, &p);
    put_y_axis(f, &p, "pause, ms");
    for ( i = 0; i < r->nr_rounds; i++ )
    {
        from = r->rounds[i].end;
        to = i + 1 < r->nr_rounds ? r->rounds[i + 1].end
             : r->stopped > from ? r->stopped : r->total;
        base = 0;
        for ( part = 0; to > from && part < REPORT_PARTS; part++ )
        {
            fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                    "height=\"%.1f\" fill=\"%s\"/>\n", x_of(r, from),
                    y_of(&p, base + r->rounds[i].parts_ms[part]),
                    x_of(r, to) - x_of(r, from),
                    p.height * r->rounds[i].parts_ms[part] / p.max,
                    part_colours[part]);
            base += r->rounds[i].parts_ms[part];
        }
    }
    put_frame(f, &p);
    return p.top + p.height;
}

static double draw_throttle(FILE *f, const struct report *r, double y)
{
    static const struct key keys[] = {
        { C_SLOW, "the guest is slowed down by" },
    };
    struct panel p = { .top = y + 12, .height = 60, .max = 100 };

    put_legend(f, y, keys, 1);
    put_phases(f, r, &p);
    put_y_axis(f, &p, "slower, %");
    put_steps(f, r, &p);
    put_frame(f, &p);
    return p.top + p.height;
}

static void put_bar(FILE *f, double y, const double *parts, double max,
                    const char *name)
{
    double x = LEFT, w;
    unsigned int i;

    put_text(f, LEFT - 8, y + 15, "tick end", name);
    for ( i = 0; i < REPORT_PARTS; i++ )
    {
        w = PLOT * parts[i] / max;
        fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"22\" "
                "fill=\"%s\"/>\n", x, y, w, part_colours[i]);
        x += w;
    }
}

static double draw_downtime(FILE *f, const struct report *r, double y)
{
    double max = r->downtime_ms > r->expected_ms ? r->downtime_ms
                                                 : r->expected_ms;
    struct key keys[REPORT_PARTS];
    char texts[REPORT_PARTS][64];
    unsigned int i;

    max = nice_max(max, 8);
    for ( i = 0; i < REPORT_PARTS; i++ )
    {
        snprintf(texts[i], sizeof(texts[i]), "%s %.2f ms", report_parts[i],
                 r->parts_ms[i]);
        keys[i] = (struct key){ part_colours[i], texts[i] };
    }
    put_legend(f, y, keys, REPORT_PARTS);
    put_bar(f, y + 14, r->parts_ms, max, "downtime");
    put_bar(f, y + 42, r->expected_parts_ms, max, "predicted");
    put_x_axis(f, y + 70, max, "ms without the guest running");
    return y + 70 + 40;
}

/* ---- All of it ---------------------------------------------------------- */

static const char style[] =
    "<style>text{font-family:sans-serif;fill:#222}"
    ".title{font-size:19px;font-weight:bold}.small{font-size:12px}"
    ".tick{font-size:11px;fill:#555}.label{font-size:12px}"
    ".mid{text-anchor:middle}.end{text-anchor:end}"
    ".grid{stroke:#dddddd}.axis{stroke:#555}"
    ".frame{fill:none;stroke:#555}"
    ".round{stroke:#bbbbbb;stroke-dasharray:3 3}"
    ".curve{fill:none;stroke-width:1.8;stroke-linejoin:round}</style>\n";

static double draw_head(FILE *f, const struct report *r)
{
    char text[1024];
    size_t n;

    snprintf(text, sizeof(text), "%s to %s: %s", r->domain, r->peer,
             !r->ended ? "not ended" : r->code ? "failed" : "migrated");
    put_text(f, LEFT, 30, "title", text);
    n = (size_t)snprintf(text, sizeof(text), "%.2f s in all, %.1f MiB sent "
                         "in %zu live rounds", r->total, r->sent,
                         r->nr_rounds);
    if ( r->downtime_ms > 0 )
        snprintf(text + n, sizeof(text) - n, ", downtime %.2f ms (predicted "
                 "%.2f ms)", r->downtime_ms, r->expected_ms);
    put_text(f, LEFT, 50, "small", text);
    snprintf(text, sizeof(text), "%s  migration %s", r->date, r->id);
    put_text(f, LEFT, 67, "tick", text);
    if ( r->code )
        return put_paragraph(f, LEFT, 87, r->text, 135) + 12;
    return 100;
}

/* Returns where it ends. */
static double draw_body(FILE *f, const struct report *r)
{
    double y = draw_head(f, r);

    y = draw_rates(f, r, y) + 30;
    y = draw_left(f, r, y);
    if ( r->nr_rounds )
        y = draw_pause(f, r, y + 30);
    if ( r->nr_steps )
        y = draw_throttle(f, r, y + 30);
    put_x_axis(f, y, r->total, "seconds since the migration began");
    y += 64;
    if ( r->downtime_ms > 0 )
        y = draw_downtime(f, r, y) + 16;
    if ( r->verdict[0] && !strstr(r->text, r->verdict) )
        y = put_paragraph(f, LEFT, y, r->verdict, 135);
    return y;
}

int report_draw(FILE *f, const struct report *report)
{
    struct report r = *report;
    char *body = NULL;
    size_t len;
    FILE *mem = open_memstream(&body, &len);
    double height;
    int rc = 0;

    if ( !mem )
        return -errno;
    if ( !(r.total > 0) )
        r.total = 1e-3;
    height = draw_body(mem, &r) + 8;
    if ( fclose(mem) )
        rc = -errno;
    else
        fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
                "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n"
                "%s<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
                "%s</svg>\n", WIDTH, height, WIDTH, height, style, body);
    free(body);
    return rc;
}
