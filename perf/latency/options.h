/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_OPTIONS_H
#define WEIR_LAT_OPTIONS_H

/*
 * What a run is: the command line, parsed and checked.
 *
 * Parsing is a function of its arguments: no global state, no output, no environment. Options may
 * be written "--size 64" or "--size=64", in any order, before or after HOST:PORT; the last of
 * several counts.
 *
 * Source: perf/latency/options.c. Tests: tests/unit/test_lat_options.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/endpoint.h>

#include "failure.h"

typedef enum weir_lat_protocol {
    WEIR_LAT_ECHO, /* What was sent comes back. */
    WEIR_LAT_HTTP, /* GET / gives status 200 and a body. */
} weir_lat_protocol;

typedef struct weir_lat_options {
    weir_lat_protocol protocol;
    unsigned connections;   /* Of all threads together. */
    unsigned threads;       /* At most connections. */
    size_t size_bytes;      /* Echo: of a message. HTTP: of every body; 0: as the first answer's. */
    int64_t duration_ns;    /* Measured, behind the warm-up. */
    int64_t warmup_ns;      /* Not measured. */
    double rate_per_second; /* Of all connections; 0: a closed loop. */
    const char *backend;    /* "uring", "epoll"; NULL: the library's choice. */
    int64_t spin_ns_max;    /* As in weir_loop_options: 0: the default; negative: never. */
    const char *json_path;  /* This and the next two: NULL: not asked for. */
    const char *hgrm_path;
    const char *svg_path;
    const char *target;     /* HOST:PORT as it was written. */
    weir_endpoint endpoint; /* Where that is; localhost is 127.0.0.1. */
    bool help;              /* --help was met; the rest is not valid. */
} weir_lat_options;

/** The text of --help. */
extern const char weir_lat_usage[];

/** "echo", "http". */
const char *weir_lat_protocol_name(weir_lat_protocol protocol);

/**
 * Parse the arguments.
 *
 * Result  true; false with the reason in failure
 * Borrows the arguments: the options point into them
 *
 * @argv[argc]  as main gets them; the first, the program's name, is skipped
 */
bool weir_lat_options_parse(int argc, char *const *argv, weir_lat_failure *failure,
                            weir_lat_options *ret_options);

#endif
