/* SPDX-License-Identifier: MIT */
/* A receive into lent buffers, driven through the seam. */
#define _GNU_SOURCE

#include "receiver.h"

#include <string.h>
#include <sys/socket.h>

#include "test.h"

void receiver_start(struct receiver *self)
{
    struct seam_operation *base = &self->base;

    CHECK_EQ(SEAM_OPS->receive_lent(&base->uring->base, &base->operation, &base->handle),
             WEIR_IN_FLIGHT);
}

static void hold(struct receiver *self, unsigned flags, int size)
{
    weir_lent *lent = weir_backend_lent(&self->base.uring->base, flags);
    weir_lent **link = &self->held;

    while (*link)
        link = &(*link)->next;
    lent->size = (uint32_t)size;
    lent->next = NULL;
    *link = lent;
    self->held_count++;
}

static void received(struct seam_operation *base, int result, unsigned flags)
{
    struct receiver *self = WEIR_CONTAINER_OF(base, struct receiver, base);

    CHECK_EQ((flags & WEIR_OPERATION_LENT) != 0, result > 0);
    if (result <= 0)
        return;
    hold(self, flags, result);
    if (!self->again || (flags & WEIR_OPERATION_MORE))
        return;
    base->last = 0;
    self->restarts++;
    receiver_start(self);
}

void receiver_open(struct receiver *self, struct uring *uring)
{
    memset(self, 0, sizeof *self);
    seam_init_pair(&self->base, uring);
    self->base.then = received;
}

static uint8_t pattern_at(size_t position)
{
    return (uint8_t)(position % 251);
}

void receiver_feed(const struct receiver *self, size_t size, size_t from)
{
    uint8_t data[16 * 1024];
    size_t i;

    CHECK(size <= sizeof data);
    for (i = 0; i < size; i++)
        data[i] = pattern_at(from + i);
    CHECK_EQ(send(self->base.peer, data, size, MSG_NOSIGNAL), size);
}

void receiver_give_back(struct receiver *self)
{
    weir_lent *lent = self->held;
    uint32_t i;

    for (i = 0; i < lent->size; i++)
        CHECK_EQ(lent->data[i], pattern_at(self->position + i));
    self->position += lent->size;
    self->held = lent->next;
    self->held_count--;
    SEAM_OPS->give_back(&self->base.uring->base, lent);
}

void receiver_give_all_back(struct receiver *self)
{
    while (self->held)
        receiver_give_back(self);
}

void receiver_await(struct receiver *self, int count)
{
    while (self->held_count < count)
        SEAM_OPS->wait(&self->base.uring->base, WEIR_WAIT_FOREVER);
}

void receiver_close(struct receiver *self)
{
    if (self->base.last == 0) {
        seam_cancel(&self->base);
        CHECK_EQ(seam_finish(&self->base), -ECANCELED);
    }
    receiver_give_all_back(self);
    seam_fini_pair(&self->base);
}

void receiver_take_all(struct receiver *self)
{
    receiver_start(self);
    receiver_feed(self, RECEIVER_POOL * RECEIVER_BYTES, 0);
    receiver_await(self, RECEIVER_POOL);
    seam_cancel(&self->base);
    CHECK_EQ(seam_finish(&self->base), -ECANCELED);
    self->base.last = 1;
}

void receiver_starve(struct receiver *self)
{
    uint64_t before = seam_statistics.lent_starved;

    receiver_start(self);
    while (seam_statistics.lent_starved == before)
        seam_poll(self->base.uring);
    CHECK_EQ(seam_statistics.lent_starved, before + 1);
    CHECK_EQ(self->base.last, 0);
}
