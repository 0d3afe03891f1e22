/* SPDX-License-Identifier: MIT */
#ifndef BUFFER_SUBJECT_H
#define BUFFER_SUBJECT_H

/*
 * A dynamic buffer of any kind, on a memory that counts and fails as it is told.
 */

#include <weir/dynamic_buffer.h>

#include <stdbool.h>
#include <stdint.h>

enum {
    LIMIT = 4096, /* The greatest limit that is tried. */
    SEGMENT = 7,  /* Bytes that fit a segment. */
    PIECES = LIMIT / SEGMENT + 2,
};

/** A memory that counts, and that fails as it is told. */
struct ration {
    weir_memory memory;
    size_t asked_count;
    size_t fail_at;    /* That allocation fails, counted from 1. 0: none. */
    uint64_t mood;     /* Not 0: every third fails, by chance. */
    size_t live_count; /* Blocks given and not yet back, */
    size_t live_bytes; /* and their sizes, as it was told. */
    bool is_dry;       /* All fail. */
};

enum kind { FLAT_FIXED, CIRCULAR_FIXED, FLAT_GROWING, CIRCULAR_GROWING, SEGMENTED, KINDS };

/** A dynamic buffer of any kind, and what it stands on. */
struct subject {
    enum kind kind;
    weir_dynamic_buffer *dynamic;
    struct ration ration;
    void *storage; /* Of the fixed ones. From the heap, so that AddressSanitizer sees its ends. */
    union {
        weir_flat_buffer flat;
        weir_circular_buffer circular;
        weir_segmented_buffer segmented;
    } as;
};

/** xorshift, from a fixed seed: a failure can be had again. */
static inline size_t random_below(uint64_t *state, size_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)(*state % limit);
}

void subject_init(struct subject *self, enum kind kind, size_t size_max);

/** Also checks that no block is left. */
void subject_fini(struct subject *self);

/** How many buffers it takes at most to describe so many bytes. */
size_t pieces_of(enum kind kind, size_t size);

/** The place of a byte of the data. */
const char *place_of(const weir_dynamic_buffer *buffer, size_t offset);

#endif
