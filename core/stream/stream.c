/* SPDX-License-Identifier: MIT */
/* Composed reads and writes: child tasks in the records that every stream embeds. */
#include <weir/stream.h>

static weir_task *read_resume(weir_task *task)
{
    weir_transfer *self = WEIR_TASK_SELF(task, weir_transfer);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rest.in.size > 0) {
        WEIR_AWAIT(task, r, weir_read_some(task, self->stream, self->rest.in));
        self->total += r.count;
        if (r.error)
            WEIR_RETURN(task, weir_result_of(r.error, self->total));
        self->rest.in = weir_buffer_after(self->rest.in, r.count);
    }
    WEIR_RETURN(task, weir_result_of(0, self->total));
    WEIR_END(task);
}

static weir_task *write_resume(weir_task *task)
{
    weir_transfer *self = WEIR_TASK_SELF(task, weir_transfer);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rest.out.size > 0) {
        WEIR_AWAIT(task, r, weir_write_some(task, self->stream, self->rest.out));
        self->total += r.count;
        if (r.error)
            WEIR_RETURN(task, weir_result_of(r.error, self->total));
        self->rest.out = weir_const_buffer_after(self->rest.out, r.count);
    }
    WEIR_RETURN(task, weir_result_of(0, self->total));
    WEIR_END(task);
}

/* A record is free when it is new or its last child is done. */
static weir_task *start(weir_task *task, weir_transfer *transfer, weir_stream *stream,
                        weir_resume_fn *resume)
{
    WEIR_ASSERT(transfer->task.state == WEIR_TASK_NEW || transfer->task.state == WEIR_TASK_DONE,
                "one read and one write may be in flight on a stream");

    weir_task_init(&transfer->task, resume);
    transfer->stream = stream;
    transfer->total = 0;
    return weir_call(task, &transfer->task);
}

weir_task *weir_stream_read_composed(weir_task *task, weir_stream *stream, weir_buffer buffer)
{
    stream->read.rest.in = buffer;
    return start(task, &stream->read, stream, read_resume);
}

weir_task *weir_stream_write_composed(weir_task *task, weir_stream *stream,
                                      weir_const_buffer buffer)
{
    stream->write.rest.out = buffer;
    return start(task, &stream->write, stream, write_resume);
}

weir_task *weir_read_some_v(weir_task *task, weir_stream *stream, const weir_buffer *buffers,
                            size_t count)
{
    /* Empty buffers in front would make the first system call look like an end. */
    while (count > 0 && buffers[0].size == 0) {
        buffers++;
        count--;
    }
    if (count == 0)
        return weir_task_complete(task, 0, 0);
    return stream->ops->read_some_v(task, stream, buffers, count);
}

weir_task *weir_write_some_v(weir_task *task, weir_stream *stream, const weir_const_buffer *buffers,
                             size_t count)
{
    while (count > 0 && buffers[0].size == 0) {
        buffers++;
        count--;
    }
    if (count == 0)
        return weir_task_complete(task, 0, 0);
    return stream->ops->write_some_v(task, stream, buffers, count);
}

weir_task *weir_stream_read_first(weir_task *task, weir_stream *stream, const weir_buffer *buffers,
                                  size_t count)
{
    (void)count;
    return stream->ops->read_some(task, stream, buffers[0]);
}

weir_task *weir_stream_write_first(weir_task *task, weir_stream *stream,
                                   const weir_const_buffer *buffers, size_t count)
{
    (void)count;
    return stream->ops->write_some(task, stream, buffers[0]);
}
