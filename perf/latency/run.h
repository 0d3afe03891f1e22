/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_RUN_H
#define WEIR_LAT_RUN_H

/*
 * A whole run: the threads, from the first connection to the report.
 *
 * The thread that calls waits for the workers and, on a terminal, shows how far they are. It has
 * no loop: signals reach the workers' loops.
 *
 * Source: perf/latency/run.c.
 */

#include "report.h"
#include "worker.h"

/** Fields are private. */
typedef struct weir_lat_run {
    const weir_lat_options *options;
    weir_lat_crew crew;
    weir_lat_worker **workers; /* Owned, options->threads of them. */
    pthread_t *threads;        /* Owned: of the first started_count workers. */
    unsigned started_count;
} weir_lat_run;

/** Prepare a run. False, with the reason in failure; weir_lat_run_fini is called all the same. */
bool weir_lat_run_init(weir_lat_run *run, const weir_lat_options *options,
                       weir_lat_failure *failure);

/** Free everything, also what reports point to. */
void weir_lat_run_fini(weir_lat_run *run);

/**
 * Connect, exchange messages until the end or a signal, close. Blocks.
 *
 * Result  true: ret_report is filled, and failure tells the first error, if report.errors is not 0;
 *         false: the run never began, for the reason in failure
 */
bool weir_lat_run_execute(weir_lat_run *run, weir_lat_failure *failure,
                          weir_lat_report *ret_report);

#endif
