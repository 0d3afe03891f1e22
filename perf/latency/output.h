/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_OUTPUT_H
#define WEIR_LAT_OUTPUT_H

/*
 * Files that are either complete or not there.
 *
 * A file is written under a temporary name beside its own and renamed when every byte has reached
 * the disk; after a failure the temporary file is removed and what stood under the name before is
 * untouched. A name that exists and is no plain file (a device, a pipe, a symbolic link) is written
 * in place.
 *
 * Source: perf/latency/output.c. Tests: tests/unit/test_lat_report.c.
 */

#include <stdbool.h>
#include <stdio.h>

#include "failure.h"

struct weir_lat_report;

/** Print something of the report. Errors stay with the stream. */
typedef void weir_lat_output_fn(FILE *stream, const struct weir_lat_report *report);

/** Whether a file of that name can be written, as far as that can be known before. */
bool weir_lat_output_check(const char *path, weir_lat_failure *failure);

/** Write a file. False, with the reason in failure. */
bool weir_lat_output_write(const char *path, weir_lat_output_fn *print,
                           const struct weir_lat_report *report, weir_lat_failure *failure);

/**
 * Print to an open stream and flush it. False, with the reason in failure.
 *
 * @name  what to call the stream in a failure
 */
bool weir_lat_output_print(FILE *stream, const char *name, weir_lat_output_fn *print,
                           const struct weir_lat_report *report, weir_lat_failure *failure);

#endif
