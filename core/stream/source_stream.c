/* SPDX-License-Identifier: MIT */
/* A read stream over a buffer source. */
#include <weir/stream_adapters.h>

#include "record.h"

/* Move what was pulled, as far as the targets have room. */
static weir_result move(weir_source_stream *self, weir_result pulled)
{
    size_t size =
        weir_buffers_copy(self->targets, self->target_count, self->window, pulled.count, SIZE_MAX);

    weir_buffer_source_consume(self->source, size);
    return weir_result_of(pulled.error, size);
}

static weir_task *read_resume(weir_task *task)
{
    weir_source_stream *self = WEIR_CONTAINER_OF(task, weir_source_stream, work);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_buffer_source_pull(task, self->source, self->window, WEIR_ADAPTER_WINDOW));
    WEIR_RETURN(task, move(self, r));
    WEIR_END(task);
}

static weir_task *source_stream_read_some_v(weir_task *task, weir_read_stream *in,
                                            const weir_buffer *buffers, size_t count)
{
    weir_source_stream *self = WEIR_CONTAINER_OF(in, weir_source_stream, in);

    weir_stream_claim(&self->work, read_resume);
    self->targets = buffers;
    self->target_count = count;
    return weir_call(task, &self->work);
}

static weir_task *source_stream_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_source_stream *self = WEIR_CONTAINER_OF(in, weir_source_stream, in);

    weir_stream_claim(&self->work, read_resume);
    self->target = buffer;
    self->targets = &self->target;
    self->target_count = 1;
    return weir_call(task, &self->work);
}

static const struct weir_read_stream_ops source_stream_ops = {
    .name = "a stream over a buffer source",
    .read_some = source_stream_read_some,
    .read_some_v = source_stream_read_some_v,
    .read = weir_stream_read_composed,
};

void weir_source_stream_init(weir_source_stream *self, weir_buffer_source *source)
{
    weir_read_stream_init(&self->in, &source_stream_ops);
    weir_task_init(&self->work, NULL);
    self->source = source;
}
