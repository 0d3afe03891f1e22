/* SPDX-License-Identifier: MIT */
/* A buffer source over a read stream. */
#include <weir/stream_adapters.h>

#include "record.h"

/* What can be said without reading: a buffer, an error that came with bytes, or 0: nothing. */
static weir_result pull_held(weir_stream_source *self, weir_const_buffer *ret_buffers)
{
    weir_result held = weir_result_of(self->error, 0);

    if (self->data.size > 0) {
        ret_buffers[0] = self->data;
        return weir_result_of(0, 1);
    }
    self->error = 0;
    return held;
}

/* A stop is not kept: whoever pulls next may not have been stopped. */
static void hold(weir_stream_source *self, weir_result part)
{
    self->data = weir_const_buffer_of(self->memory.data, part.count);
    if (part.count == 0 || !weir_stream_is_stop(part.error))
        self->error = part.error;
}

static weir_task *pull_resume(weir_task *task)
{
    weir_stream_source *self = WEIR_CONTAINER_OF(task, weir_stream_source, work);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_read_some(task, self->in, self->memory));
    hold(self, r);
    WEIR_RETURN(task, pull_held(self, self->ret_buffers));
    WEIR_END(task);
}

static weir_task *stream_source_pull(weir_task *task, weir_buffer_source *source,
                                     weir_const_buffer *ret_buffers, size_t max)
{
    weir_stream_source *self = WEIR_CONTAINER_OF(source, weir_stream_source, source);
    weir_result held = weir_result_of(weir_task_stop_error(task), 0);

    (void)max;
    if (!held.error)
        held = pull_held(self, ret_buffers);
    if (held.error || held.count > 0)
        return weir_task_complete(task, held.error, held.count);
    weir_stream_claim(&self->work, pull_resume);
    self->ret_buffers = ret_buffers;
    return weir_call(task, &self->work);
}

static void stream_source_consume(weir_buffer_source *source, size_t size)
{
    weir_stream_source *self = WEIR_CONTAINER_OF(source, weir_stream_source, source);

    WEIR_ASSERT(size <= self->data.size, "what is consumed has been pulled");

    self->data = weir_const_buffer_after(self->data, size);
}

static const struct weir_buffer_source_ops stream_source_ops = {
    .name = "a buffer source over a stream",
    .pull = stream_source_pull,
    .consume = stream_source_consume,
};

void weir_stream_source_init(weir_stream_source *self, weir_read_stream *in, weir_buffer memory)
{
    WEIR_ASSERT(memory.size > 0, "an adapter has memory to read into");

    self->source.ops = &stream_source_ops;
    weir_task_init(&self->work, NULL);
    self->in = in;
    self->memory = memory;
    self->data = weir_const_buffer_of(NULL, 0);
    self->error = 0;
}
