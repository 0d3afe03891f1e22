/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_FAILURE_H
#define WEIR_LAT_FAILURE_H

/*
 * What went wrong, as one line of text for a person.
 *
 * Everything that can fail in the harness says why in such a line: no newline, no control
 * characters (arguments and peers may contain them), cut with "..." when it is too long. main puts
 * "weir-lat: " before it. Caller's memory; not thread-safe.
 *
 * Source: perf/latency/failure.c. Tests: with what fails.
 */

#include <weir/export.h>

typedef struct weir_lat_failure {
    char text[400]; /* Empty: nothing failed. */
} weir_lat_failure;

/** Replace the text. */
WEIR_PRINTF(2, 3) void weir_lat_failure_set(weir_lat_failure *failure, const char *format, ...);

#endif
