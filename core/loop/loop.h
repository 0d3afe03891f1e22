/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LOOP_PRIVATE_H
#define WEIR_LOOP_PRIVATE_H

/*
 * The loop as I/O objects see it: its ready queue, clock, wheel and backend.
 *
 * Everything here belongs to the loop's thread but inbox and sleeping, which other threads and
 * signal handlers touch, on a cache line of their own.
 */

#include <weir/loop.h>

#include "backend.h"
#include "ready.h"
#include "slabs.h"
#include "spin.h"
#include "wheel.h"

struct weir_zero_copy;

struct weir_loop {
    weir_backend *backend;
    size_t zero_copy_bytes; /* Writes of so many bytes may do without a copy; SIZE_MAX: none. */
    struct weir_zero_copy *zero_copy; /* Made when it is first asked for; NULL before. */
    weir_executor executor;
    weir_ready ready;
    weir_clock clock; /* Monotonic. */
    weir_spin spin;
    int budget;             /* What an iteration may spend. */
    bool started;           /* A thread owns the loop. */
    const void *owner;      /* Which: weir_thread_identity of it. */
    size_t handle_count;    /* Open handles: all are closed before the loop ends. */
    uint64_t closed_count;  /* Handles that were closed: since when a descriptor is free. */
    uint32_t opening_count; /* Connections so far, modulo 2^32. */
    uint32_t identity;      /* Names the loop to others, never reused. */
    void (*abandon)(weir_loop *loop); /* For weir_loop_abandon; NULL: nothing to do. */
    weir_list watchers;         /* weir_handle_watcher.link: who waits for a free descriptor. */
    size_t sink_bytes;          /* Of the region of zero_copy.h. */
    size_t zero_copy_bytes_max; /* Of its limit. */
    weir_loop_statistics statistics;
    weir_context context;
    weir_slabs slabs; /* Where its frames come from, unless a program says. */

    /* Other threads. */
    _Alignas(64) weir_task *inbox; /* Stack by down.next, newest first. __atomic: push releases, the
                                      drain acquires. */
    uint32_t sleeping; /* __atomic, seq_cst against inbox: set before the last look at the inbox,
                          taken by the one who must wake the loop, or changed to its identity. */
    uint32_t posting; /* __atomic: threads from before their push to the end of their wake; released
                          by them, acquired by weir_loop_free, which waits until there are none. */
};

/** The loop that this thread runs now, or NULL. */
weir_loop *weir_loop_current(void);

/** What its kernel does with sockets at once. */
static inline const struct weir_sys_sockets *weir_loop_sockets(const weir_loop *loop)
{
    return loop->backend->ops->sockets;
}

/** Queue a task of this loop, from its own thread. */
static inline void weir_loop_push_ready(weir_loop *loop, weir_task *task)
{
    weir_ready_push(&loop->ready, task);
}

/** Complete a WAITING task of this loop. */
static inline void weir_loop_wake_task(weir_loop *loop, weir_task *task, int error, size_t count)
{
    WEIR_ASSERT(task->state == WEIR_TASK_WAITING, "a wait completes its task exactly once");

    task->error = error;
    task->count = count;
    weir_loop_push_ready(loop, task);
}

/** weir_executor_post for a signal handler: goes through the inbox on the loop's own thread too. */
void weir_loop_post_from_signal(weir_loop *loop, weir_task *task);

/** Assert that the task may await an object of this loop. */
static inline void weir_loop_assert_own(const weir_loop *loop, const weir_task *task)
{
    WEIR_ASSERT(task->environment->loop == loop,
                "an I/O object is awaited by tasks of its own loop");
}

#endif
