/* SPDX-License-Identifier: MIT */
/* The inline executor: the first post on the stack runs what the others queue. */
#include <weir/inline_executor.h>

#include "ready.h"

static weir_inline *inline_of(weir_executor *executor)
{
    return WEIR_CONTAINER_OF(executor, weir_inline, executor);
}

static void inline_post(weir_executor *executor, weir_task *task)
{
    weir_inline *self = inline_of(executor);

    weir_ready_push(&self->ready, task);
    if (self->is_running)
        return;
    self->is_running = true;
    while (self->ready.first)
        (void)weir_ready_run(&self->ready, executor, WEIR_READY_SLICE);
    self->is_running = false;
}

static weir_task *inline_dispatch(weir_executor *executor, weir_task *task)
{
    if (inline_of(executor)->is_running) {
        task->state = WEIR_TASK_RUNNING;
        return task;
    }
    inline_post(executor, task);
    return NULL;
}

static weir_context *inline_context(weir_executor *executor)
{
    return &inline_of(executor)->context;
}

static const struct weir_executor_ops inline_executor_ops = {
    .name = "inline",
    .is_serial = true,
    .post = inline_post,
    .dispatch = inline_dispatch,
    .context = inline_context,
};

void weir_inline_init(weir_inline *executor, weir_memory *frames)
{
    executor->executor.ops = &inline_executor_ops;
    executor->executor.budget = WEIR_READY_SLICE;
    weir_context_init(&executor->context, frames, weir_context_frames_bound());
    executor->ready.first = NULL;
    executor->ready.last = NULL;
    executor->is_running = false;
}

void weir_inline_fini(weir_inline *executor)
{
    WEIR_ASSERT(!executor->is_running, "an inline executor is not ended by its own tasks");
    weir_context_fini(&executor->context);
}
