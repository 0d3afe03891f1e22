/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STREAM_ADAPTERS_H
#define WEIR_STREAM_ADAPTERS_H

/*
 * Adapters between streams, which use the caller's memory, and buffer sources and sinks, which use
 * their own: one for each direction.
 *
 *      have                 want                 embed
 *      weir_read_stream     weir_buffer_source   weir_stream_source   &x.source, and memory for it
 *      weir_buffer_source   weir_read_stream     weir_source_stream   &x.in
 *      weir_write_stream    weir_buffer_sink     weir_stream_sink     &x.sink, and memory for it
 *      weir_buffer_sink     weir_write_stream    weir_sink_stream     &x.out
 *
 * An adapter allocates nothing and adds no suspension: it completes at once when what is under it
 * does. It stays in place, and there is nothing to release. Bytes that it has taken from what is
 * under it and that nobody has had yet stay in it.
 *
 * Thread: that of the tasks that await it. Source: core/stream/stream_source.c, source_stream.c,
 * stream_sink.c, sink_stream.c. Tests: tests/stage_one/test_stream_adapters.c.
 */

#include <weir/buffer_sink.h>
#include <weir/buffer_source.h>
#include <weir/stream.h>

WEIR_C_BEGIN

/** A buffer source over a read stream. Fields are private. */
typedef struct weir_stream_source {
    weir_buffer_source source;
    weir_task work; /* The read, as a child of whoever pulls. */
    weir_read_stream *in;
    weir_buffer memory;
    weir_const_buffer data;         /* Of the memory: read and not consumed. */
    int error;                      /* Came with the data, and is told behind it. */
    weir_const_buffer *ret_buffers; /* Of the pull in flight. */
} weir_stream_source;

/**
 * A pull reads once, and only when all that was read before is consumed.
 *
 * @memory  borrowed, not empty: what is read at a time
 */
WEIR_PUBLIC void weir_stream_source_init(weir_stream_source *self, weir_read_stream *in,
                                         weir_buffer memory);

enum { WEIR_ADAPTER_WINDOW = 4 };

/** A read stream over a buffer source. Fields are private. */
typedef struct weir_source_stream {
    weir_read_stream in;
    weir_task work; /* The pull, as a child of whoever reads. */
    weir_buffer_source *source;
    const weir_buffer *targets; /* Of the read in flight: the caller's sequence, or target. */
    size_t target_count;
    weir_buffer target;
    weir_const_buffer window[WEIR_ADAPTER_WINDOW]; /* What was pulled. */
} weir_source_stream;

/** A read pulls once, and consumes what it has copied. */
WEIR_PUBLIC void weir_source_stream_init(weir_source_stream *self, weir_buffer_source *source);

/** A buffer sink over a write stream. Fields are private. */
typedef struct weir_stream_sink {
    weir_buffer_sink sink;
    weir_task work; /* The write, as a child of whoever commits. */
    weir_write_stream *out;
    weir_buffer memory;
    size_t begin; /* Of the memory: what is committed and not written. */
    size_t end;
    size_t committed; /* By the commit in flight. */
    bool is_last;     /* It is a commit_eof. */
} weir_stream_sink;

/**
 * A commit writes all that was committed. commit_eof ends the writing of out, too.
 *
 * @memory  borrowed, not empty: what can be committed at a time
 */
WEIR_PUBLIC void weir_stream_sink_init(weir_stream_sink *self, weir_write_stream *out,
                                       weir_buffer memory);

/** A write stream over a buffer sink. Fields are private. */
typedef struct weir_sink_stream {
    weir_write_stream out;
    weir_task work; /* The commit, as a child of whoever writes. */
    weir_buffer_sink *sink;
    const weir_const_buffer *origins; /* Of the write in flight: the caller's, or origin. */
    size_t origin_count;
    weir_const_buffer origin;
    weir_buffer window[WEIR_ADAPTER_WINDOW]; /* What was prepared, */
    size_t count;                            /* and of how many buffers. */
    size_t taken;                            /* Bytes of the write in flight. */
} weir_sink_stream;

/** Bytes count as written when they are committed. The end of writing is a commit_eof. */
WEIR_PUBLIC void weir_sink_stream_init(weir_sink_stream *self, weir_buffer_sink *sink);

WEIR_C_END

#endif
