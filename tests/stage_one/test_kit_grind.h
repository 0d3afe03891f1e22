/* SPDX-License-Identifier: MIT */
#ifndef TEST_KIT_GRIND_H
#define TEST_KIT_GRIND_H

/*
 * Grinding an operation: through every split of its buffers, every chunk size and pace of the
 * stream, a failure of each of its parts, and a stop at each of its steps, while it is
 * suspended as well as just before and just after.
 *
 * What has to hold of each run: the bytes that are counted are those that moved, they are the right
 * ones, and memory that no byte came to is as it was. Nothing but what was done to it makes it
 * fail.
 */

#include "test_kit_task.h"

/** What is ground. */
struct subject {
    transfer_start_fn *start; /* It uses cut if sequences are long, else what it likes. */
    bool reads;               /* Else it writes. */
    bool is_whole;            /* Without an error it moves all bytes. */
    bool ends;                /* The end of writing is part of it. */
    bool is_to_end;           /* It reads to the end of the stream. */
    size_t buffers_max;       /* The longest sequence; 1: it takes a buffer. */
};

void grind_through_fuse(const struct subject *subject);

/** The end of the stream, or of the connection, comes beside the last bytes. */
void grind_through_early_end(const struct subject *subject);

/** A stop before it begins, and then at each step. */
void grind_through_stops(const struct subject *subject);

/** A stop while each part is held, and after each part has moved its bytes. */
void grind_through_held_stops(const struct subject *subject);

#endif
