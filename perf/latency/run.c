/* SPDX-License-Identifier: MIT */
/* A whole run. */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

static const int64_t PROGRESS_INTERVAL_NS = 500 * 1000 * 1000;

static bool fail_for_memory(weir_lat_failure *failure)
{
    weir_lat_failure_set(failure, "not enough memory for the buffers of all connections");
    return false;
}

bool weir_lat_run_init(weir_lat_run *run, const weir_lat_options *options,
                       weir_lat_failure *failure)
{
    *run = (weir_lat_run){.options = options};
    weir_lat_crew_init(&run->crew, options->threads);
    run->workers = calloc(options->threads, sizeof(weir_lat_worker *));
    run->threads = calloc(options->threads, sizeof *run->threads);
    if (!run->workers || !run->threads)
        return fail_for_memory(failure);
    for (unsigned i = 0; i < options->threads; i++) {
        run->workers[i] = calloc(1, sizeof(weir_lat_worker));
        if (!run->workers[i] || !weir_lat_worker_init(run->workers[i], options, &run->crew, i))
            return fail_for_memory(failure);
    }
    return true;
}

void weir_lat_run_fini(weir_lat_run *run)
{
    for (unsigned i = 0; run->workers && i < run->options->threads; i++) {
        if (run->workers[i])
            weir_lat_worker_fini(run->workers[i]);
        free(run->workers[i]);
    }
    free(run->workers);
    free(run->threads);
    weir_lat_crew_fini(&run->crew);
}

/* The threads. */

static void *work(void *argument)
{
    weir_lat_worker *worker = argument;

    weir_lat_worker_run(worker);
    weir_lat_crew_finish(worker->crew);
    return NULL;
}

/* The workers without a thread have finished, and the others will not begin. */
static void give_up(weir_lat_run *run, int error)
{
    weir_lat_failure failure;

    weir_lat_failure_set(&failure, "cannot start thread %u: %s", run->started_count + 1,
                         weir_error_text(-error));
    weir_lat_crew_fail(&run->crew, &failure);
    for (unsigned i = run->started_count; i < run->options->threads; i++)
        weir_lat_crew_finish(&run->crew);
}

static void start_threads(weir_lat_run *run)
{
    while (run->started_count < run->options->threads) {
        unsigned i = run->started_count;
        int error = pthread_create(&run->threads[i], NULL, work, run->workers[i]);

        if (error) {
            give_up(run, error);
            return;
        }
        run->started_count++;
    }
}

static uint64_t answered_so_far(const weir_lat_run *run)
{
    uint64_t answered = 0;

    for (unsigned i = 0; i < run->options->threads; i++)
        answered += __atomic_load_n(&run->workers[i]->lane.answered, __ATOMIC_RELAXED);
    return answered;
}

static void wait_with_progress(weir_lat_run *run)
{
    weir_lat_progress progress;
    int64_t now_ns = weir_now_ns();

    weir_lat_progress_init(&progress, stderr, now_ns);
    while (!weir_lat_crew_wait_until(&run->crew, now_ns + PROGRESS_INTERVAL_NS)) {
        now_ns = weir_now_ns();
        weir_lat_progress_show(&progress, now_ns, answered_so_far(run));
    }
    weir_lat_progress_fini(&progress);
}

static void join_threads(weir_lat_run *run)
{
    if (isatty(STDERR_FILENO))
        wait_with_progress(run);
    for (unsigned i = 0; i < run->started_count; i++)
        pthread_join(run->threads[i], NULL);
}

/* The report. */

static int64_t later(int64_t a_ns, int64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

/* When what was measured was over on this thread: at the planned end, unless it was cut short. */
static int64_t measured_until(const weir_lat_worker *worker)
{
    return worker->ended_ns < worker->lane.end_ns ? worker->ended_ns : worker->lane.end_ns;
}

/* Gather all lanes into the first. */
static weir_lat_report report_of(weir_lat_run *run)
{
    weir_lat_lane *all = &run->workers[0]->lane;
    int64_t until_ns = measured_until(run->workers[0]);

    for (unsigned i = 1; i < run->options->threads; i++) {
        const weir_lat_lane *lane = &run->workers[i]->lane;

        weir_lat_histogram_merge(&all->latencies, &lane->latencies);
        all->rated += lane->rated;
        all->rated_bytes += lane->rated_bytes;
        all->errors += lane->errors;
        all->unserved += lane->unserved;
        until_ns = later(until_ns, measured_until(run->workers[i]));
        if (!all->failure.text[0])
            all->failure = lane->failure;
    }
    return (weir_lat_report){
        .options = run->options,
        .latencies = &all->latencies,
        .backend = run->workers[0]->backend,
        .rated = all->rated,
        .rated_bytes = all->rated_bytes,
        .errors = all->errors,
        .unserved = all->unserved,
        .elapsed_ns = later(0, until_ns - all->measure_ns),
    };
}

bool weir_lat_run_execute(weir_lat_run *run, weir_lat_failure *failure, weir_lat_report *ret_report)
{
    start_threads(run);
    join_threads(run);
    if (run->crew.has_failed) {
        *failure = run->crew.failure;
        return false;
    }
    *ret_report = report_of(run);
    *failure = run->workers[0]->lane.failure;
    return true;
}
