/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LENDING_H
#define WEIR_LENDING_H

/*
 * Buffers that a backend lends: it receives into them, and whoever is told of the bytes holds the
 * buffer until he gives it back.
 *
 * A stack, so that the buffer that was used last, whose lines are still in the cache, is used next.
 * It grows by blocks, when the stack is empty, up to a bound that is fixed at birth; memory that
 * was never used is not resident. Buffers do not begin a power of two apart: their first lines,
 * which are all that short messages use, would share a set of the cache.
 *
 * Each backend has one, and shows it to those it lends to: they find the buffer that a completion
 * names without a call. Loop's thread. Source: lending.c. Tests: tests/unit/test_lending.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/assert.h>

/** A buffer. While it is lent, next and size are its holder's. */
typedef struct weir_lent {
    struct weir_lent *next;
    uint8_t *data;
    uint32_t size;
    uint32_t index; /* Names it: its place among the lending's buffers. */
} weir_lent;

enum {
    WEIR_LENDING_BUFFERS_MAX = 65536, /* What a completion's flags can name. */
    WEIR_LENDING_BLOCK = 32,          /* Buffers that come together. */
};

typedef struct weir_lending {
    weir_lent *buffers; /* By index, with room for count_max; NULL until the first are made. */
    weir_lent *free;    /* The stack, by next. */
    size_t buffer_bytes;
    uint32_t count; /* Buffers that exist; a multiple of WEIR_LENDING_BLOCK. */
    uint32_t count_max;
    uint32_t taken;
} weir_lending;

/**
 * @buffer_bytes  of each; 0: the default, 16 KiB and a line
 * @bytes_max     of all; 0: the default, 64 MiB. At least one block is allowed
 */
void weir_lending_init(weir_lending *lending, size_t buffer_bytes, size_t bytes_max);

/** Asserts that all buffers are back. */
void weir_lending_fini(weir_lending *lending);

/** Make the first buffers unless they are there. False: there is no memory. From then on who finds
 * none waits for a holder. */
bool weir_lending_reserve(weir_lending *lending);

/** Make more buffers, if there may be more. False: there may not, or there is no memory. */
bool weir_lending_grow(weir_lending *lending);

/** The buffer that was put back last, or a new one; NULL: all are taken, or there is no memory. */
static inline weir_lent *weir_lending_take(weir_lending *lending)
{
    weir_lent *lent;

    if (WEIR_UNLIKELY(!lending->free) && !weir_lending_grow(lending))
        return NULL;
    lent = lending->free;
    lending->free = lent->next;
    lending->taken++;
    return lent;
}

/** Put a buffer back. */
static inline void weir_lending_put(weir_lending *lending, weir_lent *lent)
{
    lent->next = lending->free;
    lending->free = lent;
    lending->taken--;
}

/** The buffer of this index. */
static inline weir_lent *weir_lending_at(const weir_lending *lending, uint32_t index)
{
    WEIR_ASSERT(index < lending->count, "a lent buffer is one of the backend's");

    return &lending->buffers[index];
}

#endif
