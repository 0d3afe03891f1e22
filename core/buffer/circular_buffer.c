/* SPDX-License-Identifier: MIT */
/* The circular buffer: data that goes round in its block. */
#include "block.h"

/* So many bytes behind the front of the data, as a place in the block. at is at most its size. */
static size_t place_of(const weir_circular_buffer *self, size_t at)
{
    size_t up_to_end = self->block.size - self->offset;

    return at < up_to_end ? self->offset + at : at - up_to_end;
}

/* Describe a run of bytes, so many behind the front of the data; it is not empty, nor is max 0. */
static size_t describe(const weir_circular_buffer *self, size_t at, size_t size,
                       weir_buffer *ret_buffers, size_t max)
{
    size_t place = place_of(self, at);
    size_t up_to_end = self->block.size - place;

    if (size <= up_to_end) {
        ret_buffers[0] = weir_buffer_of(self->block.bytes + place, size);
        return 1;
    }
    ret_buffers[0] = weir_buffer_of(self->block.bytes + place, up_to_end);
    if (max == 1)
        return 1;
    ret_buffers[1] = weir_buffer_of(self->block.bytes, size - up_to_end);
    return 2;
}

static size_t circular_data(const weir_dynamic_buffer *buffer, size_t offset,
                            weir_const_buffer *ret_buffers, size_t max)
{
    const weir_circular_buffer *self = WEIR_CONTAINER_OF(buffer, weir_circular_buffer, dynamic);
    weir_buffer parts[2];
    size_t count = describe(self, offset, buffer->size - offset, parts, max);

    for (size_t i = 0; i < count; i++)
        ret_buffers[i] = weir_buffer_as_const(parts[i]);
    return count;
}

static void grow(weir_circular_buffer *self, size_t needed)
{
    weir_const_buffer data[2];
    size_t count = weir_dynamic_buffer_data(&self->dynamic, 0, data, 2);

    if (weir_block_grow(&self->block, needed, self->dynamic.size_max, data, count))
        self->offset = 0;
}

static size_t circular_prepare(weir_dynamic_buffer *buffer, size_t size, weir_buffer *ret_buffers,
                               size_t max)
{
    weir_circular_buffer *self = WEIR_CONTAINER_OF(buffer, weir_circular_buffer, dynamic);

    if (buffer->size == 0)
        self->offset = 0; /* In one piece as long as possible, in memory that was used last. */
    if (self->block.size - buffer->size < size)
        grow(self, buffer->size + size);
    if (self->block.size - buffer->size < size)
        size = self->block.size - buffer->size;
    if (size == 0)
        return 0;
    return describe(self, buffer->size, size, ret_buffers, max);
}

/* The end of the data follows from its size. */
static void circular_commit(weir_dynamic_buffer *buffer, size_t size)
{
    (void)buffer;
    (void)size;
}

static void circular_consume(weir_dynamic_buffer *buffer, size_t size)
{
    weir_circular_buffer *self = WEIR_CONTAINER_OF(buffer, weir_circular_buffer, dynamic);

    self->offset = place_of(self, size);
}

static size_t circular_capacity(const weir_dynamic_buffer *buffer)
{
    return WEIR_CONTAINER_OF(buffer, weir_circular_buffer, dynamic)->block.size;
}

static const struct weir_dynamic_buffer_ops circular_ops = {
    .name = "circular",
    .prepare = circular_prepare,
    .commit = circular_commit,
    .data = circular_data,
    .consume = circular_consume,
    .capacity = circular_capacity,
};

void weir_circular_buffer_init_fixed(weir_circular_buffer *buffer, void *memory, size_t size)
{
    weir_dynamic_buffer_init(&buffer->dynamic, &circular_ops, size);
    weir_block_init_fixed(&buffer->block, memory, size);
    buffer->offset = 0;
}

void weir_circular_buffer_init_growing(weir_circular_buffer *buffer, weir_memory *memory,
                                       size_t size_max)
{
    weir_dynamic_buffer_init(&buffer->dynamic, &circular_ops, size_max);
    weir_block_init_growing(&buffer->block, memory);
    buffer->offset = 0;
}

void weir_circular_buffer_fini(weir_circular_buffer *buffer)
{
    weir_block_fini(&buffer->block);
}
