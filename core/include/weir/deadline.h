/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DEADLINE_H
#define WEIR_DEADLINE_H

/*
 * Deadlines: a timeout on any await.
 *
 * A weir_deadline is a field of a frame: arm it, await what you like, disarm it. When it passes,
 * the task and all it waits for are stopped with WEIR_STOP_EXPIRED, and their awaits complete with
 * WEIR_TIMED_OUT (bytes transferred so far are counted) until it is disarmed. No allocation; O(1).
 * Deadlines may overlap. One that is armed inside a shield is disarmed inside it, and one from
 * outside after it: a shield holds the outer ones back and lets the inner ones pass. A task disarms
 * its deadlines before it returns, on every way out; a clean-up at the end of the coroutine is the
 * place for it.
 *
 * Source: core/time/deadline.c. Tests: tests/contract/test_deadline.c, tests/stage_one/test_time.c.
 */

#include <weir/stop.h>
#include <weir/wheel.h>

WEIR_C_BEGIN

/** Embed in a frame. Initialised before its first use; in place while armed. Fields are private. */
typedef struct weir_deadline {
    weir_wheel_node node;
    weir_task *task;
    uint8_t bits; /* What its passing means: WEIR_STOP_EXPIRED or WEIR_STOP_HARD. */
    bool armed;
    bool passed;
    bool inside_shield; /* Armed while the task was shielded. */
} weir_deadline;

/** Prepare a disarmed deadline. Memory that is all zeroes is one, too. */
static inline void weir_deadline_init(weir_deadline *deadline)
{
    deadline->node.link.next = NULL;
    deadline->node.link.prev = NULL;
    deadline->armed = false;
}

/** Arm: at at_ns on the clock of weir_task_now_ns() what the task awaits times out. */
WEIR_PUBLIC void weir_deadline_arm_at(weir_task *task, weir_deadline *deadline, int64_t at_ns);

/** Arm: after duration_ns from now. */
WEIR_PUBLIC void weir_deadline_arm_after(weir_task *task, weir_deadline *deadline,
                                         int64_t duration_ns);

/**
 * Arm the end of a grace period: when it passes the task and all it waits for are stopped hard,
 * which no shield withstands and disarming does not take back.
 */
WEIR_PUBLIC void weir_deadline_arm_hard_after(weir_task *task, weir_deadline *deadline,
                                              int64_t duration_ns);

/** Disarm. Returns true when it had passed. Does nothing when it is not armed. */
WEIR_PUBLIC bool weir_deadline_disarm(weir_task *task, weir_deadline *deadline);

WEIR_C_END

#endif
