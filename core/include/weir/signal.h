/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIGNAL_H
#define WEIR_SIGNAL_H

/*
 * Signal sets: await SIGINT, SIGTERM and others in a task.
 *
 * A signal is a post: the handler stores a bit and puts a task that is embedded in the set into the
 * loop's inbox, with atomic operations and one write(2), and so is async-signal-safe. Signals of
 * one number that arrive before they are awaited count once, as POSIX signals do. A number may be
 * in several sets, of several loops; each is told. The disposition that stood before the first set
 * took a number comes back when the last one lets it go.
 *
 * At most WEIR_SIGNAL_SETS_MAX sets are open in a process.
 *
 * Source: core/io/signal.c. Tests: tests/contract/test_signal.c.
 */

#include <weir/loop.h>
#include <weir/task.h>

WEIR_C_BEGIN

enum {
    WEIR_SIGNAL_SETS_MAX = 64, /* Open in one process. */
    WEIR_SIGNAL_NUMBER_MAX = 64,
};

/** Embed; in place while open. Fields are private. */
typedef struct weir_signal_set {
    weir_task courier; /* Posted by the handler. */
    weir_loop *loop;   /* NULL: not open. */
    weir_task *waiter; /* Suspended in weir_signal_wait, or NULL. */
    weir_wait wait;    /* The waiter's record. */
    weir_task *closer; /* Suspended in weir_signal_close, or NULL. */
    uint64_t numbers;  /* Bit n-1: signal n is in the set. */
    uint64_t pending; /* Bit n-1: signal n came. __atomic: set by the handler, taken by the loop. */
    uint32_t posted;  /* 1: the courier is on its way. __atomic: exchanged by both. */
    int slot;         /* Index in the process's table. */
} weir_signal_set;

/** Open an empty set on the loop. Returns 0 or -ENOSPC: too many sets. */
WEIR_PUBLIC int weir_signal_open(weir_signal_set *set, weir_loop *loop);

/** Add a signal. Returns 0 or -EINVAL: no such signal, or one that cannot be caught. */
WEIR_PUBLIC int weir_signal_add(weir_signal_set *set, int number);

/** Remove a signal: it is no longer reported, also when it has come already. */
WEIR_PUBLIC void weir_signal_remove(weir_signal_set *set, int number);

/**
 * Wait for a signal of the set.
 *
 * Completes  when one has come; at once when one came before
 * Result     count is its number, the lowest first; WEIR_CANCELLED
 * Borrows    set until then
 * Overlap    one wait at a time
 * Cancel     WEIR_CANCELLED; a signal that came stays for the next wait
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_signal_wait(weir_task *task, weir_signal_set *set);

/**
 * Close the set.
 *
 * Completes  when no handler can touch it any more; usually without suspending
 * Result     {0, 0}
 * Borrows    set until then
 * Cancel     shielded
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_signal_close(weir_task *task, weir_signal_set *set);

WEIR_C_END

#endif
