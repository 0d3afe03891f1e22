/* SPDX-License-Identifier: MIT */
/* A stream of libuv's as a weir_stream: over a real connection, against a peer without weir. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"

/* More than the kernel takes for a peer that does not read. */
enum { FLOOD = 16 << 20 };

static char *flood_new(void)
{
    char *data = malloc(FLOOD);

    CHECK(data);
    for (size_t i = 0; i < FLOOD; i++)
        data[i] = (char)(i % 251);
    return data;
}

/* Receive size bytes while the loop sends, and check that they are the flood's from a byte on. */
static void check_flood(struct rig *rig, int peer, const char *data, size_t from, size_t size)
{
    static char part[1 << 16];

    while (size > 0) {
        ssize_t n = recv(peer, part, size < sizeof part ? size : sizeof part, MSG_DONTWAIT);

        CHECK(n > 0 || (n < 0 && errno == EAGAIN));
        if (n > 0) {
            CHECK_EQ(memcmp(part, data + from, (size_t)n), 0);
            from += (size_t)n;
            size -= (size_t)n;
        }
        (void)uv_run(&rig->loop, UV_RUN_NOWAIT);
    }
}

/* Reading. */

WEIR_TEST(uv_stream, read_gives_what_was_sent)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_read_some(&rig, &op, &end, data, sizeof data);
    rig_settle(&rig);
    CHECK(!op.done);
    raw_send(peer, "hello", 5);
    CHECK_OP(&rig, &op, 0, 5);
    CHECK_EQ(memcmp(data, "hello", 5), 0);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, bytes_that_nobody_asked_for_wait)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    raw_send(peer, "abcdef", 6);
    op_read_some(&rig, &op, &end, data, 3); /* libuv would read on. */
    CHECK_OP(&rig, &op, 0, 3);
    raw_send(peer, "ghi", 3);
    rig_settle(&rig);
    op_read(&rig, &op, &end, data, 6);
    CHECK_OP(&rig, &op, 0, 6);
    CHECK_EQ(memcmp(data, "defghi", 6), 0);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, read_after_the_end_is_eof_every_time)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    raw_send(peer, "abc", 3);
    close(peer);
    op_read(&rig, &op, &end, data, sizeof data);
    CHECK_OP(&rig, &op, WEIR_EOF, 3);
    for (int i = 0; i < 3; i++) {
        op_read_some(&rig, &op, &end, data, sizeof data);
        CHECK_OP(&rig, &op, WEIR_EOF, 0);
    }
    rig_close(&rig, &end);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, an_end_that_comes_while_nobody_reads_is_not_lost)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_finish(&rig, &op, &end); /* With the peer's end libuv is told of a hangup. */
    CHECK_OP(&rig, &op, 0, 0);
    op_read_some(&rig, &op, &end, data, sizeof data);
    rig_settle(&rig);
    raw_send(peer, "abc", 3);
    close(peer);
    CHECK_OP(&rig, &op, 0, 3);
    rig_settle(&rig);
    op_read_some(&rig, &op, &end, data, sizeof data);
    CHECK_OP(&rig, &op, WEIR_EOF, 0);
    rig_close(&rig, &end);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, stop_before_read_takes_nothing)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    raw_send(peer, "abc", 3);
    op_read_some(&rig, &op, &end, data, sizeof data);
    weir_task_stop(&op.root.task, WEIR_STOP_REQUESTED);
    CHECK_OP(&rig, &op, WEIR_CANCELLED, 0);
    op_read_some(&rig, &op, &end, data, sizeof data);
    CHECK_OP(&rig, &op, 0, 3);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, a_stopped_read_loses_no_byte)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_read_some(&rig, &op, &end, data, sizeof data);
    rig_settle(&rig);
    op_stop(&op);
    CHECK_OP(&rig, &op, WEIR_CANCELLED, 0);
    raw_send(peer, "abc", 3);
    rig_settle(&rig);
    op_read_some(&rig, &op, &end, data, sizeof data);
    CHECK_OP(&rig, &op, 0, 3);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, a_whole_read_that_is_stopped_reports_what_had_come)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    raw_send(peer, "abc", 3);
    end_await_arrival(&end);
    op_read(&rig, &op, &end, data, sizeof data);
    rig_settle(&rig);
    op_stop(&op);
    CHECK_OP(&rig, &op, WEIR_CANCELLED, 3);
    CHECK_EQ(memcmp(data, "abc", 3), 0);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, stop_against_bytes_that_arrive)
{
    enum { ROUNDS = 400 };
    struct rig rig;
    struct end end;
    struct op op;
    size_t count = 0;
    char byte;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    for (int round = 0; round < ROUNDS; round++) {
        weir_result r;

        op_read_some(&rig, &op, &end, &byte, 1);
        for (int turns = round % 3; turns > 0; turns--)
            (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
        raw_send(peer, &(char){(char)round}, 1);
        for (int turns = round / 3 % 3; turns > 0 && !op.done; turns--)
            (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
        if (!op.done)
            op_stop(&op);
        r = op_wait(&rig, &op);
        CHECK(r.count == 1 || r.error == WEIR_CANCELLED);
        if (r.count == 1)
            CHECK_EQ(byte, (char)count);
        count += r.count;
    }
    for (; count < ROUNDS; count++) {
        op_read_some(&rig, &op, &end, &byte, 1);
        CHECK_OP(&rig, &op, 0, 1);
        CHECK_EQ(byte, (char)count);
    }
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, a_deadline_ends_a_read_and_leaves_the_stream_usable)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    uint64_t begin_ns;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    begin_ns = uv_hrtime();
    op_read_some(&rig, &op, &end, data, sizeof data);
    op.patience_ns = 3000000;
    CHECK_OP(&rig, &op, WEIR_TIMED_OUT, 0);
    CHECK(uv_hrtime() - begin_ns >= 3000000);
    raw_send(peer, "abc", 3);
    op_read_some(&rig, &op, &end, data, sizeof data);
    CHECK_OP(&rig, &op, 0, 3);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

/* Writing. */

WEIR_TEST(uv_stream, write_sends_all_to_a_peer_that_reads_late)
{
    char *data = flood_new();
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_write(&rig, &op, &end, data, FLOOD);
    rig_settle(&rig);
    CHECK(!op.done);
    check_flood(&rig, peer, data, 0, FLOOD);
    CHECK_OP(&rig, &op, 0, FLOOD);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
    free(data);
}

WEIR_TEST(uv_stream, stop_before_write_sends_nothing)
{
    char byte;
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_write_some(&rig, &op, &end, "abc", 3);
    weir_task_stop(&op.root.task, WEIR_STOP_REQUESTED);
    CHECK_OP(&rig, &op, WEIR_CANCELLED, 0);
    op_finish(&rig, &op, &end);
    CHECK_OP(&rig, &op, 0, 0);
    CHECK_EQ(raw_receive(peer, &byte, 1), 0);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

/* Write until a write waits for the peer, and stop it. Returns how many bytes were written. */
static size_t write_and_stop(struct rig *rig, struct op *op, struct end *end, const char *data)
{
    op_write(rig, op, end, data, FLOOD);
    rig_settle(rig);
    CHECK(!op->done);
    op_stop(op);
    CHECK_EQ(op_wait(rig, op).error, WEIR_CANCELLED);
    CHECK(op->result.count > 0 && op->result.count < FLOOD);
    return op->result.count;
}

WEIR_TEST(uv_stream, a_stopped_write_reports_exactly_what_the_peer_gets)
{
    char *data = flood_new();
    struct rig rig;
    struct end end;
    struct op op;
    size_t count;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    count = write_and_stop(&rig, &op, &end, data);
    op_finish(&rig, &op, &end);
    rig_settle(&rig);
    CHECK(!op.done); /* What was staged goes first. */
    check_flood(&rig, peer, data, 0, count);
    CHECK_OP(&rig, &op, 0, 0);
    CHECK_EQ(raw_receive(peer, data, 1), 0);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
    free(data);
}

WEIR_TEST(uv_stream, writing_goes_on_where_it_was_stopped)
{
    enum { MORE = 100000 };
    char *data = flood_new();
    struct rig rig;
    struct end end;
    struct op op;
    size_t count;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    count = write_and_stop(&rig, &op, &end, data);
    op_write(&rig, &op, &end, data + count, MORE); /* Waits for what was staged, in vain. */
    rig_settle(&rig);
    op_stop(&op);
    CHECK_OP(&rig, &op, WEIR_CANCELLED, 0);
    op_write(&rig, &op, &end, data + count, MORE);
    rig_settle(&rig);
    CHECK(!op.done);
    check_flood(&rig, peer, data, 0, count + MORE);
    CHECK_OP(&rig, &op, 0, MORE);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
    free(data);
}

WEIR_TEST(uv_stream, a_deadline_ends_a_write_to_a_peer_that_does_not_read)
{
    char *data = flood_new();
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_write(&rig, &op, &end, data, FLOOD);
    op.patience_ns = 3000000;
    CHECK_EQ(op_wait(&rig, &op).error, WEIR_TIMED_OUT);
    check_flood(&rig, peer, data, 0, op.result.count);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
    free(data);
}

static weir_task *start_gather(struct op *op)
{
    static weir_const_buffer buffers[40];

    buffers[0] = weir_const_buffer_of(NULL, 0);
    for (size_t i = 1; i < 40; i++)
        buffers[i] = weir_const_buffer_of(op->data + i, i % 3 > 0);
    return weir_write_some_v(&op->task, &op->end->connection.stream.out, buffers, 40);
}

WEIR_TEST(uv_stream, a_sequence_is_gathered_in_one_call)
{
    char received[16];
    char data[40];
    struct rig rig;
    struct end end;
    struct op op = {.end = &end, .data = data};
    int peer;

    rig_init(&rig);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)('0' + i);
    peer = rig_connect_raw(&rig, &end);
    op_launch(&rig, &op, start_gather);
    CHECK_EQ(op_wait(&rig, &op).error, 0);
    CHECK_EQ(op.result.count, 11); /* Of sixteen buffers, five are empty. */
    CHECK_EQ(raw_receive(peer, received, 11), 11);
    CHECK_EQ(memcmp(received, "124578:;=>@", 11), 0);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, a_finish_that_was_stopped_is_called_again)
{
    char *data = flood_new();
    struct rig rig;
    struct end end;
    struct op op;
    size_t count;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    count = write_and_stop(&rig, &op, &end, data);
    op_finish(&rig, &op, &end);
    rig_settle(&rig);
    op_stop(&op);
    CHECK_OP(&rig, &op, WEIR_CANCELLED, 0);
    op_finish(&rig, &op, &end);
    rig_settle(&rig);
    check_flood(&rig, peer, data, 0, count);
    CHECK_OP(&rig, &op, 0, 0);
    CHECK_EQ(raw_receive(peer, data, 1), 0);
    op_write_some(&rig, &op, &end, data, 1);
    CHECK_EQ(op_wait(&rig, &op).error, -EPIPE);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
    free(data);
}

/* Failing and closing. */

WEIR_TEST(uv_stream, a_peer_that_resets_ends_both_directions_for_good)
{
    char *data = flood_new();
    struct op read_op;
    struct op write_op;
    struct rig rig;
    struct end end;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_read_some(&rig, &read_op, &end, data, 16);
    op_write(&rig, &write_op, &end, data, FLOOD);
    rig_settle(&rig);
    raw_reset(peer);
    CHECK_OP(&rig, &read_op, -ECONNRESET, 0);
    CHECK(op_wait(&rig, &write_op).error < 0);
    op_read_some(&rig, &read_op, &end, data, 16);
    CHECK_OP(&rig, &read_op, -ECONNRESET, 0);
    op_write_some(&rig, &write_op, &end, data, 16);
    CHECK(op_wait(&rig, &write_op).error < 0);
    op_finish(&rig, &write_op, &end);
    CHECK(op_wait(&rig, &write_op).error < 0);
    rig_close(&rig, &end);
    rig_fini(&rig);
    free(data);
}

WEIR_TEST(uv_stream, a_reset_that_comes_while_nobody_reads_is_reported)
{
    char data[16];
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    raw_send(peer, "abc", 3);
    op_read_some(&rig, &op, &end, data, 3);
    CHECK_OP(&rig, &op, 0, 3);
    raw_reset(peer);
    rig_settle(&rig);
    op_read_some(&rig, &op, &end, data, sizeof data);
    CHECK_OP(&rig, &op, -ECONNRESET, 0);
    rig_close(&rig, &end);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, close_cancels_what_is_in_flight)
{
    char *data = flood_new();
    char memory[16];
    struct op read_op;
    struct op write_op;
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_read_some(&rig, &read_op, &end, memory, sizeof memory);
    op_write(&rig, &write_op, &end, data, FLOOD);
    rig_settle(&rig);
    op_close(&rig, &op, &end);
    op_stop(&write_op); /* On the way to the close. */
    CHECK_OP(&rig, &op, 0, 0);
    CHECK(read_op.done && write_op.done);
    CHECK_EQ(read_op.result.error, WEIR_CANCELLED);
    CHECK_EQ(write_op.result.error, WEIR_CANCELLED);
    op_read_some(&rig, &op, &end, memory, sizeof memory);
    CHECK_OP(&rig, &op, WEIR_CLOSED, 0);
    op_write_some(&rig, &op, &end, memory, sizeof memory);
    CHECK_OP(&rig, &op, WEIR_CLOSED, 0);
    rig_close(&rig, &end); /* Again: at once. */
    close(peer);
    rig_fini(&rig);
    free(data);
}

WEIR_TEST(uv_stream, close_cancels_a_write_that_waits_for_an_older_one)
{
    char *data = flood_new();
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    (void)write_and_stop(&rig, &op, &end, data);
    op_write(&rig, &op, &end, data, 100);
    rig_settle(&rig);
    rig_close(&rig, &end);
    CHECK_OP(&rig, &op, WEIR_CANCELLED, 0);
    close(peer);
    rig_fini(&rig);
    free(data);
}

WEIR_TEST(uv_stream, close_is_shielded)
{
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_close(&rig, &op, &end);
    op_stop(&op);
    CHECK_OP(&rig, &op, 0, 0);
    close(peer);
    rig_fini(&rig);
}

/* Sessions. */

struct echo {
    weir_task task;
    weir_root root;
    struct end end;
    char data[1024];
    bool done;
};

static weir_task *echo_resume(weir_task *task)
{
    struct echo *self = WEIR_TASK_SELF(task, struct echo);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->end.connection.stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error)
            break;
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->end.connection.stream.out,
                              weir_const_buffer_of(self->data, r.count)));
        if (r.error)
            break;
    }
    WEIR_AWAIT(task, r, weir_uv_stream_close(task, &self->end.connection));
    self->done = true;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void echo_start(struct rig *rig, struct echo *self)
{
    self->done = false;
    weir_task_init(&self->task, echo_resume);
    weir_run_async(weir_uv_executor(&rig->uv), &self->root, &self->task, NULL, NULL);
}

WEIR_TEST(uv_stream, echo_between_two_ends_of_one_loop)
{
    enum { SIZE = 1 << 20 };
    static char received[SIZE];
    char *data = flood_new();
    struct op read_op;
    struct op write_op;
    struct echo echo;
    struct rig rig;
    struct end end;

    rig_init(&rig);
    rig_connect(&rig, &end, &echo.end);
    echo_start(&rig, &echo);
    op_write(&rig, &write_op, &end, data, SIZE);
    op_read(&rig, &read_op, &end, received, SIZE);
    CHECK_OP(&rig, &write_op, 0, SIZE);
    CHECK_OP(&rig, &read_op, 0, SIZE);
    CHECK_EQ(memcmp(data, received, SIZE), 0);
    rig_close(&rig, &end);
    rig_wait(&rig, &echo.done);
    rig_fini(&rig);
    free(data);
}

WEIR_TEST(uv_stream, a_pipe_is_a_stream_too)
{
    int descriptors[2];
    char data[16];
    uv_pipe_t pipe;
    struct rig rig;
    struct end end;
    struct op op;

    rig_init(&rig);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, descriptors), 0);
    CHECK_EQ(uv_pipe_init(&rig.loop, &pipe, 0), 0);
    CHECK_EQ(uv_pipe_open(&pipe, descriptors[0]), 0);
    weir_uv_stream_open(&end.connection, &rig.uv, (uv_stream_t *)&pipe);
    op_write(&rig, &op, &end, "hello", 5);
    CHECK_OP(&rig, &op, 0, 5);
    CHECK_EQ(raw_receive(descriptors[1], data, 5), 5);
    raw_send(descriptors[1], data, 5);
    op_read(&rig, &op, &end, data + 5, 5);
    CHECK_OP(&rig, &op, 0, 5);
    CHECK_EQ(memcmp(data, "hellohello", 10), 0);
    rig_close(&rig, &end);
    close(descriptors[1]);
    rig_fini(&rig);
}

WEIR_TEST(uv_stream, many_connections_at_once)
{
    enum { COUNT = 200, ROUNDS = 10 };
    struct echo *echoes = calloc(COUNT, sizeof *echoes);
    struct rig rig;
    int peers[COUNT];
    char byte;

    CHECK(echoes);
    rig_init(&rig);
    for (size_t i = 0; i < COUNT; i++) {
        peers[i] = rig_connect_raw(&rig, &echoes[i].end);
        echo_start(&rig, &echoes[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT; i++)
            raw_send(peers[i], &(char){(char)i}, 1);
        rig_settle(&rig);
        for (size_t i = 0; i < COUNT; i++) {
            while (recv(peers[i], &byte, 1, MSG_DONTWAIT) != 1)
                (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
            CHECK_EQ(byte, (char)i);
        }
    }
    for (size_t i = 0; i < COUNT; i++)
        close(peers[i]);
    for (size_t i = 0; i < COUNT; i++)
        rig_wait(&rig, &echoes[i].done);
    rig_fini(&rig);
    free(echoes);
}

/* Memory. */

static size_t allocations;

static void *counting_malloc(size_t size)
{
    allocations++;
    return malloc(size);
}

static void *counting_calloc(size_t count, size_t size)
{
    allocations++;
    return calloc(count, size);
}

static void *counting_realloc(void *memory, size_t size)
{
    allocations++;
    return realloc(memory, size);
}

WEIR_TEST(uv_stream, no_operation_allocates)
{
    enum { WARM = 10, ROUNDS = 1000 };
    struct echo echo;
    struct rig rig;
    size_t before = 0;
    char byte = 'x';
    int peer;

    CHECK_EQ(uv_replace_allocator(counting_malloc, counting_realloc, counting_calloc, free), 0);
    rig_init(&rig);
    peer = rig_connect_raw(&rig, &echo.end);
    echo_start(&rig, &echo);
    for (int round = 0; round < WARM + ROUNDS; round++) {
        if (round == WARM)
            before = allocations;
        raw_send(peer, &byte, 1);
        while (recv(peer, &byte, 1, MSG_DONTWAIT) != 1)
            (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    CHECK_EQ(allocations, before);
    close(peer);
    rig_wait(&rig, &echo.done);
    rig_fini(&rig);
}

/* Misuse. */

WEIR_ABORT_TEST(uv_stream, two_reads_at_once)
{
    struct rig rig;
    struct end end;
    struct op one;
    struct op other;
    char byte;

    rig_init(&rig);
    (void)rig_connect_raw(&rig, &end);
    op_read_some(&rig, &one, &end, &byte, 1);
    op_read_some(&rig, &other, &end, &byte, 1);
    rig_settle(&rig);
}

WEIR_ABORT_TEST(uv_stream, a_task_on_another_executor)
{
    weir_manual manual;
    struct rig rig;
    struct echo echo;

    rig_init(&rig);
    (void)rig_connect_raw(&rig, &echo.end);
    weir_manual_init(&manual, NULL);
    weir_task_init(&echo.task, echo_resume);
    (void)weir_manual_run(&manual, &echo.task);
}
