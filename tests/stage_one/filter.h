/* SPDX-License-Identifier: MIT */
#ifndef FILTER_H
#define FILTER_H

/* Tasks that read a stream to its end and write one to its end, in chunks: what filters are tried
 * with. A task that was cut short is followed by another, which goes on where it was. */

#include <string.h>

#include <weir/stream.h>
#include <weir/test/kit.h>

#include "at_once.h"
#include "test.h"

struct reading {
    weir_task task;
    weir_read_stream *in; /* In. */
    weir_buffer buffer;   /* In: large enough for all and one byte more. */
    size_t chunk;         /* In: what a read asks for; 0: pseudo-random. */
    uint32_t seed;
    size_t size; /* Out: bytes read. */
};

static inline size_t filter_chunk(size_t chunk, uint32_t *seed, size_t size)
{
    *seed = *seed * UINT32_C(1664525) + UINT32_C(1013904223);
    if (chunk == 0)
        chunk = (*seed >> 20) * (*seed >> 20 & 31) / 8 + 1;
    return chunk < size ? chunk : size;
}

static inline weir_buffer reading_next(struct reading *self)
{
    weir_buffer rest = weir_buffer_after(self->buffer, self->size);

    return weir_buffer_of(rest.data, filter_chunk(self->chunk, &self->seed, rest.size));
}

static inline weir_task *reading_resume(weir_task *task)
{
    struct reading *self = WEIR_TASK_SELF(task, struct reading);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r, weir_read_some(task, self->in, reading_next(self)));
        CHECK(r.error || r.count > 0);
        self->size += r.count;
    } while (!r.error);
    WEIR_RETURN(task, weir_result_of(r.error, self->size));
    WEIR_END(task);
}

static inline struct reading reading_of(weir_read_stream *in, void *data, size_t size, size_t chunk)
{
    struct reading reading = {.in = in, .buffer = weir_buffer_of(data, size), .chunk = chunk};

    weir_task_init(&reading.task, reading_resume);
    return reading;
}

struct writing {
    weir_task task;
    weir_write_stream *out;  /* In. */
    weir_const_buffer bytes; /* In: what is left to write. */
    size_t chunk;            /* In: what a write is given; 0: pseudo-random. */
    uint32_t seed;
    bool is_open; /* In: the end of writing is left away. */
};

static inline weir_const_buffer writing_next(struct writing *self)
{
    return weir_const_buffer_of(self->bytes.data,
                                filter_chunk(self->chunk, &self->seed, self->bytes.size));
}

static inline weir_task *writing_resume(weir_task *task)
{
    struct writing *self = WEIR_TASK_SELF(task, struct writing);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->bytes.size > 0) {
        WEIR_AWAIT(task, r, weir_write_some(task, self->out, writing_next(self)));
        CHECK(r.error || r.count > 0);
        self->bytes = weir_const_buffer_after(self->bytes, r.count);
        if (r.error)
            WEIR_RETURN(task, r);
    }
    if (self->is_open)
        WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_AWAIT(task, r, self->out->ops->finish(task, self->out));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static inline struct writing writing_of(weir_write_stream *out, const void *data, size_t size,
                                        size_t chunk)
{
    struct writing writing = {
        .out = out, .bytes = weir_const_buffer_of(data, size), .chunk = chunk};

    weir_task_init(&writing.task, writing_resume);
    return writing;
}

/* Run the task; if it has run before, from the beginning. */
static inline weir_result run_again(weir_task *task)
{
    weir_task_init(task, task->resume);
    return weir_test_run(task);
}

/* Run the task with a stop, and then without. Returns false when the stop came too late. */
static inline bool run_stopped_and_again(weir_task *task, size_t step, weir_result *ret_result)
{
    if (!weir_test_run_stopped(task, step, WEIR_STOP_REQUESTED, ret_result))
        return false;
    if (ret_result->error == WEIR_CANCELLED)
        *ret_result = run_again(task);
    return true;
}

#define CHECK_RESULT(r, wanted_error, wanted_count) \
    do {                                            \
        weir_result check_result = (r);             \
                                                    \
        CHECK_EQ(check_result.error, wanted_error); \
        CHECK_EQ(check_result.count, wanted_count); \
    } while (0)

#define CHECK_SAME(data, size, expected, expected_size)            \
    do {                                                           \
        CHECK_EQ(size, expected_size);                             \
        CHECK((size) == 0 || !memcmp((data), (expected), (size))); \
    } while (0)

#endif
