/* SPDX-License-Identifier: MIT */
#ifndef WEIR_RUN_H
#define WEIR_RUN_H

/*
 * Launching trees of tasks: run_async (submits), run_on (the bridge between trees). What blocks
 * until a tree has ended belongs to what runs it: weir_run in <weir/loop.h>, weir_manual_run,
 * weir_thread_pool_run.
 *
 * A root is the top of a tree: it gives the tree its environment, can be stopped from any thread,
 * and is what a context counts and dumps.
 *
 * Source: core/exec/run.c. Tests: tests/unit/test_run.c, tests/contract/test_bridge.c.
 */

#include <weir/context.h>
#include <weir/executor.h>
#include <weir/stop.h>
#include <weir/strand.h>

WEIR_C_BEGIN

typedef struct weir_root weir_root;

/** Called on the executor's thread when the tree has ended. The root may be freed
 * or reused here. */
typedef void weir_root_done_fn(weir_root *root, weir_result result);

/** The top of a tree. Caller's memory; in place until done is called. Fields are private. */
struct weir_root {
    weir_task task;               /* Parent of main. */
    weir_environment environment; /* What the tree inherits. */
    weir_stop_source stop;        /* weir_root_stop. */
    weir_list_node link;          /* weir_context.roots. */
    weir_list scopes;             /* weir_scope.link: the tree's that have children. */
    weir_task *main;              /* The user's task. */
    weir_result outcome;          /* What main returned. */
    weir_root_done_fn *done;
    void *user;         /* The caller's; weir never looks at it. */
    weir_strand strand; /* Of a tree on an executor that is not serial. */
};

/**
 * Run a tree on an executor. Returns at once: the tree starts on the executor's thread.
 *
 * Takes      root and main until done is called; main is not freed
 * Thread     any
 *
 * @main  initialised and not started
 * @done  called when the tree has ended; NULL: nobody is told
 * @user  for the caller, in root->user
 */
WEIR_PUBLIC void weir_run_async(weir_executor *executor, weir_root *root, weir_task *main,
                                weir_root_done_fn *done, void *user);

/** Stop a tree. Any thread, until done is called; see weir_stop_source_request. */
WEIR_PUBLIC void weir_root_stop(weir_root *root, unsigned bits);

/** The bridge from a task to a tree of its own on another executor. Fields are private. */
typedef struct weir_bridge {
    weir_root root;      /* The tree over there; its task carries the result home. */
    weir_wait wait;      /* The waiter's record. */
    weir_task *waiter;   /* Suspended in weir_run_on. Its own executor's thread. */
    weir_executor *home; /* The waiter's. Constant while the tree lives. */
} weir_bridge;

/**
 * Run a task on another executor, as a tree of its own, and wait for it here.
 *
 * Completes  when the tree has ended and its result is back on this task's executor
 * Result     what the task returned
 * Borrows    bridge and child until then
 * Cancel     a stop that is in force is inherited by the child, which runs and whose awaits see it;
 *            a later one is sent to the other executor and walks down the child there; the child's
 *            result is what is reported. A stop that comes too late does nothing.
 *
 * @child  embedded, initialised and not started; its frame is read here again when it is done
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_run_on(weir_task *task, weir_bridge *bridge,
                                                 weir_executor *executor, weir_task *child);

WEIR_C_END

#endif
