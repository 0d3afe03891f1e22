/* SPDX-License-Identifier: MIT */

/* Signal sets: each signal that comes is told, to everyone who asked, and to nobody else. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "fixture.h"

static void check_signal(weir_result r, int number)
{
    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, number);
}

static void check_error(weir_result r, int error)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, 0);
}

struct watching {
    struct fixture f;
    weir_signal_set set;
    struct op op;
};

static void watching_init(struct watching *t, const char *backend)
{
    fixture_init(&t->f, backend);
    CHECK_EQ(weir_signal_open(&t->set, t->f.loop), 0);
    CHECK_EQ(weir_signal_add(&t->set, SIGUSR1), 0);
}

static void close_set(struct fixture *f, weir_signal_set *set)
{
    struct op op;

    op_close_signals(f, &op, set);
    check_error(op_wait(f, &op), 0);
}

static void watching_fini(struct watching *t)
{
    close_set(&t->f, &t->set);
    fixture_fini(&t->f);
}

static weir_result next_signal(struct watching *t)
{
    op_signal_wait(&t->f, &t->op, &t->set);
    return op_wait(&t->f, &t->op);
}

/* Nothing has come: a wait waits. */
static void check_silent(struct watching *t)
{
    op_signal_wait(&t->f, &t->op, &t->set);
    fixture_turn(&t->f);
    CHECK(!t->op.job.done);
    op_stop(&t->op);
    check_error(op_wait(&t->f, &t->op), WEIR_CANCELLED);
}

/* Coming. */

WEIR_CONTRACT_TEST(signal, one_raised_in_the_loops_thread_ends_a_wait)
{
    struct watching t;

    watching_init(&t, backend);
    op_signal_wait(&t.f, &t.op, &t.set);
    fixture_turn(&t.f);
    CHECK_EQ(raise(SIGUSR1), 0);
    check_signal(op_wait(&t.f, &t.op), SIGUSR1);
    watching_fini(&t);
}

WEIR_CONTRACT_TEST(signal, one_that_came_before_the_wait_ends_it_at_once)
{
    struct watching t;

    watching_init(&t, backend);
    CHECK_EQ(raise(SIGUSR1), 0);
    check_signal(next_signal(&t), SIGUSR1);
    check_silent(&t);
    watching_fini(&t);
}

enum { KILLS = 100 };

/* Sends a signal each time it is told to. */
struct killer {
    weir_sys_thread thread;
    struct semaphore go;
};

static void killer_thread(void *argument)
{
    struct killer *self = argument;

    for (int i = 0; i < KILLS; i++) {
        semaphore_wait(&self->go);
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    }
}

static weir_task *provoke_and_wait(weir_task *task, struct op *op)
{
    struct killer *killer = op->target;

    semaphore_post(&killer->go);
    return weir_signal_wait(task, op->object);
}

WEIR_CONTRACT_TEST(signal, one_sent_by_another_thread_wakes_the_loop)
{
    struct watching t;
    struct killer killer;

    watching_init(&t, backend);
    semaphore_init(&killer.go);
    thread_start(&killer.thread, killer_thread, &killer);
    for (int i = 0; i < KILLS; i++) {
        t.op.object = &t.set;
        t.op.target = &killer;
        op_start(&t.f, &t.op, provoke_and_wait);
        check_signal(op_wait(&t.f, &t.op), SIGUSR1);
    }
    thread_join(&killer.thread);
    semaphore_fini(&killer.go);
    watching_fini(&t);
}

static weir_task *raise_and_wait(weir_task *task, struct op *op)
{
    CHECK_EQ(raise(SIGUSR1), 0);
    return weir_signal_wait(task, op->object);
}

WEIR_CONTRACT_TEST(signal, one_raised_by_a_task_is_told)
{
    struct watching t;

    watching_init(&t, backend);
    t.op.object = &t.set;
    op_start(&t.f, &t.op, raise_and_wait);
    check_signal(op_wait(&t.f, &t.op), SIGUSR1);
    watching_fini(&t);
}

WEIR_CONTRACT_TEST(signal, those_of_one_number_that_come_together_count_once)
{
    struct watching t;

    watching_init(&t, backend);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(raise(SIGUSR1), 0);
    check_signal(next_signal(&t), SIGUSR1);
    check_silent(&t);
    watching_fini(&t);
}

WEIR_CONTRACT_TEST(signal, the_lowest_number_is_told_first)
{
    struct watching t;

    watching_init(&t, backend);
    CHECK_EQ(weir_signal_add(&t.set, SIGUSR2), 0);
    CHECK_EQ(weir_signal_add(&t.set, SIGHUP), 0);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(raise(SIGHUP), 0);
    check_signal(next_signal(&t), SIGHUP);
    check_signal(next_signal(&t), SIGUSR1);
    check_signal(next_signal(&t), SIGUSR2);
    watching_fini(&t);
}

WEIR_CONTRACT_TEST(signal, two_sets_on_two_loops_are_both_told)
{
    struct watching a, b;

    watching_init(&a, backend);
    watching_init(&b, backend);
    CHECK_EQ(raise(SIGUSR1), 0);
    check_signal(next_signal(&b), SIGUSR1);
    check_signal(next_signal(&a), SIGUSR1);
    watching_fini(&b);
    watching_fini(&a);
}

WEIR_CONTRACT_TEST(signal, two_sets_on_one_loop_are_both_told)
{
    struct watching t;
    weir_signal_set other;

    watching_init(&t, backend);
    CHECK_EQ(weir_signal_open(&other, t.f.loop), 0);
    CHECK_EQ(weir_signal_add(&other, SIGUSR1), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    check_signal(next_signal(&t), SIGUSR1);
    op_signal_wait(&t.f, &t.op, &other);
    check_signal(op_wait(&t.f, &t.op), SIGUSR1);
    close_set(&t.f, &other);
    watching_fini(&t);
}

/* Adding and removing. */

WEIR_CONTRACT_TEST(signal, a_removed_one_is_not_told_though_it_came)
{
    struct watching t;

    watching_init(&t, backend);
    CHECK_EQ(raise(SIGUSR1), 0);
    weir_signal_remove(&t.set, SIGUSR1);
    check_silent(&t);
    weir_signal_remove(&t.set, SIGUSR1);
    CHECK_EQ(weir_signal_add(&t.set, SIGUSR1), 0);
    check_silent(&t);
    CHECK_EQ(raise(SIGUSR1), 0);
    check_signal(next_signal(&t), SIGUSR1);
    watching_fini(&t);
}

WEIR_CONTRACT_TEST(signal, one_that_cannot_be_caught_is_refused)
{
    static const int numbers[] = {SIGKILL, SIGSTOP, 0, -1, 65, 1000};
    struct watching t;

    watching_init(&t, backend);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        CHECK_EQ(weir_signal_add(&t.set, numbers[i]), -EINVAL);
    CHECK_EQ(weir_signal_add(&t.set, SIGUSR1), 0); /* Again: nothing changes. */
    CHECK_EQ(raise(SIGUSR1), 0);
    check_signal(next_signal(&t), SIGUSR1);
    watching_fini(&t);
}

static void mine(int number)
{
    (void)number;
}

static void check_mine(void)
{
    struct sigaction now;

    CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_handler == mine);
}

WEIR_CONTRACT_TEST(signal, the_previous_disposition_comes_back_with_the_last_set)
{
    struct sigaction before = {.sa_handler = mine};
    struct watching t;
    weir_signal_set other;

    CHECK_EQ(sigaction(SIGUSR1, &before, NULL), 0);
    watching_init(&t, backend);
    CHECK_EQ(weir_signal_open(&other, t.f.loop), 0);
    CHECK_EQ(weir_signal_add(&other, SIGUSR1), 0);
    close_set(&t.f, &other);
    CHECK_EQ(raise(SIGUSR1), 0);
    check_signal(next_signal(&t), SIGUSR1);
    weir_signal_remove(&t.set, SIGUSR1);
    check_mine();
    CHECK_EQ(weir_signal_add(&t.set, SIGUSR1), 0);
    watching_fini(&t);
    check_mine();
}

WEIR_CONTRACT_TEST(signal, a_process_has_room_for_sixty_four_sets)
{
    static weir_signal_set sets[WEIR_SIGNAL_SETS_MAX + 1];
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < WEIR_SIGNAL_SETS_MAX; i++)
        CHECK_EQ(weir_signal_open(&sets[i], f.loop), 0);
    CHECK_EQ(weir_signal_open(&sets[WEIR_SIGNAL_SETS_MAX], f.loop), -ENOSPC);
    close_set(&f, &sets[7]);
    CHECK_EQ(weir_signal_open(&sets[WEIR_SIGNAL_SETS_MAX], f.loop), 0);
    for (int i = 0; i <= WEIR_SIGNAL_SETS_MAX; i++)
        close_set(&f, &sets[i]);
    fixture_fini(&f);
}

/* Cancelling and closing. */

WEIR_CONTRACT_TEST(signal, a_cancelled_wait_leaves_the_signal_for_the_next)
{
    struct watching t;

    watching_init(&t, backend);
    for (int i = 0; i < 300; i++) {
        weir_result r;

        op_signal_wait(&t.f, &t.op, &t.set);
        if (i % 3)
            fixture_turn(&t.f);
        if (i % 2)
            op_stop(&t.op);
        CHECK_EQ(raise(SIGUSR1), 0);
        if (i % 2 == 0)
            op_stop(&t.op);
        r = op_wait(&t.f, &t.op);
        if (r.error) {
            check_error(r, WEIR_CANCELLED);
            r = next_signal(&t);
        }
        check_signal(r, SIGUSR1);
    }
    watching_fini(&t);
}

WEIR_CONTRACT_TEST(signal, a_close_cancels_the_wait)
{
    struct watching t;

    watching_init(&t, backend);
    op_signal_wait(&t.f, &t.op, &t.set);
    fixture_turn(&t.f);
    close_set(&t.f, &t.set);
    check_error(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    fixture_fini(&t.f);
}

WEIR_CONTRACT_TEST(signal, close_while_one_is_on_its_way)
{
    struct watching t;

    watching_init(&t, backend);
    for (int i = 0; i < 100; i++) {
        struct op close_op;

        op_close_signals(&t.f, &close_op, &t.set);
        if (i % 2)
            op_stop(&close_op); /* Shielded. */
        CHECK_EQ(raise(SIGUSR1), 0);
        check_error(op_wait(&t.f, &close_op), 0);
        close_set(&t.f, &t.set); /* It is closed: at once. */
        CHECK_EQ(weir_signal_open(&t.set, t.f.loop), 0);
        CHECK_EQ(weir_signal_add(&t.set, SIGUSR1), 0);
    }
    watching_fini(&t);
}

/* A storm. */

struct watcher {
    weir_task task;
    weir_signal_set *set;
    size_t count; /* Of SIGUSR1; SIGUSR2 ends it. */
};

static weir_task *watcher_resume(weir_task *task)
{
    struct watcher *self = WEIR_TASK_SELF(task, struct watcher);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_signal_wait(task, self->set));
        CHECK_EQ(r.error, 0);
        if (r.count == SIGUSR2)
            break;
        self->count++;
    }
    WEIR_RETURN(task, weir_result_of(0, self->count));
    WEIR_END(task);
}

/* Keeps the loop busy for as long as the watcher watches. */
struct worker {
    weir_task task;
    const weir_task *watcher;
    weir_tcp_socket *a;
    weir_tcp_socket *b;
    uint8_t byte;
};

static weir_task *worker_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->watcher->state != WEIR_TASK_DONE) {
        WEIR_AWAIT(task, r, weir_write(task, &self->a->stream.out, weir_const_buffer_of("x", 1)));
        CHECK_EQ(r.count, 1);
        WEIR_AWAIT(task, r, weir_read(task, &self->b->stream.in, weir_buffer_of(&self->byte, 1)));
        CHECK_EQ(r.count, 1);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void storm(void *argument)
{
    enum { SIGNALS = 10000 };

    (void)argument;
    for (int i = 0; i < SIGNALS; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        weir_interleave();
    }
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
}

WEIR_CONTRACT_TEST(signal, a_storm_loses_neither_the_last_signal_nor_the_work)
{
    struct watching t;
    struct watcher watcher = {.set = &t.set};
    struct worker worker = {.watcher = &watcher.task};
    weir_tcp_socket a, b;
    struct job job;
    weir_sys_thread thread;

    watching_init(&t, backend);
    CHECK_EQ(weir_signal_add(&t.set, SIGUSR2), 0);
    fixture_connect(&t.f, &a, &b);
    worker.a = &a;
    worker.b = &b;
    weir_task_init(&watcher.task, watcher_resume);
    weir_task_init(&worker.task, worker_resume);
    job_start(&t.f, &job, &watcher.task);
    thread_start(&thread, storm, NULL);
    check_error(fixture_run(&t.f, &worker.task), 0);
    thread_join(&thread);
    CHECK(job_wait(&t.f, &job).count > 0);
    fixture_close(&t.f, &a);
    fixture_close(&t.f, &b);
    watching_fini(&t);
}
