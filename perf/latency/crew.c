/* SPDX-License-Identifier: MIT */
/* The threads of a run: one start, one failure, one end. */
#include "crew.h"

#include <time.h>

#include <weir/loop.h>

/* What the threads need to wake, so that none begins late. */
static const int64_t HEAD_START_NS = 10 * 1000 * 1000;

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void weir_lat_crew_init(weir_lat_crew *crew, unsigned worker_count)
{
    *crew = (weir_lat_crew){.worker_count = worker_count};
    pthread_mutex_init(&crew->mutex, NULL);
    init_condition(&crew->changed);
}

void weir_lat_crew_fini(weir_lat_crew *crew)
{
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->mutex);
}

bool weir_lat_crew_arrive(weir_lat_crew *crew, int64_t *ret_begin_ns)
{
    bool begins;

    pthread_mutex_lock(&crew->mutex);
    if (++crew->arrived_count == crew->worker_count) {
        crew->begin_ns = weir_now_ns() + HEAD_START_NS;
        pthread_cond_broadcast(&crew->changed);
    }
    while (crew->arrived_count < crew->worker_count && !crew->has_failed)
        pthread_cond_wait(&crew->changed, &crew->mutex);
    begins = !crew->has_failed;
    if (begins)
        *ret_begin_ns = crew->begin_ns;
    pthread_mutex_unlock(&crew->mutex);
    return begins;
}

void weir_lat_crew_fail(weir_lat_crew *crew, const weir_lat_failure *failure)
{
    pthread_mutex_lock(&crew->mutex);
    if (!crew->has_failed)
        crew->failure = *failure;
    crew->has_failed = true;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->mutex);
}

void weir_lat_crew_finish(weir_lat_crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
    crew->finished_count++;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->mutex);
}

bool weir_lat_crew_wait_until(weir_lat_crew *crew, int64_t until_ns)
{
    struct timespec until = {
        .tv_sec = until_ns / 1000000000,
        .tv_nsec = until_ns % 1000000000,
    };
    bool have_finished;
    int error = 0;

    pthread_mutex_lock(&crew->mutex);
    while (crew->finished_count < crew->worker_count && !error)
        error = pthread_cond_timedwait(&crew->changed, &crew->mutex, &until);
    have_finished = crew->finished_count == crew->worker_count;
    pthread_mutex_unlock(&crew->mutex);
    return have_finished;
}
