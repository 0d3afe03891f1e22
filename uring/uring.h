/* SPDX-License-Identifier: MIT */
#ifndef WEIR_URING_H
#define WEIR_URING_H

/*
 * The io_uring engine: one ring per loop, never shared.
 *
 * Starters fill submission entries and make no system call; wait submits them, waits and reaps in
 * one. With SINGLE_ISSUER and DEFER_TASKRUN nothing is posted to the completion queue while user
 * code runs. An entry's user_data is the address of its operation, or one of the tags below.
 *
 * What can run full, and what happens then:
 *
 *  - The submission queue: it is flushed with one more system call. If the kernel takes nothing
 *    (-EAGAIN, -EBUSY), the operation waits in `deferred`, first in, first out; what is started
 *    later waits behind it, and a cancel finds it there.
 *  - The completion queue: the kernel keeps what does not fit (IORING_FEAT_NODROP; if it has no
 *    memory for that, -EBADR, the loop aborts: nobody knows what is missing) and ends
 *    multishots; reaping makes room, the next call fetches the rest, and owners of a multishot that
 *    ended re-arm it. Counted in statistics.
 *  - The ring of lent buffers: a receive that finds none waits in `lending.starved`: lend.c.
 *  - The table of direct descriptors: an accept that finds no place is not started: direct.c.
 *  - A call that is interrupted (-EINTR) or submits less than asked has lost nothing: what is left
 *    stands in the queue for the next call.
 *
 * Source: backend.c (table, life), probe.c (what the kernel offers), wait.c, op.c, socket.c,
 * lend.c, direct.c, zero_copy.c. Tests: tests/backend/test_uring.c, and every contract test.
 */

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "backend.h"
#include "sys.h"

/* Values of user_data that are no operation: odd, which no address of an operation is. */
enum {
    URING_IGNORED = 1, /* A cancel, or a shutdown that failed: its completion names nothing. */
    URING_WAKE = 3,    /* On the woken ring: a message from another loop. */
    URING_WAKE_SENT =
        5, /* Low bits, on the sender's ring: the message failed; above, the target. */
    URING_SHUT_DOWN = 7, /* A shutdown that no task waits for: direct.c counts it. */
    URING_ASKED = 9,     /* A question that direct.c waits for; unheard if it comes later. */
    URING_TAG_MASK = 7,
    URING_TAG_BITS = 3,
};

/* The buffers that are lent, as the kernel names them. */
enum { URING_LENT_GROUP = 0 };

/* What passes of the flags of a receive whose buffers are lent. */
#define URING_LENT_FLAGS \
    (IORING_CQE_F_MORE | IORING_CQE_F_BUFFER | 0xffffu << IORING_CQE_BUFFER_SHIFT)

/** How a request becomes submission entries. */
enum uring_request_kind {
    URING_PLAIN,
    URING_SHUT_DOWN_FIRST,        /* A shutdown goes before it, linked. */
    URING_LENT,                   /* The kernel chooses a lent buffer. */
    URING_ACCEPT_DIRECT,          /* Its connections go into the table: direct.c. */
    URING_CLOSE_DIRECT,           /* It frees an entry of the table. */
    URING_SHUT_DOWN_DIRECT_FIRST, /* The same, and a shutdown before it. */
};

/** How a submission entry begins. */
struct uring_head {
    uint8_t opcode;
    uint8_t flags;     /* IOSQE_FIXED_FILE: the descriptor is a place in the ring's table. */
    uint16_t priority; /* sqe->ioprio. */
    int32_t descriptor;
};

/** What a submission entry says. Kept in the operation while it waits for room. */
struct uring_request {
    uint64_t target;   /* Whereto: uring_target_of. */
    uint64_t address;  /* Memory, or a message header. */
    uint32_t offset;   /* Length of an address, for connect. */
    uint32_t length;   /* Bytes. */
    uint32_t flags;    /* msg_flags, accept_flags, poll events. */
    uint16_t priority; /* sqe->ioprio. */
    uint8_t opcode;
    uint8_t kind; /* enum uring_request_kind. */
};

/** Where an operation is. One writer: op.c. */
enum uring_state {
    URING_SUBMITTED,          /* In the ring or in the kernel. */
    URING_LENDING,            /* The same, and its buffers are lent. */
    URING_DIRECT,             /* The same, and the table of direct descriptors is told. */
    URING_STARVED,            /* Waits in lending.starved for a buffer. */
    URING_STARVED_CANCELLED,  /* Waits in lending.cancelled to be completed as cancelled. */
    URING_CANCELLING,         /* Submitted, and a cancel behind it. */
    URING_CANCEL_DEFERRED,    /* Submitted; its cancel waits in deferred. */
    URING_DEFERRED,           /* Waits in deferred for room. */
    URING_DEFERRED_CANCELLED, /* Waits in deferred to be completed as cancelled. */
};

/** The backend's words of an operation. */
struct uring_operation {
    struct uring_request request; /* Meaningful while it waits for room, and unless it is plain. */
    weir_operation *next;         /* uring.deferred, lending.starved or lending.cancelled. */
    uint8_t state;                /* enum uring_state. */
    uint8_t kind;                 /* enum uring_request_kind, of what is in flight. */
};

/** The buffers that are lent. lend.c. */
struct uring_lending {
    weir_lending buffers;
    struct io_uring_buf_ring *ring; /* Published to the kernel; NULL until the first receive. */
    weir_operation *starved_first;  /* Receives that wait for a buffer, oldest first. */
    weir_operation *starved_last;
    weir_operation *cancelled; /* Those that did not get one. */
    unsigned tail;             /* How many were published; the ring's own is this modulo 2^16. */
    unsigned named;            /* How many of those a completion has named. */
    unsigned seen;             /* named, at the last wait. */
    bool is_one_shot;          /* The kernel knows no multishot receive. */
    bool has_lent;             /* It has filled a buffer for a receive. */
    unsigned target;           /* How many are to be published at a time. */
    unsigned refused;          /* Receives that found none since the last wait. */
    unsigned used_most;        /* Buffers, by one wait of this period. */
    unsigned waits;            /* In this period. */
};

/** Buffers that the kernel may fill, or has filled without our having heard of it. */
static inline unsigned uring_published(const struct uring_lending *lending)
{
    return lending->tail - lending->named;
}

/* Accepts that may be in flight for more than one connection. */
enum { URING_MULTISHOTS_MAX = 64 };

/** The table of direct descriptors. direct.c. */
struct uring_direct {
    unsigned size;           /* Entries; 0: there is no table. */
    unsigned taken;          /* By connections, and by accepts that are in flight for one. */
    unsigned shutdown_count; /* URING_SHUT_DOWN in flight: no place is freed before they end. */
    unsigned multishot_count;
    weir_operation *multishots[URING_MULTISHOTS_MAX]; /* Accepts that are in flight for more. */
};

/** Whether the kernel has what is asked for when it is first used. */
enum uring_offer { URING_UNKNOWN, URING_OFFERED, URING_MISSING };

/** The ring's submission queue, as those see it who take an entry in the usual case. */
struct uring_queue {
    unsigned *tail;
    struct io_uring_sqe *entries;
    uint32_t limit; /* Up to where entries are known to be free and nothing waits for them; behind
                       tail: ask weir_uring_submit_slowly. */
    uint32_t mask;
};

struct uring {
    /* What native code knows: weir/uring/engine.h says it again. */
    weir_backend base;
    struct uring_queue queue;
    unsigned at_once; /* Sends that are tried at once before the next completions. */

    struct io_uring ring;
    weir_operation *deferred_first; /* Operations and cancels that found no room, oldest first. */
    weir_operation *deferred_last;
    struct uring_lending lending;
    struct uring_direct direct;
    weir_loop_statistics *statistics;
    weir_operation wake_operation;  /* The read of wake_descriptor. */
    uint64_t wake_value;            /* What it reads. */
    int wake_descriptor;            /* An eventfd, for wakers that have no ring. */
    uint32_t identity;              /* Names this ring to others, never reused. */
    struct uring *next;             /* All rings of the process: see wait.c. */
    bool has_registered_descriptor; /* With the thread that started the ring. */
    bool is_message_able;           /* Rings can wake each other by message. */
    bool is_reaping;                /* Entries are delivered that are not given back. */
    bool is_overflowing;            /* The kernel holds completions back: counted once. */
    uint8_t zero_copy;              /* enum uring_offer: SEND_ZC. */
};

static inline struct uring *uring_of(weir_backend *backend)
{
    return (struct uring *)(void *)backend;
}

static inline struct uring_operation *uring_operation_of(weir_operation *operation)
{
    return (struct uring_operation *)(void *)operation->scratch;
}

/** A head as one word: its parts are put together with |. */
static inline uint64_t uring_head(uint8_t opcode, uint8_t flags, uint16_t priority,
                                  int32_t descriptor)
{
    struct uring_head head = {
        .opcode = opcode, .flags = flags, .priority = priority, .descriptor = descriptor};
    uint64_t word;

    memcpy(&word, &head, sizeof word);
    return word;
}

static inline uint64_t uring_target_plain(int descriptor)
{
    return uring_head(0, 0, 0, descriptor);
}

/** The handle's descriptor, as attach has prepared it. */
static inline uint64_t uring_target_of(const weir_handle *handle)
{
    uint64_t target;

    memcpy(&target, handle->scratch, sizeof target);
    return target;
}

/* probe.c */

/** Whether the kernel has the operation. */
bool weir_uring_probe_has(struct io_uring *ring, int opcode);

/** Set the ring up, disabled, with the most the kernel offers. 0 or a negative errno. */
int weir_uring_probe_open(struct io_uring *ring, unsigned queue_depth);

/** Make the calling thread the ring's single issuer. 0 or a negative errno. */
int weir_uring_probe_enable(struct io_uring *ring);

/** Whether rings of this kernel can wake each other by message. */
bool weir_uring_probe_messages(struct io_uring *ring);

/* op.c */

/** Submit what stands in the queue. Whatever the kernel returns, the entries it took are
 * free after it. */
void weir_uring_submit_now(struct uring *uring);

/** A free submission entry, after a flush if need be; NULL: the kernel takes none now. */
struct io_uring_sqe *weir_uring_get_entry(struct uring *uring);

/** Submit what knows of no free entry, or needs two; or let it wait for room. */
int weir_uring_submit_slowly(struct uring *uring, weir_operation *operation,
                             const struct uring_request *request);

static inline void uring_fill(struct io_uring_sqe *entry, const struct uring_request *request,
                              uint64_t user_data)
{
    uint64_t head = request->target | uring_head(request->opcode, 0, request->priority, 0);

    io_uring_prep_rw(0, entry, 0, NULL, request->length, request->offset);
    memcpy(entry, &head, sizeof head);
    entry->addr = request->address;
    entry->msg_flags = request->flags;
    entry->user_data = user_data;
}

/* io_uring_get_sqe in two halves, for rings that have neither a polling thread nor large entries,
 * as ours: it asks for both, and looks at the kernel's head, each time. */

/** Whether an entry is known to be free, for an operation that goes before none. Others take
 * entries without a look at the limit, so tail may be beyond it. */
static inline bool uring_has_entry(const struct uring *uring)
{
    return (int32_t)(uring->ring.sq.sqe_tail - uring->queue.limit) < 0;
}

/** The next entry, which is there. */
static inline struct io_uring_sqe *uring_take_entry(struct uring *uring)
{
    struct io_uring_sq *queue = &uring->ring.sq;

    return &queue->sqes[queue->sqe_tail++ & queue->ring_mask];
}

/** Submit an operation, or let it wait for room. */
static inline int uring_submit(struct uring *uring, weir_operation *operation,
                               const struct uring_request *request)
{
    if (WEIR_UNLIKELY(!uring_has_entry(uring))) {
        /* A copy, member by member, so that the caller's request never needs to exist in memory. */
        struct uring_request copy;

        copy.address = request->address;
        copy.offset = request->offset;
        copy.length = request->length;
        copy.target = request->target;
        copy.flags = request->flags;
        copy.priority = request->priority;
        copy.opcode = request->opcode;
        copy.kind = request->kind;
        return weir_uring_submit_slowly(uring, operation, &copy);
    }
    uring_fill(uring_take_entry(uring), request, (uintptr_t)operation);
    uring_operation_of(operation)->state = URING_SUBMITTED;
    uring_operation_of(operation)->kind = URING_PLAIN;
    return WEIR_IN_FLIGHT;
}

/** Move what waits for room into the ring, as far as it goes. Returns whether that
 * completed some. */
bool weir_uring_submit_deferred(struct uring *uring);

/** Deliver a completion to an operation that is being cancelled, or is not plain. */
void weir_uring_complete_otherwise(struct uring *uring, weir_operation *operation, int result,
                                   uint32_t flags);

/** Deliver a completion to its operation. */
static inline void uring_complete(struct uring *uring, weir_operation *operation, int result,
                                  uint32_t flags)
{
    uint8_t state = uring_operation_of(operation)->state;

    if (WEIR_LIKELY(state == URING_SUBMITTED)) {
        operation->ops->completed(operation, result, flags & IORING_CQE_F_MORE);
    } else if (state == URING_LENDING && result > 0) {
        uring->lending.named++;
        operation->ops->completed(operation, result, flags & URING_LENT_FLAGS);
    } else {
        weir_uring_complete_otherwise(uring, operation, result, flags);
    }
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

/* lend.c */

/** Publish buffers, and let receives that wait for one go on. Before each wait; returns whether
 * that must not sleep, because some have completed, or more of them can go on. */
bool weir_uring_lending_refill(struct uring *uring);

/** A receive ended with this. Returns whether it goes on all the same. */
bool weir_uring_lending_goes_on(struct uring *uring, weir_operation *operation, int *result);

/** Let a receive that waits for a buffer complete as cancelled, with the next wait. */
void weir_uring_lending_cancel(struct uring *uring, weir_operation *operation);

void weir_uring_lending_close(struct uring *uring);

int weir_uring_receive_lent(weir_backend *backend, weir_operation *operation, weir_handle *handle);
void weir_uring_give_back(weir_backend *backend, weir_lent *lent);

/* direct.c */

/** Give the ring a table of so many entries, or of as many as there can be. 0, or -ENOMEM. */
int weir_uring_direct_open(struct uring *uring, unsigned wanted);

/** Put the target of a handle's descriptor where uring_target_of finds it. */
void weir_uring_direct_aim(weir_handle *handle);

/** Whether a handle's descriptor is a place in a table. It is that place, above all descriptors. */
static inline bool weir_uring_is_direct(intptr_t native)
{
    return native >= WEIR_SYS_DESCRIPTOR_END;
}

/** Move the descriptor of a handle into the table, if there is a place. */
void weir_uring_direct_adopt(struct uring *uring, weir_handle *handle);

/** The accept starter of rings with a table. */
int weir_uring_direct_accept(struct uring *uring, weir_operation *operation, weir_handle *handle);

/** An operation that the table is told of completes. Returns what its owner is told. */
int weir_uring_direct_completed(struct uring *uring, weir_operation *operation, int result,
                                unsigned more);

/** Make an entry one that accepts into the table, or that closes a place of it. */
void weir_uring_direct_fill(struct io_uring_sqe *entry, const struct uring_request *request);

extern const struct weir_sys_sockets weir_uring_sockets;

/* zero_copy.c */
int weir_uring_register_memory(weir_backend *backend, weir_buffer region);
int weir_uring_send_zero_copy(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                              weir_const_buffer buffer, bool is_registered);

/* wait.c */

/** Have the kernel know the ring by a slot of the calling thread's, if there is one, or no more. */
void weir_uring_register_descriptor(struct uring *uring);
void weir_uring_unregister_descriptor(struct uring *uring);

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
