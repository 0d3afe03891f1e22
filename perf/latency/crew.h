/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_CREW_H
#define WEIR_LAT_CREW_H

/*
 * What the threads of a run have in common: one start, one failure, one end.
 *
 * Workers connect, meet at the start and begin at the same moment; when one of them fails before
 * that, none begins. main waits until all have finished.
 *
 *      worker:  arrive, or fail  -->  (measure)  -->  finish
 *      main:    fail, when a worker cannot be started; wait, until all have finished
 *
 * Every function may be called by any thread.
 *
 * Source: perf/latency/crew.c.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

/** Fields are private, but for failure when all have finished. */
typedef struct weir_lat_crew {
    pthread_mutex_t mutex;  /* Guards everything below. */
    pthread_cond_t changed; /* On the monotonic clock. */
    unsigned worker_count;
    unsigned arrived_count;
    unsigned finished_count;
    bool has_failed;          /* Nobody begins. */
    int64_t begin_ns;         /* Set by the last to arrive. */
    weir_lat_failure failure; /* Of the first that failed before the start; or empty. */
} weir_lat_crew;

void weir_lat_crew_init(weir_lat_crew *crew, unsigned worker_count);

void weir_lat_crew_fini(weir_lat_crew *crew);

/**
 * Wait for all workers to arrive. Blocks the thread.
 *
 * Returns whether to begin; then at begin_ns, which is the same for all and soon.
 */
bool weir_lat_crew_arrive(weir_lat_crew *crew, int64_t *ret_begin_ns);

/** Nobody is to begin; those who wait are let go. The first failure counts. */
void weir_lat_crew_fail(weir_lat_crew *crew, const weir_lat_failure *failure);

/** A worker has ended, or will never begin to work. */
void weir_lat_crew_finish(weir_lat_crew *crew);

/** Wait until all have finished, or until a time on the clock of weir_now_ns(). True: all have. */
bool weir_lat_crew_wait_until(weir_lat_crew *crew, int64_t until_ns);

#endif
