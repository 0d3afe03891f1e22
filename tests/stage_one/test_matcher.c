/* SPDX-License-Identifier: MIT */
/*
 * Matchers: every position of a delimiter and every cut of the input, against a search that is too
 * simple to be wrong; and a matcher of the user's own.
 */
#include <weir/matcher.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <weir/dynamic_buffer.h>

#include "test.h"

static weir_delimiter delimiter_of(const char *text)
{
    weir_delimiter delimiter;

    weir_delimiter_init(&delimiter, text, strlen(text));
    return delimiter;
}

/* Bytes up to and including the first occurrence; 0: there is none. */
static size_t naive_end(const char *text, size_t size, const char *wanted)
{
    size_t wanted_size = strlen(wanted);

    for (size_t end = wanted_size; end <= size; end++) {
        if (memcmp(text + end - wanted_size, wanted, wanted_size) == 0)
            return end;
    }
    return 0;
}

/* Feed the pieces between the cuts until one of them holds the end. */
static size_t find_in_pieces(weir_matcher *matcher, const char *text, const size_t *cuts)
{
    for (size_t i = 0; i < 3; i++) {
        weir_result found = weir_matcher_feed(matcher, text + cuts[i], cuts[i + 1] - cuts[i]);

        CHECK_EQ(found.error, 0);
        if (found.count > 0)
            return cuts[i] + found.count;
    }
    return 0;
}

/* Find the end whole, in two and in three pieces, some of which are empty. */
static void check_every_cut(weir_delimiter *delimiter, const char *text, size_t size,
                            const char *wanted)
{
    size_t expected = naive_end(text, size, wanted);

    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            size_t cuts[4] = {0, first, second, size};

            weir_matcher_reset(&delimiter->matcher);
            CHECK_EQ(find_in_pieces(&delimiter->matcher, text, cuts), expected);
        }
    }
}

WEIR_TEST(delimiter, is_found_in_every_text_of_two_letters_however_it_is_cut)
{
    static const char *const wanted[] = {"a",   "b",     "aa",     "ab",     "aaa",    "aab",
                                         "aba", "abab",  "abba",   "aabaa",  "ababa",  "aaaab",
                                         "bab", "abaab", "abaaba", "aabaab", "bbbbbbb"};
    enum { LENGTH = 10 };

    for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
        weir_delimiter delimiter = delimiter_of(wanted[w]);

        for (unsigned letters = 0; letters < 1U << LENGTH; letters++) {
            char text[LENGTH];

            for (unsigned i = 0; i < LENGTH; i++)
                text[i] = letters >> i & 1 ? 'b' : 'a';
            check_every_cut(&delimiter, text, LENGTH, wanted[w]);
        }
    }
}

WEIR_TEST(delimiter, is_found_at_every_position)
{
    static const char *const wanted[] = {"\n", "\r\n", "\r\n\r\n", "--boundary--", "abab", "aaa"};
    enum { LENGTH = 24 };

    for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
        weir_delimiter delimiter = delimiter_of(wanted[w]);
        size_t size = strlen(wanted[w]);

        for (size_t at = 0; at + size <= LENGTH; at++) {
            char text[LENGTH];

            memset(text, '.', sizeof text);
            memcpy(text + at, wanted[w], size);
            if (at > 0) /* Something that begins like it stands in front. */
                text[at - 1] = wanted[w][0];
            check_every_cut(&delimiter, text, LENGTH, wanted[w]);
        }
    }
}

WEIR_TEST(delimiter, of_a_blank_line_is_found_behind_parts_of_it)
{
    static const char *const texts[] = {
        "\r\n\r\n", "\r\r\n\r\n",  "\r\n\r\r\n\r\n", "\r\n\n\r\n\r\n", "a: b\r\nc: d\r\n\r\nbody",
        "\r\n\r",   "\n\r\n\r\r\n"};
    weir_delimiter delimiter = delimiter_of("\r\n\r\n");

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_every_cut(&delimiter, texts[i], strlen(texts[i]), "\r\n\r\n");
}

WEIR_TEST(delimiter, may_be_any_bytes_up_to_the_greatest_size)
{
    unsigned char bytes[WEIR_DELIMITER_MAX];
    weir_delimiter delimiter;

    for (size_t size = 1; size <= WEIR_DELIMITER_MAX; size++) {
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)(i % 3 * 255 / 2); /* With 0 and 255 among them. */
        weir_delimiter_init(&delimiter, bytes, size);

        for (size_t i = 0; i + 1 < size; i++)
            CHECK_EQ(weir_matcher_feed(&delimiter.matcher, &bytes[i], 1).count, 0);
        CHECK_EQ(weir_matcher_feed(&delimiter.matcher, &bytes[size - 1], 1).count, 1);
    }
}

WEIR_TEST(delimiter, starts_anew_behind_an_end)
{
    static const char text[] = "aaaaaaa";
    weir_delimiter delimiter = delimiter_of("aaa");

    CHECK_EQ(weir_matcher_feed(&delimiter.matcher, text, 7).count, 3);
    CHECK_EQ(weir_matcher_feed(&delimiter.matcher, text + 3, 4).count, 3);
    CHECK_EQ(weir_matcher_feed(&delimiter.matcher, text + 6, 1).count, 0);
}

WEIR_TEST(delimiter, forgets_what_it_has_seen_when_it_is_reset)
{
    weir_delimiter delimiter = delimiter_of("abc");

    CHECK_EQ(weir_matcher_feed(&delimiter.matcher, "ab", 2).count, 0);
    weir_matcher_reset(&delimiter.matcher);
    CHECK_EQ(weir_matcher_feed(&delimiter.matcher, "cabc", 4).count, 4);
}

WEIR_TEST(delimiter, keeps_a_copy_of_its_bytes)
{
    char wanted[] = "xy";
    weir_delimiter delimiter = delimiter_of(wanted);

    memset(wanted, 'z', 2);

    CHECK_EQ(weir_matcher_feed(&delimiter.matcher, "zzxyzz", 6).count, 4);
}

WEIR_ABORT_TEST(delimiter, of_no_byte_aborts)
{
    (void)delimiter_of("");
}

WEIR_ABORT_TEST(delimiter, of_more_than_the_greatest_size_aborts)
{
    (void)delimiter_of("0123456789abcdef0123456789abcdef!");
}

/* A byte that says how many follow; more than the limit is no message. */
struct frame_matcher {
    weir_matcher matcher;
    size_t left; /* Bytes of the message to come. 0: its first byte comes next. */
};

enum { FRAME_MAX = 100 };

static weir_result frame_feed(weir_matcher *matcher, const void *data, size_t size)
{
    struct frame_matcher *self = WEIR_CONTAINER_OF(matcher, struct frame_matcher, matcher);
    size_t taken = 0;

    if (self->left == 0) {
        unsigned char length = *(const unsigned char *)data;

        if (length > FRAME_MAX)
            return weir_result_of(-EMSGSIZE, 0);
        self->left = (size_t)length + 1;
    }
    taken = self->left < size ? self->left : size;
    self->left -= taken;
    return weir_result_of(0, self->left == 0 ? taken : 0);
}

static void frame_reset(weir_matcher *matcher)
{
    WEIR_CONTAINER_OF(matcher, struct frame_matcher, matcher)->left = 0;
}

static const struct weir_matcher_ops frame_ops = {.feed = frame_feed, .reset = frame_reset};

WEIR_TEST(matcher, of_the_users_finds_the_ends_of_frames_however_they_are_cut)
{
    static const char text[] = "\3abc\0\2de"; /* Frames of 4, 1 and 3 bytes. */
    struct frame_matcher frames = {.matcher = {&frame_ops}};

    for (size_t first = 0; first <= 4; first++) {
        for (size_t second = first; second <= 4; second++) {
            CHECK_EQ(find_in_pieces(&frames.matcher, text, (size_t[]){0, first, second, 8}), 4);
            CHECK_EQ(weir_matcher_feed(&frames.matcher, text + 4, 4).count, 1);
            CHECK_EQ(weir_matcher_feed(&frames.matcher, text + 5, 3).count, 3);
        }
    }
}

WEIR_TEST(matcher, of_an_empty_piece_is_not_asked)
{
    weir_matcher nobody = {NULL};

    CHECK_EQ(weir_matcher_feed(&nobody, NULL, 0).count, 0);
}

static weir_result boast(weir_matcher *matcher, const void *data, size_t size)
{
    (void)matcher;
    (void)data;
    return weir_result_of(0, size + 1);
}

WEIR_ABORT_TEST(matcher, that_ends_a_message_behind_the_piece_aborts)
{
    static const struct weir_matcher_ops ops = {.feed = boast, .reset = frame_reset};
    weir_matcher matcher = {&ops};

    (void)weir_matcher_feed(&matcher, "a", 1);
}

/* A segmented buffer, whose segments hold three bytes, with the text in it. */
static void fill(weir_segmented_buffer *buffer, const char *text, size_t size)
{
    weir_segmented_buffer_init(buffer, NULL, sizeof(void *) + 3, SIZE_MAX);
    for (size_t i = 0; i < size; i++) {
        weir_buffer room;

        CHECK_EQ(weir_dynamic_buffer_prepare(&buffer->dynamic, 1, &room, 1).count, 1);
        *(char *)room.data = text[i];
        weir_dynamic_buffer_commit(&buffer->dynamic, 1);
    }
}

WEIR_TEST(matcher, finds_an_end_in_a_dynamic_buffer_of_many_pieces)
{
    char text[64];
    weir_delimiter delimiter = delimiter_of("\r\n\r\n");

    for (size_t at = 0; at + 4 <= sizeof text; at++) {
        weir_segmented_buffer buffer;
        weir_result found;

        memset(text, '.', sizeof text);
        memcpy(text + at, "\r\n\r\n", 4);
        fill(&buffer, text, sizeof text);

        found = weir_dynamic_buffer_match(&buffer.dynamic, 0, &delimiter.matcher);
        CHECK_EQ(found.error, 0);
        CHECK_EQ(found.count, at + 4);
        weir_segmented_buffer_fini(&buffer);
    }
}

WEIR_TEST(matcher, goes_on_in_a_dynamic_buffer_with_the_bytes_that_are_new)
{
    static const char text[] = "line one\r\n";
    weir_delimiter delimiter = delimiter_of("\r\n");
    weir_flat_buffer buffer;
    size_t seen = 0;
    weir_result found = {0, 0};

    weir_flat_buffer_init_growing(&buffer, NULL, SIZE_MAX);
    while (found.count == 0) {
        weir_buffer room;

        CHECK_EQ(weir_dynamic_buffer_prepare(&buffer.dynamic, 1, &room, 1).count, 1);
        *(char *)room.data = text[seen];
        weir_dynamic_buffer_commit(&buffer.dynamic, 1);
        found = weir_dynamic_buffer_match(&buffer.dynamic, seen++, &delimiter.matcher);
    }
    CHECK_EQ(found.count, 10);
    CHECK_EQ(seen, 10);
    weir_flat_buffer_fini(&buffer);
}

WEIR_TEST(matcher, that_refuses_the_bytes_of_a_dynamic_buffer_says_why)
{
    struct frame_matcher frames = {.matcher = {&frame_ops}};
    weir_segmented_buffer buffer;
    weir_result found;

    fill(&buffer, "\1a\177", 3);

    found = weir_dynamic_buffer_match(&buffer.dynamic, 2, &frames.matcher);
    CHECK_EQ(found.error, -EMSGSIZE);
    CHECK_EQ(found.count, 0);
    CHECK_EQ(weir_dynamic_buffer_size(&buffer.dynamic), 3);
    weir_segmented_buffer_fini(&buffer);
}
