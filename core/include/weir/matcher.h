/* SPDX-License-Identifier: MIT */
#ifndef WEIR_MATCHER_H
#define WEIR_MATCHER_H

/*
 * Matchers: where a message ends, found while its bytes come in.
 *
 * A matcher is fed a stream of bytes in pieces, in order and each once, however they were cut, and
 * says where the first message ends. It keeps what it has to know of the bytes it has seen, so that
 * nothing is looked at again. Behind an end it starts anew: the next byte it is fed is the first of
 * the next message.
 *
 * weir_delimiter ends a message at a string of bytes. For others (a length in front, a balanced
 * bracket) embed a weir_matcher as the first member and fill a table:
 *
 *      static weir_result frame_feed(weir_matcher *matcher, const void *data, size_t size)
 *      static void frame_reset(weir_matcher *matcher)
 *      static const struct weir_matcher_ops frame_ops = {.feed = frame_feed, .reset = frame_reset};
 *
 * Thread: one at a time. Source: core/buffer/matcher.c. Tests: tests/stage_one/test_matcher.c.
 */

#include <stddef.h>

#include <weir/assert.h>
#include <weir/error.h>
#include <weir/export.h>

WEIR_C_BEGIN

typedef struct weir_matcher weir_matcher;

/**
 * Look at the next piece.
 *
 * Result     how many bytes of the piece belong to the message, if it ends there: 1..size, and the
 *            matcher is reset; 0: it does not end in this piece. An error, with 0: these bytes are
 *            no message and will be none (-EMSGSIZE, -EBADMSG); the matcher is to be reset.
 *
 * @data[size]  not empty
 */
typedef weir_result weir_matcher_feed_fn(weir_matcher *matcher, const void *data, size_t size);

/** Forget what was seen: the next byte is the first of a message. */
typedef void weir_matcher_reset_fn(weir_matcher *matcher);

/** What a matcher provides. Every slot is required. */
struct weir_matcher_ops {
    weir_matcher_feed_fn *feed;
    weir_matcher_reset_fn *reset;
};

/** Embed as the first member. ops is set once, by the concrete type. */
struct weir_matcher {
    const struct weir_matcher_ops *ops;
};

/** Show the matcher the next piece; see weir_matcher_feed_fn. An empty piece gives 0. */
static inline weir_result weir_matcher_feed(weir_matcher *matcher, const void *data, size_t size)
{
    weir_result result;

    if (size == 0)
        return weir_result_of(0, 0);
    result = matcher->ops->feed(matcher, data, size);
    WEIR_ASSERT(result.count <= size, "a message ends within the piece that was fed");
    return result;
}

static inline void weir_matcher_reset(weir_matcher *matcher)
{
    matcher->ops->reset(matcher);
}

/** The longest delimiter, in bytes. */
enum { WEIR_DELIMITER_MAX = 32 };

/** The end is behind the first occurrence of a string of bytes. Fields are private. */
typedef struct weir_delimiter {
    weir_matcher matcher;
    unsigned char size;    /* Of the delimiter. */
    unsigned char matched; /* How much of it the bytes seen last are. */
    unsigned char bytes[WEIR_DELIMITER_MAX];
    unsigned char fallback[WEIR_DELIMITER_MAX]; /* [i]: of its first i + 1 bytes, see matcher.c. */
} weir_delimiter;

/**
 * A matcher of messages that end with these bytes, which are copied. Every byte is looked at once,
 * also behind parts of delimiters; no memory is allocated, and there is nothing to release.
 *
 * @data[size]  1..WEIR_DELIMITER_MAX bytes, of any value
 */
WEIR_PUBLIC void weir_delimiter_init(weir_delimiter *delimiter, const void *data, size_t size);

WEIR_C_END

#endif
