/* SPDX-License-Identifier: MIT */

/* Bridges between two loops on two threads, and the wakes that they rest on. */
#include <errno.h>
#include <stdlib.h>

#include "fixture.h"

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

/* A loop here and one on another thread. */
struct crossing {
    struct fixture f;
    struct side side;
};

static void crossing_init_with(struct crossing *t, const weir_loop_options *options)
{
    fixture_init_with(&t->f, options);
    side_start(&t->side, options);
}

static void crossing_init(struct crossing *t, const char *backend)
{
    weir_loop_options options = {.backend = backend};

    crossing_init_with(t, &options);
}

static void crossing_fini(struct crossing *t)
{
    side_stop(&t->side);
    fixture_fini(&t->f);
}

/* A task that yields some times over there, then returns what it was given. */
struct guest {
    weir_task task;
    int yields;
    weir_result result;
    const void *ran_on; /* weir_thread_identity. */
};

static weir_task *guest_resume(weir_task *task)
{
    struct guest *self = WEIR_TASK_SELF(task, struct guest);

    WEIR_BEGIN(task);
    self->ran_on = weir_thread_identity();
    while (self->yields-- > 0 && !weir_task_stop_bits(task))
        WEIR_YIELD(task);
    if (weir_task_stop_bits(task))
        self->result = weir_result_of(weir_task_stop_error(task), 0);
    WEIR_RETURN(task, self->result);
    WEIR_END(task);
}

/* A task that crosses once. */
struct traveller {
    weir_task task;
    weir_bridge bridge;
    weir_executor *there;
    struct guest guest;
};

static weir_task *traveller_resume(weir_task *task)
{
    struct traveller *self = WEIR_TASK_SELF(task, struct traveller);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->guest.task, guest_resume);
    WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->there, &self->guest.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void traveller_init(struct traveller *self, struct crossing *t, weir_result result)
{
    self->there = weir_loop_executor(t->side.loop);
    self->guest.yields = 0;
    self->guest.result = result;
    weir_task_init(&self->task, traveller_resume);
}

WEIR_CONTRACT_TEST(bridge, a_task_runs_on_the_other_loop_and_its_result_comes_home)
{
    struct traveller traveller;
    struct crossing t;

    crossing_init(&t, backend);
    traveller_init(&traveller, &t, weir_result_of(-7, 42));
    check_result(fixture_run(&t.f, &traveller.task), -7, 42);
    CHECK(traveller.guest.ran_on == t.side.identity);
    crossing_fini(&t);
}

/* A guest that awaits I/O of its own loop. */
struct sleeper {
    weir_task task;
    int64_t until_ns;
};

static weir_task *sleeper_resume(weir_task *task)
{
    struct sleeper *self = WEIR_TASK_SELF(task, struct sleeper);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_until(task, self->until_ns));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct patient {
    weir_task task;
    weir_bridge bridge;
    weir_executor *there;
    int64_t patience_ns; /* In: a deadline at home; 0: none. */
    weir_deadline deadline;
    struct sleeper sleeper;
};

static weir_task *patient_resume(weir_task *task)
{
    struct patient *self = WEIR_TASK_SELF(task, struct patient);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->sleeper.task, sleeper_resume);
    if (self->patience_ns > 0)
        weir_deadline_arm_after(task, &self->deadline, self->patience_ns);
    WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->there, &self->sleeper.task));
    (void)weir_deadline_disarm(task, &self->deadline);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void patient_init(struct patient *self, struct crossing *t, int64_t until_ns)
{
    self->there = weir_loop_executor(t->side.loop);
    self->patience_ns = 0;
    self->deadline = (weir_deadline){.armed = false};
    self->sleeper.until_ns = until_ns;
    weir_task_init(&self->task, patient_resume);
}

WEIR_CONTRACT_TEST(bridge, a_guest_awaits_timers_of_the_loop_it_is_on)
{
    struct patient patient;
    struct crossing t;

    crossing_init(&t, backend);
    patient_init(&patient, &t, weir_now_ns() + 2 * MILLISECOND_NS);
    check_result(fixture_run(&t.f, &patient.task), 0, 0);
    CHECK(weir_now_ns() >= patient.sleeper.until_ns);
    crossing_fini(&t);
}

WEIR_CONTRACT_TEST(bridge, a_stop_at_home_reaches_the_guest)
{
    struct patient patient;
    struct crossing t;
    struct job job;

    crossing_init(&t, backend);
    patient_init(&patient, &t, INT64_MAX);
    job_start(&t.f, &job, &patient.task);
    fixture_turn(&t.f);
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    check_result(job_wait(&t.f, &job), WEIR_CANCELLED, 0);
    crossing_fini(&t);
}

WEIR_CONTRACT_TEST(bridge, a_stop_before_it_runs_nothing)
{
    struct traveller traveller;
    struct crossing t;
    struct job job;

    crossing_init(&t, backend);
    traveller_init(&traveller, &t, weir_result_of(0, 1));
    job_start(&t.f, &job, &traveller.task);
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    (void)job_wait(&t.f, &job);
    if (job.result.error)
        CHECK_EQ(job.result.error, WEIR_CANCELLED);
    crossing_fini(&t);
}

WEIR_CONTRACT_TEST(bridge, a_deadline_at_home_reaches_the_guest)
{
    struct patient patient;
    struct crossing t;

    crossing_init(&t, backend);
    patient_init(&patient, &t, INT64_MAX);
    patient.patience_ns = MILLISECOND_NS;
    check_result(fixture_run(&t.f, &patient.task), WEIR_TIMED_OUT, 0);
    CHECK(patient.deadline.passed);
    crossing_fini(&t);
}

/* Stops that race the end of the guest. */

WEIR_CONTRACT_TEST(bridge, stop_against_the_end_of_the_guest)
{
    enum { ROUNDS = 1500 };
    struct traveller traveller;
    struct crossing t;
    struct job job;

    crossing_init(&t, backend);
    for (int round = 0; round < ROUNDS; round++) {
        weir_result r;

        traveller_init(&traveller, &t, weir_result_of(0, 1));
        traveller.guest.yields = round % 20;
        job_start(&t.f, &job, &traveller.task);
        for (int turns = round % 3; turns > 0 && !job.done; turns--)
            fixture_turn(&t.f);
        if (!job.done)
            weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
        r = job_wait(&t.f, &job);
        if (r.error)
            check_result(r, WEIR_CANCELLED, 0);
        else
            CHECK_EQ(r.count, 1);
    }
    crossing_fini(&t);
}

/* Stops the guest's tree from the other loop while home stops its own. */
struct assassin {
    weir_task task;
    weir_root root;
    weir_task *victim; /* On the same loop. */
    struct semaphore done;
};

static weir_task *assassin_resume(weir_task *task)
{
    struct assassin *self = WEIR_TASK_SELF(task, struct assassin);

    WEIR_BEGIN(task);
    if (self->victim->state != WEIR_TASK_NEW && self->victim->state != WEIR_TASK_DONE)
        weir_task_stop(self->victim, WEIR_STOP_REQUESTED);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void assassin_done(weir_root *root, weir_result result)
{
    struct assassin *self = root->user;

    (void)result;
    semaphore_post(&self->done);
}

WEIR_CONTRACT_TEST(bridge, stops_from_both_sides_meet)
{
    enum { ROUNDS = 500 };
    struct assassin assassin;
    struct patient patient;
    struct crossing t;
    struct job job;

    crossing_init(&t, backend);
    semaphore_init(&assassin.done);
    for (int round = 0; round < ROUNDS; round++) {
        patient_init(&patient, &t, INT64_MAX);
        job_start(&t.f, &job, &patient.task);
        fixture_turn(&t.f); /* The guest is posted before the assassin, and so begins before. */
        assassin.victim = &patient.sleeper.task;
        weir_task_init(&assassin.task, assassin_resume);
        weir_run_async(patient.there, &assassin.root, &assassin.task, assassin_done, &assassin);
        if (round % 2)
            weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
        check_result(job_wait(&t.f, &job), WEIR_CANCELLED, 0);
        semaphore_wait(&assassin.done);
    }
    semaphore_fini(&assassin.done);
    crossing_fini(&t);
}

/* Many at once. */

WEIR_CONTRACT_TEST(bridge, many_are_crossed_at_once)
{
    enum { COUNT = 64, ROUNDS = 20 };
    struct traveller *travellers = calloc(COUNT, sizeof *travellers);
    struct job *jobs = calloc(COUNT, sizeof *jobs);
    struct crossing t;

    crossing_init(&t, backend);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            traveller_init(&travellers[i], &t, weir_result_of(0, i));
            travellers[i].guest.yields = (int)i % 5;
            job_start(&t.f, &jobs[i], &travellers[i].task);
        }
        for (size_t i = 0; i < COUNT; i++)
            check_result(job_wait(&t.f, &jobs[i]), 0, i);
    }
    crossing_fini(&t);
    free(travellers);
    free(jobs);
}

/* Waking. */

/* Crosses many times in a row: each time one loop sleeps until the other wakes it. */
struct pingpong {
    weir_task task;
    weir_bridge bridge;
    weir_executor *there;
    struct guest guest;
    int left;
};

static weir_task *pingpong_resume(weir_task *task)
{
    struct pingpong *self = WEIR_TASK_SELF(task, struct pingpong);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->left-- > 0) {
        self->guest.yields = 0;
        self->guest.result = weir_result_of(0, (size_t)self->left);
        weir_task_init(&self->guest.task, guest_resume);
        WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->there, &self->guest.task));
        CHECK_EQ(r.count, self->left);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void play(const char *backend, int64_t spin_ns_max)
{
    weir_loop_options options = {.backend = backend, .spin_ns_max = spin_ns_max};
    struct pingpong pingpong = {.left = 10000};
    struct crossing t;

    crossing_init_with(&t, &options);
    pingpong.there = weir_loop_executor(t.side.loop);
    weir_task_init(&pingpong.task, pingpong_resume);
    check_result(fixture_run(&t.f, &pingpong.task), 0, 0);
    CHECK(spin_ns_max >= 0 || weir_loop_statistics_get(t.f.loop).wakeups > 0);
    crossing_fini(&t);
}

WEIR_CONTRACT_TEST(bridge, no_wake_between_loops_that_sleep_is_lost)
{
    play(backend, -1);
}

WEIR_CONTRACT_TEST(bridge, no_wake_between_loops_that_spin_is_lost)
{
    play(backend, 0);
}

/* A task posted by a plain thread, which waits until it has run. */
struct delivery {
    weir_task task;
    weir_root root;
    struct semaphore done;
};

static weir_task *delivery_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void delivery_done(weir_root *root, weir_result result)
{
    struct delivery *self = root->user;

    (void)result;
    semaphore_post(&self->done);
}

WEIR_CONTRACT_TEST(bridge, no_wake_by_a_plain_thread_is_lost)
{
    enum { ROUNDS = 10000 };
    weir_loop_options options = {.backend = backend, .spin_ns_max = -1};
    struct delivery delivery;
    struct side side;

    side_start(&side, &options);
    semaphore_init(&delivery.done);
    for (int round = 0; round < ROUNDS; round++) {
        weir_task_init(&delivery.task, delivery_resume);
        weir_run_async(weir_loop_executor(side.loop), &delivery.root, &delivery.task, delivery_done,
                       &delivery);
        semaphore_wait(&delivery.done);
    }
    semaphore_fini(&delivery.done);
    side_stop(&side);
}

/* Posts a task to the other loop and returns, and with it its own loop. */
struct poster {
    weir_task task;
    weir_executor *there;
    struct delivery *delivery;
};

static weir_task *poster_resume(weir_task *task)
{
    struct poster *self = WEIR_TASK_SELF(task, struct poster);

    WEIR_BEGIN(task);
    weir_task_init(&self->delivery->task, delivery_resume);
    weir_run_async(self->there, &self->delivery->root, &self->delivery->task, delivery_done,
                   self->delivery);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(bridge, what_a_task_posts_last_arrives_though_its_loop_runs_no_more)
{
    enum { ROUNDS = 200 };
    weir_loop_options options = {.backend = backend, .spin_ns_max = -1};
    struct delivery delivery;
    struct poster poster = {.delivery = &delivery};
    struct crossing t;

    crossing_init_with(&t, &options);
    semaphore_init(&delivery.done);
    poster.there = weir_loop_executor(t.side.loop);
    for (int round = 0; round < ROUNDS; round++) {
        weir_task_init(&poster.task, poster_resume);
        check_result(fixture_run(&t.f, &poster.task), 0, 0);
        semaphore_wait(&delivery.done);
    }
    semaphore_fini(&delivery.done);
    crossing_fini(&t);
}
