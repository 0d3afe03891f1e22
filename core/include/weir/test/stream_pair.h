/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_STREAM_PAIR_H
#define WEIR_TEST_STREAM_PAIR_H

/*
 * Stream pairs: the two ends of a connection, in memory. What is written to one is read from the
 * other.
 *
 *      weir_stream_pair_init(&pair, weir_buffer_of(there, 16), weir_buffer_of(back, 16));
 *      ... a client on &pair.first.stream, a server on &pair.second.stream, in one tree or two ...
 *      weir_stream_pair_fini(&pair);
 *
 * Each way has a bounded buffer in memory of the caller's: a read suspends while it is empty, a
 * write while it is full. The end of writing is a half-close, as of TCP: the other end reads what
 * is left, then WEIR_EOF. A reset fails both ways and drops what is on its way.
 *
 * Thread: both ends on the same one. Source: core/test/stream_pair.c. Tests:
 * tests/stage_one/test_kit_stream_pair.c.
 */

#include <weir/stream.h>

WEIR_C_BEGIN

/** An operation that is suspended on a pipe. Fields are private. */
typedef struct weir_pipe_wait {
    weir_wait wait;
    weir_task *task; /* NULL: none. */
    union {
        weir_buffer in;
        weir_const_buffer out;
    } one; /* The sequence, when it is a single buffer. */
    union {
        weir_buffer_slice in;
        weir_const_buffer_slice out;
    } slice;
} weir_pipe_wait;

/** One way: a ring of bytes between a writer and a reader. Fields are private. */
typedef struct weir_pipe {
    char *bytes;
    size_t capacity;
    size_t offset; /* Of the oldest byte. */
    size_t size;   /* Bytes on their way. */
    int end;       /* What reads give when it is empty: WEIR_EOF, -ECONNRESET; 0: still open. */
    weir_pipe_wait reader;
    weir_pipe_wait writer;
} weir_pipe;

/** One end. stream is for use; the rest is private. */
typedef struct weir_pair_end {
    weir_stream stream;
    weir_pipe *in;
    weir_pipe *out;
} weir_pair_end;

/** Caller's memory; in place from init to fini. */
typedef struct weir_stream_pair {
    weir_pair_end first;
    weir_pair_end second;
    weir_pipe there; /* From first to second. */
    weir_pipe back;
} weir_stream_pair;

/**
 * Connect two ends. The memory is borrowed until fini.
 *
 * @there  for what is on its way from first to second; not empty
 * @back   for the other way
 */
WEIR_PUBLIC void weir_stream_pair_init(weir_stream_pair *pair, weir_buffer there, weir_buffer back);

/** Asserts that no operation is in flight. What was not read is forgotten. */
WEIR_PUBLIC void weir_stream_pair_fini(weir_stream_pair *pair);

/**
 * Break the connection: what is on its way is dropped, and every operation at either end, also one
 * that waits, fails with -ECONNRESET.
 */
WEIR_PUBLIC void weir_stream_pair_reset(weir_stream_pair *pair);

/** Bytes that were written to the other end and not yet read from this one. */
static inline size_t weir_pair_end_unread(const weir_pair_end *end)
{
    return end->in->size;
}

WEIR_C_END

#endif
