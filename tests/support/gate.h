/* SPDX-License-Identifier: MIT */
#ifndef TEST_GATE_H
#define TEST_GATE_H

/*
 * A gate: the smallest thing a task can wait for. It opens when the test says, and counts the stops
 * that reach it. Zero-initialised: shut. Thread: that of the waiting task's executor.
 */

#include <stdbool.h>
#include <stddef.h>

#include <weir/task.h>

#include "test.h"

struct gate {
    weir_wait wait;
    weir_task *waiter; /* NULL: nobody waits. */
    size_t wait_count; /* Waits that really began. */
    size_t stop_count; /* Stops that reached the waiter, */
    unsigned bits;     /* and what they said. */
    bool ignores_stop; /* The wait goes on when it is stopped. */
};

/** Complete the wait. */
static inline void gate_open(struct gate *gate, int error, size_t count)
{
    weir_task *waiter = gate->waiter;

    CHECK(waiter);
    gate->waiter = NULL;
    weir_task_wake(waiter, error, count);
}

static inline void gate_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    struct gate *self = WEIR_CONTAINER_OF(wait, struct gate, wait);

    self->stop_count++;
    self->bits |= bits;
    if (self->waiter && !self->ignores_stop)
        gate_open(self, weir_task_stop_error(task), 0);
}

static const struct weir_wait_ops gate_ops = {
    .name = "a gate",
    .stop = gate_stop,
    .dump = weir_wait_dump_nothing,
};

/** Wait until the gate opens. Completes with what it is opened with; once stopped, at once. */
WEIR_MUST_USE static inline weir_task *gate_wait(weir_task *task, struct gate *gate)
{
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    CHECK(!gate->waiter);
    gate->wait.ops = &gate_ops;
    gate->waiter = task;
    gate->wait_count++;
    return weir_task_suspend(task, &gate->wait);
}

#endif
