/* SPDX-License-Identifier: MIT */
/*
 * Scopes: children that run beside their parent and are joined.
 *
 * An allocated child lies behind its scope's record in one frame of the allocator, so that the list
 * link needs no room in the task header and starting a child allocates once.
 */
#include <weir/scope.h>

#include <weir/executor.h>
#include <weir/stop.h>

#include "scope_task.h"

/* What an idle connection costs is a promise: see docs/adr/0030-idle-connections.md. */
_Static_assert(sizeof(void *) != 8 || sizeof(weir_scope_record) == 32, "half a cache line");
_Static_assert(sizeof(weir_scope_record) % _Alignof(max_align_t) == 0,
               "what stands behind a record is aligned for any type");

static weir_scope_record *record_of(weir_task *child)
{
    return (weir_scope_record *)(void *)child - 1;
}

static void scope_stop_wait(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)task;
    weir_scope_stop(WEIR_CONTAINER_OF(wait, weir_scope, wait), bits);
}

static const struct weir_wait_ops scope_wait_ops = {
    .name = "join",
    .stop = scope_stop_wait,
    .dump = weir_wait_dump_nothing, /* A dump finds the children by their owner. */
};

void weir_scope_init(weir_scope *scope, weir_task *owner)
{
    scope->wait.ops = &scope_wait_ops;
    scope->owner = owner;
    scope->joiner = NULL;
    weir_list_init(&scope->children);
    scope->link.next = NULL;
    scope->link.prev = NULL;
    scope->live_count = 0;
    scope->joined_count = 0;
    scope->error = 0;
}

void weir_scope_fini(weir_scope *scope)
{
    WEIR_ASSERT(scope->live_count == 0, "a scope ends when its children have");
}

/* Its header says that it is joined from the beginning, and not where it came from: so nobody takes
 * it for a frame that can be called. */
void *weir_scope_new(weir_scope *scope, size_t size, weir_resume_fn *resume)
{
    weir_frame_allocator *frames = scope->owner->environment->frames;
    size_t units = weir_frame_units(sizeof(weir_scope_record) + size);
    weir_scope_record *record = weir_frame_allocate(frames, units);
    weir_task *child;

    if (!record)
        return NULL;
    record->of.frames = frames;
    child = (weir_task *)(void *)(record + 1);
    weir_task_init_allocated(child, resume, units);
    child->flags = WEIR_TASK_JOINED;
    child->down.frames = NULL;
    return child;
}

static void check_allocated(const weir_scope *scope, weir_task *child)
{
    WEIR_ASSERT(child->frame_units > 0 && (child->flags & WEIR_TASK_JOINED),
                "weir_scope_start takes a child of weir_scope_new");
    WEIR_ASSERT(record_of(child)->of.frames == scope->owner->environment->frames,
                "a child of weir_scope_new stays with scopes whose frames come from its allocator");
}

static void release(const weir_scope *scope, weir_task *child)
{
    weir_frame_release(scope->owner->environment->frames, record_of(child), child->frame_units);
}

void weir_scope_discard(weir_scope *scope, weir_task *child)
{
    WEIR_ASSERT(child->state == WEIR_TASK_NEW, "only a child that was not started is discarded");
    check_allocated(scope, child);
    release(scope, child);
}

/* Take what the joiner is told. */
static weir_result take_outcome(weir_scope *scope)
{
    weir_result outcome = weir_result_of(scope->error, scope->joined_count);

    scope->error = 0;
    scope->joined_count = 0;
    return outcome;
}

/* The owner counts its scopes with children, so that it cannot return before them and a dump knows
 * where to look. */

static void became_populated(weir_scope *scope)
{
    weir_task *owner = scope->owner;

    WEIR_ASSERT(owner->flags < UINT8_MAX - WEIR_TASK_HELD,
                "a task has at most 15 deadlines and scopes in use");
    owner->flags = (uint8_t)(owner->flags + WEIR_TASK_HELD);
    weir_list_push(owner->environment->scopes, &scope->link);
}

static void became_empty(weir_scope *scope)
{
    weir_list_remove(&scope->link);
    scope->owner->flags = (uint8_t)(scope->owner->flags - WEIR_TASK_HELD);
}

static void child_leaves(weir_scope *scope, weir_scope_record *record, const weir_task *child)
{
    if (child->error && !scope->error)
        scope->error = child->error;
    weir_list_remove(&record->link);
    scope->live_count--;
    scope->joined_count++;
}

/* After a child has left. Returns the task to run next, or NULL. */
static weir_task *tell_joiner(weir_scope *scope)
{
    weir_task *joiner = scope->joiner;
    weir_result outcome;

    if (scope->live_count > 0)
        return NULL;
    became_empty(scope);
    if (!joiner)
        return NULL;

    scope->joiner = NULL;
    outcome = take_outcome(scope);
    joiner->error = outcome.error;
    joiner->count = outcome.count;
    joiner->state = WEIR_TASK_RUNNING;
    return joiner;
}

static weir_task *embedded_finished(weir_join *join, weir_task *child)
{
    weir_scope_record *record = WEIR_CONTAINER_OF(join, weir_scope_record, join);
    weir_scope *scope = record->of.scope;

    child_leaves(scope, record, child);
    return tell_joiner(scope);
}

static weir_task *allocated_finished(weir_join *join, weir_task *child)
{
    weir_scope_record *record = WEIR_CONTAINER_OF(join, weir_scope_record, join);
    weir_scope *scope = record->of.scope;

    child_leaves(scope, record, child);
    release(scope, child);
    return tell_joiner(scope);
}

weir_task *weir_scope_task_at(weir_list_node *link)
{
    weir_scope_record *record = WEIR_CONTAINER_OF(link, weir_scope_record, link);

    if (record->join.finished == allocated_finished)
        return (weir_task *)(void *)(record + 1);
    return WEIR_CONTAINER_OF(record, weir_scope_child, record)->task;
}

/* A deadline covers what its task waits for: a child that nobody joins yet learns of one that has
 * passed from the join, if it still stands then. */
static void inherit_stop(const weir_scope *scope, weir_task *child)
{
    if (scope->joiner) {
        child->stop = scope->joiner->stop;
        child->expired = scope->joiner->expired;
        return;
    }
    child->stop = scope->owner->stop & (WEIR_STOP_REQUESTED | WEIR_STOP_HARD);
    child->expired = 0;
}

static void start(weir_scope *scope, weir_scope_record *record, weir_task *child,
                  weir_join_finished_fn *finished)
{
    const weir_task *owner = scope->owner;

    record->join.finished = finished;
    record->link.next = NULL;
    record->link.prev = NULL;
    record->of.scope = scope;
    child->continuation.join = &record->join;
    child->flags |= WEIR_TASK_JOINED;
    child->environment = owner->environment;
    inherit_stop(scope, child);
    if (scope->live_count == 0)
        became_populated(scope);
    weir_list_push(&scope->children, &record->link);
    scope->live_count++;
    weir_executor_post(owner->environment->executor, child);
}

void weir_scope_start(weir_scope *scope, weir_task *child)
{
    WEIR_ASSERT(child->state == WEIR_TASK_NEW, "a task is initialised, then started once");
    check_allocated(scope, child);
    start(scope, record_of(child), child, allocated_finished);
}

void weir_scope_start_embedded(weir_scope *scope, weir_scope_child *record, weir_task *child)
{
    WEIR_ASSERT(child->state == WEIR_TASK_NEW, "a task is initialised, then started once");
    WEIR_ASSERT(child->frame_units == 0, "a child of a scope is embedded or of weir_scope_new");
    record->task = child;
    start(scope, &record->record, child, embedded_finished);
}

void weir_scope_stop(weir_scope *scope, unsigned bits)
{
    weir_list_node *node = weir_list_first(&scope->children);

    /* A stop makes tasks ready and finishes none, so the list does not change meanwhile. */
    for (; node; node = weir_list_next(&scope->children, node))
        weir_task_stop(weir_scope_task_at(node), bits);
}

weir_task *weir_scope_join(weir_task *task, weir_scope *scope)
{
    WEIR_ASSERT(!scope->joiner, "one task joins a scope at a time");

    if (scope->live_count == 0) {
        weir_result outcome = take_outcome(scope);

        return weir_task_complete(task, outcome.error, outcome.count);
    }
    if (task->stop)
        weir_scope_stop(scope, task->stop);
    scope->joiner = task;
    return weir_task_suspend(task, &scope->wait);
}
