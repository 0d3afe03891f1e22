/* SPDX-License-Identifier: MIT */
/*
 * Launching trees: the root, and the bridge between trees.
 *
 * A root is a coroutine like any other; what sets it apart is that nobody called it. A bridge is a
 * root whose end posts the root's own task back to where the waiter lives, so the way home needs no
 * memory of its own.
 */
#include <weir/run.h>

#include "context.h"
#include "strand.h"

/* The tree has ended. The root belongs to done from here on. */
static void root_leave(weir_root *root)
{
    weir_context_leave(weir_executor_context(root->environment.executor), root);
    root->task.state = WEIR_TASK_DONE;
    if (root->done)
        root->done(root, root->outcome);
}

static void strand_ended(weir_strand *strand)
{
    root_leave(WEIR_CONTAINER_OF(strand, weir_root, strand));
}

/* A strand of the root's own is left before done may free it. */
static weir_task *root_end(weir_root *root)
{
    if (root->environment.executor == &root->strand.executor)
        weir_strand_end(&root->strand, strand_ended);
    else
        root_leave(root);
    return NULL;
}

/* What runs the tree: the executor, if one task at a time is all that it runs. A task on a pool
 * sees its tree's strand as its executor: what it launches there is a tree of its own, on the
 * pool. */
static weir_executor *serial(weir_root *root, weir_executor *executor)
{
    executor = weir_strand_lasting(executor);
    if (executor->ops->is_serial)
        return executor;
    weir_strand_init_of_tree(&root->strand, executor);
    return &root->strand.executor;
}

static weir_task *root_resume(weir_task *task)
{
    weir_root *self = WEIR_TASK_SELF(task, weir_root);
    weir_result r;

    WEIR_BEGIN(task);
    weir_context_enter(weir_executor_context(self->environment.executor), self);
    WEIR_AWAIT(task, r, weir_call(task, self->main));
    self->outcome = r;
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->stop));
    return root_end(self);
    WEIR_END(task);
}

static void root_init(weir_executor *executor, weir_root *root, weir_task *main,
                      weir_root_done_fn *done, void *user)
{
    weir_context *context = weir_executor_context(executor);

    WEIR_ASSERT(main->state == WEIR_TASK_NEW, "a task is initialised, then started once");
    WEIR_ASSERT(main->frame_units == 0, "the frame of a root's task is the caller's");

    weir_task_init(&root->task, root_resume);
    root->environment.executor = serial(root, executor);
    root->environment.frames = &context->frames;
    root->environment.loop = context->loop;
    root->environment.clock = context->clock;
    weir_list_init(&root->scopes);
    root->environment.scopes = &root->scopes;
    root->task.environment = &root->environment;
    weir_stop_source_open(&root->stop, &root->task);
    root->link.next = NULL;
    root->link.prev = NULL;
    root->main = main;
    root->outcome = weir_result_of(0, 0);
    root->done = done;
    root->user = user;
}

void weir_run_async(weir_executor *executor, weir_root *root, weir_task *main,
                    weir_root_done_fn *done, void *user)
{
    root_init(executor, root, main, done, user);
    weir_executor_post(root->environment.executor, &root->task);
}

void weir_root_tell_done(weir_root *root, weir_result result)
{
    bool *is_done = root->user;

    (void)result;
    *is_done = true;
}

void weir_root_stop(weir_root *root, unsigned bits)
{
    weir_stop_source_request(&root->stop, bits);
}

/* The bridge. */

static void bridge_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)task;
    weir_root_stop(&WEIR_CONTAINER_OF(wait, weir_bridge, wait)->root, bits);
}

static const struct weir_wait_ops bridge_wait_ops = {
    .name = "a task on another executor",
    .stop = bridge_stop,
    .dump = weir_wait_dump_nothing,
};

/* Arrive at home, with the root's task as the carrier: hand the result to the waiter. */
static weir_task *bridge_home(weir_task *task)
{
    weir_bridge *bridge = WEIR_CONTAINER_OF(task, weir_bridge, root.task);
    weir_task *waiter = bridge->waiter;

    waiter->error = bridge->root.outcome.error;
    waiter->count = bridge->root.outcome.count;
    waiter->state = WEIR_TASK_RUNNING;
    return waiter;
}

/* On the other executor: the tree has ended. */
static void bridge_done(weir_root *root, weir_result result)
{
    weir_bridge *bridge = root->user;

    (void)result;
    weir_task_init(&root->task, bridge_home);
    weir_executor_post(bridge->home, &root->task);
}

/* A stop that is in force crosses with the child, which runs all the same, as one that is called
 * does: it may own what it has to close. */
weir_task *weir_run_on(weir_task *task, weir_bridge *bridge, weir_executor *executor,
                       weir_task *child)
{
    bridge->wait.ops = &bridge_wait_ops;
    bridge->waiter = task;
    bridge->home = task->environment->executor;
    root_init(executor, &bridge->root, child, bridge_done, bridge);
    bridge->root.task.stop = task->stop;
    bridge->root.task.expired = task->expired;
    (void)weir_task_suspend(task, &bridge->wait);
    weir_executor_post(bridge->root.environment.executor, &bridge->root.task);
    return NULL;
}
