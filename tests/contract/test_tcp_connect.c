/* SPDX-License-Identifier: MIT */

/* Connecting: success, refusal, and every way to give up. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fixture.h"
#include "leaks.h"

static void check_result(weir_result r, int error)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, 0);
}

struct attempt {
    struct fixture f;
    struct raw_wall wall;
    weir_tcp_socket socket;
    struct op op;
};

static void attempt_init(struct attempt *self, const char *backend)
{
    fixture_init(&self->f, backend);
    raw_wall_open(&self->wall);
    weir_tcp_socket_init(&self->socket);
}

/* Connect to the wall, and see that it takes its time. */
static void attempt_start(struct attempt *self)
{
    op_connect(&self->f, &self->op, &self->socket, &self->wall.endpoint);
    fixture_turn(&self->f);
    CHECK(!self->op.job.done);
}

/* The socket is closed and can be used again. */
static void attempt_fini(struct attempt *self)
{
    weir_tcp_socket server;

    CHECK(!weir_tcp_is_open(&self->socket));
    fixture_connect(&self->f, &self->socket, &server);
    fixture_close(&self->f, &self->socket);
    fixture_close(&self->f, &server);
    raw_wall_close(&self->wall);
    fixture_fini(&self->f);
}

WEIR_CONTRACT_TEST(tcp_connect, a_connection_stands_and_the_socket_is_open)
{
    weir_tcp_socket client, server;
    struct fixture f;

    fixture_init(&f, backend);
    fixture_connect(&f, &client, &server);
    CHECK(weir_tcp_is_open(&client));
    CHECK(weir_tcp_is_open(&server));
    fixture_close(&f, &client);
    fixture_close(&f, &server);
    fixture_fini(&f);
}

/* Those that were opened since: closed by exec, and what is a socket does not block. Returns how
 * many sockets there are. */
static int check_descriptors_since(const struct test_descriptors *before)
{
    struct test_descriptors now;
    int sockets = 0;

    test_descriptors_list(&now);
    for (int fd = 0; fd < TEST_DESCRIPTORS_MAX; fd++) {
        struct stat status;

        if (!now.is_open[fd] || before->is_open[fd])
            continue;
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        CHECK_EQ(fstat(fd, &status), 0);
        if (!S_ISSOCK(status.st_mode))
            continue;
        CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
        sockets++;
    }
    return sockets;
}

WEIR_CONTRACT_TEST_BUT_SIM(tcp_connect, no_descriptor_survives_exec_and_no_socket_blocks,
                           "there is no exec, and all sockets are of one kind")
{
    struct test_descriptors before;
    weir_tcp_socket client, server;
    struct fixture f;

    test_descriptors_list(&before);
    fixture_init(&f, backend);
    CHECK_EQ(check_descriptors_since(&before), 1); /* The acceptor. */
    fixture_connect(&f, &client, &server);
    CHECK_EQ(check_descriptors_since(&before), test_direct_descriptors ? 1 : 3);
    fixture_close(&f, &client);
    fixture_close(&f, &server);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp_connect, a_refused_connection_leaves_the_socket_closed)
{
    struct attempt t;
    weir_endpoint nobody;
    int reserved;

    attempt_init(&t, backend);
    reserved = raw_reserve(&nobody);
    op_connect(&t.f, &t.op, &t.socket, &nobody);
    check_result(op_wait(&t.f, &t.op), -ECONNREFUSED);
    raw_close(reserved);
    attempt_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_connect, a_socket_connects_again_after_it_was_closed)
{
    weir_tcp_socket client, server;
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < 20; i++) {
        fixture_connect(&f, &client, &server);
        fixture_close(&f, &client);
        fixture_close(&f, &server);
    }
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp_connect, a_connect_that_is_cancelled_closes_the_socket)
{
    struct attempt t;

    attempt_init(&t, backend);
    attempt_start(&t);
    weir_tcp_cancel(&t.socket);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    attempt_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_connect, a_connect_that_is_stopped_closes_the_socket)
{
    struct attempt t;

    attempt_init(&t, backend);
    attempt_start(&t);
    op_stop(&t.op);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    attempt_fini(&t);
}

static weir_task *stop_and_connect(weir_task *task, struct op *op)
{
    weir_task_stop(task, WEIR_STOP_REQUESTED);
    return weir_tcp_connect(task, op->object, &op->peer);
}

WEIR_CONTRACT_TEST(tcp_connect, a_connect_after_a_stop_opens_nothing)
{
    struct attempt t;
    int before;

    attempt_init(&t, backend);
    fixture_turn(&t.f);
    before = raw_descriptor_count();
    t.op.object = &t.socket;
    t.op.peer = t.f.endpoint;
    op_start(&t.f, &t.op, stop_and_connect);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    CHECK_EQ(raw_descriptor_count(), before);
    attempt_fini(&t);
}

struct hasty {
    weir_task task;
    weir_deadline deadline;
    weir_tcp_socket *socket;
    const weir_endpoint *peer;
    bool passed;
};

static weir_task *hasty_resume(weir_task *task)
{
    struct hasty *self = WEIR_TASK_SELF(task, struct hasty);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->deadline, MILLISECOND_NS);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, self->socket, self->peer));
    self->passed = weir_deadline_disarm(task, &self->deadline);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(tcp_connect, a_connect_times_out_by_a_deadline)
{
    struct hasty hasty = {.passed = false};
    struct attempt t;

    attempt_init(&t, backend);
    hasty.socket = &t.socket;
    hasty.peer = &t.wall.endpoint;
    weir_task_init(&hasty.task, hasty_resume);
    check_result(fixture_run(&t.f, &hasty.task), WEIR_TIMED_OUT);
    CHECK(hasty.passed);
    attempt_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_connect, close_while_connecting)
{
    struct attempt t;

    attempt_init(&t, backend);
    attempt_start(&t);
    fixture_close(&t.f, &t.socket);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    attempt_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_connect, reading_and_writing_wait_for_the_connection)
{
    struct attempt t;
    struct op op;
    char byte = 0;

    attempt_init(&t, backend);
    attempt_start(&t);
    op_read_some(&t.f, &op, &t.socket, &byte, 1);
    check_result(op_wait(&t.f, &op), WEIR_CLOSED);
    op_write(&t.f, &op, &t.socket, &byte, 1);
    check_result(op_wait(&t.f, &op), WEIR_CLOSED);
    CHECK(!weir_tcp_is_open(&t.socket));
    weir_tcp_cancel(&t.socket);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    attempt_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_connect, cancel_against_connection)
{
    enum { ROUNDS = 300 };
    weir_tcp_socket socket;
    struct fixture f;
    struct op op;
    int stood = 0;

    fixture_init(&f, backend);
    weir_tcp_socket_init(&socket);
    for (int i = 0; i < ROUNDS; i++) {
        weir_result r;

        op_connect(&f, &op, &socket, &f.endpoint);
        if (i % 3 == 0)
            fixture_turn(&f);
        if (i % 2)
            op_stop(&op);
        else
            weir_tcp_cancel(&socket);
        r = op_wait(&f, &op);
        if (r.error)
            CHECK_EQ(r.error, WEIR_CANCELLED);
        CHECK_EQ(weir_tcp_is_open(&socket), r.error == 0);
        stood += r.error == 0;
        fixture_close(&f, &socket);
    }
    CHECK(stood > 0); /* A cancel before the connect began cancels nothing. */
    fixture_fini(&f);
}
