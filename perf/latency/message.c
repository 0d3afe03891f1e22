/* SPDX-License-Identifier: MIT */
/* The bytes of a request, and whether they came back. Both loops are on the measured path. */
#include "message.h"

#include <stdbool.h>
#include <string.h>

#include <weir/assert.h>

enum {
    WORD_BYTES = sizeof(uint64_t),
    BLOCK_WORDS = 8, /* Compared without a branch: a cache line. */
    BLOCK_BYTES = BLOCK_WORDS * WORD_BYTES,
};

/* Odd, so that words repeat only after 2^64 of them; 2^64 over the golden ratio, so that all eight
 * bytes change from one word to the next. */
static const uint64_t STEP = UINT64_C(0x9e3779b97f4a7c15);

/* Numbers from one message to the next: more than a message has words, and odd, so that the first
 * byte steps through all 256 values. */
static const uint64_t STRIDE = WEIR_LAT_MESSAGE_MAX_BYTES / sizeof(uint64_t) + 1;

/* A bijection that spreads small numbers over all bits (the finaliser of MurmurHash3). */
static uint64_t scatter(uint64_t number)
{
    number = (number ^ (number >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    number = (number ^ (number >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return number ^ (number >> 33);
}

static uint64_t first_word(uint64_t connection, uint64_t sequence)
{
    return (scatter(connection + 1) + sequence * STRIDE) * STEP;
}

static uint64_t load(const unsigned char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof word);
    return word;
}

void weir_lat_message_fill(void *data, size_t size, uint64_t connection, uint64_t sequence)
{
    unsigned char *to = data;
    uint64_t word = first_word(connection, sequence);

    WEIR_ASSERT(size <= WEIR_LAT_MESSAGE_MAX_BYTES, "a message has a largest size");

    for (; size >= WORD_BYTES; size -= WORD_BYTES) {
        memcpy(to, &word, WORD_BYTES);
        to += WORD_BYTES;
        word += STEP;
    }
    memcpy(to, &word, size);
}

/* Whether a block is what it should be: all differences are gathered before the one branch. */
static bool block_is_right(const unsigned char *data, uint64_t word)
{
    uint64_t difference = 0;

    for (unsigned i = 0; i < BLOCK_WORDS; i++)
        difference |= load(data + (size_t)i * WORD_BYTES) ^ (word + i * STEP);
    return difference == 0;
}

/* The offset of the first byte that differs from the words counting on from this one. */
static size_t first_difference(const unsigned char *data, size_t size, uint64_t word)
{
    for (size_t offset = 0; offset < size; offset++) {
        unsigned char expected[WORD_BYTES];

        memcpy(expected, &word, sizeof expected);
        if (data[offset] != expected[offset % WORD_BYTES])
            return offset;
        if (offset % WORD_BYTES == WORD_BYTES - 1)
            word += STEP;
    }
    return size;
}

size_t weir_lat_message_verify(const void *data, size_t size, uint64_t connection,
                               uint64_t sequence)
{
    const unsigned char *from = data;
    uint64_t word = first_word(connection, sequence);
    size_t offset = 0;

    WEIR_ASSERT(size <= WEIR_LAT_MESSAGE_MAX_BYTES, "a message has a largest size");

    while (size - offset >= BLOCK_BYTES && block_is_right(from + offset, word)) {
        offset += BLOCK_BYTES;
        word += BLOCK_WORDS * STEP;
    }
    return offset + first_difference(from + offset, size - offset, word);
}
