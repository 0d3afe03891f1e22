/* SPDX-License-Identifier: MIT */
#ifndef AT_ONCE_H
#define AT_ONCE_H

/*
 * Run a task that never suspends: nobody would resume it. Its executor has a budget without end,
 * and fails the test when anything is posted to it.
 */

#include <limits.h>

#include <weir/executor.h>
#include <weir/frame.h>

#include "test.h"

static inline void at_once_post(weir_executor *executor, weir_task *task)
{
    bool is_posted = true;

    (void)executor;
    (void)task;
    CHECK(!is_posted);
}

static inline weir_task *at_once_dispatch(weir_executor *executor, weir_task *task)
{
    (void)executor;
    return task;
}

static inline struct weir_context *at_once_context(weir_executor *executor)
{
    (void)executor;
    return NULL;
}

/** What the task returns, which must not have suspended. */
static inline weir_result run_at_once(weir_task *task)
{
    static const struct weir_executor_ops ops = {
        .name = "at once",
        .is_serial = true,
        .post = at_once_post,
        .dispatch = at_once_dispatch,
        .context = at_once_context,
    };
    weir_executor executor = {.ops = &ops, .budget = INT_MAX};
    weir_frame_allocator frames;
    weir_environment environment = {.executor = &executor, .frames = &frames};
    weir_task caller;

    weir_frame_allocator_init(&frames, NULL, WEIR_FRAME_RETAINED_MAX);
    weir_task_init(&caller, NULL);
    caller.environment = &environment;
    task = weir_call(&caller, task);
    while (task != &caller) {
        CHECK(task);
        task = task->resume(task);
    }
    weir_frame_allocator_fini(&frames);
    return weir_task_result(&caller);
}

#endif
