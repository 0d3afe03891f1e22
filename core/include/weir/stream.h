/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

/*
 * Streams: bytes in order, from a socket, a TLS session or memory, behind one table.
 *
 * A weir_stream is the first member of whatever carries bytes, so a pointer to the concrete object is
 * a pointer to the stream, and code that takes a weir_stream is compiled once. One read and one write
 * may be in flight at a time: the stream embeds a record for each, and reading or writing whole
 * buffers needs no frame of the caller's.
 *
 * Rules of every stream: partial reads and writes give 1..size bytes or an error; full buffers are
 * success, and a condition met meanwhile waits for the next call; an empty buffer completes at once
 * with 0; bytes transferred are always counted, also beside an error.
 *
 * Source: core/stream/stream.c. Tests: tests/unit/test_stream.c, tests/contract/test_tcp.c.
 */

#include <weir/buffer.h>
#include <weir/task.h>

WEIR_C_BEGIN

typedef struct weir_stream weir_stream;

/** Fill some of the buffer: 1..size bytes, WEIR_EOF or another error. size is not 0. */
typedef weir_task *weir_stream_read_some_fn(weir_task *task, weir_stream *stream,
                                            weir_buffer buffer);

/** Fill some of the sequence, front first. The sequence is not empty and stays valid. */
typedef weir_task *weir_stream_read_some_v_fn(weir_task *task, weir_stream *stream,
                                              const weir_buffer *buffers, size_t count);

/** Send some of the buffer: 1..size bytes or an error. size is not 0. */
typedef weir_task *weir_stream_write_some_fn(weir_task *task, weir_stream *stream,
                                             weir_const_buffer buffer);

/** Send some of the sequence, front first. The sequence is not empty and stays valid. */
typedef weir_task *weir_stream_write_some_v_fn(weir_task *task, weir_stream *stream,
                                               const weir_const_buffer *buffers, size_t count);

/** Fill the buffer: size bytes, or an error with those that came before it. size is not 0. */
typedef weir_task *weir_stream_read_fn(weir_task *task, weir_stream *stream, weir_buffer buffer);

/** Send the buffer: size bytes, or an error with those that went before it. size is not 0. */
typedef weir_task *weir_stream_write_fn(weir_task *task, weir_stream *stream,
                                        weir_const_buffer buffer);

/*
 * What a byte stream must provide. Every slot is required.
 *
 *                   in flight           may complete   after a stop
 *                   at once             at once        of the task
 *   read[_some[_v]]   one of the three    yes            cancelled, no I/O
 *   write[_some[_v]]  one of the three    yes            cancelled, no I/O
 */
struct weir_stream_ops {
    const char *name; /* "tcp": for dumps. */
    weir_stream_read_some_fn *read_some;
    weir_stream_read_some_v_fn *read_some_v; /* weir_stream_read_first: no scattering. */
    weir_stream_write_some_fn *write_some;
    weir_stream_write_some_v_fn *write_some_v; /* weir_stream_write_first: no gathering. */
    weir_stream_read_fn *read;                 /* weir_stream_read_composed: by read_some. */
    weir_stream_write_fn *write;               /* weir_stream_write_composed: by write_some. */
};

/** Defaults for streams that cannot scatter or gather: they use the first buffer with room. */
WEIR_PUBLIC weir_stream_read_some_v_fn weir_stream_read_first;
WEIR_PUBLIC weir_stream_write_some_v_fn weir_stream_write_first;

/** Defaults for streams whose kernel, or whatever carries them, knows only parts: child tasks. */
WEIR_PUBLIC weir_stream_read_fn weir_stream_read_composed;
WEIR_PUBLIC weir_stream_write_fn weir_stream_write_composed;

/** The record of a whole read or write, one for each direction of a stream. Fields are private. */
typedef struct weir_transfer {
    weir_task task; /* Composed: the child of whoever awaits it. Else what waits for its turn. */
    weir_stream *stream;
    union {
        weir_buffer in;        /* What is left to fill. */
        weir_const_buffer out; /* What is left to send. */
    } rest;
    size_t total;   /* Bytes transferred. */
    bool cancelled; /* Asked to end while it waited for its turn. */
} weir_transfer;

/** Embed as the first member. ops is set once, by the concrete type. Fields are private. */
struct weir_stream {
    const struct weir_stream_ops *ops;
    weir_transfer read;
    weir_transfer write;
};

/** Set up the part of a concrete stream that is common to all. */
static inline void weir_stream_init(weir_stream *stream, const struct weir_stream_ops *ops)
{
    stream->ops = ops;
    weir_task_init(&stream->read.task, NULL);
    weir_task_init(&stream->write.task, NULL);
}

/**
 * Read what is there, at most the buffer.
 *
 * Completes  when at least one byte has come, the stream has ended or failed; at once if ready
 * Result     bytes read, 1..size; WEIR_EOF at the end; 0 bytes and no error for an empty buffer
 * Borrows    stream and the buffer's memory until then
 * Overlap    one read; writes are independent
 * Cancel     WEIR_CANCELLED, or the bytes if some had come; the stream stays usable
 */
WEIR_MUST_USE static inline weir_task *weir_read_some(weir_task *task, weir_stream *stream,
                                                      weir_buffer buffer)
{
    if (WEIR_UNLIKELY(buffer.size == 0))
        return weir_task_complete(task, 0, 0);
    return stream->ops->read_some(task, stream, buffer);
}

/**
 * Send some of the buffer.
 *
 * Completes  when at least one byte was taken, or the stream failed; at once if there is room
 * Result     bytes sent, 1..size, or an error; 0 bytes and no error for an empty buffer
 * Borrows    stream and the buffer's memory until then
 * Overlap    one write; reads are independent
 * Cancel     WEIR_CANCELLED, or the bytes if some were taken; the stream stays usable
 */
WEIR_MUST_USE static inline weir_task *weir_write_some(weir_task *task, weir_stream *stream,
                                                       weir_const_buffer buffer)
{
    if (WEIR_UNLIKELY(buffer.size == 0))
        return weir_task_complete(task, 0, 0);
    return stream->ops->write_some(task, stream, buffer);
}

/**
 * weir_read_some into a buffer sequence, front first.
 *
 * Borrows    also the array of buffers
 *
 * @buffers[count]  at most 1,024 (the kernel's IOV_MAX); more are left for the next call
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_read_some_v(weir_task *task, weir_stream *stream,
                                                      const weir_buffer *buffers, size_t count);

/** weir_write_some from a buffer sequence, front first; see weir_read_some_v. */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_write_some_v(weir_task *task, weir_stream *stream,
                                                       const weir_const_buffer *buffers,
                                                       size_t count);

/**
 * Fill the whole buffer.
 *
 * Completes  when it is full, the stream has ended or failed
 * Result     bytes read; with WEIR_EOF or another error: those that came before it
 * Borrows    stream and the buffer's memory until then
 * Overlap    one read; writes are independent
 * Cancel     {WEIR_CANCELLED, bytes read so far}; they are in the buffer
 */
WEIR_MUST_USE static inline weir_task *weir_read(weir_task *task, weir_stream *stream,
                                                 weir_buffer buffer)
{
    if (WEIR_UNLIKELY(buffer.size == 0))
        return weir_task_complete(task, 0, 0);
    return stream->ops->read(task, stream, buffer);
}

/**
 * Send the whole buffer.
 *
 * Completes  when all of it was taken, or the stream failed
 * Result     bytes sent; with an error: those that were taken before it
 * Borrows    stream and the buffer's memory until then
 * Overlap    one write; reads are independent
 * Cancel     {WEIR_CANCELLED, bytes taken so far}
 */
WEIR_MUST_USE static inline weir_task *weir_write(weir_task *task, weir_stream *stream,
                                                  weir_const_buffer buffer)
{
    if (WEIR_UNLIKELY(buffer.size == 0))
        return weir_task_complete(task, 0, 0);
    return stream->ops->write(task, stream, buffer);
}

WEIR_C_END

#endif
