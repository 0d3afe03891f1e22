/* SPDX-License-Identifier: MIT */
#ifndef WEIR_MANUAL_H
#define WEIR_MANUAL_H

/*
 * The manual executor: a plain single-threaded context that runs when it is told to.
 *
 * It knows no kernel. A test runs a task on it to its end, with time that passes only when the test
 * lets it. Another library's event loop becomes an executor by it: `wake` asks that loop to call
 * weir_manual_poll() soon, and weir_manual_next_ns() says when at the latest.
 *
 *      weir_manual_init --> poll, poll, ... (or weir_manual_run) --> weir_manual_fini
 *
 * Thread: all calls on one thread at a time, which may change between them; posting to the executor
 * from any thread.
 *
 * Source: core/exec/manual.c. Tests: tests/stage_one/test_manual.c.
 */

#include <stdint.h>

#include <weir/context.h>
#include <weir/executor.h>
#include <weir/memory.h>
#include <weir/wheel.h>

WEIR_C_BEGIN

typedef struct weir_manual weir_manual;

/** Zero-initialised: the defaults. */
typedef struct weir_manual_options {
    weir_memory *frames; /* Memory for child frames; NULL: the heap. */
    size_t
        frames_retained_bytes_max; /* Held back for reuse; 0: 4 MiB, or none under a sanitizer. */
    int budget; /* How many tasks a poll resumes, and how many operations may complete without
                   waiting; each KiB is one more. 0: 256. */
    /* Called when something was posted to an executor that had nothing to do: poll soon. On the
     * posting thread, whichever it is. NULL: who polls finds it. */
    void (*wake)(weir_manual *manual, void *user);
    void *user;              /* For wake. */
    int64_t (*now_ns)(void); /* The time; NULL: virtual, from 0, by weir_manual_advance. */
} weir_manual_options;

/** Caller's memory; in place from init to fini. Fields are private. */
struct weir_manual {
    weir_executor executor;
    weir_context context;
    weir_ready ready;
    weir_clock clock;
    weir_manual_options options;
    int64_t virtual_ns;
    weir_task *inbox; /* Posted from outside of a poll: __atomic, as a loop's. */
    uint32_t posting; /* __atomic: threads inside a post; weir_manual_fini waits for 0. */
};

/** @options  copied; NULL: the defaults */
WEIR_PUBLIC void weir_manual_init(weir_manual *manual, const weir_manual_options *options);

/** Asserts that no tree lives and no deadline is armed. Waits for threads that are
 * still posting. */
WEIR_PUBLIC void weir_manual_fini(weir_manual *manual);

/** What to post to, and to launch trees on. */
WEIR_PUBLIC weir_executor *weir_manual_executor(weir_manual *manual);

/** Services, roots, frames. */
WEIR_PUBLIC weir_context *weir_manual_context(weir_manual *manual);

/**
 * Take what was posted, fire what is due, run what is ready, at most the budget. Not from a task.
 * Returns whether any task ran; true when more is ready.
 */
WEIR_PUBLIC bool weir_manual_poll(weir_manual *manual);

/** When the next deadline or sleep is due, on the executor's clock; INT64_MAX: none is. */
WEIR_PUBLIC int64_t weir_manual_next_ns(const weir_manual *manual);

/** Let virtual time pass. What is due then runs in the next poll. Asserts that time is virtual. */
WEIR_PUBLIC void weir_manual_advance(weir_manual *manual, int64_t duration_ns);

/**
 * Run a task as a tree of its own, and return what it returned. When nothing is ready, virtual time
 * jumps to the next deadline; when none is armed, nothing can end the task any more: the dump of
 * what waits is printed and the process aborts. Not for tasks that wait for other threads: poll for
 * those.
 */
WEIR_PUBLIC weir_result weir_manual_run(weir_manual *manual, weir_task *main);

WEIR_C_END

#endif
