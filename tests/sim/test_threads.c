/* SPDX-License-Identifier: MIT */
/* compat/sim/threads.c: the threads, mutexes and conditions that programs of a world see. */
#include <weir/sim.h>

#include <errno.h>
#include <string.h>

#include "sys.h"
#include "test.h"

enum { SEEDS = 200, THREADS = 5 };

static weir_sim *world_new(uint64_t seed, weir_sim_program_fn *main, void *argument)
{
    weir_sim_options options = {.seed = seed};
    weir_sim *sim;

    options.faults = weir_sim_faults_at((unsigned)(seed % (WEIR_SIM_FAULTS_MAX + 1)), seed);
    sim = weir_sim_new(&options);
    weir_sim_start(weir_sim_host_new(sim, "host"), "main", main, argument);
    return sim;
}

static weir_sim_outcome world_run(uint64_t seed, weir_sim_program_fn *main, void *argument)
{
    weir_sim *sim = world_new(seed, main, argument);
    weir_sim_outcome outcome;

    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    outcome = weir_sim_outcome_get(sim);
    weir_sim_free(sim);
    return outcome;
}

/* Each seed twice, for it has one history. */
static void over_seeds(weir_sim_program_fn *main, void *argument)
{
    uint64_t seed;

    for (seed = 0; seed < SEEDS; seed++) {
        weir_sim_outcome outcome = world_run(seed, main, argument);
        weir_sim_outcome again = world_run(seed, main, argument);

        CHECK(outcome.hash == again.hash);
        CHECK_EQ(outcome.steps, again.steps);
        CHECK_EQ(outcome.time_ns, again.time_ns);
    }
}

/* Run one function on several threads of the host. */
static void run_threads(int count, weir_sys_thread_fn *function, void *argument)
{
    weir_sys_thread threads[THREADS];
    int i;

    for (i = 0; i < count; i++)
        CHECK_EQ(weir_sys_thread_start(&threads[i], function, argument), 0);
    for (i = 0; i < count; i++)
        weir_sys_thread_join(&threads[i]);
}

/* Threads. */

struct order {
    int started; /* So many have begun. */
    int order[THREADS];
    weir_sys_thread threads[THREADS];
    int number[THREADS];
};

static struct order order;

static void note_order(void *argument)
{
    int number = *(int *)argument;

    order.order[order.started++] = number;
    weir_sys_yield();
}

static void start_and_join(void *argument)
{
    int i;

    (void)argument;
    order.started = 0;
    for (i = 0; i < THREADS; i++) {
        order.number[i] = i;
        CHECK_EQ(weir_sys_thread_start(&order.threads[i], note_order, &order.number[i]), 0);
    }
    for (i = THREADS - 1; i >= 0; i--)
        weir_sys_thread_join(&order.threads[i]);
    CHECK_EQ(order.started, THREADS);
}

WEIR_TEST(sim_threads, start_and_are_joined)
{
    over_seeds(start_and_join, NULL);
}

WEIR_TEST(sim_threads, run_in_the_order_of_the_seed)
{
    int first_seen = 0; /* Bits: who was first. */
    int last_seen = 0;
    uint64_t seed;

    for (seed = 0; seed < SEEDS; seed++) {
        (void)world_run(seed, start_and_join, NULL);
        first_seen |= 1 << order.order[0];
        last_seen |= 1 << order.order[THREADS - 1];
    }
    CHECK(first_seen & (first_seen - 1));
    CHECK_EQ(last_seen, (1 << THREADS) - 1);
}

/* Mutexes. */

enum { ROUNDS = 10 };

struct counter {
    weir_sys_mutex mutex;
    bool is_inside;
    bool is_locked; /* Whether the threads lock at all. */
    int count;
    int contended; /* Somebody was inside. */
};

static void add_one(struct counter *counter)
{
    int count = counter->count;

    counter->contended += counter->is_inside;
    counter->is_inside = true;
    weir_interleave();
    counter->count = count + 1;
    counter->is_inside = false;
}

static void count_up(void *argument)
{
    struct counter *counter = argument;
    int i;

    for (i = 0; i < ROUNDS; i++) {
        if (counter->is_locked)
            weir_sys_mutex_lock(&counter->mutex);
        add_one(counter);
        if (counter->is_locked)
            weir_sys_mutex_unlock(&counter->mutex);
    }
}

static void count_together(void *argument)
{
    struct counter *counter = argument;

    counter->is_inside = false;
    counter->count = 0;
    counter->contended = 0;
    weir_sys_mutex_init(&counter->mutex);
    run_threads(THREADS, count_up, counter);
    weir_sys_mutex_fini(&counter->mutex);
    if (counter->is_locked) {
        CHECK_EQ(counter->contended, 0);
        CHECK_EQ(counter->count, THREADS * ROUNDS);
    }
}

WEIR_TEST(sim_threads, a_mutex_lets_one_in)
{
    struct counter counter = {.is_locked = true};

    over_seeds(count_together, &counter);
}

WEIR_TEST(sim_threads, without_a_mutex_updates_are_lost)
{
    struct counter counter = {.is_locked = false};
    int lost = 0;
    uint64_t seed;

    for (seed = 0; seed < SEEDS; seed++) {
        (void)world_run(seed, count_together, &counter);
        lost += counter.count < THREADS * ROUNDS;
    }
    CHECK(lost > 0 && lost < SEEDS); /* Some worlds hardly interleave. */
}

/* Two threads that lock in opposite orders. */
static weir_sys_mutex left;
static weir_sys_mutex right;

static void lock_both(weir_sys_mutex *first, weir_sys_mutex *second)
{
    weir_sys_mutex_lock(first);
    weir_sys_mutex_lock(second);
    weir_sys_mutex_unlock(second);
    weir_sys_mutex_unlock(first);
}

static void lock_right_first(void *argument)
{
    (void)argument;
    lock_both(&right, &left);
}

static void lock_left_first(void *argument)
{
    weir_sys_thread thread;

    (void)argument;
    weir_sys_mutex_init(&left);
    weir_sys_mutex_init(&right);
    CHECK_EQ(weir_sys_thread_start(&thread, lock_right_first, NULL), 0);
    lock_both(&left, &right);
    weir_sys_thread_join(&thread);
    weir_sys_mutex_fini(&left);
    weir_sys_mutex_fini(&right);
}

WEIR_TEST(sim_threads, a_deadlock_is_found)
{
    static weir_sim *sim; /* One that hangs cannot be freed. */
    int went_well = 0;
    int error = 0;
    uint64_t seed;

    for (seed = 0; error == 0 && seed < 100 * SEEDS; seed++) {
        sim = world_new(seed, lock_left_first, NULL);
        error = weir_sim_run(sim, WEIR_SIM_TO_THE_END);
        if (error == 0) {
            weir_sim_free(sim);
            went_well++;
        }
    }
    CHECK_EQ(error, -EDEADLK);
    CHECK(went_well > 0);
}

/* Conditions. */

struct rally {
    weir_sys_mutex mutex;
    weir_sys_condition condition;
    int turn; /* Whose it is. */
    int hits;
    int next_player;
    int woken_for_nothing;
};

static void rally_wait(struct rally *rally, int player)
{
    int hits = rally->hits;

    while (rally->turn != player) {
        weir_sys_condition_wait(&rally->condition, &rally->mutex);
        rally->woken_for_nothing += rally->turn != player && rally->hits == hits;
        hits = rally->hits;
    }
}

/* A broadcast is for all, a signal enough for two. */
static void play(void *argument)
{
    struct rally *rally = argument;
    int player;
    int i;

    weir_sys_mutex_lock(&rally->mutex);
    player = rally->next_player++;
    for (i = 0; i < ROUNDS; i++) {
        rally_wait(rally, player);
        rally->turn = (player + 1) % 2;
        rally->hits++;
        weir_sys_condition_signal(&rally->condition);
    }
    weir_sys_mutex_unlock(&rally->mutex);
}

static void play_rally(void *argument)
{
    struct rally *rally = argument;

    memset(rally, 0, sizeof *rally);
    weir_sys_mutex_init(&rally->mutex);
    weir_sys_condition_init(&rally->condition);
    run_threads(2, play, rally);
    weir_sys_condition_fini(&rally->condition);
    weir_sys_mutex_fini(&rally->mutex);
    CHECK_EQ(rally->hits, 2 * ROUNDS);
}

WEIR_TEST(sim_threads, no_signal_is_lost)
{
    struct rally rally;

    over_seeds(play_rally, &rally);
}

WEIR_TEST(sim_threads, waits_end_for_nothing_when_that_fault_is_on)
{
    int woken_for_nothing[2] = {0, 0};
    uint64_t seed;

    for (seed = 0; seed < SEEDS; seed++) {
        weir_sim_options options = {.seed = seed, .faults.spurious_wakeup = seed % 2 ? 300 : 0};
        weir_sim *sim = weir_sim_new(&options);
        struct rally rally;

        weir_sim_start(weir_sim_host_new(sim, "host"), "main", play_rally, &rally);
        CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
        woken_for_nothing[seed % 2] += rally.woken_for_nothing;
        weir_sim_free(sim);
    }
    CHECK_EQ(woken_for_nothing[0], 0);
    CHECK(woken_for_nothing[1] > 0);
}

/* Producers and consumers. */

enum { ROOM = 3 };

struct queue {
    weir_sys_mutex mutex;
    weir_sys_condition has_items;
    weir_sys_condition has_room;
    int items[ROOM];
    int count;
    int taken[2 * ROUNDS]; /* How often each was. */
    int next_producer;
};

static void put(struct queue *queue, int item)
{
    weir_sys_mutex_lock(&queue->mutex);
    while (queue->count == ROOM)
        weir_sys_condition_wait(&queue->has_room, &queue->mutex);
    queue->items[queue->count++] = item;
    weir_sys_mutex_unlock(&queue->mutex);
    weir_sys_condition_signal(&queue->has_items);
}

static int take(struct queue *queue)
{
    int item;

    weir_sys_mutex_lock(&queue->mutex);
    while (queue->count == 0)
        weir_sys_condition_wait(&queue->has_items, &queue->mutex);
    item = queue->items[--queue->count];
    weir_sys_condition_signal(&queue->has_room);
    weir_sys_mutex_unlock(&queue->mutex);
    return item;
}

static void produce_or_consume(void *argument)
{
    struct queue *queue = argument;
    int number = queue->next_producer++;
    int i;

    for (i = 0; i < ROUNDS; i++) {
        if (number < 2)
            put(queue, number * ROUNDS + i);
        else
            queue->taken[take(queue)]++;
    }
}

static void trade(void *argument)
{
    struct queue *queue = argument;
    int i;

    memset(queue, 0, sizeof *queue);
    weir_sys_mutex_init(&queue->mutex);
    weir_sys_condition_init(&queue->has_items);
    weir_sys_condition_init(&queue->has_room);
    run_threads(4, produce_or_consume, queue);
    weir_sys_condition_fini(&queue->has_room);
    weir_sys_condition_fini(&queue->has_items);
    weir_sys_mutex_fini(&queue->mutex);
    for (i = 0; i < 2 * ROUNDS; i++)
        CHECK_EQ(queue->taken[i], 1);
}

WEIR_TEST(sim_threads, producers_meet_consumers)
{
    struct queue queue;

    over_seeds(trade, &queue);
}

/* A barrier: nobody passes before all have come. */
struct barrier {
    weir_sys_mutex mutex;
    weir_sys_condition all_here;
    int here;
    int laps;
    int seen[ROUNDS];
};

static void pass(struct barrier *barrier)
{
    int lap;

    weir_sys_mutex_lock(&barrier->mutex);
    lap = barrier->laps;
    if (++barrier->here == THREADS) {
        barrier->here = 0;
        barrier->laps++;
        weir_sys_condition_broadcast(&barrier->all_here);
    }
    while (barrier->laps == lap)
        weir_sys_condition_wait(&barrier->all_here, &barrier->mutex);
    weir_sys_mutex_unlock(&barrier->mutex);
}

static void run_laps(void *argument)
{
    struct barrier *barrier = argument;
    int i;

    for (i = 0; i < ROUNDS; i++) {
        barrier->seen[i]++;
        pass(barrier);
        CHECK_EQ(barrier->seen[i], THREADS);
    }
}

static void race(void *argument)
{
    struct barrier *barrier = argument;

    memset(barrier, 0, sizeof *barrier);
    weir_sys_mutex_init(&barrier->mutex);
    weir_sys_condition_init(&barrier->all_here);
    run_threads(THREADS, run_laps, barrier);
    weir_sys_condition_fini(&barrier->all_here);
    weir_sys_mutex_fini(&barrier->mutex);
    CHECK_EQ(barrier->laps, ROUNDS);
}

WEIR_TEST(sim_threads, a_broadcast_wakes_all)
{
    struct barrier barrier;

    over_seeds(race, &barrier);
}

/* Scripts. */

static void lock_in_script(weir_sim *sim, void *argument)
{
    struct counter *counter = argument;

    (void)sim;
    weir_sys_mutex_lock(&counter->mutex);
    add_one(counter);
    weir_sys_mutex_unlock(&counter->mutex);
}

static void count_with_scripts(void *argument)
{
    weir_sim *sim = weir_sim_current();
    int64_t now_ns = weir_sim_outcome_get(sim).time_ns;
    struct counter *counter = argument;
    int i;

    memset(counter, 0, sizeof *counter);
    counter->is_locked = true;
    weir_sys_mutex_init(&counter->mutex);
    for (i = 0; i < ROUNDS; i++)
        weir_sim_at(sim, now_ns + (int64_t)weir_sim_random_below(sim, 20000), lock_in_script,
                    counter);
    run_threads(THREADS, count_up, counter);
    while (counter->count < THREADS * ROUNDS + ROUNDS && weir_sys_now_ns() < now_ns + 40000)
        weir_sys_yield();
    weir_sys_mutex_fini(&counter->mutex);
    CHECK_EQ(counter->contended, 0);
    CHECK_EQ(counter->count, THREADS * ROUNDS + ROUNDS);
}

WEIR_TEST(sim_threads, scripts_lock_what_programs_lock)
{
    struct counter counter;

    over_seeds(count_with_scripts, &counter);
}

/* Misuse. */

static void run_once(weir_sim_program_fn *main)
{
    (void)world_run(1, main, NULL);
}

static void lock_twice(void *argument)
{
    weir_sys_mutex mutex;

    (void)argument;
    weir_sys_mutex_init(&mutex);
    weir_sys_mutex_lock(&mutex);
    weir_sys_mutex_lock(&mutex);
}

WEIR_ABORT_TEST(sim_threads, locking_a_mutex_twice_aborts)
{
    run_once(lock_twice);
}

static void unlock_a_free_one(void *argument)
{
    weir_sys_mutex mutex;

    (void)argument;
    weir_sys_mutex_init(&mutex);
    weir_sys_mutex_unlock(&mutex);
}

WEIR_ABORT_TEST(sim_threads, unlocking_a_free_mutex_aborts)
{
    run_once(unlock_a_free_one);
}

static void unlock_it(void *argument)
{
    weir_sys_mutex_unlock(argument);
}

static void let_another_unlock(void *argument)
{
    weir_sys_mutex mutex;

    (void)argument;
    weir_sys_mutex_init(&mutex);
    weir_sys_mutex_lock(&mutex);
    run_threads(1, unlock_it, &mutex);
}

WEIR_ABORT_TEST(sim_threads, unlocking_the_mutex_of_another_aborts)
{
    run_once(let_another_unlock);
}

static void end_a_held_one(void *argument)
{
    weir_sys_mutex mutex;

    (void)argument;
    weir_sys_mutex_init(&mutex);
    weir_sys_mutex_lock(&mutex);
    weir_sys_mutex_fini(&mutex);
}

WEIR_ABORT_TEST(sim_threads, ending_a_held_mutex_aborts)
{
    run_once(end_a_held_one);
}

static void lock_an_ended_one(void *argument)
{
    weir_sys_mutex mutex;

    (void)argument;
    weir_sys_mutex_init(&mutex);
    weir_sys_mutex_fini(&mutex);
    weir_sys_mutex_lock(&mutex);
}

WEIR_ABORT_TEST(sim_threads, locking_an_ended_mutex_aborts)
{
    run_once(lock_an_ended_one);
}

static void wait_without_the_mutex(void *argument)
{
    weir_sys_condition condition;
    weir_sys_mutex mutex;

    (void)argument;
    weir_sys_mutex_init(&mutex);
    weir_sys_condition_init(&condition);
    weir_sys_condition_wait(&condition, &mutex);
}

WEIR_ABORT_TEST(sim_threads, waiting_without_the_mutex_aborts)
{
    run_once(wait_without_the_mutex);
}

static void wait_for_ever(void *argument)
{
    struct rally *rally = argument;

    weir_sys_mutex_lock(&rally->mutex);
    for (;;) {
        rally->hits++;
        weir_sys_condition_wait(&rally->condition, &rally->mutex);
    }
}

static void end_what_is_waited_for(void *argument)
{
    struct rally rally = {.hits = 0};
    weir_sys_thread thread;

    (void)argument;
    weir_sys_mutex_init(&rally.mutex);
    weir_sys_condition_init(&rally.condition);
    CHECK_EQ(weir_sys_thread_start(&thread, wait_for_ever, &rally), 0);
    while (!rally.hits)
        weir_sys_yield();
    weir_sys_mutex_lock(&rally.mutex);
    weir_sys_condition_fini(&rally.condition);
}

WEIR_ABORT_TEST(sim_threads, ending_a_condition_that_is_waited_for_aborts)
{
    run_once(end_what_is_waited_for);
}

static void do_nothing(void *argument)
{
    (void)argument;
}

static void forget_a_thread(void *argument)
{
    static weir_sys_thread thread;

    (void)argument;
    CHECK_EQ(weir_sys_thread_start(&thread, do_nothing, NULL), 0);
}

WEIR_ABORT_TEST(sim_threads, leaving_a_thread_unjoined_aborts)
{
    run_once(forget_a_thread);
}

static void join_twice(void *argument)
{
    weir_sys_thread thread;

    (void)argument;
    CHECK_EQ(weir_sys_thread_start(&thread, do_nothing, NULL), 0);
    weir_sys_thread_join(&thread);
    weir_sys_thread_join(&thread);
}

WEIR_ABORT_TEST(sim_threads, joining_a_thread_twice_aborts)
{
    run_once(join_twice);
}
