/* SPDX-License-Identifier: MIT */
/* One connection for the length of a run. */
#include "session.h"

#include <weir/stop.h>
#include <weir/timer.h>

static bool is_open_loop(const weir_lat_session *self)
{
    return self->lane->options->rate_per_second > 0;
}

/* Connecting and closing. */

static const weir_endpoint *target_of(const weir_lat_session *self)
{
    return &self->lane->options->endpoint;
}

static weir_task *connect_resume(weir_task *task)
{
    weir_lat_session *self = WEIR_TASK_SELF(task, weir_lat_session);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->exchange.socket, target_of(self)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *close_resume(weir_task *task)
{
    weir_lat_session *self = WEIR_TASK_SELF(task, weir_lat_session);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->exchange.socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Driving. */

/* A stop may come while an answer does. */
static bool is_stopped(const weir_lat_session *self)
{
    return weir_task_stop_bits(&self->task) != 0;
}

/* Take up the next request. In a closed loop it is due when the latest answer was there. False:
 * none is due before the end of the run. */
static bool take_next(weir_lat_session *self)
{
    self->due_ns =
        is_open_loop(self) ? weir_lat_schedule_due(&self->schedule) : self->exchange.answered_ns;
    if (self->due_ns >= self->lane->end_ns)
        return false;
    weir_lat_exchange_prepare(&self->exchange);
    return true;
}

/* Whether to wait before the request is sent. */
static bool is_early(const weir_lat_session *self)
{
    return is_open_loop(self) && self->due_ns > weir_now_ns();
}

/* The request is on its way, and no longer owed. */
static void leave_schedule(weir_lat_session *self)
{
    if (is_open_loop(self))
        weir_lat_schedule_advance(&self->schedule);
}

/* Whether messages per second are of this answer. Requests of the warm-up are answered in the
 * measured time, and those of the measured time after it: what a server can do is what it answered
 * in that time. */
static bool is_for_rate(const weir_lat_session *self)
{
    const weir_lat_lane *lane = self->lane;
    int64_t answered_ns = self->exchange.answered_ns;

    return answered_ns >= lane->measure_ns && answered_ns < lane->end_ns;
}

/* An open loop counts from when the request was due; a closed loop from when it was sent. */
static void count_answer(weir_lat_session *self)
{
    weir_lat_lane *lane = self->lane;
    const weir_lat_exchange *exchange = &self->exchange;
    int64_t from_ns = is_open_loop(self) ? self->due_ns : exchange->sent_ns;

    __atomic_store_n(&lane->answered, lane->answered + 1, __ATOMIC_RELAXED);
    if (from_ns >= lane->measure_ns)
        weir_lat_histogram_record(&lane->latencies, exchange->answered_ns - from_ns);
    if (is_for_rate(self)) {
        lane->rated++;
        lane->rated_bytes += exchange->answer_bytes;
    }
}

/* There was no answer. When the run was only out of time, the request is one of those that the
 * server did not get to; when somebody ended the run, it is forgotten. */
static void count_loss(weir_lat_session *self, int error)
{
    if (error != WEIR_CANCELLED)
        self->lane->errors++;
    else if (is_open_loop(self) && (weir_task_stop_bits(&self->task) & WEIR_STOP_EXPIRED))
        self->lane->unserved++;
}

/* The session has ended. A connection that broke owes nothing: its error is counted instead. */
static void count_owed(weir_lat_session *self, int error)
{
    weir_lat_lane *lane = self->lane;
    int64_t now_ns = weir_now_ns();

    if (is_open_loop(self) && (!error || error == WEIR_CANCELLED || error == WEIR_TIMED_OUT))
        lane->unserved +=
            weir_lat_schedule_owed(&self->schedule, now_ns < lane->end_ns ? now_ns : lane->end_ns);
}

static weir_task *drive_resume(weir_task *task)
{
    weir_lat_session *self = WEIR_TASK_SELF(task, weir_lat_session);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_until(task, self->lane->begin_ns));
    while (!r.error && !is_stopped(self) && take_next(self)) {
        if (is_early(self))
            WEIR_AWAIT(task, r, weir_sleep_until(task, self->due_ns));
        if (r.error)
            break;
        leave_schedule(self);
        WEIR_AWAIT(task, r, weir_lat_exchange_call(task, &self->exchange));
        if (r.error)
            count_loss(self, r.error);
        else
            count_answer(self);
    }
    count_owed(self, r.error);
    if (!r.error)
        WEIR_AWAIT(task, r, weir_sleep_until(task, self->lane->end_ns));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Life. */

bool weir_lat_session_init(weir_lat_session *session, weir_lat_lane *lane, unsigned connection)
{
    session->lane = lane;
    session->due_ns = 0;
    session->record = (weir_scope_child){0};
    return weir_lat_exchange_init(&session->exchange, lane->options, connection, &lane->failure);
}

void weir_lat_session_fini(weir_lat_session *session)
{
    weir_lat_exchange_fini(&session->exchange);
}

void weir_lat_session_connect(weir_lat_session *session)
{
    weir_task_init(&session->task, connect_resume);
}

void weir_lat_session_drive(weir_lat_session *session)
{
    const weir_lat_lane *lane = session->lane;
    const weir_lat_options *options = lane->options;

    if (is_open_loop(session))
        weir_lat_schedule_init(&session->schedule, lane->begin_ns, options->rate_per_second,
                               session->exchange.connection, options->connections);
    weir_task_init(&session->task, drive_resume);
}

void weir_lat_session_close(weir_lat_session *session)
{
    weir_task_init(&session->task, close_resume);
}
