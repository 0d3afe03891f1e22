/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STOP_H
#define WEIR_STOP_H

/*
 * Stopping: asking tasks to end early.
 *
 * A stop sets a byte in a task and in all that it waits for, down to the operation in flight, which
 * is asked to cancel. A starter looks at that byte: after a stop it completes with WEIR_CANCELLED
 * (a deadline: WEIR_TIMED_OUT) without I/O. Bytes that were transferred are reported all the same.
 * A stop costs nothing until it is used, and it stays: only a deadline's is taken back when the
 * deadline is disarmed.
 *
 * A shield holds a soft stop (REQUESTED, EXPIRED) back while clean-up awaits; it takes effect when
 * the shield ends. Shutting down therefore has two phases: stop softly, then, when the grace is
 * over, WEIR_STOP_HARD, which no shield withstands. Closing is always shielded.
 *
 * Inside a tree use weir_task_stop and weir_scope_stop; from any other thread a weir_stop_source.
 *
 * Source: core/task/stop.c. Tests: tests/unit/test_stop.c, tests/contract/test_stop.c.
 */

#include <string.h>

#include <weir/task.h>

WEIR_C_BEGIN

/**
 * Stop a task and everything below it.
 *
 * Completes nothing inside the call: what was waiting becomes ready.
 * Thread     that of the tree's executor
 *
 * @bits  WEIR_STOP_REQUESTED, WEIR_STOP_HARD or WEIR_STOP_EXPIRED; each of the last counts as a
 *        deadline that passed, of which at most 255 cover a task
 */
WEIR_PUBLIC void weir_task_stop(weir_task *task, unsigned bits);

/** The stop bits in force for this task: none means go on. For loops that compute
 * between awaits. */
static inline unsigned weir_task_stop_bits(const weir_task *task)
{
    return task->stop;
}

/* The rare halves of shields are inline, too: a call there would make the coroutine around it save
 * the result that it holds, each time that it is resumed. */

/* From stop to flags as one word, and such a word: what a shield looks at is one test, whatever the
 * byte order. */

static inline uint32_t weir_task_stop_word(const weir_task *task)
{
    uint32_t word;

    memcpy(&word, (const char *)task + offsetof(weir_task, stop), sizeof word);
    return word;
}

static inline uint32_t weir_stop_word_of(uint8_t stop, uint8_t expired, uint8_t stop_deferred,
                                         uint8_t flags)
{
    uint8_t bytes[4] = {stop, expired, stop_deferred, flags};
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/**
 * Hold soft stops back from here to weir_shield_end: what this task awaits in between is not
 * cancelled by them. Shields do not nest within one task; a child may have its own. For a bound on
 * the shielded part, arm a weir_deadline inside it.
 */
static inline void weir_shield_begin(weir_task *task)
{
    uint32_t word = weir_task_stop_word(task);

    if (WEIR_UNLIKELY(word & weir_stop_word_of(UINT8_MAX, 0, 0, WEIR_TASK_SHIELDED))) {
        WEIR_ASSERT(!(word & weir_stop_word_of(0, 0, 0, WEIR_TASK_SHIELDED)),
                    "shields do not nest within one task");
        task->stop_deferred =
            (uint8_t)(task->stop & (unsigned)(WEIR_STOP_REQUESTED | WEIR_STOP_EXPIRED));
        task->expired_deferred = task->expired;
        task->stop = (uint8_t)(task->stop & (unsigned)WEIR_STOP_HARD);
        task->expired = 0;
    }
    task->flags = (uint8_t)(task->flags | WEIR_TASK_SHIELDED);
}

/** Let the stops that were held back take effect. */
static inline void weir_shield_end(weir_task *task)
{
    uint32_t word = weir_task_stop_word(task);
    uint32_t shielded = weir_stop_word_of(0, 0, 0, WEIR_TASK_SHIELDED);

    word &= weir_stop_word_of(0, UINT8_MAX, UINT8_MAX, WEIR_TASK_SHIELDED);
    if (WEIR_UNLIKELY(word != shielded)) {
        WEIR_ASSERT(word & shielded, "a shield ends once, after it began");
        WEIR_ASSERT(task->expired == 0, "a deadline armed inside a shield is disarmed inside it");
        task->stop = (uint8_t)(task->stop | task->stop_deferred);
        task->expired = task->expired_deferred;
        task->stop_deferred = 0;
        task->expired_deferred = 0;
    }
    task->flags = (uint8_t)(task->flags & ~(unsigned)WEIR_TASK_SHIELDED);
}

/**
 * A handle through which any thread stops a tree.
 *
 * Embed it in what outlives the tree; fields are private. A request travels as a task (the courier)
 * through the inbox of the tree's executor, so it allocates nothing, takes no lock, and any number
 * of requests that meet on the way become one. See weir_root in <weir/run.h>, which has one.
 */
typedef struct weir_stop_source {
    weir_task courier;                   /* Posted to the executor; carries the bits in word. */
    const weir_environment *environment; /* Of the tree. */
    weir_task *target;                   /* Where the walk begins. Executor's thread. */
    weir_task *closer;                   /* Waits in weir_stop_source_close, or NULL. */
    weir_wait wait;                      /* The closer's. */
    uint32_t word; /* Stop bits on the way, CLOSED, IN_FLIGHT: __atomic, acq_rel on both sides. */
    bool has_expired; /* The tree has been told of an expiry. Executor's thread. */
} weir_stop_source;

/** Open a source that stops target and all below it. On the thread of the target's executor. */
WEIR_PUBLIC void weir_stop_source_open(weir_stop_source *source, weir_task *target);

/**
 * Ask for a stop, any number of times. After the source was closed it does nothing.
 *
 * Thread     any, as long as the source lives
 */
WEIR_PUBLIC void weir_stop_source_request(weir_stop_source *source, unsigned bits);

/**
 * Close a source: no stop comes through it any more.
 *
 * Completes  when a request that is on its way has arrived; usually without suspending
 * Result     {0, 0}
 * Borrows    source until then
 * Cancel     shielded
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_stop_source_close(weir_task *task,
                                                            weir_stop_source *source);

WEIR_C_END

#endif
