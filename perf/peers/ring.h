/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_PEERS_RING_H
#define WEIR_PERF_PEERS_RING_H

/*
 * The ring of the servers written by hand on liburing: one thread, deferred task work.
 */

#include <errno.h>

#include <liburing.h>

#include "peer.h"

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 4096, /* more than one enter can produce, so the ring never overflows */
};

static inline void ring_open(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |
                 IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    int failure = io_uring_queue_init_params(SQ_ENTRIES, ring, &params);
    if (failure < 0)
        weir_peer_die("io_uring_setup", -failure);
    int registered = io_uring_register_ring_fd(ring);
    if (registered < 0)
        weir_peer_die("io_uring_register_ring_fd", -registered);
}

/* The next entry with its preparation left to the caller; a full queue is submitted first. */
static inline struct io_uring_sqe *ring_sqe(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (__builtin_expect(sqe == NULL, 0)) {
        int submitted = io_uring_submit(ring);
        if (submitted < 0)
            weir_peer_die("io_uring_submit", -submitted);
        sqe = io_uring_get_sqe(ring);
    }
    return sqe;
}

/* Submit what is queued and wait for a completion. */
static inline void ring_enter(struct io_uring *ring)
{
    int ret = io_uring_submit_and_wait(ring, 1);
    if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
        weir_peer_die("io_uring_enter", -ret);
}

#endif
