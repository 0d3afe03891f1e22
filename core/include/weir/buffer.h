/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BUFFER_H
#define WEIR_BUFFER_H

/*
 * Buffers: a pointer and a size, nobody's property.
 *
 * weir_buffer is memory to be filled, weir_const_buffer memory to be read. A buffer sequence is an
 * array of them and a count; any of them may be empty. Their layout is that of struct iovec, which
 * core/sys asserts, so that a sequence reaches the kernel without being copied.
 *
 * A slice is a run of bytes of a sequence, whatever buffers they stand in: its ends are bytes, not
 * buffers. It is a small value that borrows the sequence; the functions on it return another value
 * and change nothing. What is left of a transfer is the slice after what was transferred so far:
 *
 *      weir_const_buffer_slice rest = weir_const_buffer_slice_of(buffers, count);
 *
 *      while (!weir_const_buffer_slice_is_empty(rest)) {
 *          window_count = weir_const_buffer_slice_window(rest, window, 16);
 *          ... write_some_v(window, window_count) gives r ...
 *          rest = weir_const_buffer_slice_after(rest, r.count);
 *      }
 *
 * The memory of a sequence is in one address space, so its size is a size_t. A sequence can break
 * that only by naming the same memory again and again, which is asserted. A number of bytes that is
 * given to a slice is at most its size: asserted too, never clamped, because a transfer that counts
 * more than it was given is a bug that clamping would hide.
 *
 * Any thread may call anything here. Source: core/buffer/buffer.c. Tests:
 * tests/stage_one/test_buffer.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/assert.h>
#include <weir/export.h>

WEIR_C_BEGIN

/** Memory to fill: size bytes at data. An empty buffer may have a NULL data. */
typedef struct weir_buffer {
    void *data;
    size_t size; /* Bytes. */
} weir_buffer;

/** Memory to read. Same layout as weir_buffer. */
typedef struct weir_const_buffer {
    const void *data;
    size_t size; /* Bytes. */
} weir_const_buffer;

static inline weir_buffer weir_buffer_of(void *data, size_t size)
{
    weir_buffer buffer;

    buffer.data = data;
    buffer.size = size;
    return buffer;
}

static inline weir_const_buffer weir_const_buffer_of(const void *data, size_t size)
{
    weir_const_buffer buffer;

    buffer.data = data;
    buffer.size = size;
    return buffer;
}

/** The same memory, to be read. */
static inline weir_const_buffer weir_buffer_as_const(weir_buffer buffer)
{
    return weir_const_buffer_of(buffer.data, buffer.size);
}

/** What is left of a buffer behind its first count bytes; count is at most its size. */
static inline weir_buffer weir_buffer_after(weir_buffer buffer, size_t count)
{
    return weir_buffer_of((void *)((uintptr_t)buffer.data + count), buffer.size - count);
}

static inline weir_const_buffer weir_const_buffer_after(weir_const_buffer buffer, size_t count)
{
    return weir_const_buffer_of((const void *)((uintptr_t)buffer.data + count),
                                buffer.size - count);
}

/**
 * The same array of buffers, to be read; nothing is copied.
 *
 * The array is not changed while it is used through the result: the compiler may take the two for
 * different memory.
 */
WEIR_PUBLIC const weir_const_buffer *weir_buffers_as_const(const weir_buffer *buffers);

/** The bytes of a sequence. */
WEIR_PUBLIC size_t weir_buffers_size(const weir_buffer *buffers, size_t count);
WEIR_PUBLIC size_t weir_const_buffers_size(const weir_const_buffer *buffers, size_t count);

/** Whether a sequence has no byte; it may still have buffers. */
WEIR_PUBLIC bool weir_buffers_is_empty(const weir_buffer *buffers, size_t count);
WEIR_PUBLIC bool weir_const_buffers_is_empty(const weir_const_buffer *buffers, size_t count);

/** The first buffer that has a byte; NULL and 0 if none has. */
WEIR_PUBLIC weir_buffer weir_buffers_front(const weir_buffer *buffers, size_t count);
WEIR_PUBLIC weir_const_buffer weir_const_buffers_front(const weir_const_buffer *buffers,
                                                       size_t count);

/**
 * Copy the bytes of one sequence into the memory of another, front first.
 *
 * Returns how many: the least of the two sizes and size_max. What is read does not overlap what is
 * written; if it does, the bytes that result are indeterminate.
 *
 * @size_max  bytes; SIZE_MAX: as many as fit
 */
WEIR_PUBLIC size_t weir_buffers_copy(const weir_buffer *to, size_t to_count,
                                     const weir_const_buffer *from, size_t from_count,
                                     size_t size_max);

/** Bytes to fill: a part of a sequence, which it borrows. Fields are private. */
typedef struct weir_buffer_slice {
    const weir_buffer *buffers; /* The first one holds the first byte; the last may lie behind. */
    size_t count;               /* Of buffers. */
    size_t skip; /* Bytes of the first buffer in front of the slice; not all of it. */
    size_t size; /* Bytes of the slice; at most what the buffers hold behind skip. */
} weir_buffer_slice;

/** Bytes to read: a part of a sequence, which it borrows. Same layout. Fields are private. */
typedef struct weir_const_buffer_slice {
    const weir_const_buffer *buffers;
    size_t count;
    size_t skip;
    size_t size;
} weir_const_buffer_slice;

/** A whole sequence as a slice. The array stays valid and unchanged while slices of it are used. */
WEIR_PUBLIC weir_buffer_slice weir_buffer_slice_of(const weir_buffer *buffers, size_t count);
WEIR_PUBLIC weir_const_buffer_slice weir_const_buffer_slice_of(const weir_const_buffer *buffers,
                                                               size_t count);

/** The same bytes, to be read; see weir_buffers_as_const. */
WEIR_PUBLIC weir_const_buffer_slice weir_buffer_slice_as_const(weir_buffer_slice slice);

static inline size_t weir_buffer_slice_size(weir_buffer_slice slice)
{
    return slice.size;
}

static inline size_t weir_const_buffer_slice_size(weir_const_buffer_slice slice)
{
    return slice.size;
}

static inline bool weir_buffer_slice_is_empty(weir_buffer_slice slice)
{
    return slice.size == 0;
}

static inline bool weir_const_buffer_slice_is_empty(weir_const_buffer_slice slice)
{
    return slice.size == 0;
}

/** What is left behind the first size bytes: the cursor that consumes. Time: by buffer passed. */
WEIR_PUBLIC weir_buffer_slice weir_buffer_slice_after(weir_buffer_slice slice, size_t size);
WEIR_PUBLIC weir_const_buffer_slice weir_const_buffer_slice_after(weir_const_buffer_slice slice,
                                                                  size_t size);

/** The first size bytes. */
static inline weir_buffer_slice weir_buffer_slice_prefix(weir_buffer_slice slice, size_t size)
{
    WEIR_ASSERT(size <= slice.size, "a prefix is at most the slice");

    slice.size = size;
    return slice;
}

static inline weir_const_buffer_slice weir_const_buffer_slice_prefix(weir_const_buffer_slice slice,
                                                                     size_t size)
{
    WEIR_ASSERT(size <= slice.size, "a prefix is at most the slice");

    slice.size = size;
    return slice;
}

/** The last size bytes. */
static inline weir_buffer_slice weir_buffer_slice_suffix(weir_buffer_slice slice, size_t size)
{
    WEIR_ASSERT(size <= slice.size, "a suffix is at most the slice");

    return weir_buffer_slice_after(slice, slice.size - size);
}

static inline weir_const_buffer_slice weir_const_buffer_slice_suffix(weir_const_buffer_slice slice,
                                                                     size_t size)
{
    WEIR_ASSERT(size <= slice.size, "a suffix is at most the slice");

    return weir_const_buffer_slice_after(slice, slice.size - size);
}

/** The first bytes, as many as stand in one buffer; NULL and 0 if the slice is empty. */
static inline weir_buffer weir_buffer_slice_front(weir_buffer_slice slice)
{
    weir_buffer front;

    if (slice.size == 0)
        return weir_buffer_of(NULL, 0);
    front = weir_buffer_after(slice.buffers[0], slice.skip);
    if (front.size > slice.size)
        front.size = slice.size;
    return front;
}

static inline weir_const_buffer weir_const_buffer_slice_front(weir_const_buffer_slice slice)
{
    weir_const_buffer front;

    if (slice.size == 0)
        return weir_const_buffer_of(NULL, 0);
    front = weir_const_buffer_after(slice.buffers[0], slice.skip);
    if (front.size > slice.size)
        front.size = slice.size;
    return front;
}

/**
 * The slice, or the front of it, as a sequence for a vectored call: none of its buffers is empty,
 * and the first and the last are cut where the slice is.
 *
 * Returns how many buffers were written. They may hold less than the slice if that is max.
 *
 * @ret_buffers[max]
 */
WEIR_PUBLIC size_t weir_buffer_slice_window(weir_buffer_slice slice, weir_buffer *ret_buffers,
                                            size_t max);
WEIR_PUBLIC size_t weir_const_buffer_slice_window(weir_const_buffer_slice slice,
                                                  weir_const_buffer *ret_buffers, size_t max);

/** Copy as much as both slices have, front first; see weir_buffers_copy. Returns how many bytes. */
WEIR_PUBLIC size_t weir_buffer_slice_copy(weir_buffer_slice to, weir_const_buffer_slice from);

WEIR_C_END

#endif
