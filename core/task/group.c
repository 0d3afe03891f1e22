/* SPDX-License-Identifier: MIT */
/*
 * Combinators: one record for the waiter and all its children.
 *
 * when_all and when_any differ in two places only: which child decides, and what is counted. A
 * child that decides is chosen; until one does, the first to finish is, so that at the end there is
 * always one whose error to report. When none of when_all's children failed, that error is 0.
 *
 * Every child is joined to the same weir_join. Which one it is says its address, so its index is
 * looked for at most once an await, and whether it lives says its state.
 */
#include <weir/group.h>

#include <weir/dump.h>
#include <weir/executor.h>
#include <weir/stop.h>

/* The policy of when_all, beside those of enum weir_any_policy. */
enum { FIRST_TO_FAIL = WEIR_FIRST_TO_SUCCEED + 1 };

/* A child that is done keeps its header as it returned. A stop finishes nobody, so the children do
 * not change during the walk. */
static void stop_live(const weir_group *group, unsigned bits)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->children[i]->state != WEIR_TASK_DONE)
            weir_task_stop(group->children[i], bits);
    }
}

static void group_stop_wait(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)task;
    stop_live(WEIR_CONTAINER_OF(wait, weir_group, wait), bits);
}

static void group_dump(weir_wait *wait, weir_dump *dump)
{
    const weir_group *group = WEIR_CONTAINER_OF(wait, weir_group, wait);

    for (size_t i = 0; i < group->count; i++) {
        if (group->children[i]->state != WEIR_TASK_DONE)
            weir_dump_task(dump, group->children[i]);
    }
}

static bool decides(const weir_group *group, const weir_task *child)
{
    switch (group->policy) {
    case FIRST_TO_FAIL:
        return child->error != 0;
    case WEIR_FIRST_TO_SUCCEED:
        return child->error == 0;
    default: /* WEIR_FIRST_TO_COMPLETE: unless it may be the waiter's stop that ended the child. */
        return child->error == 0 || !group->waiter->stop;
    }
}

static void judge(weir_group *group, weir_task *child)
{
    bool is_decided = decides(group, child);

    if (is_decided || !group->chosen)
        group->chosen = child;
    if (!is_decided)
        return;
    group->is_decided = true;
    stop_live(group, WEIR_STOP_REQUESTED);
}

static size_t index_of(const weir_group *group, const weir_task *child)
{
    size_t i = 0;

    while (group->children[i] != child)
        i++;
    return i;
}

/* Every child is done: the group is idle again, and the waiter runs next. */
static weir_task *finish(weir_group *group)
{
    weir_task *waiter = group->waiter;

    group->waiter = NULL;
    waiter->error = group->chosen->error;
    waiter->count =
        group->policy == FIRST_TO_FAIL ? group->success_count : index_of(group, group->chosen);
    waiter->state = WEIR_TASK_RUNNING;
    return waiter;
}

static weir_task *child_finished(weir_join *join, weir_task *child)
{
    weir_group *group = WEIR_CONTAINER_OF(join, weir_group, join);

    group->live_count--;
    if (child->error == 0)
        group->success_count++;
    if (!group->is_decided)
        judge(group, child);
    return group->live_count == 0 ? finish(group) : NULL;
}

/* Posting makes a child READY, so one that stands in the group twice is found out here, too. */
static void start_child(weir_group *group, weir_task *child)
{
    const weir_task *waiter = group->waiter;

    WEIR_ASSERT(child->state == WEIR_TASK_NEW,
                "a task is started once and stands in one group once");
    WEIR_ASSERT(child->frame_units == 0, "a child of a group is embedded: its result stays there");

    child->stop = waiter->stop;
    child->expired = waiter->expired;
    child->continuation.join = &group->join;
    child->flags |= WEIR_TASK_JOINED;
    child->environment = waiter->environment;
    weir_executor_post(waiter->environment->executor, child);
}

static weir_task *start(weir_task *task, weir_group *group, weir_task *const *children,
                        size_t count)
{
    group->join.finished = child_finished;
    group->waiter = task;
    group->chosen = NULL;
    group->children = children;
    group->count = count;
    group->live_count = count;
    group->success_count = 0;
    group->is_decided = false;
    for (size_t i = 0; i < count; i++)
        start_child(group, children[i]);
    return weir_task_suspend(task, &group->wait);
}

/* Two tables, for a dump says which of the two it is. */

static const struct weir_wait_ops when_all_ops = {
    .name = "when_all",
    .stop = group_stop_wait,
    .dump = group_dump,
};

static const struct weir_wait_ops when_any_ops = {
    .name = "when_any",
    .stop = group_stop_wait,
    .dump = group_dump,
};

weir_task *weir_when_all(weir_task *task, weir_group *group, weir_task *const *children,
                         size_t count)
{
    WEIR_ASSERT(!group->waiter, "a group is awaited by one task at a time");

    if (count == 0) {
        group->chosen = NULL;
        return weir_task_complete(task, 0, 0);
    }
    group->wait.ops = &when_all_ops;
    group->policy = FIRST_TO_FAIL;
    return start(task, group, children, count);
}

/* A race that nobody runs has no index to report and no error that says so, and the caller knows
 * the count before it calls: an assertion, not a result. */
weir_task *weir_when_any(weir_task *task, weir_group *group, enum weir_any_policy policy,
                         weir_task *const *children, size_t count)
{
    WEIR_ASSERT(!group->waiter, "a group is awaited by one task at a time");
    WEIR_ASSERT(policy == WEIR_FIRST_TO_COMPLETE || policy == WEIR_FIRST_TO_SUCCEED,
                "a policy is one of enum weir_any_policy");
    WEIR_ASSERT(count > 0, "when_any has at least one child: somebody has to win");

    group->wait.ops = &when_any_ops;
    group->policy = (uint8_t)policy;
    return start(task, group, children, count);
}
