/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_GRINDER_H
#define WEIR_TEST_GRINDER_H

/*
 * The grinder: every way to cut bytes into a sequence of buffers.
 *
 *      weir_grinder_init(&grinder, data, size, 3, 1);
 *      while (weir_grinder_next(&grinder)) {
 *          ... weir_read_v(task, in, grinder.buffers, grinder.count) ...
 *      }
 *
 * It begins with one buffer, then goes through two, and so on. Buffers may be empty, in front, in
 * between and at the end. Of n bytes and up to three buffers these are
 * 1 + (n + 1) + (n + 1)(n + 2) / 2 sequences: choose n small, or the step large.
 *
 * Source: core/test/grinder.c. Tests: tests/stage_one/test_kit_grinder.c.
 */

#include <weir/buffer.h>

WEIR_C_BEGIN

/** The longest sequence. */
enum { WEIR_GRINDER_MAX = 8 };

/** Caller's memory. The sequences and their count may be read; the rest is private. */
typedef struct weir_grinder {
    weir_buffer buffers[WEIR_GRINDER_MAX];             /* Of memory that was given to be written. */
    weir_const_buffer const_buffers[WEIR_GRINDER_MAX]; /* The same, to be read. */
    size_t count;                                      /* Of buffers; 0: none was made yet. */
    weir_const_buffer bytes;
    char *writable; /* bytes.data, or NULL. */
    size_t count_max;
    size_t step;
    size_t cuts[WEIR_GRINDER_MAX]; /* [i]: the end of buffer i, in bytes. */
} weir_grinder;

/**
 * Grind memory that is to be written; it can be read, too.
 *
 * @count_max  the longest sequence: 1..WEIR_GRINDER_MAX buffers
 * @step       bytes between places where it is cut; 1: everywhere
 */
WEIR_PUBLIC void weir_grinder_init(weir_grinder *grinder, void *data, size_t size, size_t count_max,
                                   size_t step);

/** Grind memory that is to be read: only const_buffers are made. */
WEIR_PUBLIC void weir_grinder_init_const(weir_grinder *grinder, const void *data, size_t size,
                                         size_t count_max, size_t step);

/** Make the next sequence, over the same bytes. Returns false when there is none. */
WEIR_PUBLIC bool weir_grinder_next(weir_grinder *grinder);

WEIR_C_END

#endif
