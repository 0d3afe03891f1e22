/* SPDX-License-Identifier: MIT */

/*
 * The engine's deferred list, driven through the seam alone: what found no room waits there in
 * order, and a cancel finds it. tests/backend/test_uring.c has the other queues.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crowd.h"
#include "fuse.h"
#include "seam.h"
#include "test.h"

WEIR_TEST(uring_deferred, a_cancel_finds_what_waits_and_completes_it_without_submitting)
{
    struct uring *uring = seam_start(DEPTH);
    uint8_t byte;
    int i;

    init_many(uring, DEPTH + 3);
    seam_poll(uring);
    refuse(EBUSY);
    for (i = 0; i < DEPTH + 3; i++) {
        seam_feed(&many[i], (uint8_t)i);
        seam_receive(&many[i]);
    }
    seam_cancel(&many[DEPTH + 1]);
    seam_cancel(&many[DEPTH + 1]); /* Harmless. */
    CHECK_EQ(many[DEPTH + 1].last, 0);
    CHECK(fuse_put_out() > 0);

    CHECK_EQ(seam_finish(&many[DEPTH + 1]), -ECANCELED);
    CHECK_EQ(recv((int)many[DEPTH + 1].handle.native, &byte, 1, MSG_DONTWAIT), 1);
    CHECK_EQ(seam_finish(&many[DEPTH]), 1);
    CHECK_EQ(seam_finish(&many[DEPTH + 2]), 1);
    CHECK(many[DEPTH + 2].turn > many[DEPTH].turn);
    drain(DEPTH);
    fini_many(DEPTH + 3);
    seam_close(uring);
}

WEIR_TEST(uring_deferred, a_wait_that_completes_what_was_cancelled_does_not_block)
{
    struct uring *uring = seam_start(DEPTH);

    init_many(uring, DEPTH + 1);
    seam_poll(uring);
    refuse(EAGAIN);
    fill_queue();
    seam_receive(&many[DEPTH]);
    seam_cancel(&many[DEPTH]);
    CHECK(fuse_put_out() > 0);

    SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
    CHECK_EQ(many[DEPTH].last, 1);
    CHECK_EQ(many[DEPTH].result, -ECANCELED);
    many[DEPTH].last = 0;
    drain(DEPTH);
    fini_many(DEPTH + 1);
    seam_close(uring);
}

WEIR_TEST(uring_deferred, a_cancel_that_waits_is_submitted_in_its_turn)
{
    struct uring *uring = seam_start(DEPTH);

    init_many(uring, DEPTH + 1);
    seam_receive(&many[DEPTH]);
    seam_poll(uring);
    refuse(EAGAIN);
    fill_queue();
    seam_cancel(&many[DEPTH]);
    seam_cancel(&many[DEPTH]);
    seam_poll(uring);
    CHECK_EQ(many[DEPTH].last, 0);
    CHECK(fuse_put_out() > 0);

    CHECK_EQ(seam_finish(&many[DEPTH]), -ECANCELED);
    drain(DEPTH);
    fini_many(DEPTH + 1);
    seam_close(uring);
}

/* The operation is used again at once: the cancel must not hit that. */
static void receive_again(struct seam_operation *self, int result, unsigned flags)
{
    (void)result;
    (void)flags;
    self->then = NULL;
    seam_receive(self);
}

WEIR_TEST(uring_deferred, a_cancel_that_waits_dies_with_its_operation)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation *self = &many[DEPTH];

    init_many(uring, DEPTH + 2);
    seam_receive(self);
    seam_poll(uring);
    refuse(EAGAIN);
    fill_queue();
    seam_cancel(self);
    seam_receive(&many[DEPTH + 1]); /* Waits behind the cancel. */
    self->then = receive_again;
    seam_feed(self, 1);
    while (self->last == 0)
        seam_poll(uring);
    CHECK_EQ(self->result, 1);
    self->last = 0;
    CHECK(fuse_put_out() > 0);

    seam_poll(uring);
    seam_poll(uring);
    CHECK_EQ(self->last, 0);
    drain(DEPTH + 2);
    CHECK_EQ(self->result, 1);
    fini_many(DEPTH + 2);
    seam_close(uring);
}

/* First, last and only: each place on the list that a cancel can leave. */
static void cancel_leaves_list(int first, int second)
{
    struct uring *uring = seam_start(DEPTH);
    int order[] = {first, second};
    int i;

    init_many(uring, DEPTH + 3);
    for (i = 0; i < 3; i++)
        seam_receive(&many[DEPTH + i]);
    seam_poll(uring);
    refuse(EAGAIN);
    fill_queue();
    for (i = 0; i < 3; i++)
        seam_cancel(&many[DEPTH + i]);
    for (i = 0; i < 2; i++) {
        seam_feed(&many[DEPTH + order[i]], 1);
        while (many[DEPTH + order[i]].last == 0)
            seam_poll(uring);
        CHECK_EQ(many[DEPTH + order[i]].result, 1);
    }
    CHECK(fuse_put_out() > 0);

    CHECK_EQ(seam_finish(&many[DEPTH + 3 - first - second]), -ECANCELED);
    many[DEPTH + first].last = 0;
    many[DEPTH + second].last = 0;
    drain(DEPTH);
    fini_many(DEPTH + 3);
    seam_close(uring);
}

WEIR_TEST(uring_deferred, a_cancel_leaves_the_list_from_any_place)
{
    cancel_leaves_list(0, 1);
    cancel_leaves_list(1, 0);
    cancel_leaves_list(2, 1);
    cancel_leaves_list(1, 2);
    cancel_leaves_list(0, 2);
    cancel_leaves_list(2, 0);
}

WEIR_TEST(uring_deferred, a_close_waits_and_closes)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation closing;
    struct seam_operation self;
    uint8_t byte;

    init_many(uring, DEPTH);
    seam_init_pair(&self, uring);
    seam_init(&closing, uring);
    seam_poll(uring);
    refuse(EBUSY);
    fill_queue();
    CHECK_EQ(SEAM_OPS->close_socket(&uring->base, &closing.operation, &self.handle, true),
             WEIR_IN_FLIGHT);
    CHECK(fuse_put_out() > 0);

    CHECK_EQ(seam_finish(&closing), 0);
    CHECK_EQ(recv(self.peer, &byte, 1, MSG_DONTWAIT), 0);
    CHECK_EQ(close(self.peer), 0);
    drain(DEPTH);
    fini_many(DEPTH);
    seam_close(uring);
}

/* Nothing overtakes what was deferred: the kernel takes entries again, there is room, and what
 * waits has not been moved there yet. */

static void make_room(struct uring *uring)
{
    CHECK(fuse_put_out() > 0);
    CHECK_EQ(io_uring_submit(&uring->ring), DEPTH);
    CHECK(uring->deferred_first != NULL);
}

/* One of the entries that the next call submits, oldest first. */
static const struct io_uring_sqe *entry_at(const struct uring *uring, unsigned index)
{
    const struct io_uring_sq *queue = &uring->ring.sq;

    CHECK(index < io_uring_sq_ready(&uring->ring));
    return &queue->sqes[(queue->sqe_head + index) & *queue->kring_mask];
}

WEIR_TEST(uring_deferred, an_operation_started_later_waits_behind_although_there_is_room)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation *first = &many[DEPTH];
    struct seam_operation *second = &many[DEPTH + 1];

    init_many(uring, DEPTH + 2);
    seam_poll(uring);
    refuse(EBUSY);
    fill_queue();
    seam_feed(first, 1);
    seam_feed(second, 2);
    seam_receive(first);
    make_room(uring);
    seam_receive(second);

    CHECK_EQ(seam_finish(first), 1);
    CHECK_EQ(seam_finish(second), 1);
    CHECK(first->turn < second->turn);
    drain(DEPTH);
    fini_many(DEPTH + 2);
    seam_close(uring);
}

/* One entry is free, and known to be. */
WEIR_TEST(uring_deferred, an_operation_waits_behind_a_close_that_needs_two_entries)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation closing;
    struct seam_operation self;
    struct seam_operation *later = &many[DEPTH - 1];
    int i;

    init_many(uring, DEPTH);
    seam_init_pair(&self, uring);
    seam_init(&closing, uring);
    while (uring_has_entry(uring)) { /* Then the next one looks how many are free. */
        seam_feed(later, 1);
        seam_receive(later);
        CHECK_EQ(seam_finish(later), 1);
    }
    refuse(EBUSY);
    for (i = 0; i < DEPTH - 1; i++)
        seam_receive(&many[i]);
    CHECK(uring_has_entry(uring));
    CHECK_EQ(io_uring_sq_space_left(&uring->ring), 1);
    CHECK_EQ(SEAM_OPS->close_socket(&uring->base, &closing.operation, &self.handle, true),
             WEIR_IN_FLIGHT);
    seam_receive(later);
    CHECK(uring->deferred_first == &closing.operation);
    CHECK(uring->deferred_last == &later->operation);
    CHECK(fuse_put_out() > 0);

    CHECK_EQ(seam_finish(&closing), 0);
    seam_feed(later, 1);
    CHECK_EQ(seam_finish(later), 1);
    CHECK_EQ(close(self.peer), 0);
    drain(DEPTH - 1);
    fini_many(DEPTH);
    seam_close(uring);
}

WEIR_TEST(uring_deferred, a_cancel_waits_behind_although_there_is_room)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation *cancelled = &many[DEPTH];
    struct seam_operation *first = &many[DEPTH + 1];

    init_many(uring, DEPTH + 2);
    seam_receive(cancelled);
    seam_poll(uring);
    refuse(EBUSY);
    fill_queue();
    seam_receive(first);
    make_room(uring);
    seam_cancel(cancelled);

    (void)weir_uring_submit_deferred(uring);
    CHECK(entry_at(uring, 0)->user_data == (uintptr_t)&first->operation);
    CHECK_EQ(entry_at(uring, 1)->opcode, IORING_OP_ASYNC_CANCEL);
    CHECK_EQ(seam_finish(cancelled), -ECANCELED);
    drain(DEPTH);
    seam_feed(first, 1);
    CHECK_EQ(seam_finish(first), 1);
    fini_many(DEPTH + 2);
    seam_close(uring);
}
