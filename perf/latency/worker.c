/* SPDX-License-Identifier: MIT */
/* One thread of a run. */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/run.h>

static const int64_t CONNECT_TIMEOUT_NS = INT64_C(10) * 1000 * 1000 * 1000;
static const int64_t GRACE_NS = INT64_C(2) * 1000 * 1000 * 1000;

/* Failures before the start. */

/* The words of the shell for the error everybody knows; the library's for the others. */
static const char *connect_error_text(int error)
{
    if (error == -ECONNREFUSED)
        return "connection refused";
    return error == WEIR_TIMED_OUT ? "no connection within 10 seconds" : weir_error_text(error);
}

static void fail_connecting(weir_lat_worker *self, int error)
{
    weir_lat_failure failure;

    if (self->is_interrupted)
        weir_lat_failure_set(&failure, "interrupted before the first request");
    else
        weir_lat_failure_set(&failure, "%s: %s", self->lane.options->target,
                             connect_error_text(error));
    weir_lat_crew_fail(self->crew, &failure);
}

static void fail_loop(weir_lat_worker *self, int error)
{
    const char *backend = self->lane.options->backend;
    weir_lat_failure failure;

    weir_lat_failure_set(&failure, "cannot start a loop%s%s: %s", backend ? " on " : "",
                         backend ? backend : "", weir_error_text(error));
    weir_lat_crew_fail(self->crew, &failure);
}

/* The watcher. */

static weir_task *watcher_resume(weir_task *task)
{
    struct weir_lat_watcher *self = WEIR_TASK_SELF(task, struct weir_lat_watcher);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_signal_wait(task, &self->signals));
    if (!r.error) {
        self->worker->is_interrupted = true;
        weir_scope_stop(&self->worker->scope, WEIR_STOP_REQUESTED);
    }
    WEIR_AWAIT(task, r, weir_signal_close(task, &self->signals));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* There is a set for each thread that the options allow. */
static void open_signals(weir_lat_worker *self)
{
    int error = weir_signal_open(&self->watcher.signals, self->loop);

    if (!error)
        error = weir_signal_add(&self->watcher.signals, SIGINT);
    if (!error)
        error = weir_signal_add(&self->watcher.signals, SIGTERM);
    WEIR_ASSERT(error == 0, "the options bound the threads by the signal sets there are");
}

static void start_watcher(weir_lat_worker *self)
{
    open_signals(self);
    self->watcher.worker = self;
    weir_task_init(&self->watcher.task, watcher_resume);
    weir_scope_init(&self->watching, &self->task);
    weir_scope_start_embedded(&self->watching, &self->watcher_record, &self->watcher.task);
}

/* The worker. */

static void start_sessions(weir_lat_worker *self, void (*prepare)(weir_lat_session *session))
{
    for (unsigned i = 0; i < self->session_count; i++) {
        weir_lat_session *session = &self->sessions[i];

        prepare(session);
        weir_scope_start_embedded(&self->scope, &session->record, &session->task);
    }
}

static void begin_connecting(weir_lat_worker *self)
{
    weir_scope_init(&self->scope, &self->task);
    start_watcher(self);
    weir_deadline_arm_after(&self->task, &self->deadline, CONNECT_TIMEOUT_NS);
    start_sessions(self, weir_lat_session_connect);
}

/* The sessions have connected, or one has not. Meet the others; true: drive. */
static bool begin_driving(weir_lat_worker *self, int connect_error)
{
    weir_lat_lane *lane = &self->lane;

    weir_deadline_disarm(&self->task, &self->deadline);
    if (connect_error || self->is_interrupted) {
        fail_connecting(self, connect_error);
        return false;
    }
    if (!weir_lat_crew_arrive(self->crew, &lane->begin_ns))
        return false;
    lane->measure_ns = lane->begin_ns + lane->options->warmup_ns;
    lane->end_ns = lane->measure_ns + lane->options->duration_ns;
    weir_deadline_arm_at(&self->task, &self->deadline, lane->end_ns + GRACE_NS);
    start_sessions(self, weir_lat_session_drive);
    return true;
}

static void end_driving(weir_lat_worker *self)
{
    weir_deadline_disarm(&self->task, &self->deadline);
    self->ended_ns = weir_now_ns();
}

static weir_task *worker_resume(weir_task *task)
{
    weir_lat_worker *self = WEIR_TASK_SELF(task, weir_lat_worker);
    weir_result r;

    WEIR_BEGIN(task);
    begin_connecting(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    if (begin_driving(self, r.error)) {
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        end_driving(self);
    }
    start_sessions(self, weir_lat_session_close);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    weir_scope_stop(&self->watching, WEIR_STOP_REQUESTED);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->watching));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

void weir_lat_worker_run(weir_lat_worker *worker)
{
    weir_loop_options options = {.backend = worker->lane.options->backend,
                                 .spin_ns_max = worker->lane.options->spin_ns_max};
    int error = weir_loop_new(&options, &worker->loop);

    if (error) {
        fail_loop(worker, error);
        return;
    }
    snprintf(worker->backend, sizeof worker->backend, "%s", weir_loop_backend_name(worker->loop));
    weir_task_init(&worker->task, worker_resume);
    (void)weir_run(worker->loop, &worker->task);
    weir_loop_free(worker->loop);
}

/* Life. */

/* The sessions whose number is the worker's, or differs by a multiple of the threads. */
static unsigned session_count_of(const weir_lat_options *options, unsigned number)
{
    return (options->connections - number + options->threads - 1) / options->threads;
}

bool weir_lat_worker_init(weir_lat_worker *worker, const weir_lat_options *options,
                          weir_lat_crew *crew, unsigned number)
{
    unsigned session_count = session_count_of(options, number);

    worker->lane.options = options;
    worker->crew = crew;
    worker->sessions = calloc(session_count, sizeof *worker->sessions);
    if (!worker->sessions)
        return false;
    while (worker->session_count < session_count) {
        unsigned connection = number + worker->session_count * options->threads;

        if (!weir_lat_session_init(&worker->sessions[worker->session_count], &worker->lane,
                                   connection))
            return false;
        worker->session_count++;
    }
    return true;
}

void weir_lat_worker_fini(weir_lat_worker *worker)
{
    for (unsigned i = 0; i < worker->session_count; i++)
        weir_lat_session_fini(&worker->sessions[i]);
    free(worker->sessions);
}
