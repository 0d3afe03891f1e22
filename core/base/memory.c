/* SPDX-License-Identifier: MIT */
/* The heap as a memory. Any thread. */
#include <weir/memory.h>

#include <stdlib.h>

static void *heap_allocate(weir_memory *memory, size_t size)
{
    (void)memory;
    return malloc(size);
}

static void heap_release(weir_memory *memory, void *block, size_t size)
{
    (void)memory;
    (void)size;
    free(block);
}

weir_memory weir_memory_heap = {heap_allocate, heap_release};
