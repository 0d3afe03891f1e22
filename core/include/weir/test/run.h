/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_RUN_H
#define WEIR_TEST_RUN_H

/*
 * Running a task to its end, on an executor of its own, without a kernel.
 *
 * Time is virtual: when nothing is ready it jumps to what is due next. A task that can never end,
 * because nothing is ready and nothing is due, fails the test with a dump of what it waits for.
 * When it has ended nothing may be left: see weir_test_check_idle.
 *
 * Each run begins with an initialised task. Its frame is the caller's, and holds its results after.
 *
 * Source: core/test/run.c. Tests: tests/stage_one/test_kit_run.c.
 */

#include <weir/manual.h>
#include <weir/stop.h>

WEIR_C_BEGIN

/** Run a task as a tree of its own, and return what it returned. */
WEIR_PUBLIC weir_result weir_test_run(weir_task *main);

/**
 * weir_test_run with memory for the frames of child tasks. Each frame is asked for and given back:
 * nothing is held back for reuse.
 *
 * @frames  NULL: the heap
 */
WEIR_PUBLIC weir_result weir_test_run_with(weir_memory *frames, weir_task *main);

/**
 * weir_test_run with a stop after so many steps; a step resumes one task. Step 0 stops before the
 * task has begun. What completes at once is no place where a stop can come, so it is no step, but
 * for every second such operation in a row.
 *
 * Returns whether the task was still there to be stopped. To stop it everywhere, count up from 0
 * until this is false: that run was not stopped.
 *
 * @bits  WEIR_STOP_REQUESTED, WEIR_STOP_HARD or WEIR_STOP_EXPIRED
 */
WEIR_PUBLIC bool weir_test_run_stopped(weir_task *main, size_t step, unsigned bits,
                                       weir_result *ret_result);

/**
 * Whether nothing is left on an executor: no tree lives, no frame is out, no task is ready, no
 * deadline is armed, and no work keeps it.
 */
WEIR_PUBLIC bool weir_test_is_idle(weir_manual *manual);

/** Fail the test unless the executor is idle, with what is left and a dump of the trees. */
WEIR_PUBLIC void weir_test_check_idle(weir_manual *manual);

WEIR_C_END

#endif
