/* SPDX-License-Identifier: MIT */
/*
 * Operations: into the ring, out of it, and cancelled.
 *
 * Submission is one first-in-first-out queue: the ring, and behind it the deferred list. A cancel
 * is queued only for an operation that has not been reaped, so always before its record can be used
 * again; the cancel's own completion names nothing.
 */
#include "uring.h"

#include <errno.h>

_Static_assert((unsigned)WEIR_OPERATION_MORE == IORING_CQE_F_MORE &&
                   (unsigned)WEIR_OPERATION_LENT == IORING_CQE_F_BUFFER &&
                   (unsigned)WEIR_OPERATION_LENT_SHIFT == IORING_CQE_BUFFER_SHIFT,
               "flags pass unchanged");
_Static_assert(sizeof(struct uring_operation) <= sizeof(((weir_operation *)0)->scratch),
               "the engine's words fit an operation");

void weir_uring_submit_now(struct uring *uring)
{
    uring->statistics->enters++;
    (void)io_uring_submit(&uring->ring);
}

struct io_uring_sqe *weir_uring_get_entry(struct uring *uring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);

    if (entry)
        return entry;
    weir_uring_submit_now(uring);
    return io_uring_get_sqe(&uring->ring);
}

static void fill(struct io_uring_sqe *entry, const struct uring_request *request,
                 uint64_t user_data)
{
    uring_fill(entry, request, user_data);
    switch ((enum uring_request_kind)request->kind) {
    case URING_PLAIN:
    case URING_SHUT_DOWN_FIRST:
        break;
    case URING_LENT:
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = URING_LENT_GROUP;
        break;
    case URING_ACCEPT_DIRECT:
    case URING_CLOSE_DIRECT:
    case URING_SHUT_DOWN_DIRECT_FIRST:
        weir_uring_direct_fill(entry, request);
        break;
    }
}

/* Shut down, then close, linked so that the close follows whatever the shutdown says. A chain
 * stands in one submission, so both entries are taken together. */
static bool fill_close(struct uring *uring, const struct uring_request *request, uint64_t user_data)
{
    struct uring_request shutdown = {
        .opcode = IORING_OP_SHUTDOWN,
        .target = request->target,
        .length = SHUT_RDWR,
    };
    struct io_uring_sqe *entry;

    if (io_uring_sq_space_left(&uring->ring) < 2)
        weir_uring_submit_now(uring);
    if (io_uring_sq_space_left(&uring->ring) < 2)
        return false;
    entry = io_uring_get_sqe(&uring->ring);
    uring_fill(entry, &shutdown, URING_IGNORED);
    entry->flags |= IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS;
    entry = io_uring_get_sqe(&uring->ring);
    fill(entry, request, user_data);
    return true;
}

/* A thread of the kernel that is to shut a socket down looks for it in the table when it gets to
 * it: were the place free by then, it could find another's. */
static bool must_wait(const struct uring *uring, const struct uring_request *request)
{
    return request->kind >= URING_CLOSE_DIRECT && uring->direct.shutdown_count > 0;
}

/* Put a request into the ring. Returns false when there is no room, or it must wait. */
static bool push(struct uring *uring, const struct uring_request *request, uint64_t user_data)
{
    struct io_uring_sqe *entry;

    if (WEIR_UNLIKELY(must_wait(uring, request)))
        return false;
    if (request->kind == URING_SHUT_DOWN_FIRST || request->kind == URING_SHUT_DOWN_DIRECT_FIRST)
        return fill_close(uring, request, user_data);
    entry = weir_uring_get_entry(uring);
    if (!entry)
        return false;
    fill(entry, request, user_data);
    return true;
}

static bool push_cancel(struct uring *uring, weir_operation *operation)
{
    struct io_uring_sqe *entry = weir_uring_get_entry(uring);

    if (!entry)
        return false;
    io_uring_prep_cancel64(entry, (uintptr_t)operation, 0);
    io_uring_sqe_set_data64(entry, URING_IGNORED);
    return true;
}

/* The deferred list. */

static void defer(struct uring *uring, weir_operation *operation)
{
    uring_operation_of(operation)->next = NULL;
    if (uring->deferred_first)
        uring_operation_of(uring->deferred_last)->next = operation;
    else
        uring->deferred_first = operation;
    uring->deferred_last = operation;
    uring->queue.limit = *uring->queue.tail; /* What is started from here on goes behind it. */
    uring->statistics->deferred++;
}

/* How far others may go without a look at the list and at the kernel's head: nothing waits. */
static void find_limit(struct uring *uring)
{
    const struct io_uring_sq *queue = &uring->ring.sq;

    uring->queue.limit = *queue->khead + queue->ring_entries;
}

static void pop_deferred(struct uring *uring)
{
    uring->deferred_first = uring_operation_of(uring->deferred_first)->next;
}

/* Its cancel waited for room, and it has completed. Rare, so a walk. */
static void remove_deferred(struct uring *uring, const weir_operation *operation)
{
    weir_operation **link = &uring->deferred_first;
    weir_operation *previous = NULL;

    while (*link != operation) {
        previous = *link;
        link = &uring_operation_of(previous)->next;
    }
    *link = uring_operation_of(*link)->next;
    if (uring->deferred_last == operation)
        uring->deferred_last = previous;
}

static bool is_direct(const struct uring_operation *mine)
{
    return mine->kind >= URING_ACCEPT_DIRECT;
}

static void complete_lent(struct uring *uring, weir_operation *operation, int result,
                          uint32_t flags)
{
    if (flags & IORING_CQE_F_BUFFER)
        uring->lending.named++;
    if (WEIR_UNLIKELY(result <= 0 && (flags & IORING_CQE_F_BUFFER))) { /* It is not lent. */
        weir_uring_give_back(&uring->base, weir_backend_lent(&uring->base, flags));
        flags &= IORING_CQE_F_MORE;
    }
    if ((flags & IORING_CQE_F_MORE) || !weir_uring_lending_goes_on(uring, operation, &result))
        operation->ops->completed(operation, result, flags & URING_LENT_FLAGS);
}

void weir_uring_complete_otherwise(struct uring *uring, weir_operation *operation, int result,
                                   uint32_t flags)
{
    const struct uring_operation *mine = uring_operation_of(operation);
    unsigned more = flags & IORING_CQE_F_MORE;

    if (mine->state == URING_CANCEL_DEFERRED && !more)
        remove_deferred(uring, operation);
    if (mine->kind == URING_LENT) {
        complete_lent(uring, operation, result, flags);
        return;
    }
    if (is_direct(mine))
        result = weir_uring_direct_completed(uring, operation, result, more);
    operation->ops->completed(operation, result, more);
}

/* In the ring or in the kernel. */
static uint8_t submitted(const struct uring_operation *mine)
{
    if (mine->kind == URING_LENT)
        return URING_LENDING;
    return is_direct(mine) ? URING_DIRECT : URING_SUBMITTED;
}

int weir_uring_submit_slowly(struct uring *uring, weir_operation *operation,
                             const struct uring_request *request)
{
    struct uring_operation *mine = uring_operation_of(operation);

    mine->kind = request->kind;
    if (WEIR_LIKELY(!uring->deferred_first) && push(uring, request, (uintptr_t)operation)) {
        mine->state = submitted(mine);
        find_limit(uring);
        return WEIR_IN_FLIGHT;
    }
    mine->request = *request;
    mine->state = URING_DEFERRED;
    defer(uring, operation);
    return WEIR_IN_FLIGHT;
}

/* Advance the oldest one that waits; note if that completed it. Returns false when it must wait
 * on. */
static bool submit_oldest(struct uring *uring, bool *completed)
{
    weir_operation *operation = uring->deferred_first;
    struct uring_operation *mine = uring_operation_of(operation);

    switch ((enum uring_state)mine->state) {
    case URING_DEFERRED:
        if (!push(uring, &mine->request, (uintptr_t)operation))
            return false;
        mine->state = submitted(mine);
        pop_deferred(uring);
        return true;
    case URING_CANCEL_DEFERRED:
        if (!push_cancel(uring, operation))
            return false;
        mine->state = URING_CANCELLING;
        pop_deferred(uring);
        return true;
    case URING_DEFERRED_CANCELLED:
        pop_deferred(uring);
        mine->state = URING_SUBMITTED;
        *completed = true;
        if (is_direct(mine))
            (void)weir_uring_direct_completed(uring, operation, -ECANCELED, 0);
        operation->ops->completed(operation, -ECANCELED, 0);
        return true;
    case URING_SUBMITTED:
    case URING_LENDING:
    case URING_DIRECT:
    case URING_STARVED:
    case URING_STARVED_CANCELLED:
    case URING_CANCELLING:
        break;
    }
    WEIR_UNREACHABLE("what is submitted does not wait for room");
}

bool weir_uring_submit_deferred(struct uring *uring)
{
    bool completed = false;

    while (uring->deferred_first && submit_oldest(uring, &completed)) {
    }
    return completed;
}

static bool is_in_kernel(const struct uring_operation *mine)
{
    return mine->state == submitted(mine);
}

void weir_uring_cancel(weir_backend *backend, weir_operation *operation)
{
    struct uring *uring = uring_of(backend);
    struct uring_operation *mine = uring_operation_of(operation);

    if (mine->state == URING_DEFERRED) {
        mine->state = URING_DEFERRED_CANCELLED;
        return;
    }
    if (mine->state == URING_STARVED) {
        weir_uring_lending_cancel(uring, operation);
        return;
    }
    if (!is_in_kernel(mine))
        return;
    if (!uring->deferred_first && push_cancel(uring, operation)) {
        mine->state = URING_CANCELLING;
        return;
    }
    mine->state = URING_CANCEL_DEFERRED;
    defer(uring, operation);
}
