/* SPDX-License-Identifier: MIT */

/* TCP sockets asked and told: options, endpoints, and what a closed one says. */
#include <errno.h>

#include "fixture.h"

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

/* A connection to a raw descriptor. */
struct asked {
    struct fixture f;
    weir_tcp_socket socket;
    int peer;
};

static void asked_init(struct asked *self, const char *backend)
{
    fixture_init(&self->f, backend);
    self->peer = fixture_connect_raw(&self->f, &self->socket);
}

static void asked_fini(struct asked *self)
{
    fixture_close(&self->f, &self->socket);
    fixture_fini(&self->f);
}

static void check_option(weir_tcp_socket *socket, enum weir_tcp_option option, int value)
{
    int got = -2;

    CHECK_EQ(weir_tcp_option_set(socket, option, value), 0);
    CHECK_EQ(weir_tcp_option_get(socket, option, &got), 0);
    CHECK_EQ(got, value);
}

WEIR_CONTRACT_TEST(tcp_options, options_are_what_they_were_set_to)
{
    struct asked t;
    int value = 0;

    asked_init(&t, backend);
    check_option(&t.socket, WEIR_TCP_NO_DELAY, 0);
    check_option(&t.socket, WEIR_TCP_NO_DELAY, 1);
    check_option(&t.socket, WEIR_TCP_KEEP_ALIVE, 1);
    check_option(&t.socket, WEIR_TCP_KEEP_ALIVE, 0);
    check_option(&t.socket, WEIR_TCP_LINGER_SECONDS, 0);
    check_option(&t.socket, WEIR_TCP_LINGER_SECONDS, -1);
    check_option(&t.socket, WEIR_TCP_USER_TIMEOUT_MS, 12345);
    check_option(&t.socket, WEIR_TCP_USER_TIMEOUT_MS, 0);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_RECEIVE_BUFFER_BYTES, 20000), 0);
    CHECK_EQ(weir_tcp_option_get(&t.socket, WEIR_TCP_RECEIVE_BUFFER_BYTES, &value), 0);
    CHECK(value >= 20000);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_SEND_BUFFER_BYTES, -1), -EINVAL);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_USER_TIMEOUT_MS, -1), -EINVAL);
    raw_close(t.peer);
    asked_fini(&t);
}

/* The end of what a peer reads, once it does. */
static int64_t read_out(int peer)
{
    static char bytes[65536];
    int64_t result;

    do
        result = raw_receive_some(peer, bytes, sizeof bytes);
    while (result > 0);
    return result;
}

WEIR_CONTRACT_TEST(tcp_options, a_peer_that_does_not_read_is_given_up_after_the_user_timeout)
{
    enum { SIZE = 32 * 1024 * 1024 }; /* More than the kernel holds. */
    static char data[SIZE];
    struct asked t;
    struct op op;
    weir_result r;
    char byte;

    asked_init(&t, backend);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_USER_TIMEOUT_MS, 100), 0);
    op_write(&t.f, &op, &t.socket, data, SIZE);
    r = op_wait(&t.f, &op);
    CHECK_EQ(r.error, -ETIMEDOUT);
    CHECK(r.count > 0);
    CHECK(r.count < SIZE);
    op_read(&t.f, &op, &t.socket, &byte, 1);
    check_result(op_wait(&t.f, &op), -ETIMEDOUT, 0);
    CHECK_EQ(read_out(t.peer), -ECONNRESET);
    raw_close(t.peer);
    asked_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_options, a_peer_that_reads_in_time_meets_no_user_timeout)
{
    enum { SIZE = 32 * 1024 * 1024 };
    static char data[SIZE], received[SIZE];
    weir_tcp_socket client, server;
    struct fixture f;
    struct op writing, reading;

    fixture_init(&f, backend);
    fixture_connect(&f, &client, &server);
    CHECK_EQ(weir_tcp_option_set(&client, WEIR_TCP_USER_TIMEOUT_MS, 60000), 0);
    op_write(&f, &writing, &client, data, SIZE);
    fixture_turn(&f);
    CHECK(!writing.job.done);
    op_read(&f, &reading, &server, received, SIZE);
    check_result(op_wait(&f, &writing), 0, SIZE);
    check_result(op_wait(&f, &reading), 0, SIZE);
    fixture_close(&f, &client);
    fixture_close(&f, &server);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp_options, small_segments_go_out_at_once_by_default)
{
    weir_tcp_socket client, server;
    struct fixture f;
    int value = 0;

    fixture_init(&f, backend);
    fixture_connect(&f, &client, &server);
    CHECK_EQ(weir_tcp_option_get(&client, WEIR_TCP_NO_DELAY, &value), 0);
    CHECK_EQ(value, 1);
    value = 0;
    CHECK_EQ(weir_tcp_option_get(&server, WEIR_TCP_NO_DELAY, &value), 0);
    CHECK_EQ(value, 1);
    fixture_close(&f, &client);
    fixture_close(&f, &server);
    fixture_fini(&f);
}

/* The kernel would wait in close for as long, with the loop's thread. */
WEIR_CONTRACT_TEST(tcp_options, a_linger_that_would_block_the_loop_is_refused)
{
    struct asked t;
    int value = 0;

    asked_init(&t, backend);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_LINGER_SECONDS, 3), -EINVAL);
    CHECK_EQ(weir_tcp_option_get(&t.socket, WEIR_TCP_LINGER_SECONDS, &value), 0);
    CHECK_EQ(value, -1);
    raw_close(t.peer);
    asked_fini(&t);
}

WEIR_CONTRACT_TEST(tcp_options, a_close_with_a_linger_of_zero_resets_the_connection)
{
    struct asked t;
    char byte;

    asked_init(&t, backend);
    CHECK_EQ(weir_tcp_option_set(&t.socket, WEIR_TCP_LINGER_SECONDS, 0), 0);
    fixture_close(&t.f, &t.socket);
    CHECK_EQ(raw_receive_some(t.peer, &byte, 1), -ECONNRESET);
    raw_close(t.peer);
    fixture_fini(&t.f);
}

static void check_endpoints(const weir_tcp_socket *client, const weir_tcp_socket *server,
                            const weir_endpoint *listener)
{
    weir_endpoint a, b;

    CHECK_EQ(weir_tcp_peer(client, &a), 0);
    CHECK(weir_endpoint_equals(&a, listener));
    CHECK_EQ(weir_tcp_local(server, &a), 0);
    CHECK(weir_endpoint_equals(&a, listener));
    CHECK_EQ(weir_tcp_local(client, &a), 0);
    CHECK_EQ(weir_tcp_peer(server, &b), 0);
    CHECK(weir_endpoint_equals(&a, &b));
}

WEIR_CONTRACT_TEST(tcp_options, both_ends_name_each_other)
{
    weir_tcp_socket client, server;
    struct fixture f;

    fixture_init(&f, backend);
    fixture_connect(&f, &client, &server);
    check_endpoints(&client, &server, &f.endpoint);
    fixture_close(&f, &client);
    fixture_close(&f, &server);
    fixture_fini(&f);
}

static bool has_ipv6(weir_loop *loop, weir_tcp_acceptor *acceptor)
{
    weir_endpoint local = weir_endpoint_make_ipv6(weir_ipv6_loopback(), 0);
    weir_tcp_listen_options options = {.v6_only = true};

    return weir_tcp_listen(acceptor, loop, &local, &options) == 0;
}

WEIR_CONTRACT_TEST(tcp_options, ipv6_connects_transfers_and_names_its_ends)
{
    weir_tcp_socket client, server;
    weir_tcp_acceptor acceptor;
    struct op accept_op, op;
    weir_endpoint local;
    struct fixture f;
    char data[4];

    fixture_init(&f, backend);
    if (!has_ipv6(f.loop, &acceptor))
        test_skip("this machine has no IPv6");
    CHECK_EQ(weir_tcp_acceptor_local(&acceptor, &local), 0);
    weir_tcp_socket_init(&client);
    weir_tcp_socket_init(&server);
    op_accept(&f, &accept_op, &acceptor, &server);
    op_connect(&f, &op, &client, &local);
    check_result(op_wait(&f, &op), 0, 0);
    check_result(op_wait(&f, &accept_op), 0, 0);
    check_endpoints(&client, &server, &local);
    op_write(&f, &op, &client, "six!", 4);
    check_result(op_wait(&f, &op), 0, 4);
    op_read(&f, &op, &server, data, 4);
    check_result(op_wait(&f, &op), 0, 4);
    fixture_close(&f, &client);
    fixture_close(&f, &server);
    op_close_acceptor(&f, &op, &acceptor);
    check_result(op_wait(&f, &op), 0, 0);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp_options, a_closed_socket_says_so)
{
    struct fixture f;
    weir_tcp_socket socket;
    weir_endpoint endpoint;
    struct op op;
    char byte = 0;
    int value;

    fixture_init(&f, backend);
    weir_tcp_socket_init(&socket);
    CHECK(!weir_tcp_is_open(&socket));
    op_read_some(&f, &op, &socket, &byte, 1);
    check_result(op_wait(&f, &op), WEIR_CLOSED, 0);
    op_write(&f, &op, &socket, &byte, 1);
    check_result(op_wait(&f, &op), WEIR_CLOSED, 0);
    op_readable(&f, &op, &socket);
    check_result(op_wait(&f, &op), WEIR_CLOSED, 0);
    CHECK_EQ(weir_tcp_local(&socket, &endpoint), WEIR_CLOSED);
    CHECK_EQ(weir_tcp_peer(&socket, &endpoint), WEIR_CLOSED);
    CHECK_EQ(weir_tcp_option_get(&socket, WEIR_TCP_NO_DELAY, &value), WEIR_CLOSED);
    CHECK_EQ(weir_tcp_option_set(&socket, WEIR_TCP_NO_DELAY, 1), WEIR_CLOSED);
    CHECK_EQ(weir_tcp_shutdown(&socket, WEIR_TCP_BOTH), WEIR_CLOSED);
    fixture_close(&f, &socket);
    fixture_fini(&f);
}
