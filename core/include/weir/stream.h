/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

/*
 * Streams: bytes in order, from a socket, a TLS session or memory, behind a table for each way.
 *
 * A weir_read_stream gives bytes, a weir_write_stream takes them, and a weir_stream is one of each:
 * a connection. They are members of whatever carries bytes, so code that takes a pointer to one of
 * them is compiled once, for a socket, for memory and for what a program brings itself.
 *
 *      weir_tcp_socket socket;
 *      weir_read(task, &socket.stream.in, buffer)
 *      weir_write(task, &socket.stream.out, buffer)
 *
 * One read and one write may be in flight at a time. What is composed of several (of sequences, of
 * messages) is a child task, whose frame comes from the environment's allocator and is given back
 * when it ends: a stream that is idle holds none. Without memory for it such an operation has not
 * begun and gives -ENOMEM.
 *
 * Rules of every stream:
 *
 *   - partial reads and writes give 1..size bytes or an error, and bytes that were transferred are
 *     counted, also beside an error: count first, then look at the error;
 *   - full buffers are success, and a condition met meanwhile waits for the next call;
 *   - an empty buffer completes at once with 0;
 *   - the end of a stream is an error, WEIR_EOF, and it stays; so does a failure;
 *   - a stop loses no bytes: what had come is in the buffers and counted, and the stream is usable.
 *
 * To write a stream of your own, fill the tables; only read_some, write_some and finish need code.
 * <weir/copy.h> has what moves bytes between streams.
 *
 * Thread: that of the tasks that await it. Source: core/stream/stream.c, sequence.c, until.c.
 * Tests: tests/unit/test_stream.c, tests/stage_one/test_sequence.c, test_read_until.c,
 * test_kit_together.c, tests/contract/test_tcp*.c.
 */

#include <weir/buffer.h>
#include <weir/dynamic_buffer.h>
#include <weir/matcher.h>
#include <weir/task.h>

WEIR_C_BEGIN

typedef struct weir_read_stream weir_read_stream;
typedef struct weir_write_stream weir_write_stream;

/** Fill some of the buffer: 1..size bytes, WEIR_EOF or another error. size is not 0. */
typedef weir_task *weir_read_stream_read_some_fn(weir_task *task, weir_read_stream *in,
                                                 weir_buffer buffer);

/** Fill some of the sequence, front first. Its first buffer is not empty; it stays valid. */
typedef weir_task *weir_read_stream_read_some_v_fn(weir_task *task, weir_read_stream *in,
                                                   const weir_buffer *buffers, size_t count);

/** Fill the buffer: size bytes, or an error with those that came before it. size is not 0. */
typedef weir_task *weir_read_stream_read_fn(weir_task *task, weir_read_stream *in,
                                            weir_buffer buffer);

/** Send some of the buffer: 1..size bytes or an error. size is not 0. */
typedef weir_task *weir_write_stream_write_some_fn(weir_task *task, weir_write_stream *out,
                                                   weir_const_buffer buffer);

/** Send some of the sequence, front first. Its first buffer is not empty; it stays valid. */
typedef weir_task *weir_write_stream_write_some_v_fn(weir_task *task, weir_write_stream *out,
                                                     const weir_const_buffer *buffers,
                                                     size_t count);

/** Send the buffer: size bytes, or an error with those that went before it. size is not 0. */
typedef weir_task *weir_write_stream_write_fn(weir_task *task, weir_write_stream *out,
                                              weir_const_buffer buffer);

/**
 * End the writing: pass on what is held back, and what marks the end. {0, 0} or an error;
 * cancelled, it may be called again. After it has succeeded no write starts.
 */
typedef weir_task *weir_write_stream_finish_fn(weir_task *task, weir_write_stream *out);

/*
 * What a stream must provide to be read, and to be written. Every slot is required. One slot of a
 * table at a time is in flight; each may complete at once; after a stop of the task each completes
 * as cancelled and moves nothing.
 */
struct weir_read_stream_ops {
    const char *name; /* "tcp": for dumps. */
    weir_read_stream_read_some_fn *read_some;
    weir_read_stream_read_some_v_fn *read_some_v; /* weir_stream_read_first: no scattering. */
    weir_read_stream_read_fn *read;               /* weir_stream_read_composed: by read_some. */
};

struct weir_write_stream_ops {
    const char *name;
    weir_write_stream_write_some_fn *write_some;
    weir_write_stream_write_some_v_fn *write_some_v; /* weir_stream_write_first: no gathering. */
    weir_write_stream_write_fn *write;   /* weir_stream_write_composed: by write_some. */
    weir_write_stream_finish_fn *finish; /* weir_stream_finish_nothing: no end to mark. */
};

/** Defaults for streams that cannot scatter or gather: they use the first buffer. */
WEIR_PUBLIC weir_read_stream_read_some_v_fn weir_stream_read_first;
WEIR_PUBLIC weir_write_stream_write_some_v_fn weir_stream_write_first;

/** Defaults for streams whose kernel, or whatever carries them, knows only parts: child tasks, for
 * which there may be no memory (-ENOMEM, and nothing was moved). */
WEIR_PUBLIC weir_read_stream_read_fn weir_stream_read_composed;
WEIR_PUBLIC weir_write_stream_write_fn weir_stream_write_composed;

/** Default for streams that hold nothing back and mark no end. */
WEIR_PUBLIC weir_write_stream_finish_fn weir_stream_finish_nothing;

/** Buffers that a part of a sequence is offered where it begins inside one. */
enum { WEIR_TRANSFER_WINDOW = 4 };

/** What can be read. Embedded; ops is set once, by the concrete type. Fields are private. */
struct weir_read_stream {
    const struct weir_read_stream_ops *ops;
    weir_task *composed; /* The child of what is composed of parts and in flight, or NULL. */
};

/** What can be written. Embedded; ops is set once, by the concrete type. Fields are private. */
struct weir_write_stream {
    const struct weir_write_stream_ops *ops;
    weir_task *composed; /* Likewise. */
};

/** What can be both: the first member of a connection. */
typedef struct weir_stream {
    weir_read_stream in;
    weir_write_stream out;
} weir_stream;

/** Set up the part of a concrete stream that is common to all. */
static inline void weir_read_stream_init(weir_read_stream *in,
                                         const struct weir_read_stream_ops *ops)
{
    in->ops = ops;
    in->composed = NULL;
}

static inline void weir_write_stream_init(weir_write_stream *out,
                                          const struct weir_write_stream_ops *ops)
{
    out->ops = ops;
    out->composed = NULL;
}

static inline void weir_stream_init(weir_stream *stream, const struct weir_read_stream_ops *in_ops,
                                    const struct weir_write_stream_ops *out_ops)
{
    weir_read_stream_init(&stream->in, in_ops);
    weir_write_stream_init(&stream->out, out_ops);
}

/* Reading. */

/**
 * Read what is there, at most the buffer.
 *
 * Completes  when at least one byte has come, the stream has ended or failed; at once if ready
 * Result     bytes read, 1..size; WEIR_EOF at the end; 0 bytes and no error for an empty buffer
 * Borrows    stream and the buffer's memory until then
 * Overlap    one read; writes are independent
 * Cancel     WEIR_CANCELLED, or the bytes if some had come; the stream stays usable
 */
WEIR_MUST_USE static inline weir_task *weir_read_some(weir_task *task, weir_read_stream *in,
                                                      weir_buffer buffer)
{
    if (WEIR_UNLIKELY(buffer.size == 0))
        return weir_task_complete(task, 0, 0);
    return in->ops->read_some(task, in, buffer);
}

/**
 * weir_read_some into a buffer sequence, front first.
 *
 * Borrows    also the array of buffers
 *
 * @buffers[count]  a stream may use only the first of them (of a socket: 1,024, the kernel's
 *                  IOV_MAX); the others are left for the next call
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_read_some_v(weir_task *task, weir_read_stream *in,
                                                      const weir_buffer *buffers, size_t count);

/**
 * Fill the whole buffer.
 *
 * Completes  when it is full, the stream has ended or failed
 * Result     bytes read; with WEIR_EOF or another error: those that came before it
 * Borrows    stream and the buffer's memory until then
 * Overlap    one read; writes are independent
 * Cancel     {WEIR_CANCELLED, bytes read so far}; they are in the buffer
 */
WEIR_MUST_USE static inline weir_task *weir_read(weir_task *task, weir_read_stream *in,
                                                 weir_buffer buffer)
{
    if (WEIR_UNLIKELY(buffer.size == 0))
        return weir_task_complete(task, 0, 0);
    return in->ops->read(task, in, buffer);
}

/**
 * weir_read into a whole buffer sequence, of any length.
 *
 * Result     also -ENOMEM: no frame for it, and nothing was read
 * Borrows    also the array of buffers
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_read_v(weir_task *task, weir_read_stream *in,
                                                 const weir_buffer *buffers, size_t count);

/**
 * Read into a dynamic buffer until what is in it begins with a whole message. What is there already
 * is looked at first; what comes behind the message stays for the next call.
 *
 *      weir_read_until(task, in, &line.dynamic, &newline.matcher) gives r
 *      ... the line is the first r.count bytes ...
 *      weir_dynamic_buffer_consume(&line.dynamic, r.count);
 *
 * Completes  when the message is complete, the stream has ended or failed, or the limit is reached;
 *            at once if it is there
 * Result     bytes of the message: the first ones of the buffer. With an error the bytes of the
 *            buffer, all kept: WEIR_EOF; -ENOBUFS: size_max has come and the message is longer;
 *            -ENOMEM; an error of the matcher
 * Borrows    stream, buffer and matcher until then
 * Overlap    one read; writes are independent
 * Cancel     {WEIR_CANCELLED, bytes in the buffer}; called again it goes on
 *
 * @matcher  is reset first: it sees the buffer from its first byte on
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_read_until(weir_task *task, weir_read_stream *in,
                                                     weir_dynamic_buffer *buffer,
                                                     weir_matcher *matcher);

/**
 * Read into a dynamic buffer, behind what is there, until the stream ends.
 *
 * Completes  when the stream has ended or failed, or the limit is reached
 * Result     bytes appended, and no error at the end of the stream; also beside an error: -ENOBUFS
 *            (size_max has come, and the end has not been seen), -ENOMEM
 * Borrows    stream and buffer until then
 * Overlap    one read; writes are independent
 * Cancel     {WEIR_CANCELLED, bytes appended}; called again it goes on
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_read_to_end(weir_task *task, weir_read_stream *in,
                                                      weir_dynamic_buffer *buffer);

/* Writing. */

/**
 * Send some of the buffer.
 *
 * Completes  when at least one byte was taken, or the stream failed; at once if there is room
 * Result     bytes sent, 1..size, or an error; 0 bytes and no error for an empty buffer
 * Borrows    stream and the buffer's memory until then
 * Overlap    one write; reads are independent
 * Cancel     WEIR_CANCELLED, or the bytes if some were taken; the stream stays usable
 */
WEIR_MUST_USE static inline weir_task *weir_write_some(weir_task *task, weir_write_stream *out,
                                                       weir_const_buffer buffer)
{
    if (WEIR_UNLIKELY(buffer.size == 0))
        return weir_task_complete(task, 0, 0);
    return out->ops->write_some(task, out, buffer);
}

/** weir_write_some from a buffer sequence, front first; see weir_read_some_v. */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_write_some_v(weir_task *task, weir_write_stream *out,
                                                       const weir_const_buffer *buffers,
                                                       size_t count);

/**
 * Send the whole buffer.
 *
 * Completes  when all of it was taken, or the stream failed
 * Result     bytes sent; with an error: those that were taken before it
 * Borrows    stream and the buffer's memory until then
 * Overlap    one write; reads are independent
 * Cancel     {WEIR_CANCELLED, bytes taken so far}
 */
WEIR_MUST_USE static inline weir_task *weir_write(weir_task *task, weir_write_stream *out,
                                                  weir_const_buffer buffer)
{
    if (WEIR_UNLIKELY(buffer.size == 0))
        return weir_task_complete(task, 0, 0);
    return out->ops->write(task, out, buffer);
}

/**
 * weir_write of a whole buffer sequence, of any length.
 *
 * Result     also -ENOMEM: no frame for it, and nothing was sent
 * Borrows    also the array of buffers
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_write_v(weir_task *task, weir_write_stream *out,
                                                  const weir_const_buffer *buffers, size_t count);

/**
 * Send the last bytes and end the writing: a socket's peer reads WEIR_EOF, a compressor writes its
 * trailer. The buffer may be empty. After it has succeeded nothing is written.
 *
 * Completes  when all is taken and the end too, or the stream failed
 * Result     bytes sent. An error beside all of them is of the end, and the call is repeated with
 *            an empty buffer. -ENOMEM and none: no frame for it
 * Borrows    stream and the buffer's memory until then
 * Overlap    one write; reads are independent
 * Cancel     {WEIR_CANCELLED, bytes taken so far}
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_write_eof(weir_task *task, weir_write_stream *out,
                                                    weir_const_buffer buffer);

WEIR_C_END

#endif
