/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SCRIPT_BUFFERS_H
#define WEIR_TEST_SCRIPT_BUFFERS_H

/*
 * Scripted buffer sources and sinks: what <weir/test/script_stream.h> is for those who take
 * streams, for those who take buffers.
 *
 *      weir_script_source_init(&source, &(weir_script){.bytes = page, .chunk_max = 3});
 *      ... weir_push_to(task, &frame, &source.source, out) ...
 *      weir_script_source_fini(&source);     every byte was consumed
 *
 *      weir_script_sink_init(&sink, &(weir_script){.bytes = page, .must_end = true}, memory);
 *      ... weir_pull_from(task, &frame, in, &sink.sink) ...
 *      weir_script_sink_fini(&sink);         every byte was passed on, and the end of writing
 *
 * chunk_max is the size of each of the buffers that are pulled or prepared: with a small one there
 * are many. ends_early means nothing here. Whoever consumes more than was pulled, or commits more
 * than was prepared, aborts.
 *
 * Source: core/test/script_buffers.c. Tests: tests/stage_one/test_kit_script_buffers.c.
 */

#include <weir/buffer_sink.h>
#include <weir/buffer_source.h>
#include <weir/test/script_stream.h>

WEIR_C_BEGIN

/** Caller's memory; in place from init to fini. Fields are private, but for `source` and `way`. */
typedef struct weir_script_source {
    weir_buffer_source source;
    weir_script_way way; /* For weir_script_release and what can be asked. Consumed is moved. */
    weir_const_buffer *ret_buffers;
    size_t max;
    size_t pulled; /* Bytes that may be consumed. */
} weir_script_source;

/** @script  copied; what is pulled stands in its bytes */
WEIR_PUBLIC void weir_script_source_init(weir_script_source *source, const weir_script *script);

/** Fail the test unless all bytes have been consumed; otherwise as weir_script_stream_fini. */
WEIR_PUBLIC void weir_script_source_fini(weir_script_source *source);

/** The script need not come to its end: something else has cut the session short. */
static inline void weir_script_source_excuse(weir_script_source *source)
{
    source->way.is_cut = true;
}

/**
 * Caller's memory; in place from init to fini. Fields are private, but for `sink` and `way`.
 *
 * A commit passes on all that was committed and compares it. Until one succeeds what was committed
 * keeps its place in the memory, and there may be no room.
 */
typedef struct weir_script_sink {
    weir_buffer_sink sink;
    weir_script_way way; /* For weir_script_release and what can be asked. Passed on is moved. */
    weir_buffer memory;
    size_t held;     /* Bytes committed and not passed on. */
    size_t prepared; /* Bytes that may be committed. */
} weir_script_sink;

/**
 * @script  copied
 * @memory  to prepare buffers in; not empty, borrowed until fini
 */
WEIR_PUBLIC void weir_script_sink_init(weir_script_sink *sink, const weir_script *script,
                                       weir_buffer memory);

/** Fail the test unless all bytes were passed on; otherwise as weir_script_stream_fini. */
WEIR_PUBLIC void weir_script_sink_fini(weir_script_sink *sink);

/** The script need not come to its end: something else has cut the session short. */
static inline void weir_script_sink_excuse(weir_script_sink *sink)
{
    sink->way.is_cut = true;
}

WEIR_C_END

#endif
