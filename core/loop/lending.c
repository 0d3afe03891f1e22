/* SPDX-License-Identifier: MIT */
/* The buffers that a backend lends. */
#include "lending.h"

#include <stdlib.h>

#include <weir/assert.h>

enum {
    LINE_BYTES = 64,
    /* A receive that fills its buffer has to ask whether there is more: 16 KiB, which many send at
     * a time, do not fill it. */
    BUFFER_BYTES = 16 * 1024 + LINE_BYTES,
    BYTES_MAX = 64 * 1024 * 1024,
    BUFFER_BYTES_MAX = 1 << 30, /* A result counts them. */
};

void weir_lending_init(weir_lending *lending, size_t buffer_bytes, size_t bytes_max)
{
    size_t count_max;

    if (buffer_bytes == 0)
        buffer_bytes = BUFFER_BYTES;
    if (buffer_bytes > BUFFER_BYTES_MAX)
        buffer_bytes = BUFFER_BYTES_MAX;
    if (bytes_max == 0)
        bytes_max = BYTES_MAX;
    count_max = bytes_max / buffer_bytes / WEIR_LENDING_BLOCK * WEIR_LENDING_BLOCK;
    if (count_max == 0)
        count_max = WEIR_LENDING_BLOCK;
    if (count_max > WEIR_LENDING_BUFFERS_MAX)
        count_max = WEIR_LENDING_BUFFERS_MAX;
    *lending = (weir_lending){.buffer_bytes = buffer_bytes, .count_max = (uint32_t)count_max};
}

void weir_lending_fini(weir_lending *lending)
{
    uint32_t i;

    WEIR_ASSERT(lending->taken == 0, "every lent buffer is given back before its loop ends");
    for (i = 0; i < lending->count; i += WEIR_LENDING_BLOCK)
        free(lending->buffers[i].data); /* The block's memory begins with its first buffer. */
    free(lending->buffers);
}

/* Whole lines, and one more, so that no two buffers begin in the same set. */
static size_t stride_of(const weir_lending *lending)
{
    return (lending->buffer_bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES + LINE_BYTES;
}

/* The memory of a block; NULL: there is none. */
static uint8_t *memory_new(const weir_lending *lending)
{
    if (stride_of(lending) > SIZE_MAX / WEIR_LENDING_BLOCK)
        return NULL;
    return aligned_alloc(LINE_BYTES, WEIR_LENDING_BLOCK * stride_of(lending));
}

bool weir_lending_grow(weir_lending *lending)
{
    uint8_t *memory;
    uint32_t i;

    if (lending->count == lending->count_max)
        return false;
    if (!lending->buffers)
        lending->buffers = malloc(lending->count_max * sizeof *lending->buffers);
    memory = lending->buffers ? memory_new(lending) : NULL;
    if (!memory)
        return false;
    for (i = WEIR_LENDING_BLOCK; i-- > 0;) {
        weir_lent *lent = &lending->buffers[lending->count + i];

        lent->data = memory + i * stride_of(lending);
        lent->index = lending->count + i;
        lent->next = lending->free;
        lending->free = lent;
    }
    lending->count += WEIR_LENDING_BLOCK;
    return true;
}

bool weir_lending_reserve(weir_lending *lending)
{
    return lending->count > 0 || weir_lending_grow(lending);
}
