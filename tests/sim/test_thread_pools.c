/* SPDX-License-Identifier: MIT */
/* Thread pools in worlds: what core/exec/thread_pool.c and strand.c promise, in many histories. */
#include <errno.h>
#include <weir/sim.h>

#include <stdlib.h>
#include <string.h>

#include <weir/run.h>
#include <weir/shared_channel.h>
#include <weir/strand.h>
#include <weir/thread_pool.h>
#include <weir/waker.h>

#include "sys.h"
#include "test.h"

enum { SEEDS = 200, LAUNCHERS = 3, TREES = 6, STEPS = 5 };

/* A pool that several programs of a host use. */
struct party {
    weir_thread_pool *pool;
    weir_work work; /* Keeps the pool until all have come and gone. */
    int ended;      /* Trees. */
    int value;
};

static weir_sim_outcome world_run(uint64_t seed, weir_sim_program_fn *main)
{
    weir_sim_options options = {.seed = seed};
    weir_sim_outcome outcome;
    struct party party;
    weir_sim *sim;

    memset(&party, 0, sizeof party);
    options.faults = weir_sim_faults_at((unsigned)(seed % (WEIR_SIM_FAULTS_MAX + 1)), seed);
    sim = weir_sim_new(&options);
    weir_sim_start(weir_sim_host_new(sim, "host"), "main", main, &party);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    outcome = weir_sim_outcome_get(sim);
    weir_sim_free(sim);
    return outcome;
}

/* Each seed twice, for it has one history. */
static void over_seeds(weir_sim_program_fn *main)
{
    uint64_t seed;

    for (seed = 0; seed < SEEDS; seed++) {
        weir_sim_outcome outcome = world_run(seed, main);
        weir_sim_outcome again = world_run(seed, main);

        CHECK(outcome.hash == again.hash);
        CHECK_EQ(outcome.steps, again.steps);
    }
}

/* One to four threads, by the seed. */
static void open_pool(struct party *party)
{
    weir_thread_pool_options options = {0};

    options.threads = 1 + (unsigned)weir_sim_random_below(weir_sim_current(), 4);
    CHECK_EQ(weir_thread_pool_new(&options, &party->pool), 0);
}

static weir_executor *executor_of(struct party *party)
{
    return weir_thread_pool_executor(party->pool);
}

/* Other programs of the host do something; then the pool is freed, which waits for
 * what they left. */
static void with_launchers(struct party *party, weir_sys_thread_fn *launch)
{
    weir_sys_thread threads[LAUNCHERS];
    int i;

    for (i = 0; i < LAUNCHERS; i++)
        CHECK_EQ(weir_sys_thread_start(&threads[i], launch, party), 0);
    for (i = 0; i < LAUNCHERS; i++)
        weir_sys_thread_join(&threads[i]);
    weir_thread_pool_free(party->pool);
}

/* A tree that goes from thread to thread, and is never in two of them. */
struct walk {
    weir_task task;
    weir_root root;
    struct party *party;
    int step;
    bool is_running;
};

static weir_task *walk_resume(weir_task *task)
{
    struct walk *self = WEIR_TASK_SELF(task, struct walk);

    WEIR_BEGIN(task);
    for (self->step = 0; self->step < STEPS; self->step++) {
        CHECK(!self->is_running);
        self->is_running = true;
        weir_interleave();
        self->is_running = false;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, STEPS));
    WEIR_END(task);
}

static void walk_init(struct walk *walk, struct party *party)
{
    weir_task_init(&walk->task, walk_resume);
    walk->party = party;
    walk->is_running = false;
}

static void walk_done(weir_root *root, weir_result result)
{
    struct walk *walk = root->user;

    CHECK_EQ(result.count, STEPS);
    walk->party->ended++;
    free(walk);
}

static void walk_launch(struct party *party)
{
    struct walk *walk = malloc(sizeof *walk);

    CHECK(walk);
    walk_init(walk, party);
    weir_run_async(executor_of(party), &walk->root, &walk->task, walk_done, walk);
}

/* Life. */

static void make_and_free(void *argument)
{
    struct party *party = argument;

    open_pool(party);
    weir_thread_pool_free(party->pool);
}

WEIR_TEST(sim_thread_pool, one_that_was_never_used_ends)
{
    over_seeds(make_and_free);
}

static void wait_for_walks(void *argument)
{
    struct party *party = argument;
    struct walk walk;
    int i;

    for (i = 0; i < TREES; i++) {
        walk_init(&walk, party);
        CHECK_EQ(weir_thread_pool_run(party->pool, &walk.task).count, STEPS);
    }
}

static void wait_in_several_programs(void *argument)
{
    open_pool(argument);
    with_launchers(argument, wait_for_walks);
}

WEIR_TEST(sim_thread_pool, several_programs_wait_for_their_trees)
{
    over_seeds(wait_in_several_programs);
}

static void launch_walks(void *argument)
{
    int i;

    for (i = 0; i < TREES; i++)
        walk_launch(argument);
}

static void launch_in_several_programs(void *argument)
{
    struct party *party = argument;

    open_pool(party);
    with_launchers(party, launch_walks);
    CHECK_EQ(party->ended, LAUNCHERS * TREES);
}

WEIR_TEST(sim_thread_pool, the_end_waits_for_every_tree)
{
    over_seeds(launch_in_several_programs);
}

static void launch_and_end_work(void *argument)
{
    struct party *party = argument;

    launch_walks(party);
    weir_work_end(&party->work);
}

/* The pool is being freed while the other program still launches. */
static void free_while_work_goes_on(void *argument)
{
    struct party *party = argument;
    weir_sys_thread thread;

    open_pool(party);
    weir_work_begin(&party->work, executor_of(party));
    CHECK_EQ(weir_sys_thread_start(&thread, launch_and_end_work, party), 0);
    weir_thread_pool_free(party->pool);
    CHECK_EQ(party->ended, TREES);
    weir_sys_thread_join(&thread);
}

WEIR_TEST(sim_thread_pool, the_end_waits_for_work_that_has_begun)
{
    over_seeds(free_while_work_goes_on);
}

/* Scripts. */

static void launch_in_script(weir_sim *sim, void *argument)
{
    struct party *party = argument;

    (void)sim;
    walk_launch(party);
    if (++party->value == TREES)
        weir_work_end(&party->work);
}

static void free_under_scripts(void *argument)
{
    weir_sim *sim = weir_sim_current();
    struct party *party = argument;
    int i;

    open_pool(party);
    weir_work_begin(&party->work, executor_of(party));
    for (i = 0; i < TREES; i++)
        weir_sim_at(sim, weir_sys_now_ns() + (int64_t)weir_sim_random_below(sim, 50000),
                    launch_in_script, party);
    launch_walks(party);
    weir_thread_pool_free(party->pool);
    CHECK_EQ(party->ended, 2 * TREES);
}

WEIR_TEST(sim_thread_pool, scripts_launch_trees)
{
    over_seeds(free_under_scripts);
}

/* Stops and wakes, from programs that know nothing of the pool. */

struct sleeper {
    weir_task task;
    weir_root root;
    weir_waker waker;
    bool is_open;
    bool is_done;
    bool was_stopped;
};

static weir_task *sleeper_resume(weir_task *task)
{
    struct sleeper *self = WEIR_TASK_SELF(task, struct sleeper);
    weir_result r;

    WEIR_BEGIN(task);
    weir_waker_open(&self->waker, task);
    self->is_open = true;
    WEIR_AWAIT(task, r, weir_waker_wait(task, &self->waker));
    self->was_stopped = r.error == WEIR_CANCELLED;
    CHECK(r.error == 0 || self->was_stopped);
    WEIR_AWAIT(task, r, weir_waker_close(task, &self->waker));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void sleeper_done(weir_root *root, weir_result result)
{
    CHECK_EQ(result.error, 0);
    ((struct sleeper *)root->user)->is_done = true;
}

static void sleeper_launch(struct sleeper *sleeper, struct party *party)
{
    memset(sleeper, 0, sizeof *sleeper);
    weir_task_init(&sleeper->task, sleeper_resume);
    weir_run_async(executor_of(party), &sleeper->root, &sleeper->task, sleeper_done, sleeper);
}

static void launch_and_stop(void *argument)
{
    struct party *party = argument;
    struct sleeper sleepers[TREES];
    int i;

    for (i = 0; i < TREES; i++)
        sleeper_launch(&sleepers[i], party);
    for (i = 0; i < TREES; i++)
        weir_root_stop(&sleepers[i].root, WEIR_STOP_REQUESTED);
    for (i = 0; i < TREES; i++) {
        while (!sleepers[i].is_done)
            weir_sys_yield();
        CHECK(sleepers[i].was_stopped);
    }
    party->ended += TREES;
}

static void stop_in_several_programs(void *argument)
{
    struct party *party = argument;

    open_pool(party);
    with_launchers(party, launch_and_stop);
    CHECK_EQ(party->ended, LAUNCHERS * TREES);
}

WEIR_TEST(sim_thread_pool, trees_are_stopped_by_other_programs)
{
    over_seeds(stop_in_several_programs);
}

static void launch_and_wake(void *argument)
{
    struct party *party = argument;
    struct sleeper sleeper;
    int i;

    for (i = 0; i < TREES; i++) {
        sleeper_launch(&sleeper, party);
        while (!sleeper.is_open)
            weir_sys_yield();
        weir_waker_wake(&sleeper.waker);
        while (!sleeper.is_done)
            weir_sys_yield();
        CHECK(!sleeper.was_stopped);
    }
}

static void wake_in_several_programs(void *argument)
{
    open_pool(argument);
    with_launchers(argument, launch_and_wake);
}

WEIR_TEST(sim_thread_pool, trees_are_woken_by_other_programs)
{
    over_seeds(wake_in_several_programs);
}

/* Strands: what all programs post to one runs one after the other. */

struct note {
    weir_task task;
    struct log *log;
    int launcher;
    int number;
};

struct log {
    struct party party;
    weir_strand strand;
    struct note notes[LAUNCHERS][TREES * STEPS];
    int next[LAUNCHERS]; /* The number that is due. */
    int next_launcher;
    int ended;
    bool is_writing;
};

static weir_task *note_resume(weir_task *task)
{
    struct note *self = WEIR_TASK_SELF(task, struct note);
    struct log *log = self->log;

    CHECK(!log->is_writing);
    CHECK(weir_strand_is_inside(&log->strand));
    log->is_writing = true;
    weir_interleave();
    CHECK_EQ(log->next[self->launcher], self->number);
    log->next[self->launcher]++;
    log->ended++;
    log->is_writing = false;
    return NULL;
}

static void post_notes(void *argument)
{
    struct log *log = WEIR_CONTAINER_OF(argument, struct log, party);
    int launcher = log->next_launcher++;
    int i;

    for (i = 0; i < TREES * STEPS; i++) {
        struct note *note = &log->notes[launcher][i];

        weir_task_init(&note->task, note_resume);
        note->log = log;
        note->launcher = launcher;
        note->number = i;
        weir_executor_post(weir_strand_executor(&log->strand), &note->task);
        weir_interleave();
    }
}

static void post_to_a_strand(void *argument)
{
    static struct log log;

    (void)argument;
    memset(&log, 0, sizeof log);
    open_pool(&log.party);
    weir_strand_init(&log.strand, executor_of(&log.party));
    weir_strand_set_budget(&log.strand, 1 + (int)weir_sim_random_below(weir_sim_current(), 4));
    with_launchers(&log.party, post_notes);
    CHECK_EQ(log.ended, LAUNCHERS * TREES * STEPS);
    weir_strand_fini(&log.strand);
}

WEIR_TEST(sim_thread_pool, a_strand_runs_one_after_the_other_in_order)
{
    over_seeds(post_to_a_strand);
}

/* A channel between trees on the threads of a pool. */

enum { ITEMS = 20 };

struct trader {
    weir_task task;
    weir_root root;
    weir_shared_channel *channel;
    weir_shared_channel_wait wait;
    bool sends;
    int item;
    int *taken; /* How often each item was. */
    int count;
};

static weir_task *trader_resume(weir_task *task)
{
    struct trader *self = WEIR_TASK_SELF(task, struct trader);
    weir_result r;

    WEIR_BEGIN(task);
    for (self->count = 0; self->count < ITEMS; self->count++) {
        if (self->sends) {
            self->item = self->count;
            WEIR_AWAIT(task, r,
                       weir_shared_channel_send(task, self->channel, &self->wait, &self->item));
        } else {
            WEIR_AWAIT(task, r,
                       weir_shared_channel_receive(task, self->channel, &self->wait, &self->item));
            self->taken[self->item]++;
        }
        CHECK_EQ(r.error, 0);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void trade(void *argument)
{
    struct party *party = argument;
    weir_shared_channel channel;
    struct trader traders[2 * LAUNCHERS];
    int storage[3];
    int taken[ITEMS] = {0};
    int i;

    open_pool(party);
    weir_shared_channel_init(&channel, storage, weir_sim_random_below(weir_sim_current(), 4),
                             sizeof storage[0]);
    for (i = 0; i < 2 * LAUNCHERS; i++) {
        weir_task_init(&traders[i].task, trader_resume);
        traders[i].channel = &channel;
        traders[i].sends = i % 2;
        traders[i].taken = taken;
        weir_run_async(executor_of(party), &traders[i].root, &traders[i].task, NULL, NULL);
    }
    weir_thread_pool_free(party->pool);
    weir_shared_channel_fini(&channel);
    for (i = 0; i < ITEMS; i++)
        CHECK_EQ(taken[i], LAUNCHERS);
}

WEIR_TEST(sim_thread_pool, its_trees_trade_through_a_channel)
{
    over_seeds(trade);
}

/* Misuse. */

static void free_own_pool(weir_root *root, weir_result result)
{
    (void)result;
    weir_thread_pool_free(((struct party *)root->user)->pool);
}

static void let_it_free_itself(void *argument)
{
    struct party *party = argument;
    struct walk walk;

    open_pool(party);
    walk_init(&walk, party);
    weir_run_async(executor_of(party), &walk.root, &walk.task, free_own_pool, party);
    weir_thread_pool_free(party->pool);
}

WEIR_ABORT_TEST(sim_thread_pool, freeing_a_pool_on_its_own_thread_aborts)
{
    (void)world_run(1, let_it_free_itself);
}

static void leave_it(void *argument)
{
    open_pool(argument);
}

WEIR_TEST(sim_thread_pool, one_that_is_left_behind_is_a_deadlock)
{
    weir_sim_options options = {.seed = 1};
    weir_sim *sim = weir_sim_new(&options);
    struct party party;

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", leave_it, &party);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), -EDEADLK); /* Its threads wait for ever. */
    _Exit(0);
}
