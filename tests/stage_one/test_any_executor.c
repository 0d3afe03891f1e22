/* SPDX-License-Identifier: MIT */
/* References to executors: who ends what, and when. */
#include <weir/any_executor.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <weir/inline_executor.h>
#include <weir/manual.h>
#include <weir/memory.h>
#include <weir/strand.h>
#include <weir/thread_pool.h>

#include "note.h"

/* An executor that counts how often it was ended. */
struct owned {
    weir_inline executor;
    weir_executor_owner owner;
    int end_count;
};

static void owned_destroy(weir_executor_owner *owner)
{
    struct owned *self = WEIR_CONTAINER_OF(owner, struct owned, owner);

    weir_inline_fini(&self->executor);
    self->end_count++;
}

static weir_any_executor owned_init(struct owned *owned)
{
    weir_inline_init(&owned->executor, NULL);
    owned->end_count = 0;
    weir_executor_owner_init(&owned->owner, owned_destroy);
    return weir_any_executor_own(weir_inline_executor(&owned->executor), &owned->owner);
}

WEIR_TEST(any_executor, a_borrowed_executor_is_not_ended)
{
    weir_inline here;
    weir_any_executor any;
    weir_any_executor copy;

    weir_inline_init(&here, NULL);
    any = weir_any_executor_of(weir_inline_executor(&here));
    copy = weir_any_executor_ref(any);
    CHECK(copy.executor == weir_inline_executor(&here));
    weir_any_executor_unref(&copy);
    weir_any_executor_unref(&any);
    CHECK(!any.executor);
    weir_inline_fini(&here);
}

WEIR_TEST(any_executor, the_last_reference_ends_the_executor)
{
    struct owned owned;
    weir_any_executor first = owned_init(&owned);
    weir_any_executor second = weir_any_executor_ref(first);
    weir_any_executor third = weir_any_executor_ref(second);

    weir_any_executor_unref(&first);
    weir_any_executor_unref(&third);
    CHECK_EQ(owned.end_count, 0);
    weir_any_executor_unref(&second);
    CHECK_EQ(owned.end_count, 1);
}

WEIR_TEST(any_executor, none_is_given_back_any_number_of_times)
{
    weir_any_executor none = {NULL, NULL};
    weir_any_executor copy = weir_any_executor_ref(none);

    weir_any_executor_unref(&copy);
    weir_any_executor_unref(&copy);
    CHECK(weir_any_executor_equals(none, copy));
}

WEIR_TEST(any_executor, equal_is_the_same_executor_whoever_owns_it)
{
    struct owned owned;
    weir_inline other;
    weir_any_executor any = owned_init(&owned);
    weir_any_executor borrowed = weir_any_executor_of(any.executor);

    weir_inline_init(&other, NULL);
    CHECK(weir_any_executor_equals(any, borrowed));
    CHECK(!weir_any_executor_equals(any, weir_any_executor_of(weir_inline_executor(&other))));
    weir_any_executor_unref(&any);
    weir_inline_fini(&other);
}

WEIR_TEST(any_executor, its_target_is_asked_for_by_kind)
{
    weir_any_executor none = {NULL, NULL};
    weir_any_executor any;
    weir_manual manual;
    weir_strand strand;

    weir_manual_init(&manual, NULL);
    weir_strand_init(&strand, weir_manual_executor(&manual));
    any = weir_any_executor_of(weir_strand_executor(&strand));
    CHECK(weir_any_executor_target(any, &weir_strand_executor_ops) == &strand.executor);
    CHECK(!weir_any_executor_target(any, &weir_thread_pool_executor_ops));
    CHECK(!weir_any_executor_target(none, &weir_strand_executor_ops));
    weir_strand_fini(&strand);
    weir_manual_fini(&manual);
}

WEIR_TEST(any_executor, tasks_are_posted_to_what_it_refers_to)
{
    struct log log = {0};
    struct note notes[2];
    struct owned owned;
    weir_any_executor any = owned_init(&owned);

    notes_post(notes, 2, &log, any.executor);
    log_check(&log, 2);
    weir_any_executor_unref(&any);
}

/* Many threads copy and give back: exactly one of them is the last. */
static void *copy_and_give_back(void *argument)
{
    weir_any_executor mine = *(weir_any_executor *)argument;

    for (int i = 0; i < 10000; i++) {
        weir_any_executor copy = weir_any_executor_ref(mine);

        weir_any_executor_unref(&copy);
    }
    weir_any_executor_unref(&mine);
    return NULL;
}

WEIR_TEST(any_executor, threads_share_the_references)
{
    enum { THREADS = 4 };
    struct owned owned;
    weir_any_executor first = owned_init(&owned);
    weir_any_executor copies[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        copies[i] = weir_any_executor_ref(first);
    weir_any_executor_unref(&first);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, copy_and_give_back, &copies[i]), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(owned.end_count, 1);
}

/* Strands that are referred to. */

/* Memory with room for so many blocks, which are all given back. */
struct purse {
    weir_memory memory;
    int blocks_left; /* __atomic: strands may go on any thread. */
};

static void *purse_allocate(weir_memory *memory, size_t size)
{
    struct purse *purse = WEIR_CONTAINER_OF(memory, struct purse, memory);

    if (__atomic_load_n(&purse->blocks_left, __ATOMIC_RELAXED) == 0)
        return NULL;
    __atomic_sub_fetch(&purse->blocks_left, 1, __ATOMIC_RELAXED);
    return malloc(size);
}

static void purse_release(weir_memory *memory, void *block, size_t size)
{
    struct purse *purse = WEIR_CONTAINER_OF(memory, struct purse, memory);

    memset(block, 0xa5, size);
    free(block);
    __atomic_add_fetch(&purse->blocks_left, 1, __ATOMIC_RELEASE);
}

static void purse_init(struct purse *purse, int blocks)
{
    purse->memory.allocate = purse_allocate;
    purse->memory.release = purse_release;
    purse->blocks_left = blocks;
}

static int blocks_left(const struct purse *purse)
{
    return __atomic_load_n(&purse->blocks_left, __ATOMIC_ACQUIRE);
}

WEIR_TEST(any_executor, an_idle_strand_goes_with_its_last_reference)
{
    struct purse purse;
    weir_manual manual;
    weir_any_executor strand;
    weir_any_executor copy;

    purse_init(&purse, 1);
    weir_manual_init(&manual, NULL);
    CHECK_EQ(weir_strand_new(weir_any_executor_of(weir_manual_executor(&manual)), &purse.memory,
                             &strand),
             0);
    copy = weir_any_executor_ref(strand);
    weir_any_executor_unref(&strand);
    CHECK_EQ(blocks_left(&purse), 0);
    weir_any_executor_unref(&copy);
    CHECK_EQ(blocks_left(&purse), 1);
    weir_manual_fini(&manual);
}

WEIR_TEST(any_executor, a_strand_without_memory_leaves_its_inner_executor_alone)
{
    struct purse purse;
    struct owned owned;
    weir_any_executor inner = owned_init(&owned);
    weir_any_executor strand = {NULL, NULL};

    purse_init(&purse, 0);
    CHECK_EQ(weir_strand_new(inner, &purse.memory, &strand), -ENOMEM);
    CHECK(!strand.executor);
    weir_any_executor_unref(&inner);
    CHECK_EQ(owned.end_count, 1);
}

WEIR_TEST(any_executor, a_strand_keeps_its_inner_executor)
{
    struct log log = {0};
    struct note note;
    struct owned owned;
    weir_any_executor inner = owned_init(&owned);
    weir_any_executor strand;
    weir_any_executor upper;

    CHECK_EQ(weir_strand_new(inner, NULL, &strand), 0);
    CHECK_EQ(weir_strand_new(strand, NULL, &upper), 0);
    weir_any_executor_unref(&inner);
    weir_any_executor_unref(&strand);
    notes_post(&note, 1, &log, upper.executor);
    log_check(&log, 1);
    CHECK_EQ(owned.end_count, 0);
    weir_any_executor_unref(&upper);
    CHECK_EQ(owned.end_count, 1);
}

WEIR_TEST(any_executor, a_strand_runs_what_is_queued_before_it_goes)
{
    struct purse purse;
    struct log log = {0};
    struct note notes[100];
    weir_manual manual;
    weir_any_executor strand;

    purse_init(&purse, 1);
    weir_manual_init(&manual, NULL);
    CHECK_EQ(weir_strand_new(weir_any_executor_of(weir_manual_executor(&manual)), &purse.memory,
                             &strand),
             0);
    notes_post(notes, 100, &log, strand.executor);
    weir_any_executor_unref(&strand);
    CHECK_EQ(blocks_left(&purse), 0);
    while (weir_manual_poll(&manual))
        ;
    log_check(&log, 100);
    CHECK_EQ(blocks_left(&purse), 1);
    weir_manual_fini(&manual);
}

/* Give the strand back, and yet post two more behind. */
static void let_go(struct note *self)
{
    weir_any_executor *strand = self->object;
    weir_executor *executor = strand->executor;

    weir_any_executor_unref(strand);
    weir_executor_post(executor, &self[1].task);
    weir_executor_post(executor, &self[2].task);
}

WEIR_TEST(any_executor, a_task_lets_go_of_the_strand_it_runs_on)
{
    struct purse purse;
    struct log log = {0};
    struct note notes[3];
    weir_manual manual;
    weir_any_executor strand;

    purse_init(&purse, 1);
    weir_manual_init(&manual, NULL);
    CHECK_EQ(weir_strand_new(weir_any_executor_of(weir_manual_executor(&manual)), &purse.memory,
                             &strand),
             0);
    for (int i = 0; i < 3; i++)
        note_init(&notes[i], &log, i);
    notes[0].act = let_go;
    notes[0].object = &strand;
    weir_executor_post(strand.executor, &notes[0].task);
    while (weir_manual_poll(&manual))
        ;
    log_check(&log, 3);
    CHECK_EQ(blocks_left(&purse), 1);
    weir_manual_fini(&manual);
}

/* Each thread posts one task to a strand on a strand on a pool, and gives its reference back. */
struct visitor {
    struct note note;
    weir_any_executor strand;
    pthread_t thread;
};

static void *visit(void *argument)
{
    struct visitor *self = argument;

    weir_executor_post(self->strand.executor, &self->note.task);
    weir_any_executor_unref(&self->strand);
    return NULL;
}

static void visit_and_leave(weir_executor *pool, struct purse *purse, struct log *log)
{
    struct visitor visitors[2];
    weir_any_executor lower;
    weir_any_executor upper;

    CHECK_EQ(weir_strand_new(weir_any_executor_of(pool), &purse->memory, &lower), 0);
    CHECK_EQ(weir_strand_new(lower, &purse->memory, &upper), 0);
    weir_any_executor_unref(&lower);
    for (int i = 0; i < 2; i++) {
        note_init(&visitors[i].note, log, i);
        visitors[i].strand = weir_any_executor_ref(upper);
        CHECK_EQ(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]), 0);
    }
    weir_any_executor_unref(&upper);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(visitors[i].thread, NULL), 0);
    while (blocks_left(purse) < 2)
        sched_yield();
    CHECK_EQ(log->count, 2);
    log->count = 0;
}

WEIR_TEST(any_executor, threads_race_to_let_go_of_a_strand_that_runs)
{
    weir_thread_pool_options options = {.threads = 2};
    weir_thread_pool *pool;
    struct purse purse;
    struct log log = {0};

    purse_init(&purse, 2);
    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    for (int i = 0; i < 1000; i++)
        visit_and_leave(weir_thread_pool_executor(pool), &purse, &log);
    weir_thread_pool_free(pool);
}
