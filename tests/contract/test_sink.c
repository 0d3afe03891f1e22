/* SPDX-License-Identifier: MIT */

/* Sinks on connections: what is committed arrives, and where the memory goes. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "zero_copy.h"

enum { CHUNK = WEIR_TCP_SINK_PREPARED_MAX, BULK = 40 * CHUNK };

/* A connection to a raw descriptor, and its sink. */
struct rig {
    struct fixture f;
    weir_tcp_socket socket;
    weir_tcp_sink sink;
    int peer;
    struct op op;
};

static void rig_init_with(struct rig *self, const char *backend, size_t sink_bytes)
{
    const weir_loop_options options = {.backend = backend, .sink_bytes = sink_bytes};

    fixture_init_with(&self->f, &options);
    /* Peers on this machine are sent copies at first: let them be like others. */
    weir_zero_copy_of(self->f.loop)->classes[WEIR_PEER_LOCAL].copies = 0;
    self->peer = fixture_connect_raw(&self->f, &self->socket);
    weir_tcp_sink_init(&self->sink, &self->socket);
}

static void rig_init(struct rig *self, const char *backend)
{
    rig_init_with(self, backend, 0);
}

static void rig_fini(struct rig *self)
{
    weir_tcp_sink_fini(&self->sink);
    fixture_close(&self->f, &self->socket);
    raw_close(self->peer);
    fixture_fini(&self->f);
}

static uint8_t *prepare(weir_tcp_sink *sink)
{
    weir_buffer buffer;

    CHECK_EQ(weir_buffer_sink_prepare(&sink->sink, &buffer, 1), 1);
    CHECK(buffer.size > 0);
    return buffer.data;
}

static weir_task *start_commit(weir_task *task, struct op *op)
{
    return weir_buffer_sink_commit(task, &((weir_tcp_sink *)op->object)->sink, op->size);
}

static weir_task *start_commit_eof(weir_task *task, struct op *op)
{
    return weir_buffer_sink_commit_eof(task, &((weir_tcp_sink *)op->object)->sink, op->size);
}

static void op_commit(struct rig *t, struct op *op, weir_tcp_sink *sink, size_t size)
{
    op->object = sink;
    op->size = size;
    op_start(&t->f, op, start_commit);
}

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

static void commit(struct rig *t, size_t size)
{
    op_commit(t, &t->op, &t->sink, size);
    check_result(op_wait(&t->f, &t->op), 0, size);
}

/* Passing on. */

WEIR_CONTRACT_TEST(sink, what_is_committed_arrives)
{
    struct rig t;
    uint8_t data[3];

    rig_init(&t, backend);
    memcpy(prepare(&t.sink), "abc", 3);
    commit(&t, 3);
    CHECK_EQ(raw_receive(t.peer, data, 3), 3);
    CHECK_EQ(memcmp(data, "abc", 3), 0);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, only_what_is_committed_arrives)
{
    struct rig t;
    uint8_t data[4];

    rig_init(&t, backend);
    memcpy(prepare(&t.sink), "abXX", 4);
    commit(&t, 2);
    memcpy(prepare(&t.sink), "cd", 2);
    commit(&t, 2);
    CHECK_EQ(raw_receive(t.peer, data, 4), 4);
    CHECK_EQ(memcmp(data, "abcd", 4), 0);
    rig_fini(&t);
}

/* Sends BULK bytes in commits of all sizes. */
struct sender {
    weir_task task;
    weir_tcp_sink *sink;
    size_t sent;
};

static weir_task *sender_commit(weir_task *task, struct sender *self)
{
    size_t size = 1 + self->sent * 7 % CHUNK;
    weir_buffer buffer;

    if (weir_buffer_sink_prepare(&self->sink->sink, &buffer, 1) == 0)
        return weir_buffer_sink_commit(task, &self->sink->sink, 0);
    size = size < buffer.size ? size : buffer.size;
    size = size < BULK - self->sent ? size : BULK - self->sent;
    pattern_fill(buffer.data, size, self->sent);
    self->sent += size;
    return weir_buffer_sink_commit(task, &self->sink->sink, size);
}

static weir_task *sender_resume(weir_task *task)
{
    struct sender *self = WEIR_TASK_SELF(task, struct sender);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->sent < BULK) {
        WEIR_AWAIT(task, r, sender_commit(task, self));
        CHECK_EQ(r.error, 0);
    }
    WEIR_AWAIT(task, r, weir_buffer_sink_commit_eof(task, &self->sink->sink, 0));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(sink, much_arrives_in_order_and_then_the_end)
{
    weir_tcp_socket server;
    struct sender sender = {.sink = NULL};
    struct job job;
    struct rig t;
    uint8_t *data = malloc(BULK + 1);
    weir_result r;

    CHECK(data);
    rig_init_with(&t, backend, 4 * CHUNK);
    fixture_close(&t.f, &t.socket);
    fixture_connect(&t.f, &t.socket, &server);
    sender.sink = &t.sink;
    weir_task_init(&sender.task, sender_resume);
    job_start(&t.f, &job, &sender.task);
    op_read(&t.f, &t.op, &server, data, BULK + 1);
    r = op_wait(&t.f, &t.op);
    CHECK_EQ(r.error, WEIR_EOF);
    CHECK_EQ(r.count, BULK);
    pattern_check(data, BULK, 0);
    check_result(job_wait(&t.f, &job), 0, 0);
    fixture_close(&t.f, &server);
    free(data);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, the_last_commit_ends_the_stream)
{
    struct rig t;
    uint8_t data[4];

    rig_init(&t, backend);
    memcpy(prepare(&t.sink), "abc", 3);
    t.op.object = &t.sink;
    t.op.size = 3;
    op_start(&t.f, &t.op, start_commit_eof);
    check_result(op_wait(&t.f, &t.op), 0, 3);
    CHECK_EQ(raw_receive(t.peer, data, 4), 3);
    rig_fini(&t);
}

/* Memory. */

WEIR_CONTRACT_TEST(sink, what_is_prepared_again_is_the_same_memory)
{
    struct rig t;
    const uint8_t *first;

    rig_init(&t, backend);
    first = prepare(&t.sink);
    CHECK(prepare(&t.sink) == first);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, memory_that_was_used_last_is_used_next)
{
    weir_tcp_sink other;
    struct rig t;
    uint8_t *first;

    rig_init(&t, backend);
    weir_tcp_sink_init(&other, &t.socket);
    first = prepare(&t.sink);
    first[0] = 'a';
    commit(&t, 1);
    CHECK(prepare(&other) == first); /* An idle sink holds none. */
    weir_tcp_sink_fini(&other);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, without_memory_commits_wait_first_in_first_out)
{
    weir_tcp_sink others[2];
    weir_tcp_socket sockets[2];
    int peers[2];
    struct op ops[2];
    weir_buffer buffer;
    struct rig t;
    int i;

    rig_init_with(&t, backend, 1); /* A chunk. */
    (void)prepare(&t.sink);
    for (i = 0; i < 2; i++) {
        peers[i] = fixture_connect_raw(&t.f, &sockets[i]);
        weir_tcp_sink_init(&others[i], &sockets[i]);
        CHECK_EQ(weir_buffer_sink_prepare(&others[i].sink, &buffer, 1), 0);
        op_commit(&t, &ops[i], &others[i], 0);
        fixture_turn(&t.f);
        CHECK(!ops[i].job.done);
    }
    commit(&t, 0); /* It has some. */
    weir_tcp_sink_fini(&t.sink);
    check_result(op_wait(&t.f, &ops[0]), 0, 0);
    fixture_turn(&t.f);
    CHECK(!ops[1].job.done);
    CHECK_EQ(weir_buffer_sink_prepare(&t.sink.sink, &buffer, 1), 0);
    memcpy(prepare(&others[0]), "a", 1);
    op_commit(&t, &ops[0], &others[0], 1);
    check_result(op_wait(&t.f, &ops[0]), 0, 1);
    check_result(op_wait(&t.f, &ops[1]), 0, 0);
    CHECK_EQ(weir_loop_statistics_get(t.f.loop).sink_waits, 2);
    for (i = 0; i < 2; i++) {
        weir_tcp_sink_fini(&others[i]);
        fixture_close(&t.f, &sockets[i]);
        raw_close(peers[i]);
    }
    rig_fini(&t);
}

static void wait_for_memory(struct rig *t, weir_tcp_sink *holder)
{
    weir_tcp_sink_init(holder, &t->socket);
    (void)prepare(holder);
    op_commit(t, &t->op, &t->sink, 0);
    fixture_turn(&t->f);
    CHECK(!t->op.job.done);
}

WEIR_CONTRACT_TEST(sink, a_stop_ends_the_wait_for_memory)
{
    weir_tcp_sink holder;
    struct rig t;

    rig_init_with(&t, backend, 1);
    wait_for_memory(&t, &holder);
    op_stop(&t.op);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED, 0);
    weir_tcp_sink_fini(&holder);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, closing_the_socket_ends_the_wait_for_memory)
{
    weir_tcp_sink holder;
    struct rig t;

    rig_init_with(&t, backend, 1);
    wait_for_memory(&t, &holder);
    fixture_close(&t.f, &t.socket);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED, 0);
    weir_tcp_sink_fini(&holder);
    rig_fini(&t);
}

/* Stops, failures and closes. */

/* Commit until nobody reads any more and end it so; returns how many bytes were taken. */
static size_t fill_until(struct rig *t, size_t size, void (*end_it)(struct rig *t))
{
    size_t taken = 0;
    weir_result r;

    for (;;) {
        pattern_fill(prepare(&t->sink), size, taken);
        taken += size;
        op_commit(t, &t->op, &t->sink, size);
        fixture_turn(&t->f);
        if (!t->op.job.done)
            end_it(t);
        r = op_wait(&t->f, &t->op);
        CHECK_EQ(r.count, size);
        if (r.error) {
            CHECK_EQ(r.error, WEIR_CANCELLED);
            return taken;
        }
    }
}

static void end_by_stop(struct rig *t)
{
    op_stop(&t->op);
}

static void end_by_cancel(struct rig *t)
{
    weir_tcp_cancel(&t->socket);
}

static void stopped_commit_is_taken(const char *backend, size_t size)
{
    weir_tcp_socket server;
    struct op read_op;
    struct rig t;
    size_t taken;
    uint8_t *data;

    rig_init(&t, backend);
    fixture_close(&t.f, &t.socket);
    fixture_connect(&t.f, &t.socket, &server);
    taken = fill_until(&t, size, end_by_stop);

    data = malloc(taken);
    CHECK(data);
    op_commit(&t, &t.op, &t.sink, 0);
    op_read(&t.f, &read_op, &server, data, taken);
    check_result(op_wait(&t.f, &read_op), 0, taken);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    pattern_check(data, taken, 0);
    free(data);
    fixture_close(&t.f, &server);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, what_a_stopped_commit_took_goes_with_the_next)
{
    stopped_commit_is_taken(backend, CHUNK);
}

WEIR_CONTRACT_TEST(sink, what_a_stopped_small_commit_took_goes_with_the_next)
{
    stopped_commit_is_taken(backend, 5000);
}

/* Between two chunks: the commit's task stands on the ready queue and nothing is in flight. */
struct between {
    weir_task task;
    struct rig *rig;
    bool closes;
    bool was_there;
};

static bool is_between(const struct rig *t)
{
    return t->sink.work.state == WEIR_TASK_READY && t->sink.first != t->sink.last;
}

static weir_task *between_resume(weir_task *task)
{
    struct between *self = WEIR_TASK_SELF(task, struct between);
    weir_result r = {0};

    WEIR_BEGIN(task);
    while (!self->rig->op.job.done && !is_between(self->rig))
        WEIR_YIELD(task);
    self->was_there = !self->rig->op.job.done;
    if (self->closes)
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->rig->socket));
    else
        weir_tcp_cancel(&self->rig->socket);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void end_between_chunks(const char *backend, bool closes)
{
    struct between between = {.closes = closes};
    weir_tcp_socket server;
    struct op read_op;
    struct job job;
    struct rig t;
    uint8_t *data;
    size_t taken;

    rig_init(&t, backend);
    fixture_close(&t.f, &t.socket);
    fixture_connect(&t.f, &t.socket, &server);
    taken = fill_until(&t, CHUNK, end_by_stop) + CHUNK;
    data = malloc(taken);
    CHECK(data);
    pattern_fill(prepare(&t.sink), CHUNK, taken - CHUNK);
    op_commit(&t, &t.op, &t.sink, CHUNK);
    fixture_turn(&t.f);
    between.rig = &t;
    weir_task_init(&between.task, between_resume);
    job_start(&t.f, &job, &between.task);
    op_read(&t.f, &read_op, &server, data, taken);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED, CHUNK);
    CHECK(between.was_there);
    check_result(job_wait(&t.f, &job), 0, 0);
    fixture_close(&t.f, &t.socket);
    pattern_check(data, op_wait(&t.f, &read_op).count, 0);
    free(data);
    fixture_close(&t.f, &server);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, a_cancel_between_two_chunks_ends_the_commit)
{
    end_between_chunks(backend, false);
}

WEIR_CONTRACT_TEST(sink, a_close_between_two_chunks_ends_the_commit)
{
    end_between_chunks(backend, true);
}

static weir_task *stop_and_commit(weir_task *task, struct op *op)
{
    weir_task_stop(task, WEIR_STOP_REQUESTED);
    return start_commit(task, op);
}

WEIR_CONTRACT_TEST(sink, a_commit_after_a_stop_takes_its_bytes)
{
    struct rig t;
    uint8_t data[2];

    rig_init(&t, backend);
    memcpy(prepare(&t.sink), "a", 1);
    t.op.object = &t.sink;
    t.op.size = 1;
    op_start(&t.f, &t.op, stop_and_commit);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED, 1);
    memcpy(prepare(&t.sink), "b", 1);
    commit(&t, 1);
    CHECK_EQ(raw_receive(t.peer, data, 2), 2);
    CHECK_EQ(memcmp(data, "ab", 2), 0);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, a_lost_connection_fails_the_commit_that_is_taken)
{
    weir_result r;
    struct rig t;
    int i;

    rig_init(&t, backend);
    raw_reset(t.peer);
    for (i = 0; i < 3; i++) {
        prepare(&t.sink)[0] = 'a';
        op_commit(&t, &t.op, &t.sink, 1);
        r = op_wait(&t.f, &t.op);
        CHECK_EQ(r.count, 1);
    }
    CHECK(r.error < 0);
    weir_tcp_sink_fini(&t.sink);
    fixture_close(&t.f, &t.socket);
    fixture_fini(&t.f);
}

WEIR_CONTRACT_TEST(sink, a_closed_socket_prepares_nothing)
{
    weir_buffer buffer;
    struct rig t;

    rig_init(&t, backend);
    fixture_close(&t.f, &t.socket);
    CHECK_EQ(weir_buffer_sink_prepare(&t.sink.sink, &buffer, 1), 0);
    op_commit(&t, &t.op, &t.sink, 0);
    check_result(op_wait(&t.f, &t.op), WEIR_CLOSED, 0);
    rig_fini(&t);
}

/* The same socket, another peer. */
static void reconnect(struct rig *t)
{
    fixture_close(&t->f, &t->socket);
    raw_close(t->peer);
    t->peer = fixture_connect_raw(&t->f, &t->socket);
}

static void check_that_only_a_arrives(struct rig *t)
{
    uint8_t data[4];

    op_start(&t->f, &t->op, start_commit_eof);
    check_result(op_wait(&t->f, &t->op), 0, 1);
    CHECK_EQ(raw_receive(t->peer, data, 4), 1);
    CHECK_EQ(data[0], 'a');
}

WEIR_CONTRACT_TEST(sink, another_connection_gets_nothing_of_what_the_last_left)
{
    static const size_t sizes[] = {CHUNK, 5000};
    struct rig t;
    size_t i;

    rig_init(&t, backend);
    for (i = 0; i < 2; i++) {
        (void)fill_until(&t, sizes[i], end_by_stop);
        reconnect(&t);
        t.op.size = 1;
        prepare(&t.sink)[0] = 'a';
        check_that_only_a_arrives(&t); /* And the end: it may be written once a connection. */
        reconnect(&t);
    }
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, what_is_prepared_outlives_a_connection)
{
    struct rig t;

    rig_init(&t, backend);
    (void)fill_until(&t, 5000, end_by_stop);
    prepare(&t.sink)[0] = 'a';
    reconnect(&t);
    t.op.size = 1;
    check_that_only_a_arrives(&t);
    rig_fini(&t);
}

/* The kernel may have memory of several commits when socket, sink and loop go. */
WEIR_CONTRACT_TEST(sink, everything_may_go_while_the_peer_has_not_acknowledged)
{
    struct rig t;

    rig_init(&t, backend);
    (void)fill_until(&t, CHUNK, end_by_cancel);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(sink, a_peer_that_does_not_acknowledge_leaves_memory_to_others)
{
    weir_tcp_socket other;
    weir_tcp_sink sink;
    uint8_t data[1];
    struct op op;
    struct rig t;
    int peer;

    rig_init_with(&t, backend, 8 * CHUNK);
    (void)fill_until(&t, CHUNK, end_by_cancel);
    peer = fixture_connect_raw(&t.f, &other);
    weir_tcp_sink_init(&sink, &other);
    prepare(&sink)[0] = 'a';
    op_commit(&t, &op, &sink, 1);
    check_result(op_wait(&t.f, &op), 0, 1);
    CHECK_EQ(raw_receive(peer, data, 1), 1);
    weir_tcp_sink_fini(&sink);
    fixture_close(&t.f, &other);
    raw_close(peer);
    rig_fini(&t);
}
