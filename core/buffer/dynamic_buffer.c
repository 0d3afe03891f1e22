/* SPDX-License-Identifier: MIT */
/* What all dynamic buffers share: the limit, the rules of use, and matching. */
#include <weir/dynamic_buffer.h>

#include <errno.h>

/* Pieces of data that are looked at in one go. */
enum { PIECES = 8 };

weir_result weir_dynamic_buffer_prepare(weir_dynamic_buffer *buffer, size_t size,
                                        weir_buffer *ret_buffers, size_t max)
{
    size_t room = buffer->size_max - buffer->size;
    size_t count;

    WEIR_ASSERT(max > 0, "there is a place for a prepared buffer");

    buffer->prepared = 0;
    if (size == 0)
        return weir_result_of(0, 0);
    if (room == 0)
        return weir_result_of(-ENOBUFS, 0);

    count = buffer->ops->prepare(buffer, size < room ? size : room, ret_buffers, max);
    if (count == 0)
        return weir_result_of(-ENOMEM, 0);
    buffer->prepared = weir_buffers_size(ret_buffers, count);
    return weir_result_of(0, count);
}

void weir_dynamic_buffer_commit(weir_dynamic_buffer *buffer, size_t size)
{
    WEIR_ASSERT(size <= buffer->prepared, "no more is committed than was prepared");

    if (size == 0)
        return;
    buffer->ops->commit(buffer, size);
    buffer->size += size;
    buffer->prepared -= size;
}

size_t weir_dynamic_buffer_data(const weir_dynamic_buffer *buffer, size_t offset,
                                weir_const_buffer *ret_buffers, size_t max)
{
    WEIR_ASSERT(offset <= buffer->size, "an offset lies in the data or at its end");

    if (offset == buffer->size || max == 0)
        return 0;
    return buffer->ops->data(buffer, offset, ret_buffers, max);
}

void weir_dynamic_buffer_consume(weir_dynamic_buffer *buffer, size_t size)
{
    WEIR_ASSERT(size <= buffer->size, "no more is consumed than there is data");

    if (size == 0)
        return;
    buffer->ops->consume(buffer, size);
    buffer->size -= size;
}

weir_result weir_dynamic_buffer_match(const weir_dynamic_buffer *buffer, size_t offset,
                                      weir_matcher *matcher)
{
    weir_const_buffer pieces[PIECES];
    size_t count;

    while ((count = weir_dynamic_buffer_data(buffer, offset, pieces, PIECES)) > 0) {
        for (size_t i = 0; i < count; i++) {
            weir_result found = weir_matcher_feed(matcher, pieces[i].data, pieces[i].size);

            if (found.error)
                return weir_result_of(found.error, 0);
            if (found.count > 0)
                return weir_result_of(0, offset + found.count);
            offset += pieces[i].size;
        }
    }
    return weir_result_of(0, 0);
}
