/* SPDX-License-Identifier: MIT */
/*
 * The delimiter: the algorithm of Knuth, Morris and Pratt, which never goes back in its input and
 * therefore can be stopped and resumed between any two bytes.
 *
 * fallback[i] is the length of the longest proper prefix of the delimiter that is also a suffix of
 * its first i + 1 bytes. When the byte behind a part of i + 1 bytes does not fit, the part that may
 * go on instead is that long.
 */
#include <weir/matcher.h>

#include <string.h>

/* How much of the delimiter is matched behind one more byte. */
static unsigned char step(const weir_delimiter *delimiter, unsigned char matched,
                          unsigned char byte)
{
    while (matched > 0 && delimiter->bytes[matched] != byte)
        matched = delimiter->fallback[matched - 1];
    if (delimiter->bytes[matched] == byte)
        matched++;
    return matched;
}

/* The first place at or behind this one where the matched part can get longer; NULL: none. */
static const unsigned char *next_place(const weir_delimiter *delimiter, const unsigned char *at,
                                       const unsigned char *end)
{
    if (at == end || delimiter->matched > 0)
        return at == end ? NULL : at;
    return memchr(at, delimiter->bytes[0], (size_t)(end - at));
}

static weir_result delimiter_feed(weir_matcher *matcher, const void *data, size_t size)
{
    weir_delimiter *delimiter = WEIR_CONTAINER_OF(matcher, weir_delimiter, matcher);
    const unsigned char *begin = data;
    const unsigned char *at = begin;

    /* Where nothing is matched memchr looks for the first byte, at more than a byte a cycle. */
    while ((at = next_place(delimiter, at, begin + size)) != NULL) {
        delimiter->matched = step(delimiter, delimiter->matched, *at++);
        if (delimiter->matched == delimiter->size) {
            delimiter->matched = 0;
            return weir_result_of(0, (size_t)(at - begin));
        }
    }
    return weir_result_of(0, 0);
}

static void delimiter_reset(weir_matcher *matcher)
{
    WEIR_CONTAINER_OF(matcher, weir_delimiter, matcher)->matched = 0;
}

static const struct weir_matcher_ops delimiter_ops = {
    .feed = delimiter_feed,
    .reset = delimiter_reset,
};

void weir_delimiter_init(weir_delimiter *delimiter, const void *data, size_t size)
{
    WEIR_ASSERT(size > 0, "a delimiter is not empty");
    WEIR_ASSERT(size <= WEIR_DELIMITER_MAX, "a delimiter has at most WEIR_DELIMITER_MAX bytes");

    delimiter->matcher.ops = &delimiter_ops;
    delimiter->size = (unsigned char)size;
    delimiter->matched = 0;
    memcpy(delimiter->bytes, data, size);

    /* The delimiter is matched against itself, one byte behind. */
    delimiter->fallback[0] = 0;
    for (size_t i = 1; i < size; i++)
        delimiter->fallback[i] = step(delimiter, delimiter->fallback[i - 1], delimiter->bytes[i]);
}
