/* SPDX-License-Identifier: MIT */
#ifndef WEIR_URING_H
#define WEIR_URING_H

/*
 * The io_uring engine: one ring per loop, never shared.
 *
 * Starters fill submission entries and make no system call; wait submits them, waits and reaps in
 * one. With SINGLE_ISSUER and DEFER_TASKRUN nothing is posted to the completion queue while user code
 * runs. An entry's user_data is the address of its operation, or one of the tags below.
 *
 * What can run full, and what happens then:
 *
 *  - The submission queue: it is flushed with one more system call. If the kernel takes nothing
 *    (-EAGAIN, -EBUSY), the operation waits in `deferred`, first in, first out; what is started
 *    later waits behind it, and a cancel finds it there.
 *  - The completion queue: the kernel keeps what does not fit (IORING_FEAT_NODROP) and ends
 *    multishots; reaping makes room, the next call fetches the rest, and owners of a multishot that
 *    ended re-arm it. Counted in statistics.
 *  - A call that is interrupted (-EINTR) or submits less than asked has lost nothing: what is left
 *    stands in the queue for the next call.
 *
 * Source: backend.c (table, life), probe.c (what the kernel offers), wait.c, op.c, socket.c.
 * Tests: tests/backend/test_uring.c, and every contract test.
 */

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

/* Values of user_data that are no operation: odd, which no address of an operation is. */
enum {
    URING_IGNORED = 1, /* A cancel, or a shutdown that failed: its completion names nothing. */
    URING_WAKE = 3,    /* On the woken ring: a message from another loop. */
    URING_WAKE_SENT =
        5, /* Low bits, on the sender's ring: the message failed; above, the target. */
    URING_TAG_MASK = 7,
    URING_TAG_BITS = 3,
};

/** What a submission entry says. Kept in the operation while it waits for room. */
struct uring_request {
    uint64_t address; /* Memory, or a message header. */
    uint64_t offset;  /* Length of an address, for connect. */
    uint32_t length;  /* Bytes. */
    int32_t descriptor;
    uint32_t flags;    /* msg_flags, accept_flags, poll events. */
    uint16_t priority; /* sqe->ioprio. */
    uint8_t opcode;
    bool shuts_down; /* A shutdown goes before it, linked. */
};

/** Where an operation is. One writer: op.c. */
enum uring_state {
    URING_SUBMITTED,          /* In the ring or in the kernel. */
    URING_CANCELLING,         /* Submitted, and a cancel behind it. */
    URING_CANCEL_DEFERRED,    /* Submitted; its cancel waits in deferred. */
    URING_DEFERRED,           /* Waits in deferred for room. */
    URING_DEFERRED_CANCELLED, /* Waits in deferred to be completed as cancelled. */
};

/** The backend's words of an operation. */
struct uring_operation {
    struct uring_request request; /* Meaningful while it waits for room. */
    weir_operation *next;         /* uring.deferred. */
    uint8_t state;                /* enum uring_state. */
};

struct uring {
    weir_backend base;
    struct io_uring ring;
    weir_operation *deferred_first; /* Operations and cancels that found no room, oldest first. */
    weir_operation *deferred_last;
    weir_loop_statistics *statistics;
    weir_operation wake_operation;  /* The read of wake_descriptor. */
    uint64_t wake_value;            /* What it reads. */
    int wake_descriptor;            /* An eventfd, for wakers that have no ring. */
    uint32_t identity;              /* Names this ring to others, never reused. */
    struct uring *next;             /* All rings of the process: see wait.c. */
    bool has_registered_descriptor; /* With the thread that started the ring. */
    uint32_t thread;                /* Names that thread. */
    bool is_message_able;           /* Rings can wake each other by message. */
    bool is_overflowing;            /* The kernel holds completions back: counted once. */
};

static inline struct uring *uring_of(weir_backend *backend)
{
    return (struct uring *)(void *)backend;
}

static inline struct uring_operation *uring_operation_of(weir_operation *operation)
{
    return (struct uring_operation *)(void *)operation->scratch;
}

/* probe.c */

/** Set the ring up, disabled, with the most the kernel offers. 0 or a negative errno. */
int weir_uring_probe_open(struct io_uring *ring, unsigned queue_depth);

/** Make the calling thread the ring's single issuer. 0 or a negative errno. */
int weir_uring_probe_enable(struct io_uring *ring);

/** Whether rings of this kernel can wake each other by message. */
bool weir_uring_probe_messages(struct io_uring *ring);

/* op.c */

/** A free submission entry, after a flush if need be; NULL: the kernel takes none now. */
struct io_uring_sqe *weir_uring_get_entry(struct uring *uring);

/** Submit what found no free entry, or needs two; or let it wait for room. */
int weir_uring_submit_slowly(struct uring *uring, weir_operation *operation,
                             const struct uring_request *request);

static inline void uring_fill(struct io_uring_sqe *entry, const struct uring_request *request,
                              uint64_t user_data)
{
    io_uring_prep_rw(request->opcode, entry, request->descriptor, NULL, request->length,
                     request->offset);
    entry->addr = request->address;
    entry->msg_flags = request->flags;
    entry->ioprio = request->priority;
    entry->user_data = user_data;
}

/** io_uring_get_sqe for rings that have neither a polling thread nor large entries, as ours: it asks
 * for both each time. */
static inline struct io_uring_sqe *uring_next_entry(struct io_uring *ring)
{
    unsigned tail = ring->sq.sqe_tail;

    if (WEIR_UNLIKELY(tail - *ring->sq.khead >= ring->sq.ring_entries))
        return NULL;
    ring->sq.sqe_tail = tail + 1;
    return &ring->sq.sqes[tail & ring->sq.ring_mask];
}

/** Submit an operation, or let it wait for room. */
static inline int uring_submit(struct uring *uring, weir_operation *operation,
                               const struct uring_request *request)
{
    struct io_uring_sqe *entry =
        WEIR_LIKELY(!uring->deferred_first) ? uring_next_entry(&uring->ring) : NULL;

    if (WEIR_UNLIKELY(!entry)) {
        /* A copy, so that the caller's request never needs to exist in memory. */
        struct uring_request copy = *request;

        return weir_uring_submit_slowly(uring, operation, &copy);
    }
    uring_fill(entry, request, (uintptr_t)operation);
    uring_operation_of(operation)->state = URING_SUBMITTED;
    return WEIR_IN_FLIGHT;
}

/** Move what waits for room into the ring, as far as it goes. Returns whether that completed some. */
bool weir_uring_submit_deferred(struct uring *uring);

/** Forget the cancel of an operation that has completed while its cancel waited for room. */
void weir_uring_remove_deferred(struct uring *uring, const weir_operation *operation);

/** Deliver a completion to its operation. */
static inline void uring_complete(struct uring *uring, weir_operation *operation, int result,
                                  uint32_t flags)
{
    unsigned more = flags & IORING_CQE_F_MORE;

    if (WEIR_UNLIKELY(uring_operation_of(operation)->state == URING_CANCEL_DEFERRED) && !more)
        weir_uring_remove_deferred(uring, operation);
    operation->ops->completed(operation, result, more);
}

void weir_uring_cancel(weir_backend *backend, weir_operation *operation);

/* socket.c */
int weir_uring_attach(weir_backend *backend, weir_handle *handle);
void weir_uring_detach(weir_backend *backend, weir_handle *handle);
int weir_uring_accept(weir_backend *backend, weir_operation *operation, weir_handle *handle);
int weir_uring_connect(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_message *message, const weir_endpoint *peer);
int weir_uring_receive(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_buffer buffer);
int weir_uring_send(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                    weir_const_buffer buffer);
int weir_uring_receive_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                         weir_message *message, const weir_buffer *buffers, size_t count);
int weir_uring_send_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                      weir_message *message, const weir_const_buffer *buffers, size_t count);
int weir_uring_poll(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                    enum weir_direction direction);
int weir_uring_close_socket(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                            bool shut_down);

/* wait.c */

/** Names the calling thread, never reused. */
uint32_t weir_uring_thread(void);

/** Make the ring known to others, for wakes whose message failed. */
void weir_uring_register(struct uring *uring);
void weir_uring_unregister(struct uring *uring);

/** Listen to the eventfd. Again after each wake. */
void weir_uring_arm_wake(struct uring *uring);

void weir_uring_wait(weir_backend *backend, int64_t deadline_ns);
bool weir_uring_peek(weir_backend *backend);
void weir_uring_wake(weir_backend *backend, weir_backend *sender);

extern const struct weir_backend_ops weir_uring_backend;

#endif
