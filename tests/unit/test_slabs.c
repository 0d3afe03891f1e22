/* SPDX-License-Identifier: MIT */
/* The slabs that frames of a loop come from: what a block costs, and how memory goes back. */
#include "slabs.h"

#include <stdint.h>
#include <string.h>

#include <weir/scope.h>

#include "fake_backend.h"
#include "loop.h"
#include "sys.h"
#include "test.h"

enum {
    LINE = 64,
    SIZE = 448,                                        /* An idle connection of weir-echo. */
    FULL = (WEIR_SLAB_BYTES - WEIR_SLAB_FIRST) / SIZE, /* Blocks of a slab. */
    FULL_LARGE = (WEIR_SLAB_BYTES - WEIR_SLAB_FIRST) / WEIR_SLAB_BLOCK_MAX,
};

static void *take(weir_slabs *slabs, size_t size)
{
    void *block = slabs->memory.allocate(&slabs->memory, size);

    CHECK(block);
    return block;
}

static void give(weir_slabs *slabs, void *block, size_t size)
{
    slabs->memory.release(&slabs->memory, block, size);
}

static void take_many(weir_slabs *slabs, void **blocks, int count)
{
    for (int i = 0; i < count; i++)
        blocks[i] = take(slabs, SIZE);
}

static void give_many(weir_slabs *slabs, void **blocks, int count)
{
    for (int i = 0; i < count; i++)
        give(slabs, blocks[i], SIZE);
}

/* What blocks cost. */

WEIR_TEST(slabs, nothing_is_taken_before_the_first_block)
{
    weir_slabs slabs;

    weir_slabs_init(&slabs, WEIR_SLAB_BYTES);
    CHECK_EQ(slabs.slab_count, 0);
    weir_slabs_fini(&slabs);
}

/* A heap would have a header before each. */
WEIR_TEST(slabs, a_block_costs_its_size_and_a_part_of_one_header)
{
    enum { COUNT = 100 * FULL };
    static void *blocks[COUNT];
    weir_slabs slabs;

    weir_slabs_init(&slabs, 0);
    take_many(&slabs, blocks, COUNT);
    CHECK_EQ(slabs.slab_count, 100);
    CHECK(slabs.slab_count * WEIR_SLAB_BYTES / COUNT <= SIZE + 1);
    CHECK_EQ((char *)blocks[1] - (char *)blocks[0], SIZE);
    give_many(&slabs, blocks, COUNT);
    weir_slabs_fini(&slabs);
}

WEIR_TEST(slabs, no_size_wastes_more_than_the_header_of_a_heap)
{
    for (size_t size = WEIR_SLAB_UNIT; size <= WEIR_SLAB_BLOCK_MAX; size += WEIR_SLAB_UNIT) {
        size_t count = (WEIR_SLAB_BYTES - WEIR_SLAB_FIRST) / size;

        CHECK((WEIR_SLAB_BYTES - count * size) / count <= 16);
    }
}

WEIR_TEST(slabs, a_task_behind_the_record_of_its_scope_begins_a_cache_line)
{
    weir_slabs slabs;
    void *block;

    weir_slabs_init(&slabs, 0);
    block = take(&slabs, SIZE);
    CHECK_EQ((uintptr_t)block % _Alignof(max_align_t), 0);
    CHECK_EQ(((uintptr_t)block + sizeof(weir_scope_record)) % LINE, 0);
    give(&slabs, block, SIZE);
    weir_slabs_fini(&slabs);
}

WEIR_TEST(slabs, what_is_larger_than_a_block_comes_from_the_heap)
{
    weir_slabs slabs;
    void *block;

    weir_slabs_init(&slabs, 0);
    block = take(&slabs, WEIR_SLAB_BLOCK_MAX + 1);
    memset(block, 1, WEIR_SLAB_BLOCK_MAX + 1);
    CHECK_EQ(slabs.slab_count, 0);
    give(&slabs, block, WEIR_SLAB_BLOCK_MAX + 1);
    weir_slabs_fini(&slabs);
}

/* Which block is next. */

WEIR_TEST(slabs, the_block_that_came_back_last_is_handed_out_first)
{
    weir_slabs slabs;
    void *blocks[3];

    weir_slabs_init(&slabs, 0);
    take_many(&slabs, blocks, 3);
    give(&slabs, blocks[0], SIZE);
    give(&slabs, blocks[1], SIZE);
    CHECK(take(&slabs, SIZE) == blocks[1]);
    CHECK(take(&slabs, SIZE) == blocks[0]);
    give_many(&slabs, blocks, 3);
    weir_slabs_fini(&slabs);
}

WEIR_TEST(slabs, room_in_slabs_is_used_before_there_is_another)
{
    enum { SLABS = 5 };
    static void *blocks[SLABS * FULL];
    weir_slabs slabs;

    weir_slabs_init(&slabs, 0);
    take_many(&slabs, blocks, SLABS * FULL);
    for (int i = 0; i < SLABS; i++)
        give(&slabs, blocks[i * FULL], SIZE);
    for (int i = 0; i < SLABS; i++)
        blocks[i * FULL] = take(&slabs, SIZE);
    CHECK_EQ(slabs.slab_count, SLABS);
    give_many(&slabs, blocks, SLABS * FULL);
    weir_slabs_fini(&slabs);
}

/* How memory goes back. */

WEIR_TEST(slabs, a_slab_whose_last_block_is_back_goes_to_the_system)
{
    static void *blocks[10 * FULL];
    weir_slabs slabs;

    weir_slabs_init(&slabs, 0);
    take_many(&slabs, blocks, 10 * FULL);
    CHECK_EQ(slabs.slab_count, 10);
    give_many(&slabs, blocks, 10 * FULL);
    CHECK_EQ(slabs.slab_count, 0);
    weir_slabs_fini(&slabs);
}

WEIR_TEST(slabs, one_block_that_stays_keeps_its_slab_and_no_other)
{
    enum { COUNT = 10 * FULL, STAYS = COUNT - 1 };
    static void *blocks[COUNT];
    weir_slabs slabs;

    weir_slabs_init(&slabs, 0);
    take_many(&slabs, blocks, COUNT);
    give_many(&slabs, blocks, STAYS);
    CHECK_EQ(slabs.slab_count, 1);
    give(&slabs, blocks[STAYS], SIZE);
    weir_slabs_fini(&slabs);
}

WEIR_TEST(slabs, empty_slabs_are_held_back_up_to_a_bound)
{
    enum { COUNT = 10 * FULL };
    static void *blocks[COUNT];
    weir_slabs slabs;

    weir_slabs_init(&slabs, 3 * WEIR_SLAB_BYTES + 1);
    for (int round = 0; round < 2; round++) {
        take_many(&slabs, blocks, COUNT);
        CHECK_EQ(slabs.slab_count, 10);
        give_many(&slabs, blocks, COUNT);
        CHECK_EQ(slabs.slab_count, 3);
    }
    weir_slabs_fini(&slabs);
}

WEIR_TEST(slabs, an_empty_slab_serves_another_size)
{
    weir_slabs slabs;
    void *blocks[FULL_LARGE];

    weir_slabs_init(&slabs, WEIR_SLAB_BYTES);
    give(&slabs, take(&slabs, 1), 1);
    for (int i = 0; i < FULL_LARGE; i++)
        memset(blocks[i] = take(&slabs, WEIR_SLAB_BLOCK_MAX), i, WEIR_SLAB_BLOCK_MAX);
    CHECK_EQ(slabs.slab_count, 1);
    for (int i = 0; i < FULL_LARGE; i++)
        give(&slabs, blocks[i], WEIR_SLAB_BLOCK_MAX);
    weir_slabs_fini(&slabs);
}

WEIR_ABORT_TEST(slabs, they_do_not_end_before_their_blocks)
{
    weir_slabs slabs;

    weir_slabs_init(&slabs, 0);
    take(&slabs, SIZE);
    weir_slabs_fini(&slabs);
}

/* A history of many sizes: nobody else writes to a block. */

struct piece {
    uint8_t *block; /* NULL: none. */
    size_t size;
    uint8_t mark;
};

static uint64_t random_state = 0x9e3779b97f4a7c15;

static size_t random_below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % bound);
}

static void check_and_give(weir_slabs *slabs, struct piece *piece)
{
    for (size_t i = 0; i < piece->size; i++)
        CHECK_EQ(piece->block[i], piece->mark);
    give(slabs, piece->block, piece->size);
    piece->block = NULL;
}

WEIR_TEST(slabs, in_a_long_history_no_block_is_anybody_elses)
{
    enum { PIECES = 2000, STEPS = 100000 };
    static struct piece pieces[PIECES];
    weir_slabs slabs;

    weir_slabs_init(&slabs, 2 * WEIR_SLAB_BYTES);
    for (int step = 0; step < STEPS; step++) {
        struct piece *piece = &pieces[random_below(PIECES)];

        if (piece->block) {
            check_and_give(&slabs, piece);
            continue;
        }
        piece->size = 1 + random_below(WEIR_SLAB_BLOCK_MAX + 100);
        piece->mark = (uint8_t)step;
        piece->block = take(&slabs, piece->size);
        memset(piece->block, piece->mark, piece->size);
    }
    for (int i = 0; i < PIECES; i++) {
        if (pieces[i].block)
            check_and_give(&slabs, &pieces[i]);
    }
    CHECK(slabs.slab_count <= 2);
    weir_slabs_fini(&slabs);
}

/* Pages. */

WEIR_TEST(slabs, aligned_pages_begin_at_a_multiple_of_their_size)
{
    enum { COUNT = 16, PAGE = 4096 };
    void *aligned[COUNT];
    void *between[COUNT];

    for (int i = 0; i < COUNT; i++) {
        between[i] = weir_sys_pages_new((size_t)(i % 3 + 1) * PAGE);
        aligned[i] = weir_sys_pages_new_aligned(WEIR_SLAB_BYTES);
        CHECK(aligned[i]);
        CHECK_EQ((uintptr_t)aligned[i] % WEIR_SLAB_BYTES, 0);
        memset(aligned[i], 1, WEIR_SLAB_BYTES);
    }
    for (int i = 0; i < COUNT; i++) {
        weir_sys_pages_free(between[i], (size_t)(i % 3 + 1) * PAGE);
        weir_sys_pages_free(aligned[i], WEIR_SLAB_BYTES);
    }
}

/* Of a loop. */

struct crowd {
    weir_task task;
    weir_scope scope;
    size_t slab_count; /* Out. */
};

static weir_task *visitor_resume(weir_task *task)
{
    WEIR_RETURN(task, weir_result_of(0, 0));
}

static weir_task *crowd_resume(weir_task *task)
{
    struct crowd *self = WEIR_TASK_SELF(task, struct crowd);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    for (int i = 0; i < 10 * FULL; i++)
        weir_scope_start(
            &self->scope,
            weir_scope_new(&self->scope, SIZE - sizeof(weir_scope_record), visitor_resume));
    self->slab_count = task->environment->loop->slabs.slab_count;
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* The slabs in use, and those left when all frames have come back. */
static size_t slabs_of_a_crowd(weir_loop_options options, size_t *ret_left)
{
    weir_loop *loop = fake_loop_new(&options);
    struct crowd crowd = {.slab_count = 0};

    weir_task_init(&crowd.task, crowd_resume);
    CHECK_EQ(weir_run(loop, &crowd.task).count, 10 * FULL);
    *ret_left = loop->slabs.slab_count;
    weir_loop_free(loop);
    return crowd.slab_count;
}

WEIR_TEST(slabs, frames_of_a_loop_come_from_them_and_a_loop_that_holds_nothing_back_gives_all_back)
{
    weir_loop_options options = fake_loop_options();
    size_t left;

    options.frames_retained_bytes_max = 1;
    if (weir_sys_is_sanitized()) /* It is to see what is freed. */
        return;
    CHECK_EQ(slabs_of_a_crowd(options, &left), 10);
    CHECK_EQ(left, 0);
}

WEIR_TEST(slabs, what_a_loop_holds_back_stays_in_its_slabs)
{
    weir_loop_options options = fake_loop_options();
    size_t left;

    if (weir_sys_is_sanitized())
        return;
    CHECK_EQ(slabs_of_a_crowd(options, &left), 10);
    CHECK_EQ(left, 10);
}

/* A frame that is held back keeps its slab: few are. */
WEIR_TEST(slabs, what_a_loop_holds_back_of_many_frames_keeps_few_slabs)
{
    enum { COUNT = 100 * FULL, STRIDE = 7919, UNITS = SIZE / WEIR_FRAME_UNIT };
    enum { LISTED = WEIR_FRAME_RETAINED_MAX / 256 / SIZE };
    enum { EMPTY = WEIR_FRAME_RETAINED_MAX / 2 / WEIR_SLAB_BYTES };
    static void *blocks[COUNT];
    weir_loop_options options = fake_loop_options();
    weir_loop *loop;

    options.frames_retained_bytes_max = WEIR_FRAME_RETAINED_MAX;
    if (weir_sys_is_sanitized())
        return;
    loop = fake_loop_new(&options);
    for (int i = 0; i < COUNT; i++)
        blocks[i] = weir_frame_allocate(&loop->context.frames, UNITS);
    for (int i = 0; i < COUNT; i++) /* In an order of their own. */
        weir_frame_release(&loop->context.frames, blocks[(size_t)i * STRIDE % COUNT], UNITS);
    CHECK(loop->slabs.slab_count > EMPTY);
    CHECK(loop->slabs.slab_count <= LISTED + EMPTY);
    weir_loop_free(loop);
}

/* However little is held back, the only frame of its size does not map and unmap one each time. */
WEIR_TEST(slabs, a_loop_that_may_hold_one_back_does)
{
    weir_loop_options options = fake_loop_options();
    weir_loop *loop;
    void *frame;

    options.frames_retained_bytes_max = WEIR_SLAB_BYTES;
    if (weir_sys_is_sanitized())
        return;
    loop = fake_loop_new(&options);
    frame = weir_frame_allocate(&loop->context.frames, WEIR_FRAME_CLASSES);
    weir_frame_release(&loop->context.frames, frame, WEIR_FRAME_CLASSES);
    CHECK_EQ(loop->slabs.slab_count, 1);
    weir_loop_free(loop);
}

WEIR_TEST(slabs, the_slab_that_emptied_last_is_used_next)
{
    weir_slabs slabs;
    void *first, *second;

    weir_slabs_init(&slabs, 2 * WEIR_SLAB_BYTES);
    first = take(&slabs, SIZE);
    second = take(&slabs, 2 * SIZE);
    give(&slabs, first, SIZE);
    give(&slabs, second, 2 * SIZE);
    CHECK(take(&slabs, SIZE) == second);
    give(&slabs, second, SIZE);
    weir_slabs_fini(&slabs);
}

WEIR_TEST(slabs, a_loop_that_is_given_a_memory_has_none)
{
    weir_loop_options options = fake_loop_options();
    size_t left;

    options.frames = &weir_memory_heap;
    CHECK_EQ(slabs_of_a_crowd(options, &left), 0);
    CHECK_EQ(left, 0);
}
