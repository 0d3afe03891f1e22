/* SPDX-License-Identifier: MIT */
/* Whole sequences, and the last write: child tasks. */
#include "record.h"

/*
 * A part is offered the caller's array as it is, however long, where the rest of the sequence
 * begins with a whole buffer. Where it begins inside one, the part is offered a window that is cut
 * there.
 */

static weir_task *read_some_of_rest(weir_task *task, weir_transfer *self)
{
    weir_buffer_slice rest = self->rest.in_v;
    size_t count;

    if (rest.skip == 0)
        return weir_read_some_v(task, self->half.in, rest.buffers, rest.count);
    count = weir_buffer_slice_window(rest, self->window.in, WEIR_TRANSFER_WINDOW);
    return weir_read_some_v(task, self->half.in, self->window.in, count);
}

static weir_task *write_some_of_rest(weir_task *task, weir_transfer *self)
{
    weir_const_buffer_slice rest = self->rest.out_v;
    size_t count;

    if (rest.skip == 0)
        return weir_write_some_v(task, self->half.out, rest.buffers, rest.count);
    count = weir_const_buffer_slice_window(rest, self->window.out, WEIR_TRANSFER_WINDOW);
    return weir_write_some_v(task, self->half.out, self->window.out, count);
}

static weir_task *read_v_resume(weir_task *task)
{
    weir_transfer *self = WEIR_TASK_SELF(task, weir_transfer);
    weir_result r;

    WEIR_BEGIN(task);
    while (!weir_buffer_slice_is_empty(self->rest.in_v)) {
        WEIR_AWAIT(task, r, read_some_of_rest(task, self));
        self->total += r.count;
        self->rest.in_v = weir_buffer_slice_after(self->rest.in_v, r.count);
        if (r.error && !weir_buffer_slice_is_empty(self->rest.in_v))
            WEIR_RETURN(task, weir_transfer_ended(self, r.error));
    }
    WEIR_RETURN(task, weir_transfer_ended(self, 0));
    WEIR_END(task);
}

static weir_task *write_v_resume(weir_task *task)
{
    weir_transfer *self = WEIR_TASK_SELF(task, weir_transfer);
    weir_result r;

    WEIR_BEGIN(task);
    while (!weir_const_buffer_slice_is_empty(self->rest.out_v)) {
        WEIR_AWAIT(task, r, write_some_of_rest(task, self));
        self->total += r.count;
        self->rest.out_v = weir_const_buffer_slice_after(self->rest.out_v, r.count);
        if (r.error && !weir_const_buffer_slice_is_empty(self->rest.out_v))
            WEIR_RETURN(task, weir_transfer_ended(self, r.error));
    }
    WEIR_RETURN(task, weir_transfer_ended(self, 0));
    WEIR_END(task);
}

weir_task *weir_read_v(weir_task *task, weir_read_stream *in, const weir_buffer *buffers,
                       size_t count)
{
    weir_buffer_slice rest = weir_buffer_slice_of(buffers, count);
    weir_transfer *transfer;

    if (weir_buffer_slice_is_empty(rest))
        return weir_task_complete(task, 0, 0);
    transfer = weir_transfer_read(task, in, read_v_resume);
    if (!transfer)
        return weir_task_complete(task, -ENOMEM, 0);
    transfer->rest.in_v = rest;
    return weir_call(task, &transfer->task);
}

weir_task *weir_write_v(weir_task *task, weir_write_stream *out, const weir_const_buffer *buffers,
                        size_t count)
{
    weir_const_buffer_slice rest = weir_const_buffer_slice_of(buffers, count);
    weir_transfer *transfer;

    if (weir_const_buffer_slice_is_empty(rest))
        return weir_task_complete(task, 0, 0);
    transfer = weir_transfer_write(task, out, write_v_resume);
    if (!transfer)
        return weir_task_complete(task, -ENOMEM, 0);
    transfer->rest.out_v = rest;
    return weir_call(task, &transfer->task);
}

/* By write_some, for write may be composed, too, and one is in flight on a half. */
static weir_task *write_eof_resume(weir_task *task)
{
    weir_transfer *self = WEIR_TASK_SELF(task, weir_transfer);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rest.out.size > 0) {
        WEIR_AWAIT(task, r, weir_write_some(task, self->half.out, self->rest.out));
        self->total += r.count;
        self->rest.out = weir_const_buffer_after(self->rest.out, r.count);
        if (r.error && self->rest.out.size > 0)
            WEIR_RETURN(task, weir_transfer_ended(self, r.error));
    }
    WEIR_AWAIT(task, r, self->half.out->ops->finish(task, self->half.out));
    WEIR_RETURN(task, weir_transfer_ended(self, r.error));
    WEIR_END(task);
}

weir_task *weir_write_eof(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    weir_transfer *transfer;

    if (buffer.size == 0)
        return out->ops->finish(task, out);
    transfer = weir_transfer_write(task, out, write_eof_resume);
    if (!transfer)
        return weir_task_complete(task, -ENOMEM, 0);
    transfer->rest.out = buffer;
    return weir_call(task, &transfer->task);
}
