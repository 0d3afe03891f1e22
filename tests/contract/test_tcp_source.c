/* SPDX-License-Identifier: MIT */

/*
 * Sources on TCP sockets: what they show, and how a pull ends. test_tcp_source_crowd.c has many of
 * them, and those that do not keep up.
 */
#include <errno.h>
#include <string.h>

#include "source_rig.h"

enum { SMALL = 64 }; /* Buffers of this many bytes, to have several. */

struct rig {
    struct fixture f;
    struct reader reader;
};

static void rig_init(struct rig *t, const char *backend)
{
    fixture_init(&t->f, backend);
    reader_open(&t->f, &t->reader);
}

static void rig_init_small(struct rig *t, const char *backend)
{
    weir_loop_options options = {.backend = backend, .lent_buffer_bytes = SMALL};

    fixture_init_with(&t->f, &options);
    reader_open(&t->f, &t->reader);
}

static void rig_fini(struct rig *t)
{
    reader_close(&t->f, &t->reader);
    fixture_fini(&t->f);
}

/* The connection goes on: what is sent is what the next pull shows. */
static void check_usable(struct rig *t)
{
    reader_send(&t->reader, "next", 4);
    reader_check_text(&t->f, &t->reader, "next");
}

/* Showing. */

WEIR_CONTRACT_TEST(tcp_source, a_pull_shows_what_came)
{
    struct rig t;

    rig_init(&t, backend);
    reader_send(&t.reader, "abc", 3);
    CHECK_EQ(reader_pull(&t.f, &t.reader, SHOWN_MAX), 1);
    reader_check_shows(&t.reader, "abc");
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, a_pull_waits_for_bytes)
{
    struct rig t;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    reader_send(&t.reader, "abc", 3);
    CHECK_EQ(reader_finish(&t.f, &t.reader).count, 1);
    reader_check_shows(&t.reader, "abc");
    reader_consume(&t.reader, 3);
    reader_wait_for_bytes(&t.f, &t.reader);
    reader_send(&t.reader, "de", 2);
    CHECK_EQ(reader_finish(&t.f, &t.reader).count, 1);
    reader_check_shows(&t.reader, "de");
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, a_pull_without_consuming_shows_the_same_and_may_show_more)
{
    const void *place;
    struct rig t;

    rig_init(&t, backend);
    reader_send(&t.reader, "abc", 3);
    (void)reader_pull(&t.f, &t.reader, 1);
    place = t.reader.shown[0].data;
    CHECK_EQ(reader_pull(&t.f, &t.reader, 1), 1);
    CHECK(t.reader.shown[0].data == place);
    reader_send(&t.reader, "def", 3);
    fixture_turn(&t.f);
    (void)reader_pull(&t.f, &t.reader, SHOWN_MAX);
    CHECK(t.reader.shown[0].data == place);
    reader_check_text(&t.f, &t.reader, "abcdef");
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, what_is_consumed_in_part_is_shown_from_there)
{
    struct rig t;

    rig_init(&t, backend);
    reader_send(&t.reader, "abc", 3);
    (void)reader_pull(&t.f, &t.reader, 1);
    reader_consume(&t.reader, 1);
    reader_consume(&t.reader, 0);
    (void)reader_pull(&t.f, &t.reader, 1);
    reader_check_shows(&t.reader, "bc");
    reader_consume(&t.reader, 1);
    reader_consume(&t.reader, 1);
    check_usable(&t);
    rig_fini(&t);
}

static void send_pattern(const struct rig *t, size_t size, size_t from)
{
    uint8_t data[4096];

    CHECK(size <= sizeof data);
    pattern_fill(data, size, from);
    raw_send(t->reader.peer, data, size);
}

WEIR_CONTRACT_TEST(tcp_source, several_buffers_come_with_one_pull)
{
    enum { COUNT = 4 };
    size_t count = 0;
    struct rig t;
    int turns;

    rig_init_small(&t, backend);
    send_pattern(&t, COUNT * SMALL, 0);
    (void)reader_pull(&t.f, &t.reader, 1);
    for (turns = 0; turns < 20 && count < COUNT; turns++) {
        fixture_turn(&t.f);
        count = reader_pull(&t.f, &t.reader, COUNT);
    }
    CHECK_EQ(count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_EQ(t.reader.shown[i].size, SMALL);
        pattern_check(t.reader.shown[i].data, SMALL, i * SMALL);
    }
    reader_consume(&t.reader, 3 * SMALL + 1);
    CHECK_EQ(reader_pull(&t.f, &t.reader, COUNT), 1);
    pattern_check(t.reader.shown[0].data, SMALL - 1, 3 * SMALL + 1);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, portions_of_any_size_are_consumed_across_buffers)
{
    struct rig t;
    size_t from;

    rig_init_small(&t, backend);
    for (from = 0; from < 20000; from += 4000) {
        send_pattern(&t, 4000, from);
        reader_check_pattern(&t.f, &t.reader, 4000, from);
    }
    rig_fini(&t);
}

/* Ends. */

WEIR_CONTRACT_TEST(tcp_source, the_end_comes_behind_the_last_byte_and_stays)
{
    struct rig t;

    rig_init(&t, backend);
    reader_send(&t.reader, "abc", 3);
    raw_shutdown(t.reader.peer, WEIR_TCP_WRITES);
    (void)reader_pull(&t.f, &t.reader, 1);
    fixture_turn(&t.f);
    (void)reader_pull(&t.f, &t.reader, SHOWN_MAX);
    reader_check_shows(&t.reader, "abc");
    reader_consume(&t.reader, 3);
    reader_check_pull_fails(&t.f, &t.reader, WEIR_EOF);
    reader_check_pull_fails(&t.f, &t.reader, WEIR_EOF);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, the_end_ends_a_pull_that_waits)
{
    struct rig t;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    raw_shutdown(t.reader.peer, WEIR_TCP_WRITES);
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, WEIR_EOF);
    reader_check_pull_fails(&t.f, &t.reader, WEIR_EOF);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, after_the_end_writes_go_on)
{
    uint8_t data[4];
    struct rig t;
    struct op op;

    rig_init(&t, backend);
    raw_shutdown(t.reader.peer, WEIR_TCP_WRITES);
    reader_check_pull_fails(&t.f, &t.reader, WEIR_EOF);
    op_write(&t.f, &op, &t.reader.socket, "late", 4);
    CHECK_EQ(op_wait(&t.f, &op).error, 0);
    CHECK_EQ(raw_receive(t.reader.peer, data, 4), 4);
    CHECK_EQ(memcmp(data, "late", 4), 0);
    rig_fini(&t);
}

/* The peer has gone: only the socket is left to be closed. */
static void rig_fini_reset(struct rig *t)
{
    fixture_close(&t->f, &t->reader.socket);
    fixture_fini(&t->f);
}

WEIR_CONTRACT_TEST(tcp_source, a_reset_is_reported_and_stays)
{
    struct rig t;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    raw_reset(t.reader.peer);
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, -ECONNRESET);
    reader_check_pull_fails(&t.f, &t.reader, -ECONNRESET);
    reader_check_pull_fails(&t.f, &t.reader, -ECONNRESET);
    rig_fini_reset(&t);
}

WEIR_CONTRACT_TEST(tcp_source, a_reset_comes_behind_what_was_received_before)
{
    struct rig t;

    rig_init(&t, backend);
    reader_send(&t.reader, "abc", 3);
    (void)reader_pull(&t.f, &t.reader, 1);
    raw_reset(t.reader.peer);
    fixture_turn(&t.f);
    (void)reader_pull(&t.f, &t.reader, SHOWN_MAX);
    reader_check_shows(&t.reader, "abc");
    reader_consume(&t.reader, 3);
    reader_check_pull_fails(&t.f, &t.reader, -ECONNRESET);
    reader_check_pull_fails(&t.f, &t.reader, -ECONNRESET);
    rig_fini_reset(&t);
}

/* The kernel tells of a loss once, to whichever direction asks first. */
WEIR_CONTRACT_TEST(tcp_source, a_reset_that_a_write_met_is_reported_to_the_next_pull)
{
    struct rig t;
    struct op op;

    rig_init(&t, backend);
    raw_reset(t.reader.peer);
    fixture_turn(&t.f);
    op_write(&t.f, &op, &t.reader.socket, "lost", 4);
    CHECK_EQ(op_wait(&t.f, &op).error, -ECONNRESET);
    reader_check_pull_fails(&t.f, &t.reader, -ECONNRESET);
    rig_fini_reset(&t);
}

/* Stops, deadlines and cancels. */

WEIR_CONTRACT_TEST(tcp_source, a_stop_ends_a_pull_and_nothing_is_lost)
{
    weir_result r;
    struct rig t;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    op_stop(&t.reader.op);
    r = reader_finish(&t.f, &t.reader);
    CHECK_EQ(r.error, WEIR_CANCELLED);
    CHECK_EQ(r.count, 0);
    check_usable(&t);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, a_stop_that_meets_the_bytes_leaves_them_to_the_next_pull)
{
    struct rig t;
    int i;

    rig_init(&t, backend);
    for (i = 0; i < 50; i++) {
        reader_wait_for_bytes(&t.f, &t.reader);
        reader_send(&t.reader, "abc", 3);
        op_stop(&t.reader.op);
        if (reader_finish(&t.f, &t.reader).error)
            CHECK_EQ(t.reader.op.job.result.error, WEIR_CANCELLED);
        else
            reader_check_shows(&t.reader, "abc");
        reader_check_text(&t.f, &t.reader, "abc");
    }
    rig_fini(&t);
}

static weir_task *stop_and_pull(weir_task *task, struct op *op)
{
    struct reader *self = op->object;

    weir_task_stop(task, WEIR_STOP_REQUESTED);
    return weir_buffer_source_pull(task, &self->source.source, self->shown, 1);
}

WEIR_CONTRACT_TEST(tcp_source, a_pull_after_a_stop_shows_nothing)
{
    struct rig t;

    rig_init(&t, backend);
    reader_send(&t.reader, "abc", 3);
    (void)reader_pull(&t.f, &t.reader, 1);
    op_start(&t.f, &t.reader.op, stop_and_pull);
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, WEIR_CANCELLED);
    reader_check_text(&t.f, &t.reader, "abc");
    rig_fini(&t);
}

struct hurried {
    weir_task task;
    struct reader *reader;
    weir_deadline deadline;
    weir_result outcome;
};

static weir_task *hurried_resume(weir_task *task)
{
    struct hurried *self = WEIR_TASK_SELF(task, struct hurried);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_init(&self->deadline);
    weir_deadline_arm_after(task, &self->deadline, MILLISECOND_NS / 2);
    WEIR_AWAIT(task, r,
               weir_buffer_source_pull(task, &self->reader->source.source, self->reader->shown, 1));
    self->outcome = r;
    CHECK(weir_deadline_disarm(task, &self->deadline));
    WEIR_AWAIT(task, r,
               weir_buffer_source_pull(task, &self->reader->source.source, self->reader->shown, 1));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(tcp_source, a_deadline_ends_a_pull_and_the_next_one_waits)
{
    struct hurried hurried;
    struct job job;
    struct rig t;

    rig_init(&t, backend);
    hurried.reader = &t.reader;
    hurried.outcome = weir_result_of(0, 0);
    weir_task_init(&hurried.task, hurried_resume);
    job_start(&t.f, &job, &hurried.task);
    while (!hurried.outcome.error)
        fixture_turn(&t.f);
    CHECK_EQ(hurried.outcome.error, WEIR_TIMED_OUT);
    CHECK_EQ(hurried.outcome.count, 0);
    reader_send(&t.reader, "abc", 3);
    CHECK_EQ(job_wait(&t.f, &job).error, 0);
    reader_check_shows(&t.reader, "abc");
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, a_cancel_ends_a_pull_and_nothing_is_lost)
{
    struct rig t;

    rig_init(&t, backend);
    weir_tcp_cancel(&t.reader.socket); /* Nothing to cancel. */
    reader_wait_for_bytes(&t.f, &t.reader);
    weir_tcp_cancel(&t.reader.socket);
    weir_tcp_cancel(&t.reader.socket);
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, WEIR_CANCELLED);
    check_usable(&t);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, a_cancel_reaches_the_write_and_the_pull)
{
    enum { BLOCK = 4 << 20 }; /* More than a connection that nobody reads takes. */
    static uint8_t block[BLOCK];
    struct op write_op;
    struct rig t;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    op_write(&t.f, &write_op, &t.reader.socket, block, sizeof block);
    fixture_turn(&t.f);
    weir_tcp_cancel(&t.reader.socket);
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, WEIR_CANCELLED);
    CHECK_EQ(op_wait(&t.f, &write_op).error, WEIR_CANCELLED);
    check_usable(&t);
    rig_fini(&t);
}

/* Closing. */

WEIR_CONTRACT_TEST(tcp_source, a_pull_on_a_closed_socket_says_so)
{
    struct rig t;

    rig_init(&t, backend);
    reader_close(&t.f, &t.reader);
    reader_check_pull_fails(&t.f, &t.reader, WEIR_CLOSED);
    fixture_fini(&t.f);
}

WEIR_CONTRACT_TEST(tcp_source, close_while_pulling)
{
    struct rig t;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    fixture_close(&t.f, &t.reader.socket);
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, WEIR_CANCELLED);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, close_while_pulling_and_writing)
{
    enum { BLOCK = 4 << 20 };
    static uint8_t block[BLOCK];
    struct op write_op;
    struct rig t;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    op_write(&t.f, &write_op, &t.reader.socket, block, sizeof block);
    fixture_turn(&t.f);
    fixture_close(&t.f, &t.reader.socket);
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, WEIR_CANCELLED);
    CHECK_EQ(op_wait(&t.f, &write_op).error, WEIR_CANCELLED);
    rig_fini(&t);
}

/* fixture_fini asserts that the buffers are back. */
WEIR_CONTRACT_TEST(tcp_source, close_while_holding_what_was_pulled)
{
    struct rig t;

    rig_init_small(&t, backend);
    send_pattern(&t, 4 * SMALL, 0);
    (void)reader_pull(&t.f, &t.reader, 1);
    reader_consume(&t.reader, 1);
    fixture_turn(&t.f);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, close_while_the_receive_is_armed_tells_the_peer_by_its_end)
{
    struct rig t;
    char byte;

    rig_init(&t, backend);
    reader_send(&t.reader, "abc", 3);
    reader_check_text(&t.f, &t.reader, "abc");
    fixture_close(&t.f, &t.reader.socket);
    CHECK_EQ(raw_receive_some(t.reader.peer, &byte, 1), 0); /* The loop stands still. */
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, close_with_bytes_that_nobody_pulled_resets)
{
    struct rig t;
    char byte;

    rig_init(&t, backend);
    reader_send(&t.reader, "abc", 3);
    reader_check_text(&t.f, &t.reader, "abc");
    reader_send(&t.reader, "def", 3);
    while (!t.reader.source.first)
        fixture_turn(&t.f);
    fixture_close(&t.f, &t.reader.socket);
    CHECK_EQ(raw_receive_some(t.reader.peer, &byte, 1), -ECONNRESET);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, close_while_pulling_tells_the_peer_by_its_end)
{
    struct rig t;
    char byte;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    fixture_close(&t.f, &t.reader.socket);
    CHECK_EQ(raw_receive_some(t.reader.peer, &byte, 1), 0); /* The loop stands still. */
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, WEIR_CANCELLED);
    rig_fini(&t);
}

/* It stands before the puller on the ready queue when the bytes come. */
struct closer {
    weir_task task;
    struct reader *reader;
};

static weir_task *closer_resume(weir_task *task)
{
    struct closer *self = WEIR_TASK_SELF(task, struct closer);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->reader->source.first)
        WEIR_YIELD(task);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->reader->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct user {
    weir_task task;
    struct reader *reader;
    bool was_closing; /* When it had its bytes. */
    int then;         /* What the next pull gave. */
};

static weir_task *user_resume(weir_task *task)
{
    struct user *self = WEIR_TASK_SELF(task, struct user);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_buffer_source_pull(task, &self->reader->source.source, self->reader->shown, 1));
    CHECK_EQ(r.error, 0);
    self->was_closing = !weir_tcp_is_open(&self->reader->socket);
    reader_check_shows(self->reader, "abc");
    reader_consume(self->reader, 3);
    WEIR_AWAIT(task, r,
               weir_buffer_source_pull(task, &self->reader->source.source, self->reader->shown, 1));
    self->then = r.error;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* It has its bytes, and there will be no more. */
WEIR_CONTRACT_TEST(tcp_source, close_while_the_bytes_are_on_their_way_to_the_puller)
{
    struct closer closer;
    struct job closer_job;
    struct job user_job;
    struct user user;
    struct rig t;

    rig_init(&t, backend);
    closer.reader = user.reader = &t.reader;
    weir_task_init(&closer.task, closer_resume);
    weir_task_init(&user.task, user_resume);
    job_start(&t.f, &user_job, &user.task);
    job_start(&t.f, &closer_job, &closer.task);
    fixture_turn(&t.f);
    reader_send(&t.reader, "abc", 3);
    CHECK_EQ(job_wait(&t.f, &user_job).error, 0);
    CHECK(user.was_closing);
    CHECK_EQ(user.then, WEIR_CLOSED);
    CHECK_EQ(job_wait(&t.f, &closer_job).error, 0);
    rig_fini(&t);
}

/* It uses its bytes until its write has ended, however that does. */
struct answerer {
    weir_task task;
    struct reader *reader;
    weir_const_buffer answer;
};

static weir_task *answerer_resume(weir_task *task)
{
    struct answerer *self = WEIR_TASK_SELF(task, struct answerer);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_buffer_source_pull(task, &self->reader->source.source, self->reader->shown, 1));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, weir_write(task, &self->reader->socket.stream.out, self->answer));
    reader_check_shows(self->reader, "abc");
    reader_consume(self->reader, 3);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(tcp_source, close_while_a_task_that_has_pulled_writes)
{
    enum { BLOCK = 4 << 20 };
    static uint8_t block[BLOCK];
    struct answerer answerer;
    struct job job;
    struct rig t;

    rig_init(&t, backend);
    answerer.reader = &t.reader;
    answerer.answer = weir_const_buffer_of(block, sizeof block);
    weir_task_init(&answerer.task, answerer_resume);
    job_start(&t.f, &job, &answerer.task);
    reader_send(&t.reader, "abc", 3);
    fixture_turn(&t.f);
    CHECK(!job.done);
    fixture_close(&t.f, &t.reader.socket);
    CHECK_EQ(job_wait(&t.f, &job).error, WEIR_CANCELLED);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, an_accepted_socket_is_used_again_with_its_source)
{
    struct rig t;
    int i;

    rig_init(&t, backend);
    for (i = 0; i < 10; i++) {
        reader_send(&t.reader, "left", 4);
        if (i % 2 == 0)
            raw_shutdown(t.reader.peer, WEIR_TCP_WRITES);
        (void)reader_pull(&t.f, &t.reader, 1);
        reader_consume(&t.reader, (size_t)i % 5);
        reader_close(&t.f, &t.reader);
        reader_accept(&t.f, &t.reader);
        check_usable(&t);
    }
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, a_connected_socket_is_used_again_with_its_source)
{
    weir_tcp_socket server;
    struct reader client;
    struct op accept_op;
    struct op op;
    struct fixture f;
    int i;

    fixture_init(&f, backend);
    reader_prepare(&client);
    for (i = 0; i < 3; i++) {
        weir_tcp_socket_init(&server);
        op_accept(&f, &accept_op, &f.acceptor, &server);
        op_connect(&f, &op, &client.socket, &f.endpoint);
        CHECK_EQ(op_wait(&f, &op).error, 0);
        CHECK_EQ(op_wait(&f, &accept_op).error, 0);
        op_write(&f, &op, &server, "abc", 3);
        CHECK_EQ(op_wait(&f, &op).error, 0);
        reader_check_text(&f, &client, "abc");
        fixture_close(&f, &server);
        reader_check_pull_fails(&f, &client, WEIR_EOF);
        fixture_close(&f, &client.socket);
    }
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp_source, a_connect_that_fails_leaves_a_source_that_can_be_used)
{
    weir_endpoint nobody;
    struct reader reader;
    struct fixture f;
    struct op op;
    int reserved;

    fixture_init(&f, backend);
    reserved = raw_reserve(&nobody);
    reader_prepare(&reader);
    op_connect(&f, &op, &reader.socket, &nobody);
    CHECK_EQ(op_wait(&f, &op).error, -ECONNREFUSED);
    reader_check_pull_fails(&f, &reader, WEIR_CLOSED);
    reader_accept(&f, &reader);
    reader_send(&reader, "abc", 3);
    reader_check_text(&f, &reader, "abc");
    reader_close(&f, &reader);
    raw_close(reserved);
    fixture_fini(&f);
}

/* Loops that end. */

WEIR_CONTRACT_TEST(tcp_source, what_comes_while_the_loop_stands_still_is_there_when_it_runs)
{
    struct rig t;
    int i;

    rig_init(&t, backend);
    reader_wait_for_bytes(&t.f, &t.reader);
    for (i = 0; i < 100; i++)
        send_pattern(&t, 1, (size_t)i);
    CHECK_EQ(reader_finish(&t.f, &t.reader).error, 0);
    reader_check_pattern(&t.f, &t.reader, 100, 0);
    rig_fini(&t);
}
