/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

/*
 * The loop: an executor that also waits for the kernel, for one thread.
 *
 * A loop belongs to the thread that first runs it. Each iteration runs ready tasks up to a budget,
 * takes what other threads posted, fires expired timers, and makes one system call that submits,
 * waits and collects completions. Before it sleeps it spins for a bounded time that adapts to how
 * often spinning paid.
 *
 * The first run sets the thread's timer slack to its minimum, so that deadlines are not late.
 *
 * Loops are not shared: use one per thread, each with its own SO_REUSEPORT listener. After fork()
 * the child may only exec.
 *
 * Source: core/loop/loop.c, statistics.c. Tests: tests/unit/test_loop.c,
 * tests/contract/test_loop.c, tests/contract/test_statistics.c.
 */

#include <stdint.h>
#include <stdio.h>

#include <weir/context.h>
#include <weir/executor.h>

WEIR_C_BEGIN

/** Opaque: one per thread. */
typedef struct weir_loop weir_loop;

/** Zero-initialised: the defaults. */
typedef struct weir_loop_options {
    const char *backend;  /* "uring", "epoll"; NULL: $WEIR_BACKEND, else the first that works. */
    unsigned queue_depth; /* Submissions the backend may hold before a flush; 0: 1,024. */
    int budget;           /* How many tasks an iteration resumes, and how many operations may
                             complete without waiting; each KiB is one more. 0: 256. */
    int64_t spin_ns_max;  /* Bound of the spin before sleeping; 0: 50,000; negative: never. */
    weir_memory *frames;  /* Memory for child frames; NULL: slabs of the loop's, and the heap. */
    size_t frames_retained_bytes_max; /* Held back for reuse: frames, and empty slabs; a small frame
                                         may keep its slab besides. 0: 4 MiB. */
    size_t lent_buffer_bytes;    /* What weir_tcp_source receives into, at most 1 GiB; 0: 16 KiB and
                                    64 bytes. What does not fill one takes one receive. */
    size_t lent_bytes_max;       /* Of all such buffers; 0: 64 MiB. 32 buffers to 65,536. */
    unsigned direct_descriptors; /* Connections to hold in a table of the loop's own instead of the
                                    process's; 0: none. At most RLIMIT_NOFILE, but each loop has its
                                    own: several hold more connections than the process may have
                                    descriptors. Ignored where the kernel lacks it (io_uring of
                                    Linux 6.8): weir_loop_statistics tells. */
    size_t sink_bytes;           /* Memory of all weir_tcp_sinks; 0: 1 MiB, at most 1 GiB. */
    size_t zero_copy_bytes;      /* From where on a whole write sends without a copy, where that
                                    pays; 0: 32 KiB; SIZE_MAX: never. Such a write completes when
                                    the peer has acknowledged it. On a connection where that took
                                    long for its size the next ones of this size are copied: this
                                    doubles, for it alone, until it is more; 128 times is never. */
    size_t zero_copy_bytes_max;  /* Of writers' memory that the kernel holds; 0: 4 MiB. */
} weir_loop_options;

/** What a loop has counted since it was made: each field counts up but frames_live, direct_* and
 * those that end in bytes. */
typedef struct weir_loop_statistics {
    /* The loop. */
    uint64_t iterations;  /* Of the loop: each runs tasks and asks the backend once or twice. */
    uint64_t resumptions; /* Tasks taken from the ready queue. */
    uint64_t sleeps;      /* Waits that might block. */
    uint64_t spin_hits;   /* Spins before a sleep that found something, and spared it. */
    uint64_t spin_misses; /* Spins that did not. */
    uint64_t wakeups;     /* Wake-ups that other threads sent to this loop, as they arrive. */
    uint64_t accepts_backed_off; /* Accepts that met EMFILE, ENOMEM or the like and waited. */

    /* Its backend. */
    uint64_t enters;       /* System calls that submit, wait or look for completions. "uring":
                             io_uring_enter; "epoll": epoll_wait, each look of a spin included. */
    uint64_t completions;  /* What those calls brought: results of operations that did not end at
                             once, each of a multishot; "uring": also of cancels and wakes. */
    uint64_t deferred;     /* Operations that waited for a full submission queue. */
    uint64_t overflows;    /* Times that the completion queue began to overflow. */
    uint64_t lent_starved; /* Receives that found no free buffer to fill. */
    uint64_t direct_descriptors; /* Entries of the loop's own table; 0: it has none. */
    uint64_t direct_taken;       /* Of these: connections, and accepts that wait for one. */

    /* Child frames that do not live in their parents, as the allocator counts them. */
    uint64_t frames_live;     /* Out now. One freed by another thread counts until it is home. */
    uint64_t frames_recycled; /* Handed out from what was held back, */
    uint64_t frames_fresh;    /* and from the source of memory. */

    /* Sending without a copy. */
    uint64_t zero_copy_sends;   /* Sends of which the kernel was to make no copy. */
    uint64_t zero_copy_copied;  /* Of these: it made one all the same. */
    uint64_t zero_copy_refused; /* It did not take so (ENOMEM, EOPNOTSUPP): sent as a copy. */
    uint64_t zero_copy_capped;  /* As much as may be was lent already: all or a part was copied. */
    uint64_t zero_copy_late;    /* Writes whose memory came back late: zero_copy_bytes. */
    uint64_t zero_copy_lent_bytes;  /* Of writers' memory, which the kernel holds now, */
    uint64_t zero_copy_limit_bytes; /* and may; less than zero_copy_bytes_max after ENOMEM. */
    uint64_t sink_waits;            /* Commits that waited for memory of the sinks'. */
} weir_loop_statistics;

/**
 * Create a loop. It belongs to the thread that first runs it, which need not be this one.
 *
 * Returns 0 or a negative errno: -EINVAL for a backend name nobody knows, in the options or in
 * $WEIR_BACKEND; -ENOSYS or -EPERM when the kernel does not offer the backend asked for, -ENOMEM,
 * -EMFILE.
 *
 * @options   NULL: the defaults
 * @ret_loop  untouched on failure
 */
WEIR_PUBLIC int weir_loop_new(const weir_loop_options *options, weir_loop **ret_loop);

/**
 * Destroy a loop: on its thread, or on any that knows that thread is done with it; then the kernel
 * may keep its memory until that thread ends or runs another loop. Asserts that no tree lives on
 * it. Waits for threads that are still waking it.
 */
WEIR_PUBLIC void weir_loop_free(weir_loop *loop);

/** Run until no tree lives on the loop. */
WEIR_PUBLIC void weir_loop_run(weir_loop *loop);

/**
 * Run a task on the loop, from the loop's own thread, and return when it is done. Other trees of
 * the loop run meanwhile. Returns what the task returned.
 */
WEIR_PUBLIC weir_result weir_run(weir_loop *loop, weir_task *main);

/** The executor that runs tasks on the loop. */
WEIR_PUBLIC weir_executor *weir_loop_executor(weir_loop *loop);

/** The context: services, roots, frames. */
WEIR_PUBLIC weir_context *weir_loop_context(weir_loop *loop);

/** The loop this task may await I/O on. Asserts that there is one. */
WEIR_PUBLIC weir_loop *weir_task_loop(const weir_task *task);

/** The name of the backend in use: "uring", "epoll". */
WEIR_PUBLIC const char *weir_loop_backend_name(const weir_loop *loop);

/** Nanoseconds on the monotonic clock that deadlines are given in. Any thread. */
WEIR_PUBLIC int64_t weir_now_ns(void);

/** A copy of the loop's counters. On the loop's thread, or when the loop does not run. */
WEIR_PUBLIC weir_loop_statistics weir_loop_statistics_get(const weir_loop *loop);

/** Print every counter, a line each: the name of its field, a space, the value. Any thread. */
WEIR_PUBLIC void weir_loop_statistics_print(const weir_loop_statistics *statistics, FILE *stream);

/**
 * Print every tree that lives on the loop, each chain with function, file and line. On the loop's
 * thread. Returns how many tasks were printed.
 */
WEIR_PUBLIC size_t weir_loop_dump(weir_loop *loop, FILE *stream);

/** The name of the backend at this place in the order of preference, or NULL at the end. */
WEIR_PUBLIC const char *weir_backend_name_at(size_t index);

/** 0, or why a loop cannot be made on this backend here: the error of weir_loop_new. */
WEIR_PUBLIC int weir_backend_probe(const char *name);

WEIR_C_END

#endif
