/* SPDX-License-Identifier: MIT */
#ifndef WEIR_MEMORY_H
#define WEIR_MEMORY_H

/*
 * Where memory comes from: a table that a program can replace.
 *
 * Frame allocators and growing buffers take one. Exhaustion is NULL, which becomes -ENOMEM for
 * whoever asked, never a crash.
 *
 * Thread: a memory is called on the thread of what uses it; one that is used by several threads
 * (the frames of a thread pool) must allow for that. weir_memory_heap does.
 *
 * Source: core/base/memory.c. Tests: tests/unit/test_frame.c,
 * tests/stage_one/test_dynamic_buffer.c.
 */

#include <stddef.h>

#include <weir/export.h>

WEIR_C_BEGIN

typedef struct weir_memory weir_memory;

/** So many bytes, aligned for any type; NULL: exhausted. size is not 0. */
typedef void *weir_memory_allocate_fn(weir_memory *memory, size_t size);

/** Take back what allocate gave, with the same size. */
typedef void weir_memory_release_fn(weir_memory *memory, void *block, size_t size);

/** Embed as the first member of what holds more. Every slot is required. */
struct weir_memory {
    weir_memory_allocate_fn *allocate;
    weir_memory_release_fn *release;
};

/** malloc and free. Any thread. */
WEIR_PUBLIC extern weir_memory weir_memory_heap;

WEIR_C_END

#endif
