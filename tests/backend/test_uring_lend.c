/* SPDX-License-Identifier: MIT */

/*
 * The engine's lent buffers, driven through the seam alone: how many are published, who waits for
 * one, and what ends a receive that goes on. tests/contract/test_tcp_source.c has what sources make
 * of it.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.h"
#include "fuse.h"
#include "receiver.h"
#include "seam.h"
#include "test.h"

enum {
    BYTES = RECEIVER_BYTES,
    POOL = RECEIVER_POOL,
    FEW = 1,      /* Bytes at most: so that it lends no more. */
    PERIOD = 256, /* Waits after which the target follows what they used. */
    TARGET_MIN = 8,
    RING_ENTRIES = 1024,
};

/* One of the entries that the next call submits, oldest first. */
static const struct io_uring_sqe *entry_at(const struct uring *uring, unsigned index)
{
    const struct io_uring_sq *queue = &uring->ring.sq;

    CHECK(index < io_uring_sq_ready(&uring->ring));
    return &queue->sqes[(queue->sqe_head + index) & *queue->kring_mask];
}

/* Publishing. */

/* Receive and give back messages of one byte, one at a time. Returns how many buffers were used. */
static int exchange(struct receiver *self, int count)
{
    bool is_used[4 * POOL] = {false};
    int used = 0;
    int i;

    for (i = 0; i < count; i++) {
        receiver_feed(self, 1, self->position);
        receiver_await(self, 1);
        CHECK(self->held->index < 4 * POOL);
        if (!is_used[self->held->index])
            used++;
        is_used[self->held->index] = true;
        receiver_give_back(self);
    }
    return used;
}

/* The index of the buffer that was published last. */
static unsigned last_published(const struct uring_lending *lending)
{
    return lending->ring->bufs[(uint16_t)(lending->tail - 1) & (RING_ENTRIES - 1)].bid;
}

WEIR_TEST(uring_lend, few_buffers_are_published_and_these_are_used_again)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, 0);
    struct receiver self;

    receiver_open(&self, uring);
    receiver_start(&self);
    seam_poll(uring);
    CHECK_EQ(uring_published(&uring->lending), TARGET_MIN);
    CHECK(exchange(&self, 1000) <= TARGET_MIN + 1);
    CHECK_EQ(uring->lending.target, TARGET_MIN);
    CHECK_EQ(uring_published(&uring->lending), TARGET_MIN);
    CHECK(exchange(&self, 1000) <= TARGET_MIN + 1);
    CHECK_EQ(uring->lending.buffers.count, POOL); /* There never were more. */
    receiver_close(&self);
    seam_close(uring);
}

/* Let the receiver hold so many, of a byte each. */
static void hold_bytes(struct receiver *self, int count)
{
    size_t position = self->position;
    int i;

    for (i = 0; i < count; i++) {
        receiver_feed(self, 1, position + (size_t)i);
        receiver_await(self, i + 1);
    }
    seam_poll(self->base.uring);
}

WEIR_TEST(uring_lend, while_half_are_left_only_what_is_given_back_is_published)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, 0);
    struct receiver self;
    const weir_lent *last;
    const weir_lent *free_before;

    receiver_open(&self, uring);
    receiver_start(&self);
    (void)exchange(&self, 1000);
    free_before = uring->lending.buffers.free;
    hold_bytes(&self, TARGET_MIN / 2);
    CHECK_EQ(uring_published(&uring->lending), TARGET_MIN / 2);
    last = self.held->next->next->next;
    receiver_give_all_back(&self);
    CHECK_EQ(uring_published(&uring->lending), TARGET_MIN);
    CHECK(uring->lending.buffers.free == free_before);
    CHECK_EQ(last_published(&uring->lending), last->index);
    receiver_close(&self);
    seam_close(uring);
}

WEIR_TEST(uring_lend, what_is_not_published_is_used_last_first)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, 0);
    struct receiver self;
    const weir_lent *last;
    const weir_lent *previous;

    receiver_open(&self, uring);
    receiver_start(&self);
    (void)exchange(&self, 1000);
    hold_bytes(&self, TARGET_MIN / 2 + 1); /* Others are published in their place. */
    CHECK_EQ(uring_published(&uring->lending), TARGET_MIN);
    previous = self.held->next->next->next;
    last = previous->next;
    receiver_give_all_back(&self);
    CHECK(uring->lending.buffers.free == last);
    CHECK(last->next == previous);
    receiver_close(&self);
    seam_close(uring);
}

WEIR_TEST(uring_lend, the_target_grows_when_none_is_left_and_shrinks_again)
{
    enum { COUNT = 40 };
    struct uring *uring = seam_start_lending(DEPTH, BYTES, 0);
    uint64_t before = seam_statistics.lent_starved;
    struct receiver self;
    int i;

    receiver_open(&self, uring);
    receiver_start(&self);
    (void)exchange(&self, 1000);
    CHECK_EQ(uring->lending.target, TARGET_MIN);

    receiver_feed(&self, COUNT * BYTES, self.position);
    receiver_await(&self, COUNT);
    CHECK(seam_statistics.lent_starved > before);
    CHECK(uring->lending.target > TARGET_MIN);
    CHECK(uring->lending.target <= 2 * (COUNT + 1));
    receiver_give_all_back(&self);

    for (i = 0; i < 2 * PERIOD; i++)
        seam_poll(uring);
    CHECK_EQ(uring->lending.target, TARGET_MIN);
    (void)exchange(&self, 2 * COUNT);
    CHECK_EQ(uring_published(&uring->lending), TARGET_MIN);
    receiver_close(&self);
    seam_close(uring);
}

/* Each of them would have used one: no more is needed. */
WEIR_TEST(uring_lend, many_that_starve_at_once_raise_the_target_by_as_many)
{
    enum { COUNT = 60 };
    static struct receiver receivers[COUNT];
    struct uring *uring = seam_start_lending(256, BYTES, 0);
    int i;

    for (i = 0; i < COUNT; i++)
        receiver_open(&receivers[i], uring);
    receiver_start(&receivers[0]);
    (void)exchange(&receivers[0], 1000);
    for (i = 1; i < COUNT; i++) {
        receiver_feed(&receivers[i], 1, 0);
        receiver_start(&receivers[i]);
    }
    for (i = 1; i < COUNT; i++)
        receiver_await(&receivers[i], 1);
    CHECK(uring->lending.target <= 2 * COUNT);
    CHECK(uring->lending.target > COUNT);
    for (i = 0; i < COUNT; i++)
        receiver_close(&receivers[i]);
    seam_close(uring);
}

/* Waiting for a buffer. */

WEIR_TEST(uring_lend, receives_that_starve_are_armed_again_in_order_and_wait_for_bytes_first)
{
    enum { COUNT = 4 };
    struct uring *uring = seam_start_lending(64, BYTES, FEW);
    struct receiver starved[COUNT];
    struct receiver holder;
    int i;

    receiver_open(&holder, uring);
    receiver_take_all(&holder);
    for (i = 0; i < COUNT; i++) {
        receiver_open(&starved[i], uring);
        receiver_starve(&starved[i]);
    }
    receiver_give_back(&holder);
    receiver_give_back(&holder);
    CHECK(weir_uring_lending_refill(uring)); /* More can go on: the wait must not sleep. */
    CHECK_EQ(io_uring_sq_ready(&uring->ring), 2);
    for (i = 0; i < 2; i++) {
        CHECK(entry_at(uring, (unsigned)i)->user_data == (uintptr_t)&starved[i].base.operation);
        CHECK(entry_at(uring, (unsigned)i)->ioprio & IORING_RECVSEND_POLL_FIRST);
        CHECK(entry_at(uring, (unsigned)i)->ioprio & IORING_RECV_MULTISHOT);
    }
    CHECK(uring->lending.starved_first == &starved[2].base.operation);
    CHECK(!weir_uring_lending_refill(uring)); /* And now none waits. */
    CHECK_EQ(io_uring_sq_ready(&uring->ring), COUNT);

    for (i = COUNT - 1; i >= 0; i--) { /* None of them has taken one in vain. */
        receiver_feed(&starved[i], 1, 0);
        receiver_await(&starved[i], 1);
        receiver_give_back(&starved[i]);
    }
    for (i = 0; i < COUNT; i++)
        receiver_close(&starved[i]);
    receiver_close(&holder);
    seam_close(uring);
}

WEIR_TEST(uring_lend, a_wait_does_not_sleep_while_others_could_have_the_buffer)
{
    enum { IDLE = 3 };
    struct uring *uring = seam_start_lending(64, BYTES, FEW);
    struct receiver idle[IDLE];
    struct receiver holder;
    struct receiver self;
    int i;

    receiver_open(&holder, uring);
    receiver_take_all(&holder);
    for (i = 0; i < IDLE; i++) {
        receiver_open(&idle[i], uring);
        receiver_starve(&idle[i]);
    }
    receiver_open(&self, uring);
    receiver_feed(&self, 1, 0);
    receiver_starve(&self);
    receiver_give_back(&holder);
    receiver_await(&self, 1); /* Or it sleeps for ever. */
    for (i = 0; i < IDLE; i++)
        receiver_close(&idle[i]);
    receiver_close(&self);
    receiver_close(&holder);
    seam_close(uring);
}

/* First, last and only: each place in the line that a cancel can leave. */
static void cancel_leaves_line(int first, int second)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver starved[3];
    struct receiver *last = &starved[3 - first - second];
    struct receiver holder;
    int i;

    receiver_open(&holder, uring);
    receiver_take_all(&holder);
    for (i = 0; i < 3; i++) {
        receiver_open(&starved[i], uring);
        receiver_starve(&starved[i]);
    }
    seam_cancel(&starved[first].base);
    seam_cancel(&starved[first].base); /* Harmless. */
    seam_cancel(&starved[second].base);
    CHECK_EQ(starved[first].base.last, 0);
    CHECK_EQ(seam_finish(&starved[first].base), -ECANCELED);
    CHECK_EQ(seam_finish(&starved[second].base), -ECANCELED);

    receiver_starve(&starved[first]); /* Behind the one that is left. */
    CHECK(uring->lending.starved_first == &last->base.operation);
    CHECK(uring->lending.starved_last == &starved[first].base.operation);
    receiver_give_back(&holder);
    receiver_feed(last, 1, 0);
    receiver_await(last, 1);
    starved[second].base.last = 1;
    for (i = 0; i < 3; i++)
        receiver_close(&starved[i]);
    receiver_close(&holder);
    seam_close(uring);
}

WEIR_TEST(uring_lend, a_cancel_finds_one_that_starves_at_any_place)
{
    cancel_leaves_line(0, 1);
    cancel_leaves_line(1, 0);
    cancel_leaves_line(2, 1);
    cancel_leaves_line(1, 2);
    cancel_leaves_line(0, 2);
    cancel_leaves_line(2, 0);
}

WEIR_TEST(uring_lend, a_cancel_of_one_that_starves_lets_what_starts_later_go_out)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    uint64_t before = seam_statistics.deferred;
    struct receiver holder;
    struct receiver self;

    receiver_open(&holder, uring);
    receiver_open(&self, uring);
    receiver_take_all(&holder);
    receiver_feed(&self, 1, 0);
    receiver_starve(&self);
    init_many(uring, 1);
    seam_poll(uring);
    seam_cancel(&self.base);
    seam_receive(&many[0]);
    CHECK_EQ(io_uring_sq_ready(&uring->ring), 1);
    CHECK_EQ(seam_statistics.deferred, before);
    SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER); /* Does not block. */
    CHECK_EQ(self.base.last, 1);
    CHECK_EQ(self.base.result, -ECANCELED);
    drain(1);
    fini_many(1);
    receiver_close(&self);
    receiver_close(&holder);
    seam_close(uring);
}

WEIR_TEST(uring_lend, a_want_of_buffers_behind_a_cancel_ends_as_cancelled)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    uint64_t before = seam_statistics.lent_starved;
    struct receiver holder;
    struct receiver self;

    receiver_open(&holder, uring);
    receiver_open(&self, uring);
    receiver_take_all(&holder);
    before = seam_statistics.lent_starved;
    receiver_start(&self);
    seam_cancel(&self.base); /* Behind it: it has found no buffer by then. */
    CHECK_EQ(seam_finish(&self.base), -ECANCELED);
    CHECK_EQ(seam_statistics.lent_starved, before);
    self.base.last = 1;
    receiver_close(&self);
    receiver_close(&holder);
    seam_close(uring);
}

WEIR_TEST(uring_lend, a_want_of_buffers_while_the_cancel_waits_for_room_ends_as_cancelled)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver holder;
    struct receiver self;

    init_many(uring, DEPTH);
    receiver_open(&holder, uring);
    receiver_open(&self, uring);
    receiver_start(&self);
    seam_poll(uring);
    receiver_take_all(&holder);
    refuse(EAGAIN);
    fill_queue();
    seam_cancel(&self.base);
    CHECK(uring->deferred_first == &self.base.operation);
    receiver_feed(&self, 1, 0);
    CHECK_EQ(seam_finish(&self.base), -ECANCELED);
    CHECK(!uring->deferred_first);
    CHECK(fuse_put_out() > 0);
    drain(DEPTH);
    fini_many(DEPTH);
    self.base.last = 1;
    receiver_close(&self);
    receiver_close(&holder);
    seam_close(uring);
}

/* The kernel refuses once, when the receive is to go on, and takes what the same wait submits. */
WEIR_TEST(uring_lend, one_that_goes_on_and_finds_no_room_is_not_slept_over)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver holder;
    struct receiver self;

    init_many(uring, DEPTH);
    receiver_open(&holder, uring);
    receiver_open(&self, uring);
    receiver_take_all(&holder);
    receiver_feed(&self, 1, 0);
    receiver_starve(&self);
    fill_queue();
    receiver_give_back(&holder);
    fuse_light(FUSE_RING_SUBMIT, EBUSY, 1, 1);
    receiver_await(&self, 1); /* Or it sleeps for ever. */
    CHECK_EQ(fuse_put_out(), 1);
    drain(DEPTH);
    fini_many(DEPTH);
    receiver_close(&self);
    receiver_close(&holder);
    seam_close(uring);
}

/* What ends a receive. */

WEIR_TEST(uring_lend, the_end_of_the_stream_names_no_buffer)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver self;

    receiver_open(&self, uring);
    receiver_start(&self);
    receiver_feed(&self, 1, 0);
    receiver_await(&self, 1);
    CHECK_EQ(shutdown(self.base.peer, SHUT_WR), 0);
    CHECK_EQ(seam_finish(&self.base), 0);
    CHECK_EQ(self.held_count, 1);
    self.base.last = 1;
    receiver_close(&self);
    seam_close(uring);
}

/* Some kernels take a buffer and then fail: nobody holds that. */
WEIR_TEST(uring_lend, a_buffer_that_comes_without_bytes_is_kept)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver self;
    weir_lent *lent;

    receiver_open(&self, uring);
    receiver_start(&self);
    receiver_feed(&self, 2, 0);
    receiver_await(&self, 1);
    lent = self.held;
    self.held = NULL;
    self.held_count = 0;
    uring->lending.named--; /* As if the kernel had it still. */
    uring_complete(uring, &self.base.operation, -EIO,
                   IORING_CQE_F_MORE | IORING_CQE_F_BUFFER |
                       lent->index << IORING_CQE_BUFFER_SHIFT);
    CHECK_EQ(self.base.result, -EIO);
    CHECK_EQ(self.held_count, 0);
    self.position = 2;
    receiver_feed(&self, 1, 2);
    receiver_await(&self, 1);
    receiver_close(&self);
    CHECK_EQ(uring->lending.buffers.taken, uring_published(&uring->lending));
    seam_close(uring);
}

WEIR_TEST(uring_lend, a_full_completion_queue_ends_receives_and_loses_no_byte)
{
    enum { COUNT = 6, SIZE = 100 * BYTES, ROUNDS = 5 };
    struct uring *uring = seam_start_lending(1, BYTES, 0);
    struct receiver receivers[COUNT];
    uint64_t before = seam_statistics.overflows;
    int restarts = 0;
    int round;
    int i;

    CHECK(*uring->ring.cq.kring_entries <= 16);
    for (i = 0; i < COUNT; i++) {
        receiver_open(&receivers[i], uring);
        receivers[i].again = true;
        receiver_start(&receivers[i]);
    }
    for (round = 1; round <= ROUNDS; round++) {
        for (i = 0; i < COUNT; i++)
            receiver_feed(&receivers[i], SIZE, (size_t)(round - 1) * SIZE);
        for (i = 0; i < COUNT; i++) {
            while (receivers[i].position < (size_t)round * SIZE) {
                receiver_await(&receivers[i], 1);
                receiver_give_all_back(&receivers[i]);
            }
        }
    }
    CHECK(seam_statistics.overflows > before);
    for (i = 0; i < COUNT; i++) {
        restarts += receivers[i].restarts;
        receiver_close(&receivers[i]);
    }
    CHECK(restarts > 0);
    seam_close(uring);
}

/* Older kernels. */

WEIR_TEST(uring_lend, a_kernel_that_refuses_multishot_receives_is_asked_for_one_at_a_time)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver self;

    receiver_open(&self, uring);
    receiver_start(&self);
    fuse_light(FUSE_ENTRY_RECV, EINVAL, 1, 1);
    seam_poll(uring);
    CHECK_EQ(fuse_put_out(), 1);
    CHECK_EQ(self.base.last, 0);
    CHECK_EQ(entry_at(uring, 0)->ioprio, IORING_RECVSEND_POLL_FIRST);
    CHECK_EQ(entry_at(uring, 0)->len, BYTES); /* 0 was no bytes then. */
    receiver_feed(&self, 3 * BYTES, 0);
    CHECK_EQ(seam_finish(&self.base), BYTES);
    CHECK_EQ(self.base.more, 0);

    self.again = true;
    receiver_start(&self);
    CHECK_EQ(entry_at(uring, 0)->ioprio, 0);
    CHECK_EQ(entry_at(uring, 0)->len, BYTES);
    receiver_await(&self, 3);
    CHECK_EQ(self.base.more, 0);
    receiver_close(&self);
    seam_close(uring);
}

WEIR_TEST(uring_lend, a_refusal_by_a_kernel_that_has_lent_is_of_that_connection_alone)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver other;
    struct receiver self;

    receiver_open(&other, uring);
    receiver_start(&other);
    receiver_feed(&other, 1, 0);
    receiver_await(&other, 1);
    seam_poll(uring);
    receiver_open(&self, uring);
    receiver_start(&self);
    fuse_light(FUSE_ENTRY_RECV, EINVAL, 1, 1);
    seam_poll(uring);
    CHECK_EQ(fuse_put_out(), 1);
    receiver_feed(&self, 1, 0);
    CHECK_EQ(seam_finish(&self.base), 1); /* One at a time. */
    CHECK_EQ(self.base.more, 0);

    receiver_start(&self);
    CHECK_EQ(entry_at(uring, 0)->ioprio, IORING_RECV_MULTISHOT);
    receiver_feed(&self, 1, 1);
    receiver_await(&self, 2);
    CHECK_EQ(self.base.more, 1);
    receiver_close(&self);
    receiver_close(&other);
    seam_close(uring);
}

WEIR_TEST(uring_lend, a_refusal_behind_a_cancel_ends_as_cancelled)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver self;

    receiver_open(&self, uring);
    receiver_start(&self);
    seam_cancel(&self.base);
    fuse_light(FUSE_ENTRY_RECV, EINVAL, 1, 1);
    CHECK_EQ(seam_finish(&self.base), -ECANCELED);
    CHECK_EQ(fuse_put_out(), 1);
    self.base.last = 1;
    receiver_close(&self);
    seam_close(uring);
}

WEIR_TEST(uring_lend, one_shot_receives_starve_and_go_on)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver holder;
    struct receiver self;

    receiver_open(&holder, uring);
    receiver_open(&self, uring);
    receiver_take_all(&holder);
    uring->lending.is_one_shot = true;
    receiver_feed(&self, 1, 0);
    receiver_starve(&self);
    receiver_give_back(&holder);
    receiver_await(&self, 1);
    CHECK_EQ(seam_finish(&self.base), 1);
    self.base.last = 1;
    receiver_close(&self);
    receiver_close(&holder);
    seam_close(uring);
}

/* Closing with a receive that has only been cancelled, on each rung of the ladder. */
static void close_tells_the_peer(unsigned refused_rungs)
{
    struct seam_operation closing;
    struct receiver self;
    struct uring *uring;
    uint8_t byte;

    fuse_light(FUSE_RING_SET_UP, EINVAL, 1, refused_rungs);
    uring = seam_start_lending(DEPTH, BYTES, FEW);
    CHECK_EQ(fuse_put_out(), refused_rungs);
    receiver_open(&self, uring);
    receiver_start(&self);
    receiver_feed(&self, 1, 0);
    receiver_await(&self, 1);
    receiver_give_all_back(&self);

    seam_init(&closing, uring);
    seam_cancel(&self.base);
    CHECK_EQ(SEAM_OPS->close_socket(&uring->base, &closing.operation, &self.base.handle, false),
             WEIR_IN_FLIGHT);
    CHECK_EQ(seam_finish(&closing), 0);
    CHECK_EQ(seam_finish(&self.base), -ECANCELED);
    CHECK_EQ(recv(self.base.peer, &byte, 1, MSG_DONTWAIT), 0);
    CHECK_EQ(close(self.base.peer), 0);
    seam_close(uring);
}

WEIR_TEST(uring_lend, a_close_behind_the_cancel_tells_the_peer_when_both_are_done)
{
    seam_require();
    close_tells_the_peer(0);
    close_tells_the_peer(1);
    close_tells_the_peer(2);
    close_tells_the_peer(3);
}

/* What is lacking. */

WEIR_TEST(uring_lend, a_refused_registration_is_answered_and_the_next_receive_tries_again)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver self;

    receiver_open(&self, uring);
    fuse_light(FUSE_RING_BUFFERS, ENOMEM, 1, 2);
    CHECK_EQ(SEAM_OPS->receive_lent(&uring->base, &self.base.operation, &self.base.handle),
             -ENOMEM);
    CHECK_EQ(SEAM_OPS->receive_lent(&uring->base, &self.base.operation, &self.base.handle),
             -ENOMEM);
    CHECK_EQ(fuse_put_out(), 2);
    receiver_start(&self);
    receiver_feed(&self, 1, 0);
    receiver_await(&self, 1);
    receiver_close(&self);
    seam_close(uring);
}

WEIR_TEST(uring_lend, without_memory_for_a_first_buffer_a_receive_does_not_start)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver self;
    unsigned nth = 0;
    unsigned blown;

    receiver_open(&self, uring);
    do { /* The buffers, the memory of the first. */
        fuse_light(FUSE_MEMORY, ENOMEM, ++nth, 1);
        if (SEAM_OPS->receive_lent(&uring->base, &self.base.operation, &self.base.handle) !=
            WEIR_IN_FLIGHT)
            CHECK_EQ(uring->lending.buffers.count, 0);
        else
            CHECK_EQ(uring->lending.buffers.count, POOL);
        blown = fuse_put_out();
    } while (blown > 0);
    CHECK(nth > 1);
    receiver_feed(&self, 1, 0);
    receiver_await(&self, 1);
    receiver_close(&self);
    seam_close(uring);
}

/* There are some, and no memory for more: who finds none waits for those. */
WEIR_TEST(uring_lend, without_memory_for_more_buffers_receives_wait_for_those_there_are)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, 0);
    struct receiver self;

    receiver_open(&self, uring);
    receiver_start(&self);
    fuse_light(FUSE_MEMORY, ENOMEM, 1, FUSE_FOREVER);
    receiver_feed(&self, 2 * POOL * BYTES, 0);
    receiver_await(&self, POOL);
    while (!uring->lending.starved_first)
        seam_poll(uring);
    CHECK_EQ(uring->lending.buffers.count, POOL);
    receiver_give_all_back(&self);
    receiver_await(&self, POOL);
    CHECK(fuse_put_out() > 0);
    receiver_close(&self);
    seam_close(uring);
}

/* The child's copy of the buffers is its own, and of the ring it has none. */
WEIR_TEST(uring_lend, a_child_of_a_fork_changes_nothing)
{
    struct uring *uring = seam_start_lending(DEPTH, BYTES, FEW);
    struct receiver self;
    pid_t child;
    int status;
    uint32_t i;

    receiver_open(&self, uring);
    receiver_start(&self);
    seam_poll(uring);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (i = 0; i < POOL; i++)
            memset(weir_lending_at(&uring->lending.buffers, i)->data, 0xee, BYTES);
        _exit(0);
    }
    receiver_feed(&self, 2 * BYTES, 0);
    receiver_await(&self, 2);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(exchange(&self, 0) == 0);
    receiver_give_all_back(&self);
    (void)exchange(&self, 100);
    receiver_close(&self);
    seam_close(uring);
}
