/* SPDX-License-Identifier: MIT */
/* What only a bug in the caller can do with strands, pools, and references to executors. */
#include <weir/any_executor.h>
#include <weir/inline_executor.h>
#include <weir/manual.h>
#include <weir/strand.h>
#include <weir/thread_pool.h>

#include "test.h"

/* A task that does something once, on an executor. */
struct deed {
    weir_task task;
    void (*act)(void *object);
    void *object;
};

static weir_task *deed_resume(weir_task *task)
{
    struct deed *self = WEIR_TASK_SELF(task, struct deed);

    if (self->act)
        self->act(self->object);
    return NULL;
}

static void deed_post(struct deed *deed, weir_executor *executor, void (*act)(void *object),
                      void *object)
{
    weir_task_init(&deed->task, deed_resume);
    deed->act = act;
    deed->object = object;
    weir_executor_post(executor, &deed->task);
}

/* Strands. */

static void end_strand(void *object)
{
    weir_strand_fini(object);
}

WEIR_ABORT_TEST(misuse_exec, a_strand_ends_while_a_task_is_queued)
{
    weir_manual manual;
    weir_strand strand;
    struct deed deed;

    weir_manual_init(&manual, NULL);
    weir_strand_init(&strand, weir_manual_executor(&manual));
    deed_post(&deed, weir_strand_executor(&strand), NULL, NULL);
    weir_strand_fini(&strand);
}

WEIR_ABORT_TEST(misuse_exec, a_strand_ends_between_two_turns)
{
    weir_manual_options options = {.budget = 1};
    weir_manual manual;
    weir_strand strand;
    struct deed deeds[2];

    weir_manual_init(&manual, &options);
    weir_strand_init(&strand, weir_manual_executor(&manual));
    weir_strand_set_budget(&strand, 1);
    for (int i = 0; i < 2; i++)
        deed_post(&deeds[i], weir_strand_executor(&strand), NULL, NULL);
    CHECK(weir_manual_poll(&manual));
    weir_strand_fini(&strand);
}

WEIR_ABORT_TEST(misuse_exec, a_strand_is_ended_by_its_own_task)
{
    weir_inline here;
    weir_strand strand;
    struct deed deed;

    weir_inline_init(&here, NULL);
    weir_strand_init(&strand, weir_inline_executor(&here));
    deed_post(&deed, weir_strand_executor(&strand), end_strand, &strand);
}

WEIR_ABORT_TEST(misuse_exec, a_strand_is_ended_by_a_task_of_a_strand_on_it)
{
    weir_inline here;
    weir_strand lower;
    weir_strand upper;
    struct deed deed;

    weir_inline_init(&here, NULL);
    weir_strand_init(&lower, weir_inline_executor(&here));
    weir_strand_init(&upper, weir_strand_executor(&lower));
    deed_post(&deed, weir_strand_executor(&upper), end_strand, &lower);
}

WEIR_ABORT_TEST(misuse_exec, a_strand_has_no_budget)
{
    weir_manual manual;
    weir_strand strand;

    weir_manual_init(&manual, NULL);
    weir_strand_init(&strand, weir_manual_executor(&manual));
    weir_strand_set_budget(&strand, 0);
}

/* References. */

static void do_nothing(weir_executor_owner *owner)
{
    (void)owner;
}

WEIR_ABORT_TEST(misuse_exec, a_reference_is_given_back_twice)
{
    weir_executor_owner owner;
    weir_any_executor any;
    weir_any_executor alias;
    weir_inline here;

    weir_inline_init(&here, NULL);
    weir_executor_owner_init(&owner, do_nothing);
    any = weir_any_executor_own(weir_inline_executor(&here), &owner);
    alias = any;
    weir_any_executor_unref(&any);
    weir_any_executor_unref(&alias);
}

WEIR_ABORT_TEST(misuse_exec, an_executor_that_has_ended_is_referred_to)
{
    weir_executor_owner owner;
    weir_any_executor any;
    weir_any_executor alias;
    weir_inline here;

    weir_inline_init(&here, NULL);
    weir_executor_owner_init(&owner, do_nothing);
    any = weir_any_executor_own(weir_inline_executor(&here), &owner);
    alias = any;
    weir_any_executor_unref(&any);
    (void)weir_any_executor_ref(alias);
}

/* The inline executor. */

static void end_inline(void *object)
{
    weir_inline_fini(object);
}

WEIR_ABORT_TEST(misuse_exec, an_inline_executor_is_ended_by_its_own_task)
{
    weir_inline here;
    struct deed deed;

    weir_inline_init(&here, NULL);
    deed_post(&deed, weir_inline_executor(&here), end_inline, &here);
}

/* Thread pools. */

static void end_pool(void *object)
{
    weir_thread_pool_free(object);
}

static weir_task *return_at_once(weir_task *task)
{
    WEIR_RETURN(task, weir_result_of(0, 0));
}

static void wait_on_pool(void *object)
{
    weir_task task;

    weir_task_init(&task, return_at_once);
    (void)weir_thread_pool_run(object, &task);
}

static void post_to_new_pool(void (*act)(void *))
{
    weir_thread_pool_options options = {.threads = 2};
    weir_thread_pool *pool = NULL;
    struct deed deed;

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    deed_post(&deed, weir_thread_pool_executor(pool), act, pool);
    weir_thread_pool_free(pool);
}

WEIR_ABORT_TEST(misuse_exec, a_pool_is_ended_by_its_own_thread)
{
    post_to_new_pool(end_pool);
}

WEIR_ABORT_TEST(misuse_exec, a_thread_of_a_pool_waits_for_a_tree_of_the_pool)
{
    post_to_new_pool(wait_on_pool);
}
