/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BUFFER_H
#define WEIR_BUFFER_H

/*
 * Buffers: a pointer and a size, nobody's property.
 *
 * weir_buffer is memory to be filled, weir_const_buffer memory to be read. A buffer sequence is an
 * array of them and a count. Their layout is that of struct iovec, which core/sys asserts, so that a
 * sequence reaches the kernel without being copied.
 */

#include <stddef.h>

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

/** What is left of a buffer behind its first count bytes; count is at most its size. */
static inline weir_buffer weir_buffer_after(weir_buffer buffer, size_t count)
{
    return weir_buffer_of((char *)buffer.data + count, buffer.size - count);
}

static inline weir_const_buffer weir_const_buffer_after(weir_const_buffer buffer, size_t count)
{
    return weir_const_buffer_of((const char *)buffer.data + count, buffer.size - count);
}

WEIR_C_END

#endif
