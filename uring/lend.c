/* SPDX-License-Identifier: MIT */
/*
 * Lent buffers: a provided-buffer ring, and multishot receives that fill it.
 *
 * The kernel takes published buffers oldest first, so the published ones are what the cache has to
 * hold: few are published, and the others stand on a stack, last used first. How many follows what
 * one wait uses up, and would have used had there been more. While half of them are left, only what
 * is given back is published, so that a buffer is filled again soon.
 *
 * A receive that the kernel ends for want of a buffer waits in `starved`, first in, first out,
 * until one is there. It is armed again with POLL_FIRST: a receive that is tried on an empty ring
 * fails at once, whether bytes have come or not.
 */
#define _GNU_SOURCE

#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    RING_ENTRIES = 1024, /* The most that are published. */
    RING_BYTES = RING_ENTRIES * sizeof(struct io_uring_buf),
    TARGET_MIN = 8,
    PERIOD = 256, /* Waits after which the target follows the most that one of them used. */
};

/* The ring. */

static void publish(struct uring_lending *self, const weir_lent *lent)
{
    struct io_uring_buf *entry = &self->ring->bufs[self->tail & (RING_ENTRIES - 1)];

    entry->addr = (uintptr_t)lent->data;
    entry->len = (uint32_t)self->buffers.buffer_bytes;
    entry->bid = (uint16_t)lent->index;
    self->tail++;
}

/* Publish up to the target. */
static void top_up(struct uring_lending *self)
{
    const weir_lent *lent;

    while (uring_published(self) < self->target && (lent = weir_lending_take(&self->buffers)))
        publish(self, lent);
}

static unsigned at_least(unsigned value, unsigned bound)
{
    return value > bound ? value : bound;
}

static unsigned at_most(unsigned value, unsigned bound)
{
    return value < bound ? value : bound;
}

/* Twice what a wait uses is published, so that none runs out. */
static void adapt(struct uring_lending *self)
{
    unsigned used = self->named - self->seen + self->refused;

    self->has_lent |= self->named != self->seen;
    self->seen = self->named;
    self->refused = 0;
    self->used_most = at_least(self->used_most, used);
    if (2 * used > self->target)
        self->target = at_most(2 * used, RING_ENTRIES);
    if (++self->waits == PERIOD) {
        self->target = at_least(at_most(2 * self->used_most, self->target), TARGET_MIN);
        self->used_most = 0;
        self->waits = 0;
    }
}

static int open_ring(struct uring *uring)
{
    struct uring_lending *self = &uring->lending;
    struct io_uring_buf_reg registration;
    void *memory =
        mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int error;

    if (memory == MAP_FAILED)
        return -errno;
    /* Like the queues: after a fork the child shares none of it. */
    (void)madvise(memory, RING_BYTES, MADV_DONTFORK);
    memset(&registration, 0, sizeof registration);
    registration.ring_addr = (uintptr_t)memory;
    registration.ring_entries = RING_ENTRIES;
    registration.bgid = URING_LENT_GROUP;
    error = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    if (error) {
        (void)munmap(memory, RING_BYTES);
        return error;
    }
    self->ring = memory;
    self->target = TARGET_MIN;
    return 0;
}

void weir_uring_lending_close(struct uring *uring)
{
    struct uring_lending *self = &uring->lending;

    if (self->ring) {
        (void)io_uring_unregister_buf_ring(&uring->ring, URING_LENT_GROUP);
        (void)munmap(self->ring, RING_BYTES);
    }
    /* The kernel is done with those that it had. */
    self->buffers.taken -= uring_published(self);
    weir_lending_fini(&self->buffers);
}

/* Receives that wait for a buffer. */

static void starve(struct uring *uring, weir_operation *operation)
{
    struct uring_lending *self = &uring->lending;

    uring_operation_of(operation)->state = URING_STARVED;
    uring_operation_of(operation)->next = NULL;
    if (self->starved_first)
        uring_operation_of(self->starved_last)->next = operation;
    else
        self->starved_first = operation;
    self->starved_last = operation;
    self->refused++;
    uring->statistics->lent_starved++;
}

/* Rare, so a walk. */
static void remove_starved(struct uring_lending *self, const weir_operation *operation)
{
    weir_operation **link = &self->starved_first;
    weir_operation *previous = NULL;

    while (*link != operation) {
        previous = *link;
        link = &uring_operation_of(previous)->next;
    }
    *link = uring_operation_of(*link)->next;
    if (self->starved_last == operation)
        self->starved_last = previous;
}

void weir_uring_lending_cancel(struct uring *uring, weir_operation *operation)
{
    struct uring_lending *self = &uring->lending;

    remove_starved(self, operation);
    uring_operation_of(operation)->state = URING_STARVED_CANCELLED;
    uring_operation_of(operation)->next = self->cancelled;
    self->cancelled = operation;
}

/* Returns whether there were any. */
static bool complete_cancelled(struct uring_lending *self)
{
    bool were_any = self->cancelled != NULL;

    while (self->cancelled) {
        weir_operation *operation = self->cancelled;

        self->cancelled = uring_operation_of(operation)->next;
        uring_operation_of(operation)->state = URING_SUBMITTED;
        operation->ops->completed(operation, -ECANCELED, 0);
    }
    return were_any;
}

/* As many go on as there are buffers. Some of them may have no use for one: what is left goes on
 * with the next wait, which must not sleep before. */
static void feed(struct uring *uring)
{
    struct uring_lending *self = &uring->lending;
    unsigned left = uring_published(self);

    for (; left > 0 && self->starved_first; left--) {
        weir_operation *operation = self->starved_first;
        struct uring_operation *mine = uring_operation_of(operation);

        self->starved_first = mine->next;
        mine->request.priority |= IORING_RECVSEND_POLL_FIRST;
        (void)weir_uring_submit_slowly(uring, operation, &mine->request);
    }
}

bool weir_uring_lending_refill(struct uring *uring)
{
    struct uring_lending *self = &uring->lending;
    bool have_completed = complete_cancelled(self);

    adapt(self);
    /* What is left is as much as a wait uses: those that are given back are published in time. */
    if (uring_published(self) < self->target / 2 || self->starved_first)
        top_up(self);
    __atomic_store_n(&self->ring->tail, (uint16_t)self->tail, __ATOMIC_RELEASE);
    if (WEIR_LIKELY(!self->starved_first))
        return have_completed;
    feed(uring);
    return have_completed || (self->starved_first && uring_published(self) > 0);
}

/* Receiving. */

/* The kernels that know no multishot receive take a length of 0 at its word. */
static void make_one_shot(struct uring *uring, struct uring_request *request, uint16_t priority)
{
    request->priority = priority;
    request->length = (uint32_t)uring->lending.buffers.buffer_bytes;
}

bool weir_uring_lending_goes_on(struct uring *uring, weir_operation *operation, int *result)
{
    struct uring_operation *mine = uring_operation_of(operation);

    if (*result != -ENOBUFS && *result != -EINVAL)
        return false;
    if (mine->state != URING_LENDING) {
        *result = -ECANCELED;
        return false;
    }
    if (*result == -ENOBUFS) {
        starve(uring, operation);
        return true;
    }
    if (!(mine->request.priority & IORING_RECV_MULTISHOT))
        return false;
    /* If the kernel has lent before, its answer is about this connection. */
    if (!uring->lending.has_lent && uring->lending.named == uring->lending.seen)
        uring->lending.is_one_shot = true;
    make_one_shot(uring, &mine->request, IORING_RECVSEND_POLL_FIRST);
    (void)weir_uring_submit_slowly(uring, operation, &mine->request);
    return true;
}

int weir_uring_receive_lent(weir_backend *backend, weir_operation *operation, weir_handle *handle)
{
    struct uring *uring = uring_of(backend);
    struct uring_operation *mine = uring_operation_of(operation);
    int error = uring->lending.ring ? 0 : open_ring(uring);

    if (!error && !weir_lending_reserve(&uring->lending.buffers))
        error = -ENOMEM;
    if (error)
        return error;
    mine->request = (struct uring_request){
        .opcode = IORING_OP_RECV,
        .target = uring_target_of(handle),
        .priority = IORING_RECV_MULTISHOT,
        .kind = URING_LENT,
    };
    if (WEIR_UNLIKELY(uring->lending.is_one_shot))
        make_one_shot(uring, &mine->request, 0);
    return weir_uring_submit_slowly(uring, operation, &mine->request);
}

void weir_uring_give_back(weir_backend *backend, weir_lent *lent)
{
    struct uring_lending *self = &uring_of(backend)->lending;

    if (uring_published(self) < self->target)
        publish(self, lent);
    else
        weir_lending_put(&self->buffers, lent);
}
