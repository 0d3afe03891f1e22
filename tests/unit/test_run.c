/* SPDX-License-Identifier: MIT */
/* Launching trees, and the bridge between two loops on two threads. */
#include <weir/run.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <weir/scope.h>
#include <weir/stop.h>

#include "fake_backend.h"
#include "gate.h"
#include "loop.h"
#include "test.h"

/* A task that yields some times, waits at its gate if it has one, and returns. */
struct worker {
    weir_task task;
    int turns;           /* In. */
    struct gate *gate;   /* In, or NULL. */
    weir_result outcome; /* In: what to return unless the wait fails. */
    bool has_begun;
    bool has_ended;
    pthread_t thread; /* Where it ended. */
};

static weir_task *worker_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    self->has_begun = true;
    while (self->turns-- > 0)
        WEIR_YIELD(task);
    if (self->gate) {
        WEIR_AWAIT(task, r, gate_wait(task, self->gate));
        if (r.error)
            self->outcome = r;
    }
    self->has_ended = true;
    self->thread = pthread_self();
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

static void worker_init(struct worker *worker, struct gate *gate, weir_result outcome)
{
    *worker = (struct worker){.gate = gate, .outcome = outcome};
    weir_task_init(&worker->task, worker_resume);
}

/* What a root's done function was told. */
struct told {
    int count;
    weir_result result;
    pthread_t thread;
};

static void note_done(weir_root *root, weir_result result)
{
    struct told *told = root->user;

    told->count++;
    told->result = result;
    told->thread = pthread_self();
}

/* Running. */

WEIR_TEST(run, run_returns_what_the_task_returned)
{
    struct worker worker;
    weir_result result;

    worker_init(&worker, NULL, weir_result_of(WEIR_TRUNCATED, 12));
    result = fake_run(&worker.task);

    CHECK_EQ(result.error, WEIR_TRUNCATED);
    CHECK_EQ(result.count, 12);
}

WEIR_TEST(run, a_loop_can_be_run_again)
{
    weir_loop *loop = fake_loop_new(NULL);

    for (size_t i = 0; i < 100; i++) {
        struct worker worker;

        worker_init(&worker, NULL, weir_result_of(0, i));
        CHECK_EQ(weir_run(loop, &worker.task).count, i);
    }
    weir_loop_free(loop);
}

WEIR_TEST(run, other_trees_run_meanwhile)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct worker main;
    struct worker other;
    weir_root root;

    worker_init(&main, NULL, weir_result_of(0, 0));
    worker_init(&other, NULL, weir_result_of(0, 0));
    main.turns = 3;
    weir_run_async(weir_loop_executor(loop), &root, &other.task, NULL, NULL);
    (void)weir_run(loop, &main.task);

    CHECK(other.has_ended);
    weir_loop_free(loop);
}

WEIR_TEST(run, run_returns_when_its_task_is_done_though_others_are_not)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct gate gate = {0};
    struct worker main;
    struct worker other;
    weir_root root;

    worker_init(&main, NULL, weir_result_of(0, 0));
    worker_init(&other, &gate, weir_result_of(0, 0));
    weir_run_async(weir_loop_executor(loop), &root, &other.task, NULL, NULL);
    (void)weir_run(loop, &main.task);
    CHECK(!other.has_ended);

    weir_root_stop(&root, WEIR_STOP_REQUESTED);
    weir_loop_run(loop);
    CHECK(other.has_ended);
    weir_loop_free(loop);
}

WEIR_TEST(run, a_tree_started_without_a_loop_that_runs_waits_for_it)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct told told = {0};
    struct worker worker;
    weir_root root;

    worker_init(&worker, NULL, weir_result_of(0, 4));
    weir_run_async(weir_loop_executor(loop), &root, &worker.task, note_done, &told);
    CHECK(!worker.has_begun);
    weir_loop_run(loop);

    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.result.count, 4);
    weir_loop_free(loop);
}

/* The root in its done function. */

static void start_again(weir_root *root, weir_result result)
{
    struct worker *worker = root->user;

    if (result.count == 0)
        return;
    worker_init(worker, NULL, weir_result_of(0, result.count - 1));
    weir_run_async(root->environment.executor, root, &worker->task, start_again, worker);
}

WEIR_TEST(run, a_root_can_be_reused_when_it_is_done)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct worker worker;
    weir_root root;

    worker_init(&worker, NULL, weir_result_of(0, 10));
    weir_run_async(weir_loop_executor(loop), &root, &worker.task, start_again, &worker);
    weir_loop_run(loop);

    CHECK_EQ(worker.outcome.count, 0);
    CHECK(worker.has_ended);
    weir_loop_free(loop);
}

struct disposable {
    weir_root root;
    struct worker worker;
};

static int disposed_count;

static void dispose(weir_root *root, weir_result result)
{
    (void)result;
    disposed_count++;
    free(root->user);
}

WEIR_TEST(run, a_root_can_be_freed_when_it_is_done)
{
    weir_loop *loop = fake_loop_new(NULL);

    for (int i = 0; i < 10; i++) {
        struct disposable *disposable = malloc(sizeof *disposable);

        CHECK(disposable);
        worker_init(&disposable->worker, NULL, weir_result_of(0, 0));
        disposable->worker.turns = i;
        weir_run_async(weir_loop_executor(loop), &disposable->root, &disposable->worker.task,
                       dispose, disposable);
    }
    weir_loop_run(loop);

    CHECK_EQ(disposed_count, 10);
    weir_loop_free(loop);
}

/* Stopping a root. */

static weir_result run_stopped(unsigned bits)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct told told = {0};
    struct gate gate = {0};
    struct worker worker;
    weir_root root;

    worker_init(&worker, &gate, weir_result_of(0, 0));
    weir_run_async(weir_loop_executor(loop), &root, &worker.task, note_done, &told);
    weir_root_stop(&root, bits);
    weir_loop_run(loop);
    CHECK_EQ(told.count, 1);
    weir_loop_free(loop);
    return told.result;
}

WEIR_TEST(run, a_root_can_be_stopped_as_soon_as_it_is_launched)
{
    CHECK_EQ(run_stopped(WEIR_STOP_REQUESTED).error, WEIR_CANCELLED);
    CHECK_EQ(run_stopped(WEIR_STOP_HARD).error, WEIR_CANCELLED);
    CHECK_EQ(run_stopped(WEIR_STOP_EXPIRED).error, WEIR_TIMED_OUT);
}

/* Stops its own tree from within, and ends before the request arrives. */
struct suicide {
    weir_task task;
    weir_root *root; /* In. */
};

static weir_task *suicide_resume(weir_task *task)
{
    struct suicide *self = WEIR_TASK_SELF(task, struct suicide);

    WEIR_BEGIN(task);
    weir_root_stop(self->root, WEIR_STOP_HARD);
    WEIR_RETURN(task, weir_result_of(0, 3));
    WEIR_END(task);
}

WEIR_TEST(run, a_tree_that_ends_with_a_stop_on_its_way_waits_for_it)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct told told = {0};
    struct suicide suicide;
    weir_root root;

    weir_task_init(&suicide.task, suicide_resume);
    suicide.root = &root;
    weir_run_async(weir_loop_executor(loop), &root, &suicide.task, note_done, &told);
    weir_loop_run(loop);

    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.result.error, 0);
    CHECK_EQ(told.result.count, 3);
    weir_loop_free(loop);
}

/* A loop on a thread of its own, kept running by a tree until it is told to end. */

struct station {
    weir_loop *loop;
    pthread_t thread;
    weir_root root;
    struct worker keeper;
    struct gate gate;
};

static void *station_main(void *argument)
{
    struct station *station = argument;

    weir_loop_run(station->loop);
    return NULL;
}

static void station_open(struct station *station)
{
    station->loop = fake_loop_new(NULL);
    station->gate = (struct gate){0};
    worker_init(&station->keeper, &station->gate, weir_result_of(0, 0));
    weir_run_async(weir_loop_executor(station->loop), &station->root, &station->keeper.task, NULL,
                   NULL);
    CHECK_EQ(pthread_create(&station->thread, NULL, station_main, station), 0);
}

static void station_close(struct station *station)
{
    weir_root_stop(&station->root, WEIR_STOP_REQUESTED);
    CHECK_EQ(pthread_join(station->thread, NULL), 0);
    weir_loop_free(station->loop);
}

WEIR_TEST(run, a_tree_launched_from_another_thread_runs_and_ends_on_the_executors)
{
    struct told told = {0};
    struct station station;
    struct worker worker;
    weir_root root;

    station_open(&station);
    worker_init(&worker, NULL, weir_result_of(0, 8));
    weir_run_async(weir_loop_executor(station.loop), &root, &worker.task, note_done, &told);
    station_close(&station);

    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.result.count, 8);
    CHECK(pthread_equal(worker.thread, station.thread));
    CHECK(pthread_equal(told.thread, station.thread));
}

enum { LAUNCHERS = 3, LAUNCHES = 300 };

struct launcher {
    weir_loop *loop;
    weir_root roots[LAUNCHES];
    struct worker workers[LAUNCHES];
    struct told told;
};

static void *launch_all(void *argument)
{
    struct launcher *launcher = argument;

    for (int i = 0; i < LAUNCHES; i++) {
        worker_init(&launcher->workers[i], NULL, weir_result_of(0, 0));
        launcher->workers[i].turns = i % 4;
        weir_run_async(weir_loop_executor(launcher->loop), &launcher->roots[i],
                       &launcher->workers[i].task, note_done, &launcher->told);
    }
    return NULL;
}

WEIR_TEST(run, trees_launched_from_many_threads_all_run)
{
    static struct launcher launchers[LAUNCHERS];
    pthread_t threads[LAUNCHERS];
    struct station station;

    station_open(&station);
    for (int i = 0; i < LAUNCHERS; i++) {
        launchers[i].loop = station.loop;
        CHECK_EQ(pthread_create(&threads[i], NULL, launch_all, &launchers[i]), 0);
    }
    for (int i = 0; i < LAUNCHERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    station_close(&station);

    for (int i = 0; i < LAUNCHERS; i++)
        CHECK_EQ(launchers[i].told.count, LAUNCHES);
}

/* The bridge. */

struct traveller {
    weir_task task;
    weir_executor *far; /* In. */
    bool stops_first;   /* In: stopped before the bridge. */
    bool is_shielded;   /* In: around the bridge. */
    struct worker child;
    weir_bridge bridge;
    weir_result got;
    pthread_t thread; /* Where it went on. */
};

static weir_task *traveller_resume(weir_task *task)
{
    struct traveller *self = WEIR_TASK_SELF(task, struct traveller);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->stops_first)
        weir_task_stop(task, WEIR_STOP_REQUESTED);
    if (self->is_shielded)
        weir_shield_begin(task);
    WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->far, &self->child.task));
    if (self->is_shielded)
        weir_shield_end(task);
    self->got = r;
    self->thread = pthread_self();
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void traveller_init(struct traveller *traveller, weir_loop *far, struct gate *gate,
                           weir_result outcome)
{
    *traveller = (struct traveller){.far = weir_loop_executor(far)};
    weir_task_init(&traveller->task, traveller_resume);
    worker_init(&traveller->child, gate, outcome);
}

WEIR_TEST(run, run_on_runs_the_child_there_and_brings_its_result_home)
{
    struct traveller traveller;
    struct station station;

    station_open(&station);
    traveller_init(&traveller, station.loop, NULL, weir_result_of(WEIR_EOF, 21));
    (void)fake_run(&traveller.task);

    CHECK_EQ(traveller.got.error, WEIR_EOF);
    CHECK_EQ(traveller.got.count, 21);
    CHECK(pthread_equal(traveller.child.thread, station.thread));
    CHECK(pthread_equal(traveller.thread, pthread_self()));
    station_close(&station);
}

WEIR_TEST(run, run_on_the_loop_one_is_on_is_a_tree_beside_ones_own)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct traveller traveller;

    traveller_init(&traveller, loop, NULL, weir_result_of(0, 5));
    traveller.child.turns = 3;

    CHECK_EQ(weir_run(loop, &traveller.task).count, 5);
    weir_loop_free(loop);
}

WEIR_TEST(run, run_on_after_a_stop_runs_the_child_which_waits_for_nothing)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct traveller traveller;
    struct gate gate = {0};

    traveller_init(&traveller, loop, &gate, weir_result_of(0, 5));
    traveller.stops_first = true;

    CHECK_EQ(weir_run(loop, &traveller.task).error, WEIR_CANCELLED);
    CHECK(traveller.child.has_ended); /* It may own what it has to close. */
    CHECK_EQ(gate.wait_count, 0);
    weir_loop_free(loop);
}

/* Stop the traveller from home while its child waits over there. */
static weir_result travel_and_stop(unsigned bits, bool is_shielded)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct traveller traveller;
    struct station station;
    struct gate gate = {0};
    weir_root root;

    station_open(&station);
    traveller_init(&traveller, station.loop, is_shielded ? NULL : &gate, weir_result_of(0, 5));
    traveller.is_shielded = is_shielded;
    weir_run_async(weir_loop_executor(loop), &root, &traveller.task, NULL, NULL);
    weir_root_stop(&root, bits);
    weir_loop_run(loop);
    weir_loop_free(loop);
    station_close(&station);
    return traveller.got;
}

WEIR_TEST(run, a_stop_at_home_reaches_the_child_over_there)
{
    CHECK_EQ(travel_and_stop(WEIR_STOP_REQUESTED, false).error, WEIR_CANCELLED);
    CHECK_EQ(travel_and_stop(WEIR_STOP_HARD, false).error, WEIR_CANCELLED);
    CHECK_EQ(travel_and_stop(WEIR_STOP_EXPIRED, false).error, WEIR_TIMED_OUT);
}

WEIR_TEST(run, a_shield_at_home_keeps_a_soft_stop_from_the_child_over_there)
{
    CHECK_EQ(travel_and_stop(WEIR_STOP_REQUESTED, true).count, 5);
}

/*
 * Stops from both sides race the end of the child. In each round the traveller goes to the far
 * loop; one thread stops it at home, another posts a task to the far loop that stops the child
 * there or opens its gate.
 */

enum { ROUNDS = 1500, RACERS = 2 };

struct round {
    weir_loop *home;
    struct station *station;
    struct traveller traveller;
    struct gate gate;
    weir_root root;
    weir_task intruder;  /* Posted to the far loop. */
    uint32_t started;    /* Rounds begun: __atomic, released by the home thread. */
    uint32_t finished;   /* Racers done with all rounds so far: __atomic, acquired by the same. */
    uint32_t intrusions; /* Intruders that ran: as finished. */
};

static weir_task *intruder_resume(weir_task *task)
{
    struct round *round = WEIR_CONTAINER_OF(task, struct round, intruder);
    uint32_t number = __atomic_load_n(&round->started, __ATOMIC_ACQUIRE);

    if (round->gate.waiter && number % 2)
        weir_task_stop(&round->traveller.child.task, WEIR_STOP_REQUESTED);
    else if (round->gate.waiter)
        gate_open(&round->gate, 0, 0);
    __atomic_add_fetch(&round->intrusions, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void wait_until(const uint32_t *counter, uint32_t value)
{
    while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < value)
        sched_yield();
}

static void dawdle(unsigned steps)
{
    for (volatile unsigned i = 0; i < steps; i++) {
    }
}

static void *stop_at_home(void *argument)
{
    struct round *round = argument;

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_until(&round->started, i);
        dawdle(i % 97 * 50);
        weir_root_stop(&round->root, WEIR_STOP_REQUESTED);
        __atomic_add_fetch(&round->finished, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void *intrude_over_there(void *argument)
{
    struct round *round = argument;

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_until(&round->started, i);
        dawdle(i % 89 * 50);
        weir_executor_post(weir_loop_executor(round->station->loop), &round->intruder);
        __atomic_add_fetch(&round->finished, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void run_round(struct round *round, uint32_t number)
{
    weir_result got;

    round->gate = (struct gate){0};
    traveller_init(&round->traveller, round->station->loop, &round->gate, weir_result_of(0, 5));
    weir_task_init(&round->intruder, intruder_resume);
    weir_run_async(weir_loop_executor(round->home), &round->root, &round->traveller.task, NULL,
                   NULL);
    __atomic_store_n(&round->started, number, __ATOMIC_RELEASE);
    weir_loop_run(round->home);
    wait_until(&round->finished, RACERS * number);
    wait_until(&round->intrusions, number);

    got = round->traveller.got;
    CHECK(got.error == WEIR_CANCELLED || (got.error == 0 && got.count == 5));
    CHECK(round->gate.waiter == NULL);
    CHECK(pthread_equal(round->traveller.thread, pthread_self()));
}

WEIR_TEST(run, stops_from_both_sides_race_the_end_of_a_child_over_there)
{
    static struct round round;
    pthread_t racers[RACERS];
    struct station station;

    station_open(&station);
    round.home = fake_loop_new(NULL);
    round.station = &station;
    CHECK_EQ(pthread_create(&racers[0], NULL, stop_at_home, &round), 0);
    CHECK_EQ(pthread_create(&racers[1], NULL, intrude_over_there, &round), 0);
    for (uint32_t i = 1; i <= ROUNDS; i++)
        run_round(&round, i);
    for (int i = 0; i < RACERS; i++)
        CHECK_EQ(pthread_join(racers[i], NULL), 0);
    weir_loop_free(round.home);
    station_close(&station);
}

/*
 * What the far loop's thread posts home may end the last tree there, and the loop with it. A tree
 * that yields keeps the loop awake, so that nothing but the post itself orders the two threads.
 */

struct insomniac {
    weir_task task;
    weir_root root;
    const struct traveller *traveller; /* In: whose end it waits for. */
};

static weir_task *insomniac_resume(weir_task *task)
{
    struct insomniac *self = WEIR_TASK_SELF(task, struct insomniac);

    WEIR_BEGIN(task);
    while (self->traveller->task.state != WEIR_TASK_DONE)
        WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(run, a_loop_may_be_freed_as_soon_as_its_last_traveller_is_home)
{
    struct station station;

    station_open(&station);
    for (size_t i = 0; i < ROUNDS; i++) {
        weir_loop *loop = fake_loop_new(NULL);
        struct traveller traveller;
        struct insomniac insomniac = {.traveller = &traveller};
        weir_root root;

        traveller_init(&traveller, station.loop, NULL, weir_result_of(0, i));
        weir_task_init(&insomniac.task, insomniac_resume);
        weir_run_async(weir_loop_executor(loop), &insomniac.root, &insomniac.task, NULL, NULL);
        weir_run_async(weir_loop_executor(loop), &root, &traveller.task, NULL, NULL);
        weir_loop_run(loop);
        weir_loop_free(loop);
        CHECK_EQ(traveller.got.count, i);
    }
    station_close(&station);
}

/* Many bridges between two loops at once, in both directions. */

enum { TRAVELLERS = 50 };

struct crowd {
    weir_task task;
    weir_loop *far; /* In. */
    weir_scope scope;
    weir_scope_child records[TRAVELLERS];
    struct traveller travellers[TRAVELLERS];
    int round;
};

static weir_task *crowd_resume(weir_task *task)
{
    struct crowd *self = WEIR_TASK_SELF(task, struct crowd);
    weir_result r;

    WEIR_BEGIN(task);
    for (self->round = 0; self->round < 20; self->round++) {
        weir_scope_init(&self->scope, task);
        for (int i = 0; i < TRAVELLERS; i++) {
            traveller_init(&self->travellers[i], self->far, NULL, weir_result_of(0, 0));
            self->travellers[i].child.turns = i % 3;
            weir_scope_start_embedded(&self->scope, &self->records[i], &self->travellers[i].task);
        }
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        CHECK_EQ(r.count, TRAVELLERS);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void count_done(weir_root *root, weir_result result)
{
    uint32_t *done_count = root->user; /* __atomic: released here, acquired by the test. */

    (void)result;
    __atomic_add_fetch(done_count, 1, __ATOMIC_RELEASE);
}

WEIR_TEST(run, many_bridges_cross_in_both_directions)
{
    static struct crowd there;
    static struct crowd back;
    uint32_t done_count = 0;
    struct station one;
    struct station two;
    weir_root roots[2];

    station_open(&one);
    station_open(&two);
    there.far = two.loop;
    back.far = one.loop;
    weir_task_init(&there.task, crowd_resume);
    weir_task_init(&back.task, crowd_resume);
    weir_run_async(weir_loop_executor(one.loop), &roots[0], &there.task, count_done, &done_count);
    weir_run_async(weir_loop_executor(two.loop), &roots[1], &back.task, count_done, &done_count);
    wait_until(&done_count, 2); /* Either loop is needed until both are done. */
    station_close(&one);
    station_close(&two);

    CHECK_EQ(there.round, 20);
    CHECK_EQ(back.round, 20);
}
