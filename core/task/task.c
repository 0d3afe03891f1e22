/* SPDX-License-Identifier: MIT */
/* Tasks: the parts of finishing, waking and yielding that are not on the shortest path. */
#include <weir/task.h>

#include <stdio.h>
#include <stdlib.h>

#include <weir/executor.h>
#include <weir/frame.h>

weir_task *weir_task_finish_slowly(weir_task *task)
{
    weir_task *parent = task->continuation.task;

    WEIR_ASSERT(!(task->flags & WEIR_TASK_SHIELDED), "a shield ends before its task returns");
    WEIR_ASSERT(task->flags < WEIR_TASK_HELD,
                "a task returns after its scopes' children, with its deadlines disarmed");
    if (task->flags & WEIR_TASK_JOINED)
        return task->continuation.join->finished(task->continuation.join, task);

    parent->error = task->error;
    parent->count = task->count;
    parent->state = WEIR_TASK_RUNNING;
    if (task->frame_units > 0)
        weir_frame_release_here(task->environment->frames, task, task->frame_units);
    return parent;
}

void weir_task_bad_resume(const weir_task *task, const char *function)
{
    fprintf(stderr, "%s:%u: %s: a task is resumed only where it suspended\n",
            task->source ? task->source->file : "?", (unsigned)task->line, function);
    abort();
}

void weir_task_wake(weir_task *task, int error, size_t count)
{
    WEIR_ASSERT(task->state == WEIR_TASK_WAITING, "a wait completes its task exactly once");

    task->error = error;
    task->count = count;
    weir_executor_post(task->environment->executor, task);
}

weir_task *weir_task_yield(weir_task *task)
{
    task->error = 0;
    task->count = 0;
    weir_executor_post(task->environment->executor, task);
    return NULL;
}

void weir_wait_dump_nothing(weir_wait *wait, struct weir_dump *dump)
{
    (void)wait;
    (void)dump;
}
