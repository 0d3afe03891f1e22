/* SPDX-License-Identifier: MIT */
/*
 * Receives into lent buffers.
 *
 * A buffer is taken for an attempt and put back unless bytes came, so the top of the stack is what
 * the last attempt has touched. Receives that find none stand in a line of their own, and go first
 * when some have been given back: each lends as many as in any turn, or is again the last in line.
 * Those beyond what a wait may lend stand in another, and go before the events of the next wait.
 */
#include "reactor.h"

#include <errno.h>

enum {
    LENT_MAX = 16,      /* What a wait lends: 256 KiB of the default size stay in a cache. */
    LENT_BATCH_MAX = 4, /* What one receive lends before others get their turn. */
};

int weir_reactor_start_lent(weir_reactor *reactor, weir_operation *operation, weir_handle *handle,
                            weir_reactor_attempt_fn *attempt)
{
    weir_reactor_request request = {
        .attempt = attempt,
        .size = reactor->lending.buffers.buffer_bytes,
    };

    if (!weir_lending_reserve(&reactor->lending.buffers))
        return -ENOMEM;
    (void)weir_reactor_start_multishot(reactor, operation, handle, WEIR_READING, &request);
    weir_reactor_record_of(operation)->is_lent = true;
    return WEIR_IN_FLIGHT;
}

/* Lines. */

static void starve(weir_reactor *reactor, weir_operation *operation)
{
    weir_reactor_record_of(operation)->state = WEIR_REACTOR_STARVED;
    weir_reactor_line_up(&reactor->lending.starved, operation);
    reactor->statistics->lent_starved++;
}

static void hold_back(weir_reactor *reactor, weir_operation *operation)
{
    weir_reactor_record_of(operation)->state = WEIR_REACTOR_HELD_BACK;
    weir_reactor_line_up(&reactor->lending.held_back, operation);
}

/* Those that were cancelled go from a line to the queue. */
static void sort_out_settled(weir_reactor *reactor, struct weir_reactor_line *line)
{
    weir_operation *operation = line->first;

    line->first = NULL;
    while (operation) {
        const struct weir_reactor_record *mine = weir_reactor_record_of(operation);
        weir_operation *next = mine->next;

        weir_reactor_line_up(mine->state == WEIR_REACTOR_SETTLED ? &reactor->queue : line,
                             operation);
        operation = next;
    }
}

/* Its turn has come. It may have been cancelled since the line was looked through. */
static void let_go(weir_reactor *reactor, weir_operation *operation)
{
    const struct weir_reactor_record *mine = weir_reactor_record_of(operation);

    if (mine->state == WEIR_REACTOR_SETTLED) {
        reactor->lending.settled--;
        weir_reactor_complete(reactor, operation, mine->result);
    } else {
        weir_reactor_deliver_lent(reactor, operation);
    }
}

/* Who is held back again has had his turn. */
static void let_all_go(weir_reactor *reactor)
{
    struct weir_reactor_line *line = &reactor->lending.held_back;
    const weir_operation *last = line->last;
    bool is_last = !line->first;

    while (!is_last && reactor->lending.left > 0) {
        weir_operation *operation = weir_reactor_line_take(line);

        is_last = operation == last;
        let_go(reactor, operation);
    }
}

/* The starved first: one that finds a buffer lends it, or leaves the line. */
void weir_reactor_feed(weir_reactor *reactor)
{
    struct weir_reactor_lending *self = &reactor->lending;

    self->left = LENT_MAX;
    if (WEIR_UNLIKELY(self->settled > 0)) {
        sort_out_settled(reactor, &self->starved);
        sort_out_settled(reactor, &self->held_back);
        self->settled = 0;
    }
    while (self->starved.first && self->buffers.free && self->left > 0)
        let_go(reactor, weir_reactor_line_take(&self->starved));
    let_all_go(reactor);
}

/* Delivering. */

/* Attempt with this buffer, and put it back unless bytes came. */
static int attempt_with(weir_reactor *reactor, struct weir_reactor_record *mine, weir_lent *lent)
{
    int result;

    mine->request.data = lent->data;
    result = weir_reactor_attempt(mine->handle, WEIR_READING, &mine->request);
    if (result <= 0)
        weir_lending_put(&reactor->lending.buffers, lent);
    return result;
}

static void lend(weir_reactor *reactor, weir_operation *operation, const weir_lent *lent,
                 int result)
{
    reactor->lending.left--;
    reactor->completions++;
    operation->ops->completed(operation, result,
                              WEIR_OPERATION_MORE | WEIR_OPERATION_LENT |
                                  lent->index << WEIR_OPERATION_LENT_SHIFT);
}

/* Lend once. Returns whether to go on. */
static inline bool deliver_one(weir_reactor *reactor, weir_operation *operation)
{
    struct weir_reactor_record *mine = weir_reactor_record_of(operation);
    weir_lent *lent = weir_lending_take(&reactor->lending.buffers);
    int result;

    if (WEIR_UNLIKELY(!lent)) {
        starve(reactor, operation);
        return false;
    }
    result = attempt_with(reactor, mine, lent);
    if (result == WEIR_IN_FLIGHT) {
        mine->state = WEIR_REACTOR_PARKED;
        return false;
    }
    if (result <= 0) {
        weir_reactor_finish(reactor, operation, result);
        return false;
    }
    lend(reactor, operation, lent, result);
    if (mine->state != WEIR_REACTOR_DELIVERING)
        return false;
    if (weir_reactor_is_believed_ready(weir_reactor_belief_of(mine->handle), WEIR_READING))
        return true;
    mine->state = WEIR_REACTOR_PARKED;
    return false;
}

void weir_reactor_deliver_lent(weir_reactor *reactor, weir_operation *operation)
{
    int left = LENT_BATCH_MAX;

    weir_reactor_record_of(operation)->state = WEIR_REACTOR_DELIVERING;
    for (; left > 0 && reactor->lending.left > 0; left--) {
        if (!deliver_one(reactor, operation))
            return;
    }
    hold_back(reactor, operation);
}
