/* SPDX-License-Identifier: MIT */
/* An awaitable over a library that calls back: stops and deadlines come with it. */
#include <stdio.h>
#include <weir/stage_one.h>

/* Somebody's library. It measures when its device answers, and then calls back, once. */

struct meter {
    void (*done)(void *user, int value);
    void *user;
};

static void meter_start(struct meter *meter, void (*done)(void *user, int value), void *user)
{
    meter->done = done;
    meter->user = user;
}

static void meter_abort(struct meter *meter) /* It will not call back. */
{
    meter->done = NULL;
}

/* The awaitable: a record, a completion, a stop, and a starter. */

struct measurement { /* Lives in the scratch words of the task that waits. */
    weir_wait wait;
    struct meter *meter;
};

static void measured(void *user, int value)
{
    weir_task_wake(user, 0, (size_t)value);
}

static void measurement_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    struct measurement *self = WEIR_CONTAINER_OF(wait, struct measurement, wait);

    (void)bits;
    meter_abort(self->meter);
    weir_task_wake(task, weir_task_stop_error(task), 0);
}

static const struct weir_wait_ops measurement_ops = {
    .name = "measurement",
    .stop = measurement_stop,
    .dump = weir_wait_dump_nothing,
};

static weir_task *measure(weir_task *task, struct meter *meter)
{
    struct measurement *self = WEIR_TASK_SCRATCH(task, struct measurement);
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    self->wait.ops = &measurement_ops;
    self->meter = meter;
    (void)weir_task_suspend(task, &self->wait); /* Before the start, which may call back at once. */
    meter_start(meter, measured, task);
    return NULL;
}

/* A task that uses it. */

struct logger {
    weir_task task;
    struct meter *meter;
    weir_deadline patience;
};

static weir_task *logger_resume(weir_task *task)
{
    struct logger *self = WEIR_TASK_SELF(task, struct logger);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        weir_deadline_arm_after(task, &self->patience, 1000000000); /* Nanoseconds. */
        WEIR_AWAIT(task, r, measure(task, self->meter));
        (void)weir_deadline_disarm(task, &self->patience);
        printf("%s, %zu degrees\n", weir_error_name(r.error), r.count);
    } while (r.error != WEIR_CANCELLED);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(void)
{
    struct meter meter = {NULL, NULL};
    struct logger logger = {.meter = &meter};
    weir_manual manual;
    weir_root root;

    weir_manual_init(&manual, NULL);
    weir_task_init(&logger.task, logger_resume);
    weir_run_async(weir_manual_executor(&manual), &root, &logger.task, NULL, NULL);
    (void)weir_manual_poll(&manual); /* It waits for the meter. */
    meter.done(meter.user, 21);      /* The device answers. */
    (void)weir_manual_poll(&manual);
    weir_manual_advance(&manual, 1000000000); /* Nobody answers for a second. */
    (void)weir_manual_poll(&manual);
    meter.done(meter.user, 22);
    (void)weir_manual_poll(&manual);
    weir_root_stop(&root, WEIR_STOP_REQUESTED);
    (void)weir_manual_poll(&manual);
    weir_manual_fini(&manual);
    return 0;
}
