/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BUFFER_SINK_H
#define WEIR_BUFFER_SINK_H

/*
 * Buffer sinks: memory of the sink's own, to be filled with the bytes it is to take.
 *
 * A write stream takes bytes from the caller's memory; a buffer sink lends memory, and the caller
 * says how many bytes it has put there. Nothing is copied.
 *
 *      prepare ---> fill the buffers ---> commit(n) ---> prepare ... ---> commit_eof(n)
 *
 * What is committed is the sink's at once, also if passing it on is then stopped or fails: it goes
 * with the next commit. So no byte is lost or passed on twice.
 *
 * Thread: that of the tasks that await it. Tests: tests/stage_one/test_stream_adapters.c,
 * test_memory_stream.c.
 */

#include <weir/buffer.h>
#include <weir/task.h>

WEIR_C_BEGIN

typedef struct weir_buffer_sink weir_buffer_sink;

/** See weir_buffer_sink_prepare. max is not 0. */
typedef size_t weir_buffer_sink_prepare_fn(weir_buffer_sink *sink, weir_buffer *ret_buffers,
                                           size_t max);

/** See weir_buffer_sink_commit. After a stop of the task: takes the bytes, and is cancelled. */
typedef weir_task *weir_buffer_sink_commit_fn(weir_task *task, weir_buffer_sink *sink, size_t size);

/** What a buffer sink must provide. Every slot is required. */
struct weir_buffer_sink_ops {
    const char *name; /* "memory": for dumps. */
    weir_buffer_sink_prepare_fn *prepare;
    weir_buffer_sink_commit_fn *commit;
    weir_buffer_sink_commit_fn *commit_eof;
};

/** Embedded; ops is set once, by the concrete type. */
struct weir_buffer_sink {
    const struct weir_buffer_sink_ops *ops;
};

/**
 * Memory for the next bytes. It is good until the next prepare or commit; prepared again without a
 * commit it is the same memory.
 *
 * Returns how many buffers were written; 0: there is no room now, and weir_buffer_sink_commit with
 * 0 waits for some.
 *
 * @ret_buffers[max]  none of those that were written is empty
 * @max               not 0
 */
WEIR_MUST_USE static inline size_t weir_buffer_sink_prepare(weir_buffer_sink *sink,
                                                            weir_buffer *ret_buffers, size_t max)
{
    WEIR_ASSERT(max > 0, "there is a place for a prepared buffer");

    return sink->ops->prepare(sink, ret_buffers, max);
}

/**
 * Give the sink the first size bytes of what was prepared, and wait until it has passed on what it
 * had to; with 0: until there is room.
 *
 * Completes  when they are passed on as far as needed, or that failed; at once if ready
 * Result     size, always: the bytes are taken. An error is of passing them on
 * Borrows    sink until then
 * Overlap    one commit; no prepare meanwhile
 * Cancel     {WEIR_CANCELLED, size}; a commit of 0 goes on with what was taken
 */
WEIR_MUST_USE static inline weir_task *weir_buffer_sink_commit(weir_task *task,
                                                               weir_buffer_sink *sink, size_t size)
{
    return sink->ops->commit(task, sink, size);
}

/**
 * weir_buffer_sink_commit of the last bytes, 0 or more: all that was taken is passed on, and the
 * end. After it has succeeded nothing is prepared; if it fails or is cancelled it is called again,
 * with 0.
 */
WEIR_MUST_USE static inline weir_task *weir_buffer_sink_commit_eof(weir_task *task,
                                                                   weir_buffer_sink *sink,
                                                                   size_t size)
{
    return sink->ops->commit_eof(task, sink, size);
}

WEIR_C_END

#endif
