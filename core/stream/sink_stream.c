/* SPDX-License-Identifier: MIT */
/* A write stream over a buffer sink. */
#include <weir/stream_adapters.h>

#include "record.h"

static size_t prepare(weir_sink_stream *self)
{
    self->count = weir_buffer_sink_prepare(self->sink, self->window, WEIR_ADAPTER_WINDOW);
    return self->count;
}

/* Fill what was prepared, and commit it. */
static weir_task *commit(weir_task *task, weir_sink_stream *self)
{
    self->taken =
        weir_buffers_copy(self->window, self->count, self->origins, self->origin_count, SIZE_MAX);
    return weir_buffer_sink_commit(task, self->sink, self->taken);
}

static weir_task *write_resume(weir_task *task)
{
    weir_sink_stream *self = WEIR_CONTAINER_OF(task, weir_sink_stream, work);
    weir_result r;

    WEIR_BEGIN(task);
    while (prepare(self) == 0) {
        WEIR_AWAIT(task, r, weir_buffer_sink_commit(task, self->sink, 0));
        if (r.error)
            WEIR_RETURN(task, weir_result_of(r.error, 0));
    }
    WEIR_AWAIT(task, r, commit(task, self));
    if (self->taken == weir_const_buffers_size(self->origins, self->origin_count))
        r.error = 0; /* The next commit meets it again. */
    WEIR_RETURN(task, weir_result_of(r.error, self->taken));
    WEIR_END(task);
}

static weir_task *start(weir_task *task, weir_sink_stream *self)
{
    int error = weir_task_stop_error(task); /* A commit takes bytes also after a stop. */

    if (error)
        return weir_task_complete(task, error, 0);
    weir_stream_claim(&self->work, write_resume);
    return weir_call(task, &self->work);
}

static weir_task *sink_stream_write_some_v(weir_task *task, weir_write_stream *out,
                                           const weir_const_buffer *buffers, size_t count)
{
    weir_sink_stream *self = WEIR_CONTAINER_OF(out, weir_sink_stream, out);

    self->origins = buffers;
    self->origin_count = count;
    return start(task, self);
}

static weir_task *sink_stream_write_some(weir_task *task, weir_write_stream *out,
                                         weir_const_buffer buffer)
{
    weir_sink_stream *self = WEIR_CONTAINER_OF(out, weir_sink_stream, out);

    self->origin = buffer;
    self->origins = &self->origin;
    self->origin_count = 1;
    return start(task, self);
}

static weir_task *sink_stream_finish(weir_task *task, weir_write_stream *out)
{
    weir_sink_stream *self = WEIR_CONTAINER_OF(out, weir_sink_stream, out);

    return weir_buffer_sink_commit_eof(task, self->sink, 0);
}

static const struct weir_write_stream_ops sink_stream_ops = {
    .name = "a stream over a buffer sink",
    .write_some = sink_stream_write_some,
    .write_some_v = sink_stream_write_some_v,
    .write = weir_stream_write_composed,
    .finish = sink_stream_finish,
};

void weir_sink_stream_init(weir_sink_stream *self, weir_buffer_sink *sink)
{
    weir_write_stream_init(&self->out, &sink_stream_ops);
    weir_task_init(&self->work, NULL);
    self->sink = sink;
}
