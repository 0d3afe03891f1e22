/* SPDX-License-Identifier: MIT */

/*
 * Many sources, much data, and those that do not keep up: what is held, who waits for a buffer, and
 * what is written from where it was received.
 */
#include <stdlib.h>
#include <string.h>

#include "source_rig.h"

enum {
    BUFFERS = 32, /* The least that a loop may lend. */
    HELD_MAX = 8, /* What a source holds before it receives no more, */
    AT_ONCE = 64, /* and what a kernel may complete before it hears of that. */
    MEBIBYTE = 1 << 20,
};

static void init_with_few_buffers(struct fixture *f, const char *backend, size_t buffer_bytes)
{
    weir_loop_options options = {
        .backend = backend, .lent_buffer_bytes = buffer_bytes, .lent_bytes_max = 1};

    fixture_init_with(f, &options);
}

static uint64_t starved(const struct fixture *f)
{
    return weir_loop_statistics_get(f->loop).lent_starved;
}

/* Backpressure. */

WEIR_CONTRACT_TEST(tcp_source, small_messages_that_nobody_pulls_stay_with_the_kernel)
{
    enum { MESSAGES = 200 };
    struct reader reader;
    struct fixture f;
    uint8_t byte;
    size_t i;

    fixture_init(&f, backend);
    reader_open(&f, &reader);
    reader_wait_for_bytes(&f, &reader);
    for (i = 0; i < MESSAGES; i++) {
        pattern_fill(&byte, 1, i);
        raw_send(reader.peer, &byte, 1);
        fixture_turn(&f);
        CHECK(1 + reader.source.behind_count <= HELD_MAX + 4);
    }
    CHECK(reader.source.first != NULL);
    CHECK_EQ(reader_finish(&f, &reader).error, 0);
    reader_check_pattern(&f, &reader, MESSAGES, 0);
    reader_close(&f, &reader);
    fixture_fini(&f);
}

/* Connect a socket of the loop to the reader's. */
static void connect_writer(struct fixture *f, weir_tcp_socket *writer, struct reader *reader)
{
    struct op connect_op;
    struct op accept_op;

    weir_tcp_socket_init(writer);
    reader_prepare(reader);
    op_accept(f, &accept_op, &f->acceptor, &reader->socket);
    op_connect(f, &connect_op, writer, &f->endpoint);
    CHECK_EQ(op_wait(f, &connect_op).error, 0);
    CHECK_EQ(op_wait(f, &accept_op).error, 0);
}

/* Consumes so much of a pattern. */
struct drain {
    weir_task task;
    struct reader *reader;
    size_t size;
    size_t position;
};

static void take_shown(struct drain *self, const weir_const_buffer *shown)
{
    pattern_check(shown->data, shown->size, self->position);
    self->position += shown->size;
    reader_consume(self->reader, shown->size);
}

static weir_task *drain_resume(weir_task *task)
{
    struct drain *self = WEIR_TASK_SELF(task, struct drain);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->position < self->size) {
        WEIR_AWAIT(
            task, r,
            weir_buffer_source_pull(task, &self->reader->source.source, self->reader->shown, 1));
        CHECK_EQ(r.error, 0);
        take_shown(self, &self->reader->shown[0]);
    }
    WEIR_RETURN(task, weir_result_of(0, self->position));
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(tcp_source, a_flood_that_nobody_pulls_is_held_back_and_then_arrives)
{
    enum { SIZE = 4 * MEBIBYTE }; /* More than a connection that nobody reads takes. */
    uint8_t *data = malloc(SIZE);
    weir_tcp_socket writer;
    struct reader reader;
    struct drain drain = {.reader = &reader, .size = SIZE};
    struct fixture f;
    struct op op;
    int i;

    fixture_init(&f, backend);
    connect_writer(&f, &writer, &reader);
    CHECK_EQ(weir_tcp_option_set(&writer, WEIR_TCP_SEND_BUFFER_BYTES, 16384), 0);
    CHECK_EQ(weir_tcp_option_set(&reader.socket, WEIR_TCP_RECEIVE_BUFFER_BYTES, 65536), 0);
    reader_wait_for_bytes(&f, &reader);
    pattern_fill(data, SIZE, 0);
    op_write(&f, &op, &writer, data, SIZE);
    for (i = 0; i < 200; i++) {
        fixture_turn(&f);
        CHECK(1 + reader.source.behind_count <= HELD_MAX + AT_ONCE);
    }
    CHECK(!op.job.done);
    CHECK_EQ(reader_finish(&f, &reader).error, 0);

    weir_task_init(&drain.task, drain_resume);
    CHECK_EQ(fixture_run(&f, &drain.task).count, SIZE);
    CHECK_EQ(op_wait(&f, &op).count, SIZE);
    fixture_close(&f, &writer);
    fixture_close(&f, &reader.socket);
    free(data);
    fixture_fini(&f);
}

/* Few buffers. */

struct crowd {
    struct fixture f;
    struct reader *readers;
    int count;
};

static void crowd_open(struct crowd *t, int count)
{
    int i;

    t->count = count;
    t->readers = malloc((size_t)count * sizeof *t->readers);
    for (i = 0; i < count; i++)
        reader_open(&t->f, &t->readers[i]);
}

static void crowd_init(struct crowd *t, const char *backend, int count)
{
    init_with_few_buffers(&t->f, backend, 4096);
    crowd_open(t, count);
}

static void crowd_fini(struct crowd *t)
{
    int i;

    for (i = 0; i < t->count; i++)
        reader_close(&t->f, &t->readers[i]);
    free(t->readers);
    fixture_fini(&t->f);
}

/* All buffers are with the first readers, a byte in each. */
static void take_all_buffers(struct crowd *t)
{
    int i;

    for (i = 0; i < BUFFERS; i++) {
        reader_send(&t->readers[i], "x", 1);
        CHECK_EQ(reader_pull(&t->f, &t->readers[i], 1), 1);
    }
}

/* Have one wait for its byte, which has come, behind those who wait for a buffer. */
static void queue_up(struct crowd *t, struct reader *reader)
{
    uint64_t before = starved(&t->f);

    reader_send(reader, "y", 1);
    reader_wait_for_bytes(&t->f, reader);
    CHECK_EQ(starved(&t->f), before + 1);
}

static void check_served(struct crowd *t, struct reader *reader)
{
    CHECK_EQ(reader_finish(&t->f, reader).error, 0);
    reader_check_shows(reader, "y");
}

WEIR_CONTRACT_TEST(tcp_source, with_few_buffers_all_make_progress_as_they_are_consumed)
{
    enum { COUNT = 3 * BUFFERS };
    struct crowd t;
    int left = COUNT;
    int i;

    crowd_init(&t, backend, COUNT);
    for (i = 0; i < COUNT; i++) {
        reader_send(&t.readers[i], "y", 1);
        reader_start(&t.f, &t.readers[i], 1);
    }
    fixture_turn(&t.f);
    while (left > 0) {
        int served = 0;

        for (i = 0; i < COUNT; i++) {
            if (!t.readers[i].op.job.done || t.readers[i].source.pulled == 0)
                continue;
            reader_check_shows(&t.readers[i], "y");
            reader_consume(&t.readers[i], 1);
            served++;
        }
        CHECK(served <= BUFFERS);
        left -= served;
        fixture_turn(&t.f);
    }
    CHECK(starved(&t.f) > 0);
    crowd_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, who_waits_for_a_buffer_is_served_first_come_first_served)
{
    enum { WAITING = 6 };
    struct crowd t;
    int i;

    crowd_init(&t, backend, BUFFERS + WAITING);
    take_all_buffers(&t);
    for (i = 0; i < WAITING; i++)
        queue_up(&t, &t.readers[BUFFERS + i]);
    for (i = 0; i < WAITING; i++) {
        reader_consume(&t.readers[i], 1);
        check_served(&t, &t.readers[BUFFERS + i]);
        fixture_turn(&t.f);
        CHECK(i + 1 == WAITING || !t.readers[BUFFERS + i + 1].op.job.done);
    }
    crowd_fini(&t);
}

/* Who waits and has no bytes has no use for the buffer. */
WEIR_CONTRACT_TEST(tcp_source, who_has_no_bytes_does_not_hold_up_those_behind)
{
    enum { IDLE = 5 };
    struct crowd t;
    int i;

    crowd_init(&t, backend, BUFFERS + IDLE + 1);
    take_all_buffers(&t);
    for (i = 0; i < IDLE; i++)
        reader_wait_for_bytes(&t.f, &t.readers[BUFFERS + i]);
    queue_up(&t, &t.readers[BUFFERS + IDLE]);
    reader_consume(&t.readers[0], 1);
    check_served(&t, &t.readers[BUFFERS + IDLE]);
    reader_consume(&t.readers[BUFFERS + IDLE], 1);
    for (i = 0; i < IDLE; i++) {
        reader_send(&t.readers[BUFFERS + i], "y", 1);
        check_served(&t, &t.readers[BUFFERS + i]);
        reader_consume(&t.readers[BUFFERS + i], 1);
    }
    crowd_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, close_while_waiting_for_a_buffer)
{
    struct crowd t;
    int i;

    crowd_init(&t, backend, BUFFERS + 3);
    take_all_buffers(&t);
    for (i = 0; i < 3; i++)
        queue_up(&t, &t.readers[BUFFERS + i]);
    for (i = 1; i >= 0; i--) {
        fixture_close(&t.f, &t.readers[BUFFERS + i].socket);
        CHECK_EQ(reader_finish(&t.f, &t.readers[BUFFERS + i]).error, WEIR_CANCELLED);
    }
    fixture_turn(&t.f);
    CHECK(!t.readers[BUFFERS + 2].op.job.done);
    reader_consume(&t.readers[0], 1);
    check_served(&t, &t.readers[BUFFERS + 2]);
    crowd_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, a_stop_while_waiting_for_a_buffer_loses_nothing)
{
    struct crowd t;

    crowd_init(&t, backend, BUFFERS + 1);
    take_all_buffers(&t);
    queue_up(&t, &t.readers[BUFFERS]);
    op_stop(&t.readers[BUFFERS].op);
    CHECK_EQ(reader_finish(&t.f, &t.readers[BUFFERS]).error, WEIR_CANCELLED);
    reader_start(&t.f, &t.readers[BUFFERS], 1);
    reader_consume(&t.readers[0], 1);
    check_served(&t, &t.readers[BUFFERS]);
    crowd_fini(&t);
}

/* A buffer comes back because its holder is closed. */
WEIR_CONTRACT_TEST(tcp_source, a_close_lets_go_on_who_waits_for_a_buffer)
{
    struct crowd t;

    crowd_init(&t, backend, BUFFERS + 1);
    take_all_buffers(&t);
    queue_up(&t, &t.readers[BUFFERS]);
    fixture_close(&t.f, &t.readers[0].socket);
    check_served(&t, &t.readers[BUFFERS]);
    crowd_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_source, an_idle_connection_holds_no_buffer)
{
    enum { IDLE = 3 * BUFFERS, SIZE = MEBIBYTE };
    uint8_t *data = malloc(SIZE);
    weir_tcp_socket writer;
    struct reader reader;
    struct drain drain = {.reader = &reader, .size = SIZE};
    struct crowd t;
    struct op op;
    int i;

    crowd_init(&t, backend, IDLE);
    for (i = 0; i < IDLE; i++)
        reader_wait_for_bytes(&t.f, &t.readers[i]);
    connect_writer(&t.f, &writer, &reader);
    pattern_fill(data, SIZE, 0);
    op_write(&t.f, &op, &writer, data, SIZE);
    weir_task_init(&drain.task, drain_resume);
    CHECK_EQ(fixture_run(&t.f, &drain.task).count, SIZE);
    CHECK_EQ(op_wait(&t.f, &op).count, SIZE);
    for (i = 0; i < IDLE; i++) {
        CHECK(!t.readers[i].source.first);
        reader_send(&t.readers[i], "y", 1);
        check_served(&t, &t.readers[i]);
        reader_consume(&t.readers[i], 1);
    }
    fixture_close(&t.f, &writer);
    fixture_close(&t.f, &reader.socket);
    free(data);
    crowd_fini(&t);
}

/* More completions than the queue holds: the receives whose completion did not fit have ended. */

/* All wait, armed, and then there is more than the queue holds before the loop looks. */
static void flood(struct crowd *t, const uint8_t *data, size_t size)
{
    int i;

    for (i = 0; i < t->count; i++)
        reader_wait_for_bytes(&t->f, &t->readers[i]);
    for (i = 0; i < t->count; i++)
        raw_send(t->readers[i].peer, data, size);
}

static void check_flood(struct crowd *t, size_t size, size_t from)
{
    int i;

    for (i = 0; i < t->count; i++) {
        CHECK_EQ(reader_finish(&t->f, &t->readers[i]).error, 0);
        reader_check_pattern(&t->f, &t->readers[i], size, from);
    }
}

WEIR_CONTRACT_TEST(tcp_source, receives_that_a_full_completion_queue_ended_are_begun_again)
{
    enum { COUNT = 6, BUFFER_BYTES = 100, SIZE = 100 * BUFFER_BYTES, ROUNDS = 5 };
    const weir_loop_options options = {
        .backend = backend, .queue_depth = 1, .lent_buffer_bytes = BUFFER_BYTES};
    uint8_t data[SIZE];
    struct crowd t;
    size_t from;

    fixture_init_with(&t.f, &options);
    crowd_open(&t, COUNT);
    for (from = 0; from < ROUNDS * SIZE; from += SIZE) {
        pattern_fill(data, SIZE, from);
        flood(&t, data, SIZE);
        check_flood(&t, SIZE, from);
    }
    if (strcmp(backend, "epoll") != 0) /* That has no such queue. */
        CHECK(weir_loop_statistics_get(t.f.loop).overflows > 0);
    crowd_fini(&t);
}

/* Written from where it was received. */

struct pump {
    weir_task task;
    struct reader *from;
    weir_write_stream *to;
};

static weir_task *pump_resume(weir_task *task)
{
    struct pump *self = WEIR_TASK_SELF(task, struct pump);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_buffer_source_pull(task, &self->from->source.source, self->from->shown,
                                           SHOWN_MAX));
        if (r.error)
            break;
        WEIR_AWAIT(task, r, weir_write_v(task, self->to, self->from->shown, r.count));
        CHECK_EQ(r.error, 0);
        reader_consume(self->from, r.count);
    }
    CHECK_EQ(r.error, WEIR_EOF);
    WEIR_AWAIT(task, r, weir_write_eof(task, self->to, weir_const_buffer_of(NULL, 0)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void pump_start(struct fixture *f, struct pump *self, struct job *job, struct reader *from,
                       weir_tcp_socket *to)
{
    self->from = from;
    self->to = &to->stream.out;
    weir_task_init(&self->task, pump_resume);
    job_start(f, job, &self->task);
}

static weir_task *write_to_end(weir_task *task, struct op *op)
{
    weir_tcp_socket *socket = op->object;

    return weir_write_eof(task, &socket->stream.out, weir_const_buffer_of(op->target, op->size));
}

/* One end of an exchange: it writes a pattern and the end, and reads as much. */
struct end {
    weir_tcp_socket socket;
    uint8_t *sent;
    uint8_t *received;
    size_t size;
    struct op write_op;
    struct op read_op;
};

static void end_start(struct fixture *f, struct end *self, size_t size, size_t from)
{
    self->size = size;
    self->sent = malloc(size);
    self->received = malloc(size);
    pattern_fill(self->sent, size, from);
    self->write_op.object = &self->socket;
    self->write_op.target = self->sent;
    self->write_op.size = size;
    op_start(f, &self->write_op, write_to_end);
    op_read(f, &self->read_op, &self->socket, self->received, size);
}

static void end_finish(struct fixture *f, struct end *self, size_t from)
{
    uint8_t byte;

    CHECK_EQ(op_wait(f, &self->write_op).error, 0);
    CHECK_EQ(op_wait(f, &self->read_op).count, self->size);
    pattern_check(self->received, self->size, from);
    op_read_some(f, &self->read_op, &self->socket, &byte, 1);
    CHECK_EQ(op_wait(f, &self->read_op).error, WEIR_EOF);
    fixture_close(f, &self->socket);
    free(self->sent);
    free(self->received);
}

static void check_echo(struct fixture *f, size_t size)
{
    struct reader reader;
    struct pump pump;
    struct end client;
    struct job job;

    connect_writer(f, &client.socket, &reader);
    pump_start(f, &pump, &job, &reader, &reader.socket);
    end_start(f, &client, size, 0);
    end_finish(f, &client, 0);
    CHECK_EQ(job_wait(f, &job).error, 0);
    fixture_close(f, &reader.socket);
}

WEIR_CONTRACT_TEST(tcp_source, an_echo_writes_megabytes_from_where_they_were_received)
{
    struct fixture f;

    fixture_init(&f, backend);
    check_echo(&f, 1);
    check_echo(&f, 2 * MEBIBYTE + 1);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp_source, a_peer_that_sends_and_does_not_read_is_held_back_and_then_served)
{
    enum { SIZE = 4 * MEBIBYTE };
    uint8_t *received = malloc(SIZE);
    uint8_t *sent = malloc(SIZE);
    weir_tcp_socket client;
    struct reader reader;
    struct pump pump;
    struct job job;
    struct fixture f;
    struct op write_op;
    struct op read_op;
    int i;

    fixture_init(&f, backend);
    connect_writer(&f, &client, &reader);
    CHECK_EQ(weir_tcp_option_set(&client, WEIR_TCP_SEND_BUFFER_BYTES, 16384), 0);
    CHECK_EQ(weir_tcp_option_set(&client, WEIR_TCP_RECEIVE_BUFFER_BYTES, 65536), 0);
    CHECK_EQ(weir_tcp_option_set(&reader.socket, WEIR_TCP_SEND_BUFFER_BYTES, 16384), 0);
    CHECK_EQ(weir_tcp_option_set(&reader.socket, WEIR_TCP_RECEIVE_BUFFER_BYTES, 65536), 0);
    pump_start(&f, &pump, &job, &reader, &reader.socket);
    pattern_fill(sent, SIZE, 0);
    write_op.object = &client;
    write_op.target = sent;
    write_op.size = SIZE;
    op_start(&f, &write_op, write_to_end);
    for (i = 0; i < 200; i++) {
        fixture_turn(&f);
        CHECK(1 + reader.source.behind_count <= HELD_MAX + AT_ONCE);
    }
    CHECK(!write_op.job.done);

    op_read(&f, &read_op, &client, received, SIZE);
    CHECK_EQ(op_wait(&f, &read_op).count, SIZE);
    pattern_check(received, SIZE, 0);
    CHECK_EQ(op_wait(&f, &write_op).error, 0);
    CHECK_EQ(job_wait(&f, &job).error, 0);
    fixture_close(&f, &client);
    fixture_close(&f, &reader.socket);
    free(received);
    free(sent);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp_source, an_echo_goes_on_with_the_fewest_and_smallest_buffers)
{
    struct fixture f;

    init_with_few_buffers(&f, backend, 100);
    check_echo(&f, MEBIBYTE / 4);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp_source, a_proxy_bridges_two_sources_both_ways)
{
    enum { SIZE = MEBIBYTE + 1, FROM = 99 };
    struct reader inner;
    struct reader outer;
    struct end client;
    struct end server;
    struct pump pumps[2];
    struct job jobs[2];
    struct fixture f;

    fixture_init(&f, backend);
    connect_writer(&f, &client.socket, &outer);
    connect_writer(&f, &server.socket, &inner);
    pump_start(&f, &pumps[0], &jobs[0], &outer, &inner.socket);
    pump_start(&f, &pumps[1], &jobs[1], &inner, &outer.socket);
    end_start(&f, &client, SIZE, 0);
    end_start(&f, &server, SIZE, FROM);
    end_finish(&f, &client, FROM);
    end_finish(&f, &server, 0);
    CHECK_EQ(job_wait(&f, &jobs[0]).error, 0);
    CHECK_EQ(job_wait(&f, &jobs[1]).error, 0);
    fixture_close(&f, &inner.socket);
    fixture_close(&f, &outer.socket);
    fixture_fini(&f);
}
