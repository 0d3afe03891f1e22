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

/* Bytes before an allocated child: its record, rounded up so that the child is aligned. */
enum { RECORD_BYTES = WEIR_FRAME_UNIT };

_Static_assert(sizeof(weir_scope_child) <= RECORD_BYTES, "the record fits before the child");

static weir_scope_child *record_of(weir_task *child)
{
    return (weir_scope_child *)(void *)((char *)child - RECORD_BYTES);
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

void *weir_scope_new(weir_scope *scope, size_t size, weir_resume_fn *resume)
{
    weir_frame_allocator *frames = scope->owner->environment->frames;
    size_t units = weir_frame_units(RECORD_BYTES + size);
    char *memory = weir_frame_allocate(frames, units);
    weir_task *child;

    if (!memory)
        return NULL;
    child = (weir_task *)(void *)(memory + RECORD_BYTES);
    weir_task_init(child, resume);
    child->down.frames = frames;
    record_of(child)->units = units;
    return child;
}

static void check_allocator(const weir_scope *scope, const weir_task *child)
{
    WEIR_ASSERT(child->down.frames == scope->owner->environment->frames,
                "a child of weir_scope_new stays with scopes whose frames come from its allocator");
}

static void release_record(weir_scope *scope, weir_scope_child *record)
{
    if (record->units)
        weir_frame_release(scope->owner->environment->frames, record, record->units);
}

void weir_scope_discard(weir_scope *scope, weir_task *child)
{
    WEIR_ASSERT(child->state == WEIR_TASK_NEW, "only a child that was not started is discarded");
    check_allocator(scope, child);
    release_record(scope, record_of(child));
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

static weir_task *child_finished(weir_join *join, weir_task *child)
{
    weir_scope_child *record = WEIR_CONTAINER_OF(join, weir_scope_child, join);
    weir_scope *scope = record->scope;
    weir_task *joiner = scope->joiner;
    weir_result outcome;

    if (child->error && !scope->error)
        scope->error = child->error;
    weir_list_remove(&record->link);
    scope->live_count--;
    scope->joined_count++;
    release_record(scope, record);
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

static void start(weir_scope *scope, weir_scope_child *record, weir_task *child)
{
    const weir_task *owner = scope->owner;

    WEIR_ASSERT(child->state == WEIR_TASK_NEW, "a task is started once");
    WEIR_ASSERT(child->frame_units == 0, "a child of a scope is embedded or of weir_scope_new");
    if (record->units)
        check_allocator(scope, child);

    record->join.finished = child_finished;
    record->link.next = NULL;
    record->link.prev = NULL;
    record->scope = scope;
    record->task = child;
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
    start(scope, record_of(child), child);
}

void weir_scope_start_embedded(weir_scope *scope, weir_scope_child *record, weir_task *child)
{
    record->units = 0;
    start(scope, record, child);
}

void weir_scope_stop(weir_scope *scope, unsigned bits)
{
    weir_list_node *node = weir_list_first(&scope->children);

    /* A stop makes tasks ready and finishes none, so the list does not change meanwhile. */
    for (; node; node = weir_list_next(&scope->children, node))
        weir_task_stop(WEIR_CONTAINER_OF(node, weir_scope_child, link)->task, bits);
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
