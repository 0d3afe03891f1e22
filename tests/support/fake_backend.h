/* SPDX-License-Identifier: MIT */
#ifndef FAKE_BACKEND_H
#define FAKE_BACKEND_H

/*
 * A backend with no kernel, for unit tests.
 *
 * It records the operations that are started and completes them when, and as, the test says. What
 * the test queued is delivered by the loop's next wait or peek. A wait that finds nothing calls the
 * test's hook and then blocks, until a completion is queued, a wake comes or the deadline passes.
 *
 * It defines weir_backends, so a program that links it has this backend alone, under the name
 * "fake". Threads: wake and fake_backend_complete may be called by any; the rest is the loop's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/loop.h>
#include <weir/operation.h>

#include "backend.h"

enum fake_kind {
    FAKE_ACCEPT,
    FAKE_CONNECT,
    FAKE_RECEIVE,
    FAKE_SEND,
    FAKE_RECEIVE_V,
    FAKE_SEND_V,
    FAKE_RECEIVE_LENT,
    FAKE_POLL,
    FAKE_CLOSE,
    FAKE_SEND_ZERO_COPY,
};

/** An operation as it was started. */
struct fake_operation {
    enum fake_kind kind;
    weir_operation *operation;
    weir_handle *handle;
    void *data;        /* Of a receive or send; the sequence of a vectored one. */
    size_t size;       /* In bytes; buffers of a vectored one; direction of a poll. */
    bool is_cancelled; /* The loop asked for it to end early. */
};

/** What the loop asked for. */
struct fake_counts {
    size_t starts; /* Of the backend. */
    size_t polls;  /* Waits that did not block. */
    size_t sleeps; /* Waits that might. */
    size_t peeks;
    size_t wakes;
    size_t cancels;
    int64_t deadline_ns; /* Of the latest wait. */
    unsigned queue_depth;
};

typedef struct fake_backend fake_backend;

/**
 * Called on the loop's thread when a wait that may block finds nothing: the last chance to queue
 * something. True: the wait returns at once.
 */
typedef bool fake_sleep_fn(fake_backend *fake, int64_t deadline_ns, void *user);

/** Called on the waking thread when it has woken the loop and is still in the backend. */
typedef void fake_wake_fn(fake_backend *fake, void *user);

/** The options of a loop that neither spins nor holds frames back without need. */
weir_loop_options fake_loop_options(void);

/** A loop on this backend, with those options or (NULL) the above. */
weir_loop *fake_loop_new(const weir_loop_options *options);

/** Run a task on a loop of its own, and check that it leaves nothing behind. */
weir_result fake_run(weir_task *main);

/** Let a loop do what there is to do: a few iterations. */
void fake_loop_turn(weir_loop *loop);

/** The backend of a loop. */
fake_backend *fake_backend_of(weir_loop *loop);

struct fake_counts fake_backend_counts(fake_backend *fake);

void fake_backend_on_sleep(fake_backend *fake, fake_sleep_fn *hook, void *user);

void fake_backend_on_wake(fake_backend *fake, fake_wake_fn *hook, void *user);

/** How many operations are in flight, and one of them, oldest first. */
size_t fake_backend_in_flight(const fake_backend *fake);
struct fake_operation fake_backend_operation(const fake_backend *fake, size_t index);

/** Have the next operation that is started give this result at once. */
void fake_backend_answer(fake_backend *fake, int result);

/** Send without a copy from now on, and register memory with this result. */
void fake_backend_send_zero_copy(fake_backend *fake, int register_result);

/** Have a cancelled operation stay in flight until the test completes it. */
void fake_backend_hold_cancelled(fake_backend *fake, bool hold);

/** Queue a completion for the next wait or peek, and end the wait in progress. */
void fake_backend_complete(fake_backend *fake, weir_operation *operation, int result,
                           unsigned flags);

/** Take a lent buffer and fill it. Returns the flags that name it, for a completion. */
unsigned fake_backend_lend(fake_backend *fake, const void *data, size_t size);

/** How many lent buffers are with their holders. */
size_t fake_backend_lent(const fake_backend *fake);

/** Have open fail with this error from now on; 0: succeed. */
void fake_backend_fail_open(int error);

#endif
