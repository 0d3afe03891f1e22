/* SPDX-License-Identifier: MIT */
/* The memories of the test kit: what they count, and what they refuse. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <weir/dynamic_buffer.h>
#include <weir/test/memory.h>

#include "test.h"

static void *take(weir_counting_memory *memory, size_t size)
{
    return memory->memory.allocate(&memory->memory, size);
}

static void give(weir_counting_memory *memory, void *block, size_t size)
{
    memory->memory.release(&memory->memory, block, size);
}

WEIR_TEST(kit_memory, it_counts_what_is_out_what_was_and_the_most)
{
    weir_counting_memory memory;
    void *a;
    void *b;

    weir_counting_memory_init(&memory, NULL);
    a = take(&memory, 100);
    b = take(&memory, 50);
    give(&memory, a, 100);
    a = take(&memory, 10);
    CHECK_EQ(memory.live_count, 2);
    CHECK_EQ(memory.live_bytes, 60);
    CHECK_EQ(memory.peak_bytes, 150);
    CHECK_EQ(memory.total_count, 3);
    CHECK_EQ(memory.total_bytes, 160);
    give(&memory, a, 10);
    give(&memory, b, 50);
    CHECK_EQ(memory.live_bytes, 0);
    weir_counting_memory_fini(&memory);
}

WEIR_TEST(kit_memory, blocks_are_aligned_for_any_type)
{
    weir_counting_memory memory;

    weir_counting_memory_init(&memory, NULL);
    for (size_t size = 1; size < 70; size++) {
        void *block = take(&memory, size);

        CHECK_EQ((uintptr_t)block % _Alignof(max_align_t), 0);
        give(&memory, block, size);
    }
    weir_counting_memory_fini(&memory);
}

WEIR_ABORT_TEST(kit_memory, a_block_that_is_not_released_is_told)
{
    weir_counting_memory memory;

    weir_counting_memory_init(&memory, NULL);
    CHECK(take(&memory, 1));
    weir_counting_memory_fini(&memory);
}

WEIR_ABORT_TEST(kit_memory, a_block_that_is_released_with_another_size_is_told)
{
    weir_counting_memory memory;

    weir_counting_memory_init(&memory, NULL);
    give(&memory, take(&memory, 8), 9);
}

WEIR_ABORT_TEST(kit_memory, a_block_that_goes_to_another_memory_is_told)
{
    weir_counting_memory memory;
    weir_counting_memory other;

    weir_counting_memory_init(&memory, NULL);
    weir_counting_memory_init(&other, NULL);
    give(&other, take(&memory, 8), 8);
}

enum { GROWN = 4096 };

/* Grow a buffer until it is full, or memory is exhausted. */
static int grow(weir_memory *memory)
{
    weir_flat_buffer buffer;
    weir_buffer piece;
    weir_result r = {0, 0};

    weir_flat_buffer_init_growing(&buffer, memory, GROWN);
    while (weir_dynamic_buffer_size(&buffer.dynamic) < GROWN) {
        r = weir_dynamic_buffer_prepare(&buffer.dynamic, 100, &piece, 1);
        if (r.error)
            break;
        memset(piece.data, 'a', piece.size);
        weir_dynamic_buffer_commit(&buffer.dynamic, piece.size);
    }
    weir_flat_buffer_fini(&buffer);
    return r.error;
}

WEIR_TEST(kit_memory, a_growing_buffer_is_ground_through_each_allocation)
{
    weir_counting_memory counting;
    weir_fuse_memory memory;
    weir_fuse fuse;
    int error;

    weir_counting_memory_init(&counting, NULL);
    weir_fuse_init(&fuse, -ENOMEM);
    while (weir_fuse_next(&fuse)) {
        weir_fuse_memory_init(&memory, &fuse, &counting.memory);
        error = grow(&memory.memory);
        CHECK(error == 0 || (error == -ENOMEM && weir_fuse_is_blown(&fuse)));
    }
    CHECK(weir_fuse_points(&fuse) > 1);
    weir_counting_memory_fini(&counting);
}
