/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ZLIB_H
#define WEIR_ZLIB_H

/*
 * Compression by zlib as streams that stand on other streams. A library of its own: weir::zlib.
 *
 *      reader  <-- bytes -- weir_inflate <-- compressed -- next
 *      writer  --- bytes -> weir_deflate --- compressed -> next
 *
 *      weir_inflate_init(&inflate, &socket.stream.in, WEIR_ZLIB_GZIP, window, NULL)
 *      weir_read_to_end(task, &inflate.in, &page.dynamic)
 *      weir_inflate_fini(&inflate);
 *
 * zlib takes its memory when a filter is set up, from a weir_memory: a reader about 48 KiB, a
 * writer about 270. The operations allocate nothing and need no frame. Over a stream that is always
 * ready they never suspend. A stop loses no byte: what a filter holds stays in it, and the next
 * operation goes on from there.
 *
 * Thread: that of the tasks that await them. Source: zlib/inflate.c, deflate.c, bridge.c. Tests:
 * tests/stage_one/test_zlib.c.
 */

#include <weir/memory.h>
#include <weir/stream.h>

WEIR_C_BEGIN

struct z_stream_s; /* zlib's z_stream. */

/** What stands around the compressed bytes. */
enum weir_zlib_format {
    WEIR_ZLIB_RAW,  /* RFC 1951: nothing, so nothing that detects damage. */
    WEIR_ZLIB_ZLIB, /* RFC 1950: a short header and a checksum; HTTP's "deflate". */
    WEIR_ZLIB_GZIP, /* RFC 1952: a longer header, a checksum and the size; HTTP's "gzip". */
};

/**
 * Reads what was compressed. Fields are private, but for `in`.
 *
 * Reading ends with WEIR_EOF where the compressed stream ends; next is not asked whether it ends
 * there too. WEIR_TRUNCATED: next has ended before that. -EBADMSG: damaged, of another format, or
 * made with a preset dictionary; the bytes before are read first, and it stays. Other errors are
 * next's.
 */
typedef struct weir_inflate {
    weir_read_stream in;
    weir_read_stream *next;
    struct z_stream_s *zlib; /* With the bytes that were read ahead. */
    weir_task task;          /* Of the read in flight that waits for next, */
    weir_buffer buffer;      /* and what it fills. */
    weir_buffer window;      /* What next is read into. */
    int error;               /* How reading has ended; 0: it has not. */
} weir_inflate;

/**
 * Set up a reader.
 *
 * Returns 0, -ENOMEM (nothing is left to end), or -ENOTSUP: the zlib of this process is another
 * than the one that this was compiled with.
 *
 * @next    borrowed until fini
 * @window  memory that next is read into, borrowed until fini; not empty, some KiB are good
 * @memory  zlib's; NULL: weir_memory_heap
 */
WEIR_PUBLIC WEIR_MUST_USE int weir_inflate_init(weir_inflate *inflate, weir_read_stream *next,
                                                enum weir_zlib_format format, weir_buffer window,
                                                weir_memory *memory);

/** Release the memory. Asserts that no read is in flight. */
WEIR_PUBLIC void weir_inflate_fini(weir_inflate *inflate);

/**
 * The bytes that were read from next and are not decompressed yet. When reading has ended with
 * WEIR_EOF they are what follows the compressed stream, and next goes on behind them. They stay in
 * place until the next operation.
 */
WEIR_PUBLIC weir_const_buffer weir_inflate_ahead(const weir_inflate *inflate);

/**
 * Begin with another compressed stream, of the same format: in the bytes ahead first, then in next.
 * So are the members of a gzip file read; where there is none, reading ends with WEIR_TRUNCATED and
 * no byte. Asserts that no read is in flight.
 */
WEIR_PUBLIC void weir_inflate_restart(weir_inflate *inflate);

enum {
    WEIR_DEFLATE_LEVEL_DEFAULT = -1, /* zlib's compromise; 0 is none, 1 fast, 9 small. */
    WEIR_DEFLATE_WINDOW_MIN = 16,    /* Bytes. */
};

/**
 * Writes what is to be compressed. Fields are private, but for `out`.
 *
 * What is written is held back until there is much of it. The end of writing passes it on, with the
 * trailer, and then ends the writing of next. When it has begun nothing is written any more, also
 * if it was cancelled or failed; it may be called again then, and goes on.
 *
 * Errors are next's: the write that finds no room for its bytes reports them, and takes none.
 */
typedef struct weir_deflate {
    weir_write_stream out;
    weir_write_stream *next;
    struct z_stream_s *zlib;  /* With where the next compressed byte goes. */
    weir_task task;           /* Of the operation in flight that waits for next, */
    weir_const_buffer buffer; /* and what it sends. */
    weir_buffer window;       /* Compressed bytes that next takes; */
    size_t passed;            /* so many it has taken. */
    bool is_ending;
} weir_deflate;

/**
 * Set up a writer.
 *
 * Returns as weir_inflate_init.
 *
 * @next    borrowed until fini
 * @level   WEIR_DEFLATE_LEVEL_DEFAULT, or 0..9
 * @window  memory that next is written from, borrowed until fini; at least WEIR_DEFLATE_WINDOW_MIN,
 *          some KiB are good
 * @memory  zlib's; NULL: weir_memory_heap
 */
WEIR_PUBLIC WEIR_MUST_USE int weir_deflate_init(weir_deflate *deflate, weir_write_stream *next,
                                                enum weir_zlib_format format, int level,
                                                weir_buffer window, weir_memory *memory);

/** Release the memory, with what is held back. Asserts that no operation is in flight. */
WEIR_PUBLIC void weir_deflate_fini(weir_deflate *deflate);

/**
 * Pass on all that was written so far, so that a reader can read it: the end of a message. It costs
 * some bytes of compression.
 *
 * Completes  when next has taken it, or failed; at once if nothing is held back
 * Result     no count; an error is next's
 * Borrows    the writer until then
 * Overlap    as a write: none while it is in flight
 * Cancel     WEIR_CANCELLED; what next has not taken is held back still
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_deflate_flush(weir_task *task, weir_deflate *deflate);

WEIR_C_END

#endif
