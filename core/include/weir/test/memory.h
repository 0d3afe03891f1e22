/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_MEMORY_H
#define WEIR_TEST_MEMORY_H

/*
 * Memories for tests: one that counts, one that fails. They stand on another memory and on each
 * other, and go wherever a weir_memory goes: frames, dynamic buffers.
 *
 * Source: core/test/memory.c. Tests: tests/stage_one/test_kit_memory.c.
 */

#include <weir/memory.h>
#include <weir/test/fuse.h>

WEIR_C_BEGIN

/**
 * A memory that counts. The counts may be read at any time; the rest is private.
 *
 * A block that is released with another size than it was allocated with, or to another memory,
 * fails the test.
 */
typedef struct weir_counting_memory {
    weir_memory memory;
    weir_memory *under; /* Where the blocks come from. */
    size_t live_count;  /* Blocks that are out, */
    size_t live_bytes;  /* and their bytes. */
    size_t peak_bytes;  /* The most of those. */
    size_t total_count; /* Blocks ever allocated, */
    size_t total_bytes; /* and their bytes. */
} weir_counting_memory;

/** @under  where the blocks come from; NULL: the heap */
WEIR_PUBLIC void weir_counting_memory_init(weir_counting_memory *memory, weir_memory *under);

/** Fail the test unless every block has come back. */
WEIR_PUBLIC void weir_counting_memory_fini(weir_counting_memory *memory);

/** A memory each allocation of which is a point of a fuse. Nothing to end. Fields are private. */
typedef struct weir_fuse_memory {
    weir_memory memory;
    weir_memory *under;
    weir_fuse *fuse;
} weir_fuse_memory;

/** @under  where the blocks come from; NULL: the heap */
WEIR_PUBLIC void weir_fuse_memory_init(weir_fuse_memory *memory, weir_fuse *fuse,
                                       weir_memory *under);

WEIR_C_END

#endif
