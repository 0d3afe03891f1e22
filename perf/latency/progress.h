/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_PROGRESS_H
#define WEIR_LAT_PROGRESS_H

/*
 * The line on a terminal that says how far a run is, rewritten in place.
 *
 * Source: perf/latency/progress.c.
 */

#include <stdint.h>
#include <stdio.h>

/** Fields are private. */
typedef struct weir_lat_progress {
    FILE *stream;
    int64_t started_ns;
    int64_t shown_ns;  /* When the line was last written; at first the start. */
    uint64_t answered; /* What it said. */
} weir_lat_progress;

/** Begin, without a line yet. */
void weir_lat_progress_init(weir_lat_progress *progress, FILE *stream, int64_t now_ns);

/** Rewrite the line: the time, the answers so far, and how many a second came since
 * the last one. */
void weir_lat_progress_show(weir_lat_progress *progress, int64_t now_ns, uint64_t answered);

/** Take the line away, if there is one. */
void weir_lat_progress_fini(weir_lat_progress *progress);

#endif
