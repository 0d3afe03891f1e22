/* SPDX-License-Identifier: MIT */
#ifndef ZLIB_BRIDGE_H
#define ZLIB_BRIDGE_H

/* What both filters have to do with zlib. */

#include <zlib.h>

#include <weir/memory.h>
#include <weir/task.h>
#include <weir/zlib.h>

/** A z_stream whose memory, its own too, comes from there; NULL: exhausted. */
z_stream *weir_zlib_open(weir_memory *memory);

/** Release it, when inflateEnd or deflateEnd has released the rest. */
void weir_zlib_close(z_stream *zlib);

/** zlib's windowBits for a format, with the largest window. */
int weir_zlib_window_bits(enum weir_zlib_format format);

/** What the end of setting up means: 0, -ENOMEM or -ENOTSUP. */
int weir_zlib_init_error(int code);

/** A size as zlib counts: it takes the rest in another go. */
uInt weir_zlib_size(size_t size);

/** Set up the child for the operation that starts. */
void weir_zlib_claim(weir_task *child, weir_resume_fn *resume);

#endif
