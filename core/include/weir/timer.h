/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TIMER_H
#define WEIR_TIMER_H

/*
 * Timers: suspend tasks until a point on the monotonic clock.
 *
 * A timer is a node on its loop's wheel and owns no kernel object: the earliest deadline bounds the
 * loop's next wait. Arming, cancelling and firing are O(1) and take no lock.
 *
 *      weir_timer_init --> IDLE --expires_at--> SET --deadline--> EXPIRED --expires_at--> SET
 *
 * A wait on an expired timer completes at once; on an idle one (never set, or cancelled) it
 * suspends until the timer is set and passes.
 *
 * Source: core/io/timer.c. Tests: tests/contract/test_timer.c.
 */

#include <weir/list.h>
#include <weir/loop.h>
#include <weir/sleep.h>
#include <weir/task.h>
#include <weir/wheel.h>

WEIR_C_BEGIN

/** Embed; it stays in place while set or waited for. Fields are private. */
typedef struct weir_timer {
    weir_wheel_node node;
    weir_loop *loop;
    weir_list waiters; /* First in, first out: records in the waiting tasks' scratch. */
    bool expired;      /* The deadline has passed since it was last set. */
} weir_timer;

/** Prepare an idle timer of the loop. */
WEIR_PUBLIC void weir_timer_init(weir_timer *timer, weir_loop *loop);

/** Take the timer off its loop. Asserts that nobody waits. */
WEIR_PUBLIC void weir_timer_fini(weir_timer *timer);

/**
 * Set the deadline. Waits for an earlier one complete with WEIR_CANCELLED; returns how many.
 *
 * @at_ns  absolute, on the clock of weir_now_ns(); a time in the past expires at once
 */
WEIR_PUBLIC size_t weir_timer_expires_at(weir_timer *timer, int64_t at_ns);

/** Set the deadline duration_ns from now. */
WEIR_PUBLIC size_t weir_timer_expires_after(weir_timer *timer, int64_t duration_ns);

/** Every wait completes with WEIR_CANCELLED and the timer is idle. Returns how many waited. */
WEIR_PUBLIC size_t weir_timer_cancel(weir_timer *timer);

/**
 * Wait until the deadline.
 *
 * Completes  at or after the deadline, never before; when it is cancelled or set anew; at once when
 *            the timer has expired, which it does when its loop looks at the clock
 * Result     {0, 0}, WEIR_CANCELLED, or WEIR_TIMED_OUT when a weir_deadline of the
 *            task passes first
 * Borrows    timer until then
 * Overlap    any number of waits; they complete in the order they began
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_timer_wait(weir_task *task, weir_timer *timer);

WEIR_C_END

#endif
