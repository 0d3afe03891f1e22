/* SPDX-License-Identifier: MIT */
/* The flat buffer: data in one piece, which is moved to make room. */
#include "block.h"

#include <string.h>

static size_t room_behind(const weir_flat_buffer *self)
{
    return self->block.size - self->offset - self->dynamic.size;
}

/*
 * Moving the data down costs what is left of it. That is paid for by what was consumed, if that is
 * as much; if it is not, the block is too small for its use and grows, although the data would fit.
 */
static void make_room(weir_flat_buffer *self, size_t size)
{
    size_t needed = self->dynamic.size + size;
    bool is_paid_for = self->offset >= self->dynamic.size;
    weir_const_buffer data = weir_flat_buffer_bytes(self);

    bool is_moved = false;

    if (needed > self->block.size || !is_paid_for)
        is_moved = weir_block_grow(&self->block, needed, self->dynamic.size_max, &data, 1);
    if (!is_moved && data.size > 0)
        memmove(self->block.bytes, data.data, data.size);
    self->offset = 0;
}

static size_t flat_prepare(weir_dynamic_buffer *buffer, size_t size, weir_buffer *ret_buffers,
                           size_t max)
{
    weir_flat_buffer *self = WEIR_CONTAINER_OF(buffer, weir_flat_buffer, dynamic);

    (void)max;
    if (buffer->size == 0)
        self->offset = 0;
    if (room_behind(self) < size)
        make_room(self, size);
    if (room_behind(self) < size)
        size = room_behind(self);
    if (size == 0)
        return 0;
    ret_buffers[0] = weir_buffer_of(self->block.bytes + self->offset + buffer->size, size);
    return 1;
}

/* The end of the data follows from its size. */
static void flat_commit(weir_dynamic_buffer *buffer, size_t size)
{
    (void)buffer;
    (void)size;
}

static size_t flat_data(const weir_dynamic_buffer *buffer, size_t offset,
                        weir_const_buffer *ret_buffers, size_t max)
{
    const weir_flat_buffer *self = WEIR_CONTAINER_OF(buffer, weir_flat_buffer, dynamic);

    (void)max;
    ret_buffers[0] = weir_const_buffer_after(weir_flat_buffer_bytes(self), offset);
    return 1;
}

/* Not back to the front of the block when the data is gone: what is prepared stays in place. */
static void flat_consume(weir_dynamic_buffer *buffer, size_t size)
{
    WEIR_CONTAINER_OF(buffer, weir_flat_buffer, dynamic)->offset += size;
}

static size_t flat_capacity(const weir_dynamic_buffer *buffer)
{
    return WEIR_CONTAINER_OF(buffer, weir_flat_buffer, dynamic)->block.size;
}

static const struct weir_dynamic_buffer_ops flat_ops = {
    .name = "flat",
    .prepare = flat_prepare,
    .commit = flat_commit,
    .data = flat_data,
    .consume = flat_consume,
    .capacity = flat_capacity,
};

void weir_flat_buffer_init_fixed(weir_flat_buffer *buffer, void *memory, size_t size)
{
    weir_dynamic_buffer_init(&buffer->dynamic, &flat_ops, size);
    weir_block_init_fixed(&buffer->block, memory, size);
    buffer->offset = 0;
}

void weir_flat_buffer_init_growing(weir_flat_buffer *buffer, weir_memory *memory, size_t size_max)
{
    weir_dynamic_buffer_init(&buffer->dynamic, &flat_ops, size_max);
    weir_block_init_growing(&buffer->block, memory);
    buffer->offset = 0;
}

void weir_flat_buffer_fini(weir_flat_buffer *buffer)
{
    weir_block_fini(&buffer->block);
}
