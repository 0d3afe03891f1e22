/* SPDX-License-Identifier: MIT */

/*
 * What the native starters are beside the contract tests, which run on them too: who may use them,
 * the edge between what is inline and what is the library's, and a queue without room.
 */
#include <errno.h>
#include <stdlib.h>

#include "fixture.h"
#include "fuse.h"

enum { DEPTH = 64, CROWD = 150, ZERO_COPY = 32768 };

struct rig {
    struct fixture f;
    weir_tcp_socket socket;
    int peer;
};

static void rig_init_on(struct rig *self, const char *backend)
{
    fixture_init(&self->f, backend);
    self->peer = fixture_connect_raw(&self->f, &self->socket);
}

static void rig_fini(struct rig *self)
{
    fixture_close(&self->f, &self->socket);
    raw_close(self->peer);
    fixture_fini(&self->f);
}

/* Who may use them. */

WEIR_TEST(native, a_loop_says_whether_it_runs_on_io_uring)
{
    weir_loop_options options = {.backend = "epoll"};
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    CHECK(!weir_uring_is(loop));
    weir_loop_free(loop);
    test_require_backend("uring");
    options.backend = "uring";
    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    CHECK(weir_uring_is(loop));
    weir_loop_free(loop);
}

static weir_task *start_read_some(weir_task *task, struct op *op)
{
    return weir_uring_read_some(task, op->object, weir_buffer_of(op->target, op->size));
}

static weir_task *start_read(weir_task *task, struct op *op)
{
    return weir_uring_read(task, op->object, weir_buffer_of(op->target, op->size));
}

static weir_task *start_write_some(weir_task *task, struct op *op)
{
    return weir_uring_write_some(task, op->object, weir_const_buffer_of(op->target, op->size));
}

static weir_task *start_write(weir_task *task, struct op *op)
{
    return weir_uring_write(task, op->object, weir_const_buffer_of(op->target, op->size));
}

static void start(struct rig *self, struct op *op, op_start_fn *starter, void *data, size_t size)
{
    op->object = &self->socket;
    op->target = data;
    op->size = size;
    op_start(&self->f, op, starter);
}

/* Starts it on a socket of another kernel. */
static void misuse(op_start_fn *starter)
{
    struct rig t;
    struct op op;
    char byte = 0;

    test_require_backend("epoll");
    rig_init_on(&t, "epoll");
    start(&t, &op, starter, &byte, 1);
    fixture_turn(&t.f);
}

WEIR_ABORT_TEST(misuse_native, a_read_of_some_on_another_kernel)
{
    misuse(start_read_some);
}

WEIR_ABORT_TEST(misuse_native, a_read_on_another_kernel)
{
    misuse(start_read);
}

WEIR_ABORT_TEST(misuse_native, a_write_of_some_on_another_kernel)
{
    misuse(start_write_some);
}

WEIR_ABORT_TEST(misuse_native, a_write_on_another_kernel)
{
    misuse(start_write);
}

struct pulling {
    struct op op;
    weir_tcp_source source;
    weir_const_buffer shown;
};

static weir_task *start_pull(weir_task *task, struct op *op)
{
    struct pulling *self = op->object;

    return weir_uring_pull(task, &self->source, &self->shown, 1);
}

WEIR_ABORT_TEST(misuse_native, a_pull_on_another_kernel)
{
    struct pulling pulling = {.op.object = &pulling};
    weir_tcp_socket socket;
    struct fixture f;
    struct op accept_op;

    test_require_backend("epoll");
    fixture_init(&f, "epoll");
    weir_tcp_socket_init(&socket);
    weir_tcp_source_init(&pulling.source, &socket);
    (void)raw_connect(&f.endpoint);
    op_accept(&f, &accept_op, &f.acceptor, &socket);
    CHECK_EQ(op_wait(&f, &accept_op).error, 0);
    op_start(&f, &pulling.op, start_pull);
    fixture_turn(&f);
}

/* What is not inline. */

WEIR_TEST(native, an_empty_buffer_completes_at_once)
{
    struct rig t;
    struct op op;

    test_require_backend("uring");
    rig_init_on(&t, "uring");
    start(&t, &op, start_read_some, NULL, 0);
    CHECK_EQ(op_wait(&t.f, &op).count, 0);
    start(&t, &op, start_write, NULL, 0);
    CHECK_EQ(op_wait(&t.f, &op).error, 0);
    rig_fini(&t);
}

WEIR_TEST(native, a_closed_socket_is_an_error)
{
    weir_tcp_socket closed;
    struct rig t;
    struct op op;
    char byte = 0;

    test_require_backend("uring");
    rig_init_on(&t, "uring");
    weir_tcp_socket_init(&closed);
    op.object = &closed;
    op.target = &byte;
    op.size = 1;
    op_start(&t.f, &op, start_read);
    CHECK_EQ(op_wait(&t.f, &op).error, WEIR_CLOSED);
    rig_fini(&t);
}

WEIR_TEST(native, every_size_around_what_may_do_without_a_copy_goes_and_comes_whole)
{
    static const size_t sizes[] = {1, ZERO_COPY - 1, ZERO_COPY, ZERO_COPY + 1, 1 << 20};
    uint8_t *sent = malloc(1 << 20);
    uint8_t *received = malloc(1 << 20);
    struct op read_op, write_op;
    weir_tcp_socket far;
    struct rig t;

    test_require_backend("uring");
    fixture_init(&t.f, "uring");
    fixture_connect(&t.f, &t.socket, &far);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pattern_fill(sent, sizes[i], i);
        start(&t, &write_op, start_write, sent, sizes[i]);
        read_op.object = &far;
        read_op.target = received;
        read_op.size = sizes[i];
        op_start(&t.f, &read_op, start_read);
        CHECK_EQ(op_wait(&t.f, &write_op).count, sizes[i]);
        CHECK_EQ(op_wait(&t.f, &read_op).count, sizes[i]);
        pattern_check(received, sizes[i], i);
    }
    free(sent);
    free(received);
    fixture_close(&t.f, &t.socket);
    fixture_close(&t.f, &far);
    fixture_fini(&t.f);
}

WEIR_TEST(native, a_whole_write_goes_on_where_the_kernel_took_a_part)
{
    enum { SIZE = ZERO_COPY - 4096 };
    static uint8_t sent[SIZE], received[SIZE];
    struct rig t;
    struct op op;

    test_require_backend("uring");
    rig_init_on(&t, "uring");
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_SEND_BUFFER_BYTES, 4096), 0);
    for (size_t turn = 0; turn < 20; turn++) { /* More than the peer's buffer takes at first. */
        pattern_fill(sent, SIZE, turn);
        start(&t, &op, start_write, sent, SIZE);
        fixture_turn(&t.f);
        CHECK_EQ(raw_receive(t.peer, received, SIZE / 2), SIZE / 2);
        fixture_turn(&t.f);
        CHECK_EQ(raw_receive(t.peer, received + SIZE / 2, SIZE / 2), SIZE / 2);
        CHECK_EQ(op_wait(&t.f, &op).count, SIZE);
        pattern_check(received, SIZE, turn);
    }
    rig_fini(&t);
}

/* A queue without room. */

struct crowd {
    struct fixture f;
    weir_tcp_socket sockets[CROWD];
    int peers[CROWD];
    struct op ops[CROWD];
    char bytes[CROWD];
};

static void crowd_init(struct crowd *self)
{
    weir_loop_options options = {.backend = "uring", .queue_depth = DEPTH};

    test_require_backend("uring");
    fixture_init_with(&self->f, &options);
    for (int i = 0; i < CROWD; i++)
        self->peers[i] = fixture_connect_raw(&self->f, &self->sockets[i]);
}

static void crowd_start(struct crowd *self)
{
    for (int i = 0; i < CROWD; i++) {
        struct op *op = &self->ops[i];

        op->object = &self->sockets[i];
        op->target = &self->bytes[i];
        op->size = 1;
        op_start(&self->f, op, start_read_some);
    }
}

static void crowd_fini(struct crowd *self)
{
    for (int i = 0; i < CROWD; i++) {
        fixture_close(&self->f, &self->sockets[i]);
        raw_close(self->peers[i]);
    }
    fixture_fini(&self->f);
}

WEIR_TEST(native, more_reads_than_the_queue_has_entries_complete)
{
    static struct crowd t;

    crowd_init(&t);
    crowd_start(&t);
    fixture_turn(&t.f);
    for (int i = 0; i < CROWD; i++)
        raw_send(t.peers[i], "x", 1);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(op_wait(&t.f, &t.ops[i]).count, 1);
    crowd_fini(&t);
}

/* Reads twice, and notes when. */
struct twice {
    weir_task task;
    struct job job;
    weir_tcp_socket *socket;
    char byte;
    int first, second; /* Places among all reads. */
};

static int reads;

static weir_task *twice_resume(weir_task *task)
{
    struct twice *self = WEIR_TASK_SELF(task, struct twice);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_uring_read_some(task, self->socket, weir_buffer_of(&self->byte, 1)));
    self->first = ++reads;
    WEIR_AWAIT(task, r, weir_uring_read_some(task, self->socket, weir_buffer_of(&self->byte, 1)));
    self->second = ++reads;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(native, what_comes_later_waits_behind_what_found_no_room)
{
    static struct twice readers[CROWD];
    static struct crowd t;

    crowd_init(&t);
    for (int i = 0; i < CROWD; i++) {
        raw_send(t.peers[i], "xx", 2);
        readers[i].socket = &t.sockets[i];
        weir_task_init(&readers[i].task, twice_resume);
        job_start(&t.f, &readers[i].job, &readers[i].task);
    }
    /* That of the first that finds the queue full, and that of the wait that would let it go on.
     * Then the queue is empty before those that wait are in it. */
    fuse_light(FUSE_RING_SUBMIT, EBUSY, 1, 2);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(job_wait(&t.f, &readers[i].job).count, 1);
    CHECK_EQ(fuse_put_out(), 2);
    CHECK(weir_loop_statistics_get(t.f.loop).deferred > 0);
    for (int i = 0; i < CROWD; i++) {
        CHECK(readers[i].first <= CROWD);
        CHECK(readers[i].second > CROWD);
    }
    crowd_fini(&t);
}
