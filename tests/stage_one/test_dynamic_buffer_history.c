/* SPDX-License-Identifier: MIT */
/*
 * Dynamic buffers against a plain array of bytes: random histories, also while memory fails.
 */
#include <weir/dynamic_buffer.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "buffer_subject.h"
#include "test.h"

enum { STEPS = 4000 };

/* What the subject should hold. */
struct model {
    struct subject *subject;
    uint64_t random;
    size_t size;
    size_t size_max;
    size_t prepared; /* Bytes in coming. */
    char data[LIMIT];
    char coming[LIMIT]; /* What was written into the prepared memory. */
};
/* The data from some byte on, by windows of some size. */
static void check_data_from(const struct model *model, size_t offset, size_t max)
{
    const weir_dynamic_buffer *buffer = model->subject->dynamic;
    weir_const_buffer pieces[PIECES];
    size_t count;

    while ((count = weir_dynamic_buffer_data(buffer, offset, pieces, max)) > 0) {
        CHECK(count <= max && count <= pieces_of(model->subject->kind, model->size - offset));
        for (size_t i = 0; i < count; i++) {
            CHECK(pieces[i].size > 0 && pieces[i].size <= model->size - offset);
            CHECK(memcmp(pieces[i].data, model->data + offset, pieces[i].size) == 0);
            offset += pieces[i].size;
        }
        CHECK(count == max || offset == model->size);
    }
    CHECK_EQ(offset, model->size);
}

static void check_model(struct model *model)
{
    const weir_dynamic_buffer *buffer = model->subject->dynamic;

    CHECK_EQ(weir_dynamic_buffer_size(buffer), model->size);
    CHECK_EQ(weir_dynamic_buffer_size_max(buffer), model->size_max);
    CHECK_EQ(weir_dynamic_buffer_prepared(buffer), model->prepared);
    CHECK(weir_dynamic_buffer_capacity(buffer) >= model->size + model->prepared);
    CHECK(weir_dynamic_buffer_capacity(buffer) <= model->size_max);
    check_data_from(model, 0, PIECES);
    check_data_from(model, random_below(&model->random, model->size + 1),
                    1 + random_below(&model->random, 4));
}

/* Write into the prepared memory, by chance. */
static void write_coming(struct model *model, const weir_buffer *pieces, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        CHECK(pieces[i].size > 0);
        for (size_t j = 0; j < pieces[i].size; j++) {
            model->coming[at] = (char)random_below(&model->random, 256);
            ((char *)pieces[i].data)[j] = model->coming[at++];
        }
    }
    model->prepared = at;
}

/* Whether so many prepared bytes in so many buffers are what was asked for, or there was cause. */
static void check_prepared(const struct model *model, size_t size, size_t max, size_t capacity)
{
    size_t room = model->size_max - model->size;
    size_t wanted = size < room ? size : room;
    bool may_fail = model->subject->ration.mood || model->subject->ration.fail_at;

    CHECK(model->prepared <= wanted);
    if (max < pieces_of(model->subject->kind, wanted))
        return;
    if (!may_fail || model->size + wanted <= capacity)
        CHECK_EQ(model->prepared, wanted);
}

static void step_prepare(struct model *model)
{
    weir_dynamic_buffer *buffer = model->subject->dynamic;
    size_t size = random_below(&model->random, model->size_max + 3);
    size_t max = random_below(&model->random, 2) ? PIECES : 1 + random_below(&model->random, 3);
    size_t capacity = weir_dynamic_buffer_capacity(buffer);
    const char *place = model->size > 0 ? place_of(buffer, 0) : NULL;
    weir_buffer pieces[PIECES];
    weir_result r;

    if (random_below(&model->random, 2))
        size = size / 16; /* So that it is not full most of the time. */
    r = weir_dynamic_buffer_prepare(buffer, size, pieces, max);

    CHECK(r.count <= max);
    write_coming(model, pieces, r.count);
    if (size > 0 && model->size == model->size_max)
        CHECK_EQ(r.error, -ENOBUFS);
    else if (r.error)
        CHECK(r.error == -ENOMEM && capacity == model->size);
    else
        check_prepared(model, size, max, capacity);
    if (size > 0 && !r.error)
        CHECK(r.count > 0);

    if (place && model->subject->kind == SEGMENTED)
        CHECK(place_of(buffer, 0) == place);
    if (place && pieces_of(model->subject->kind, 1) == 2 &&
        weir_dynamic_buffer_capacity(buffer) == capacity)
        CHECK(place_of(buffer, 0) == place);
}

static void step_commit(struct model *model)
{
    size_t size = random_below(&model->random, model->prepared + 1);

    weir_dynamic_buffer_commit(model->subject->dynamic, size);

    memcpy(model->data + model->size, model->coming, size);
    memmove(model->coming, model->coming + size, model->prepared - size);
    model->size += size;
    model->prepared -= size;
}

/* What is left stays where it is. */
static void step_consume(struct model *model)
{
    weir_dynamic_buffer *buffer = model->subject->dynamic;
    size_t size = random_below(&model->random, model->size + 1);
    const char *place = size < model->size ? place_of(buffer, size) : NULL;

    if (random_below(&model->random, 8) == 0)
        size = model->size;
    weir_dynamic_buffer_consume(buffer, size);

    model->size -= size;
    memmove(model->data, model->data + size, model->size);
    if (model->size > 0)
        CHECK(place_of(buffer, 0) == place);
}

/* A random history. Returns how many allocations were asked for. */
static size_t run_history(enum kind kind, size_t size_max, uint64_t seed, uint64_t mood,
                          size_t fail_at)
{
    struct subject subject;
    struct model model = {.subject = &subject, .random = seed, .size_max = size_max};

    subject_init(&subject, kind, size_max);
    subject.ration.mood = mood;
    subject.ration.fail_at = fail_at;
    for (int i = 0; i < STEPS; i++) {
        switch (random_below(&model.random, 3)) {
        case 0:
            step_prepare(&model);
            break;
        case 1:
            step_commit(&model);
            break;
        default:
            step_consume(&model);
        }
        check_model(&model);
    }
    subject_fini(&subject);
    return subject.ration.asked_count;
}

static const size_t limits[] = {1, 2, 3, SEGMENT - 1, SEGMENT, SEGMENT + 1, 16, 61, 700, LIMIT};
enum { LIMITS = sizeof limits / sizeof limits[0] };

static void run_histories(enum kind kind)
{
    for (size_t i = 0; i < LIMITS; i++) {
        for (uint64_t seed = 1; seed <= 4; seed++)
            (void)run_history(kind, limits[i], seed * 7919, 0, 0);
    }
}

WEIR_TEST(dynamic_buffer, flat_and_fixed_agrees_with_an_array_in_random_histories)
{
    run_histories(FLAT_FIXED);
}

WEIR_TEST(dynamic_buffer, flat_and_growing_agrees_with_an_array_in_random_histories)
{
    run_histories(FLAT_GROWING);
}

WEIR_TEST(dynamic_buffer, circular_and_fixed_agrees_with_an_array_in_random_histories)
{
    run_histories(CIRCULAR_FIXED);
}

WEIR_TEST(dynamic_buffer, circular_and_growing_agrees_with_an_array_in_random_histories)
{
    run_histories(CIRCULAR_GROWING);
}

WEIR_TEST(dynamic_buffer, segmented_agrees_with_an_array_in_random_histories)
{
    run_histories(SEGMENTED);
}

WEIR_TEST(dynamic_buffer, loses_nothing_while_one_allocation_in_three_fails)
{
    for (enum kind kind = FLAT_GROWING; kind < KINDS; kind++) {
        for (size_t i = 0; i < LIMITS; i++) {
            for (uint64_t seed = 1; seed <= 4; seed++)
                (void)run_history(kind, limits[i], seed * 104729, seed, 0);
        }
    }
}

WEIR_TEST(dynamic_buffer, loses_nothing_when_a_single_allocation_fails_whichever_it_is)
{
    enum { TRIED = 40 };

    for (enum kind kind = FLAT_GROWING; kind < KINDS; kind++) {
        size_t asked_count = TRIED;

        for (size_t fail_at = 1; fail_at <= asked_count && fail_at <= TRIED; fail_at++)
            asked_count = run_history(kind, 3000, 42, 0, fail_at);
    }
}
