/* SPDX-License-Identifier: MIT */
/*
 * Operations: into the ring, out of it, and cancelled.
 *
 * Submission is one first-in-first-out queue: the ring, and behind it the deferred list. A cancel is
 * queued only for an operation that has not been reaped, so always before its record can be used
 * again; the cancel's own completion names nothing.
 */
#include "uring.h"

#include <errno.h>

_Static_assert((unsigned)WEIR_OPERATION_MORE == IORING_CQE_F_MORE, "flags pass unchanged");
_Static_assert(sizeof(struct uring_operation) <= sizeof(((weir_operation *)0)->scratch),
               "the engine's words fit an operation");

/* Whatever the call returns, the entries the kernel took are free after it. */
static void make_room(struct uring *uring)
{
    uring->statistics->enters++;
    (void)io_uring_submit(&uring->ring);
}

struct io_uring_sqe *weir_uring_get_entry(struct uring *uring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);

    if (entry)
        return entry;
    make_room(uring);
    return io_uring_get_sqe(&uring->ring);
}

/* Shut down, then close, linked so that the close follows whatever the shutdown says. A chain stands
 * in one submission, so both entries are taken together. */
static bool fill_close(struct uring *uring, const struct uring_request *request, uint64_t user_data)
{
    struct io_uring_sqe *entry;

    if (io_uring_sq_space_left(&uring->ring) < 2)
        make_room(uring);
    if (io_uring_sq_space_left(&uring->ring) < 2)
        return false;
    entry = io_uring_get_sqe(&uring->ring);
    io_uring_prep_shutdown(entry, request->descriptor, SHUT_RDWR);
    io_uring_sqe_set_flags(entry, IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data64(entry, URING_IGNORED);
    entry = io_uring_get_sqe(&uring->ring);
    uring_fill(entry, request, user_data);
    return true;
}

/* Put a request into the ring. Returns false when there is no room. */
static bool push(struct uring *uring, const struct uring_request *request, uint64_t user_data)
{
    struct io_uring_sqe *entry;

    if (request->shuts_down)
        return fill_close(uring, request, user_data);
    entry = weir_uring_get_entry(uring);
    if (!entry)
        return false;
    uring_fill(entry, request, user_data);
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
    uring->statistics->deferred++;
}

static void pop_deferred(struct uring *uring)
{
    uring->deferred_first = uring_operation_of(uring->deferred_first)->next;
}

/* Rare, so a walk. */
void weir_uring_remove_deferred(struct uring *uring, const weir_operation *operation)
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

int weir_uring_submit_slowly(struct uring *uring, weir_operation *operation,
                             const struct uring_request *request)
{
    struct uring_operation *mine = uring_operation_of(operation);

    if (WEIR_LIKELY(!uring->deferred_first) && push(uring, request, (uintptr_t)operation)) {
        mine->state = URING_SUBMITTED;
        return WEIR_IN_FLIGHT;
    }
    mine->request = *request;
    mine->state = URING_DEFERRED;
    defer(uring, operation);
    return WEIR_IN_FLIGHT;
}

/* Advance the oldest one that waits; note if that completed it. Returns false when there is no room
 * for it. */
static bool submit_oldest(struct uring *uring, bool *completed)
{
    weir_operation *operation = uring->deferred_first;
    struct uring_operation *mine = uring_operation_of(operation);

    switch ((enum uring_state)mine->state) {
    case URING_DEFERRED:
        if (!push(uring, &mine->request, (uintptr_t)operation))
            return false;
        mine->state = URING_SUBMITTED;
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
        operation->ops->completed(operation, -ECANCELED, 0);
        return true;
    case URING_SUBMITTED:
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

void weir_uring_cancel(weir_backend *backend, weir_operation *operation)
{
    struct uring *uring = uring_of(backend);
    struct uring_operation *mine = uring_operation_of(operation);

    if (mine->state == URING_DEFERRED) {
        mine->state = URING_DEFERRED_CANCELLED;
        return;
    }
    if (mine->state != URING_SUBMITTED)
        return;
    if (!uring->deferred_first && push_cancel(uring, operation)) {
        mine->state = URING_CANCELLING;
        return;
    }
    mine->state = URING_CANCEL_DEFERRED;
    defer(uring, operation);
}
