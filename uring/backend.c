/* SPDX-License-Identifier: MIT */
/* The engine's life, and its table. */
#include "uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sys.h"

static void wake_completed(weir_operation *operation, int result, unsigned flags)
{
    struct uring *uring = WEIR_CONTAINER_OF(operation, struct uring, wake_operation);

    (void)flags;
    if (result > 0)
        uring->statistics->wakeups++;
    weir_uring_arm_wake(uring);
}

static void wake_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)wait;
    (void)task;
    (void)bits;
}

static const struct weir_operation_ops wake_ops = {
    .wait = {.name = "wake", .stop = wake_stop, .dump = weir_wait_dump_nothing},
    .completed = wake_completed,
};

static struct uring_queue queue_of(struct io_uring *ring)
{
    return (struct uring_queue){
        .tail = &ring->sq.sqe_tail,
        .entries = ring->sq.sqes,
        .limit = ring->sq.sqe_tail,
        .mask = ring->sq.ring_mask,
    };
}

static int uring_open(const weir_backend_options *options, weir_backend **ret_backend)
{
    struct uring *uring = calloc(1, sizeof *uring);
    int error;

    if (!uring)
        return -ENOMEM;
    uring->base.ops = &weir_uring_backend;
    uring->base.lending = &uring->lending.buffers;
    uring->statistics = options->statistics;
    uring->wake_operation.ops = &wake_ops;
    weir_lending_init(&uring->lending.buffers, options->lent_buffer_bytes, options->lent_bytes_max);

    /* Blocking, because the ring would give up on a non-blocking one instead of waiting for it. */
    uring->wake_descriptor = eventfd(0, EFD_CLOEXEC);
    if (uring->wake_descriptor < 0) {
        error = -errno;
        goto free_uring;
    }
    error = weir_uring_probe_open(&uring->ring, options->queue_depth);
    if (error)
        goto close_wake;
    uring->queue = queue_of(&uring->ring);
    error = weir_uring_direct_open(uring, options->direct_descriptors);
    if (error)
        goto exit_ring;
    /* After a fork the child shares no ring memory: what it touched would be the parent's. */
    (void)io_uring_ring_dontfork(&uring->ring);
    weir_uring_register(uring);
    *ret_backend = &uring->base;
    return 0;

exit_ring:
    io_uring_queue_exit(&uring->ring);
close_wake:
    (void)close(uring->wake_descriptor);
free_uring:
    free(uring);
    return error;
}

static void uring_close(weir_backend *backend)
{
    struct uring *uring = uring_of(backend);

    WEIR_ASSERT(!uring->deferred_first && !uring->lending.cancelled,
                "nothing is in flight when a loop ends");
    weir_uring_unregister(uring);
    weir_uring_unregister_descriptor(uring);
    weir_uring_lending_close(uring);
    io_uring_queue_exit(&uring->ring);
    (void)close(uring->wake_descriptor);
    free(uring);
}

static int uring_start(weir_backend *backend)
{
    struct uring *uring = uring_of(backend);
    int error = weir_uring_probe_enable(&uring->ring);

    if (error < 0)
        return error;
    weir_uring_register_descriptor(uring);
    uring->is_message_able = weir_uring_probe_messages(&uring->ring);
    weir_uring_arm_wake(uring);
    return 0;
}

const struct weir_backend_ops weir_uring_backend = {
    .name = "uring",
    .sockets = &weir_uring_sockets,
    .open = uring_open,
    .close = uring_close,
    .start = uring_start,
    .attach = weir_uring_attach,
    .detach = weir_uring_detach,
    .accept = weir_uring_accept,
    .connect = weir_uring_connect,
    .receive = weir_uring_receive,
    .send = weir_uring_send,
    .register_memory = weir_uring_register_memory,
    .send_zero_copy = weir_uring_send_zero_copy,
    .receive_v = weir_uring_receive_v,
    .send_v = weir_uring_send_v,
    .receive_lent = weir_uring_receive_lent,
    .give_back = weir_uring_give_back,
    .poll = weir_uring_poll,
    .close_socket = weir_uring_close_socket,
    .cancel = weir_uring_cancel,
    .wait = weir_uring_wait,
    .peek = weir_uring_peek,
    .wake = weir_uring_wake,
};
