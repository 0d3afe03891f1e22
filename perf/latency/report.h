/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_REPORT_H
#define WEIR_LAT_REPORT_H

/*
 * What a run measured, for people and for programs.
 *
 * Every function prints to a stream and leaves errors with it: weir_lat_output_fn. Latencies are
 * printed in microseconds. Without a message there is no latency: "-" in the table, null in JSON.
 *
 * Messages and latencies are of every answer to a request of the measured time, however late it
 * came. Messages per second are the answers that came from the end of the warm-up to the end of the
 * duration, over that time, whenever their requests were due or sent: the two seconds that late
 * answers get count in neither, so that a server with a backlog is seen at the rate it had, and one
 * with many connections is not charged for the requests that were on their way at the beginning.
 *
 * Source: perf/latency/report.c, plot.c, svg.c. Tests: tests/unit/test_lat_report.c.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "histogram.h"
#include "options.h"

typedef struct weir_lat_report {
    const weir_lat_options *options;
    const weir_lat_histogram *latencies; /* Of all threads; one value for each message. */
    const char *backend;                 /* What the run was on: "uring", "epoll". */
    uint64_t rated;                      /* Answers that messages per second are of. */
    uint64_t rated_bytes;                /* Of these: messages, or HTTP bodies. */
    uint64_t errors;                     /* Connections that ended with one. */
    uint64_t unserved;                   /* Requests that were due, and not answered in time. */
    int64_t elapsed_ns;                  /* What messages per second are divided by. */
} weir_lat_report;

/** Messages per second, as told above. */
double weir_lat_report_rate(const weir_lat_report *report);

/**
 * Whether the backlog took the whole run: requests of the measured time were due, not one of them
 * was answered, and no error is the reason.
 */
bool weir_lat_report_is_out_of_reach(const weir_lat_report *report);

/** One line: protocol, connections, threads, size, backend, and which loop. No newline. */
void weir_lat_report_configuration(FILE *stream, const weir_lat_report *report);

/** The table and the plot, as they stand on a terminal. */
void weir_lat_report_table(FILE *stream, const weir_lat_report *report);

/** The percentile curve in 76 columns of ASCII. */
void weir_lat_report_plot(FILE *stream, const weir_lat_report *report);

/** One JSON object. */
void weir_lat_report_json(FILE *stream, const weir_lat_report *report);

/**
 * The percentile distribution in the text format of HdrHistogram's tools, five lines for each
 * halving of the distance to 100 %. Values are microseconds; a last comment line says so.
 */
void weir_lat_report_hgrm(FILE *stream, const weir_lat_report *report);

/** The percentile curve as a picture that needs nothing beside it. */
void weir_lat_report_svg(FILE *stream, const weir_lat_report *report);

#endif
