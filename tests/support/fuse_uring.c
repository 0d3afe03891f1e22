/* SPDX-License-Identifier: MIT */

/*
 * The wrappers of liburing.
 *
 * What the kernel answers to one submission entry cannot be wrapped, so the entry is exchanged for
 * one that does nothing, and its completion is rewritten before the library sees it. Threads: a
 * ring is used by one; the state is that thread's.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <liburing.h>
#include <string.h>

#include "fuse.h"

static _Thread_local struct {
    struct io_uring *ring; /* Whose entries are counted: the one that submitted last. */
    unsigned seen;         /* Its entries before this one have been counted. */
    uint64_t user_data;    /* Of the completion to be rewritten, */
    int error;             /* to this; 0: none. */
} sabotage;

/* These are set before a ring is opened, perhaps by another thread that starts it. */
static int hidden_operation = -1;
static unsigned hidden_features;

void fuse_hide_operation(int opcode)
{
    hidden_operation = opcode;
}

void fuse_hide_features(unsigned features)
{
    hidden_features = features;
}

static enum fuse_call call_of(const struct io_uring_sqe *entry)
{
    switch (entry->opcode) {
    case IORING_OP_ACCEPT:
        return FUSE_ENTRY_ACCEPT;
    case IORING_OP_CONNECT:
        return FUSE_ENTRY_CONNECT;
    case IORING_OP_RECV:
        return FUSE_ENTRY_RECV;
    case IORING_OP_SEND:
        return FUSE_ENTRY_SEND;
    case IORING_OP_SEND_ZC:
        return FUSE_ENTRY_SEND_ZERO_COPY;
    case IORING_OP_RECVMSG:
        return FUSE_ENTRY_RECVMSG;
    case IORING_OP_SENDMSG:
        return FUSE_ENTRY_SENDMSG;
    case IORING_OP_READ:
        return FUSE_ENTRY_READ;
    case IORING_OP_POLL_ADD:
        return FUSE_ENTRY_POLL;
    case IORING_OP_MSG_RING:
        return FUSE_ENTRY_MESSAGE;
    case IORING_OP_CLOSE:
        return FUSE_ENTRY_CLOSE;
    default:
        return FUSE_NONE;
    }
}

static void sabotage_entry(struct io_uring_sqe *entry)
{
    enum fuse_call call = call_of(entry);
    int error = call == FUSE_NONE ? 0 : fuse_burn(call);

    if (!error)
        return;
    sabotage.user_data = entry->user_data;
    sabotage.error = error;
    if (call == FUSE_ENTRY_CLOSE)
        return;
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_NOP;
    entry->user_data = sabotage.user_data;
}

/* Before entries are submitted. */
static void sabotage_entries(struct io_uring *ring)
{
    unsigned tail = ring->sq.sqe_tail;

    if (sabotage.ring != ring) {
        sabotage.ring = ring;
        sabotage.seen = *ring->sq.khead;
        sabotage.error = 0;
    }
    for (; sabotage.seen != tail; sabotage.seen++)
        sabotage_entry(&ring->sq.sqes[sabotage.seen & *ring->sq.kring_mask]);
}

/* After completions may have come. */
static void sabotage_completion(struct io_uring *ring)
{
    struct io_uring_cqe *completion;
    unsigned head;

    if (sabotage.error == 0 || sabotage.ring != ring)
        return;
    io_uring_for_each_cqe(ring, head, completion)
    {
        if (completion->user_data != sabotage.user_data)
            continue;
        completion->res = -sabotage.error;
        completion->flags = 0;
        sabotage.error = 0;
        return;
    }
}

/* 0, or the error that refuses what stands in the queue. */
static int refusal(struct io_uring *ring)
{
    return io_uring_sq_ready(ring) > 0 ? fuse_burn(FUSE_RING_SUBMIT) : 0;
}

/* Whether the kernel takes one entry only. */
static bool is_short(struct io_uring *ring)
{
    return io_uring_sq_ready(ring) > 1 && ring->sq.sqe_head == *ring->sq.khead &&
           fuse_burn(FUSE_RING_SUBMIT_SHORT) != 0;
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

/* What the kernel does then: it neither waits nor looks for completions. */
static int submit_short(struct io_uring *ring)
{
    unsigned tail = ring->sq.sqe_tail;
    int result;

    ring->sq.sqe_tail = *ring->sq.khead + 1;
    result = __real_io_uring_submit(ring);
    ring->sq.sqe_tail = tail;
    return result;
}

/* What all that submit begin with. Returns whether that was all, with *ret_result. */
static bool submit_badly(struct io_uring *ring, int *ret_result)
{
    int error = refusal(ring);

    if (error) {
        *ret_result = -error;
        return true;
    }
    sabotage_entries(ring);
    if (!is_short(ring))
        return false;
    *ret_result = submit_short(ring);
    sabotage_completion(ring);
    return true;
}

static bool wait_badly(struct io_uring *ring, int *ret_result)
{
    int error = fuse_burn(FUSE_RING_WAIT);

    if (!error)
        return submit_badly(ring, ret_result);
    *ret_result = -error;
    return true;
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    int result;

    if (submit_badly(ring, &result))
        return result;
    result = __real_io_uring_submit(ring);
    sabotage_completion(ring);
    return result;
}

int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    int result;

    if (submit_badly(ring, &result))
        return result;
    result = __real_io_uring_submit_and_get_events(ring);
    sabotage_completion(ring);
    return result;
}

int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
    int result;

    if (wait_badly(ring, &result))
        return result;
    result = __real_io_uring_submit_and_wait(ring, count);
    sabotage_completion(ring);
    return result;
}

int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                            struct io_uring_cqe **ret_completion, unsigned count,
                                            struct __kernel_timespec *timeout, sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                            struct io_uring_cqe **ret_completion, unsigned count,
                                            struct __kernel_timespec *timeout, sigset_t *mask);

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                            struct io_uring_cqe **ret_completion, unsigned count,
                                            struct __kernel_timespec *timeout, sigset_t *mask)
{
    int result;

    if (wait_badly(ring, &result))
        return result;
    result = __real_io_uring_submit_and_wait_timeout(ring, ret_completion, count, timeout, mask);
    sabotage_completion(ring);
    return result;
}

int __real_io_uring_get_events(struct io_uring *ring);
int __wrap_io_uring_get_events(struct io_uring *ring);

int __wrap_io_uring_get_events(struct io_uring *ring)
{
    int error = fuse_burn(FUSE_RING_GET_EVENTS);
    int result;

    if (error)
        return -error;
    result = __real_io_uring_get_events(ring);
    sabotage_completion(ring);
    return result;
}

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *parameters);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *parameters);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *parameters)
{
    int error = fuse_burn(FUSE_RING_SET_UP);

    if (error)
        return -error;
    error = __real_io_uring_queue_init_params(entries, ring, parameters);
    if (error)
        return error;
    ring->features &= ~hidden_features;
    if (sabotage.ring == ring)
        sabotage.ring = NULL;
    return 0;
}

int __real_io_uring_register_ring_fd(struct io_uring *ring);
int __wrap_io_uring_register_ring_fd(struct io_uring *ring);

int __wrap_io_uring_register_ring_fd(struct io_uring *ring)
{
    int error = fuse_burn(FUSE_RING_REGISTER);

    return error ? -error : __real_io_uring_register_ring_fd(ring);
}

int __real_io_uring_register_files_sparse(struct io_uring *ring, unsigned count);
int __wrap_io_uring_register_files_sparse(struct io_uring *ring, unsigned count);

int __wrap_io_uring_register_files_sparse(struct io_uring *ring, unsigned count)
{
    int error = fuse_burn(FUSE_RING_REGISTER_FILES);

    return error ? -error : __real_io_uring_register_files_sparse(ring, count);
}

int __real_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration,
                                      unsigned flags);
int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration,
                                      unsigned flags);

int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration,
                                      unsigned flags)
{
    int error = fuse_burn(FUSE_RING_BUFFERS);

    return error ? -error : __real_io_uring_register_buf_ring(ring, registration, flags);
}

struct io_uring_probe *__real_io_uring_get_probe_ring(struct io_uring *ring);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring);

struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring)
{
    struct io_uring_probe *probe;

    if (fuse_burn(FUSE_RING_PROBE))
        return NULL;
    probe = __real_io_uring_get_probe_ring(ring);
    if (probe && hidden_operation >= 0)
        probe->ops[hidden_operation].flags = 0;
    return probe;
}
