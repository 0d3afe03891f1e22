/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SCRIPT_STREAM_H
#define WEIR_TEST_SCRIPT_STREAM_H

/*
 * Scripted streams: a connection to a peer that follows a script, in memory.
 *
 * A stream has a script for each way. Reads are served the bytes of one; writes are compared with
 * the bytes of the other, and the first byte that differs fails the test. Behind its bytes a script
 * has an end: of reading an error, else the end of the stream; of writing an error, else nothing
 * more may be written.
 *
 *      weir_script_stream_init(&peer, &(weir_script){.bytes = request, .chunk_max = 3},
 *                              &(weir_script){.bytes = answer, .pace = WEIR_SCRIPT_POSTED});
 *      ... run a session on &peer.stream ...
 *      weir_script_stream_fini(&peer);     every byte was read, and every byte was written
 *
 * The bytes move when an operation completes, all of them at once, front first; that is never more
 * than chunk_max. So the memory that an operation borrows is used as late as a kernel would.
 *
 * Source: core/test/script_stream.c. Tests: tests/stage_one/test_kit_script_stream.c.
 */

#include <weir/stream.h>
#include <weir/test/fuse.h>

WEIR_C_BEGIN

/** When operations complete. */
enum weir_script_pace {
    WEIR_SCRIPT_AT_ONCE, /* Without suspending. */
    WEIR_SCRIPT_POSTED,  /* In a later turn of the executor. A stop takes until then to arrive. */
    WEIR_SCRIPT_HELD,    /* When weir_script_release says so, or a stop. */
};

/** What happens in one way. Zero-initialised: no bytes, then the end. */
typedef struct weir_script {
    weir_const_buffer bytes; /* To be read, or expected to be written. Borrowed until fini. */
    weir_buffer capture;     /* Writing, in place of bytes: memory that is written to. */
    size_t chunk_max;        /* What an operation moves at most, in bytes; 0: all it can. */
    int end;         /* Error behind the bytes. 0: WEIR_EOF; of writing: no more is expected. */
    bool ends_early; /* The end is told beside the last bytes, and again behind them. */
    bool must_end;   /* Writing: weir_script_stream_fini asks for the end of writing. */
    bool stops_late; /* A stop that comes while an operation is suspended is not heeded. */
    enum weir_script_pace pace;
    weir_fuse *fuse; /* Each operation is a point; NULL: none. */
} weir_script;

/** What one way is at. Fields are private. */
typedef struct weir_script_way {
    weir_script script;
    size_t position; /* Bytes moved. */
    size_t taken;    /* Counted by the operation in flight, also when it fails: a sink's. */
    int failure;     /* Of a fuse: it stays, as a stream's failures do. */
    bool is_cut;     /* An operation was cancelled or blown: the script need not come to its end. */
    bool is_ended;   /* Writing has ended. */
    weir_result (*move)(struct weir_script_way *way); /* What the operation in flight does. */
    weir_wait wait;
    weir_task courier; /* Posted. */
    weir_task *waiter; /* Whose operation is in flight, or NULL. */
    int stop_error;    /* Posted: a stop has come, and is on its way. */
    union {
        weir_buffer in;
        weir_const_buffer out;
    } one; /* The sequence, when it is a single buffer. */
    union {
        weir_buffer_slice in;
        weir_const_buffer_slice out;
    } slice; /* What the operation was given. */
} weir_script_way;

/** Caller's memory; in place from init to fini. Each half of stream may be used alone. */
typedef struct weir_script_stream {
    weir_stream stream;
    weir_script_way in;
    weir_script_way out;
} weir_script_stream;

/**
 * @in   copied; NULL: reading ends at once
 * @out  copied; NULL: nothing may be written
 */
WEIR_PUBLIC void weir_script_stream_init(weir_script_stream *stream, const weir_script *in,
                                         const weir_script *out);

/**
 * Fail the test unless all bytes of both scripts have moved; of captured bytes any number will do.
 * That is not asked for when an operation was stopped, when a fuse of the scripts has blown, or
 * after weir_script_stream_excuse. Asserts that no operation is in flight.
 */
WEIR_PUBLIC void weir_script_stream_fini(weir_script_stream *stream);

/** The scripts need not come to their ends: something else has cut the session short. */
WEIR_PUBLIC void weir_script_stream_excuse(weir_script_stream *stream);

/**
 * Let the operation that is held in one way go: its bytes move, and its task becomes ready. Returns
 * false if none is held.
 *
 * @way  &stream->in or &stream->out
 */
WEIR_PUBLIC bool weir_script_release(weir_script_way *way);

/** Whether an operation is suspended in this way. */
static inline bool weir_script_is_waiting(const weir_script_way *way)
{
    return way->waiter != NULL;
}

/** Bytes that have moved in this way. */
static inline size_t weir_script_position(const weir_script_way *way)
{
    return way->position;
}

/** Whether writing has ended. */
static inline bool weir_script_is_ended(const weir_script_way *way)
{
    return way->is_ended;
}

WEIR_C_END

#endif
