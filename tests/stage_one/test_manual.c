/* SPDX-License-Identifier: MIT */
/* The manual executor: it runs when it is told to, in order, and time passes when it is told to. */
#include <weir/manual.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <weir/run.h>
#include <weir/sleep.h>
#include <weir/stop.h>

#include "gate.h"
#include "test.h"

struct note {
    weir_task task;
    int *journal; /* In: the next free place is journal[*count]. */
    int *count;
    int id;
};

static weir_task *note_resume(weir_task *task)
{
    struct note *self = WEIR_TASK_SELF(task, struct note);

    WEIR_BEGIN(task);
    self->journal[(*self->count)++] = self->id;
    WEIR_RETURN(task, weir_result_of(0, (size_t)self->id));
    WEIR_END(task);
}

WEIR_TEST(manual, nothing_runs_before_a_poll_and_then_all_in_order)
{
    weir_manual manual;
    struct note notes[4];
    weir_root roots[4];
    int journal[4];
    int count = 0;

    weir_manual_init(&manual, NULL);
    for (int i = 0; i < 4; i++) {
        notes[i] = (struct note){.journal = journal, .count = &count, .id = i};
        weir_task_init(&notes[i].task, note_resume);
        weir_run_async(weir_manual_executor(&manual), &roots[i], &notes[i].task, NULL, NULL);
    }
    CHECK_EQ(count, 0);
    CHECK(weir_manual_poll(&manual));
    CHECK_EQ(count, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(journal[i], i);
    CHECK(!weir_manual_poll(&manual));
    weir_manual_fini(&manual);
}

WEIR_TEST(manual, run_gives_what_the_task_returned)
{
    weir_manual manual;
    int journal[1];
    int count = 0;
    struct note note = {.journal = journal, .count = &count, .id = 7};

    weir_manual_init(&manual, NULL);
    weir_task_init(&note.task, note_resume);
    CHECK_EQ(weir_manual_run(&manual, &note.task).count, 7);
    weir_manual_fini(&manual);
}

/* Budget. */

struct spinner {
    weir_task task;
    int turns;
    bool end;
};

static weir_task *spinner_resume(weir_task *task)
{
    struct spinner *self = WEIR_TASK_SELF(task, struct spinner);

    WEIR_BEGIN(task);
    while (!self->end) {
        self->turns++;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(manual, a_poll_ends_when_its_budget_is_spent)
{
    weir_manual_options options = {.budget = 10};
    weir_manual manual;
    struct spinner spinner = {.turns = 0};
    weir_root root;

    weir_manual_init(&manual, &options);
    weir_task_init(&spinner.task, spinner_resume);
    weir_run_async(weir_manual_executor(&manual), &root, &spinner.task, NULL, NULL);
    CHECK(weir_manual_poll(&manual));
    CHECK(spinner.turns <= 10);
    CHECK(spinner.turns > 5);
    spinner.end = true;
    CHECK(weir_manual_poll(&manual));
    CHECK(!weir_manual_poll(&manual));
    weir_manual_fini(&manual);
}

/* Wakes. */

static void count_wake(weir_manual *manual, void *user)
{
    (void)manual;
    (*(int *)user)++;
}

WEIR_TEST(manual, who_runs_it_is_woken_once_for_all_that_is_posted_meanwhile)
{
    int wakes = 0;
    weir_manual_options options = {.wake = count_wake, .user = &wakes};
    weir_manual manual;
    struct note notes[3];
    weir_root roots[3];
    int journal[3];
    int count = 0;

    weir_manual_init(&manual, &options);
    for (int i = 0; i < 3; i++) {
        notes[i] = (struct note){.journal = journal, .count = &count, .id = i};
        weir_task_init(&notes[i].task, note_resume);
        weir_run_async(weir_manual_executor(&manual), &roots[i], &notes[i].task, NULL, NULL);
    }
    CHECK_EQ(wakes, 1);
    while (weir_manual_poll(&manual))
        continue;
    CHECK_EQ(wakes, 1); /* What tasks post to their own executor needs none. */
    CHECK_EQ(count, 3);
    weir_manual_fini(&manual);
}

/* Many threads post, one polls. */

enum { POSTERS = 4, POSTS = 2000 };

struct poster {
    pthread_t thread;
    weir_manual *manual;
    struct poster_slot {
        weir_task task;
        size_t *arrived; /* Of the polling thread only. */
    } slots[POSTS];
};

static weir_task *slot_resume(weir_task *task)
{
    (*WEIR_TASK_SELF(task, struct poster_slot)->arrived)++;
    return NULL;
}

static void *poster_main(void *argument)
{
    struct poster *self = argument;

    for (size_t i = 0; i < POSTS; i++)
        weir_executor_post(weir_manual_executor(self->manual), &self->slots[i].task);
    return NULL;
}

WEIR_TEST(manual, posts_of_many_threads_all_arrive)
{
    static struct poster posters[POSTERS];
    weir_manual manual;
    size_t arrived = 0;

    weir_manual_init(&manual, NULL);
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i].manual = &manual;
        for (size_t k = 0; k < POSTS; k++) {
            weir_task_init(&posters[i].slots[k].task, slot_resume);
            posters[i].slots[k].arrived = &arrived;
        }
    }
    for (size_t i = 0; i < POSTERS; i++)
        CHECK_EQ(pthread_create(&posters[i].thread, NULL, poster_main, &posters[i]), 0);
    while (arrived < (size_t)POSTERS * POSTS) {
        if (!weir_manual_poll(&manual))
            (void)sched_yield();
    }
    for (size_t i = 0; i < POSTERS; i++)
        CHECK_EQ(pthread_join(posters[i].thread, NULL), 0);
    weir_manual_fini(&manual);
}

/* Misuse. */

struct waiter {
    weir_task task;
    struct gate gate;
};

static weir_task *waiter_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_ABORT_TEST(manual, running_a_task_that_nothing_can_end_aborts_with_a_dump)
{
    weir_manual manual;
    struct waiter waiter = {.gate = {.ignores_stop = true}};

    weir_manual_init(&manual, NULL);
    weir_task_init(&waiter.task, waiter_resume);
    (void)weir_manual_run(&manual, &waiter.task);
}

WEIR_ABORT_TEST(manual, it_does_not_end_while_a_tree_lives)
{
    weir_manual manual;
    struct waiter waiter = {.gate = {.ignores_stop = true}};
    weir_root root;

    weir_manual_init(&manual, NULL);
    weir_task_init(&waiter.task, waiter_resume);
    weir_run_async(weir_manual_executor(&manual), &root, &waiter.task, NULL, NULL);
    (void)weir_manual_poll(&manual);
    weir_manual_fini(&manual);
}

static int64_t real_now_ns(void)
{
    return 5;
}

WEIR_ABORT_TEST(manual, real_time_does_not_pass_by_hand)
{
    weir_manual_options options = {.now_ns = real_now_ns};
    weir_manual manual;

    weir_manual_init(&manual, &options);
    weir_manual_advance(&manual, 1);
}
