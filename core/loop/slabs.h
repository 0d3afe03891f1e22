/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SLABS_H
#define WEIR_SLABS_H

/*
 * Where the frames of a loop come from: slabs, of blocks of one size each.
 *
 * A heap puts a header of its own before each block, and gives back only what lies at its end: one
 * connection that stays keeps the memory of thousands that have left. A slab is 64 KiB of pages,
 * cut into blocks of one multiple of 32 bytes; it has one header for all, and when the last block
 * is back the system gets its pages. A few that are empty are held back for the next that is
 * needed.
 *
 *      block wanted --> one that came back, else the next that was never used, of a slab with room
 *                       '-- no slab has room --> an empty one, else new pages, else NULL
 *
 * Pages that were never used are not resident. What is larger than a block comes from the heap.
 *
 * Thread: the loop's, or whoever knows that it is done. Source: slabs.c. Tests:
 * tests/unit/test_slabs.c.
 */

#include <stddef.h>

#include <weir/list.h>
#include <weir/memory.h>

enum {
    WEIR_SLAB_BYTES = 64 * 1024,
    WEIR_SLAB_UNIT = 32,        /* Bytes: the step of the sizes of blocks. */
    WEIR_SLAB_BLOCK_MAX = 1024, /* Bytes: above, a slab's rest is more than their headers. */
    WEIR_SLAB_FIRST = 32 + 64,  /* Where blocks begin: with a size of whole lines, 32 bytes before
                                   one. */
    WEIR_SLAB_CLASSES = WEIR_SLAB_BLOCK_MAX / WEIR_SLAB_UNIT,
};

/** In place from init to fini. Fields are private. */
typedef struct weir_slabs {
    weir_memory memory;                   /* What draws from them sees this. */
    weir_list classes[WEIR_SLAB_CLASSES]; /* Slabs with room, by the size of their blocks. */
    weir_list empty;                      /* Slabs that are held back. */
    size_t empty_count;
    size_t empty_count_max;
    size_t slab_count; /* All. */
} weir_slabs;

/** @empty_bytes_max  bound of the empty slabs that are held back */
void weir_slabs_init(weir_slabs *slabs, size_t empty_bytes_max);

/** Asserts that every block of a slab is back. */
void weir_slabs_fini(weir_slabs *slabs);

#endif
