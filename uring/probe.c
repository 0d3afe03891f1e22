/* SPDX-License-Identifier: MIT */
/*
 * What the kernel offers: a ladder of set-up flags, then the operations.
 *
 * No version is compared: each rung is tried, and what has no flag is asked for by the operation
 * that came with it.
 */
#define _GNU_SOURCE

#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    COMMON = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
    QUEUE_DEPTH_LEAST = 2, /* A shutdown and a close stand in one submission. */
    QUEUE_DEPTH_MIN = 64,  /* What want of memory shrinks it to. */
};

/* Best first. Disabled at birth, so that the thread that runs the loop becomes the
 * single issuer. */
static const unsigned ladder[] = {
    COMMON | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    COMMON | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    COMMON | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    COMMON,
};

/* Every operation the engine uses. SOCKET came with multishot accept (5.19), which has no flag. */
static const int operations[] = {
    IORING_OP_ACCEPT,   IORING_OP_CONNECT, IORING_OP_RECV,         IORING_OP_SEND,
    IORING_OP_RECVMSG,  IORING_OP_SENDMSG, IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE,
    IORING_OP_SHUTDOWN, IORING_OP_READ,    IORING_OP_POLL_ADD,     IORING_OP_SOCKET,
};

/* EXT_ARG: the deadline goes with the wait. NODROP: an overflow loses nothing. CQE_SKIP: a shutdown
 * that succeeds says nothing. */
static const unsigned features =
    IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_CQE_SKIP;

static int try_rung(struct io_uring *ring, unsigned queue_depth, unsigned flags)
{
    struct io_uring_params params;

    memset(&params, 0, sizeof params);
    params.flags = flags;
    params.cq_entries = 4 * queue_depth;
    return io_uring_queue_init_params(queue_depth, ring, &params);
}

static int climb_down(struct io_uring *ring, unsigned queue_depth)
{
    size_t rung;
    int error = -EINVAL;

    for (rung = 0; rung < sizeof ladder / sizeof ladder[0] && error == -EINVAL; rung++)
        error = try_rung(ring, queue_depth, ladder[rung]);
    return error;
}

bool weir_uring_probe_has(struct io_uring *ring, int opcode)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool has = probe && io_uring_opcode_supported(probe, opcode);

    io_uring_free_probe(probe);
    return has;
}

static bool has_operations(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool has_all = probe != NULL;
    size_t i;

    for (i = 0; has_all && i < sizeof operations / sizeof operations[0]; i++)
        has_all = io_uring_opcode_supported(probe, operations[i]);
    io_uring_free_probe(probe);
    return has_all;
}

/* Some sandboxes forbid one system call of the three. A ring that is disabled says -EBADFD. */
static int try_enter(struct io_uring *ring)
{
    int result = io_uring_get_events(ring);

    return result == -EBADFD || result >= 0 ? 0 : result;
}

static int try_use(struct io_uring *ring)
{
    if ((ring->features & features) != features || !has_operations(ring))
        return -ENOSYS;
    return try_enter(ring);
}

int weir_uring_probe_open(struct io_uring *ring, unsigned queue_depth)
{
    int error;

    if (queue_depth < QUEUE_DEPTH_LEAST)
        queue_depth = QUEUE_DEPTH_LEAST;
    error = climb_down(ring, queue_depth);
    /* Rings are charged to RLIMIT_MEMLOCK for some: a smaller one may still fit. */
    while (error == -ENOMEM && queue_depth > QUEUE_DEPTH_MIN) {
        queue_depth /= 2;
        error = climb_down(ring, queue_depth);
    }
    if (error)
        return error;
    error = try_use(ring);
    if (error)
        io_uring_queue_exit(ring);
    return error;
}

/* liburing before 2.4 declares io_uring_enable_rings and does not export it. */
int weir_uring_probe_enable(struct io_uring *ring)
{
    long result =
        syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

    return result < 0 ? -errno : 0;
}

/* A message to oneself is the test: the operation exists since 5.18, but only later kernels (6.11)
 * deliver it to a ring with deferred task work without a detour, and some refuse it. */
bool weir_uring_probe_messages(struct io_uring *ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    struct io_uring_cqe *completion;
    bool delivered = false;
    bool sent = false;
    int i;

    if (!entry)
        return false;
    io_uring_prep_msg_ring(entry, ring->ring_fd, 0, URING_WAKE, 0);
    io_uring_sqe_set_data64(entry, URING_IGNORED);
    if (io_uring_submit_and_wait(ring, 1) < 0)
        return false;
    for (i = 0; i < 2 && io_uring_peek_cqe(ring, &completion) == 0; i++) {
        if (completion->user_data == URING_WAKE)
            delivered = true;
        else
            sent = completion->res >= 0;
        io_uring_cqe_seen(ring, completion);
    }
    return delivered && sent;
}
