/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SLEEP_H
#define WEIR_SLEEP_H

/*
 * Sleeping, and what time it is: on the clock of the task's context.
 *
 * A loop's clock is the monotonic one, a manual executor's runs as its owner lets it. Trees on a
 * thread pool have none. Arming, cancelling and firing are O(1), and take no lock.
 *
 * Source: core/time/sleep.c. Tests: tests/contract/test_timer.c, tests/stage_one/test_time.c.
 */

#include <stdint.h>

#include <weir/task.h>

WEIR_C_BEGIN

/** Nanoseconds on the task's clock. */
WEIR_PUBLIC int64_t weir_task_now_ns(const weir_task *task);

/**
 * Suspend until at_ns.
 *
 * Completes  at or after that time, never before; at once when it has come
 * Result     {0, 0}, WEIR_CANCELLED, or WEIR_TIMED_OUT when a weir_deadline of the
 *            task passes first
 *
 * @at_ns  absolute, on the task's clock
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_sleep_until(weir_task *task, int64_t at_ns);

/** Suspend for duration_ns. For 0 or less it completes at once: to let others run, WEIR_YIELD. */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_sleep_for(weir_task *task, int64_t duration_ns);

WEIR_C_END

#endif
