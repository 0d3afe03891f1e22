/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE64_H
#define WEIR_BASE64_H

/*
 * Base64 (RFC 4648, section 4) as streams that stand on other streams.
 *
 *      reader  <-- bytes -- weir_base64_decoder <-- characters -- next
 *      writer  --- bytes -> weir_base64_encoder --- characters -> next
 *
 *      weir_base64_decoder_init(&decoder, &socket.stream.in);
 *      weir_read_to_end(task, &decoder.in, &picture.dynamic)
 *
 * Each is as fast to answer as what it stands on: over a stream that is always ready it never
 * suspends, and it needs no frame and allocates nothing. A stop loses no byte; what the filter
 * holds back stays in it, and the next operation goes on from there. There is nothing to end.
 *
 * The decoder is strict: padding is required, there are no line breaks, and the bits that padding
 * leaves over are zero. So each text has one meaning, and each meaning one text.
 *
 * Thread: that of the tasks that await them. Source: core/stream/base64.c. Tests:
 * tests/stage_one/test_base64.c.
 */

#include <stdint.h>

#include <weir/stream.h>

WEIR_C_BEGIN

/** Characters that a filter holds. */
enum { WEIR_BASE64_TEXT_MAX = 1024 };

/**
 * Reads bytes from characters. Fields are private, but for `in`.
 *
 * Reading ends with WEIR_EOF where next ends, if that is behind a whole group of four, and with
 * WEIR_TRUNCATED in the midst of one. -EBADMSG: next is not base64; the bytes of the groups before
 * are read first, and it stays. Other errors are next's.
 */
typedef struct weir_base64_decoder {
    weir_read_stream in;
    weir_read_stream *next;
    weir_task task;          /* Of the read in flight that waits for next, */
    weir_buffer buffer;      /* and what it fills. */
    weir_const_buffer ready; /* Bytes that have not been read, in memory. */
    int error;               /* Behind them. */
    uint32_t bits;           /* Of the group that is not complete: */
    uint8_t characters;      /* 0..3 of them, */
    uint8_t padding;         /* of which so many pad it. */
    unsigned char memory[WEIR_BASE64_TEXT_MAX];
} weir_base64_decoder;

/** @next  borrowed as long as the decoder is used; read ahead by at most the characters held */
WEIR_PUBLIC void weir_base64_decoder_init(weir_base64_decoder *decoder, weir_read_stream *next);

/**
 * Writes bytes as characters. Fields are private, but for `out`.
 *
 * Characters are held back until there are many. The end of writing passes them on, with those that
 * pad the last group, and then ends the writing of next. When it has begun nothing is written any
 * more, also if it was cancelled or failed; it may be called again then, and goes on.
 *
 * Errors are next's: the write that finds no room for its bytes reports them, and takes none.
 */
typedef struct weir_base64_encoder {
    weir_write_stream out;
    weir_write_stream *next;
    weir_task task;           /* Of the operation in flight that waits for next, */
    weir_const_buffer buffer; /* and what it sends. */
    size_t passed;            /* Characters of the text that next has taken, */
    size_t size;              /* of so many. */
    uint32_t bits;            /* Of the group that is not complete: */
    uint8_t bytes;            /* 0..2 of them. */
    bool is_ending;
    char text[WEIR_BASE64_TEXT_MAX + 4]; /* There is always room for the last group. */
} weir_base64_encoder;

/** @next  borrowed as long as the encoder is used */
WEIR_PUBLIC void weir_base64_encoder_init(weir_base64_encoder *encoder, weir_write_stream *next);

/**
 * Pass on what is held back, except for the bytes of a group that is not complete.
 *
 * Completes  when next has taken it, or failed; at once if nothing is held back
 * Result     no count; an error is next's
 * Borrows    the encoder until then
 * Overlap    as a write: none while it is in flight
 * Cancel     WEIR_CANCELLED; what next has not taken is held back still
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_base64_encoder_flush(weir_task *task,
                                                               weir_base64_encoder *encoder);

WEIR_C_END

#endif
