/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_H
#define WEIR_EVENT_H

/*
 * Events: tasks wait until something has happened.
 *
 * An event stays set until it is cleared, however many tasks wait for it. It owns no memory: the
 * record of a wait lives in the waiting task.
 *
 *      weir_event_init --> CLEAR --set--> SET --clear--> CLEAR
 *
 * Thread: everything here belongs to the tasks of one executor, of one tree or of several; the
 * first wait decides which. To wake a task from another thread see <weir/waker.h>.
 *
 * Source: core/sync/event.c. Tests: tests/stage_one/test_event.c, tests/misuse/test_misuse_sync.c.
 */

#include <weir/list.h>
#include <weir/task.h>

WEIR_C_BEGIN

/** Embed; it stays in place from init to fini. Fields are private. */
typedef struct weir_event {
    weir_list waiters;              /* First in, first out; empty while set. */
    struct weir_executor *executor; /* Of the first task that waited; NULL: none yet. */
    bool is_set;
} weir_event;

/** Prepare an event that is clear. */
WEIR_PUBLIC void weir_event_init(weir_event *event);

/** Assert that nobody waits. */
WEIR_PUBLIC void weir_event_fini(weir_event *event);

/**
 * Set the event: every wait completes, in the order they began. Harmless when repeated.
 *
 * Those who wait now are served even if the event is cleared before they run.
 */
WEIR_PUBLIC void weir_event_set(weir_event *event);

/** Clear the event: waits that begin from now on wait for the next set. */
WEIR_PUBLIC void weir_event_clear(weir_event *event);

static inline bool weir_event_is_set(const weir_event *event)
{
    return event->is_set;
}

/**
 * Wait until the event is set.
 *
 * Completes  when it is set; at once when it is already
 * Result     {0, 0}, or as a stop or a deadline of the task wants it
 * Borrows    event until then
 * Overlap    any number of waits; they complete in the order they began
 * Cancel     the wait is taken back. A task that is stopped already does not wait, and is told so
 *            even of an event that is set; a set that came before the stop is reported as such
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_event_wait(weir_task *task, weir_event *event);

WEIR_C_END

#endif
