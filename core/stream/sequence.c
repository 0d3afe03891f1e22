/* SPDX-License-Identifier: MIT */
/* Whole sequences, and the last write: child tasks in the records. */
#include "record.h"

/*
 * A part is offered the caller's array as it is, however long, where the rest of the sequence begins
 * with a whole buffer. Where it begins inside one, the part is offered a window that is cut there.
 */

static weir_task *read_some_of_rest(weir_task *task, weir_transfer *self)
{
    weir_buffer_slice rest = self->rest.in_v;
    size_t count;

    if (rest.skip == 0)
        return weir_read_some_v(task, weir_transfer_in(self), rest.buffers, rest.count);
    count = weir_buffer_slice_window(rest, self->window.in, WEIR_TRANSFER_WINDOW);
    return weir_read_some_v(task, weir_transfer_in(self), self->window.in, count);
}

static weir_task *write_some_of_rest(weir_task *task, weir_transfer *self)
{
    weir_const_buffer_slice rest = self->rest.out_v;
    size_t count;

    if (rest.skip == 0)
        return weir_write_some_v(task, weir_transfer_out(self), rest.buffers, rest.count);
    count = weir_const_buffer_slice_window(rest, self->window.out, WEIR_TRANSFER_WINDOW);
    return weir_write_some_v(task, weir_transfer_out(self), self->window.out, count);
}

static weir_task *read_v_resume(weir_task *task)
{
    weir_transfer *self = WEIR_CONTAINER_OF(task, weir_transfer, task);
    weir_result r;

    WEIR_BEGIN(task);
    while (!weir_buffer_slice_is_empty(self->rest.in_v)) {
        WEIR_AWAIT(task, r, read_some_of_rest(task, self));
        self->total += r.count;
        self->rest.in_v = weir_buffer_slice_after(self->rest.in_v, r.count);
        if (r.error && !weir_buffer_slice_is_empty(self->rest.in_v))
            WEIR_RETURN(task, weir_result_of(r.error, self->total));
    }
    WEIR_RETURN(task, weir_result_of(0, self->total));
    WEIR_END(task);
}

static weir_task *write_v_resume(weir_task *task)
{
    weir_transfer *self = WEIR_CONTAINER_OF(task, weir_transfer, task);
    weir_result r;

    WEIR_BEGIN(task);
    while (!weir_const_buffer_slice_is_empty(self->rest.out_v)) {
        WEIR_AWAIT(task, r, write_some_of_rest(task, self));
        self->total += r.count;
        self->rest.out_v = weir_const_buffer_slice_after(self->rest.out_v, r.count);
        if (r.error && !weir_const_buffer_slice_is_empty(self->rest.out_v))
            WEIR_RETURN(task, weir_result_of(r.error, self->total));
    }
    WEIR_RETURN(task, weir_result_of(0, self->total));
    WEIR_END(task);
}

weir_task *weir_read_v(weir_task *task, weir_read_stream *in, const weir_buffer *buffers,
                       size_t count)
{
    weir_buffer_slice rest = weir_buffer_slice_of(buffers, count);

    if (weir_buffer_slice_is_empty(rest))
        return weir_task_complete(task, 0, 0);
    weir_transfer_claim(&in->transfer, read_v_resume);
    in->transfer.rest.in_v = rest;
    return weir_call(task, &in->transfer.task);
}

weir_task *weir_write_v(weir_task *task, weir_write_stream *out, const weir_const_buffer *buffers,
                        size_t count)
{
    weir_const_buffer_slice rest = weir_const_buffer_slice_of(buffers, count);

    if (weir_const_buffer_slice_is_empty(rest))
        return weir_task_complete(task, 0, 0);
    weir_transfer_claim(&out->transfer, write_v_resume);
    out->transfer.rest.out_v = rest;
    return weir_call(task, &out->transfer.task);
}

/* By write_some, because a stream may need the record for a write of its own. */
static weir_task *write_eof_resume(weir_task *task)
{
    weir_transfer *self = WEIR_CONTAINER_OF(task, weir_transfer, task);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rest.out.size > 0) {
        WEIR_AWAIT(task, r, weir_write_some(task, weir_transfer_out(self), self->rest.out));
        self->total += r.count;
        self->rest.out = weir_const_buffer_after(self->rest.out, r.count);
        if (r.error && self->rest.out.size > 0)
            WEIR_RETURN(task, weir_result_of(r.error, self->total));
    }
    WEIR_AWAIT(task, r, weir_transfer_out(self)->ops->finish(task, weir_transfer_out(self)));
    WEIR_RETURN(task, weir_result_of(r.error, self->total));
    WEIR_END(task);
}

weir_task *weir_write_eof(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    if (buffer.size == 0)
        return out->ops->finish(task, out);
    weir_transfer_claim(&out->transfer, write_eof_resume);
    out->transfer.rest.out = buffer;
    return weir_call(task, &out->transfer.task);
}
