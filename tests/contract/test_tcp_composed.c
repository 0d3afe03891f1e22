/* SPDX-License-Identifier: MIT */

/* Operations that are composed of several on a connection: their end, cancelling and closing. */
#include <errno.h>
#include <string.h>

#include "fixture.h"

/* A connection to a raw descriptor, and lines that are read from it. */
struct lines {
    struct fixture f;
    weir_tcp_socket socket;
    int peer;
    struct op op;
    uint8_t memory[64];
    weir_flat_buffer line;
    weir_delimiter newline;
};

static void lines_init_on(struct lines *self)
{
    self->peer = fixture_connect_raw(&self->f, &self->socket);
    weir_flat_buffer_init_fixed(&self->line, self->memory, sizeof self->memory);
    weir_delimiter_init(&self->newline, "\n", 1);
    memset(&self->op, 0, sizeof self->op);
    self->op.object = self;
}

static void lines_init(struct lines *self, const char *backend)
{
    fixture_init(&self->f, backend);
    lines_init_on(self);
}

static void lines_fini(struct lines *self)
{
    fixture_close(&self->f, &self->socket);
    raw_close(self->peer);
    fixture_fini(&self->f);
}

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

static weir_task *read_line(weir_task *task, struct op *op)
{
    struct lines *t = op->object;

    return weir_read_until(task, &t->socket.stream.in, &t->line.dynamic, &t->newline.matcher);
}

static void start_line(struct lines *t)
{
    op_start(&t->f, &t->op, read_line);
    fixture_turn(&t->f);
    CHECK(!t->op.job.done);
}

/* Reading. */

WEIR_CONTRACT_TEST(tcp_composed, a_line_is_read_from_bytes_that_come_one_by_one)
{
    struct lines t;

    lines_init(&t, backend);
    start_line(&t);
    for (const char *at = "one\n"; *at; at++) {
        CHECK(!t.op.job.done);
        raw_send(t.peer, at, 1);
        fixture_turn(&t.f);
    }
    check_result(op_wait(&t.f, &t.op), 0, 4);
    CHECK_EQ(memcmp(t.memory, "one\n", 4), 0);
    lines_fini(&t);
}

static weir_task *read_scattered(weir_task *task, struct op *op)
{
    return weir_read_v(task, &((weir_tcp_socket *)op->object)->stream.in, op->target, op->size);
}

WEIR_CONTRACT_TEST(tcp_composed, a_whole_sequence_is_read_from_parts_that_end_anywhere)
{
    enum { COUNT = 12 };
    struct lines t;
    weir_buffer buffers[COUNT];

    lines_init(&t, backend);
    for (size_t i = 0; i < COUNT; i++)
        buffers[i] = weir_buffer_of(t.memory + 3 * i, 3);
    t.op.object = &t.socket;
    t.op.target = buffers;
    t.op.size = COUNT;
    op_start(&t.f, &t.op, read_scattered);
    for (size_t i = 0; i < 9; i++) {
        fixture_turn(&t.f);
        raw_send(t.peer, "abcd", 4);
    }
    check_result(op_wait(&t.f, &t.op), 0, 36);
    CHECK_EQ(memcmp(t.memory, "abcdabcdabcdabcdabcdabcdabcdabcdabcd", 36), 0);
    lines_fini(&t);
}

/* The end of writing. */

static weir_task *write_last(weir_task *task, struct op *op)
{
    struct lines *t = op->object;

    return weir_write_eof(task, &t->socket.stream.out, weir_const_buffer_of("bye", op->size));
}

WEIR_CONTRACT_TEST(tcp_composed, the_peer_reads_the_last_bytes_and_then_the_end)
{
    for (size_t size = 0; size <= 3; size += 3) {
        struct lines t;
        char bytes[8];

        lines_init(&t, backend);
        t.op.size = size;
        op_start(&t.f, &t.op, write_last);
        check_result(op_wait(&t.f, &t.op), 0, size);
        CHECK_EQ(raw_receive(t.peer, bytes, sizeof bytes), size);
        op_write(&t.f, &t.op, &t.socket, "x", 1);
        check_result(op_wait(&t.f, &t.op), -EPIPE, 0);
        raw_send(t.peer, "still\n", 6); /* The other direction is open. */
        t.op.object = &t;
        op_start(&t.f, &t.op, read_line);
        check_result(op_wait(&t.f, &t.op), 0, 6);
        lines_fini(&t);
    }
}

static weir_task *stop_and_write_last(weir_task *task, struct op *op)
{
    weir_task_stop(task, WEIR_STOP_REQUESTED);
    return write_last(task, op);
}

WEIR_CONTRACT_TEST(tcp_composed, an_end_that_was_stopped_can_be_written_again)
{
    for (size_t size = 0; size <= 3; size += 3) {
        struct lines t;
        char bytes[8];

        lines_init(&t, backend);
        t.op.size = size;
        op_start(&t.f, &t.op, stop_and_write_last);
        check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED, 0);
        op_start(&t.f, &t.op, write_last);
        check_result(op_wait(&t.f, &t.op), 0, size);
        CHECK_EQ(raw_receive(t.peer, bytes, sizeof bytes), size);
        lines_fini(&t);
    }
}

WEIR_CONTRACT_TEST(tcp_composed, an_end_of_a_closed_connection_says_that_it_is_closed)
{
    struct lines t;

    lines_init(&t, backend);
    fixture_close(&t.f, &t.socket);
    op_start(&t.f, &t.op, write_last);
    check_result(op_wait(&t.f, &t.op), WEIR_CLOSED, 0);
    lines_fini(&t);
}

/* Cancelling and closing. */

WEIR_CONTRACT_TEST(tcp_composed, a_cancel_ends_it_and_keeps_the_bytes)
{
    struct lines t;

    lines_init(&t, backend);
    start_line(&t);
    raw_send(t.peer, "ab", 2);
    fixture_turn(&t.f);
    weir_tcp_cancel(&t.socket);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED, 2);
    raw_send(t.peer, "c\n", 2);
    op_start(&t.f, &t.op, read_line);
    check_result(op_wait(&t.f, &t.op), 0, 4);
    CHECK_EQ(memcmp(t.memory, "abc\n", 4), 0);
    lines_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_composed, a_close_ends_it_and_keeps_the_bytes)
{
    struct lines t;

    lines_init(&t, backend);
    start_line(&t);
    raw_send(t.peer, "ab", 2);
    fixture_turn(&t.f);
    fixture_close(&t.f, &t.socket);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED, 2);
    lines_fini(&t);
}

/* A task that cancels or closes just when a part has come and the next one has not begun. */
struct meddler {
    weir_task task;
    weir_tcp_socket *socket;
    bool closes;
};

static bool is_between_parts(const weir_tcp_socket *socket)
{
    const weir_task *composed = socket->stream.in.composed;

    return composed && composed->state == WEIR_TASK_READY;
}

static weir_task *meddler_resume(weir_task *task)
{
    struct meddler *self = WEIR_TASK_SELF(task, struct meddler);
    weir_result r;

    WEIR_BEGIN(task);
    while (!is_between_parts(self->socket))
        WEIR_YIELD(task);
    if (self->closes) {
        WEIR_AWAIT(task, r, weir_tcp_close(task, self->socket));
        /* Its memory is the caller's again. */
        memset(self->socket, 0xA5, sizeof *self->socket);
        WEIR_RETURN(task, r);
    }
    weir_tcp_cancel(self->socket);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void meddle_between_parts(struct lines *t, bool closes)
{
    struct meddler meddler = {.socket = &t->socket, .closes = closes};
    struct job job;

    start_line(t);
    weir_task_init(&meddler.task, meddler_resume);
    job_start(&t->f, &job, &meddler.task);
    raw_send(t->peer, "ab", 2);
    check_result(job_wait(&t->f, &job), 0, 0);
    check_result(op_wait(&t->f, &t->op), WEIR_CANCELLED, 2);
}

WEIR_CONTRACT_TEST(tcp_composed, a_cancel_between_two_parts_ends_it)
{
    struct lines t;

    lines_init(&t, backend);
    meddle_between_parts(&t, false);
    lines_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_composed, after_a_close_between_two_parts_nothing_uses_the_socket)
{
    struct lines t;

    lines_init(&t, backend);
    meddle_between_parts(&t, true);
    weir_tcp_socket_init(&t.socket);
    lines_fini(&t);
}

/* Want of memory. */

/* Memory of frames that can be refused. */
struct larder {
    weir_memory memory;
    bool is_empty;
};

static void *larder_allocate(weir_memory *memory, size_t size)
{
    struct larder *self = WEIR_CONTAINER_OF(memory, struct larder, memory);

    return self->is_empty ? NULL : weir_memory_heap.allocate(&weir_memory_heap, size);
}

static void larder_release(weir_memory *memory, void *block, size_t size)
{
    (void)memory;
    weir_memory_heap.release(&weir_memory_heap, block, size);
}

/* Nothing is held back, so that each frame is asked for. */
static void lines_init_with(struct lines *self, const char *backend, struct larder *larder)
{
    weir_loop_options options = {
        .backend = backend, .frames = &larder->memory, .frames_retained_bytes_max = 1};

    larder->memory.allocate = larder_allocate;
    larder->memory.release = larder_release;
    larder->is_empty = false;
    fixture_init_with(&self->f, &options);
    lines_init_on(self);
}

static weir_result line_of(struct lines *t)
{
    op_start(&t->f, &t->op, read_line);
    return op_wait(&t->f, &t->op);
}

WEIR_CONTRACT_TEST(tcp_composed, without_memory_for_its_frame_it_has_not_begun_and_can_be_repeated)
{
    struct larder larder;
    struct lines t;

    lines_init_with(&t, backend, &larder);
    raw_send(t.peer, "one\ntwo\n", 8);
    larder.is_empty = true;
    check_result(line_of(&t), -ENOMEM, 0);
    larder.is_empty = false;
    check_result(line_of(&t), 0, 4);
    larder.is_empty = true;
    check_result(line_of(&t), 0, 4); /* There already: nothing has to be begun. */
    lines_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_composed, without_memory_for_its_message_a_sequence_uses_its_first_buffer)
{
    struct larder larder;
    struct lines t;
    weir_buffer in[2];
    weir_const_buffer out[2] = {weir_const_buffer_of("to", 2), weir_const_buffer_of("gether", 6)};
    char data[8];

    lines_init_with(&t, backend, &larder);
    in[0] = weir_buffer_of(t.memory, 3);
    in[1] = weir_buffer_of(t.memory + 3, 3);
    raw_send(t.peer, "abcdef", 6);
    larder.is_empty = true;
    op_read_some_v(&t.f, &t.op, &t.socket, in, 2);
    check_result(op_wait(&t.f, &t.op), 0, 3);
    op_write_some_v(&t.f, &t.op, &t.socket, out, 2);
    check_result(op_wait(&t.f, &t.op), 0, 2);
    larder.is_empty = false;
    op_read_some_v(&t.f, &t.op, &t.socket, in, 2);
    check_result(op_wait(&t.f, &t.op), 0, 3);
    CHECK_EQ(memcmp(t.memory, "def", 3), 0);
    op_write_some_v(&t.f, &t.op, &t.socket, out, 2);
    check_result(op_wait(&t.f, &t.op), 0, 8);
    raw_receive(t.peer, data, 8);
    CHECK_EQ(memcmp(data, "totogether", 8), 0);
    raw_receive(t.peer, data, 2);
    lines_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_composed, a_connect_without_memory_leaves_the_socket_closed)
{
    struct larder larder;
    struct lines t;
    weir_tcp_socket socket;

    lines_init_with(&t, backend, &larder);
    weir_tcp_socket_init(&socket);
    larder.is_empty = true;
    op_connect(&t.f, &t.op, &socket, &t.f.endpoint);
    check_result(op_wait(&t.f, &t.op), -ENOMEM, 0);
    CHECK(!weir_tcp_is_open(&socket));
    lines_fini(&t);
}
