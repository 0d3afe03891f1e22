/* SPDX-License-Identifier: MIT */
#ifndef WEIR_OPERATION_H
#define WEIR_OPERATION_H

/*
 * Operations and handles: what an I/O object and a backend share.
 *
 * These structs are visible because objects embed them; only core/io and the backends use them, but
 * for enum weir_direction, which weir_tcp_wait takes. The contract between the two is
 * core/loop/backend.h.
 */

#include <weir/list.h>
#include <weir/task.h>

WEIR_C_BEGIN

typedef struct weir_operation weir_operation;

/**
 * Called while completions are reaped, exactly once (for a multishot: once with flags lacking
 * WEIR_OPERATION_MORE). Library code only: it may start operations and make tasks ready, it never
 * runs them. Unless MORE is set the record may be used again at once.
 *
 * @result  what the operation gives, or a negative errno
 * @flags   WEIR_OPERATION_ bits
 */
typedef void weir_operation_completed_fn(weir_operation *operation, int result, unsigned flags);

/** What a completion says beside its result. The bits that io_uring uses. */
enum {
    /* The bytes stand in a buffer that the backend lends; the bits above WEIR_OPERATION_LENT_SHIFT
     * say which. */
    WEIR_OPERATION_LENT = 1 << 0,
    /* A multishot goes on: more completions will come. */
    WEIR_OPERATION_MORE = 1 << 1,
    WEIR_OPERATION_LENT_SHIFT = 16,
};

/** How the owner of an operation is told, stopped and dumped. */
struct weir_operation_ops {
    struct weir_wait_ops wait; /* First: an operation is what a task waits for. */
    weir_operation_completed_fn *completed;
};

enum { WEIR_OPERATION_SCRATCH_WORDS = 6 };

/**
 * What the kernel, real or simulated, completes. It fills a task's scratch words exactly. From
 * submission to completion it belongs to the backend, with the memory it names.
 */
struct weir_operation {
    const struct weir_operation_ops *ops; /* Set by the object. */
    void *object;                         /* The object's: what the operation is about. */
    uintptr_t scratch[WEIR_OPERATION_SCRATCH_WORDS]; /* The backend's. */
};

/** Which way bytes flow, or which end of a connection is meant. */
enum weir_direction {
    WEIR_READING,
    WEIR_WRITING,
};

enum { WEIR_HANDLE_SCRATCH_WORDS = 4 };

/** An open descriptor on a loop. Embedded in an I/O object, which stays in place while open. */
typedef struct weir_handle {
    struct weir_loop *loop;         /* NULL: not open. */
    const struct weir_handle *self; /* Where it was opened: catches an object that was moved. */
    intptr_t native;                /* The descriptor. */
    uintptr_t scratch[WEIR_HANDLE_SCRATCH_WORDS]; /* The backend's. */
} weir_handle;

/** Told when its loop has released a descriptor. Embedded in who waits for a free one. */
typedef struct weir_handle_watcher {
    weir_list_node link; /* weir_loop.watchers, while it waits. */
    void (*released)(struct weir_handle_watcher *watcher);
} weir_handle_watcher;

enum { WEIR_MESSAGE_WORDS = 8 };

/** The message header of a vectored operation: it must outlive the submission. Backend's words. */
typedef struct weir_message {
    uintptr_t words[WEIR_MESSAGE_WORDS];
} weir_message;

WEIR_C_END

#endif
