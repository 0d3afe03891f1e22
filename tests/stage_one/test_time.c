/* SPDX-License-Identifier: MIT */
/* Sleeps, deadlines and timeouts in virtual time. */
#include <weir/deadline.h>
#include <weir/sleep.h>
#include <weir/timeout.h>

#include <weir/manual.h>
#include <weir/run.h>

#include "gate.h"
#include "test.h"

static const int64_t HOUR_NS = INT64_C(3600000000000);

/* A child that has transferred some bytes and waits for more. */
struct transfer {
    weir_task task;
    int64_t duration_ns; /* In: how long the rest takes. */
    size_t before;       /* In: bytes that came at once. */
    bool is_shielded;    /* In: does not let itself be stopped. */
};

static weir_task *transfer_resume(weir_task *task)
{
    struct transfer *self = WEIR_TASK_SELF(task, struct transfer);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->is_shielded)
        weir_shield_begin(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, self->duration_ns));
    if (self->is_shielded)
        weir_shield_end(task);
    WEIR_RETURN(task, weir_result_of(r.error, self->before + (r.error ? 0 : 10)));
    WEIR_END(task);
}

struct timed {
    weir_task task;
    int64_t limit_ns; /* In. */
    weir_timeout_frame timeout;
    struct transfer child;
    int64_t ended_ns;
    int error_after; /* Of a sleep after the timeout. */
};

static weir_task *timed_resume(weir_task *task)
{
    struct timed *self = WEIR_TASK_SELF(task, struct timed);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->child.task, transfer_resume);
    WEIR_AWAIT(task, r, weir_timeout(task, &self->timeout, &self->child.task, self->limit_ns));
    self->ended_ns = weir_task_now_ns(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, 1));
    self->error_after = r.error;
    WEIR_RETURN(task, weir_task_result(&self->timeout.task));
    WEIR_END(task);
}

static weir_result run_timed(struct timed *timed)
{
    weir_manual manual;
    weir_result r;

    weir_manual_init(&manual, NULL);
    weir_task_init(&timed->task, timed_resume);
    r = weir_manual_run(&manual, &timed->task);
    weir_manual_fini(&manual);
    return r;
}

WEIR_TEST(timeout, a_child_that_is_done_in_time_is_reported_unchanged)
{
    struct timed timed = {.limit_ns = 2 * HOUR_NS, .child = {.duration_ns = HOUR_NS, .before = 3}};
    weir_result r = run_timed(&timed);

    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, 13);
    CHECK(timed.ended_ns >= HOUR_NS && timed.ended_ns < HOUR_NS + 10000);
}

WEIR_TEST(timeout, a_child_that_is_late_reports_so_and_what_it_had_transferred)
{
    struct timed timed = {.limit_ns = HOUR_NS, .child = {.duration_ns = 2 * HOUR_NS, .before = 3}};
    weir_result r = run_timed(&timed);

    CHECK_EQ(r.error, WEIR_TIMED_OUT);
    CHECK_EQ(r.count, 3);
    CHECK(timed.ended_ns >= HOUR_NS && timed.ended_ns < HOUR_NS + 10000);
    CHECK_EQ(timed.error_after, 0); /* The deadline is over with its child. */
}

WEIR_TEST(timeout, a_child_that_succeeds_in_spite_of_it_keeps_its_result)
{
    struct timed timed = {
        .limit_ns = HOUR_NS,
        .child = {.duration_ns = 2 * HOUR_NS, .before = 3, .is_shielded = true},
    };
    weir_result r = run_timed(&timed);

    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, 13);
    CHECK(timed.ended_ns >= 2 * HOUR_NS);
}

WEIR_TEST(timeout, one_that_has_passed_before_it_begins_lets_the_child_begin_and_time_out)
{
    struct timed timed = {.limit_ns = 0, .child = {.duration_ns = HOUR_NS, .before = 3}};
    weir_result r = run_timed(&timed);

    CHECK_EQ(r.error, WEIR_TIMED_OUT);
    CHECK_EQ(r.count, 3);
    CHECK(timed.ended_ns < HOUR_NS);
}

WEIR_TEST(timeout, a_stop_is_not_a_timeout)
{
    struct timed timed = {.limit_ns = HOUR_NS, .child = {.duration_ns = 2 * HOUR_NS}};
    weir_manual manual;
    weir_root root;

    weir_manual_init(&manual, NULL);
    weir_task_init(&timed.task, timed_resume);
    weir_run_async(weir_manual_executor(&manual), &root, &timed.task, NULL, NULL);
    (void)weir_manual_poll(&manual);
    weir_root_stop(&root, WEIR_STOP_REQUESTED);
    while (weir_manual_poll(&manual))
        continue;
    CHECK_EQ(weir_task_result(&timed.task).error, WEIR_CANCELLED);
    weir_manual_fini(&manual);
}

/* Time itself. */

struct sleeper {
    weir_task task;
    int64_t at_ns; /* In. */
    int64_t woke_ns;
    int *order;
    int place;
};

static weir_task *sleeper_resume(weir_task *task)
{
    struct sleeper *self = WEIR_TASK_SELF(task, struct sleeper);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_until(task, self->at_ns));
    self->woke_ns = weir_task_now_ns(task);
    self->place = (*self->order)++;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(time, sleepers_wake_in_the_order_of_their_times_and_never_early)
{
    static const int64_t at_ns[] = {500000000, 100000000, 900000000, 300000000};
    static const int place[] = {2, 0, 3, 1};
    weir_manual manual;
    struct sleeper sleepers[4];
    weir_root roots[4];
    int order = 0;

    weir_manual_init(&manual, NULL);
    for (int i = 0; i < 4; i++) {
        sleepers[i] = (struct sleeper){.at_ns = at_ns[i], .order = &order};
        weir_task_init(&sleepers[i].task, sleeper_resume);
        weir_run_async(weir_manual_executor(&manual), &roots[i], &sleepers[i].task, NULL, NULL);
    }
    while (order < 4) {
        (void)weir_manual_poll(&manual);
        weir_manual_advance(&manual, 1000000);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(sleepers[i].woke_ns >= at_ns[i]);
        CHECK(sleepers[i].woke_ns <= at_ns[i] + 1000000);
        CHECK_EQ(sleepers[i].place, place[i]);
    }
    weir_manual_fini(&manual);
}

WEIR_TEST(time, who_polls_is_told_when_the_next_deadline_is)
{
    weir_manual manual;
    int order = 0;
    struct sleeper sleeper = {.at_ns = 77000000, .order = &order};
    weir_root root;

    weir_manual_init(&manual, NULL);
    CHECK_EQ(weir_manual_next_ns(&manual), INT64_MAX);
    weir_task_init(&sleeper.task, sleeper_resume);
    weir_run_async(weir_manual_executor(&manual), &root, &sleeper.task, NULL, NULL);
    (void)weir_manual_poll(&manual);
    while (order == 0) {
        int64_t next_ns = weir_manual_next_ns(&manual);
        int64_t now_ns = manual.virtual_ns;

        CHECK(next_ns <= 77000000 + 1024);
        weir_manual_advance(&manual, next_ns > now_ns ? next_ns - now_ns : 0);
        (void)weir_manual_poll(&manual);
    }
    CHECK_EQ(weir_manual_next_ns(&manual), INT64_MAX);
    weir_manual_fini(&manual);
}
