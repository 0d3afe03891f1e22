/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BUFFER_SOURCE_H
#define WEIR_BUFFER_SOURCE_H

/*
 * Buffer sources: bytes to read that stand in the source's own memory.
 *
 * A read stream fills the caller's memory; a buffer source shows where its bytes stand, and the
 * caller says how many of them it is done with. Nothing is copied.
 *
 *      pull ---> look at the buffers ---> consume(n) ---> pull ...
 *
 * Thread: that of the tasks that await it. Tests: tests/stage_one/test_stream_adapters.c,
 * test_memory_stream.c.
 */

#include <weir/buffer.h>
#include <weir/task.h>

WEIR_C_BEGIN

typedef struct weir_buffer_source weir_buffer_source;

/** See weir_buffer_source_pull. max is not 0. After a stop of the task: cancelled, and nothing. */
typedef weir_task *weir_buffer_source_pull_fn(weir_task *task, weir_buffer_source *source,
                                              weir_const_buffer *ret_buffers, size_t max);

/** Forget the first size bytes. They have been pulled; size is not 0. */
typedef void weir_buffer_source_consume_fn(weir_buffer_source *source, size_t size);

/** What a buffer source must provide. Every slot is required. */
struct weir_buffer_source_ops {
    const char *name; /* "memory": for dumps. */
    weir_buffer_source_pull_fn *pull;
    weir_buffer_source_consume_fn *consume;
};

/** Embedded; ops is set once, by the concrete type. */
struct weir_buffer_source {
    const struct weir_buffer_source_ops *ops;
};

/**
 * Show the next bytes. They stay where they are until they are consumed or the next pull; a pull
 * without consuming gives the same bytes again, and may give more.
 *
 * Completes  when at least one byte is there, the source has ended or failed; at once if ready
 * Result     how many buffers, 1..max; WEIR_EOF and 0 at the end; another error and 0
 * Borrows    source and ret_buffers until then
 * Overlap    one pull; no consume meanwhile
 * Cancel     WEIR_CANCELLED; nothing is lost
 *
 * @ret_buffers[max]  none of those that were written is empty
 * @max               not 0
 */
WEIR_MUST_USE static inline weir_task *weir_buffer_source_pull(weir_task *task,
                                                               weir_buffer_source *source,
                                                               weir_const_buffer *ret_buffers,
                                                               size_t max)
{
    WEIR_ASSERT(max > 0, "there is a place for a pulled buffer");

    return source->ops->pull(task, source, ret_buffers, max);
}

/** Be done with the first size bytes, which were pulled. */
static inline void weir_buffer_source_consume(weir_buffer_source *source, size_t size)
{
    if (size > 0)
        source->ops->consume(source, size);
}

WEIR_C_END

#endif
