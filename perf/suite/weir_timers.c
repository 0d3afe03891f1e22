/* SPDX-License-Identifier: MIT */
/* Rows of weir's without sockets: tasks and timers. */
#include "weir_bed.h"

enum { CHILDREN_MAX = 1000 };

static const int64_t HOUR_NS = INT64_C(3600) * 1000 * 1000 * 1000;

/* Starts children and waits for them, again and again. */
struct driver {
    weir_task task;
    struct bed *bed;
    weir_scope scope;
    int64_t begin_ns;
    uint64_t counter;
};

static void start_driver(struct bed *bed, weir_resume_fn *resume)
{
    struct driver *driver = weir_scope_new(&bed->scope, sizeof *driver, resume);

    WEIR_ASSERT(driver, "a frame fits into any memory");
    driver->bed = bed;
    driver->counter = 0;
    weir_scope_start(&bed->scope, &driver->task);
}

/* Tasks that count. */

struct counting {
    weir_task task;
    uint64_t *counter;
};

static weir_task *counting_resume(weir_task *task)
{
    struct counting *self = WEIR_TASK_SELF(task, struct counting);

    WEIR_BEGIN(task);
    ++*self->counter;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void start_counting(struct driver *self)
{
    self->begin_ns = suite_now_ns();
    for (unsigned i = 0; i < self->bed->run->parameter; i++) {
        struct counting *child = weir_scope_new(&self->scope, sizeof *child, counting_resume);

        WEIR_ASSERT(child, "a few frames fit into any memory");
        child->counter = &self->counter;
        weir_scope_start(&self->scope, &child->task);
    }
}

static weir_task *post_resume(weir_task *task)
{
    struct driver *self = WEIR_TASK_SELF(task, struct driver);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    do {
        start_counting(self);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        suite_lap(self->bed->run, self->begin_ns, self->bed->run->parameter);
    } while (!suite_is_over(self->bed->run));
    WEIR_RETURN(task, weir_result_of(r.error, 0));
    WEIR_END(task);
}

static void start_post(struct bed *bed)
{
    start_driver(bed, post_resume);
}

const char *weir_suite_post(suite_run *run)
{
    return weir_suite_bed_run(run, 0, start_post);
}

/* Timers that are cancelled. */

struct waiting {
    weir_task task;
    weir_timer *timer;
};

static weir_timer timers[CHILDREN_MAX];

static weir_task *waiting_resume(weir_task *task)
{
    struct waiting *self = WEIR_TASK_SELF(task, struct waiting);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_timer_wait(task, self->timer));
    WEIR_RETURN(task, weir_result_of(r.error == WEIR_CANCELLED ? 0 : r.error, 0));
    WEIR_END(task);
}

static void start_waiting(struct driver *self)
{
    self->begin_ns = suite_now_ns();
    for (unsigned i = 0; i < self->bed->run->parameter; i++) {
        struct waiting *child = weir_scope_new(&self->scope, sizeof *child, waiting_resume);

        WEIR_ASSERT(child, "a few frames fit into any memory");
        weir_timer_init(&timers[i], self->bed->loop);
        weir_timer_expires_after(&timers[i], HOUR_NS);
        child->timer = &timers[i];
        weir_scope_start(&self->scope, &child->task);
    }
}

static void cancel_all(const struct driver *self)
{
    for (unsigned i = 0; i < self->bed->run->parameter; i++)
        weir_timer_cancel(&timers[i]);
}

static void end_lap(const struct driver *self)
{
    for (unsigned i = 0; i < self->bed->run->parameter; i++)
        weir_timer_fini(&timers[i]);
    suite_lap(self->bed->run, self->begin_ns, self->bed->run->parameter);
}

static weir_task *cancel_resume(weir_task *task)
{
    struct driver *self = WEIR_TASK_SELF(task, struct driver);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    do {
        start_waiting(self);
        WEIR_YIELD(task); /* Until each of them waits. */
        cancel_all(self);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        if (r.error)
            WEIR_RETURN(task, r);
        end_lap(self);
    } while (!suite_is_over(self->bed->run));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void start_timer_cancel(struct bed *bed)
{
    start_driver(bed, cancel_resume);
}

const char *weir_suite_timer_cancel(suite_run *run)
{
    return weir_suite_bed_run(run, 0, start_timer_cancel);
}

/* Timers that fire. */

struct sleeper {
    weir_task task;
    suite_run *run;
    int64_t interval_ns;
    int64_t begin_ns;
};

static weir_task *sleeper_resume(weir_task *task)
{
    struct sleeper *self = WEIR_TASK_SELF(task, struct sleeper);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        self->begin_ns = suite_now_ns();
        WEIR_AWAIT(task, r, weir_sleep_for(task, self->interval_ns));
        suite_lap(self->run, self->begin_ns, 1);
    } while (!suite_is_over(self->run));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void start_sleeper(struct bed *bed, int64_t interval_ns)
{
    struct sleeper *sleeper = weir_scope_new(&bed->scope, sizeof *sleeper, sleeper_resume);

    WEIR_ASSERT(sleeper, "a frame fits into any memory");
    sleeper->run = bed->run;
    sleeper->interval_ns = interval_ns;
    weir_scope_start(&bed->scope, &sleeper->task);
}

static void start_timer_fire(struct bed *bed)
{
    start_sleeper(bed, 0);
}

static void start_timers(struct bed *bed)
{
    for (unsigned i = 0; i < bed->run->parameter; i++)
        start_sleeper(bed, suite_interval_ns(i, bed->run->parameter));
}

const char *weir_suite_timer_fire(suite_run *run)
{
    return weir_suite_bed_run(run, 0, start_timer_fire);
}

const char *weir_suite_timers(suite_run *run)
{
    return weir_suite_bed_run(run, 0, start_timers);
}
