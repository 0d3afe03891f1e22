/* SPDX-License-Identifier: MIT */
/* A buffer sink over a write stream. */
#include <weir/stream_adapters.h>

#include "record.h"

static weir_const_buffer committed(const weir_stream_sink *self)
{
    return weir_const_buffer_of((const char *)self->memory.data + self->begin,
                                self->end - self->begin);
}

static size_t stream_sink_prepare(weir_buffer_sink *sink, weir_buffer *ret_buffers, size_t max)
{
    weir_stream_sink *self = WEIR_CONTAINER_OF(sink, weir_stream_sink, sink);

    (void)max;
    if (self->begin == self->end) {
        self->begin = 0;
        self->end = 0;
    }
    ret_buffers[0] = weir_buffer_after(self->memory, self->end);
    return ret_buffers[0].size > 0 ? 1 : 0;
}

static weir_task *commit_resume(weir_task *task)
{
    weir_stream_sink *self = WEIR_CONTAINER_OF(task, weir_stream_sink, work);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->begin == self->end && !self->is_last) /* There is room. */
        WEIR_RETURN(task, weir_result_of(weir_task_stop_error(task), 0));
    WEIR_AWAIT(task, r, weir_write(task, self->out, committed(self)));
    self->begin += r.count;
    if (!r.error && self->is_last)
        WEIR_AWAIT(task, r, weir_write_eof(task, self->out, committed(self)));
    WEIR_RETURN(task, weir_result_of(r.error, self->committed));
    WEIR_END(task);
}

static weir_task *take(weir_task *task, weir_buffer_sink *sink, size_t size, bool is_last)
{
    weir_stream_sink *self = WEIR_CONTAINER_OF(sink, weir_stream_sink, sink);

    WEIR_ASSERT(size <= self->memory.size - self->end, "what is committed has been prepared");

    weir_stream_claim(&self->work, commit_resume);
    self->end += size;
    self->committed = size;
    self->is_last = is_last;
    return weir_call(task, &self->work);
}

static weir_task *stream_sink_commit(weir_task *task, weir_buffer_sink *sink, size_t size)
{
    return take(task, sink, size, false);
}

static weir_task *stream_sink_commit_eof(weir_task *task, weir_buffer_sink *sink, size_t size)
{
    return take(task, sink, size, true);
}

static const struct weir_buffer_sink_ops stream_sink_ops = {
    .name = "a buffer sink over a stream",
    .prepare = stream_sink_prepare,
    .commit = stream_sink_commit,
    .commit_eof = stream_sink_commit_eof,
};

void weir_stream_sink_init(weir_stream_sink *self, weir_write_stream *out, weir_buffer memory)
{
    WEIR_ASSERT(memory.size > 0, "an adapter has memory to write from");

    self->sink.ops = &stream_sink_ops;
    weir_task_init(&self->work, NULL);
    self->out = out;
    self->memory = memory;
    self->begin = 0;
    self->end = 0;
}
