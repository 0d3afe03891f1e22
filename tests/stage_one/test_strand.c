/* SPDX-License-Identifier: MIT */
/*
 * Strands: order, exclusion and turns, step by step on the manual executor; then on pools, against
 * threads. What the tasks of a strand share is plain memory.
 */
#include <weir/strand.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <weir/inline_executor.h>
#include <weir/manual.h>
#include <weir/run.h>
#include <weir/thread_pool.h>

#include "note.h"

/* A strand on a manual executor. */
struct bench {
    weir_manual manual;
    weir_strand strand;
    weir_executor *executor; /* The strand's. */
    struct log log;
};

static void bench_init(struct bench *bench)
{
    weir_manual_options options = {.budget = 1}; /* A poll is a turn. */

    memset(bench, 0, sizeof *bench);
    weir_manual_init(&bench->manual, &options);
    weir_strand_init(&bench->strand, weir_manual_executor(&bench->manual));
    bench->executor = weir_strand_executor(&bench->strand);
}

static void bench_settle(struct bench *bench)
{
    while (weir_manual_poll(&bench->manual))
        ;
}

static void bench_fini(struct bench *bench)
{
    weir_strand_fini(&bench->strand);
    weir_manual_fini(&bench->manual);
}

/* Order. */

WEIR_TEST(strand, tasks_run_in_the_order_they_were_posted)
{
    struct note notes[LOG_MAX];
    struct bench bench;

    bench_init(&bench);
    notes_post(notes, LOG_MAX, &bench.log, bench.executor);
    CHECK_EQ(bench.log.count, 0);
    bench_settle(&bench);
    log_check(&bench.log, LOG_MAX);
    bench_fini(&bench);
}

WEIR_TEST(strand, it_is_idle_after_its_tasks_and_takes_more)
{
    struct note notes[2];
    struct bench bench;

    bench_init(&bench);
    for (int i = 0; i < 2; i++) {
        note_init(&notes[i], &bench.log, i);
        weir_executor_post(bench.executor, &notes[i].task);
        bench_settle(&bench);
        CHECK(!weir_manual_poll(&bench.manual));
    }
    log_check(&bench.log, 2);
    bench_fini(&bench);
}

static void *post_note(void *argument)
{
    struct note *note = argument;

    weir_executor_post(note->object, &note->task);
    return NULL;
}

/* Another thread posts the next note, and has when this returns. */
static void post_from_another_thread(struct note *self)
{
    pthread_t thread;

    self[1].object = self->object;
    CHECK_EQ(pthread_create(&thread, NULL, post_note, &self[1]), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void post_after_another_thread(struct note *self)
{
    post_from_another_thread(self);
    weir_executor_post(self->object, &self[2].task);
}

WEIR_TEST(strand, a_post_from_inside_goes_behind_an_earlier_one_from_outside)
{
    struct note notes[3];
    struct bench bench;

    bench_init(&bench);
    for (int i = 0; i < 3; i++)
        note_init(&notes[i], &bench.log, i);
    notes[0].act = post_after_another_thread;
    notes[0].object = bench.executor;
    weir_executor_post(bench.executor, &notes[0].task);
    bench_settle(&bench);
    log_check(&bench.log, 3);
    bench_fini(&bench);
}

/* Dispatch. */

WEIR_TEST(strand, a_dispatch_from_outside_is_a_post)
{
    struct note notes[2];
    struct bench bench;

    bench_init(&bench);
    notes_post(notes, 1, &bench.log, bench.executor);
    note_init(&notes[1], &bench.log, 1);
    CHECK(!weir_executor_dispatch(bench.executor, &notes[1].task));
    bench_settle(&bench);
    log_check(&bench.log, 2);
    bench_fini(&bench);
}

/* Dispatches the next note, over and over; the first that does not come back is queued. */
static void dispatch_until_posted(struct note *self)
{
    int given_back = 0;

    while (weir_executor_dispatch(self->object, &self[1].task)) {
        CHECK_EQ(self[1].task.state, WEIR_TASK_RUNNING);
        given_back++;
    }
    CHECK(given_back > 0);
    CHECK(given_back <= WEIR_STRAND_BUDGET);
}

WEIR_TEST(strand, a_dispatch_from_inside_gives_the_task_back_within_the_budget)
{
    struct note notes[2];
    struct bench bench;

    bench_init(&bench);
    for (int i = 0; i < 2; i++)
        note_init(&notes[i], &bench.log, i);
    notes[0].act = dispatch_until_posted;
    notes[0].object = bench.executor;
    weir_executor_post(bench.executor, &notes[0].task);
    bench_settle(&bench);
    log_check(&bench.log, 2);
    bench_fini(&bench);
}

/* Turns. */

WEIR_TEST(strand, a_turn_ends_when_its_budget_is_spent)
{
    enum { TURNS = LOG_MAX / WEIR_STRAND_BUDGET };
    struct note notes[LOG_MAX];
    struct bench bench;

    bench_init(&bench);
    notes_post(notes, LOG_MAX, &bench.log, bench.executor);
    for (int i = 1; i <= TURNS; i++) {
        CHECK(weir_manual_poll(&bench.manual));
        CHECK_EQ(bench.log.count, i * WEIR_STRAND_BUDGET);
    }
    CHECK(!weir_manual_poll(&bench.manual));
    log_check(&bench.log, LOG_MAX);
    bench_fini(&bench);
}

WEIR_TEST(strand, others_run_between_two_turns)
{
    struct note notes[LOG_MAX];
    struct log other_log = {0};
    struct note other;
    struct bench bench;

    bench_init(&bench);
    notes_post(notes, LOG_MAX, &bench.log, bench.executor);
    notes_post(&other, 1, &other_log, weir_manual_executor(&bench.manual));
    while (other_log.count == 0)
        CHECK(weir_manual_poll(&bench.manual));
    CHECK_EQ(bench.log.count, WEIR_STRAND_BUDGET);
    bench_settle(&bench);
    bench_fini(&bench);
}

/* Two notes: the second is posted from outside while the first runs. Returns how many ran in the
 * first turn of a strand with this budget. */
static int run_while_posted_to(int budget)
{
    struct note notes[2];
    struct bench bench;
    int count;

    bench_init(&bench);
    weir_strand_set_budget(&bench.strand, budget);
    for (int i = 0; i < 2; i++)
        note_init(&notes[i], &bench.log, i);
    notes[0].act = post_from_another_thread;
    notes[0].object = bench.executor;
    weir_executor_post(bench.executor, &notes[0].task);
    CHECK(weir_manual_poll(&bench.manual));
    count = bench.log.count;
    bench_settle(&bench);
    log_check(&bench.log, 2);
    bench_fini(&bench);
    return count;
}

WEIR_TEST(strand, what_arrives_during_a_turn_still_runs_in_it)
{
    CHECK_EQ(run_while_posted_to(2), 2);
}

WEIR_TEST(strand, what_arrives_when_the_budget_is_spent_is_not_lost)
{
    CHECK_EQ(run_while_posted_to(1), 1);
}

/* Runs for ever, each time anew, until told to stop. */
struct runner {
    weir_task task;
    weir_executor *executor; /* Where it posts itself. */
    const bool *is_over;
    int run_count;
};

static weir_task *runner_resume(weir_task *task)
{
    struct runner *self = WEIR_TASK_SELF(task, struct runner);

    self->run_count++;
    if (!*self->is_over)
        weir_executor_post(self->executor, task);
    return NULL;
}

static void runner_start(struct runner *runner, weir_executor *executor, const bool *is_over)
{
    weir_task_init(&runner->task, runner_resume);
    runner->executor = executor;
    runner->is_over = is_over;
    runner->run_count = 0;
    weir_executor_post(executor, &runner->task);
}

WEIR_TEST(strand, two_strands_that_never_rest_take_turns)
{
    enum { ROUNDS = 100 };
    struct runner runners[2];
    weir_strand strands[2];
    weir_manual_options options = {.budget = 2};
    weir_manual manual;
    bool is_over = false;

    weir_manual_init(&manual, &options);
    for (int i = 0; i < 2; i++) {
        weir_strand_init(&strands[i], weir_manual_executor(&manual));
        weir_strand_set_budget(&strands[i], 10 * (i + 1));
        runner_start(&runners[i], weir_strand_executor(&strands[i]), &is_over);
    }
    for (int i = 0; i < ROUNDS; i++)
        CHECK(weir_manual_poll(&manual));
    CHECK_EQ(runners[0].run_count, 10 * ROUNDS);
    CHECK_EQ(runners[1].run_count, 20 * ROUNDS);
    is_over = true;
    while (weir_manual_poll(&manual))
        ;
    for (int i = 0; i < 2; i++)
        weir_strand_fini(&strands[i]);
    weir_manual_fini(&manual);
}

/* Ends what runs for ever; on a strand of its own. */
static void end_it(struct note *self)
{
    __atomic_store_n((bool *)self->object, true, __ATOMIC_RELAXED);
}

WEIR_TEST(strand, one_that_never_rests_does_not_starve_another_on_one_thread)
{
    weir_thread_pool_options options = {.threads = 1};
    struct log log = {0};
    weir_thread_pool *pool;
    weir_strand strands[2];
    struct runner runner;
    struct note note;
    bool is_over = false; /* Written and read by the one thread. */

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    for (int i = 0; i < 2; i++)
        weir_strand_init(&strands[i], weir_thread_pool_executor(pool));
    runner_start(&runner, weir_strand_executor(&strands[0]), &is_over);
    note_init(&note, &log, 0);
    note.act = end_it;
    note.object = &is_over;
    weir_executor_post(weir_strand_executor(&strands[1]), &note.task);
    weir_thread_pool_free(pool);
    log_check(&log, 1);
    for (int i = 0; i < 2; i++)
        weir_strand_fini(&strands[i]);
}

/* A tree whose operations never suspend. */
struct eager {
    weir_task task;
    const bool *is_over;
};

static weir_task *eager_resume(weir_task *task)
{
    struct eager *self = WEIR_TASK_SELF(task, struct eager);
    weir_result r;

    WEIR_BEGIN(task);
    while (!*self->is_over) {
        WEIR_AWAIT(task, r, weir_task_complete(task, 0, 0));
        CHECK_EQ(r.error, 0);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(strand, a_tree_that_never_suspends_does_not_starve_the_others)
{
    struct log log = {0};
    struct note note;
    struct bench bench;
    struct eager eager;
    weir_root root;
    bool is_over = false;

    bench_init(&bench);
    weir_task_init(&eager.task, eager_resume);
    eager.is_over = &is_over;
    weir_run_async(bench.executor, &root, &eager.task, NULL, NULL);
    note_init(&note, &log, 0);
    note.act = end_it;
    note.object = &is_over;
    weir_executor_post(bench.executor, &note.task);
    bench_settle(&bench);
    log_check(&log, 1);
    bench_fini(&bench);
}

/* Trees. */

WEIR_TEST(strand, its_context_is_that_of_the_inner_executor)
{
    struct bench bench;

    bench_init(&bench);
    CHECK(weir_executor_context(bench.executor) == weir_manual_context(&bench.manual));
    bench_fini(&bench);
}

/* Yields a few times; finds itself on the strand each time. */
struct resident {
    weir_task task;
    weir_strand *strand;
    int turns;
};

static weir_task *resident_resume(weir_task *task)
{
    struct resident *self = WEIR_TASK_SELF(task, struct resident);

    WEIR_BEGIN(task);
    while (self->turns-- > 0) {
        CHECK(weir_strand_is_inside(self->strand));
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 7));
    WEIR_END(task);
}

static void keep_count(weir_root *root, weir_result result)
{
    *(size_t *)root->user = result.count;
}

WEIR_TEST(strand, a_tree_runs_on_it)
{
    struct resident resident;
    struct bench bench;
    weir_root root;
    size_t count = 0;

    bench_init(&bench);
    weir_task_init(&resident.task, resident_resume);
    resident.strand = &bench.strand;
    resident.turns = 200;
    weir_run_async(bench.executor, &root, &resident.task, keep_count, &count);
    CHECK(!weir_strand_is_inside(&bench.strand));
    bench_settle(&bench);
    CHECK_EQ(count, 7);
    bench_fini(&bench);
}

/* Strands on strands. */

/* From a task of the upper strand: the lower one's tasks may not run inside it. */
static void dispatch_below(struct note *self)
{
    CHECK(!weir_executor_dispatch(self->object, &self[1].task));
}

WEIR_TEST(strand, a_dispatch_to_the_strand_below_is_a_post)
{
    struct note notes[2];
    struct bench bench;
    weir_strand upper;

    bench_init(&bench);
    weir_strand_init(&upper, bench.executor);
    for (int i = 0; i < 2; i++)
        note_init(&notes[i], &bench.log, i);
    notes[0].act = dispatch_below;
    notes[0].object = bench.executor;
    weir_executor_post(weir_strand_executor(&upper), &notes[0].task);
    bench_settle(&bench);
    log_check(&bench.log, 2);
    weir_strand_fini(&upper);
    bench_fini(&bench);
}

/* From a task of the lower strand: the upper one is not entered yet. */
WEIR_TEST(strand, a_dispatch_to_the_strand_above_is_a_post)
{
    struct note notes[2];
    struct bench bench;
    weir_strand upper;

    bench_init(&bench);
    weir_strand_init(&upper, bench.executor);
    for (int i = 0; i < 2; i++)
        note_init(&notes[i], &bench.log, i);
    notes[0].act = dispatch_below;
    notes[0].object = weir_strand_executor(&upper);
    weir_executor_post(bench.executor, &notes[0].task);
    bench_settle(&bench);
    log_check(&bench.log, 2);
    weir_strand_fini(&upper);
    bench_fini(&bench);
}

WEIR_TEST(strand, two_strands_on_one_exclude_each_other)
{
    enum { EACH = LOG_MAX / 2 };
    static struct note notes[2][EACH];
    struct log log = {0}; /* Of both: note_resume checks that none interrupts another. */
    weir_thread_pool *pool;
    weir_strand uppers[2];
    weir_strand lower;

    CHECK_EQ(weir_thread_pool_new(NULL, &pool), 0);
    weir_strand_init(&lower, weir_thread_pool_executor(pool));
    for (int i = 0; i < 2; i++)
        weir_strand_init(&uppers[i], weir_strand_executor(&lower));
    for (int i = 0; i < EACH; i++) {
        for (int k = 0; k < 2; k++) {
            note_init(&notes[k][i], &log, i);
            weir_executor_post(weir_strand_executor(&uppers[k]), &notes[k][i].task);
        }
    }
    weir_thread_pool_free(pool);
    CHECK_EQ(log.count, LOG_MAX);
    for (int i = 0; i < 2; i++)
        weir_strand_fini(&uppers[i]);
    weir_strand_fini(&lower);
}

WEIR_TEST(strand, on_an_inline_executor_a_post_runs_the_task_at_once)
{
    struct log log = {0};
    struct note notes[2];
    weir_strand strand;
    weir_inline here;

    weir_inline_init(&here, NULL);
    weir_strand_init(&strand, weir_inline_executor(&here));
    notes_post(notes, 2, &log, weir_strand_executor(&strand));
    log_check(&log, 2);
    weir_strand_fini(&strand);
    weir_inline_fini(&here);
}

/* Threads. */

enum { THREADS = 4, ITEMS = 20000 };

/* What the tasks of one strand share, without a lock and without an atomic. */
struct ledger {
    int next[THREADS]; /* What each thread's next item is. */
    int total;
    bool is_open; /* A task is writing. */
};

struct item {
    weir_task task;
    struct ledger *ledger;
    int thread;
    int number;
};

static weir_task *item_resume(weir_task *task)
{
    struct item *self = WEIR_TASK_SELF(task, struct item);
    struct ledger *ledger = self->ledger;

    CHECK(!ledger->is_open);
    ledger->is_open = true;
    CHECK_EQ(ledger->next[self->thread], self->number);
    ledger->next[self->thread]++;
    ledger->total++;
    ledger->is_open = false;
    return NULL;
}

static void item_init(struct item *item, struct ledger *ledger, int thread, int number)
{
    weir_task_init(&item->task, item_resume);
    item->ledger = ledger;
    item->thread = thread;
    item->number = number;
}

struct producer {
    struct item *items; /* ITEMS. */
    weir_executor *executor;
    pthread_t thread;
};

static void *produce(void *argument)
{
    struct producer *self = argument;

    for (int i = 0; i < ITEMS; i++)
        weir_executor_post(self->executor, &self->items[i].task);
    return NULL;
}

/* Every producer posts ITEMS to the executor; then the pool is freed. */
static void produce_all(weir_executor *executor, weir_thread_pool *pool, struct ledger *ledger)
{
    struct producer producers[THREADS];
    struct item *items = malloc(sizeof *items * THREADS * ITEMS);

    CHECK(items);
    for (int i = 0; i < THREADS * ITEMS; i++)
        item_init(&items[i], ledger, i / ITEMS, i % ITEMS);
    for (int i = 0; i < THREADS; i++) {
        producers[i].items = items + (size_t)i * ITEMS;
        producers[i].executor = executor;
        CHECK_EQ(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(producers[i].thread, NULL), 0);
    weir_thread_pool_free(pool);
    CHECK_EQ(ledger->total, THREADS * ITEMS);
    free(items);
}

static weir_thread_pool *pool_of_four(void)
{
    weir_thread_pool_options options = {.threads = 4};
    weir_thread_pool *pool = NULL;

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    return pool;
}

WEIR_TEST(strand, the_posts_of_each_thread_stay_in_order_and_never_overlap)
{
    struct ledger ledger = {.total = 0};
    weir_thread_pool *pool = pool_of_four();
    weir_strand strand;

    weir_strand_init(&strand, weir_thread_pool_executor(pool));
    produce_all(weir_strand_executor(&strand), pool, &ledger);
    weir_strand_fini(&strand);
}

WEIR_TEST(strand, a_strand_on_a_strand_keeps_the_order_too)
{
    struct ledger ledger = {.total = 0};
    weir_thread_pool *pool = pool_of_four();
    weir_strand lower;
    weir_strand upper;

    weir_strand_init(&lower, weir_thread_pool_executor(pool));
    weir_strand_init(&upper, weir_strand_executor(&lower));
    produce_all(weir_strand_executor(&upper), pool, &ledger);
    weir_strand_fini(&upper);
    weir_strand_fini(&lower);
}

/* Threads that take turns by a ticket: each post happens before the next, whoever makes it. */
struct relay {
    weir_executor *executor;
    struct item *items;
    int ticket; /* __atomic: acquired by who posts next, released by who has posted. */
};

struct relay_runner {
    struct relay *relay;
    int place;
    pthread_t thread;
};

enum { LAPS = 2000 };

static void *run_relay(void *argument)
{
    struct relay_runner *self = argument;
    struct relay *relay = self->relay;

    for (int lap = 0; lap < LAPS; lap++) {
        int ticket = lap * THREADS + self->place;

        while (__atomic_load_n(&relay->ticket, __ATOMIC_ACQUIRE) != ticket)
            sched_yield();
        weir_executor_post(relay->executor, &relay->items[ticket].task);
        __atomic_store_n(&relay->ticket, ticket + 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

WEIR_TEST(strand, posts_that_happen_one_after_the_other_run_in_that_order_across_threads)
{
    static struct item items[THREADS * LAPS];
    struct ledger ledger = {.total = 0};
    struct relay_runner runners[THREADS];
    weir_thread_pool *pool = pool_of_four();
    weir_strand strand;
    struct relay relay = {.executor = weir_strand_executor(&strand), .items = items};

    weir_strand_init(&strand, weir_thread_pool_executor(pool));
    for (int i = 0; i < THREADS * LAPS; i++)
        item_init(&items[i], &ledger, 0, i); /* One order for all. */
    for (int i = 0; i < THREADS; i++) {
        runners[i] = (struct relay_runner){.relay = &relay, .place = i};
        CHECK_EQ(pthread_create(&runners[i].thread, NULL, run_relay, &runners[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(runners[i].thread, NULL), 0);
    weir_thread_pool_free(pool);
    CHECK_EQ(ledger.total, THREADS * LAPS);
    weir_strand_fini(&strand);
}

/* Tasks that post themselves again from inside, while threads post from outside. */
struct bouncer {
    weir_task task;
    weir_executor *executor;
    struct ledger *ledger;
    int left;
};

static weir_task *bouncer_resume(weir_task *task)
{
    struct bouncer *self = WEIR_TASK_SELF(task, struct bouncer);

    CHECK(!self->ledger->is_open);
    if (--self->left > 0)
        weir_executor_post(self->executor, task);
    return NULL;
}

WEIR_TEST(strand, posts_from_inside_and_outside_meet)
{
    struct ledger ledger = {.total = 0};
    weir_thread_pool *pool = pool_of_four();
    struct bouncer bouncers[3];
    weir_strand strand;

    weir_strand_init(&strand, weir_thread_pool_executor(pool));
    for (int i = 0; i < 3; i++) {
        bouncers[i] = (struct bouncer){
            .executor = weir_strand_executor(&strand), .ledger = &ledger, .left = ITEMS};
        weir_task_init(&bouncers[i].task, bouncer_resume);
        weir_executor_post(weir_strand_executor(&strand), &bouncers[i].task);
    }
    produce_all(weir_strand_executor(&strand), pool, &ledger);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bouncers[i].left, 0);
    weir_strand_fini(&strand);
}

/* Says so, as its last act. */
static void say_so(struct note *self)
{
    __atomic_store_n((bool *)self->object, true, __ATOMIC_RELEASE);
}

/* The strand ends on this thread while the one that ran its last task is leaving it. */
WEIR_TEST(strand, fini_while_the_last_turn_is_being_left)
{
    weir_thread_pool *pool = pool_of_four();

    for (int i = 0; i < 5000; i++) {
        weir_strand *strand = malloc(sizeof *strand);
        struct log log = {0};
        struct note note;
        bool has_run = false; /* __atomic: say_so releases it to this thread. */

        CHECK(strand);
        weir_strand_init(strand, weir_thread_pool_executor(pool));
        note_init(&note, &log, 0);
        note.act = say_so;
        note.object = &has_run;
        weir_executor_post(weir_strand_executor(strand), &note.task);
        while (!__atomic_load_n(&has_run, __ATOMIC_ACQUIRE))
            sched_yield();
        weir_strand_fini(strand);
        memset(strand, 0xa5, sizeof *strand);
        free(strand);
    }
    weir_thread_pool_free(pool);
}
