/* SPDX-License-Identifier: MIT */

/* TCP sockets as streams: what is sent arrives, whole, in order, and reported as promised. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* A session that sends back what it receives, until the end. */

struct echo {
    weir_task task;
    weir_tcp_socket *socket;
    uint8_t data[4096];
};

static weir_task *echo_resume(weir_task *task)
{
    struct echo *self = WEIR_TASK_SELF(task, struct echo);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket->stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error)
            break;
        WEIR_AWAIT(
            task, r,
            weir_write(task, &self->socket->stream.out, weir_const_buffer_of(self->data, r.count)));
        if (r.error)
            break;
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void check_echo(struct fixture *f, weir_tcp_socket *client, size_t size)
{
    uint8_t *sent = malloc(size);
    uint8_t *received = malloc(size);
    struct op write_op;
    struct op read_op;
    weir_result r;

    pattern_fill(sent, size, size);
    op_read(f, &read_op, client, received, size);
    op_write(f, &write_op, client, sent, size);
    r = op_wait(f, &write_op);
    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, size);
    r = op_wait(f, &read_op);
    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, size);
    pattern_check(received, size, size);
    free(sent);
    free(received);
}

WEIR_CONTRACT_TEST(tcp, an_echo_of_every_size_around_buffer_boundaries_comes_back)
{
    static const size_t sizes[] = {1,    2,    3,     4095,  4096,  4097,   8191,   8192,
                                   8193, 9999, 16384, 65535, 65536, 131071, 131072, 1 << 20};
    weir_tcp_socket client, server;
    struct echo echo = {.socket = &server};
    struct fixture f;
    struct job job;

    fixture_init(&f, backend);
    fixture_connect(&f, &client, &server);
    weir_task_init(&echo.task, echo_resume);
    job_start(&f, &job, &echo.task);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        check_echo(&f, &client, sizes[i]);
    fixture_close(&f, &client);
    CHECK_EQ(job_wait(&f, &job).error, WEIR_EOF);
    fixture_close(&f, &server);
    fixture_fini(&f);
}

/* Reading. */

struct reading {
    struct fixture f;
    weir_tcp_socket socket;
    int peer;
    struct op op;
    uint8_t data[64];
};

static void reading_init(struct reading *self, const char *backend)
{
    fixture_init(&self->f, backend);
    self->peer = fixture_connect_raw(&self->f, &self->socket);
}

static void reading_fini(struct reading *self)
{
    fixture_close(&self->f, &self->socket);
    fixture_fini(&self->f);
}

static weir_result read_some(struct reading *self, size_t size)
{
    op_read_some(&self->f, &self->op, &self->socket, self->data, size);
    return op_wait(&self->f, &self->op);
}

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

WEIR_CONTRACT_TEST(tcp, read_some_gives_what_is_there)
{
    struct reading t;

    reading_init(&t, backend);
    raw_send(t.peer, "hello", 5);
    check_result(read_some(&t, sizeof t.data), 0, 5);
    CHECK_EQ(memcmp(t.data, "hello", 5), 0);
    raw_close(t.peer);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, read_some_gives_no_more_than_the_buffer)
{
    struct reading t;

    reading_init(&t, backend);
    raw_send(t.peer, "hello", 5);
    check_result(read_some(&t, 2), 0, 2);
    check_result(read_some(&t, 2), 0, 2);
    check_result(read_some(&t, 2), 0, 1);
    raw_close(t.peer);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, read_some_waits_until_something_comes)
{
    struct reading t;

    reading_init(&t, backend);
    op_read_some(&t.f, &t.op, &t.socket, t.data, sizeof t.data);
    fixture_turn(&t.f);
    CHECK(!t.op.job.done);
    raw_send(t.peer, "x", 1);
    check_result(op_wait(&t.f, &t.op), 0, 1);
    raw_close(t.peer);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, recv_after_peer_close_returns_eof_every_time)
{
    struct reading t;

    reading_init(&t, backend);
    raw_close(t.peer);
    for (int i = 0; i < 5; i++)
        check_result(read_some(&t, sizeof t.data), WEIR_EOF, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_close_of_the_peer_ends_a_read_that_waits)
{
    struct reading t;

    reading_init(&t, backend);
    op_read_some(&t.f, &t.op, &t.socket, t.data, sizeof t.data);
    fixture_turn(&t.f);
    raw_close(t.peer);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_full_buffer_is_success_and_the_end_waits_for_the_next_call)
{
    struct reading t;

    reading_init(&t, backend);
    raw_send(t.peer, "0123456789abcdef", 16);
    raw_close(t.peer);
    check_result(read_some(&t, 8), 0, 8);
    op_read(&t.f, &t.op, &t.socket, t.data, 8);
    check_result(op_wait(&t.f, &t.op), 0, 8);
    check_result(read_some(&t, 8), WEIR_EOF, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, bytes_before_the_end_are_read_before_it)
{
    struct reading t;

    reading_init(&t, backend);
    raw_send(t.peer, "abc", 3);
    raw_close(t.peer);
    check_result(read_some(&t, sizeof t.data), 0, 3);
    check_result(read_some(&t, sizeof t.data), WEIR_EOF, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, an_empty_buffer_completes_at_once_with_nothing)
{
    struct reading t;

    reading_init(&t, backend);
    check_result(read_some(&t, 0), 0, 0);
    op_read(&t.f, &t.op, &t.socket, NULL, 0);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    op_write_some(&t.f, &t.op, &t.socket, NULL, 0);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    op_write(&t.f, &t.op, &t.socket, NULL, 0);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    raw_close(t.peer);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, an_empty_buffer_does_not_see_the_end)
{
    struct reading t;

    reading_init(&t, backend);
    raw_close(t.peer);
    check_result(read_some(&t, 1), WEIR_EOF, 0);
    check_result(read_some(&t, 0), 0, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_read_cut_short_by_the_end_counts_what_came)
{
    struct reading t;

    reading_init(&t, backend);
    op_read(&t.f, &t.op, &t.socket, t.data, 10);
    fixture_turn(&t.f);
    raw_send(t.peer, "abc", 3);
    fixture_turn(&t.f);
    raw_send(t.peer, "de", 2);
    raw_close(t.peer);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 5);
    CHECK_EQ(memcmp(t.data, "abcde", 5), 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_reset_by_the_peer_is_an_error_of_the_read)
{
    struct reading t;

    reading_init(&t, backend);
    op_read_some(&t.f, &t.op, &t.socket, t.data, sizeof t.data);
    fixture_turn(&t.f);
    raw_reset(t.peer);
    check_result(op_wait(&t.f, &t.op), -ECONNRESET, 0);
    reading_fini(&t);
}

/* Writing. */

struct drain {
    int descriptor;
    size_t total;
    weir_sys_thread thread;
};

/* Receive slowly: little at a time, and yield between. */
static void drain_thread(void *argument)
{
    struct drain *self = argument;
    uint8_t data[1777];
    size_t count;

    while ((count = raw_receive(self->descriptor, data, sizeof data)) > 0) {
        pattern_check(data, count, self->total);
        self->total += count;
        weir_sys_yield();
    }
}

/* A socket that holds little, and a thread that receives what it sends. */
static void drain_start(struct drain *drain, struct reading *t)
{
    CHECK_EQ(weir_tcp_option_set(&t->socket, WEIR_TCP_SEND_BUFFER_BYTES, 65536), 0);
    drain->descriptor = t->peer;
    drain->total = 0;
    thread_start(&drain->thread, drain_thread, drain);
}

/* Close the socket, and check what its peer got. */
static void drain_finish(struct drain *drain, struct reading *t, size_t expected)
{
    fixture_close(&t->f, &t->socket);
    thread_join(&drain->thread);
    CHECK_EQ(drain->total, expected);
    raw_close(t->peer);
    fixture_fini(&t->f);
}

WEIR_CONTRACT_TEST(tcp, a_write_larger_than_the_socket_buffer_arrives_whole_and_in_order)
{
    enum { SIZE = 8 << 20 };
    uint8_t *data = malloc(SIZE);
    struct reading t;
    struct drain drain;

    reading_init(&t, backend);
    drain_start(&drain, &t);
    pattern_fill(data, SIZE, 0);
    op_write(&t.f, &t.op, &t.socket, data, SIZE);
    check_result(op_wait(&t.f, &t.op), 0, SIZE);
    drain_finish(&drain, &t, SIZE);
    free(data);
}

WEIR_CONTRACT_TEST(tcp, a_write_after_a_reset_of_the_peer_is_an_error_and_no_signal)
{
    struct reading t;
    weir_result r = {0, 0};
    bool is_expected;

    reading_init(&t, backend);
    raw_reset(t.peer);
    for (int i = 0; i < 100 && r.error == 0; i++) {
        op_write(&t.f, &t.op, &t.socket, "x", 1);
        r = op_wait(&t.f, &t.op);
    }
    is_expected = r.error == -EPIPE || r.error == -ECONNRESET;
    CHECK(is_expected);
    op_write(&t.f, &t.op, &t.socket, "x", 1);
    check_result(op_wait(&t.f, &t.op), r.error, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, the_peer_reads_the_end_after_a_shutdown_of_writes)
{
    struct reading t;
    char byte;

    reading_init(&t, backend);
    op_write(&t.f, &t.op, &t.socket, "abc", 3);
    check_result(op_wait(&t.f, &t.op), 0, 3);
    CHECK_EQ(weir_tcp_shutdown(&t.socket, WEIR_TCP_WRITES), 0);
    CHECK_EQ(raw_receive(t.peer, t.data, sizeof t.data), 3);
    CHECK_EQ(raw_receive(t.peer, &byte, 1), 0);
    op_write(&t.f, &t.op, &t.socket, "x", 1);
    check_result(op_wait(&t.f, &t.op), -EPIPE, 0);
    raw_send(t.peer, "still", 5); /* The other direction is open. */
    check_result(read_some(&t, sizeof t.data), 0, 5);
    raw_close(t.peer);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, writing_goes_on_after_the_peer_has_ended_its_direction)
{
    struct reading t;

    reading_init(&t, backend);
    raw_shutdown(t.peer, WEIR_TCP_WRITES);
    check_result(read_some(&t, sizeof t.data), WEIR_EOF, 0);
    op_write(&t.f, &t.op, &t.socket, "answer", 6);
    check_result(op_wait(&t.f, &t.op), 0, 6);
    CHECK_EQ(raw_receive(t.peer, t.data, 6), 6);
    CHECK_EQ(memcmp(t.data, "answer", 6), 0);
    raw_close(t.peer);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_shutdown_of_reads_ends_the_read_in_flight)
{
    struct reading t;

    reading_init(&t, backend);
    op_read_some(&t.f, &t.op, &t.socket, t.data, sizeof t.data);
    fixture_turn(&t.f);
    CHECK_EQ(weir_tcp_shutdown(&t.socket, WEIR_TCP_READS), 0);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    raw_close(t.peer);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_read_and_a_write_are_in_flight_at_once)
{
    enum { SIZE = 4 << 20 }; /* More than a connection that nobody reads takes. */
    uint8_t *data = malloc(SIZE);
    struct reading t;
    struct op write_op;

    reading_init(&t, backend);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_SEND_BUFFER_BYTES, 8192), 0);
    pattern_fill(data, SIZE, 0);
    op_read(&t.f, &t.op, &t.socket, t.data, 4);
    op_write(&t.f, &write_op, &t.socket, data, SIZE);
    fixture_turn(&t.f);
    CHECK(!t.op.job.done);
    CHECK(!write_op.job.done); /* Nobody receives. */
    raw_send(t.peer, "ping", 4);
    check_result(op_wait(&t.f, &t.op), 0, 4);
    CHECK(!write_op.job.done);
    raw_shutdown(t.peer, WEIR_TCP_BOTH);
    raw_reset(t.peer);
    CHECK(op_wait(&t.f, &write_op).error != 0);
    reading_fini(&t);
    free(data);
}

/* The kernel tells of a reset once, and shows an end from then on. */
WEIR_CONTRACT_TEST(tcp, a_connection_that_is_lost_does_not_look_complete)
{
    struct reading t;

    reading_init(&t, backend);
    raw_reset(t.peer);
    op_write(&t.f, &t.op, &t.socket, "x", 1);
    check_result(op_wait(&t.f, &t.op), -ECONNRESET, 0);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), -ECONNRESET, 0);
    op_read(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), -ECONNRESET, 0);
    op_write(&t.f, &t.op, &t.socket, "x", 1);
    check_result(op_wait(&t.f, &t.op), -ECONNRESET, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_connection_lost_in_both_directions_fails_in_both)
{
    enum { SIZE = 4 << 20 };
    uint8_t *data = calloc(1, SIZE);
    struct op write_op;
    struct reading t;

    reading_init(&t, backend);
    op_write(&t.f, &write_op, &t.socket, data, SIZE);
    op_read(&t.f, &t.op, &t.socket, t.data, 4);
    fixture_turn(&t.f);
    CHECK(!write_op.job.done && !t.op.job.done);
    raw_reset(t.peer);
    check_result(op_wait(&t.f, &t.op), -ECONNRESET, 0);
    CHECK_EQ(op_wait(&t.f, &write_op).error, -ECONNRESET);
    reading_fini(&t);
    free(data);
}

/* Behind the end a reset may come: what was read is complete all the same. */
WEIR_CONTRACT_TEST(tcp, an_end_stays_an_end)
{
    struct reading t;
    weir_result r = {0, 0};
    int i;

    reading_init(&t, backend);
    raw_close(t.peer);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    for (i = 0; i < 100 && r.error == 0; i++) { /* Which the peer answers with a reset. */
        op_write(&t.f, &t.op, &t.socket, "x", 1);
        r = op_wait(&t.f, &t.op);
    }
    CHECK(r.error != 0);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, an_end_of_ones_own_stays_an_end_when_the_connection_is_lost)
{
    struct reading t;

    reading_init(&t, backend);
    CHECK_EQ(weir_tcp_shutdown(&t.socket, WEIR_TCP_READS), 0);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    raw_reset(t.peer);
    op_write(&t.f, &t.op, &t.socket, "x", 1);
    check_result(op_wait(&t.f, &t.op), -ECONNRESET, 0);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, what_comes_behind_an_end_of_ones_own_is_read)
{
    struct reading t;

    reading_init(&t, backend);
    CHECK_EQ(weir_tcp_shutdown(&t.socket, WEIR_TCP_READS), 0);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    raw_send(t.peer, "x", 1);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), 0, 1);
    raw_close(t.peer);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_socket_that_is_connected_again_forgets_how_it_was_lost)
{
    struct reading t;

    reading_init(&t, backend);
    raw_reset(t.peer);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), -ECONNRESET, 0);
    fixture_close(&t.f, &t.socket);
    t.peer = fixture_connect_raw(&t.f, &t.socket);
    raw_close(t.peer);
    op_read_some(&t.f, &t.op, &t.socket, t.data, 4);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    t.peer = -1;
    reading_fini(&t);
}

/* Sequences of buffers. */

WEIR_CONTRACT_TEST(tcp, a_vectored_read_fills_the_buffers_front_first)
{
    weir_buffer buffers[5];
    struct reading t;

    reading_init(&t, backend);
    buffers[0] = weir_buffer_of(NULL, 0);
    buffers[1] = weir_buffer_of(NULL, 0);
    buffers[2] = weir_buffer_of(t.data, 3);
    buffers[3] = weir_buffer_of(NULL, 0);
    buffers[4] = weir_buffer_of(t.data + 10, 4);
    raw_send(t.peer, "abcdefgh", 8);
    op_read_some_v(&t.f, &t.op, &t.socket, buffers, 5);
    check_result(op_wait(&t.f, &t.op), 0, 7);
    CHECK_EQ(memcmp(t.data, "abc", 3), 0);
    CHECK_EQ(memcmp(t.data + 10, "defg", 4), 0);
    op_read_some_v(&t.f, &t.op, &t.socket, buffers, 5);
    check_result(op_wait(&t.f, &t.op), 0, 1);
    raw_close(t.peer);
    op_read_some_v(&t.f, &t.op, &t.socket, buffers, 5);
    check_result(op_wait(&t.f, &t.op), WEIR_EOF, 0);
    reading_fini(&t);
}

WEIR_CONTRACT_TEST(tcp, a_sequence_of_empty_buffers_completes_at_once_with_nothing)
{
    weir_buffer in[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    weir_const_buffer out[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    struct reading t;

    reading_init(&t, backend);
    op_read_some_v(&t.f, &t.op, &t.socket, in, 3);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    op_read_some_v(&t.f, &t.op, &t.socket, in, 0);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    op_write_some_v(&t.f, &t.op, &t.socket, out, 3);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    raw_close(t.peer);
    reading_fini(&t);
}

/* What is left of a sequence behind its first bytes; returns how many buffers are done. */
static size_t advance(weir_const_buffer *buffers, size_t count, size_t size)
{
    size_t done = 0;

    while (done < count && size >= buffers[done].size) {
        size -= buffers[done].size;
        done++;
    }
    if (size > 0)
        buffers[done] = weir_const_buffer_after(buffers[done], size);
    return done;
}

static size_t cut(weir_const_buffer *buffers, size_t count, const uint8_t *data)
{
    size_t offset = 0;

    for (size_t i = 0; i < count; i++) {
        size_t size = i % 3 == 0 ? 0 : 90000 + 13 * i;

        buffers[i] = weir_const_buffer_of(data + offset, size);
        offset += size;
    }
    return offset;
}

WEIR_CONTRACT_TEST(tcp, vectored_writes_cut_short_many_times_arrive_whole)
{
    enum { COUNT = 90, SIZE = 6 << 20 };
    weir_const_buffer buffers[COUNT];
    uint8_t *data = malloc(SIZE);
    struct reading t;
    struct drain drain;
    size_t size, done = 0;
    int calls = 0;

    reading_init(&t, backend);
    drain_start(&drain, &t);
    pattern_fill(data, SIZE, 0);
    size = cut(buffers, COUNT, data);
    CHECK(size <= SIZE);
    while (done < COUNT) {
        weir_result r;

        op_write_some_v(&t.f, &t.op, &t.socket, buffers + done, COUNT - done);
        r = op_wait(&t.f, &t.op);
        CHECK_EQ(r.error, 0);
        done += advance(buffers + done, COUNT - done, r.count);
        calls++;
    }
    CHECK(calls > 2);
    drain_finish(&drain, &t, size);
    free(data);
}

WEIR_CONTRACT_TEST(tcp, buffers_beyond_what_the_kernel_takes_are_left_for_the_next_call)
{
    enum { COUNT = 1100, TAKEN = 1024 };
    static const char byte = 'x';
    static weir_const_buffer buffers[COUNT];
    struct reading t;

    reading_init(&t, backend);
    for (int i = 0; i < COUNT; i++)
        buffers[i] = weir_const_buffer_of(&byte, 1);
    op_write_some_v(&t.f, &t.op, &t.socket, buffers, COUNT);
    check_result(op_wait(&t.f, &t.op), 0, TAKEN);
    raw_close(t.peer);
    reading_fini(&t);
}

/* Readiness. */

WEIR_CONTRACT_TEST(tcp, a_wait_for_readability_ends_when_bytes_come_and_takes_none)
{
    struct reading t;

    reading_init(&t, backend);
    op_readable(&t.f, &t.op, &t.socket);
    fixture_turn(&t.f);
    CHECK(!t.op.job.done);
    raw_send(t.peer, "abc", 3);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    op_readable(&t.f, &t.op, &t.socket);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    check_result(read_some(&t, sizeof t.data), 0, 3);
    op_readable(&t.f, &t.op, &t.socket);
    fixture_turn(&t.f);
    CHECK(!t.op.job.done);
    raw_close(t.peer); /* The end is something to read. */
    check_result(op_wait(&t.f, &t.op), 0, 0);
    check_result(read_some(&t, sizeof t.data), WEIR_EOF, 0);
    reading_fini(&t);
}

/* Write until the socket takes no more. Returns how much it took. */
static size_t write_until_full(struct reading *t)
{
    static const uint8_t block[65536];
    size_t total = 0;

    for (;;) {
        op_write_some(&t->f, &t->op, &t->socket, block, sizeof block);
        for (int i = 0; i < 20 && !t->op.job.done; i++)
            fixture_turn(&t->f);
        if (!t->op.job.done)
            break;
        total += t->op.job.result.count;
    }
    weir_tcp_cancel(&t->socket);
    return total + op_wait(&t->f, &t->op).count;
}

WEIR_CONTRACT_TEST(tcp, a_wait_for_writability_ends_when_there_is_room)
{
    uint8_t *data = malloc(64 << 20);
    struct reading t;
    size_t total;

    reading_init(&t, backend);
    op_writable(&t.f, &t.op, &t.socket);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_SEND_BUFFER_BYTES, 8192), 0);
    total = write_until_full(&t);
    op_writable(&t.f, &t.op, &t.socket);
    fixture_turn(&t.f);
    CHECK(!t.op.job.done);
    CHECK(total <= 64 << 20);
    CHECK_EQ(raw_receive(t.peer, data, total), total);
    check_result(op_wait(&t.f, &t.op), 0, 0);
    raw_close(t.peer);
    reading_fini(&t);
    free(data);
}
