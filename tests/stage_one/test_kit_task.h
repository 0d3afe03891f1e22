/* SPDX-License-Identifier: MIT */
#ifndef TEST_KIT_TASK_H
#define TEST_KIT_TASK_H

/* A task that awaits one operation of a stream: what the tests of the kit run. */

#include <string.h>

#include <weir/stream.h>
#include <weir/test/kit.h>

#include "test.h"

struct transfer;

typedef weir_task *transfer_start_fn(struct transfer *self);

struct transfer {
    weir_task task;
    transfer_start_fn *start;     /* In. */
    weir_stream *stream;          /* In. */
    weir_buffer buffer;           /* In: to read into. */
    weir_const_buffer bytes;      /* In: to write. */
    weir_dynamic_buffer *dynamic; /* In: to read into, */
    weir_matcher *matcher;        /* until this ends. */
    const weir_grinder *cut;      /* In: sequences, to read into or to write. */
    weir_result result;           /* Out. */
    bool is_done;                 /* Out. */
    weir_root root;               /* When a test launches it by itself. */
};

static inline weir_task *transfer_resume(weir_task *task)
{
    struct transfer *self = WEIR_TASK_SELF(task, struct transfer);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, self->start(self));
    self->result = r;
    self->is_done = true;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static inline weir_task *start_read_some(struct transfer *self)
{
    return weir_read_some(&self->task, &self->stream->in, self->buffer);
}

static inline weir_task *start_read(struct transfer *self)
{
    return weir_read(&self->task, &self->stream->in, self->buffer);
}

static inline weir_task *start_write_some(struct transfer *self)
{
    return weir_write_some(&self->task, &self->stream->out, self->bytes);
}

static inline weir_task *start_write(struct transfer *self)
{
    return weir_write(&self->task, &self->stream->out, self->bytes);
}

static inline weir_task *start_read_some_v(struct transfer *self)
{
    return weir_read_some_v(&self->task, &self->stream->in, self->cut->buffers, self->cut->count);
}

static inline weir_task *start_write_some_v(struct transfer *self)
{
    return weir_write_some_v(&self->task, &self->stream->out, self->cut->const_buffers,
                             self->cut->count);
}

static inline weir_task *start_read_v(struct transfer *self)
{
    return weir_read_v(&self->task, &self->stream->in, self->cut->buffers, self->cut->count);
}

static inline weir_task *start_write_v(struct transfer *self)
{
    return weir_write_v(&self->task, &self->stream->out, self->cut->const_buffers,
                        self->cut->count);
}

static inline weir_task *start_read_until(struct transfer *self)
{
    return weir_read_until(&self->task, &self->stream->in, self->dynamic, self->matcher);
}

static inline weir_task *start_read_to_end(struct transfer *self)
{
    return weir_read_to_end(&self->task, &self->stream->in, self->dynamic);
}

static inline weir_task *start_write_eof(struct transfer *self)
{
    return weir_write_eof(&self->task, &self->stream->out, self->bytes);
}

static inline weir_task *start_finish(struct transfer *self)
{
    return self->stream->out.ops->finish(&self->task, &self->stream->out);
}

static inline void transfer_init(struct transfer *self, transfer_start_fn *start,
                                 weir_stream *stream)
{
    memset(self, 0, sizeof *self);
    self->start = start;
    self->stream = stream;
    weir_task_init(&self->task, transfer_resume);
}

static inline void transfer_init_read(struct transfer *self, transfer_start_fn *start,
                                      weir_stream *stream, void *data, size_t size)
{
    transfer_init(self, start, stream);
    self->buffer = weir_buffer_of(data, size);
}

static inline void transfer_init_write(struct transfer *self, transfer_start_fn *start,
                                       weir_stream *stream, const void *data, size_t size)
{
    transfer_init(self, start, stream);
    self->bytes = weir_const_buffer_of(data, size);
}

static inline void settle(weir_manual *manual)
{
    while (weir_manual_poll(manual))
        ;
}

/** Launch a transfer as a tree of its own, and run until nothing is ready. */
static inline void transfer_launch(struct transfer *self, weir_manual *manual)
{
    weir_run_async(weir_manual_executor(manual), &self->root, &self->task, NULL, NULL);
    settle(manual);
}

static inline void transfer_stop(struct transfer *self, weir_manual *manual)
{
    weir_task_stop(&self->root.task, WEIR_STOP_REQUESTED);
    settle(manual);
}

#define CHECK_RESULT(r, wanted_error, wanted_count) \
    do {                                            \
        const weir_result result_here = (r);        \
        CHECK_EQ(result_here.error, wanted_error);  \
        CHECK_EQ(result_here.count, wanted_count);  \
    } while (0)

#endif
