/* SPDX-License-Identifier: MIT */
#ifndef WEIR_COPY_H
#define WEIR_COPY_H

/*
 * Moving the bytes of one stream to another, until the first one ends.
 *
 *                        to a write stream     to a buffer sink
 *   from a read stream     weir_copy             weir_pull_from
 *   from a buffer source   weir_push_to          (through <weir/stream_adapters.h>)
 *
 * Where one side has memory of its own, that is used, and bytes are copied once or not at all. The
 * other stream is not ended: its user does that, by weir_write_eof or weir_buffer_sink_commit_eof,
 * or goes on with it.
 *
 * Each runs in a frame of the caller's, embedded in the caller's own. It needs no preparation and
 * can be used again when it is done.
 *
 * Source: core/stream/copy.c. Tests: tests/stage_one/test_copy.c.
 */

#include <weir/buffer_sink.h>
#include <weir/buffer_source.h>
#include <weir/stream.h>

WEIR_C_BEGIN

enum { WEIR_COPY_WINDOW = 8 };

/** The frame of weir_copy. Fields are private. */
typedef struct weir_copy_frame {
    weir_task task;
    weir_read_stream *in;
    weir_write_stream *out;
    weir_buffer memory;
    weir_const_buffer rest; /* Read and not written. */
    int read_error;         /* Of the latest read: it waits until its bytes are written. */
    size_t total;
} weir_copy_frame;

/** The frame of weir_push_to. Fields are private. */
typedef struct weir_push_frame {
    weir_task task;
    weir_buffer_source *source;
    weir_write_stream *out;
    weir_const_buffer window[WEIR_COPY_WINDOW];
    size_t total;
} weir_push_frame;

/** The frame of weir_pull_from. Fields are private. */
typedef struct weir_pull_frame {
    weir_task task;
    weir_read_stream *in;
    weir_buffer_sink *sink;
    weir_buffer window[WEIR_COPY_WINDOW];
    size_t count;   /* Buffers of the window. */
    int read_error; /* Of the latest read: it waits until its bytes are committed. */
    size_t total;
} weir_pull_frame;

/**
 * Read from one stream and write to the other, until the first ends.
 *
 * Completes  when in has ended and all of it is written, or one of them failed
 * Result     bytes written, and no error at the end of in; also beside an error of either
 * Borrows    frame, both streams and the memory until then
 * Overlap    the one read on in and the one write on out
 * Cancel     {WEIR_CANCELLED, bytes written}; weir_copy_rest() has what was read and not written
 *
 * @frame   in place until it completes; what it held before does not matter
 * @memory  not empty: what is read at a time
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_copy(weir_task *task, weir_copy_frame *frame,
                                               weir_read_stream *in, weir_write_stream *out,
                                               weir_buffer memory);

/** What a copy that did not succeed had read and not yet written: a part of its memory. */
static inline weir_const_buffer weir_copy_rest(const weir_copy_frame *frame)
{
    return frame->rest;
}

/**
 * Write what a source has, from its own memory, until it ends.
 *
 * Completes  when the source has ended and all of it is written, or one of them failed
 * Result     bytes written, and no error at the end of the source; also beside an error of either.
 *            They are consumed, and no others
 * Borrows    frame, source and stream until then
 * Overlap    the one pull and the one write
 * Cancel     {WEIR_CANCELLED, bytes written}; called again it goes on
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_push_to(weir_task *task, weir_push_frame *frame,
                                                  weir_buffer_source *source,
                                                  weir_write_stream *out);

/**
 * Read into a sink's own memory until the stream ends.
 *
 * Completes  when the stream has ended and all of it is committed, or one of them failed
 * Result     bytes committed, and no error at the end of the stream; also beside an error of either
 * Borrows    frame, stream and sink until then
 * Overlap    the one read and the one commit
 * Cancel     {WEIR_CANCELLED, bytes committed}; called again it goes on
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_pull_from(weir_task *task, weir_pull_frame *frame,
                                                    weir_read_stream *in, weir_buffer_sink *sink);

WEIR_C_END

#endif
