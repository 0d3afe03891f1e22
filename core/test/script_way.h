/* SPDX-License-Identifier: MIT */
#ifndef TEST_SCRIPT_WAY_H
#define TEST_SCRIPT_WAY_H

/* A way of a script, and the operation that is in flight on it. */

#include <weir/test/script_stream.h>

/** script is copied; NULL: no bytes, then the end. */
void weir_script_way_init(weir_script_way *way, const weir_script *script);

/** How many of so many bytes the script allows at a time. */
static inline size_t weir_script_way_chunk(const weir_script_way *way, size_t size)
{
    size_t chunk_max = way->script.chunk_max;

    return chunk_max > 0 && chunk_max < size ? chunk_max : size;
}

/** Start an operation: move is called when it completes, at the script's pace, and
 * gives its result. */
weir_task *weir_script_way_start(weir_task *task, weir_script_way *way,
                                 weir_result (*move)(weir_script_way *way));

/** Compare or capture the first size bytes of slice.out, and count them. */
void weir_script_way_take(weir_script_way *way, size_t size);

/** Whether the script need not come to its end. */
bool weir_script_way_is_excused(const weir_script_way *way);

/** Fail the test unless all bytes have moved. verb: what they should have been, "read". */
void weir_script_way_check_moved(const weir_script_way *way, const char *verb);

#endif
