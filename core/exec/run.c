/* SPDX-License-Identifier: MIT */
/*
 * Launching trees: the root, and the bridge between trees.
 *
 * A root is a coroutine like any other; what sets it apart is that nobody called it. A bridge is a
 * root whose end posts the root's own task back to where the waiter lives, so the way home needs no
 * memory of its own.
 */
#include <weir/run.h>

#include "run.h"

static void root_enter(weir_root *root)
{
    weir_context *context = weir_executor_context(root->environment.executor);

    weir_list_push(&context->roots, &root->link);
    context->root_count++;
}

/* The tree has ended. The root belongs to done from here on. */
static weir_task *root_end(weir_root *root)
{
    weir_context *context = weir_executor_context(root->environment.executor);

    weir_list_remove(&root->link);
    context->root_count--;
    root->task.state = WEIR_TASK_DONE;
    if (root->done)
        root->done(root, root->outcome);
    return NULL;
}

static weir_task *root_resume(weir_task *task)
{
    weir_root *self = WEIR_TASK_SELF(task, weir_root);
    weir_result r;

    WEIR_BEGIN(task);
    root_enter(self);
    WEIR_AWAIT(task, r, weir_call(task, self->main));
    self->outcome = r;
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->stop));
    return root_end(self);
    WEIR_END(task);
}

void weir_run_async(weir_executor *executor, weir_root *root, weir_task *main,
                    weir_root_done_fn *done, void *user)
{
    weir_context *context = weir_executor_context(executor);

    WEIR_ASSERT(main->state == WEIR_TASK_NEW, "a task is started once");
    WEIR_ASSERT(main->frame_units == 0, "the frame of a root's task is the caller's");

    weir_task_init(&root->task, root_resume);
    root->environment.executor = executor;
    root->environment.frames = &context->frames;
    root->environment.loop = context->loop;
    root->environment.scopes = &context->scopes;
    root->task.environment = &root->environment;
    weir_stop_source_open(&root->stop, &root->task);
    root->link.next = NULL;
    root->link.prev = NULL;
    root->main = main;
    root->outcome = weir_result_of(0, 0);
    root->done = done;
    root->user = user;
    weir_executor_post(executor, &root->task);
}

void weir_root_stop(weir_root *root, unsigned bits)
{
    weir_stop_source_request(&root->stop, bits);
}

/* Running from outside. */

struct run_state {
    weir_root root;
    weir_result result;
    bool done;
};

static void run_done(weir_root *root, weir_result result)
{
    struct run_state *state = root->user;

    state->result = result;
    state->done = true;
}

weir_result weir_run(weir_loop *loop, weir_task *main)
{
    struct run_state state;

    state.done = false;
    weir_run_async(weir_loop_executor(loop), &state.root, main, run_done, &state);
    weir_loop_run_until(loop, &state.done);
    return state.result;
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

weir_task *weir_run_on(weir_task *task, weir_bridge *bridge, weir_executor *executor,
                       weir_task *child)
{
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    bridge->wait.ops = &bridge_wait_ops;
    bridge->waiter = task;
    bridge->home = task->environment->executor;
    (void)weir_task_suspend(task, &bridge->wait);
    weir_run_async(executor, &bridge->root, child, bridge_done, bridge);
    return NULL;
}
