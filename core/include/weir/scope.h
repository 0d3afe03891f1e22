/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SCOPE_H
#define WEIR_SCOPE_H

/*
 * Scopes: a dynamic number of children that run beside their parent and are joined.
 *
 * A child never outlives its scope, and a scope ends only when its children have. Children run in
 * the owner's environment, are posted in the order they were started, and are stopped through the
 * scope, in that order. Everything happens on the thread of the owner's executor.
 *
 *      weir_scope_init --> OPEN --start, start...--> OPEN --weir_scope_join--> joined: OPEN, empty
 *
 * Memory is bounded by the frame allocator: weir_scope_new returns NULL when it is exhausted.
 *
 * Source: core/task/scope.c. Tests: tests/unit/test_scope.c.
 */

#include <weir/frame.h>
#include <weir/list.h>
#include <weir/task.h>

WEIR_C_BEGIN

/** Embed in the owner's frame; it stays in place until it is joined. Fields are private. */
typedef struct weir_scope {
    weir_wait wait;      /* The joiner's record. */
    weir_task *owner;    /* Whose environment the children inherit. */
    weir_task *joiner;   /* Suspended in weir_scope_join, or NULL. */
    weir_list children;  /* weir_scope_record.link, oldest first. */
    weir_list_node link; /* Of the context's scopes, while children live. */
    size_t live_count;   /* Children started and not finished. */
    size_t joined_count; /* Children finished since the last join. */
    int error;           /* First error of a child since the last join. */
} weir_scope;

/** The scope's record of one child. It stands before an allocated one. Fields are private. */
typedef struct weir_scope_record {
    weir_join join;      /* Says whether the child is allocated. */
    weir_list_node link; /* weir_scope.children. */
    union {
        struct weir_frame_allocator *frames; /* NEW and allocated: where it came from. */
        weir_scope *scope;                   /* Started. */
    } of;
} weir_scope_record;

/** Embed one beside an embedded child. Fields are private. */
typedef struct weir_scope_child {
    weir_scope_record record;
    weir_task *task;
} weir_scope_child;

/** Open an empty scope that belongs to the running task. */
WEIR_PUBLIC void weir_scope_init(weir_scope *scope, weir_task *owner);

/** Assert that nobody lives in the scope. */
WEIR_PUBLIC void weir_scope_fini(weir_scope *scope);

/**
 * A frame for a new child, initialised to start at resume. Fill in its inputs, then
 * weir_scope_start() it or weir_scope_discard() it. It is freed when the child is done.
 *
 * The frame's other fields are indeterminate. Returns NULL when the allocator is exhausted.
 * Allocate the child before you accept or open what it will own: then exhaustion loses nothing.
 *
 * @size  bytes of the frame, whose first member is a weir_task; at most WEIR_FRAME_SIZE_MAX
 *        less the record
 */
WEIR_PUBLIC void *weir_scope_new(weir_scope *scope, size_t size, weir_resume_fn *resume);

/** Give back a frame of weir_scope_new that was not started. */
WEIR_PUBLIC void weir_scope_discard(weir_scope *scope, weir_task *child);

/**
 * Start a child of weir_scope_new, of this scope or of one with the same frame allocator: it is
 * posted, and runs after this task has suspended. It inherits the owner's stop; a deadline that has
 * passed reaches it through the join.
 */
WEIR_PUBLIC void weir_scope_start(weir_scope *scope, weir_task *child);

/** Start an embedded child. record and child stay in place until the scope is joined. */
WEIR_PUBLIC void weir_scope_start_embedded(weir_scope *scope, weir_scope_child *record,
                                           weir_task *child);

/** Stop every child and all below them. New children are not affected. */
WEIR_PUBLIC void weir_scope_stop(weir_scope *scope, unsigned bits);

/** How many children live. */
static inline size_t weir_scope_live_count(const weir_scope *scope)
{
    return scope->live_count;
}

/**
 * Wait until every child has finished.
 *
 * Completes  when the last child is done; at once when none lives
 * Result     the first error a child returned since the last join, and how many have finished since
 * Overlap    one join at a time
 * Cancel     a stop of the joiner (also one that came before) goes to the children; the join still
 *            waits for them
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_scope_join(weir_task *task, weir_scope *scope);

WEIR_C_END

#endif
