/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ANY_EXECUTOR_H
#define WEIR_ANY_EXECUTOR_H

/*
 * Any executor: a value of two pointers that keeps an executor of whatever kind alive.
 *
 * A weir_executor * refers to an executor that somebody else keeps. Where nobody does, as for a
 * strand that several connections share, an owner counts the references and ends the executor with
 * the last one. Every weir_any_executor is one reference: copy it with weir_any_executor_ref, and
 * give each copy back once. One made with weir_any_executor_of only borrows, and costs nothing.
 *
 * A task is posted to `any.executor`, like to any other.
 *
 * Thread: any; one value is used by one thread at a time.
 *
 * Source: core/exec/any_executor.c. Tests: tests/stage_one/test_any_executor.c.
 */

#include <weir/executor.h>

WEIR_C_BEGIN

typedef struct weir_executor_owner weir_executor_owner;

/** End the executor and release its memory: the last reference has gone. Any thread, also one that
 * runs a task of the executor. */
typedef void weir_executor_destroy_fn(weir_executor_owner *owner);

/** Embed in what holds the executor. Fields are private. */
struct weir_executor_owner {
    weir_executor_destroy_fn *destroy;
    uint32_t ref_count; /* __atomic: each unref releases, the last one acquires. */
};

/** All zero: none. */
typedef struct weir_any_executor {
    weir_executor *executor;
    weir_executor_owner *owner; /* NULL: borrowed. */
} weir_any_executor;

/** An owner with one reference, for weir_any_executor_own to take. */
static inline void weir_executor_owner_init(weir_executor_owner *owner,
                                            weir_executor_destroy_fn *destroy)
{
    owner->destroy = destroy;
    owner->ref_count = 1;
}

/** Borrow an executor, which outlives the value and its copies. */
static inline weir_any_executor weir_any_executor_of(weir_executor *executor)
{
    weir_any_executor any = {executor, NULL};

    return any;
}

/** The first reference, that of weir_executor_owner_init. */
static inline weir_any_executor weir_any_executor_own(weir_executor *executor,
                                                      weir_executor_owner *owner)
{
    weir_any_executor any = {executor, owner};

    return any;
}

/** One more reference to the same executor. */
WEIR_PUBLIC weir_any_executor weir_any_executor_ref(weir_any_executor any);

/** Give a reference back, and set the value to none. With the last one the executor ends. */
WEIR_PUBLIC void weir_any_executor_unref(weir_any_executor *any);

/** Whether both are the same executor. */
static inline bool weir_any_executor_equals(weir_any_executor a, weir_any_executor b)
{
    return a.executor == b.executor;
}

/** The executor, if it is of the kind with this table (&weir_strand_executor_ops); else NULL. */
static inline weir_executor *weir_any_executor_target(weir_any_executor any,
                                                      const struct weir_executor_ops *ops)
{
    return any.executor && any.executor->ops == ops ? any.executor : NULL;
}

WEIR_C_END

#endif
