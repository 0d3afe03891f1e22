/* SPDX-License-Identifier: MIT */
/* The bytes of a request: whatever happens to them on the way shows, and where. */
#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

enum { SIZE = 300 }; /* Four blocks, then words, then half a word. */

static void fill(unsigned char data[SIZE], uint64_t connection, uint64_t sequence)
{
    weir_lat_message_fill(data, SIZE, connection, sequence);
}

WEIR_TEST(lat_message, what_was_filled_verifies_at_every_size)
{
    unsigned char data[SIZE];

    for (size_t size = 0; size <= SIZE; size++) {
        weir_lat_message_fill(data, size, 3, size);
        CHECK_EQ(weir_lat_message_verify(data, size, 3, size), size);
    }
}

WEIR_TEST(lat_message, nothing_is_written_behind_the_size)
{
    for (size_t size = 0; size < 100; size++) {
        unsigned char data[101];

        memset(data, 0xa5, sizeof data);
        weir_lat_message_fill(data, size, 1, 1);
        for (size_t i = size; i < sizeof data; i++)
            CHECK_EQ(data[i], 0xa5);
    }
}

WEIR_TEST(lat_message, a_prefix_verifies_as_a_prefix)
{
    unsigned char data[SIZE];

    fill(data, 1, 2);
    for (size_t size = 0; size <= SIZE; size++)
        CHECK_EQ(weir_lat_message_verify(data, size, 1, 2), size);
}

WEIR_TEST(lat_message, every_wrong_bit_is_found_where_it_is)
{
    unsigned char data[SIZE];

    fill(data, 9, 5);
    for (size_t offset = 0; offset < SIZE; offset++) {
        for (int bit = 0; bit < 8; bit++) {
            unsigned char flip = (unsigned char)(1 << bit);

            data[offset] ^= flip;
            CHECK_EQ(weir_lat_message_verify(data, SIZE, 9, 5), offset);
            data[offset] ^= flip;
        }
    }
}

WEIR_TEST(lat_message, the_first_of_several_wrong_bytes_is_reported)
{
    unsigned char data[SIZE];

    fill(data, 9, 5);
    data[71] ^= 1;
    data[200] ^= 1;
    data[299] ^= 1;
    CHECK_EQ(weir_lat_message_verify(data, SIZE, 9, 5), 71);
}

/* Where two neighbours happen to be equal, the hole shows at the next byte that differs. */
WEIR_TEST(lat_message, a_missing_byte_is_found_near_its_place)
{
    for (size_t missing = 0; missing < SIZE - 8; missing++) {
        unsigned char data[SIZE];
        size_t found;

        fill(data, 4, missing);
        memmove(data + missing, data + missing + 1, SIZE - missing - 1);
        found = weir_lat_message_verify(data, SIZE - 1, 4, missing);
        CHECK(found >= missing && found < missing + 8);
    }
}

WEIR_TEST(lat_message, a_repeated_byte_is_found_near_its_place)
{
    for (size_t repeated = 0; repeated < SIZE - 8; repeated++) {
        unsigned char data[SIZE];
        size_t found;

        fill(data, 4, repeated);
        memmove(data + repeated + 1, data + repeated, SIZE - repeated - 1);
        found = weir_lat_message_verify(data, SIZE, 4, repeated);
        CHECK(found > repeated && found < repeated + 8);
    }
}

WEIR_TEST(lat_message, exchanged_words_are_found)
{
    unsigned char data[SIZE];
    unsigned char word[8];

    fill(data, 0, 0);
    memcpy(word, data + 64, 8);
    memmove(data + 64, data + 128, 8);
    memcpy(data + 128, word, 8);
    CHECK_EQ(weir_lat_message_verify(data, SIZE, 0, 0), 64);
}

WEIR_TEST(lat_message, a_neighbouring_message_is_wrong_at_its_first_byte)
{
    for (uint64_t sequence = 0; sequence < 1000; sequence++) {
        unsigned char byte;

        weir_lat_message_fill(&byte, 1, 6, sequence);
        for (uint64_t other = sequence + 1; other < sequence + 256; other++)
            CHECK_EQ(weir_lat_message_verify(&byte, 1, 6, other), 0);
    }
}

WEIR_TEST(lat_message, another_connection_has_other_bytes)
{
    for (uint64_t connection = 0; connection < 1000; connection++) {
        unsigned char data[8];

        weir_lat_message_fill(data, sizeof data, connection, 0);
        CHECK(weir_lat_message_verify(data, sizeof data, connection + 1, 0) < sizeof data);
    }
}

WEIR_TEST(lat_message, buffers_need_no_alignment)
{
    unsigned char data[SIZE + 8];

    for (size_t shift = 0; shift < 8; shift++) {
        weir_lat_message_fill(data + shift, SIZE, 2, shift);
        CHECK_EQ(weir_lat_message_verify(data + shift, SIZE, 2, shift), SIZE);
    }
}

WEIR_TEST(lat_message, the_largest_message_verifies)
{
    unsigned char *data = malloc(WEIR_LAT_MESSAGE_MAX_BYTES);

    CHECK(data);
    weir_lat_message_fill(data, WEIR_LAT_MESSAGE_MAX_BYTES, 1, UINT64_MAX);
    CHECK_EQ(weir_lat_message_verify(data, WEIR_LAT_MESSAGE_MAX_BYTES, 1, UINT64_MAX),
             WEIR_LAT_MESSAGE_MAX_BYTES);
    data[WEIR_LAT_MESSAGE_MAX_BYTES - 1] ^= 0x80;
    CHECK_EQ(weir_lat_message_verify(data, WEIR_LAT_MESSAGE_MAX_BYTES, 1, UINT64_MAX),
             WEIR_LAT_MESSAGE_MAX_BYTES - 1);
    free(data);
}
