/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SUBTREE_H
#define WEIR_SUBTREE_H

/*
 * Calling a child that does not inherit everything: other frames, or another source of stops.
 *
 * A child inherits its parent's executor, frame allocator and stops, and so does all below it. Here
 * one of them is replaced for a subtree; for another executor see weir_run_on in <weir/run.h>.
 *
 * Source: core/exec/subtree.c. Tests: tests/stage_one/test_subtree.c.
 */

#include <weir/frame.h>
#include <weir/stop.h>
#include <weir/task.h>

WEIR_C_BEGIN

/** The record of such a call, in the caller's frame until it completes. Fields are private. */
typedef struct weir_subtree {
    weir_task task; /* Between the caller and a child with a stop source. */
    weir_task *child;
    weir_stop_source *source;
    weir_result outcome;
    weir_environment environment; /* Of a child with other frames. */
} weir_subtree;

/**
 * Call a child whose frames, and those of all below it, come from another allocator.
 *
 * Completes, Result, Cancel  as weir_call
 * Borrows    subtree, child and frames until then
 *
 * @child   embedded, initialised and not started
 * @frames  used by this tree's thread only, or made with weir_frame_allocator_init_shared
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_call_with_frames(weir_task *task, weir_subtree *subtree,
                                                           weir_task *child,
                                                           weir_frame_allocator *frames);

/**
 * Call a child that is stopped by `source` and by nobody else: a soft stop of the caller does not
 * reach it, a stop that is in force is not inherited. A hard stop reaches it all the same.
 *
 * Completes  when the child is done and a request that was on its way has arrived
 * Result     what the child returned
 * Borrows    subtree, child and source until then
 * Cancel     the child's result is what is reported
 *
 * @child   embedded, initialised and not started
 * @source  opened before the child runs: any thread that the child tells of it may request, until
 *          the child is done
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_call_with_stop(weir_task *task, weir_subtree *subtree,
                                                         weir_task *child,
                                                         weir_stop_source *source);

WEIR_C_END

#endif
