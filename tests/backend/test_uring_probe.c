/* SPDX-License-Identifier: MIT */

/*
 * The ladder: what the engine makes of kernels that offer less, or forbid some of it.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuse.h"
#include "seam.h"
#include "sys.h"
#include "test.h"

enum { DEPTH = 256, RUNGS = 4 };

static int try_open(unsigned queue_depth)
{
    weir_backend_options options = {.queue_depth = queue_depth, .statistics = &seam_statistics};
    weir_backend *backend;
    int error = SEAM_OPS->open(&options, &backend);

    if (!error)
        SEAM_OPS->close(backend);
    return error;
}

/* A ring on the rung after so many. */
static struct uring *start_on_rung(unsigned rung, unsigned queue_depth)
{
    struct uring *uring;

    seam_require();
    if (rung > 0)
        fuse_light(FUSE_RING_SET_UP, EINVAL, 1, rung);
    uring = seam_start(queue_depth);
    CHECK_EQ(fuse_put_out(), rung);
    return uring;
}

static void transfer(struct uring *uring)
{
    struct seam_operation self;
    uint8_t data[SEAM_DATA_MAX];

    seam_init_pair(&self, uring);
    seam_receive(&self);
    seam_poll(uring);
    seam_feed(&self, 5);
    CHECK_EQ(seam_finish(&self), 1);
    CHECK_EQ(self.data[0], 5);
    seam_send(&self);
    CHECK_EQ(seam_finish(&self), SEAM_DATA_MAX);
    CHECK_EQ(recv(self.peer, data, sizeof data, 0), SEAM_DATA_MAX);
    seam_receive(&self);
    seam_poll(uring);
    seam_cancel(&self);
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    seam_receive(&self);
    seam_close_handle(&self);
    CHECK_EQ(seam_finish(&self), 0);
    CHECK_EQ(close(self.peer), 0);
}

static void accept_and_connect(struct uring *uring)
{
    struct seam_operation client;
    struct seam_operation self;
    weir_message message;
    weir_endpoint endpoint;
    intptr_t descriptor;

    seam_init_on(&self, uring, seam_listen(8, &endpoint));
    CHECK_EQ(SEAM_OPS->accept(&uring->base, &self.operation, &self.handle), WEIR_IN_FLIGHT);
    CHECK_EQ(weir_sys_sockets.open(&endpoint, &descriptor), 0);
    seam_init_on(&client, uring, (int)descriptor);
    CHECK_EQ(
        SEAM_OPS->connect(&uring->base, &client.operation, &client.handle, &message, &endpoint),
        WEIR_IN_FLIGHT);
    CHECK_EQ(seam_finish(&client), 0);
    while (self.more == 0)
        SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
    CHECK_EQ(close(self.result), 0);
    seam_cancel(&self);
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    seam_close_handle(&client);
    seam_close_handle(&self);
}

static void wake_both_ways(struct uring *uring, struct uring *other)
{
    seam_statistics.wakeups = 0;
    SEAM_OPS->wake(&uring->base, NULL);
    while (seam_statistics.wakeups < 1)
        SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
    SEAM_OPS->wake(&uring->base, &other->base);
    seam_poll(other);
    while (seam_statistics.wakeups < 2)
        SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
}

static void peek_finds(struct uring *uring)
{
    struct seam_operation self;

    seam_init_pair(&self, uring);
    seam_receive(&self);
    seam_poll(uring);
    CHECK(!SEAM_OPS->peek(&uring->base));
    seam_feed(&self, 1);
    while (!SEAM_OPS->peek(&uring->base)) {
    }
    CHECK_EQ(seam_finish(&self), 1);
    seam_fini_pair(&self);
}

/* More than the queues hold, with errors in between: a rung without SUBMIT_ALL stops at each. */
static void overfill(struct uring *uring)
{
    enum { COUNT = 64 };
    static struct seam_operation many[COUNT];
    int i;

    for (i = 0; i < COUNT; i++) {
        if (i % 3 == 0) {
            seam_init_on(&many[i], uring, -1); /* -EBADF. */
        } else {
            seam_init_pair(&many[i], uring);
            seam_feed(&many[i], 1);
        }
        seam_receive(&many[i]);
    }
    for (i = 0; i < COUNT; i++) {
        CHECK_EQ(seam_finish(&many[i]), i % 3 == 0 ? -EBADF : 1);
        if (i % 3)
            seam_fini_pair(&many[i]);
    }
}

static void works_on_rung(unsigned rung)
{
    struct uring *uring = start_on_rung(rung, DEPTH);
    struct uring *other = start_on_rung(rung, 8);

    transfer(uring);
    accept_and_connect(uring);
    peek_finds(uring);
    wake_both_ways(uring, other);
    overfill(uring);
    overfill(other);
    seam_close(other);
    seam_close(uring);
}

WEIR_TEST(uring_ladder, the_first_rung_works)
{
    works_on_rung(0);
}

WEIR_TEST(uring_ladder, works_without_deferred_task_work)
{
    works_on_rung(1);
}

WEIR_TEST(uring_ladder, works_without_a_single_issuer)
{
    works_on_rung(2);
}

WEIR_TEST(uring_ladder, the_last_rung_works)
{
    works_on_rung(RUNGS - 1);
}

WEIR_TEST(uring_ladder, each_rung_asks_for_less)
{
    unsigned flags[RUNGS];
    unsigned rung;

    for (rung = 0; rung < RUNGS; rung++) {
        struct uring *uring = start_on_rung(rung, DEPTH);

        flags[rung] = uring->ring.flags;
        seam_close(uring);
    }
    CHECK(flags[0] & IORING_SETUP_DEFER_TASKRUN);
    CHECK(!(flags[1] & IORING_SETUP_DEFER_TASKRUN));
    CHECK(flags[1] & IORING_SETUP_SINGLE_ISSUER);
    CHECK(!(flags[2] & IORING_SETUP_SINGLE_ISSUER));
    CHECK(flags[2] & IORING_SETUP_COOP_TASKRUN);
    CHECK(!(flags[3] & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL)));
}

WEIR_TEST(uring_ladder, below_the_last_rung_there_is_no_ring)
{
    seam_require();
    fuse_light(FUSE_RING_SET_UP, EINVAL, 1, FUSE_FOREVER);
    CHECK_EQ(try_open(DEPTH), -EINVAL);
    CHECK_EQ(fuse_put_out(), RUNGS);
}

WEIR_TEST(uring_ladder, want_of_memory_halves_the_depth)
{
    struct uring *uring;

    seam_require();
    fuse_light(FUSE_RING_SET_UP, ENOMEM, 1, 2);
    uring = seam_open(DEPTH);
    CHECK_EQ(fuse_put_out(), 2);
    CHECK_EQ(uring->ring.sq.ring_entries, DEPTH / 4);
    seam_close(uring);
}

WEIR_TEST(uring_ladder, without_memory_there_is_no_ring)
{
    seam_require();
    fuse_light(FUSE_RING_SET_UP, ENOMEM, 1, FUSE_FOREVER);
    CHECK_EQ(try_open(DEPTH), -ENOMEM);
    CHECK(fuse_put_out() > 1);
}

WEIR_TEST(uring_ladder, what_the_system_forbids_is_reported_as_it_says)
{
    static const int errors[] = {EPERM, ENOSYS, EMFILE, ENFILE, EACCES};
    size_t i;

    for (i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fuse_light(FUSE_RING_SET_UP, errors[i], 1, FUSE_FOREVER);
        CHECK_EQ(try_open(DEPTH), -errors[i]);
        CHECK_EQ(fuse_put_out(), 1);
        fuse_light(FUSE_EVENTFD, errors[i], 1, 1);
        CHECK_EQ(try_open(DEPTH), -errors[i]);
        CHECK_EQ(fuse_put_out(), 1);
    }
}

/* Some sandboxes let a ring be made and then forbid its use. */
WEIR_TEST(uring_ladder, a_ring_that_may_not_be_entered_is_none)
{
    seam_require();
    fuse_light(FUSE_RING_GET_EVENTS, EPERM, 1, 1);
    CHECK_EQ(try_open(DEPTH), -EPERM);
    CHECK_EQ(fuse_put_out(), 1);
    fuse_light(FUSE_RING_PROBE, ENOMEM, 1, 1);
    CHECK_EQ(try_open(DEPTH), -ENOSYS);
    CHECK_EQ(fuse_put_out(), 1);
}

WEIR_TEST(uring_ladder, a_missing_operation_means_no_ring)
{
    static const int operations[] = {
        IORING_OP_ACCEPT,   IORING_OP_CONNECT, IORING_OP_RECV,         IORING_OP_SEND,
        IORING_OP_RECVMSG,  IORING_OP_SENDMSG, IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE,
        IORING_OP_SHUTDOWN, IORING_OP_READ,    IORING_OP_POLL_ADD,     IORING_OP_SOCKET,
    };
    size_t i;

    seam_require();
    for (i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        fuse_hide_operation(operations[i]);
        CHECK_EQ(try_open(DEPTH), -ENOSYS);
    }
    fuse_hide_operation(IORING_OP_TEE); /* One that nobody needs. */
    CHECK_EQ(try_open(DEPTH), 0);
}

WEIR_TEST(uring_ladder, a_missing_feature_means_no_ring)
{
    static const unsigned features[] = {IORING_FEAT_EXT_ARG, IORING_FEAT_NODROP,
                                        IORING_FEAT_FAST_POLL, IORING_FEAT_CQE_SKIP};
    size_t i;

    seam_require();
    for (i = 0; i < sizeof features / sizeof features[0]; i++) {
        fuse_hide_features(features[i]);
        CHECK_EQ(try_open(DEPTH), -ENOSYS);
    }
    fuse_hide_features(IORING_FEAT_RSRC_TAGS);
    CHECK_EQ(try_open(DEPTH), 0);
}

WEIR_TEST(uring_ladder, a_ring_that_cannot_be_enabled_does_not_start)
{
    struct uring *uring = seam_open(DEPTH);

    fuse_light(FUSE_SYSCALL, EPERM, 1, 1);
    CHECK_EQ(SEAM_OPS->start(&uring->base), -EPERM);
    CHECK_EQ(fuse_put_out(), 1);
    CHECK_EQ(SEAM_OPS->start(&uring->base), 0);
    transfer(uring);
    seam_close(uring);
}

WEIR_TEST(uring_ladder, works_when_its_descriptor_cannot_be_registered)
{
    struct uring *uring = seam_open(DEPTH);

    fuse_light(FUSE_RING_REGISTER, ENOMEM, 1, 1);
    CHECK_EQ(SEAM_OPS->start(&uring->base), 0);
    CHECK_EQ(fuse_put_out(), 1);
    CHECK(!uring->has_registered_descriptor);
    transfer(uring);
    seam_close(uring);
}

WEIR_TEST(uring_ladder, works_when_rings_cannot_send_messages)
{
    struct uring *uring = seam_open(DEPTH);
    struct uring *other = seam_start(DEPTH);

    fuse_light(FUSE_ENTRY_MESSAGE, EINVAL, 1, 1);
    CHECK_EQ(SEAM_OPS->start(&uring->base), 0);
    CHECK_EQ(fuse_put_out(), 1);
    CHECK(!uring->is_message_able);
    wake_both_ways(uring, other);
    wake_both_ways(other, uring);
    transfer(uring);
    seam_close(other);
    seam_close(uring);
}
