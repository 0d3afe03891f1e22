/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BACKEND_H
#define WEIR_BACKEND_H

/*
 * The seam: what a loop asks of a kernel. Everything below it is a backend; nothing above it names
 * one. Timers never cross it: they give the loop the deadline of its next wait.
 *
 * The contract, for all slots:
 *
 *  - Only the loop's thread calls; wake is the exception, and attach and detach before start.
 *  - A starter takes an operation whose ops and object are set. It returns what the operation gives
 *    (a count, or a negative errno) when that is known at once, and then does not call completed;
 *    or WEIR_IN_FLIGHT, and then calls completed exactly once, from wait or peek, never from within
 *    another slot. A multishot calls it any number of times with WEIR_OPERATION_MORE, then once
 *    without; so does send_zero_copy. Until then the operation, the handle and the memory named
 *    belong to the backend.
 *  - A starter never fails for want of room: an operation that finds the queues full, or all lent
 *    buffers with their holders, waits in the backend, first in, first out, and cancel
 *    finds it there.
 *  - completed may call any slot but wait and peek, also for the same operation.
 *  - Results are those of the system call of the same name: bytes, 0 at the end of the stream, a
 *    new descriptor; errors are negative errnos; -ECANCELED only for what cancel reached. Bytes
 *    that were transferred are reported, whatever cancel did.
 *  - Of one handle at most one reading operation (accept, receive, poll for reading) and one
 *    writing one (connect, send, poll for writing) are in flight; of a send_zero_copy, until its
 *    result.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/endpoint.h>
#include <weir/loop.h>
#include <weir/operation.h>

#include "lending.h"

typedef struct weir_backend weir_backend;

/** A starter's answer: completed will be called. No errno and no count is this low. */
#define WEIR_IN_FLIGHT (-0x7fffffff - 1)

/** The result of a notification: the kernel has copied what was to be sent without a copy. The
 * value that io_uring uses. */
#define WEIR_SEND_COPIED (-0x7fffffff - 1)

/** wait: do not block. */
#define WEIR_WAIT_POLL INT64_C(0)
/** wait: no deadline. */
#define WEIR_WAIT_FOREVER INT64_MAX

/** What a loop tells its backend. */
typedef struct weir_backend_options {
    weir_loop *loop;                  /* For whom: for what the backend prints. */
    unsigned queue_depth;             /* Submissions to hold before a flush; a power of two. */
    weir_loop_statistics *statistics; /* It counts what is its own, and wakeups. */
    unsigned direct_descriptors; /* A table of its own is to hold so many, if it can have one. */
    size_t lent_buffer_bytes;    /* Of each buffer it lends. */
    size_t lent_bytes_max;       /* Of all of them. */
} weir_backend_options;

struct weir_backend_ops {
    const char *name;
    const struct weir_sys_sockets *sockets; /* What opens the sockets that this backend drives. */

    /* 0, or why a loop cannot have this backend here: the kernel lacks or forbids it. */
    int (*open)(const weir_backend_options *options, weir_backend **ret_backend);
    /* Nothing is in flight any more, but notifications of send_zero_copy: those do not come. */
    void (*close)(weir_backend *backend);
    /* The calling thread runs the loop from now on. Once, before any operation starts. */
    int (*start)(weir_backend *backend);

    /* Take over an open socket: non-blocking and close-on-exec. 0 or a negative errno. */
    int (*attach)(weir_backend *backend, weir_handle *handle);
    /* Let go of a socket with nothing in flight. The caller closes it. */
    void (*detach)(weir_backend *backend, weir_handle *handle);

    /* Multishot: a descriptor each time. Ends with an error, when cancelled, or with any
     * descriptor. A descriptor may be the backend's own, for its sockets table alone. Answers
     * WEIR_IN_FLIGHT; or -ENFILE: it has no place for a connection, and takes none that it would
     * have to drop. */
    int (*accept)(weir_backend *backend, weir_operation *operation, weir_handle *handle);
    /* The message holds the address; the object's, and the backend's until completion. */
    int (*connect)(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                   weir_message *message, const weir_endpoint *peer);
    int (*receive)(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                   weir_buffer buffer);
    int (*send)(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                weir_const_buffer buffer);
    /* Multishot: what has come, in buffers that the backend lends; an idle one holds none. Each
     * completion with bytes has WEIR_OPERATION_LENT, and the buffer that it names
     * (weir_backend_lent) is its holder's until it is given back. Ends at the end of the stream
     * (0), with an error, when cancelled, or with any buffer. Answers WEIR_IN_FLIGHT, or
     * -ENOMEM. */
    int (*receive_lent)(weir_backend *backend, weir_operation *operation, weir_handle *handle);
    void (*give_back)(weir_backend *backend, weir_lent *lent);
    /* Make one region of memory known: sends without a copy from inside it cost less. Once, after
     * start; until close, which forgets it: whoever owns the region may give it back to the system
     * then, though not use it for something else, for a peer may still get bytes that stand in it.
     * 0; -EOPNOTSUPP: not here; -ENOMEM: more than this process may lock. */
    int (*register_memory)(weir_backend *backend, weir_buffer region);
    /* send, but the connection takes the memory and not a copy of its bytes. In two completions:
     *
     *   - the result, as of send, with WEIR_OPERATION_MORE; the writing operation is over, and
     *     another may start on the handle, which may also be closed. Errors come so, too.
     *   - the notification, which has no flag: the memory is the owner's again. Its result is 0, or
     *     WEIR_SEND_COPIED: the kernel has made a copy after all. It comes when the peer has
     *     acknowledged the bytes, or the connection is given up. After an error the
     *     result says nothing.
     *
     * Or in one without MORE, which is both: nothing of the memory is in use. At once: -EOPNOTSUPP,
     * if this backend never sends so, and nothing else. -EOPNOTSUPP and -EINVAL from completed are
     * of this kernel or connection; -ENOMEM: too much memory is locked; all three have sent
     * nothing, and send does. cancel reaches only the first part.
     * @is_registered  the bytes stand in the region of register_memory */
    int (*send_zero_copy)(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                          weir_const_buffer buffer, bool is_registered);
    /* Vectored; the message is the object's, and the backend's until completion. */
    int (*receive_v)(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                     weir_message *message, const weir_buffer *buffers, size_t count);
    int (*send_v)(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                  weir_message *message, const weir_const_buffer *buffers, size_t count);
    /* 0 or more when the direction is ready: a transfer would not wait. Transfers nothing. */
    int (*poll)(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                enum weir_direction direction);
    /* Release the descriptor. Nothing else starts on the handle.
     * @shut_down  end the connection first, in both directions: operations are in flight on it, and
     *             they and the peer are not to wait for the last of them */
    int (*close_socket)(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                        bool shut_down);

    /* Ask an operation in flight to end early. It completes later, from wait or peek, with
     * -ECANCELED or what it has. Harmless when repeated. */
    void (*cancel)(weir_backend *backend, weir_operation *operation);

    /* Submit what was started, block until something completes, the deadline passes or a wake
     * comes, and reap. At WEIR_WAIT_POLL: submit and reap only. One system call where the kernel
     * allows. */
    void (*wait)(weir_backend *backend, int64_t deadline_ns);
    /* Whether wait would find something, as cheaply as can be told: for spinning. May reap. */
    bool (*peek)(weir_backend *backend);
    /* End the wait in progress, or the next one. Any thread; with sender NULL also a
     * signal handler.
     * @sender  the backend of the calling thread's loop, when it is of the same kind, or NULL. The
     *          wake may go out as late as its next wait, and goes out then, whatever
     *          else has to wait */
    void (*wake)(weir_backend *backend, weir_backend *sender);
};

/** First member of every backend. */
struct weir_backend {
    const struct weir_backend_ops *ops;
    weir_lending *lending; /* What it lends from. Set by open, never NULL. */
};

/** The buffer that a completion with these flags, which have WEIR_OPERATION_LENT, names. */
static inline weir_lent *weir_backend_lent(const weir_backend *backend, unsigned flags)
{
    return weir_lending_at(backend->lending, flags >> WEIR_OPERATION_LENT_SHIFT);
}

/** The backends of this build in order of preference, ending with NULL. Defined below the seam. */
extern const struct weir_backend_ops *const weir_backends[];

/** What the process knows of the loop's objects forgets them: its thread is gone for good, and they
 * are not closed. For a backend whose threads can go, which is a simulated one. */
void weir_loop_abandon(weir_loop *loop);

#endif
