/* SPDX-License-Identifier: MIT */

/* Loops: which backend they get, what they count, and that they leave nothing behind. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* Choosing a backend. */

WEIR_CONTRACT_TEST(loop, the_environment_chooses_the_backend)
{
    weir_loop *loop;

    CHECK_EQ(setenv("WEIR_BACKEND", backend, 1), 0);
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    CHECK_STR_EQ(weir_loop_backend_name(loop), backend);
    weir_loop_free(loop);
}

WEIR_CONTRACT_TEST(loop, an_option_goes_before_the_environment)
{
    weir_loop_options options = {.backend = backend};
    weir_loop *loop;

    CHECK_EQ(setenv("WEIR_BACKEND", "nonsense", 1), 0);
    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    CHECK_STR_EQ(weir_loop_backend_name(loop), backend);
    weir_loop_free(loop);
}

WEIR_TEST(loop, an_unknown_backend_is_an_error)
{
    weir_loop_options options = {.backend = "nonsense"};
    weir_loop *loop = NULL;

    CHECK_EQ(weir_loop_new(&options, &loop), -EINVAL);
    CHECK(!loop);
    CHECK_EQ(weir_backend_probe("nonsense"), -EINVAL);
    CHECK_EQ(setenv("WEIR_BACKEND", "nonsense", 1), 0);
    CHECK_EQ(weir_loop_new(NULL, &loop), -EINVAL);
    CHECK(!loop);
}

WEIR_TEST(loop, an_empty_name_in_the_environment_is_none)
{
    weir_loop *loop;

    CHECK_EQ(setenv("WEIR_BACKEND", "", 1), 0);
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    weir_loop_free(loop);
}

WEIR_TEST(loop, the_first_backend_that_works_is_the_default)
{
    weir_loop *loop;
    size_t index = 0;

    CHECK_EQ(unsetenv("WEIR_BACKEND"), 0);
    while (weir_backend_probe(weir_backend_name_at(index)) != 0)
        index++;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    CHECK_STR_EQ(weir_loop_backend_name(loop), weir_backend_name_at(index));
    weir_loop_free(loop);
}

WEIR_CONTRACT_TEST_BUT_SIM(loop, every_backend_has_a_place_in_the_order,
                           "a world has one backend, and nothing to choose")
{
    size_t index = 0;

    while (weir_backend_name_at(index) && strcmp(weir_backend_name_at(index), backend) != 0)
        index++;
    CHECK_STR_EQ(weir_backend_name_at(index), backend);
    CHECK_EQ(weir_backend_probe(backend), 0);
    CHECK(!weir_backend_name_at(1000));
}

/* Running and counting. */

WEIR_CONTRACT_TEST(loop, a_run_without_a_tree_returns)
{
    struct fixture f;

    fixture_init(&f, backend);
    weir_loop_run(f.loop);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(loop, a_run_returns_when_no_tree_lives)
{
    struct fixture f;
    struct op ops[3];

    fixture_init(&f, backend);
    for (int i = 0; i < 3; i++)
        op_sleep_until(&f, &ops[i], weir_now_ns() + i * MILLISECOND_NS / 2);
    weir_loop_run(f.loop);
    for (int i = 0; i < 3; i++)
        CHECK(ops[i].job.done);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(loop, it_counts_what_it_does)
{
    weir_loop_statistics before, after;
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    before = weir_loop_statistics_get(f.loop);
    op_sleep_until(&f, &op, weir_now_ns() + 2 * MILLISECOND_NS);
    (void)op_wait(&f, &op);
    after = weir_loop_statistics_get(f.loop);
    CHECK(after.iterations > before.iterations);
    CHECK(after.resumptions > before.resumptions);
    CHECK(after.sleeps > before.sleeps);
    CHECK_EQ(after.accepts_backed_off, 0);
    CHECK_EQ(after.overflows, 0);
    fixture_fini(&f);
}

/* An exchange of single bytes with oneself. */

struct exchange {
    weir_task task;
    weir_tcp_socket *a;
    weir_tcp_socket *b;
    int left;
    uint8_t byte;
};

static weir_task *exchange_resume(weir_task *task)
{
    struct exchange *self = WEIR_TASK_SELF(task, struct exchange);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->left-- > 0) {
        WEIR_AWAIT(task, r, weir_write(task, &self->a->stream.out, weir_const_buffer_of("x", 1)));
        CHECK_EQ(r.error, 0);
        WEIR_AWAIT(task, r, weir_read(task, &self->b->stream.in, weir_buffer_of(&self->byte, 1)));
        CHECK_EQ(r.count, 1);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void run_exchange(struct fixture *f, int count)
{
    struct exchange exchange = {.left = count};
    weir_tcp_socket a, b;

    fixture_connect(f, &a, &b);
    exchange.a = &a;
    exchange.b = &b;
    weir_task_init(&exchange.task, exchange_resume);
    CHECK_EQ(fixture_run(f, &exchange.task).error, 0);
    fixture_close(f, &a);
    fixture_close(f, &b);
}

WEIR_CONTRACT_TEST(loop, it_works_without_spinning)
{
    weir_loop_options options = {.backend = backend, .spin_ns_max = -1};
    weir_loop_statistics statistics;
    struct fixture f;

    fixture_init_with(&f, &options);
    run_exchange(&f, 500);
    statistics = weir_loop_statistics_get(f.loop);
    CHECK_EQ(statistics.spin_hits, 0);
    CHECK_EQ(statistics.spin_misses, 0);
    fixture_fini(&f);
}

/* A dialogue of single bytes with another thread, which answers soon and not at once. */

struct dialogue {
    struct fixture f;
    weir_tcp_socket socket;
    int peer;
    weir_sys_thread thread;
};

static void answer(void *argument)
{
    const struct dialogue *self = argument;
    uint8_t byte;

    while (raw_receive(self->peer, &byte, 1) == 1)
        raw_send(self->peer, &byte, 1);
}

static void dialogue_init(struct dialogue *self, const weir_loop_options *options)
{
    fixture_init_with(&self->f, options);
    self->peer = fixture_connect_raw(&self->f, &self->socket);
    thread_start(&self->thread, answer, self);
}

static void dialogue_fini(struct dialogue *self)
{
    fixture_close(&self->f, &self->socket);
    thread_join(&self->thread);
    raw_close(self->peer);
    fixture_fini(&self->f);
}

/* Returns what the loop has counted. */
static weir_loop_statistics ask(struct dialogue *self)
{
    struct op write_op;
    struct op read_op;
    uint8_t byte;

    op_write(&self->f, &write_op, &self->socket, "x", 1);
    CHECK_EQ(op_wait(&self->f, &write_op).error, 0);
    op_read(&self->f, &read_op, &self->socket, &byte, 1);
    CHECK_EQ(op_wait(&self->f, &read_op).count, 1);
    return weir_loop_statistics_get(self->f.loop);
}

/* On one, the thread that answers takes the processor, which ends the spin. */
static void require_two_processors(void)
{
    cpu_set_t processors;

    CHECK_EQ(sched_getaffinity(0, sizeof processors, &processors), 0);
    if (CPU_COUNT(&processors) < 2)
        test_skip("one processor: nobody answers while a loop spins");
}

WEIR_KERNEL_TEST(loop, it_counts_its_spins)
{
    const weir_loop_options options = {.backend = backend};
    weir_loop_statistics statistics;
    struct dialogue t;

    require_two_processors();
    dialogue_init(&t, &options);
    do /* Where others need the processors none may hit: tests/unit/test_loop_spin.c has hits. */
        statistics = ask(&t);
    while (statistics.spin_hits == 0 && statistics.spin_misses == 0);
    dialogue_fini(&t);
}

WEIR_KERNEL_TEST(loop, told_not_to_spin_it_never_does)
{
    const weir_loop_options options = {.backend = backend, .spin_ns_max = -1};
    weir_loop_statistics statistics;
    struct dialogue t;

    dialogue_init(&t, &options);
    do
        statistics = ask(&t);
    while (statistics.sleeps < 20); /* There was reason to. */
    CHECK_EQ(statistics.spin_hits, 0);
    CHECK_EQ(statistics.spin_misses, 0);
    dialogue_fini(&t);
}

WEIR_CONTRACT_TEST(loop, it_works_with_a_budget_of_one)
{
    weir_loop_options options = {.backend = backend, .budget = 1};
    struct fixture f;

    fixture_init_with(&f, &options);
    run_exchange(&f, 200);
    fixture_fini(&f);
}

/* Life. */

WEIR_CONTRACT_TEST(loop, a_hundred_loops_in_a_row_leave_nothing)
{
    int before = raw_descriptor_count();
    struct fixture f;

    for (int i = 0; i < 100; i++) {
        fixture_init(&f, backend);
        if (i % 10 == 0)
            run_exchange(&f, 3);
        fixture_fini(&f);
    }
    CHECK_EQ(raw_descriptor_count(), before);
}

WEIR_CONTRACT_TEST(loop, many_loops_live_at_once)
{
    enum { COUNT = 20 }; /* More than a thread has slots for registered rings. */
    struct fixture f[COUNT];

    for (int i = 0; i < COUNT; i++)
        fixture_init(&f[i], backend);
    for (int i = 0; i < COUNT; i++)
        run_exchange(&f[i], 3);
    for (int i = COUNT - 1; i >= 0; i--)
        fixture_fini(&f[i]);
}

static weir_task *pause_resume(weir_task *task)
{
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, MILLISECOND_NS));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void run_and_free(void *argument)
{
    weir_loop *loop = argument;
    weir_task task;

    weir_task_init(&task, pause_resume);
    CHECK_EQ(weir_run(loop, &task).error, 0);
    weir_loop_free(loop);
}

WEIR_CONTRACT_TEST(loop, it_belongs_to_the_thread_that_first_runs_it)
{
    weir_loop_options options = {.backend = backend};
    weir_sys_thread thread;
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    thread_start(&thread, run_and_free, loop);
    thread_join(&thread);
}

/* More than the queues hold. */

enum { CROWD = 64 };

struct crowd {
    struct fixture f;
    weir_tcp_socket sockets[CROWD];
    int peers[CROWD];
    struct op ops[CROWD];
    uint8_t bytes[CROWD];
};

static void crowd_init(struct crowd *t, const char *backend)
{
    weir_loop_options options = {.backend = backend, .queue_depth = 8};

    fixture_init_with(&t->f, &options);
    for (int i = 0; i < CROWD; i++)
        t->peers[i] = fixture_connect_raw(&t->f, &t->sockets[i]);
}

static void crowd_read(struct crowd *t)
{
    for (int i = 0; i < CROWD; i++)
        op_read_some(&t->f, &t->ops[i], &t->sockets[i], &t->bytes[i], 1);
}

static void crowd_fini(struct crowd *t)
{
    struct op ops[CROWD];

    for (int i = 0; i < CROWD; i++)
        op_close(&t->f, &ops[i], &t->sockets[i]);
    for (int i = 0; i < CROWD; i++) {
        CHECK_EQ(op_wait(&t->f, &ops[i]).error, 0);
        raw_close(t->peers[i]);
    }
    fixture_fini(&t->f);
}

WEIR_CONTRACT_TEST(loop, more_operations_than_the_queue_holds_all_complete)
{
    static struct crowd t; /* Large for the stack of a simulated program. */

    crowd_init(&t, backend);
    for (int round = 0; round < 20; round++) {
        crowd_read(&t);
        if (round % 2)
            fixture_turn(&t.f);
        for (int i = 0; i < CROWD; i++)
            raw_send(t.peers[i], &(uint8_t){(uint8_t)(i + round)}, 1);
        for (int i = 0; i < CROWD; i++) {
            CHECK_EQ(op_wait(&t.f, &t.ops[i]).count, 1);
            CHECK_EQ(t.bytes[i], (uint8_t)(i + round));
        }
    }
    crowd_fini(&t);
}

WEIR_CONTRACT_TEST(loop, more_cancels_than_the_queue_holds_all_arrive)
{
    static struct crowd t;

    crowd_init(&t, backend);
    for (int round = 0; round < 20; round++) {
        crowd_read(&t);
        if (round % 2)
            fixture_turn(&t.f);
        for (int i = 0; i < CROWD; i++)
            op_stop(&t.ops[i]);
        for (int i = 0; i < CROWD; i++)
            CHECK_EQ(op_wait(&t.f, &t.ops[i]).error, WEIR_CANCELLED);
    }
    crowd_fini(&t);
}

WEIR_CONTRACT_TEST(loop, more_closes_than_the_queue_holds_end_what_is_in_flight)
{
    static struct crowd t;
    struct op ops[CROWD];

    crowd_init(&t, backend);
    crowd_read(&t);
    fixture_turn(&t.f);
    for (int i = 0; i < CROWD; i++)
        op_close(&t.f, &ops[i], &t.sockets[i]);
    for (int i = 0; i < CROWD; i++) {
        CHECK_EQ(op_wait(&t.f, &ops[i]).error, 0);
        CHECK_EQ(op_wait(&t.f, &t.ops[i]).error, WEIR_CANCELLED);
    }
    crowd_fini(&t);
}

/* Dumps. */

struct dumped {
    weir_task task;
    weir_tcp_socket *socket;
    uint8_t byte;
};

static weir_task *read_byte(struct dumped *self)
{
    return weir_read_some(&self->task, &self->socket->stream.in, weir_buffer_of(&self->byte, 1));
}

enum { DUMPED_LINE = __LINE__ + 8 };

static weir_task *dumped_resume(weir_task *task)
{
    struct dumped *self = WEIR_TASK_SELF(task, struct dumped);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, read_byte(self)); /* On one line: compilers differ on which of several. */
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void check_dump(const char *text)
{
    char expected[128];

    snprintf(expected, sizeof expected, "dumped_resume at %s:%d, waits for receive\n", __FILE__,
             DUMPED_LINE);
    if (!strstr(text, expected))
        test_fail(__FILE__, __LINE__, "no \"%s\" in:\n%s", expected, text);
}

WEIR_CONTRACT_TEST(loop, a_dump_names_what_each_task_waits_for_with_file_and_line)
{
    struct dumped dumped;
    weir_tcp_socket socket;
    struct fixture f;
    struct job job;
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    int peer;

    fixture_init(&f, backend);
    peer = fixture_connect_raw(&f, &socket);
    dumped.socket = &socket;
    weir_task_init(&dumped.task, dumped_resume);
    job_start(&f, &job, &dumped.task);
    fixture_turn(&f);
    CHECK_EQ(weir_loop_dump(f.loop, stream), 1);
    CHECK_EQ(fclose(stream), 0);
    check_dump(text);
    free(text);
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    CHECK_EQ(job_wait(&f, &job).error, WEIR_CANCELLED);
    fixture_close(&f, &socket);
    raw_close(peer);
    fixture_fini(&f);
}
