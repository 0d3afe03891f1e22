/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_OPTIONS_H
#define WEIR_TEST_SIM_OPTIONS_H

/* The command line of weir-sim. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct scenario;

enum {
    OPTIONS_FAULTS_BY_SEED = -1,
    OPTIONS_JOBS_MAX = 256,
};

struct options {
    const char *program;             /* As it was called. */
    const struct scenario *scenario; /* NULL: all in turn. */
    uint64_t seed;                   /* Of the first run; the others count up. */
    uint64_t runs;
    int faults;       /* A level, or OPTIONS_FAULTS_BY_SEED. */
    bool one_variant; /* Of the worlds of a run, the one with this number. */
    uint64_t variant;
    uint64_t steps_max; /* A world; 0: the library's. */
    unsigned jobs;      /* Worker processes; 0: none, the runs are in this process. */
    unsigned timeout_s; /* Of real time, between the ends of two worlds. */
    const char *trace_path;
    FILE *trace; /* Opened by main. */
    bool list;
    bool uncovered;   /* Say what was not reached. */
    bool is_terminal; /* stderr. */
};

enum options_outcome {
    OPTIONS_RUN,
    OPTIONS_DONE,   /* All that was asked for has been printed. */
    OPTIONS_REFUSED /* They make no sense; stderr says why. */
};

enum options_outcome options_parse(struct options *options, int argc, char **argv);

#endif
