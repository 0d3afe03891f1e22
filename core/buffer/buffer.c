/* SPDX-License-Identifier: MIT */
/*
 * Buffer sequences and slices of them.
 *
 * What only looks is written once, for memory to be read; the functions for memory to be filled go
 * through it and back, because the two kinds have the same layout. Like the whole library this is
 * built with -fno-strict-aliasing, without which that would not be sound.
 */
#include <weir/buffer.h>

#include <stdint.h>
#include <string.h>

_Static_assert(sizeof(weir_buffer) == sizeof(weir_const_buffer), "a view, not a copy");
_Static_assert(offsetof(weir_buffer, data) == offsetof(weir_const_buffer, data), "same layout");
_Static_assert(offsetof(weir_buffer, size) == offsetof(weir_const_buffer, size), "same layout");

/* Out of line, so that the compiler of a caller cannot order accesses to the two types. */
const weir_const_buffer *weir_buffers_as_const(const weir_buffer *buffers)
{
    return (const weir_const_buffer *)(const void *)buffers;
}

weir_const_buffer_slice weir_buffer_slice_as_const(weir_buffer_slice slice)
{
    return (weir_const_buffer_slice){weir_buffers_as_const(slice.buffers), slice.count, slice.skip,
                                     slice.size};
}

/* Only of what was mutable before it went through weir_buffer_slice_as_const. */
static weir_buffer_slice as_mutable(weir_const_buffer_slice slice)
{
    return (weir_buffer_slice){(const weir_buffer *)(const void *)slice.buffers, slice.count,
                               slice.skip, slice.size};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t weir_const_buffers_size(const weir_const_buffer *buffers, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        WEIR_ASSERT(buffers[i].size <= SIZE_MAX - size, "the size of a sequence is a size_t");
        size += buffers[i].size;
    }
    return size;
}

size_t weir_buffers_size(const weir_buffer *buffers, size_t count)
{
    return weir_const_buffers_size(weir_buffers_as_const(buffers), count);
}

weir_const_buffer weir_const_buffers_front(const weir_const_buffer *buffers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (buffers[i].size > 0)
            return buffers[i];
    }
    return weir_const_buffer_of(NULL, 0);
}

weir_buffer weir_buffers_front(const weir_buffer *buffers, size_t count)
{
    weir_const_buffer front = weir_const_buffers_front(weir_buffers_as_const(buffers), count);

    return weir_buffer_of((void *)(uintptr_t)front.data, front.size);
}

bool weir_const_buffers_is_empty(const weir_const_buffer *buffers, size_t count)
{
    return weir_const_buffers_front(buffers, count).size == 0;
}

bool weir_buffers_is_empty(const weir_buffer *buffers, size_t count)
{
    return weir_const_buffers_is_empty(weir_buffers_as_const(buffers), count);
}

/*
 * Put the beginning into the buffer where the byte behind skip stands. What is in front of a slice
 * is passed at once, so that its front is found without a search.
 */
static weir_const_buffer_slice settle(weir_const_buffer_slice slice)
{
    while (slice.count > 0 && slice.skip >= slice.buffers[0].size) {
        slice.skip -= slice.buffers[0].size;
        slice.buffers++;
        slice.count--;
    }
    return slice;
}

weir_const_buffer_slice weir_const_buffer_slice_of(const weir_const_buffer *buffers, size_t count)
{
    size_t size = weir_const_buffers_size(buffers, count);

    return settle((weir_const_buffer_slice){buffers, count, 0, size});
}

weir_buffer_slice weir_buffer_slice_of(const weir_buffer *buffers, size_t count)
{
    return as_mutable(weir_const_buffer_slice_of(weir_buffers_as_const(buffers), count));
}

weir_const_buffer_slice weir_const_buffer_slice_after(weir_const_buffer_slice slice, size_t size)
{
    WEIR_ASSERT(size <= slice.size, "no more is passed than the slice holds");

    slice.skip += size;
    slice.size -= size;
    return settle(slice);
}

weir_buffer_slice weir_buffer_slice_after(weir_buffer_slice slice, size_t size)
{
    return as_mutable(weir_const_buffer_slice_after(weir_buffer_slice_as_const(slice), size));
}

size_t weir_const_buffer_slice_window(weir_const_buffer_slice slice, weir_const_buffer *ret_buffers,
                                      size_t max)
{
    size_t count = 0;

    while (count < max && slice.size > 0) {
        weir_const_buffer front = weir_const_buffer_slice_front(slice);

        ret_buffers[count++] = front;
        slice = weir_const_buffer_slice_after(slice, front.size);
    }
    return count;
}

size_t weir_buffer_slice_window(weir_buffer_slice slice, weir_buffer *ret_buffers, size_t max)
{
    return weir_const_buffer_slice_window(weir_buffer_slice_as_const(slice),
                                          (weir_const_buffer *)(void *)ret_buffers, max);
}

size_t weir_buffer_slice_copy(weir_buffer_slice to, weir_const_buffer_slice from)
{
    size_t copied = least(to.size, from.size);

    /* Both have a front until the shorter one has none. */
    while (to.size > 0 && from.size > 0) {
        weir_buffer room = weir_buffer_slice_front(to);
        weir_const_buffer bytes = weir_const_buffer_slice_front(from);
        size_t size = least(room.size, bytes.size);

        memcpy(room.data, bytes.data, size);
        to = weir_buffer_slice_after(to, size);
        from = weir_const_buffer_slice_after(from, size);
    }
    return copied;
}

size_t weir_buffers_copy(const weir_buffer *to, size_t to_count, const weir_const_buffer *from,
                         size_t from_count, size_t size_max)
{
    weir_buffer_slice room = weir_buffer_slice_of(to, to_count);
    weir_const_buffer_slice bytes = weir_const_buffer_slice_of(from, from_count);

    bytes = weir_const_buffer_slice_prefix(bytes, least(bytes.size, size_max));
    return weir_buffer_slice_copy(room, bytes);
}
