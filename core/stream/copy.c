/* SPDX-License-Identifier: MIT */
/* Moving bytes between two streams. */
#include <weir/copy.h>

/* The end of what is read is how all of these succeed. */
static weir_result ended(int read_error, size_t total)
{
    return weir_result_of(read_error == WEIR_EOF ? 0 : read_error, total);
}

static weir_task *copy_resume(weir_task *task)
{
    weir_copy_frame *self = WEIR_TASK_SELF(task, weir_copy_frame);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r, weir_read_some(task, self->in, self->memory));
        self->read_error = r.error;
        self->rest = weir_const_buffer_of(self->memory.data, r.count);
        WEIR_AWAIT(task, r, weir_write(task, self->out, self->rest));
        self->total += r.count;
        self->rest = weir_const_buffer_after(self->rest, r.count);
        if (r.error)
            WEIR_RETURN(task, weir_result_of(r.error, self->total));
    } while (!self->read_error);
    WEIR_RETURN(task, ended(self->read_error, self->total));
    WEIR_END(task);
}

weir_task *weir_copy(weir_task *task, weir_copy_frame *frame, weir_read_stream *in,
                     weir_write_stream *out, weir_buffer memory)
{
    WEIR_ASSERT(memory.size > 0, "a copy has memory to read into");

    weir_task_init(&frame->task, copy_resume);
    frame->in = in;
    frame->out = out;
    frame->memory = memory;
    frame->total = 0;
    return weir_call(task, &frame->task);
}

static weir_task *push_resume(weir_task *task)
{
    weir_push_frame *self = WEIR_TASK_SELF(task, weir_push_frame);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_buffer_source_pull(task, self->source, self->window, WEIR_COPY_WINDOW));
        if (r.error)
            WEIR_RETURN(task, ended(r.error, self->total));
        WEIR_AWAIT(task, r, weir_write_some_v(task, self->out, self->window, r.count));
        self->total += r.count;
        weir_buffer_source_consume(self->source, r.count);
        if (r.error)
            WEIR_RETURN(task, weir_result_of(r.error, self->total));
    }
    WEIR_END(task);
}

weir_task *weir_push_to(weir_task *task, weir_push_frame *frame, weir_buffer_source *source,
                        weir_write_stream *out)
{
    weir_task_init(&frame->task, push_resume);
    frame->source = source;
    frame->out = out;
    frame->total = 0;
    return weir_call(task, &frame->task);
}

static size_t prepare(weir_pull_frame *self)
{
    self->count = weir_buffer_sink_prepare(self->sink, self->window, WEIR_COPY_WINDOW);
    return self->count;
}

static weir_task *pull_resume(weir_task *task)
{
    weir_pull_frame *self = WEIR_TASK_SELF(task, weir_pull_frame);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        while (prepare(self) == 0) {
            WEIR_AWAIT(task, r, weir_buffer_sink_commit(task, self->sink, 0));
            if (r.error)
                WEIR_RETURN(task, weir_result_of(r.error, self->total));
        }
        WEIR_AWAIT(task, r, weir_read_some_v(task, self->in, self->window, self->count));
        self->read_error = r.error;
        self->total += r.count;
        if (r.count == 0)
            break;
        WEIR_AWAIT(task, r, weir_buffer_sink_commit(task, self->sink, r.count));
        if (r.error)
            WEIR_RETURN(task, weir_result_of(r.error, self->total));
    } while (!self->read_error);
    WEIR_RETURN(task, ended(self->read_error, self->total));
    WEIR_END(task);
}

weir_task *weir_pull_from(weir_task *task, weir_pull_frame *frame, weir_read_stream *in,
                          weir_buffer_sink *sink)
{
    weir_task_init(&frame->task, pull_resume);
    frame->in = in;
    frame->sink = sink;
    frame->total = 0;
    return weir_call(task, &frame->task);
}
