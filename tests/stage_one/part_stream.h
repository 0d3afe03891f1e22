/* SPDX-License-Identifier: MIT */
#ifndef PART_STREAM_H
#define PART_STREAM_H

/*
 * A stream that is made by hand, for what scripted streams do not do: bytes with an error beside
 * them, and a look at what it was given. Each operation completes at once with the next of its
 * parts.
 */

#include <weir/stream.h>

#include "test.h"

enum { PARTS_MAX = 8, PART_BYTES_MAX = 64 };

struct part_stream {
    weir_stream stream;
    struct {
        size_t size; /* Bytes it moves at most. */
        int error;   /* Beside them. */
    } parts[PARTS_MAX];
    size_t taken;     /* Parts. Behind the last the test fails. */
    const char *text; /* What is read. */
    size_t position;  /* Bytes moved. */
    char written[PART_BYTES_MAX];
    size_t counts[PARTS_MAX];      /* Of the sequence that the part was given; */
    const void *arrays[PARTS_MAX]; /* and the array. */
    int finish_error;
    size_t finished; /* Calls. */
};

static inline weir_result part_take(struct part_stream *self, const void *array, size_t count,
                                    size_t room)
{
    size_t at = self->taken++;
    size_t size = self->parts[at].size;

    CHECK(at < PARTS_MAX);
    CHECK(size > 0 || self->parts[at].error);
    self->arrays[at] = array;
    self->counts[at] = count;
    return weir_result_of(self->parts[at].error, size < room ? size : room);
}

static inline weir_task *part_read_some_v(weir_task *task, weir_read_stream *in,
                                          const weir_buffer *buffers, size_t count)
{
    struct part_stream *self = WEIR_CONTAINER_OF(in, struct part_stream, stream.in);
    weir_const_buffer text;
    weir_result r;

    if (weir_task_stop_error(task))
        return weir_task_complete(task, weir_task_stop_error(task), 0);
    r = part_take(self, buffers, count, weir_buffers_size(buffers, count));
    text = weir_const_buffer_of(self->text + self->position, r.count);
    self->position += weir_buffers_copy(buffers, count, &text, 1, SIZE_MAX);
    return weir_task_complete(task, r.error, r.count);
}

static inline weir_task *part_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    return part_read_some_v(task, in, &buffer, 1);
}

static inline weir_task *part_write_some_v(weir_task *task, weir_write_stream *out,
                                           const weir_const_buffer *buffers, size_t count)
{
    struct part_stream *self = WEIR_CONTAINER_OF(out, struct part_stream, stream.out);
    weir_buffer to = weir_buffer_of(self->written, sizeof self->written);
    weir_result r;

    if (weir_task_stop_error(task))
        return weir_task_complete(task, weir_task_stop_error(task), 0);
    r = part_take(self, buffers, count, weir_const_buffers_size(buffers, count));
    to = weir_buffer_after(to, self->position);
    self->position += weir_buffers_copy(&to, 1, buffers, count, r.count);
    return weir_task_complete(task, r.error, r.count);
}

static inline weir_task *part_write_some(weir_task *task, weir_write_stream *out,
                                         weir_const_buffer buffer)
{
    return part_write_some_v(task, out, &buffer, 1);
}

static inline weir_task *part_finish(weir_task *task, weir_write_stream *out)
{
    struct part_stream *self = WEIR_CONTAINER_OF(out, struct part_stream, stream.out);

    self->finished++;
    return weir_task_complete(task, self->finish_error, 0);
}

static const struct weir_read_stream_ops part_in_ops = {
    .name = "parts",
    .read_some = part_read_some,
    .read_some_v = part_read_some_v,
    .read = weir_stream_read_composed,
};

static const struct weir_write_stream_ops part_out_ops = {
    .name = "parts",
    .write_some = part_write_some,
    .write_some_v = part_write_some_v,
    .write = weir_stream_write_composed,
    .finish = part_finish,
};

static inline void part_stream_init(struct part_stream *self, const char *text)
{
    *self = (struct part_stream){.text = text};
    weir_stream_init(&self->stream, &part_in_ops, &part_out_ops);
}

/** The next part. */
static inline void part_add(struct part_stream *self, size_t size, int error)
{
    size_t at = 0;

    while (self->parts[at].size > 0 || self->parts[at].error)
        at++;
    CHECK(at < PARTS_MAX);
    self->parts[at].size = size;
    self->parts[at].error = error;
}

#endif
