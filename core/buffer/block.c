/* SPDX-License-Identifier: MIT */
/* The block of a flat or circular buffer. */
#include "block.h"

#include <stdint.h>

/* The least that is asked of a memory, so that the first few bytes do not grow a block each. */
enum { SIZE_MIN = 512 };

void weir_block_init_fixed(weir_buffer_block *block, void *memory, size_t size)
{
    block->memory = NULL;
    block->bytes = memory;
    block->size = size;
}

void weir_block_init_growing(weir_buffer_block *block, weir_memory *memory)
{
    block->memory = memory ? memory : &weir_memory_heap;
    block->bytes = NULL;
    block->size = 0;
}

void weir_block_fini(weir_buffer_block *block)
{
    if (block->memory && block->bytes)
        block->memory->release(block->memory, block->bytes, block->size);
    block->bytes = NULL;
    block->size = 0;
}

static size_t grown_size(size_t size, size_t needed, size_t size_max)
{
    size_t grown = 2 * size; /* No block is larger than half of what a size_t can say. */

    if (grown < SIZE_MIN)
        grown = SIZE_MIN;
    if (grown < needed)
        grown = needed;
    return grown < size_max ? grown : size_max;
}

bool weir_block_grow(weir_buffer_block *block, size_t needed, size_t size_max,
                     const weir_const_buffer *data, size_t data_count)
{
    weir_buffer grown;

    if (!block->memory || block->size == size_max)
        return false;

    grown.size = grown_size(block->size, needed, size_max);
    grown.data = block->memory->allocate(block->memory, grown.size);
    if (!grown.data)
        return false;

    weir_buffers_copy(&grown, 1, data, data_count, SIZE_MAX);
    weir_block_fini(block);
    block->bytes = grown.data;
    block->size = grown.size;
    return true;
}
