/* SPDX-License-Identifier: MIT */
#ifndef WEIR_MEMORY_STREAM_H
#define WEIR_MEMORY_STREAM_H

/*
 * Memory as a stream: to read what is there, and to collect what is written.
 *
 *      weir_memory_reader   a buffer sequence, as a read stream (&x.in) and a buffer source
 *                           (&x.source)
 *      weir_memory_writer   a dynamic buffer, as a write stream (&x.out) and a buffer sink
 *                           (&x.sink)
 *
 * They are always ready: no await on them suspends, but for the turns of others that are due. They
 * allocate nothing (a dynamic buffer may), stay in place, and there is nothing to release.
 *
 * Thread: that of the tasks that await it. Source: core/stream/memory_stream.c. Tests:
 * tests/stage_one/test_memory_stream.c.
 */

#include <weir/buffer_sink.h>
#include <weir/buffer_source.h>
#include <weir/stream.h>

WEIR_C_BEGIN

/** A sequence that is read once, front first. Use either half. Fields are private. */
typedef struct weir_memory_reader {
    weir_read_stream in;
    weir_buffer_source source;
    weir_const_buffer whole; /* What weir_memory_reader_init was given. */
    weir_const_buffer_slice rest;
} weir_memory_reader;

/** Read one buffer, which is borrowed. At its end: WEIR_EOF. */
WEIR_PUBLIC void weir_memory_reader_init(weir_memory_reader *reader, weir_const_buffer buffer);

/** Read a sequence. The array is borrowed, too. */
WEIR_PUBLIC void weir_memory_reader_init_v(weir_memory_reader *reader,
                                           const weir_const_buffer *buffers, size_t count);

/** What has not been read. */
static inline weir_const_buffer_slice weir_memory_reader_rest(const weir_memory_reader *reader)
{
    return reader->rest;
}

/** What is written goes behind the data of a dynamic buffer. Use either half.
 * Fields are private. */
typedef struct weir_memory_writer {
    weir_write_stream out;
    weir_buffer_sink sink;
    weir_dynamic_buffer *buffer;
    int error; /* Why the latest prepare gave nothing. */
} weir_memory_writer;

/**
 * Write into a dynamic buffer, which is borrowed; between two writes it may be consumed. When it
 * has reached its limit a write that finds no room fails with -ENOBUFS, without memory with
 * -ENOMEM.
 */
WEIR_PUBLIC void weir_memory_writer_init(weir_memory_writer *writer, weir_dynamic_buffer *buffer);

WEIR_C_END

#endif
