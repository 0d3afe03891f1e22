/* SPDX-License-Identifier: MIT */
/*
 * The segmented buffer: data in a list of blocks of one size.
 *
 *      first            end                last
 *      [..=====] [=====] [==___] [_____] [_____]      = data   . consumed   _ room
 *         ^ offset          ^ end_offset
 *
 * The data begins in the first segment and ends in the end segment. The list may go on with
 * segments that were prepared and not filled; they are used next. A segment leaves the list when
 * its last byte is consumed, so the offset is always less than a segment.
 */
#include <weir/dynamic_buffer.h>

typedef struct weir_buffer_segment {
    struct weir_buffer_segment *next;
    char bytes[];
} segment;

static void release(weir_segmented_buffer *self, segment *released)
{
    self->memory->release(self->memory, released, sizeof *released + self->segment_bytes);
}

/* Put one more segment at the end of the list. NULL: memory is exhausted. */
static segment *append(weir_segmented_buffer *self)
{
    segment *appended = self->spare;

    if (!appended)
        appended = self->memory->allocate(self->memory, sizeof *appended + self->segment_bytes);
    if (!appended)
        return NULL;

    self->spare = NULL;
    appended->next = NULL;
    if (self->last) {
        self->last->next = appended;
    } else {
        self->first = appended;
        self->end = appended;
        self->end_offset = 0;
    }
    self->last = appended;
    self->segment_count++;
    return appended;
}

/*
 * The first segment is consumed. One that is free is kept, so that a stream whose data fits a
 * segment or two does not ask the memory each time.
 */
static void leave_first(weir_segmented_buffer *self)
{
    segment *left = self->first;

    self->first = left->next;
    if (self->end == left) {
        self->end = self->first;
        self->end_offset = 0;
    }
    if (self->last == left)
        self->last = NULL;
    self->segment_count--;

    if (self->spare)
        release(self, left);
    else
        self->spare = left;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t segmented_prepare(weir_dynamic_buffer *buffer, size_t size, weir_buffer *ret_buffers,
                                size_t max)
{
    weir_segmented_buffer *self = WEIR_CONTAINER_OF(buffer, weir_segmented_buffer, dynamic);
    segment *at = self->end;
    size_t room;
    size_t count = 0;

    if (buffer->size == 0) { /* Both ends are at one byte. Begin its segment anew. */
        self->offset = 0;
        self->end_offset = 0;
    }
    room = at ? self->segment_bytes - self->end_offset : 0;
    for (;;) {
        size_t piece = least(room, size);

        if (piece > 0)
            ret_buffers[count++] = weir_buffer_of(at->bytes + self->segment_bytes - room, piece);
        size -= piece;
        if (size == 0 || count == max)
            return count;
        at = at && at->next ? at->next : append(self);
        if (!at)
            return count;
        room = self->segment_bytes;
    }
}

static void segmented_commit(weir_dynamic_buffer *buffer, size_t size)
{
    weir_segmented_buffer *self = WEIR_CONTAINER_OF(buffer, weir_segmented_buffer, dynamic);

    while (size > 0) {
        size_t piece;

        if (self->end_offset == self->segment_bytes) {
            self->end = self->end->next;
            self->end_offset = 0;
        }
        piece = least(size, self->segment_bytes - self->end_offset);
        self->end_offset += piece;
        size -= piece;
    }
}

static size_t segmented_data(const weir_dynamic_buffer *buffer, size_t offset,
                             weir_const_buffer *ret_buffers, size_t max)
{
    const weir_segmented_buffer *self = WEIR_CONTAINER_OF(buffer, weir_segmented_buffer, dynamic);
    const segment *at = self->first;
    size_t place = self->offset + offset;
    size_t left = buffer->size - offset;
    size_t count = 0;

    for (; place >= self->segment_bytes; place -= self->segment_bytes)
        at = at->next;
    while (count < max && left > 0) {
        size_t piece = least(left, self->segment_bytes - place);

        ret_buffers[count++] = weir_const_buffer_of(at->bytes + place, piece);
        left -= piece;
        at = at->next;
        place = 0;
    }
    return count;
}

static void segmented_consume(weir_dynamic_buffer *buffer, size_t size)
{
    weir_segmented_buffer *self = WEIR_CONTAINER_OF(buffer, weir_segmented_buffer, dynamic);
    size_t place = self->offset + size;

    for (; place >= self->segment_bytes; place -= self->segment_bytes)
        leave_first(self);
    self->offset = place;
}

static size_t segmented_capacity(const weir_dynamic_buffer *buffer)
{
    const weir_segmented_buffer *self = WEIR_CONTAINER_OF(buffer, weir_segmented_buffer, dynamic);
    size_t count = self->segment_count + (self->spare ? 1 : 0);
    size_t lost = buffer->size > 0 ? self->offset : 0; /* To data that is gone. */

    return least(count * self->segment_bytes - lost, buffer->size_max);
}

static const struct weir_dynamic_buffer_ops segmented_ops = {
    .name = "segmented",
    .prepare = segmented_prepare,
    .commit = segmented_commit,
    .data = segmented_data,
    .consume = segmented_consume,
    .capacity = segmented_capacity,
};

void weir_segmented_buffer_init(weir_segmented_buffer *buffer, weir_memory *memory,
                                size_t segment_size, size_t size_max)
{
    WEIR_ASSERT(segment_size > sizeof(segment), "a segment holds a pointer and data");

    weir_dynamic_buffer_init(&buffer->dynamic, &segmented_ops, size_max);
    buffer->memory = memory ? memory : &weir_memory_heap;
    buffer->segment_bytes = segment_size - sizeof(segment);
    buffer->segment_count = 0;
    buffer->first = NULL;
    buffer->last = NULL;
    buffer->end = NULL;
    buffer->spare = NULL;
    buffer->offset = 0;
    buffer->end_offset = 0;
}

void weir_segmented_buffer_fini(weir_segmented_buffer *buffer)
{
    while (buffer->first)
        leave_first(buffer);
    if (buffer->spare)
        release(buffer, buffer->spare);
    buffer->spare = NULL;
}
