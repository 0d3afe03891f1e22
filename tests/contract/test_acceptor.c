/* SPDX-License-Identifier: MIT */

/* Acceptors: who is served, in which order, and what happens when there are no descriptors. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "fixture.h"

static void check_result(weir_result r, int error)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, 0);
}

/* Order. */

WEIR_CONTRACT_TEST(acceptor, waiting_tasks_are_served_in_the_order_they_began)
{
    enum { COUNT = 5 };
    weir_tcp_socket sockets[COUNT];
    struct op ops[COUNT];
    int peers[COUNT];
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < COUNT; i++) {
        weir_tcp_socket_init(&sockets[i]);
        op_accept(&f, &ops[i], &f.acceptor, &sockets[i]);
    }
    fixture_turn(&f);
    for (int i = 0; i < COUNT; i++) {
        peers[i] = raw_connect(&f.endpoint);
        check_result(op_wait(&f, &ops[i]), 0);
        for (int later = i + 1; later < COUNT; later++)
            CHECK(!ops[later].job.done);
    }
    for (int i = 0; i < COUNT; i++) {
        fixture_close(&f, &sockets[i]);
        raw_close(peers[i]);
    }
    fixture_fini(&f);
}

/* Accept a connection, and check that it is the one whose peer sent this number. */
static void accept_number(struct fixture *f, uint32_t expected)
{
    weir_tcp_socket socket;
    uint32_t number = 0;
    struct op op;

    weir_tcp_socket_init(&socket);
    op_accept(f, &op, &f->acceptor, &socket);
    check_result(op_wait(f, &op), 0);
    op_read(f, &op, &socket, &number, sizeof number);
    CHECK_EQ(op_wait(f, &op).count, sizeof number);
    CHECK_EQ(number, expected);
    fixture_close(f, &socket);
}

static int connect_number(struct fixture *f, uint32_t number)
{
    int peer = raw_connect(&f->endpoint);

    raw_send(peer, &number, sizeof number);
    return peer;
}

WEIR_CONTRACT_TEST(acceptor, connections_before_the_first_accept_are_kept)
{
    enum { COUNT = 10 };
    int peers[COUNT];
    struct fixture f;

    fixture_init(&f, backend);
    for (uint32_t i = 0; i < COUNT; i++)
        peers[i] = connect_number(&f, i);
    for (uint32_t i = 0; i < COUNT; i++)
        accept_number(&f, i);
    for (int i = 0; i < COUNT; i++)
        raw_close(peers[i]);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(acceptor, a_long_queue_is_drained_in_order)
{
    enum { COUNT = 300 }; /* More than the acceptor queues: the kernel's backlog holds the rest. */
    int peers[COUNT];
    struct fixture f;

    fixture_init(&f, backend);
    peers[0] = connect_number(&f, 0);
    accept_number(&f, 0); /* From here on it accepts by itself. */
    for (uint32_t i = 1; i < COUNT; i++) {
        peers[i] = connect_number(&f, i);
        if (i % 20 == 0)
            fixture_turn(&f);
    }
    fixture_turn(&f);
    for (uint32_t i = 1; i < COUNT; i++)
        accept_number(&f, i);
    for (int i = 0; i < COUNT; i++)
        raw_close(peers[i]);
    fixture_fini(&f);
}

/* Its queue is long with 64 connections; one batch more may come before the accept has ended. */
WEIR_CONTRACT_TEST(acceptor, connections_that_nobody_accepts_stay_in_the_backlog)
{
    enum { COUNT = 300, BATCH = 10, TAKEN_MAX = 64 + 3 * BATCH };
    int peers[COUNT], before;
    struct fixture f;

    fixture_init(&f, backend);
    peers[0] = connect_number(&f, 0);
    accept_number(&f, 0); /* From here on it accepts by itself. */
    before = raw_descriptor_count();
    for (uint32_t i = 1; i < COUNT; i++) {
        peers[i] = connect_number(&f, i);
        if (i % BATCH == 0)
            fixture_turn(&f);
    }
    fixture_turn(&f);
    CHECK(raw_descriptor_count() - before - (COUNT - 1) <= TAKEN_MAX);
    for (int i = 0; i < COUNT; i++)
        raw_close(peers[i]);
    fixture_fini(&f);
}

/* Cancelling. */

WEIR_CONTRACT_TEST(acceptor, a_stop_of_one_waiter_leaves_the_others)
{
    weir_tcp_socket sockets[3];
    struct op ops[3];
    int peers[2];
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < 3; i++) {
        weir_tcp_socket_init(&sockets[i]);
        op_accept(&f, &ops[i], &f.acceptor, &sockets[i]);
    }
    fixture_turn(&f);
    op_stop(&ops[1]);
    check_result(op_wait(&f, &ops[1]), WEIR_CANCELLED);
    peers[0] = raw_connect(&f.endpoint);
    check_result(op_wait(&f, &ops[0]), 0);
    CHECK(!ops[2].job.done);
    peers[1] = raw_connect(&f.endpoint);
    check_result(op_wait(&f, &ops[2]), 0);
    CHECK(!weir_tcp_is_open(&sockets[1]));
    fixture_close(&f, &sockets[0]);
    fixture_close(&f, &sockets[2]);
    raw_close(peers[0]);
    raw_close(peers[1]);
    fixture_fini(&f);
}

static void stop_against_connection(struct fixture *f, int round)
{
    weir_tcp_socket socket;
    struct op op;
    weir_result r;
    int peer;

    weir_tcp_socket_init(&socket);
    op_accept(f, &op, &f->acceptor, &socket);
    if (round % 2)
        fixture_turn(f);
    peer = raw_connect(&f->endpoint);
    op_stop(&op);
    r = op_wait(f, &op);
    CHECK_EQ(weir_tcp_is_open(&socket), r.error == 0);
    if (r.error) {
        CHECK_EQ(r.error, WEIR_CANCELLED);
        op_accept(f, &op, &f->acceptor, &socket);
        check_result(op_wait(f, &op), 0);
    }
    fixture_close(f, &socket);
    raw_close(peer);
}

WEIR_CONTRACT_TEST(acceptor, a_connection_that_meets_a_stop_is_kept_for_the_next_accept)
{
    enum { ROUNDS = 300 };
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < ROUNDS; i++)
        stop_against_connection(&f, i);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(acceptor, stop_while_starting)
{
    weir_tcp_socket socket;
    struct fixture f;
    struct op op;
    int peer;

    fixture_init(&f, backend);
    peer = raw_connect(&f.endpoint);
    weir_tcp_socket_init(&socket);
    op_accept(&f, &op, &f.acceptor, &socket);
    op_stop(&op); /* It has not run yet. */
    (void)op_wait(&f, &op);
    if (!op.job.result.error)
        fixture_close(&f, &socket);
    else
        CHECK_EQ(op.job.result.error, WEIR_CANCELLED);
    raw_close(peer);
    fixture_fini(&f);
}

/* Closing. */

WEIR_CONTRACT_TEST(acceptor, a_close_completes_the_waiters_as_cancelled)
{
    weir_tcp_socket sockets[3];
    struct op ops[3], close_op;
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < 3; i++) {
        weir_tcp_socket_init(&sockets[i]);
        op_accept(&f, &ops[i], &f.acceptor, &sockets[i]);
    }
    fixture_turn(&f);
    op_close_acceptor(&f, &close_op, &f.acceptor);
    check_result(op_wait(&f, &close_op), 0);
    for (int i = 0; i < 3; i++) {
        check_result(op_wait(&f, &ops[i]), WEIR_CANCELLED);
        CHECK(!weir_tcp_is_open(&sockets[i]));
    }
    fixture_fini(&f);
}

/* An end would look to the peer as if somebody had had the connection. */
static void check_reset(int peer)
{
    char byte;

    CHECK_EQ(raw_receive_some(peer, &byte, 1), -ECONNRESET);
    raw_close(peer);
}

WEIR_CONTRACT_TEST(acceptor, a_close_resets_the_connections_in_its_queue)
{
    enum { COUNT = 10 };
    weir_tcp_socket socket;
    int peers[COUNT];
    struct op op;
    struct fixture f;
    int first;

    fixture_init(&f, backend);
    first = fixture_connect_raw(&f, &socket); /* From here on it accepts by itself. */
    for (int i = 0; i < COUNT; i++)
        peers[i] = raw_connect(&f.endpoint);
    fixture_turn(&f);
    op_close_acceptor(&f, &op, &f.acceptor);
    check_result(op_wait(&f, &op), 0);
    for (int i = 0; i < COUNT; i++)
        check_reset(peers[i]);
    fixture_close(&f, &socket);
    raw_close(first);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(acceptor, a_closed_acceptor_says_so)
{
    weir_tcp_socket socket;
    weir_endpoint local;
    struct op op;
    struct fixture f;

    fixture_init(&f, backend);
    op_close_acceptor(&f, &op, &f.acceptor);
    check_result(op_wait(&f, &op), 0);
    weir_tcp_socket_init(&socket);
    op_accept(&f, &op, &f.acceptor, &socket);
    check_result(op_wait(&f, &op), WEIR_CLOSED);
    CHECK_EQ(weir_tcp_acceptor_local(&f.acceptor, &local), WEIR_CLOSED);
    op_close_acceptor(&f, &op, &f.acceptor);
    check_result(op_wait(&f, &op), 0);
    fixture_fini(&f);
}

/* Its socket was closed, or nobody had it. */
static void check_over(int peer)
{
    char byte;
    int64_t count = raw_receive_some(peer, &byte, 1);

    CHECK(count == 0 || count == -ECONNRESET);
    raw_close(peer);
}

WEIR_CONTRACT_TEST(acceptor, close_against_a_connection)
{
    enum { ROUNDS = 200 };
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < ROUNDS; i++) {
        weir_tcp_socket socket;
        struct op accept_op, close_op;
        int peer;

        weir_tcp_socket_init(&socket);
        op_accept(&f, &accept_op, &f.acceptor, &socket);
        fixture_turn(&f);
        peer = raw_connect(&f.endpoint);
        op_close_acceptor(&f, &close_op, &f.acceptor);
        check_result(op_wait(&f, &close_op), 0);
        if (op_wait(&f, &accept_op).error)
            CHECK_EQ(accept_op.job.result.error, WEIR_CANCELLED);
        fixture_close(&f, &socket);
        check_over(peer);
        CHECK_EQ(weir_tcp_listen(&f.acceptor, f.loop, &f.endpoint, NULL), 0);
    }
    fixture_fini(&f);
}

/* Listening. */

WEIR_CONTRACT_TEST(acceptor, an_endpoint_of_no_family_is_an_error_and_not_any_address)
{
    weir_endpoint nowhere = {0};
    weir_tcp_acceptor acceptor;
    struct fixture f;

    fixture_init(&f, backend);
    CHECK_EQ(weir_tcp_listen(&acceptor, f.loop, &nowhere, NULL), -EAFNOSUPPORT);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(acceptor, an_address_in_use_is_an_error)
{
    weir_tcp_acceptor acceptor;
    struct fixture f;

    fixture_init(&f, backend);
    CHECK_EQ(weir_tcp_listen(&acceptor, f.loop, &f.endpoint, NULL), -EADDRINUSE);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(acceptor, an_address_of_another_machine_is_an_error)
{
    weir_endpoint elsewhere = weir_endpoint_make_ipv4(weir_ipv4_make(192, 0, 2, 1), 0);
    weir_tcp_acceptor acceptor;
    struct fixture f;

    fixture_init(&f, backend);
    CHECK_EQ(weir_tcp_listen(&acceptor, f.loop, &elsewhere, NULL), -EADDRNOTAVAIL);
    fixture_fini(&f);
}

/* Accept on one of two loops for as long as connections come. Returns how many. */
static int serve_all(struct fixture *f, weir_tcp_acceptor *acceptor)
{
    weir_tcp_socket socket;
    struct op op;
    int count = 0;

    for (;;) {
        weir_tcp_socket_init(&socket);
        op_accept(f, &op, acceptor, &socket);
        for (int i = 0; i < 10 && !op.job.done; i++)
            fixture_turn(f);
        if (!op.job.done)
            break;
        count++;
        fixture_close(f, &socket);
    }
    op_stop(&op);
    check_result(op_wait(f, &op), WEIR_CANCELLED);
    op_close_acceptor(f, &op, acceptor);
    check_result(op_wait(f, &op), 0);
    return count;
}

WEIR_CONTRACT_TEST(acceptor, two_loops_share_a_port)
{
    enum { COUNT = 64 };
    weir_tcp_listen_options options = {.reuse_port = true};
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_tcp_acceptor acceptors[2];
    struct fixture f[2];
    int peers[COUNT], counts[2];

    fixture_init(&f[0], backend);
    fixture_init(&f[1], backend);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weir_tcp_listen(&acceptors[i], f[i].loop, &local, &options), 0);
        CHECK_EQ(weir_tcp_acceptor_local(&acceptors[i], &local), 0);
    }
    for (int i = 0; i < COUNT; i++)
        peers[i] = raw_connect(&local);
    for (int i = 0; i < 2; i++)
        counts[i] = serve_all(&f[i], &acceptors[i]);
    CHECK_EQ(counts[0] + counts[1], COUNT);
    CHECK(counts[0] > 0);
    CHECK(counts[1] > 0);
    for (int i = 0; i < COUNT; i++)
        raw_close(peers[i]);
    fixture_fini(&f[1]);
    fixture_fini(&f[0]);
}

static int option_of_accepted(const char *backend, const weir_tcp_listen_options *options,
                              enum weir_tcp_option option)
{
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
    struct fixture f;
    struct op op;
    int peer, value = -1;

    fixture_init(&f, backend);
    CHECK_EQ(weir_tcp_listen(&acceptor, f.loop, &local, options), 0);
    CHECK_EQ(weir_tcp_acceptor_local(&acceptor, &local), 0);
    peer = raw_connect(&local);
    weir_tcp_socket_init(&socket);
    op_accept(&f, &op, &acceptor, &socket);
    check_result(op_wait(&f, &op), 0);
    CHECK_EQ(weir_tcp_option_get(&socket, option, &value), 0);
    fixture_close(&f, &socket);
    op_close_acceptor(&f, &op, &acceptor);
    check_result(op_wait(&f, &op), 0);
    raw_close(peer);
    fixture_fini(&f);
    return value;
}

WEIR_CONTRACT_TEST(acceptor, accepted_sockets_delay_if_the_listener_says_so)
{
    weir_tcp_listen_options options = {.delay = true};

    CHECK_EQ(option_of_accepted(backend, &options, WEIR_TCP_NO_DELAY), 0);
}

WEIR_CONTRACT_TEST(acceptor, accepted_sockets_have_the_user_timeout_of_the_listener)
{
    weir_tcp_listen_options options = {0};

    CHECK_EQ(option_of_accepted(backend, &options, WEIR_TCP_USER_TIMEOUT_MS), 0);
    options.user_timeout_ms = 12345;
    CHECK_EQ(option_of_accepted(backend, &options, WEIR_TCP_USER_TIMEOUT_MS), 12345);
}

WEIR_CONTRACT_TEST(acceptor, a_user_timeout_below_zero_is_refused)
{
    weir_tcp_listen_options options = {.user_timeout_ms = -1};
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_tcp_acceptor acceptor;
    struct fixture f;

    fixture_init(&f, backend);
    CHECK_EQ(weir_tcp_listen(&acceptor, f.loop, &local, &options), -EINVAL);
    fixture_fini(&f);
}

/* Out of descriptors. Of places in the loop's own table: tests/backend/test_uring_direct.c. */

#define NOT_OF_THE_PROCESS "its connections stand in a table of the loop's own"

struct session {
    weir_task task;
    weir_tcp_socket socket;
};

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_write(task, &self->socket.stream.out, weir_const_buffer_of("!", 1)));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, weir_sleep_for(task, MILLISECOND_NS));
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct server {
    weir_task task;
    weir_tcp_acceptor *acceptor;
    int left;
    weir_scope sessions;
    struct session *next;
};

static struct session *session_new(struct server *server)
{
    struct session *session = weir_scope_new(&server->sessions, sizeof *session, session_resume);

    CHECK(session);
    weir_tcp_socket_init(&session->socket);
    return session;
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->sessions, task);
    while (self->left-- > 0) {
        self->next = session_new(self);
        WEIR_AWAIT(task, r, weir_tcp_accept(task, self->acceptor, &self->next->socket));
        CHECK_EQ(r.error, 0);
        weir_scope_start(&self->sessions, &self->next->task);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->sessions));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST_BUT_DIRECT(acceptor, everybody_is_served_in_the_end_by_a_full_table,
                              NOT_OF_THE_PROCESS)
{
    enum { COUNT = 50 };
    struct server server = {.left = COUNT};
    int peers[COUNT];
    struct fixture f;
    char bytes[2];

    fixture_init(&f, backend);
    server.acceptor = &f.acceptor;
    for (int i = 0; i < COUNT; i++)
        peers[i] = raw_connect(&f.endpoint);
    raw_limit_descriptors(4);
    weir_task_init(&server.task, server_resume);
    CHECK_EQ(fixture_run(&f, &server.task).error, 0);
    raw_unlimit_descriptors();
    CHECK(weir_loop_statistics_get(f.loop).accepts_backed_off > 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(raw_receive(peers[i], bytes, 2), 1);
        raw_close(peers[i]);
    }
    fixture_fini(&f);
}

static int64_t processor_time_ns(void)
{
    struct rusage usage;

    CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000000) +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * INT64_C(1000);
}

WEIR_CONTRACT_TEST_BUT_DIRECT(acceptor, a_starved_acceptor_waits_without_burning_the_processor,
                              NOT_OF_THE_PROCESS)
{
    weir_tcp_socket socket;
    struct op op, sleep_op;
    struct fixture f;
    int64_t before_ns;
    int peer;

    fixture_init(&f, backend);
    peer = raw_connect(&f.endpoint);
    weir_tcp_socket_init(&socket);
    raw_limit_descriptors(0);
    op_accept(&f, &op, &f.acceptor, &socket);
    before_ns = processor_time_ns();
    op_sleep_until(&f, &sleep_op, weir_now_ns() + 200 * MILLISECOND_NS);
    check_result(op_wait(&f, &sleep_op), 0);
    CHECK(processor_time_ns() - before_ns < 50 * MILLISECOND_NS);
    CHECK(!op.job.done);
    CHECK(weir_loop_statistics_get(f.loop).accepts_backed_off > 1);
    CHECK(weir_loop_statistics_get(f.loop).accepts_backed_off < 20);
    raw_unlimit_descriptors();
    check_result(op_wait(&f, &op), 0); /* Its next attempt finds the connection. */
    fixture_close(&f, &socket);
    raw_close(peer);
    fixture_fini(&f);
}

/* On another loop: makes room in the table after a while; when exactly is not important. */
struct helper {
    weir_task task;
    weir_root root;
};

static weir_task *helper_resume(weir_task *task)
{
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, 12 * MILLISECOND_NS));
    raw_unlimit_descriptors();
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST_BUT_DIRECT(acceptor, a_starved_acceptor_tries_again_though_nothing_else_happens,
                              NOT_OF_THE_PROCESS)
{
    weir_loop_options options = {.backend = backend};
    weir_tcp_socket socket;
    struct helper helper;
    struct fixture f;
    struct side side;
    struct op op;
    int peer;

    fixture_init(&f, backend);
    side_start(&side, &options);
    peer = raw_connect(&f.endpoint);
    weir_tcp_socket_init(&socket);
    raw_limit_descriptors(0);
    weir_task_init(&helper.task, helper_resume);
    weir_run_async(weir_loop_executor(side.loop), &helper.root, &helper.task, NULL, NULL);
    op_accept(&f, &op, &f.acceptor, &socket);
    check_result(op_wait(&f, &op), 0);
    fixture_close(&f, &socket);
    raw_close(peer);
    side_stop(&side);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST_BUT_DIRECT(acceptor, close_while_starved, NOT_OF_THE_PROCESS)
{
    weir_tcp_socket socket;
    struct op op, close_op;
    struct fixture f;
    int peer;

    fixture_init(&f, backend);
    peer = raw_connect(&f.endpoint);
    weir_tcp_socket_init(&socket);
    raw_limit_descriptors(0);
    op_accept(&f, &op, &f.acceptor, &socket);
    while (weir_loop_statistics_get(f.loop).accepts_backed_off == 0)
        fixture_turn(&f);
    op_close_acceptor(&f, &close_op, &f.acceptor);
    check_result(op_wait(&f, &close_op), 0);
    check_result(op_wait(&f, &op), WEIR_CANCELLED);
    raw_unlimit_descriptors();
    check_reset(peer);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(acceptor, a_connect_without_descriptors_is_an_error)
{
    weir_tcp_socket socket;
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    fixture_turn(&f);
    weir_tcp_socket_init(&socket);
    raw_limit_descriptors(0);
    op_connect(&f, &op, &socket, &f.endpoint);
    check_result(op_wait(&f, &op), -EMFILE);
    CHECK(!weir_tcp_is_open(&socket));
    raw_unlimit_descriptors();
    fixture_fini(&f);
}
