/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TIMEOUT_H
#define WEIR_TIMEOUT_H

/*
 * The combinator of a child and a deadline.
 *
 * For awaits of the task itself arm a weir_deadline; this is for a child that is called.
 *
 * Source: core/time/timeout.c. Tests: tests/stage_one/test_time.c.
 */

#include <weir/deadline.h>

WEIR_C_BEGIN

/** The frame of one call, in the caller's until it completes. Fields are private. */
typedef struct weir_timeout_frame {
    weir_task task;
    weir_task *child;
    int64_t duration_ns;
    weir_deadline deadline;
    weir_result outcome;
} weir_timeout_frame;

/**
 * Call a child that is to be done within duration_ns.
 *
 * Completes  when the child is done, also when its time is over
 * Result     the child's own. One whose time is over reports WEIR_TIMED_OUT and what it had
 *            transferred, if it lets its awaits' errors through; one that finished first, or in
 *            spite of the deadline, reports as ever
 * Borrows    frame until then
 * Takes      an allocated child's frame: freed when it is done
 * Cancel     a stop of the task stops the child: WEIR_CANCELLED is not WEIR_TIMED_OUT
 *
 * @child  initialised and not started
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_timeout(weir_task *task, weir_timeout_frame *frame,
                                                  weir_task *child, int64_t duration_ns);

WEIR_C_END

#endif
