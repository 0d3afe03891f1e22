/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_H
#define BLOCK_H

/*
 * The one block of memory that a flat or circular buffer has: the caller's, or one that is replaced
 * by larger ones from a weir_memory.
 */

#include <stdbool.h>

#include <weir/dynamic_buffer.h>

/** The caller's memory, which does not grow. */
void weir_block_init_fixed(weir_buffer_block *block, void *memory, size_t size);

/** No memory yet. memory NULL: the heap. */
void weir_block_init_growing(weir_buffer_block *block, weir_memory *memory);

/** Release what came from a memory. */
void weir_block_fini(weir_buffer_block *block);

/**
 * Replace the block by one of twice the size, or of needed bytes if that is more, but never of more
 * than size_max. The data is copied to its front.
 *
 * Returns whether it was. If not (the block is the caller's, or as large as it may be, or memory is
 * exhausted) nothing has changed.
 *
 * @needed           at most size_max
 * @data[data_count] of the block
 */
bool weir_block_grow(weir_buffer_block *block, size_t needed, size_t size_max,
                     const weir_const_buffer *data, size_t data_count);

#endif
