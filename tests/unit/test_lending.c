/* SPDX-License-Identifier: MIT */
/* The buffers that a backend lends: their stack, its growth and its bound. */
#include "lending.h"

#include <string.h>

#include "test.h"

enum {
    BLOCK = WEIR_LENDING_BLOCK,
    LINE = 64,
    DEFAULT_BYTES = 16 * 1024 + 64,
    DEFAULT_COUNT_MAX = 4064, /* Whole blocks in 64 MiB. */
};

/* Take so many, into a list by next. */
static weir_lent *take_many(weir_lending *lending, int count)
{
    weir_lent *list = NULL;

    while (count-- > 0) {
        weir_lent *lent = weir_lending_take(lending);

        CHECK(lent);
        lent->next = list;
        list = lent;
    }
    return list;
}

static void put_all(weir_lending *lending, weir_lent *list)
{
    while (list) {
        weir_lent *next = list->next;

        weir_lending_put(lending, list);
        list = next;
    }
}

/* Sizes and bounds. */

WEIR_TEST(lending, nothing_is_allocated_before_the_first_is_taken)
{
    weir_lending lending;

    weir_lending_init(&lending, 0, 0);
    CHECK(!lending.buffers);
    CHECK_EQ(lending.count, 0);
    CHECK_EQ(lending.buffer_bytes, DEFAULT_BYTES);
    CHECK_EQ(lending.count_max, DEFAULT_COUNT_MAX);
    weir_lending_fini(&lending);
}

static uint32_t count_max_of(size_t buffer_bytes, size_t bytes_max)
{
    weir_lending lending;

    weir_lending_init(&lending, buffer_bytes, bytes_max);
    return lending.count_max;
}

WEIR_TEST(lending, the_bound_is_whole_blocks_and_at_least_one)
{
    CHECK_EQ(count_max_of(1024, 1024 * BLOCK), BLOCK);
    CHECK_EQ(count_max_of(1024, 1024 * (2 * BLOCK - 1)), BLOCK);
    CHECK_EQ(count_max_of(1024, 1024 * (2 * BLOCK)), 2 * BLOCK);
    CHECK_EQ(count_max_of(1024, 1), BLOCK);
    CHECK_EQ(count_max_of(1 << 30, 0), BLOCK);
}

WEIR_TEST(lending, the_bound_is_what_a_completion_can_name)
{
    CHECK_EQ(count_max_of(1, 0), WEIR_LENDING_BUFFERS_MAX);
    CHECK_EQ(count_max_of(1, SIZE_MAX), WEIR_LENDING_BUFFERS_MAX);
    CHECK_EQ(count_max_of(1024, SIZE_MAX), WEIR_LENDING_BUFFERS_MAX);
}

WEIR_TEST(lending, a_buffer_has_at_most_a_gibibyte)
{
    weir_lending lending;

    weir_lending_init(&lending, SIZE_MAX, 0);
    CHECK_EQ(lending.buffer_bytes, 1 << 30);
    CHECK_EQ(lending.count_max, BLOCK);
    weir_lending_fini(&lending);
}

/* A page, a line, and sizes that are no multiple of either. */
WEIR_TEST(lending, buffers_are_whole_lines_and_no_power_of_two_apart)
{
    static const size_t sizes[] = {1, 63, 64, 65, 100, 4096, 16384};
    size_t i;

    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        weir_lending lending;
        uintptr_t stride;

        weir_lending_init(&lending, sizes[i], 1);
        put_all(&lending, take_many(&lending, BLOCK));
        stride = (uintptr_t)weir_lending_at(&lending, 1)->data -
                 (uintptr_t)weir_lending_at(&lending, 0)->data;
        CHECK(stride >= sizes[i]);
        CHECK_EQ(stride % LINE, 0);
        CHECK(stride % 4096 != 0);
        CHECK_EQ((uintptr_t)weir_lending_at(&lending, 0)->data % LINE, 0);
        weir_lending_fini(&lending);
    }
}

/* Taking and putting back. */

WEIR_TEST(lending, what_was_put_back_last_is_taken_next)
{
    weir_lent *taken[3];
    weir_lending lending;
    int i;

    weir_lending_init(&lending, 1024, 0);
    for (i = 0; i < 3; i++)
        taken[i] = weir_lending_take(&lending);
    CHECK_EQ(lending.taken, 3);
    weir_lending_put(&lending, taken[1]);
    weir_lending_put(&lending, taken[0]);
    weir_lending_put(&lending, taken[2]);
    CHECK(weir_lending_take(&lending) == taken[2]);
    CHECK(weir_lending_take(&lending) == taken[0]);
    CHECK(weir_lending_take(&lending) == taken[1]);
    for (i = 0; i < 3; i++)
        weir_lending_put(&lending, taken[i]);
    CHECK_EQ(lending.taken, 0);
    weir_lending_fini(&lending);
}

WEIR_TEST(lending, new_buffers_are_taken_in_the_order_of_their_addresses)
{
    const weir_lent *previous;
    weir_lent *list = NULL;
    weir_lending lending;
    int i;

    weir_lending_init(&lending, 1024, 0);
    for (i = 0; i < BLOCK; i++) {
        weir_lent *lent = weir_lending_take(&lending);

        previous = list;
        CHECK_EQ(lent->index, i);
        CHECK(!previous || lent->data > previous->data);
        lent->next = list;
        list = lent;
    }
    put_all(&lending, list);
    weir_lending_fini(&lending);
}

WEIR_TEST(lending, grows_by_a_block_when_all_are_taken)
{
    weir_lending lending;
    weir_lent *list;
    weir_lent *more;

    weir_lending_init(&lending, 1024, 0);
    list = take_many(&lending, BLOCK);
    CHECK_EQ(lending.count, BLOCK);
    more = weir_lending_take(&lending);
    CHECK(more);
    CHECK_EQ(lending.count, 2 * BLOCK);
    CHECK_EQ(lending.taken, BLOCK + 1);
    weir_lending_put(&lending, more);
    put_all(&lending, list);
    put_all(&lending, take_many(&lending, BLOCK));
    CHECK_EQ(lending.count, 2 * BLOCK);
    weir_lending_fini(&lending);
}

WEIR_TEST(lending, gives_no_more_than_its_bound)
{
    weir_lending lending;
    weir_lent *list;
    weir_lent *last;

    weir_lending_init(&lending, 100, 100 * 2 * BLOCK);
    last = weir_lending_take(&lending);
    list = take_many(&lending, 2 * BLOCK - 1);
    CHECK(!weir_lending_take(&lending));
    CHECK(!weir_lending_take(&lending));
    CHECK_EQ(lending.taken, 2 * BLOCK);
    CHECK_EQ(lending.count, 2 * BLOCK);
    weir_lending_put(&lending, last);
    CHECK(weir_lending_take(&lending) == last);
    CHECK(!weir_lending_take(&lending));
    weir_lending_put(&lending, last);
    put_all(&lending, list);
    weir_lending_fini(&lending);
}

WEIR_TEST(lending, an_index_names_its_buffer_and_each_has_its_own_memory)
{
    enum { COUNT = 3 * BLOCK, BYTES = 100 };
    weir_lending lending;
    weir_lent *list;
    uint32_t i;

    weir_lending_init(&lending, BYTES, BYTES * COUNT);
    list = take_many(&lending, COUNT);
    for (i = 0; i < COUNT; i++) {
        CHECK_EQ(weir_lending_at(&lending, i)->index, i);
        memset(weir_lending_at(&lending, i)->data, (int)i, BYTES);
    }
    for (i = 0; i < COUNT; i++) {
        CHECK_EQ(weir_lending_at(&lending, i)->data[0], (uint8_t)i);
        CHECK_EQ(weir_lending_at(&lending, i)->data[BYTES - 1], (uint8_t)i);
    }
    put_all(&lending, list);
    weir_lending_fini(&lending);
}

WEIR_TEST(lending, all_that_completions_can_name_exist_at_most)
{
    weir_lending lending;
    weir_lent *list;

    weir_lending_init(&lending, 1, 0);
    list = take_many(&lending, WEIR_LENDING_BUFFERS_MAX);
    CHECK(!weir_lending_take(&lending));
    CHECK_EQ(weir_lending_at(&lending, WEIR_LENDING_BUFFERS_MAX - 1)->index,
             WEIR_LENDING_BUFFERS_MAX - 1);
    put_all(&lending, list);
    weir_lending_fini(&lending);
}

WEIR_TEST(lending, a_reserve_makes_the_first_block_once)
{
    weir_lending lending;

    weir_lending_init(&lending, 1024, 0);
    CHECK(weir_lending_reserve(&lending));
    CHECK(weir_lending_reserve(&lending));
    CHECK_EQ(lending.count, BLOCK);
    CHECK_EQ(lending.taken, 0);
    weir_lending_fini(&lending);
}

/* Misuse. */

WEIR_ABORT_TEST(lending, an_index_that_is_no_buffers_aborts)
{
    weir_lending lending;

    weir_lending_init(&lending, 1024, 0);
    CHECK(weir_lending_reserve(&lending));
    (void)weir_lending_at(&lending, BLOCK);
}

WEIR_ABORT_TEST(lending, an_end_while_one_is_lent_aborts)
{
    weir_lending lending;

    weir_lending_init(&lending, 1024, 0);
    CHECK(weir_lending_take(&lending));
    weir_lending_fini(&lending);
}
