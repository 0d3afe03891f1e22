/* SPDX-License-Identifier: MIT */
/* The grinder of the test kit: every sequence, each once, all over the same bytes. */
#include <weir/test/grinder.h>

#include "test.h"

static char alphabet[] = "abcdefghijklmnopqrstuvwxyz";

/* The sequence is the bytes, in order and in place. */
static void check_sequence(const weir_grinder *grinder, size_t size)
{
    const char *at = alphabet;

    for (size_t i = 0; i < grinder->count; i++) {
        CHECK(grinder->const_buffers[i].data == at);
        CHECK(grinder->buffers[i].data == at);
        CHECK_EQ(grinder->buffers[i].size, grinder->const_buffers[i].size);
        at += grinder->buffers[i].size;
    }
    CHECK_EQ(at - alphabet, size);
}

/* A number that tells sequences apart: its sizes as digits. */
static size_t number_of(const weir_grinder *grinder, size_t size)
{
    size_t number = grinder->count;

    for (size_t i = 0; i < WEIR_GRINDER_MAX; i++)
        number = number * (size + 1) + (i < grinder->count ? grinder->buffers[i].size : 0);
    return number;
}

static size_t grind(size_t size, size_t count_max, size_t step)
{
    size_t sequences = 0;
    size_t seen[1000];
    weir_grinder grinder;

    weir_grinder_init(&grinder, alphabet, size, count_max, step);
    while (weir_grinder_next(&grinder)) {
        CHECK(grinder.count <= count_max);
        check_sequence(&grinder, size);
        seen[sequences] = number_of(&grinder, size);
        for (size_t i = 0; i < sequences; i++)
            CHECK(seen[i] != seen[sequences]);
        sequences++;
    }
    CHECK(!weir_grinder_next(&grinder));
    return sequences;
}

WEIR_TEST(kit_grinder, one_buffer_is_one_sequence)
{
    CHECK_EQ(grind(5, 1, 1), 1);
}

WEIR_TEST(kit_grinder, every_split_is_made_once)
{
    for (size_t n = 1; n < 9; n++) {
        CHECK_EQ(grind(n, 2, 1), 1 + (n + 1));
        CHECK_EQ(grind(n, 3, 1), 1 + (n + 1) + (n + 1) * (n + 2) / 2);
    }
    CHECK_EQ(grind(4, 4, 1), 1 + 5 + 15 + 35);
}

WEIR_TEST(kit_grinder, a_step_cuts_at_its_multiples_and_at_the_end)
{
    CHECK_EQ(grind(10, 2, 4), 1 + 4); /* At 0, 4, 8, 10. */
    CHECK_EQ(grind(10, 2, 10), 1 + 2);
    CHECK_EQ(grind(10, 2, (size_t)-1), 1 + 2);
}

WEIR_TEST(kit_grinder, of_no_bytes_all_buffers_are_empty)
{
    CHECK_EQ(grind(0, 3, 1), 3);
}

WEIR_TEST(kit_grinder, as_many_buffers_as_it_may_have)
{
    CHECK_EQ(grind(1, WEIR_GRINDER_MAX, 1), 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8);
}

WEIR_TEST(kit_grinder, memory_that_is_only_read_is_cut_as_well)
{
    const char *const data = "xyz";
    size_t sequences = 0;
    weir_grinder grinder;

    weir_grinder_init_const(&grinder, data, 3, 2, 1);
    while (weir_grinder_next(&grinder)) {
        CHECK_EQ(weir_const_buffers_size(grinder.const_buffers, grinder.count), 3);
        sequences++;
    }
    CHECK_EQ(sequences, 5);
}

WEIR_ABORT_TEST(kit_grinder, more_buffers_than_it_has_are_refused)
{
    weir_grinder grinder;

    weir_grinder_init(&grinder, alphabet, 1, WEIR_GRINDER_MAX + 1, 1);
}
