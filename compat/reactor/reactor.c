/* SPDX-License-Identifier: MIT */
/*
 * Parking, attempting, completing.
 *
 * completed is library code that may start, cancel, attach and detach: whatever was looked up
 * before it is looked up again after it, and an operation is touched afterwards only if it is a
 * multishot that still owes its last completion.
 */
#include "reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a multishot delivers before others get their turn. */
enum { BATCH_MAX = 64 };

enum { SLOTS_MIN = 64 };

_Static_assert(sizeof(struct weir_reactor_record) <= sizeof(((weir_operation *)0)->scratch),
               "the reactor's words fit an operation");
_Static_assert(sizeof(struct weir_reactor_belief) <= sizeof(((weir_handle *)0)->scratch),
               "the reactor's words fit a handle");

/* Life. */

void weir_reactor_init(weir_reactor *reactor, const weir_backend_options *options)
{
    memset(reactor, 0, sizeof *reactor);
    reactor->statistics = options->statistics;
    weir_lending_init(&reactor->lending.buffers, options->lent_buffer_bytes,
                      options->lent_bytes_max);
}

void weir_reactor_fini(weir_reactor *reactor)
{
    WEIR_ASSERT(reactor->in_flight == 0, "nothing is in flight when a loop ends");
    weir_lending_fini(&reactor->lending.buffers);
    free(reactor->slots);
}

/* Handles. */

/* The table is at most twice as long as descriptors can be many, because the system gives out the
 * lowest that is free. */
static int grow(weir_reactor *reactor, size_t descriptor)
{
    size_t room = reactor->slot_room > 0 ? reactor->slot_room : SLOTS_MIN;
    struct weir_reactor_slot *slots;

    while (room <= descriptor)
        room *= 2;
    slots = realloc(reactor->slots, room * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    reactor->slots = slots;
    reactor->slot_room = room;
    return 0;
}

/* Slots up to that of a descriptor. Those above are not touched, and so not resident. */
static int make_slots(weir_reactor *reactor, size_t descriptor)
{
    size_t count = reactor->slot_count;

    if (descriptor >= reactor->slot_room) {
        int error = grow(reactor, descriptor);

        if (error)
            return error;
    }
    memset(reactor->slots + count, 0, (descriptor + 1 - count) * sizeof *reactor->slots);
    reactor->slot_count = descriptor + 1;
    return 0;
}

static weir_handle *find(const weir_reactor *reactor, uint32_t descriptor, uint32_t generation)
{
    const struct weir_reactor_slot *slot;

    if (descriptor >= reactor->slot_count)
        return NULL;
    slot = &reactor->slots[descriptor];
    return slot->generation == generation ? slot->handle : NULL;
}

int weir_reactor_attach(weir_reactor *reactor, weir_handle *handle, uint32_t *ret_generation)
{
    size_t descriptor = (size_t)handle->native;
    struct weir_reactor_slot *slot;

    WEIR_ASSERT(handle->native >= 0, "a handle that is attached has a descriptor");
    if (descriptor >= reactor->slot_count) {
        int error = make_slots(reactor, descriptor);

        if (error)
            return error;
    }
    slot = &reactor->slots[descriptor];
    WEIR_ASSERT(!slot->handle, "a descriptor is attached once, and closed through its object");
    slot->handle = handle;
    slot->generation++;
    *weir_reactor_belief_of(handle) = (struct weir_reactor_belief){.ready = WEIR_REACTOR_WRITABLE};
    *ret_generation = slot->generation;
    return 0;
}

void weir_reactor_detach(weir_reactor *reactor, weir_handle *handle)
{
    const struct weir_reactor_belief *belief = weir_reactor_belief_of(handle);
    struct weir_reactor_slot *slot = &reactor->slots[handle->native];

    WEIR_ASSERT(slot->handle == handle, "a handle is detached once");
    if (belief->operations[WEIR_READING])
        weir_reactor_cancel(reactor, belief->operations[WEIR_READING]);
    if (belief->operations[WEIR_WRITING])
        weir_reactor_cancel(reactor, belief->operations[WEIR_WRITING]);
    slot->handle = NULL;
}

/* Operations. */

int weir_reactor_start_multishot(weir_reactor *reactor, weir_operation *operation,
                                 weir_handle *handle, enum weir_direction direction,
                                 const weir_reactor_request *request)
{
    const struct weir_reactor_belief *belief = weir_reactor_belief_of(handle);

    weir_reactor_park(reactor, operation, handle, direction, request);
    weir_reactor_record_of(operation)->is_multishot = true;
    if (weir_reactor_is_believed_ready(belief, direction)) {
        weir_reactor_record_of(operation)->state = WEIR_REACTOR_QUEUED;
        weir_reactor_line_up(&reactor->queue, operation);
    }
    return WEIR_IN_FLIGHT;
}

void weir_reactor_cancel(weir_reactor *reactor, weir_operation *operation)
{
    struct weir_reactor_record *mine = weir_reactor_record_of(operation);

    switch ((enum weir_reactor_state)mine->state) {
    case WEIR_REACTOR_PARKED:
    case WEIR_REACTOR_DELIVERING:
        weir_reactor_line_up(&reactor->queue, operation);
        break;
    case WEIR_REACTOR_STARVED:
    case WEIR_REACTOR_HELD_BACK:
        reactor->lending.settled++;
        break;
    case WEIR_REACTOR_QUEUED: /* Its turn comes without anybody else's doing. */
        break;
    case WEIR_REACTOR_SETTLED:
        return;
    case WEIR_REACTOR_DONE:
    default:
        WEIR_UNREACHABLE("what is cancelled is in flight");
    }
    weir_reactor_belief_of(mine->handle)->operations[mine->direction] = NULL;
    mine->state = WEIR_REACTOR_SETTLED;
    mine->result = -ECANCELED;
}

/* Completing. */

/* The record is its owner's again. */
void weir_reactor_complete(weir_reactor *reactor, weir_operation *operation, int result)
{
    weir_reactor_record_of(operation)->state = WEIR_REACTOR_DONE;
    reactor->in_flight--;
    reactor->completions++;
    operation->ops->completed(operation, result, 0);
}

void weir_reactor_finish(weir_reactor *reactor, weir_operation *operation, int result)
{
    const struct weir_reactor_record *mine = weir_reactor_record_of(operation);

    weir_reactor_belief_of(mine->handle)->operations[mine->direction] = NULL;
    weir_reactor_complete(reactor, operation, result);
}

/* Attempt until it would block, fails, is cancelled from completed, or has had its turn. */
WEIR_NOINLINE static void deliver_multishot(weir_reactor *reactor, weir_operation *operation)
{
    struct weir_reactor_record *mine = weir_reactor_record_of(operation);
    int left;

    mine->state = WEIR_REACTOR_DELIVERING;
    for (left = BATCH_MAX; left > 0; left--) {
        int result = weir_reactor_attempt(mine->handle, mine->direction, &mine->request);

        if (result == WEIR_IN_FLIGHT) {
            mine->state = WEIR_REACTOR_PARKED;
            return;
        }
        if (result < 0) {
            weir_reactor_finish(reactor, operation, result);
            return;
        }
        reactor->completions++;
        operation->ops->completed(operation, result, WEIR_OPERATION_MORE);
        if (mine->state != WEIR_REACTOR_DELIVERING)
            return;
    }
    mine->state = WEIR_REACTOR_QUEUED;
    weir_reactor_line_up(&reactor->queue, operation);
}

static void deliver_more(weir_reactor *reactor, weir_operation *operation)
{
    if (weir_reactor_record_of(operation)->is_lent)
        weir_reactor_deliver_lent(reactor, operation);
    else
        deliver_multishot(reactor, operation);
}

/* Attempt what is parked for this direction, if it is believed ready. */
static inline void resume(weir_reactor *reactor, weir_handle *handle, enum weir_direction direction)
{
    const struct weir_reactor_belief *belief = weir_reactor_belief_of(handle);
    weir_operation *operation = belief->operations[direction];
    int result;

    if (!operation || weir_reactor_record_of(operation)->state != WEIR_REACTOR_PARKED ||
        !weir_reactor_is_believed_ready(belief, direction))
        return;
    if (WEIR_UNLIKELY(weir_reactor_record_of(operation)->is_multishot)) {
        deliver_more(reactor, operation);
        return;
    }
    result = weir_reactor_attempt(handle, direction, &weir_reactor_record_of(operation)->request);
    if (result != WEIR_IN_FLIGHT)
        weir_reactor_finish(reactor, operation, result);
}

/* Attempt what is parked for writing. Returns whether the handle is still there: what that
 * completed may have closed it, and its memory may be gone. */
WEIR_NOINLINE static bool resume_writing(weir_reactor *reactor, weir_handle *handle,
                                         uint32_t descriptor, uint32_t generation)
{
    resume(reactor, handle, WEIR_WRITING);
    return find(reactor, descriptor, generation) != NULL;
}

void weir_reactor_event(weir_reactor *reactor, uint32_t descriptor, uint32_t generation,
                        unsigned ready)
{
    weir_handle *handle = find(reactor, descriptor, generation);

    if (!handle)
        return;
    weir_reactor_belief_of(handle)->ready |= ready;
    if (WEIR_UNLIKELY(weir_reactor_belief_of(handle)->operations[WEIR_WRITING] != NULL) &&
        !resume_writing(reactor, handle, descriptor, generation))
        return;
    resume(reactor, handle, WEIR_READING);
}

void weir_reactor_deliver(weir_reactor *reactor)
{
    weir_operation *operation;

    weir_reactor_feed(reactor);
    operation = reactor->queue.first;
    /* What comes onto the queue from now on waits for the next call. */
    reactor->queue.first = NULL;
    while (operation) {
        const struct weir_reactor_record *mine = weir_reactor_record_of(operation);
        weir_operation *next = mine->next;

        if (mine->state == WEIR_REACTOR_QUEUED)
            deliver_more(reactor, operation);
        else
            weir_reactor_complete(reactor, operation, mine->result);
        operation = next;
    }
}
