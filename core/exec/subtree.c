/* SPDX-License-Identifier: MIT */
/*
 * Subtrees whose frames or stops are their own.
 *
 * With other frames the child is called as any other, in a copy of the environment. With a stop
 * source of its own it is called by a task between the two, whose shield holds the caller's soft
 * stops back, and which closes the source before the caller goes on.
 */
#include <weir/subtree.h>

#include <weir/executor.h>

static void check(const weir_task *child)
{
    WEIR_ASSERT(child->state == WEIR_TASK_NEW, "a task is initialised, then started once");
    WEIR_ASSERT(child->frame_units == 0, "the root of a subtree is embedded in its caller");
}

weir_task *weir_call_with_frames(weir_task *task, weir_subtree *subtree, weir_task *child,
                                 weir_frame_allocator *frames)
{
    weir_task *next;

    check(child);
    next = weir_call(task, child);
    subtree->environment = *task->environment;
    subtree->environment.frames = frames;
    child->environment = &subtree->environment;
    return next;
}

static weir_task *subtree_resume(weir_task *task)
{
    weir_subtree *self = WEIR_TASK_SELF(task, weir_subtree);
    weir_result r;

    WEIR_BEGIN(task);
    weir_shield_begin(task);
    weir_stop_source_open(self->source, self->child);
    WEIR_AWAIT(task, r, weir_call(task, self->child));
    self->outcome = r;
    WEIR_AWAIT(task, r, weir_stop_source_close(task, self->source));
    weir_shield_end(task);
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

weir_task *weir_call_with_stop(weir_task *task, weir_subtree *subtree, weir_task *child,
                               weir_stop_source *source)
{
    check(child);
    weir_task_init(&subtree->task, subtree_resume);
    child->environment = task->environment; /* The source opens on it. */
    subtree->child = child;
    subtree->source = source;
    return weir_call(task, &subtree->task);
}
