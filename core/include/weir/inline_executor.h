/* SPDX-License-Identifier: MIT */
#ifndef WEIR_INLINE_EXECUTOR_H
#define WEIR_INLINE_EXECUTOR_H

/*
 * The inline executor: posting runs the task, for tests.
 *
 * A post runs the task at once and returns when everything that became ready by it has run; a post
 * by a task that runs there is queued, first in, first out, so nothing is re-entered. A dispatch by
 * such a task gives the task back; from outside it is a post. A tree therefore goes as far as it
 * can inside the call that woke it, and a test needs no loop. It knows no time: <weir/manual.h>
 * does.
 *
 * What is posted from outside runs inside the post, so whoever walks waiting tasks from outside, a
 * stop of a task, a scope or a group, the close of a channel, would have them finish under its
 * feet: call those from a task, or use the manual executor.
 *
 * Thread: one at a time.
 *
 * Source: core/exec/inline_executor.c. Tests: tests/stage_one/test_inline_executor.c.
 */

#include <weir/context.h>
#include <weir/executor.h>
#include <weir/memory.h>

WEIR_C_BEGIN

/** Caller's memory; in place from init to fini. Fields are private. */
typedef struct weir_inline {
    weir_executor executor;
    weir_context context;
    weir_ready ready;
    bool is_running; /* A post is on the stack. */
} weir_inline;

/** @frames  where child frames come from; NULL: the heap */
WEIR_PUBLIC void weir_inline_init(weir_inline *executor, weir_memory *frames);

/** Asserts that no tree lives, and that it is not called from inside. */
WEIR_PUBLIC void weir_inline_fini(weir_inline *executor);

static inline weir_executor *weir_inline_executor(weir_inline *executor)
{
    return &executor->executor;
}

static inline weir_context *weir_inline_context(weir_inline *executor)
{
    return &executor->context;
}

WEIR_C_END

#endif
