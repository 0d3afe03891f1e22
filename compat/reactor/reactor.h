/* SPDX-License-Identifier: MIT */
#ifndef WEIR_REACTOR_H
#define WEIR_REACTOR_H

/*
 * Readiness turned into completion, for kernels that say when a descriptor is ready and leave the
 * transfer to the caller. It knows no such kernel: a backend tells it what became ready, and gives
 * each operation the system call to attempt.
 *
 *      start --attempt--> (the result, returned at once)
 *        |  `------------------------> PARKED --event, attempt--> completed
 *        `-- multishot, ready --> QUEUED  |  ^                        ^
 *                                   |     |  `-- would block          |
 *                                   |  cancel, detach                 |
 *                                   |     `-------> SETTLED --deliver-'
 *                                   `--deliver--> DELIVERING (multishot: one completion each)
 *                                                   |  ^
 *                     lending, all buffers taken    v  |  deliver, when one has been given back
 *                     or enough for one wait    STARVED, HELD_BACK    or with the next wait
 *
 * For each direction of a handle it believes that an attempt would succeed or not. The belief is
 * raised by edge-triggered events and dropped by an attempt that would have blocked, or that
 * transferred less than asked: then the descriptor is exhausted, and the next edge is sure to come.
 * So a direction that is not believed ready costs no system call to find out. Where a short
 * transfer proves nothing (the stream has ended or failed behind what was read, urgent data cut the
 * read short), the belief is lasting: only an attempt that would have blocked drops it.
 *
 * Events name a descriptor and the generation it was attached with; what comes late, for a
 * descriptor that was closed and whose number is used again, finds another generation.
 *
 * A receive into lent memory takes a buffer for each attempt and puts it back when nothing came of
 * it, so that what waits holds none, and what comes one after the other is received into the same,
 * hot buffer. How many one wait delivers is bounded: the buffers in use stay few, as long as they
 * are consumed in between. Receives beyond that are held back until the next wait, in a line that
 * is not looked through before. When all buffers are with their holders, receives wait in another
 * line.
 *
 * One thread: the loop's. Source: reactor.c, lend.c. Tests: tests/backend/test_epoll.c,
 * test_epoll_lend.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"

/**
 * Make a system call that does not block. Returns its result, a negative errno, or WEIR_IN_FLIGHT
 * when it would have blocked.
 *
 * @data  the request's; size too
 */
typedef int weir_reactor_attempt_fn(int descriptor, void *data, size_t size);

/** What an operation does. */
typedef struct weir_reactor_request {
    weir_reactor_attempt_fn *attempt;
    void *data;
    size_t size; /* Bytes asked for: less means exhausted. 0: it does not transfer bytes. */
} weir_reactor_request;

/** What an event says, bits. */
enum {
    WEIR_REACTOR_READABLE = 1 << WEIR_READING,
    WEIR_REACTOR_WRITABLE = 1 << WEIR_WRITING,
    WEIR_REACTOR_READABLE_LASTING = 4 << WEIR_READING,
    WEIR_REACTOR_WRITABLE_LASTING = 4 << WEIR_WRITING,
};

/** Who is attached as a descriptor. */
struct weir_reactor_slot {
    weir_handle *handle; /* NULL: nobody. */
    uint32_t generation; /* Changes with every attach. */
};

/** Operations, oldest first, by their records' next. */
struct weir_reactor_line {
    weir_operation *first; /* NULL: nobody is in line. */
    weir_operation *last;  /* Meaningful when first is not NULL. */
};

/** What receives take their buffers from. Who is cancelled stays in line until the next deliver,
 * which looks through the lines once for all of them: to leave one takes a walk. */
struct weir_reactor_lending {
    weir_lending buffers;
    struct weir_reactor_line starved;   /* STARVED, */
    struct weir_reactor_line held_back; /* HELD_BACK, and in both lines what was and is SETTLED: */
    size_t settled;                     /* so many. */
    unsigned left; /* What this deliver, and the events behind it, may still lend. */
};

typedef struct weir_reactor {
    struct weir_reactor_slot *slots; /* By descriptor. */
    size_t slot_count;               /* Up to the highest descriptor so far. */
    size_t slot_room;                /* How many the table has room for. */
    struct weir_reactor_line queue;  /* QUEUED and SETTLED. */
    struct weir_reactor_lending lending;
    weir_loop_statistics *statistics;
    size_t in_flight;     /* Operations that owe a last completion. */
    uint64_t completions; /* Calls of completed. */
} weir_reactor;

/* Where an operation is. See the diagram above. */
enum weir_reactor_state {
    WEIR_REACTOR_DONE,       /* Not in flight. */
    WEIR_REACTOR_PARKED,     /* Waits for an event. */
    WEIR_REACTOR_QUEUED,     /* A multishot that waits for its turn to attempt. */
    WEIR_REACTOR_DELIVERING, /* A multishot that is calling completed. */
    WEIR_REACTOR_STARVED,    /* Waits for a buffer. */
    WEIR_REACTOR_HELD_BACK,  /* Waits for the next deliver, which may lend again. */
    WEIR_REACTOR_SETTLED,    /* Queued with a result; its handle is not touched any more. */
};

/** The reactor's words of an operation, meaningful while it is in flight. */
struct weir_reactor_record {
    weir_reactor_request request;
    weir_handle *handle;
    weir_operation *next; /* In its line. */
    int32_t result;       /* SETTLED: what to complete with. */
    uint8_t state;        /* enum weir_reactor_state. */
    uint8_t direction;    /* enum weir_direction. */
    bool is_multishot;
    bool is_lent; /* A multishot whose attempts fill lent buffers. */
};

/** The reactor's words of a handle. */
struct weir_reactor_belief {
    weir_operation *operations[2]; /* In flight and not SETTLED, by direction. */
    unsigned ready;                /* WEIR_REACTOR_ bits. */
};

static inline struct weir_reactor_record *weir_reactor_record_of(weir_operation *operation)
{
    return (struct weir_reactor_record *)(void *)operation->scratch;
}

static inline struct weir_reactor_belief *weir_reactor_belief_of(weir_handle *handle)
{
    return (struct weir_reactor_belief *)(void *)handle->scratch;
}

/* Life. */

void weir_reactor_init(weir_reactor *reactor, const weir_backend_options *options);

/** Asserts that nothing is in flight, and nothing lent. */
void weir_reactor_fini(weir_reactor *reactor);

/* Handles. */

/**
 * Take a handle over. Writing is believed possible, reading is not: a new registration reports what
 * is ready already, so the first read waits for that instead of trying in vain.
 *
 * Returns 0 or -ENOMEM.
 *
 * @ret_generation  what the events of this descriptor have to carry
 */
int weir_reactor_attach(weir_reactor *reactor, weir_handle *handle, uint32_t *ret_generation);

/** Let go of a handle. What is in flight on it completes with -ECANCELED; late
 * events are dropped. */
void weir_reactor_detach(weir_reactor *reactor, weir_handle *handle);

/* Operations. */

/* The parts of starting are inline: with the attempt known, a start is little more than the system
 * call it makes. */

static inline bool weir_reactor_is_believed_ready(const struct weir_reactor_belief *belief,
                                                  enum weir_direction direction)
{
    return belief->ready & (unsigned)WEIR_REACTOR_READABLE << direction;
}

/** Make the system call, and learn from its result. An edge that comes meanwhile is not lost: its
 * event is still to be collected, and raises the belief again. */
static inline int weir_reactor_attempt(weir_handle *handle, enum weir_direction direction,
                                       const weir_reactor_request *request)
{
    struct weir_reactor_belief *belief = weir_reactor_belief_of(handle);
    unsigned now = (unsigned)WEIR_REACTOR_READABLE << direction;
    unsigned lasting = (unsigned)WEIR_REACTOR_READABLE_LASTING << direction;
    int result = request->attempt((int)handle->native, request->data, request->size);

    if (result == WEIR_IN_FLIGHT)
        belief->ready &= ~(now | lasting);
    else if (result > 0 && (size_t)result < request->size && !(belief->ready & lasting))
        belief->ready &= ~now;
    return result;
}

/** Take an operation on: it is parked. */
static inline void weir_reactor_park(weir_reactor *reactor, weir_operation *operation,
                                     weir_handle *handle, enum weir_direction direction,
                                     const weir_reactor_request *request)
{
    struct weir_reactor_record *record = weir_reactor_record_of(operation);

    WEIR_ASSERT(!weir_reactor_belief_of(handle)->operations[direction],
                "of a handle, one reading and one writing operation are in flight");
    record->request = *request;
    record->handle = handle;
    record->direction = (uint8_t)direction;
    record->state = WEIR_REACTOR_PARKED;
    record->is_multishot = false;
    record->is_lent = false;
    weir_reactor_belief_of(handle)->operations[direction] = operation;
    reactor->in_flight++;
}

/** Attempt at once if the direction is believed ready, else, or if that would block, park. */
static inline int weir_reactor_start(weir_reactor *reactor, weir_operation *operation,
                                     weir_handle *handle, enum weir_direction direction,
                                     const weir_reactor_request *request)
{
    if (weir_reactor_is_believed_ready(weir_reactor_belief_of(handle), direction)) {
        int result = weir_reactor_attempt(handle, direction, request);

        if (result != WEIR_IN_FLIGHT)
            return result;
    }
    weir_reactor_park(reactor, operation, handle, direction, request);
    return WEIR_IN_FLIGHT;
}

/** Attempt again and again, from events and deliver only. Returns WEIR_IN_FLIGHT. */
int weir_reactor_start_multishot(weir_reactor *reactor, weir_operation *operation,
                                 weir_handle *handle, enum weir_direction direction,
                                 const weir_reactor_request *request);

/** The same into buffers that are lent. Ends at the end of the stream, too. -ENOMEM: no buffer
 * could be made.
 *
 * @attempt  receives: gets a buffer and its size */
int weir_reactor_start_lent(weir_reactor *reactor, weir_operation *operation, weir_handle *handle,
                            weir_reactor_attempt_fn *attempt);

/** End an operation in flight: -ECANCELED, at the next deliver. */
void weir_reactor_cancel(weir_reactor *reactor, weir_operation *operation);

/* Completing: these call completed. */

/** Something became ready. Attempts what is parked for it. */
void weir_reactor_event(weir_reactor *reactor, uint32_t descriptor, uint32_t generation,
                        unsigned ready);

/** Complete what is queued, but not what that queues in turn; and begin to count
 * anew what is lent. */
void weir_reactor_deliver(weir_reactor *reactor);

/** Whether deliver has something to do: then nobody should sleep. */
static inline bool weir_reactor_is_pending(const weir_reactor *reactor)
{
    return reactor->queue.first != NULL || reactor->lending.held_back.first != NULL ||
           reactor->lending.settled > 0 ||
           (reactor->lending.starved.first && reactor->lending.buffers.free);
}

/* Between reactor.c and lend.c. */

/** The last in a line. */
static inline void weir_reactor_line_up(struct weir_reactor_line *line, weir_operation *operation)
{
    weir_reactor_record_of(operation)->next = NULL;
    if (line->first)
        weir_reactor_record_of(line->last)->next = operation;
    else
        line->first = operation;
    line->last = operation;
}

/** The first of a line that is not empty leaves it. */
static inline weir_operation *weir_reactor_line_take(struct weir_reactor_line *line)
{
    weir_operation *operation = line->first;

    line->first = weir_reactor_record_of(operation)->next;
    return operation;
}

/** Call completed for the last time, for an operation that its handle names no more. */
void weir_reactor_complete(weir_reactor *reactor, weir_operation *operation, int result);

/** Call completed for the last time, for an operation that its handle still names. */
void weir_reactor_finish(weir_reactor *reactor, weir_operation *operation, int result);

/** Attempt, with a lent buffer each time, until it would block, ends, is cancelled from completed,
 * finds no buffer, or has had its turn. */
void weir_reactor_deliver_lent(weir_reactor *reactor, weir_operation *operation);

/** Lend anew: to those who wait for a buffer as long as there are some, and to those held back.
 * Those of them that were cancelled go to the queue. */
void weir_reactor_feed(weir_reactor *reactor);

#endif
