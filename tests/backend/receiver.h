/* SPDX-License-Identifier: MIT */
#ifndef TEST_RECEIVER_H
#define TEST_RECEIVER_H

/*
 * A receive into lent buffers, driven through the seam: what it was told of it holds until the test
 * has it give that back, and then checks that the bytes are those of a pattern.
 */

#include "seam.h"

enum {
    RECEIVER_BYTES = 64,                /* Of a buffer. */
    RECEIVER_POOL = WEIR_LENDING_BLOCK, /* The fewest buffers that a ring may lend. */
};

/** One, and what it holds. */
struct receiver {
    struct seam_operation base;
    weir_lent *held; /* Oldest first, by next. */
    int held_count;
    size_t position; /* Of the pattern: so much has been given back. */
    bool again;      /* Starts again when a completion with bytes was the last. */
    int restarts;
};

/** Begin to receive. It must not fail. */
void receiver_start(struct receiver *self);

/** On a connection of its own. Nothing is received yet. */
void receiver_open(struct receiver *self, struct uring *uring);

/** Have so much of the pattern sent, in one piece. */
void receiver_feed(const struct receiver *self, size_t size, size_t from);

/** Check the oldest buffer, and give it back. */
void receiver_give_back(struct receiver *self);

/** All that it holds. */
void receiver_give_all_back(struct receiver *self);

/** Wait, as a loop does, until it holds so many buffers. */
void receiver_await(struct receiver *self, int count);

/** Cancel what is in flight, give all back and close both ends. */
void receiver_close(struct receiver *self);

/** Have it hold all buffers, and receive no more. */
void receiver_take_all(struct receiver *self);

/** Have it wait for a buffer. */
void receiver_starve(struct receiver *self);

#endif
