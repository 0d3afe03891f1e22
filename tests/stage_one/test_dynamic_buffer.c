/* SPDX-License-Identifier: MIT */
/*
 * Dynamic buffers: what all promise, and what each kind promises beyond that.
 */
#include <weir/dynamic_buffer.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "buffer_subject.h"
#include "test.h"

/* Append bytes one piece at a time; returns how many, which is less if there is no more room. */
static size_t append(weir_dynamic_buffer *buffer, const char *bytes, size_t size)
{
    size_t appended = 0;

    while (appended < size) {
        weir_buffer room;
        weir_result r = weir_dynamic_buffer_prepare(buffer, size - appended, &room, 1);

        if (r.error)
            break;
        memcpy(room.data, bytes + appended, room.size);
        weir_dynamic_buffer_commit(buffer, room.size);
        appended += room.size;
    }
    return appended;
}

static void check_content(const weir_dynamic_buffer *buffer, const char *bytes, size_t size)
{
    size_t offset = 0;
    weir_const_buffer piece;

    while (weir_dynamic_buffer_data(buffer, offset, &piece, 1) > 0) {
        CHECK(memcmp(piece.data, bytes + offset, piece.size) == 0);
        offset += piece.size;
    }
    CHECK_EQ(offset, size);
}
WEIR_TEST(dynamic_buffer, takes_bytes_up_to_its_limit_and_again_when_some_are_consumed)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct subject subject;
        weir_buffer room;

        subject_init(&subject, kind, 10);

        CHECK_EQ(append(subject.dynamic, "0123456789ab", 12), 10);
        CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, 1, &room, 1).error, -ENOBUFS);
        CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, 0, &room, 1).error, 0);
        check_content(subject.dynamic, "0123456789", 10);
        weir_dynamic_buffer_consume(subject.dynamic, 4);
        CHECK_EQ(append(subject.dynamic, "ABCDEF", 6), 4);
        check_content(subject.dynamic, "456789ABCD", 10);
        subject_fini(&subject);
    }
}

WEIR_TEST(dynamic_buffer, without_a_limit_in_mind_prepares_all_that_the_limit_allows)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct subject subject;
        weir_buffer room[PIECES];

        subject_init(&subject, kind, 100);
        CHECK_EQ(append(subject.dynamic, "0123456789", 10), 10);

        CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, SIZE_MAX, room, PIECES).error, 0);
        CHECK_EQ(weir_dynamic_buffer_prepared(subject.dynamic), 90);
        subject_fini(&subject);
    }
}

WEIR_TEST(dynamic_buffer, of_no_size_is_full)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct subject subject;
        weir_buffer room;

        subject_init(&subject, kind, 0);

        CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, 1, &room, 1).error, -ENOBUFS);
        CHECK_EQ(weir_dynamic_buffer_capacity(subject.dynamic), 0);
        subject_fini(&subject);
    }
}

WEIR_TEST(dynamic_buffer, gives_up_what_was_prepared_when_it_prepares_again)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct subject subject;
        weir_buffer room[PIECES];

        subject_init(&subject, kind, 100);
        CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, 50, room, PIECES).error, 0);
        CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, 5, room, PIECES).error, 0);
        CHECK_EQ(weir_dynamic_buffer_prepared(subject.dynamic), 5);
        CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, 0, room, PIECES).error, 0);
        CHECK_EQ(weir_dynamic_buffer_prepared(subject.dynamic), 0);
        subject_fini(&subject);
    }
}

WEIR_TEST(dynamic_buffer, asks_for_no_memory_before_it_needs_some)
{
    for (enum kind kind = FLAT_GROWING; kind < KINDS; kind++) {
        struct subject subject;

        subject_init(&subject, kind, 100);
        CHECK_EQ(weir_dynamic_buffer_capacity(subject.dynamic), 0);
        CHECK_EQ(subject.ration.asked_count, 0);
        subject_fini(&subject);
    }
}

WEIR_TEST(dynamic_buffer, without_memory_says_so_and_works_when_there_is_some_again)
{
    for (enum kind kind = FLAT_GROWING; kind < KINDS; kind++) {
        struct subject subject;
        weir_buffer room;

        subject_init(&subject, kind, 100);
        subject.ration.is_dry = true;
        CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, 1, &room, 1).error, -ENOMEM);
        CHECK_EQ(weir_dynamic_buffer_prepared(subject.dynamic), 0);

        subject.ration.is_dry = false;
        CHECK_EQ(append(subject.dynamic, "0123456789", 10), 10);
        check_content(subject.dynamic, "0123456789", 10);
        subject_fini(&subject);
    }
}

WEIR_TEST(dynamic_buffer, in_steady_use_asks_for_no_memory)
{
    for (enum kind kind = FLAT_GROWING; kind < KINDS; kind++) {
        struct subject subject;
        size_t asked_count = 0;

        subject_init(&subject, kind, SIZE_MAX);
        CHECK_EQ(append(subject.dynamic, "ab", 2), 2);
        for (int i = 0; i < 10000; i++) {
            CHECK_EQ(append(subject.dynamic, "012", 3), 3);
            weir_dynamic_buffer_consume(subject.dynamic, 3);
            if (i == 1000)
                asked_count = subject.ration.asked_count;
        }
        CHECK_EQ(subject.ration.asked_count, asked_count);
        subject_fini(&subject);
    }
}

WEIR_TEST(dynamic_buffer, in_one_block_grows_by_doubling)
{
    for (enum kind kind = FLAT_GROWING; kind < SEGMENTED; kind++) {
        struct subject subject;

        subject_init(&subject, kind, SIZE_MAX);
        for (int i = 0; i < 1 << 20; i++)
            CHECK_EQ(append(subject.dynamic, "x", 1), 1);

        CHECK(subject.ration.asked_count <= 12); /* 512 << 11 is 1 << 20. */
        CHECK_EQ(subject.ration.live_bytes, 1 << 20);
        subject_fini(&subject);
    }
}

WEIR_TEST(dynamic_buffer, takes_the_heap_when_it_is_given_no_memory)
{
    weir_flat_buffer flat;
    weir_circular_buffer circular;
    weir_segmented_buffer segmented;

    weir_flat_buffer_init_growing(&flat, NULL, 100);
    weir_circular_buffer_init_growing(&circular, NULL, 100);
    weir_segmented_buffer_init(&segmented, NULL, 64, 100);

    CHECK_EQ(append(&flat.dynamic, "0123", 4), 4);
    CHECK_EQ(append(&circular.dynamic, "0123", 4), 4);
    CHECK_EQ(append(&segmented.dynamic, "0123", 4), 4);
    weir_flat_buffer_fini(&flat);
    weir_circular_buffer_fini(&circular);
    weir_segmented_buffer_fini(&segmented);
}

WEIR_TEST(flat_buffer, has_its_data_in_one_piece)
{
    char memory[8];
    weir_flat_buffer flat;

    weir_flat_buffer_init_fixed(&flat, memory, sizeof memory);
    CHECK_EQ(weir_flat_buffer_bytes(&flat).size, 0);
    CHECK_EQ(append(&flat.dynamic, "01234567", 8), 8);
    weir_dynamic_buffer_consume(&flat.dynamic, 5);
    CHECK_EQ(append(&flat.dynamic, "89abc", 5), 5);

    CHECK_EQ(weir_flat_buffer_bytes(&flat).size, 8);
    CHECK(memcmp(weir_flat_buffer_bytes(&flat).data, "56789abc", 8) == 0);
    weir_flat_buffer_fini(&flat);
}

/* A growing flat buffer that has consumed so much of a full block. */
static void fill_and_consume(struct subject *subject, size_t consumed)
{
    char bytes[512];

    memset(bytes, 'x', sizeof bytes);
    subject_init(subject, FLAT_GROWING, LIMIT);
    CHECK_EQ(append(subject->dynamic, bytes, sizeof bytes), sizeof bytes);
    weir_dynamic_buffer_consume(subject->dynamic, consumed);
}

WEIR_TEST(flat_buffer, moves_its_data_in_place_when_at_least_half_is_consumed)
{
    struct subject subject;

    fill_and_consume(&subject, 256);
    CHECK_EQ(append(subject.dynamic, "y", 1), 1);

    CHECK_EQ(weir_dynamic_buffer_capacity(subject.dynamic), 512);
    subject_fini(&subject);
}

WEIR_TEST(flat_buffer, grows_rather_than_move_much_data_for_little_room)
{
    struct subject subject;

    fill_and_consume(&subject, 255);
    CHECK_EQ(append(subject.dynamic, "y", 1), 1);

    CHECK_EQ(weir_dynamic_buffer_capacity(subject.dynamic), 1024);
    subject_fini(&subject);
}

WEIR_TEST(flat_buffer, moves_much_data_for_little_room_when_it_cannot_grow)
{
    struct subject subject;

    fill_and_consume(&subject, 1);
    subject.ration.is_dry = true;

    CHECK_EQ(append(subject.dynamic, "yz", 2), 1);
    CHECK_EQ(weir_dynamic_buffer_size(subject.dynamic), 512);
    CHECK_EQ(*place_of(subject.dynamic, 511), 'y');
    subject_fini(&subject);
}

WEIR_TEST(flat_buffer, as_large_as_it_may_be_asks_for_no_memory)
{
    struct subject subject;
    char bytes[600];
    size_t asked_count;

    memset(bytes, 'x', sizeof bytes);
    subject_init(&subject, FLAT_GROWING, sizeof bytes);
    CHECK_EQ(append(subject.dynamic, bytes, sizeof bytes), sizeof bytes);
    asked_count = subject.ration.asked_count;

    weir_dynamic_buffer_consume(subject.dynamic, 1);
    CHECK_EQ(append(subject.dynamic, "y", 1), 1);

    CHECK_EQ(subject.ration.asked_count, asked_count);
    CHECK_EQ(*place_of(subject.dynamic, sizeof bytes - 1), 'y');
    subject_fini(&subject);
}

WEIR_TEST(dynamic_buffer, in_one_block_begins_at_its_front_again_when_it_is_empty)
{
    for (enum kind kind = FLAT_FIXED; kind <= CIRCULAR_FIXED; kind++) {
        struct subject subject;

        subject_init(&subject, kind, 10);
        CHECK_EQ(append(subject.dynamic, "0123456", 7), 7);
        weir_dynamic_buffer_consume(subject.dynamic, 7);

        CHECK_EQ(append(subject.dynamic, "7", 1), 1);

        CHECK(place_of(subject.dynamic, 0) == subject.storage);
        subject_fini(&subject);
    }
}

WEIR_TEST(circular_buffer, goes_round_in_two_pieces)
{
    char memory[8];
    weir_circular_buffer circular;
    weir_const_buffer pieces[2];
    weir_buffer room[2];

    weir_circular_buffer_init_fixed(&circular, memory, sizeof memory);
    CHECK_EQ(append(&circular.dynamic, "012345", 6), 6);
    weir_dynamic_buffer_consume(&circular.dynamic, 4);

    CHECK_EQ(weir_dynamic_buffer_prepare(&circular.dynamic, 5, room, 2).count, 2);
    CHECK(room[0].data == memory + 6 && room[0].size == 2);
    CHECK(room[1].data == memory && room[1].size == 3);
    memcpy(room[0].data, "67", 2);
    memcpy(room[1].data, "89a", 3);
    weir_dynamic_buffer_commit(&circular.dynamic, 5);
    CHECK_EQ(weir_dynamic_buffer_data(&circular.dynamic, 0, pieces, 2), 2);
    CHECK(pieces[0].data == memory + 4 && pieces[0].size == 4);
    CHECK(pieces[1].data == memory && pieces[1].size == 3);
    check_content(&circular.dynamic, "456789a", 7);
    weir_circular_buffer_fini(&circular);
}

WEIR_TEST(circular_buffer, lays_its_data_out_in_one_piece_when_it_grows)
{
    struct subject subject;
    char bytes[512];
    weir_const_buffer pieces[2];

    memset(bytes, 'x', sizeof bytes);
    subject_init(&subject, CIRCULAR_GROWING, LIMIT);
    CHECK_EQ(append(subject.dynamic, bytes, 512), 512);
    weir_dynamic_buffer_consume(subject.dynamic, 500);
    CHECK_EQ(append(subject.dynamic, bytes, 500), 500);
    CHECK_EQ(weir_dynamic_buffer_data(subject.dynamic, 0, pieces, 2), 2);

    CHECK_EQ(append(subject.dynamic, "y", 1), 1);

    CHECK_EQ(weir_dynamic_buffer_data(subject.dynamic, 0, pieces, 2), 1);
    CHECK_EQ(pieces[0].size, 513);
    CHECK_EQ(((const char *)pieces[0].data)[512], 'y');
    subject_fini(&subject);
}

/* A segmented buffer with so many segments full of data. */
static void fill_segments(struct subject *subject, size_t count)
{
    subject_init(subject, SEGMENTED, SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(append(subject->dynamic, "0123456", SEGMENT), SEGMENT);
    CHECK_EQ(subject->ration.live_count, count);
}

WEIR_TEST(segmented_buffer, gives_memory_back_as_its_data_is_consumed_but_for_one_segment)
{
    enum { COUNT = 10 };
    struct subject subject;

    fill_segments(&subject, COUNT);

    weir_dynamic_buffer_consume(subject.dynamic, SEGMENT - 1);
    CHECK_EQ(subject.ration.live_count, COUNT);
    weir_dynamic_buffer_consume(subject.dynamic, 1);
    CHECK_EQ(subject.ration.live_count, COUNT); /* The first one is kept. */
    for (size_t left = COUNT - 2; left > 0; left--) {
        weir_dynamic_buffer_consume(subject.dynamic, SEGMENT);
        CHECK_EQ(subject.ration.live_count, left + 1);
    }
    weir_dynamic_buffer_consume(subject.dynamic, SEGMENT);
    CHECK_EQ(subject.ration.live_count, 1);
    subject_fini(&subject);
}

WEIR_TEST(segmented_buffer, uses_the_segment_it_kept)
{
    struct subject subject;

    fill_segments(&subject, 2);
    weir_dynamic_buffer_consume(subject.dynamic, SEGMENT);
    subject.ration.is_dry = true;

    CHECK_EQ(weir_dynamic_buffer_capacity(subject.dynamic), 2 * SEGMENT);
    CHECK_EQ(append(subject.dynamic, "789abcd!", 8), SEGMENT);
    check_content(subject.dynamic, "0123456789abcd", 2 * SEGMENT);
    subject_fini(&subject);
}

WEIR_TEST(segmented_buffer, has_room_for_a_whole_segment_again_when_it_is_empty)
{
    struct subject subject;

    subject_init(&subject, SEGMENTED, SIZE_MAX);
    CHECK_EQ(append(subject.dynamic, "0123", 4), 4);
    weir_dynamic_buffer_consume(subject.dynamic, 3);
    CHECK_EQ(weir_dynamic_buffer_capacity(subject.dynamic), SEGMENT - 3);
    weir_dynamic_buffer_consume(subject.dynamic, 1);
    CHECK_EQ(weir_dynamic_buffer_capacity(subject.dynamic), SEGMENT);

    subject.ration.is_dry = true;
    CHECK_EQ(append(subject.dynamic, "01234567", 8), SEGMENT);
    subject_fini(&subject);
}

WEIR_TEST(segmented_buffer, fills_first_what_it_prepared_and_did_not_fill)
{
    struct subject subject;
    weir_buffer room[PIECES];

    subject_init(&subject, SEGMENTED, SIZE_MAX);
    CHECK_EQ(weir_dynamic_buffer_prepare(subject.dynamic, 3 * SEGMENT, room, PIECES).count, 3);
    memcpy(room[0].data, "0", 1);
    weir_dynamic_buffer_commit(subject.dynamic, 1);
    subject.ration.is_dry = true;

    CHECK_EQ(append(subject.dynamic, "123456789abcdefghijklm", 22), 3 * SEGMENT - 1);
    check_content(subject.dynamic, "0123456789abcdefghijk", 3 * SEGMENT);
    subject_fini(&subject);
}

/* A buffer of ten bytes, of which four are data and three prepared. */
static void half_full(struct subject *subject)
{
    weir_buffer room[2];

    subject_init(subject, CIRCULAR_FIXED, 10);
    CHECK_EQ(append(subject->dynamic, "0123", 4), 4);
    CHECK_EQ(weir_dynamic_buffer_prepare(subject->dynamic, 3, room, 2).error, 0);
}

WEIR_ABORT_TEST(dynamic_buffer, committing_more_than_was_prepared_aborts)
{
    struct subject subject;

    half_full(&subject);
    weir_dynamic_buffer_commit(subject.dynamic, 2);
    weir_dynamic_buffer_commit(subject.dynamic, 2);
}

WEIR_ABORT_TEST(dynamic_buffer, consuming_more_than_there_is_aborts)
{
    struct subject subject;

    half_full(&subject);
    weir_dynamic_buffer_consume(subject.dynamic, 5);
}

WEIR_ABORT_TEST(dynamic_buffer, looking_behind_the_data_aborts)
{
    struct subject subject;
    weir_const_buffer piece;

    half_full(&subject);
    (void)weir_dynamic_buffer_data(subject.dynamic, 5, &piece, 1);
}

WEIR_ABORT_TEST(dynamic_buffer, preparing_into_no_place_aborts)
{
    struct subject subject;
    weir_result r;

    half_full(&subject);
    r = weir_dynamic_buffer_prepare(subject.dynamic, 1, NULL, 0);
    (void)r;
}

WEIR_ABORT_TEST(segmented_buffer, a_segment_without_room_for_data_aborts)
{
    weir_segmented_buffer segmented;

    weir_segmented_buffer_init(&segmented, NULL, sizeof(void *), 100);
}
