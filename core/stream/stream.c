/* SPDX-License-Identifier: MIT */
/* What streams are given: the defaults of their tables, and whole transfers made of parts. */
#include "record.h"

/* Whole buffers: child tasks. */

static weir_task *read_resume(weir_task *task)
{
    weir_transfer *self = WEIR_TASK_SELF(task, weir_transfer);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rest.in.size > 0) {
        WEIR_AWAIT(task, r, weir_read_some(task, self->half.in, self->rest.in));
        self->total += r.count;
        self->rest.in = weir_buffer_after(self->rest.in, r.count);
        if (r.error && self->rest.in.size > 0)
            WEIR_RETURN(task, weir_transfer_ended(self, r.error));
    }
    WEIR_RETURN(task, weir_transfer_ended(self, 0));
    WEIR_END(task);
}

static weir_task *write_resume(weir_task *task)
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
    WEIR_RETURN(task, weir_transfer_ended(self, 0));
    WEIR_END(task);
}

weir_task *weir_stream_read_composed(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_transfer *transfer = weir_transfer_read(task, in, read_resume);

    if (!transfer)
        return weir_task_complete(task, -ENOMEM, 0);
    transfer->rest.in = buffer;
    return weir_call(task, &transfer->task);
}

weir_task *weir_stream_write_composed(weir_task *task, weir_write_stream *out,
                                      weir_const_buffer buffer)
{
    weir_transfer *transfer = weir_transfer_write(task, out, write_resume);

    if (!transfer)
        return weir_task_complete(task, -ENOMEM, 0);
    transfer->rest.out = buffer;
    return weir_call(task, &transfer->task);
}

/* The other defaults. */

weir_task *weir_stream_read_first(weir_task *task, weir_read_stream *in, const weir_buffer *buffers,
                                  size_t count)
{
    (void)count;
    return in->ops->read_some(task, in, buffers[0]);
}

weir_task *weir_stream_write_first(weir_task *task, weir_write_stream *out,
                                   const weir_const_buffer *buffers, size_t count)
{
    (void)count;
    return out->ops->write_some(task, out, buffers[0]);
}

weir_task *weir_stream_finish_nothing(weir_task *task, weir_write_stream *out)
{
    (void)out;
    return weir_task_complete(task, weir_task_stop_error(task), 0);
}

/* Parts of sequences. Empty buffers in front would make the first system call look like an end. */

weir_task *weir_read_some_v(weir_task *task, weir_read_stream *in, const weir_buffer *buffers,
                            size_t count)
{
    while (count > 0 && buffers[0].size == 0) {
        buffers++;
        count--;
    }
    if (count == 0)
        return weir_task_complete(task, 0, 0);
    return in->ops->read_some_v(task, in, buffers, count);
}

weir_task *weir_write_some_v(weir_task *task, weir_write_stream *out,
                             const weir_const_buffer *buffers, size_t count)
{
    while (count > 0 && buffers[0].size == 0) {
        buffers++;
        count--;
    }
    if (count == 0)
        return weir_task_complete(task, 0, 0);
    return out->ops->write_some_v(task, out, buffers, count);
}
