/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EXECUTOR_H
#define WEIR_EXECUTOR_H

/*
 * Executors: what runs tasks.
 *
 * An executor begins with a pointer to a const table: a loop, a strand, a pool. It is serial as far
 * as one tree of tasks can tell. Posting never allocates: the queue link is in the task's header.
 *
 * A weir_executor * is one pointer that refers to an executor of any kind, because the table is in
 * the object; two are equal when they are the same executor. It owns nothing: who passes it on sees
 * to it that the executor outlives the tasks on it. <weir/any_executor.h> has the value that owns.
 *
 * Source: core/loop/loop.c, core/exec/. Tests: tests/unit/test_loop.c, tests/stage_one/.
 */

#include <weir/task.h>

WEIR_C_BEGIN

typedef struct weir_executor weir_executor;
struct weir_context;

/**
 * Queue the task to be resumed later by the executor, never inside this call (an inline
 * executor is there to break this: see <weir/inline_executor.h>). First in, first out
 * for one caller. Any thread; for a signal handler see weir_loop_post_from_signal in core/loop.
 * What the caller wrote before is visible to the task.
 */
typedef void weir_executor_post_fn(weir_executor *executor, weir_task *task);

/**
 * The task itself, to be resumed by the caller, when the caller already runs on the executor and
 * its budget allows; else post it and return NULL.
 */
typedef weir_task *weir_executor_dispatch_fn(weir_executor *executor, weir_task *task);

/** The context that owns the executor: its services, its frame allocator, its roots. */
typedef struct weir_context *weir_executor_context_fn(weir_executor *executor);

/** What an executor must provide. Every slot is required. */
struct weir_executor_ops {
    const char *name; /* "loop", "strand": for dumps. */
    /* Never runs two of its tasks side by side. A tree launched on one that does (a pool) gets a
     * strand of its own. */
    bool is_serial;
    weir_executor_post_fn *post;
    weir_executor_dispatch_fn *dispatch;
    weir_executor_context_fn *context;
};

/** Embed as the first member. */
struct weir_executor {
    const struct weir_executor_ops *ops;
    int budget; /* Inline completions left before others get their turn; none when it is not above
                   0. Owner's thread. */
};

/** A queue of READY tasks, by down.next. Fields are private. */
typedef struct weir_ready {
    weir_task *first;
    weir_task *last; /* Meaningful when first is not NULL. */
} weir_ready;

static inline void weir_executor_post(weir_executor *executor, weir_task *task)
{
    executor->ops->post(executor, task);
}

WEIR_MUST_USE static inline weir_task *weir_executor_dispatch(weir_executor *executor,
                                                              weir_task *task)
{
    return executor->ops->dispatch(executor, task);
}

static inline struct weir_context *weir_executor_context(weir_executor *executor)
{
    return executor->ops->context(executor);
}

/** How many bytes, moved at once, spend as much of the budget as one more operation. */
enum { WEIR_BUDGET_BYTES = 1024 };

/**
 * An operation has completed at once, or a part of one. It spends one, and one more for each
 * WEIR_BUDGET_BYTES that it moved: the larger the operations, the fewer begin before others get
 * their turn. Returns whether its task may go on; otherwise others are first.
 */
static inline bool weir_executor_spend(weir_executor *executor, size_t bytes)
{
    size_t more = bytes / WEIR_BUDGET_BYTES;
    int left = executor->budget - 1 - (int)(more < INT16_MAX ? more : INT16_MAX);

    if (WEIR_LIKELY(left >= 0)) {
        executor->budget = left;
        return true;
    }
    if (executor->budget > 0) /* Of a pool it stays 0: its threads share it. */
        executor->budget = left;
    return false;
}

WEIR_MUST_USE static inline weir_task *weir_task_complete(weir_task *task, int error, size_t count)
{
    weir_executor *executor = task->environment->executor;

    task->error = error;
    task->count = count;
    if (WEIR_LIKELY(weir_executor_spend(executor, count)))
        return task;
    weir_executor_post(executor, task);
    return NULL;
}

WEIR_C_END

#endif
