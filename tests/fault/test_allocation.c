/* SPDX-License-Identifier: MIT */

/*
 * An operation that stays on its loop allocates nothing: echo round trips while the heap gives
 * nothing. Every request to it counts, and would fail.
 *
 * Threads: one loop; the client and the server take turns on it.
 */
#include <errno.h>
#include <string.h>

#include "fixture.h"
#include "fuse.h"
#include "sys.h"

enum { WARM_UP = 10, ROUNDS = 1000, MESSAGE = 64 };

static const int64_t FAR_NS = INT64_C(60000000000);

/* Writes back what it reads, until it has seen so much. */
struct server {
    weir_task task;
    weir_tcp_socket *socket;
    size_t left; /* Bytes. */
    size_t count;
    uint8_t data[MESSAGE];
};

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->left > 0) {
        WEIR_AWAIT(
            task, r,
            weir_read_some(task, &self->socket->stream.in, weir_buffer_of(self->data, MESSAGE)));
        CHECK_EQ(r.error, 0);
        self->count = r.count;
        self->left -= self->count;
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->socket->stream.out,
                              weir_const_buffer_of(self->data, self->count)));
        CHECK_EQ(r.count, self->count);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* The same from where it was received. */
struct lent_server {
    weir_task task;
    weir_tcp_socket *socket;
    weir_tcp_source *source;
    size_t left; /* Bytes. */
    weir_const_buffer message;
};

static weir_task *lent_server_resume(weir_task *task)
{
    struct lent_server *self = WEIR_TASK_SELF(task, struct lent_server);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->left > 0) {
        WEIR_AWAIT(task, r,
                   weir_buffer_source_pull(task, &self->source->source, &self->message, 1));
        CHECK_EQ(r.error, 0);
        WEIR_AWAIT(task, r, weir_write(task, &self->socket->stream.out, self->message));
        CHECK_EQ(r.count, self->message.size);
        weir_buffer_source_consume(&self->source->source, r.count);
        self->left -= r.count;
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Reads a whole message. */
struct reader {
    weir_task task;
    weir_tcp_socket *socket;
    uint8_t data[MESSAGE];
};

static weir_task *reader_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_read(task, &self->socket->stream.in, weir_buffer_of(self->data, MESSAGE)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *yielder_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 7));
    WEIR_END(task);
}

struct client {
    weir_task task;
    weir_tcp_socket *socket;
    int left; /* Rounds. */
    weir_timer timer;
    weir_deadline deadline;
    struct reader reader; /* The embedded child. */
    weir_task *yielder;   /* The one from the allocator. */
    uint8_t data[MESSAGE];
};

static weir_task *reader_of(struct client *client)
{
    weir_task_init(&client->reader.task, reader_resume);
    client->reader.socket = client->socket;
    return &client->reader.task;
}

static void check_echo(const struct client *client)
{
    CHECK_EQ(memcmp(client->data, client->reader.data, MESSAGE), 0);
}

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    for (; self->left > 0; self->left--) {
        weir_deadline_arm_after(task, &self->deadline, FAR_NS);
        weir_timer_expires_after(&self->timer, FAR_NS);
        pattern_fill(self->data, MESSAGE, (size_t)self->left);
        weir_shield_begin(task);
        WEIR_AWAIT(
            task, r,
            weir_write(task, &self->socket->stream.out, weir_const_buffer_of(self->data, MESSAGE)));
        weir_shield_end(task);
        CHECK_EQ(r.count, MESSAGE);
        WEIR_AWAIT(task, r, weir_call(task, reader_of(self)));
        CHECK_EQ(r.count, MESSAGE);
        check_echo(self);
        self->yielder = weir_frame_new(task, sizeof *self->yielder, yielder_resume);
        CHECK(self->yielder);
        WEIR_AWAIT(task, r, weir_call(task, self->yielder));
        CHECK_EQ(r.count, 7);
        CHECK_EQ(weir_timer_cancel(&self->timer), 0);
        CHECK(!weir_deadline_disarm(task, &self->deadline));
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void go_round_with(struct fixture *f, weir_tcp_socket *near, weir_task *server, int rounds)
{
    struct client client = {.socket = near, .left = rounds};
    struct job job;

    weir_timer_init(&client.timer, f->loop);
    weir_task_init(&client.task, client_resume);
    job_start(f, &job, server);
    CHECK_EQ(fixture_run(f, &client.task).error, 0);
    CHECK_EQ(job_wait(f, &job).error, 0);
    weir_timer_fini(&client.timer);
}

static void go_round(struct fixture *f, weir_tcp_socket *near, weir_tcp_socket *far, int rounds)
{
    struct server server = {.socket = far, .left = (size_t)rounds * MESSAGE};

    weir_task_init(&server.task, server_resume);
    go_round_with(f, near, &server.task, rounds);
}

static void go_round_lent(struct fixture *f, weir_tcp_socket *near, weir_tcp_source *far,
                          int rounds)
{
    struct lent_server server = {
        .socket = weir_tcp_source_socket(far), .source = far, .left = (size_t)rounds * MESSAGE};

    weir_task_init(&server.task, lent_server_resume);
    go_round_with(f, near, &server.task, rounds);
}

WEIR_SOCKET_TEST(allocation, round_trips_that_stay_on_their_loop_allocate_nothing)
{
    weir_loop_options options = {.backend = backend,
                                 .frames_retained_bytes_max = WEIR_FRAME_RETAINED_MAX};
    weir_tcp_socket near, far;
    struct fixture f;

    fixture_init_with(&f, &options);
    fixture_connect(&f, &near, &far);
    go_round(&f, &near, &far, WARM_UP);
    fuse_light(FUSE_MEMORY, ENOMEM, 1, FUSE_FOREVER);
    go_round(&f, &near, &far, ROUNDS);
    CHECK_EQ(fuse_put_out(), 0);
    fixture_close(&f, &near);
    fixture_close(&f, &far);
    fixture_fini(&f);
}

static void connect_lent(struct fixture *f, weir_tcp_socket *near, weir_tcp_socket *far,
                         weir_tcp_source *source)
{
    struct op connect_op;
    struct op accept_op;

    weir_tcp_socket_init(near);
    weir_tcp_socket_init(far);
    weir_tcp_source_init(source, far);
    op_accept(f, &accept_op, &f->acceptor, far);
    op_connect(f, &connect_op, near, &f->endpoint);
    CHECK_EQ(op_wait(f, &connect_op).error, 0);
    CHECK_EQ(op_wait(f, &accept_op).error, 0);
}

WEIR_SOCKET_TEST(allocation, round_trips_through_lent_buffers_allocate_nothing)
{
    weir_loop_options options = {.backend = backend,
                                 .frames_retained_bytes_max = WEIR_FRAME_RETAINED_MAX};
    weir_tcp_socket near, far;
    weir_tcp_source source;
    struct fixture f;

    fixture_init_with(&f, &options);
    connect_lent(&f, &near, &far, &source);
    go_round_lent(&f, &near, &source, WARM_UP);
    fuse_light(FUSE_MEMORY, ENOMEM, 1, FUSE_FOREVER);
    go_round_lent(&f, &near, &source, ROUNDS);
    CHECK_EQ(fuse_put_out(), 0);
    fixture_close(&f, &near);
    fixture_close(&f, &far);
    fixture_fini(&f);
}

static weir_task *start_pull(weir_task *task, struct op *op)
{
    weir_tcp_source *source = op->object;

    return weir_buffer_source_pull(task, &source->source, op->target, 1);
}

/* What does not last is told once: the next pull tries again. */
static void failing_receive_is_tried_again(const char *backend, enum fuse_call call)
{
    weir_tcp_socket near, far;
    weir_tcp_source source;
    weir_const_buffer shown;
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    connect_lent(&f, &near, &far, &source);
    op_write(&f, &op, &near, "abc", 3);
    CHECK_EQ(op_wait(&f, &op).error, 0);
    op = (struct op){.object = &source, .target = &shown};
    fuse_light(call, ENOMEM, 1, 2);
    op_start(&f, &op, start_pull);
    CHECK_EQ(op_wait(&f, &op).error, -ENOMEM);
    op_start(&f, &op, start_pull);
    CHECK_EQ(op_wait(&f, &op).error, -ENOMEM);
    CHECK_EQ(fuse_put_out(), 2);
    op_start(&f, &op, start_pull);
    CHECK_EQ(op_wait(&f, &op).error, 0);
    CHECK_EQ(shown.size, 3);
    fixture_close(&f, &near);
    fixture_close(&f, &far);
    fixture_fini(&f);
}

WEIR_TEST(allocation_uring, a_lent_receive_that_lacks_memory_is_tried_again_by_the_next_pull)
{
    test_require_backend("uring");
    failing_receive_is_tried_again("uring", FUSE_ENTRY_RECV);
}

WEIR_TEST(allocation_epoll, a_lent_receive_that_lacks_memory_is_tried_again_by_the_next_pull)
{
    test_require_backend("epoll");
    failing_receive_is_tried_again("epoll", FUSE_RECV);
}

/* Returns whether an allocation failed. Those that the pull can do without hurt nobody. */
static bool pull_fails_once(struct fixture *f, weir_tcp_socket *near, weir_tcp_source *source,
                            unsigned nth)
{
    weir_const_buffer shown;
    struct op op;
    bool has_failed;
    weir_result r;

    op_write(f, &op, near, "abc", 3);
    CHECK_EQ(op_wait(f, &op).error, 0);
    op = (struct op){.object = source, .target = &shown};
    fuse_light(FUSE_MEMORY, ENOMEM, nth, 1);
    op_start(f, &op, start_pull);
    r = op_wait(f, &op);
    has_failed = fuse_put_out() > 0;
    if (r.error) {
        CHECK(has_failed);
        CHECK_EQ(r.error, -ENOMEM);
        op_start(f, &op, start_pull);
        CHECK_EQ(op_wait(f, &op).error, 0);
    }
    CHECK_EQ(shown.size, 3);
    return has_failed;
}

/* The buffers, the memory of the first. */
WEIR_SOCKET_TEST(allocation, a_pull_without_memory_says_so_and_a_later_one_gives_the_bytes)
{
    unsigned nth = 0;
    bool has_failed;

    do { /* On a loop of its own, for what was made stays. */
        weir_tcp_socket near, far;
        weir_tcp_source source;
        struct fixture f;

        fixture_init(&f, backend);
        connect_lent(&f, &near, &far, &source);
        has_failed = pull_fails_once(&f, &near, &source, ++nth);
        fixture_close(&f, &near);
        fixture_close(&f, &far);
        fixture_fini(&f);
    } while (has_failed);
    CHECK(nth > 2);
}

/* Frames. */

enum { FRAME_SIZE = 700 }; /* That nothing else has. */

static weir_task *nothing_resume(weir_task *task)
{
    WEIR_RETURN(task, weir_result_of(0, 0));
}

static weir_task *start_children(weir_task *task, struct op *op)
{
    weir_scope scope;
    weir_task *first;
    weir_task *second;

    (void)op;
    weir_scope_init(&scope, task);
    fuse_light(FUSE_MEMORY, ENOMEM, 1, FUSE_FOREVER);
    CHECK(!weir_scope_new(&scope, FRAME_SIZE, nothing_resume));
    CHECK_EQ(fuse_put_out(), 1);
    first = weir_scope_new(&scope, FRAME_SIZE, nothing_resume);
    CHECK(first);

    fuse_light(FUSE_MEMORY, ENOMEM, 1, FUSE_FOREVER);
    second = weir_scope_new(&scope, FRAME_SIZE, nothing_resume);
    CHECK_EQ(fuse_put_out(), weir_sys_is_sanitized() ? 1 : 0); /* The slab has room for it. */
    if (second)
        weir_scope_discard(&scope, second);
    weir_scope_discard(&scope, first);
    return weir_task_complete(task, 0, 0);
}

WEIR_SOCKET_TEST(allocation, without_memory_for_a_slab_a_child_is_null_and_a_later_one_is_not)
{
    struct fixture f;
    struct op op = {.object = NULL};

    fixture_init(&f, backend);
    op_start(&f, &op, start_children);
    CHECK_EQ(op_wait(&f, &op).error, 0);
    fixture_fini(&f);
}
