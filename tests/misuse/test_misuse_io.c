/* SPDX-License-Identifier: MIT */

/* What callers of I/O do wrong is asserted, on every backend, also in a release. */
#include <string.h>

#include "fixture.h"

/* A misuse for each backend: the body sees its name as `backend`, and must abort. */
#define MISUSE_TEST(name)                           \
    static void name##_misuse(const char *backend); \
    WEIR_ABORT_TEST(misuse_uring, name)             \
    {                                               \
        test_require_backend("uring");              \
        name##_misuse("uring");                     \
    }                                               \
    WEIR_ABORT_TEST(misuse_epoll, name)             \
    {                                               \
        test_require_backend("epoll");              \
        name##_misuse("epoll");                     \
    }                                               \
    static void name##_misuse(const char *backend)

struct misused {
    struct fixture f;
    weir_tcp_socket socket;
    struct op ops[2];
    uint8_t data[8];
};

static void misused_init(struct misused *t, const char *backend)
{
    fixture_init(&t->f, backend);
    (void)fixture_connect_raw(&t->f, &t->socket);
}

MISUSE_TEST(two_reads_at_once)
{
    struct misused t;

    misused_init(&t, backend);
    op_read_some(&t.f, &t.ops[0], &t.socket, t.data, 4);
    op_read_some(&t.f, &t.ops[1], &t.socket, t.data + 4, 4);
    fixture_turn(&t.f);
}

MISUSE_TEST(two_whole_reads_at_once)
{
    struct misused t;

    misused_init(&t, backend);
    op_read(&t.f, &t.ops[0], &t.socket, t.data, 4);
    op_read(&t.f, &t.ops[1], &t.socket, t.data + 4, 4);
    fixture_turn(&t.f);
}

MISUSE_TEST(a_wait_for_readability_beside_a_read)
{
    struct misused t;

    misused_init(&t, backend);
    op_read_some(&t.f, &t.ops[0], &t.socket, t.data, 4);
    op_readable(&t.f, &t.ops[1], &t.socket);
    fixture_turn(&t.f);
}

MISUSE_TEST(two_closes_at_once)
{
    struct misused t;

    misused_init(&t, backend);
    op_read_some(&t.f, &t.ops[0], &t.socket, t.data, 4);
    fixture_turn(&t.f); /* So that the close has to wait. */
    op_close(&t.f, &t.ops[0], &t.socket);
    op_close(&t.f, &t.ops[1], &t.socket);
    fixture_turn(&t.f);
}

MISUSE_TEST(a_connect_of_an_open_socket)
{
    struct misused t;

    misused_init(&t, backend);
    op_connect(&t.f, &t.ops[0], &t.socket, &t.f.endpoint);
    fixture_turn(&t.f);
}

MISUSE_TEST(an_accept_into_an_open_socket)
{
    struct misused t;

    misused_init(&t, backend);
    (void)raw_connect(&t.f.endpoint);
    op_accept(&t.f, &t.ops[0], &t.f.acceptor, &t.socket);
    (void)op_wait(&t.f, &t.ops[0]);
}

MISUSE_TEST(an_option_that_does_not_exist_is_set)
{
    struct misused t;

    misused_init(&t, backend);
    (void)weir_tcp_option_set(&t.socket, (enum weir_tcp_option)(WEIR_TCP_LINGER_SECONDS + 1), 1);
}

MISUSE_TEST(an_option_that_does_not_exist_is_asked_for)
{
    struct misused t;
    int value;

    misused_init(&t, backend);
    (void)weir_tcp_option_get(&t.socket, (enum weir_tcp_option)(WEIR_TCP_LINGER_SECONDS + 1),
                              &value);
}

MISUSE_TEST(a_socket_that_was_moved_while_open)
{
    struct misused t;
    weir_tcp_socket moved;

    misused_init(&t, backend);
    memcpy(&moved, &t.socket, sizeof moved);
    op_read_some(&t.f, &t.ops[0], &moved, t.data, 4);
    fixture_turn(&t.f);
}

MISUSE_TEST(an_acceptor_that_was_moved_while_open)
{
    weir_tcp_acceptor moved;
    struct misused t;

    misused_init(&t, backend);
    memcpy(&moved, &t.f.acceptor, sizeof moved);
    weir_tcp_socket_init(&t.socket);
    op_accept(&t.f, &t.ops[0], &moved, &t.socket);
    fixture_turn(&t.f);
}

MISUSE_TEST(a_read_by_a_task_of_another_loop)
{
    struct misused t;
    struct fixture other;

    misused_init(&t, backend);
    fixture_init(&other, backend);
    op_read_some(&other, &t.ops[0], &t.socket, t.data, 4);
    fixture_turn(&other);
}

MISUSE_TEST(an_accept_by_a_task_of_another_loop)
{
    weir_tcp_socket socket;
    struct misused t;
    struct fixture other;

    misused_init(&t, backend);
    fixture_init(&other, backend);
    weir_tcp_socket_init(&socket);
    op_accept(&other, &t.ops[0], &t.f.acceptor, &socket);
    fixture_turn(&other);
}

MISUSE_TEST(a_timer_awaited_by_a_task_of_another_loop)
{
    struct misused t;
    struct fixture other;
    weir_timer timer;

    misused_init(&t, backend);
    fixture_init(&other, backend);
    weir_timer_init(&timer, t.f.loop);
    op_timer_wait(&other, &t.ops[0], &timer);
    fixture_turn(&other);
}

MISUSE_TEST(a_loop_freed_with_an_open_socket)
{
    struct misused t;
    struct op op;

    misused_init(&t, backend);
    op_close_acceptor(&t.f, &op, &t.f.acceptor);
    (void)op_wait(&t.f, &op);
    weir_loop_free(t.f.loop);
}

MISUSE_TEST(a_loop_freed_with_a_tree)
{
    struct misused t;

    misused_init(&t, backend);
    op_sleep_until(&t.f, &t.ops[0], INT64_MAX);
    fixture_turn(&t.f);
    weir_loop_free(t.f.loop);
}

MISUSE_TEST(a_loop_freed_with_a_timer_set)
{
    struct misused t;
    weir_timer timer;
    struct op op;

    misused_init(&t, backend);
    op_close_acceptor(&t.f, &op, &t.f.acceptor);
    (void)op_wait(&t.f, &op);
    fixture_close(&t.f, &t.socket);
    weir_timer_init(&timer, t.f.loop);
    weir_timer_expires_after(&timer, INT64_MAX);
    weir_loop_free(t.f.loop);
}

MISUSE_TEST(a_timer_that_ends_while_somebody_waits)
{
    struct misused t;
    weir_timer timer;

    misused_init(&t, backend);
    weir_timer_init(&timer, t.f.loop);
    op_timer_wait(&t.f, &t.ops[0], &timer);
    fixture_turn(&t.f);
    weir_timer_fini(&timer);
}

MISUSE_TEST(two_waits_for_one_set_of_signals)
{
    struct misused t;
    weir_signal_set set;

    misused_init(&t, backend);
    (void)weir_signal_open(&set, t.f.loop);
    op_signal_wait(&t.f, &t.ops[0], &set);
    op_signal_wait(&t.f, &t.ops[1], &set);
    fixture_turn(&t.f);
}

/* Returns with a deadline armed that would fire on whatever the frame's memory holds then. */
struct forgetful {
    weir_task task;
    weir_deadline deadline;
};

static weir_task *forgetful_resume(weir_task *task)
{
    struct forgetful *self = WEIR_TASK_SELF(task, struct forgetful);

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->deadline, INT64_MAX);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

MISUSE_TEST(a_task_returns_with_a_deadline_armed)
{
    struct misused t;
    struct forgetful forgetful = {.deadline = {.armed = false}};

    misused_init(&t, backend);
    weir_task_init(&forgetful.task, forgetful_resume);
    (void)fixture_run(&t.f, &forgetful.task);
}

/* Arms outside a shield and disarms inside it: wrong also when the deadline has not passed. */
static weir_task *tangled_resume(weir_task *task)
{
    struct forgetful *self = WEIR_TASK_SELF(task, struct forgetful);

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->deadline, INT64_MAX);
    weir_shield_begin(task);
    (void)weir_deadline_disarm(task, &self->deadline);
    weir_shield_end(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

MISUSE_TEST(a_deadline_from_outside_a_shield_is_disarmed_inside)
{
    struct misused t;
    struct forgetful forgetful;

    misused_init(&t, backend);
    weir_deadline_init(&forgetful.deadline);
    weir_task_init(&forgetful.task, tangled_resume);
    (void)fixture_run(&t.f, &forgetful.task);
}

/* Sources on sockets. */

struct sourced {
    struct fixture f;
    weir_tcp_socket socket;
    weir_tcp_source source;
    int peer;
    struct op ops[2];
    weir_const_buffer shown[2];
    uint8_t data[8];
};

static weir_task *start_pull(weir_task *task, struct op *op)
{
    struct sourced *t = op->object;

    return weir_buffer_source_pull(task, &t->source.source, t->shown, op->size);
}

static void pull(struct fixture *f, struct sourced *t, int op, size_t max)
{
    t->ops[op].object = t;
    t->ops[op].size = max;
    op_start(f, &t->ops[op], start_pull);
}

/* Four bytes have come. */
static void sourced_init(struct sourced *t, const char *backend)
{
    weir_loop_options options = {.backend = backend, .lent_buffer_bytes = 2};

    fixture_init_with(&t->f, &options);
    weir_tcp_socket_init(&t->socket);
    weir_tcp_source_init(&t->source, &t->socket);
    t->peer = raw_connect(&t->f.endpoint);
    op_accept(&t->f, &t->ops[0], &t->f.acceptor, &t->socket);
    (void)op_wait(&t->f, &t->ops[0]);
    raw_send(t->peer, "four", 4);
}

/* The first two have been pulled, and all have been received. */
static void sourced_init_pulled(struct sourced *t, const char *backend)
{
    sourced_init(t, backend);
    do {
        pull(&t->f, t, 0, 1);
        (void)op_wait(&t->f, &t->ops[0]);
        fixture_turn(&t->f);
    } while (t->source.behind_count < 1);
}

MISUSE_TEST(two_pulls_at_once)
{
    struct sourced t;

    sourced_init_pulled(&t, backend);
    weir_buffer_source_consume(&t.source.source, 2);
    pull(&t.f, &t, 0, 1);
    (void)op_wait(&t.f, &t.ops[0]);
    weir_buffer_source_consume(&t.source.source, 2);
    pull(&t.f, &t, 0, 1);
    pull(&t.f, &t, 1, 1);
    fixture_turn(&t.f);
}

MISUSE_TEST(consuming_before_a_pull)
{
    struct sourced t;

    sourced_init(&t, backend);
    weir_buffer_source_consume(&t.source.source, 1);
}

MISUSE_TEST(consuming_what_was_received_and_not_pulled)
{
    struct sourced t;

    sourced_init_pulled(&t, backend);
    weir_buffer_source_consume(&t.source.source, 3);
}

MISUSE_TEST(consuming_twice)
{
    struct sourced t;

    sourced_init_pulled(&t, backend);
    weir_buffer_source_consume(&t.source.source, 2);
    weir_buffer_source_consume(&t.source.source, 1);
}

MISUSE_TEST(consuming_after_the_close)
{
    struct sourced t;

    sourced_init_pulled(&t, backend);
    fixture_close(&t.f, &t.socket);
    weir_buffer_source_consume(&t.source.source, 1);
}

MISUSE_TEST(a_read_beside_a_source)
{
    struct sourced t;

    sourced_init(&t, backend);
    op_read_some(&t.f, &t.ops[0], &t.socket, t.data, 1);
    fixture_turn(&t.f);
}

MISUSE_TEST(a_wait_for_readability_beside_a_source)
{
    struct sourced t;

    sourced_init(&t, backend);
    op_readable(&t.f, &t.ops[0], &t.socket);
    fixture_turn(&t.f);
}

MISUSE_TEST(a_source_put_on_an_open_socket)
{
    struct misused t;
    weir_tcp_source source;

    misused_init(&t, backend);
    weir_tcp_source_init(&source, &t.socket);
}

MISUSE_TEST(a_pull_through_a_source_that_was_replaced)
{
    weir_tcp_source other;
    struct sourced t;

    sourced_init(&t, backend);
    fixture_close(&t.f, &t.socket);
    weir_tcp_source_init(&other, &t.socket);
    (void)raw_connect(&t.f.endpoint);
    op_accept(&t.f, &t.ops[0], &t.f.acceptor, &t.socket);
    (void)op_wait(&t.f, &t.ops[0]);
    pull(&t.f, &t, 0, 1);
    fixture_turn(&t.f);
}

MISUSE_TEST(a_pull_through_a_source_that_was_moved)
{
    struct sourced moved;
    struct sourced t;

    sourced_init(&t, backend);
    memcpy(&moved.source, &t.source, sizeof moved.source);
    pull(&t.f, &moved, 0, 1);
    fixture_turn(&t.f);
}

MISUSE_TEST(a_pull_by_a_task_of_another_loop)
{
    struct fixture other;
    struct sourced t;

    sourced_init(&t, backend);
    fixture_init(&other, backend);
    pull(&other, &t, 0, 1);
    fixture_turn(&other);
}

MISUSE_TEST(a_pull_into_no_buffers)
{
    struct sourced t;

    sourced_init(&t, backend);
    pull(&t.f, &t, 0, 0);
    fixture_turn(&t.f);
}

MISUSE_TEST(a_loop_freed_while_a_source_holds_what_it_lent)
{
    struct sourced t;

    sourced_init_pulled(&t, backend);
    weir_loop_free(t.f.loop);
}

/* Sinks. */

static weir_task *commit_one(weir_task *task, struct op *op)
{
    return weir_buffer_sink_commit(task, &((weir_tcp_sink *)op->object)->sink, 1);
}

MISUSE_TEST(a_commit_of_what_was_not_prepared)
{
    weir_tcp_sink sink;
    struct misused t;

    misused_init(&t, backend);
    weir_tcp_sink_init(&sink, &t.socket);
    t.ops[0].object = &sink;
    op_start(&t.f, &t.ops[0], commit_one);
    fixture_turn(&t.f);
}

/* What is prepared then is memory that the commit lets go, and that another sink has next. */
MISUSE_TEST(a_prepare_while_a_commit_is_in_flight)
{
    static char block[1 << 22];
    weir_tcp_sink sink;
    weir_buffer buffer;
    struct misused t;

    misused_init(&t, backend);
    op_write_some(&t.f, &t.ops[0], &t.socket, block, sizeof block);
    (void)op_wait(&t.f, &t.ops[0]); /* The socket is full. */
    weir_tcp_sink_init(&sink, &t.socket);
    CHECK_EQ(weir_buffer_sink_prepare(&sink.sink, &buffer, 1), 1);
    t.ops[1].object = &sink;
    op_start(&t.f, &t.ops[1], commit_one);
    fixture_turn(&t.f);
    (void)!weir_buffer_sink_prepare(&sink.sink, &buffer, 1);
}

MISUSE_TEST(a_loop_that_is_freed_before_a_sink_that_holds_memory)
{
    weir_tcp_sink sink;
    weir_buffer buffer;
    struct misused t;

    misused_init(&t, backend);
    weir_tcp_sink_init(&sink, &t.socket);
    CHECK_EQ(weir_buffer_sink_prepare(&sink.sink, &buffer, 1), 1);
    fixture_close(&t.f, &t.socket);
    fixture_fini(&t.f);
}
