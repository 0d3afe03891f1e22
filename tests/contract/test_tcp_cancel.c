/* SPDX-License-Identifier: MIT */

/* Cancelling, stopping and closing what is in flight on a connection, and their races. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { BLOCK = 4 << 20 }; /* More than a connection that nobody reads takes. */

/* A connection to a raw descriptor that can be made to take no more. */
struct connection {
    struct fixture f;
    weir_tcp_socket socket;
    int peer;
    struct op read_op;
    struct op write_op;
    uint8_t data[64];
    uint8_t *block;
};

static void connection_init(struct connection *self, const char *backend)
{
    fixture_init(&self->f, backend);
    self->peer = fixture_connect_raw(&self->f, &self->socket);
    CHECK_EQ(weir_tcp_option_set(&self->socket, WEIR_TCP_SEND_BUFFER_BYTES, 16384), 0);
    self->block = calloc(1, BLOCK);
    CHECK(self->block);
}

static void connection_fini(struct connection *self)
{
    fixture_close(&self->f, &self->socket);
    raw_close(self->peer);
    free(self->block);
    fixture_fini(&self->f);
}

static void start_read(struct connection *t)
{
    op_read_some(&t->f, &t->read_op, &t->socket, t->data, sizeof t->data);
    fixture_turn(&t->f);
    CHECK(!t->read_op.job.done);
}

/* A write that stays in flight, because nobody reads. */
static void start_write(struct connection *t)
{
    op_write(&t->f, &t->write_op, &t->socket, t->block, BLOCK);
    fixture_turn(&t->f);
    CHECK(!t->write_op.job.done);
}

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

/* Cancelled, with less than all of it sent. */
static void check_cut_short(weir_result r)
{
    CHECK_EQ(r.error, WEIR_CANCELLED);
    CHECK(r.count < BLOCK);
}

/* Cancelling and stopping. */

WEIR_CONTRACT_TEST(tcp_cancel, a_cancelled_read_leaves_the_socket_usable)
{
    struct connection t;

    connection_init(&t, backend);
    start_read(&t);
    weir_tcp_cancel(&t.socket);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    raw_send(t.peer, "abc", 3);
    op_read_some(&t.f, &t.read_op, &t.socket, t.data, sizeof t.data);
    check_result(op_wait(&t.f, &t.read_op), 0, 3);
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_cancelled_write_counts_what_was_taken)
{
    struct connection t;
    weir_result r;

    connection_init(&t, backend);
    pattern_fill(t.block, BLOCK, 0);
    start_write(&t);
    weir_tcp_cancel(&t.socket);
    r = op_wait(&t.f, &t.write_op);
    check_cut_short(r);
    fixture_close(&t.f, &t.socket);
    memset(t.block, 0, BLOCK);
    CHECK_EQ(raw_receive(t.peer, t.block, BLOCK), r.count);
    pattern_check(t.block, r.count, 0);
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_cancelled_whole_read_counts_what_came)
{
    struct connection t;

    connection_init(&t, backend);
    op_read(&t.f, &t.read_op, &t.socket, t.data, 10);
    fixture_turn(&t.f);
    raw_send(t.peer, "abc", 3);
    fixture_turn(&t.f);
    weir_tcp_cancel(&t.socket);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 3);
    CHECK_EQ(memcmp(t.data, "abc", 3), 0);
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_cancel_reaches_both_directions)
{
    struct connection t;

    connection_init(&t, backend);
    start_read(&t);
    start_write(&t);
    weir_tcp_cancel(&t.socket);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    check_cut_short(op_wait(&t.f, &t.write_op));
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_cancel_with_nothing_in_flight_does_nothing)
{
    struct connection t;

    connection_init(&t, backend);
    weir_tcp_cancel(&t.socket);
    weir_tcp_cancel(&t.socket);
    start_read(&t);
    raw_send(t.peer, "a", 1);
    check_result(op_wait(&t.f, &t.read_op), 0, 1);
    weir_tcp_cancel(&t.socket);
    fixture_close(&t.f, &t.socket);
    weir_tcp_cancel(&t.socket);
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_wait_for_readiness_is_cancelled)
{
    struct connection t;

    connection_init(&t, backend);
    op_readable(&t.f, &t.read_op, &t.socket);
    fixture_turn(&t.f);
    weir_tcp_cancel(&t.socket);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_stop_ends_a_read_and_leaves_the_socket_usable)
{
    struct connection t;

    connection_init(&t, backend);
    start_read(&t);
    op_stop(&t.read_op);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    raw_send(t.peer, "abc", 3);
    op_read_some(&t.f, &t.read_op, &t.socket, t.data, sizeof t.data);
    check_result(op_wait(&t.f, &t.read_op), 0, 3);
    connection_fini(&t);
}

static weir_task *stop_and_read_some(weir_task *task, struct op *op)
{
    weir_tcp_socket *socket = op->object;

    weir_task_stop(task, WEIR_STOP_REQUESTED);
    return weir_read_some(task, &socket->stream.in, weir_buffer_of(op->target, op->size));
}

WEIR_CONTRACT_TEST(tcp_cancel, a_read_after_a_stop_performs_no_io)
{
    struct connection t;
    char byte;

    connection_init(&t, backend);
    raw_send(t.peer, "abc", 3);
    t.read_op.object = &t.socket;
    t.read_op.target = &byte;
    t.read_op.size = 1;
    op_start(&t.f, &t.read_op, stop_and_read_some);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    op_read(&t.f, &t.read_op, &t.socket, t.data, 3);
    check_result(op_wait(&t.f, &t.read_op), 0, 3);
    connection_fini(&t);
}

static weir_task *stop_and_write(weir_task *task, struct op *op)
{
    weir_tcp_socket *socket = op->object;

    weir_task_stop(task, WEIR_STOP_REQUESTED);
    return weir_write(task, &socket->stream.out, weir_const_buffer_of("lost", 4));
}

WEIR_CONTRACT_TEST(tcp_cancel, a_write_after_a_stop_performs_no_io)
{
    struct connection t;

    connection_init(&t, backend);
    t.write_op.object = &t.socket;
    op_start(&t.f, &t.write_op, stop_and_write);
    check_result(op_wait(&t.f, &t.write_op), WEIR_CANCELLED, 0);
    fixture_close(&t.f, &t.socket);
    CHECK_EQ(raw_receive(t.peer, t.data, sizeof t.data), 0);
    connection_fini(&t);
}

/* Closing. */

WEIR_CONTRACT_TEST(tcp_cancel, close_while_reading)
{
    struct connection t;

    connection_init(&t, backend);
    start_read(&t);
    fixture_close(&t.f, &t.socket);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, close_while_writing)
{
    struct connection t;

    connection_init(&t, backend);
    start_write(&t);
    fixture_close(&t.f, &t.socket);
    check_cut_short(op_wait(&t.f, &t.write_op));
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, close_while_reading_and_writing)
{
    struct connection t;

    connection_init(&t, backend);
    start_read(&t);
    start_write(&t);
    fixture_close(&t.f, &t.socket);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    check_cut_short(op_wait(&t.f, &t.write_op));
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, close_while_waiting_for_readiness)
{
    struct connection t;

    connection_init(&t, backend);
    op_readable(&t.f, &t.read_op, &t.socket);
    fixture_turn(&t.f);
    fixture_close(&t.f, &t.socket);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_close_that_resets_cancels_what_is_in_flight)
{
    struct connection t;

    connection_init(&t, backend);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_LINGER_SECONDS, 0), 0);
    start_read(&t);
    start_write(&t);
    fixture_close(&t.f, &t.socket);
    check_result(op_wait(&t.f, &t.read_op), WEIR_CANCELLED, 0);
    check_cut_short(op_wait(&t.f, &t.write_op));
    connection_fini(&t);
}

static weir_task *stop_and_close(weir_task *task, struct op *op)
{
    weir_task_stop(task, WEIR_STOP_REQUESTED | WEIR_STOP_HARD);
    return weir_tcp_close(task, op->object);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_close_after_a_stop_closes)
{
    struct connection t;

    connection_init(&t, backend);
    t.read_op.object = &t.socket;
    op_start(&t.f, &t.read_op, stop_and_close);
    check_result(op_wait(&t.f, &t.read_op), 0, 0);
    CHECK(!weir_tcp_is_open(&t.socket));
    CHECK_EQ(raw_receive(t.peer, t.data, 1), 0);
    connection_fini(&t);
}

/* Close a connection while its peer sends; the read says it was cancelled, or has bytes. */
static void close_against_send(struct fixture *f, int round)
{
    uint8_t data[8];
    weir_tcp_socket socket;
    int peer = fixture_connect_raw(f, &socket);
    struct op read_op, close_op;
    weir_result r;

    if (round % 2)
        op_read(f, &read_op, &socket, data, sizeof data);
    else
        op_read_some(f, &read_op, &socket, data, sizeof data);
    fixture_turn(f);
    raw_send(peer, "abc", 3);
    op_close(f, &close_op, &socket);
    CHECK_EQ(op_wait(f, &close_op).error, 0);
    CHECK(read_op.job.done);
    r = read_op.job.result;
    if (r.error)
        CHECK_EQ(r.error, WEIR_CANCELLED);
    else
        CHECK_EQ(r.count, 3);
    raw_close(peer);
}

WEIR_CONTRACT_TEST(tcp_cancel, close_against_bytes_that_come)
{
    enum { ROUNDS = 300 };
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < ROUNDS; i++)
        close_against_send(&f, i);
    fixture_fini(&f);
}

static void close_against_receive(struct connection *t)
{
    weir_result r;

    CHECK(raw_receive_some(t->peer, t->block, BLOCK) > 0);
    fixture_close(&t->f, &t->socket);
    r = op_wait(&t->f, &t->write_op);
    CHECK_EQ(r.error, WEIR_CANCELLED);
}

WEIR_CONTRACT_TEST(tcp_cancel, close_against_room_for_a_write)
{
    enum { ROUNDS = 100 };
    struct connection t;

    connection_init(&t, backend);
    for (int i = 0; i < ROUNDS; i++) {
        fixture_close(&t.f, &t.socket);
        raw_close(t.peer);
        t.peer = fixture_connect_raw(&t.f, &t.socket);
        CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_SEND_BUFFER_BYTES, 16384), 0);
        start_write(&t);
        close_against_receive(&t);
    }
    connection_fini(&t);
}

/* Races of a cancel with bytes. Whatever wins, each byte is read once, in order. */

struct ledger {
    struct connection *t;
    size_t sent;
    size_t received;
};

static void ledger_send(struct ledger *self, size_t size)
{
    uint8_t data[16];

    pattern_fill(data, size, self->sent);
    raw_send(self->t->peer, data, size);
    self->sent += size;
}

/* Take the result of a read that was cancelled while bytes came. */
static void ledger_take(struct ledger *self, weir_result r)
{
    if (r.error)
        CHECK_EQ(r.error, WEIR_CANCELLED);
    pattern_check(self->t->data, r.count, self->received);
    self->received += r.count;
    CHECK(self->received <= self->sent);
}

static void ledger_settle(struct ledger *self)
{
    struct connection *t = self->t;
    size_t left = self->sent - self->received;

    op_read(&t->f, &t->read_op, &t->socket, t->data, left);
    check_result(op_wait(&t->f, &t->read_op), 0, left);
    pattern_check(t->data, left, self->received);
    self->received = self->sent;
}

WEIR_CONTRACT_TEST(tcp_cancel, cancel_against_completion)
{
    enum { ROUNDS = 2000 };
    struct connection t;
    struct ledger ledger = {.t = &t};

    connection_init(&t, backend);
    for (int i = 0; i < ROUNDS; i++) {
        op_read_some(&t.f, &t.read_op, &t.socket, t.data, sizeof t.data);
        fixture_turn(&t.f);
        ledger_send(&ledger, 1 + (size_t)i % 3);
        weir_tcp_cancel(&t.socket);
        ledger_take(&ledger, op_wait(&t.f, &t.read_op));
        ledger_settle(&ledger);
    }
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, a_whole_read_ends_when_a_cancel_meets_part_of_it)
{
    enum { ROUNDS = 1000 };
    struct connection t;
    struct ledger ledger = {.t = &t};

    connection_init(&t, backend);
    for (int i = 0; i < ROUNDS; i++) {
        op_read(&t.f, &t.read_op, &t.socket, t.data, 16);
        fixture_turn(&t.f);
        ledger_send(&ledger, 1 + (size_t)i % 3);
        weir_tcp_cancel(&t.socket);
        ledger_take(&ledger, op_wait(&t.f, &t.read_op));
        ledger_settle(&ledger);
    }
    connection_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_cancel, bytes_that_came_are_reported_although_a_stop_came)
{
    enum { ROUNDS = 2000 };
    struct connection t;
    struct ledger ledger = {.t = &t};

    connection_init(&t, backend);
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2)
            op_read(&t.f, &t.read_op, &t.socket, t.data, 16);
        else
            op_read_some(&t.f, &t.read_op, &t.socket, t.data, sizeof t.data);
        if (i % 5)
            fixture_turn(&t.f);
        ledger_send(&ledger, 1 + (size_t)i % 3);
        op_stop(&t.read_op);
        ledger_take(&ledger, op_wait(&t.f, &t.read_op));
        ledger_settle(&ledger);
    }
    connection_fini(&t);
}

/* A child frame whose read was cancelled, and the next child in the same memory. */

struct child {
    weir_task task;
    weir_tcp_socket *socket;
    uint8_t byte;
};

static weir_task *child_resume(weir_task *task)
{
    struct child *self = WEIR_TASK_SELF(task, struct child);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_read_some(task, &self->socket->stream.in, weir_buffer_of(&self->byte, 1)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

enum phase { BETWEEN, FIRST_READS, SECOND_READS };

struct parent {
    weir_task task;
    weir_tcp_socket *socket;
    int peer;
    int round; /* From 1. */
    int round_count;
    bool was_cancelled; /* The first child. */
    int cancelled_count;
    enum phase phase;
};

static weir_task *child_call(struct parent *parent)
{
    struct child *child = weir_frame_new(&parent->task, sizeof *child, child_resume);

    CHECK(child);
    child->socket = parent->socket;
    return weir_call(&parent->task, &child->task);
}

static weir_task *parent_resume(weir_task *task)
{
    struct parent *self = WEIR_TASK_SELF(task, struct parent);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->round < self->round_count) {
        self->round++;
        self->phase = FIRST_READS;
        WEIR_AWAIT(task, r, child_call(self));
        self->was_cancelled = r.error == WEIR_CANCELLED;
        self->cancelled_count += self->was_cancelled;
        self->phase = SECOND_READS;
        WEIR_AWAIT(task, r, child_call(self)); /* In the memory of the first. */
        CHECK_EQ(r.error, 0);
        CHECK_EQ(r.count, 1);
        self->phase = BETWEEN;
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Cancels the first read, in odd rounds against a byte, and feeds the second. */
struct canceller {
    weir_task task;
    struct parent *parent;
    int round; /* The parent's, when it was last looked at. */
    int turns;
};

static bool is_in(const struct canceller *self, enum phase phase)
{
    return self->parent->round == self->round && self->parent->phase == phase;
}

/* Cancel the first child's read. A byte that it did not take is left for the second. */
static void cancel_first(const struct canceller *self)
{
    if (!is_in(self, FIRST_READS))
        return;
    if (self->round % 2)
        raw_send(self->parent->peer, "a", 1);
    weir_tcp_cancel(self->parent->socket);
}

/* The second child's read has been in flight for some turns: a late cancel would have hit it. */
static void feed_second(const struct canceller *self)
{
    bool has_byte = self->round % 2 && self->parent->was_cancelled;

    if (is_in(self, SECOND_READS) && !has_byte)
        raw_send(self->parent->peer, "b", 1);
}

static weir_task *canceller_resume(weir_task *task)
{
    struct canceller *self = WEIR_TASK_SELF(task, struct canceller);

    WEIR_BEGIN(task);
    while (self->round < self->parent->round_count) {
        while (self->parent->round == self->round)
            WEIR_YIELD(task);
        self->round = self->parent->round;
        for (self->turns = self->round % 4; self->turns > 0; self->turns--)
            WEIR_YIELD(task);
        cancel_first(self);
        while (is_in(self, FIRST_READS))
            WEIR_YIELD(task);
        for (self->turns = 3; self->turns > 0; self->turns--)
            WEIR_YIELD(task);
        feed_second(self);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(tcp_cancel, frame_reuse_after_cancel)
{
    weir_loop_options options = {.backend = backend, .frames_retained_bytes_max = 1 << 20};
    struct parent parent = {.round_count = 2000};
    struct canceller canceller = {.parent = &parent};
    weir_tcp_socket socket;
    struct fixture f;
    struct job job;

    fixture_init_with(&f, &options); /* Frames are recycled, also under a sanitizer. */
    parent.socket = &socket;
    parent.peer = fixture_connect_raw(&f, &socket);
    weir_task_init(&parent.task, parent_resume);
    weir_task_init(&canceller.task, canceller_resume);
    job_start(&f, &job, &parent.task);
    (void)fixture_run(&f, &canceller.task);
    check_result(job_wait(&f, &job), 0, 0);
    CHECK(parent.cancelled_count > 0);
    fixture_close(&f, &socket);
    raw_close(parent.peer);
    fixture_fini(&f);
}
