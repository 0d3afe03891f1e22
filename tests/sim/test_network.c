/* SPDX-License-Identifier: MIT */
/* The simulated network: descriptors, addresses, ports, listeners, and how
 * connections come about. */
#include "net_rig.h"

#include <errno.h>

/* Descriptors. */

WEIR_TEST(sim_network, a_descriptor_is_the_lowest_that_is_free)
{
    struct net t;
    int i;

    net_init(&t, 1);
    for (i = 3; i < 40; i++)
        CHECK_EQ(weir_sim_socket_open(t.client, i % 2 ? WEIR_IPV4 : WEIR_IPV6), i);
    weir_sim_socket_close(t.client, 20);
    weir_sim_socket_close(t.client, 5);
    CHECK(!weir_sim_socket_at(t.client, 5));
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), 5);
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), 20);
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), 40);
    CHECK(!weir_sim_socket_at(t.client, -1));
    CHECK(!weir_sim_socket_at(t.client, 100000));
    net_fini(&t);
}

WEIR_TEST(sim_network, a_full_table_says_so_until_something_is_closed)
{
    struct net t;

    net_init(&t, 1);
    weir_sim_host_limit_descriptors(t.client, 2);
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), 3);
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), 4);
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), -EMFILE);
    weir_sim_host_limit_descriptors(t.client, 1);
    weir_sim_socket_close(t.client, 3);
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), -EMFILE);
    weir_sim_socket_close(t.client, 4);
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), 3);
    net_fini(&t);
}

WEIR_TEST(sim_network, a_family_that_is_none_is_not_supported)
{
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(weir_sim_socket_open(t.client, (weir_family)0), -EAFNOSUPPORT);
    net_fini(&t);
}

WEIR_TEST(sim_network, a_socket_that_is_held_outlives_its_descriptor)
{
    struct net t;
    sim_socket *client, *server;

    net_init(&t, 1);
    net_pair(&t, &client, &server);
    weir_sim_socket_hold(client);
    net_close(client);
    CHECK_EQ(net_get(client), 0);
    CHECK_EQ(net_send(client, "x"), -EPIPE);
    CHECK_EQ(weir_sim_socket_descriptor(client), 3);
    CHECK_EQ(weir_sim_socket_open(t.client, WEIR_IPV4), 3);
    net_settle(&t);
    CHECK_EQ(net_get(server), 0);
    net_close(server);
    net_settle(&t);
    CHECK_EQ(net_get(client), 0);
    weir_sim_socket_release(client);
    net_fini(&t);
}

WEIR_TEST(sim_network, a_socket_that_is_closed_receives_nothing_more)
{
    struct net t;
    sim_socket *client, *server;

    net_init(&t, 1);
    net_pair(&t, &client, &server);
    CHECK_EQ(net_send(server, "unread"), 6);
    net_settle(&t);
    weir_sim_socket_hold(client);
    net_close(client);
    CHECK_EQ(net_get(client), 0);
    weir_sim_socket_release(client);
    net_fini(&t);
}

/* Addresses. */

static void check_names(const char *to, const char *client_local, const char *server_local)
{
    weir_tcp_listen_options options = {0};
    sim_socket *listener, *client, *server;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.server, "[::]:90", options, &listener), 0);
    CHECK_EQ(net_try(&t, t.client, to, &client), 0);
    server = net_accept(listener);
    net_check_local(client, client_local);
    net_check_peer(client, to);
    net_check_local(server, server_local);
    net_fini(&t);
}

WEIR_TEST(sim_network, both_ends_name_each_other)
{
    check_names("10.0.0.1:90", "10.0.0.2:32768", "[::ffff:10.0.0.1]:90");
    check_names("[fd00::1]:90", "[fd00::2]:32768", "[fd00::1]:90");
    check_names("[::ffff:10.0.0.1]:90", "[::ffff:10.0.0.2]:32768", "[::ffff:10.0.0.1]:90");
}

static void check_own(const char *to, const char *client_local, const char *peer)
{
    sim_socket *listener, *client, *server;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.client, "[::]:90", (weir_tcp_listen_options){0}, &listener), 0);
    CHECK_EQ(net_try(&t, t.client, to, &client), 0);
    server = net_accept(listener);
    net_check_local(client, client_local);
    net_check_peer(client, peer);
    CHECK_EQ(net_send(client, "own"), 3);
    net_settle(&t);
    CHECK_EQ(net_receive(server, 9, "own"), 3);
    net_fini(&t);
}

WEIR_TEST(sim_network, a_host_connects_to_itself)
{
    check_own("127.0.0.1:90", "127.0.0.1:32768", "127.0.0.1:90");
    check_own("127.1.2.3:90", "127.0.0.1:32768", "127.1.2.3:90");
    check_own("0.0.0.0:90", "127.0.0.1:32768", "127.0.0.1:90");
    check_own("[::1]:90", "[::1]:32768", "[::1]:90");
    check_own("[::]:90", "[::1]:32768", "[::1]:90");
    check_own("10.0.0.2:90", "10.0.0.2:32768", "10.0.0.2:90");
    check_own("[fd00::2]:90", "[fd00::2]:32768", "[fd00::2]:90");
}

static int bind_and_close(struct net *t, const char *endpoint)
{
    return net_listen(t->client, endpoint, (weir_tcp_listen_options){0}, NULL);
}

WEIR_TEST(sim_network, only_addresses_of_the_host_are_bound)
{
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(bind_and_close(&t, "10.0.0.2:80"), 0);
    CHECK_EQ(bind_and_close(&t, "127.0.0.1:80"), 0);
    CHECK_EQ(bind_and_close(&t, "[fd00::2]:80"), 0);
    CHECK_EQ(bind_and_close(&t, "[::1]:80"), 0);
    CHECK_EQ(bind_and_close(&t, "[::ffff:10.0.0.2]:80"), 0);
    CHECK_EQ(bind_and_close(&t, "10.0.0.1:80"), -EADDRNOTAVAIL);
    CHECK_EQ(bind_and_close(&t, "[fd00::1]:80"), -EADDRNOTAVAIL);
    CHECK_EQ(bind_and_close(&t, "192.0.2.1:80"), -EADDRNOTAVAIL);
    net_fini(&t);
}

WEIR_TEST(sim_network, a_loopback_listener_is_its_hosts_own)
{
    sim_socket *listener, *client;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.server, "127.0.0.1:90", (weir_tcp_listen_options){0}, &listener), 0);
    CHECK_EQ(net_try(&t, t.client, "127.0.0.1:90", &client), -ECONNREFUSED);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:90", &client), -ECONNREFUSED);
    CHECK_EQ(net_try(&t, t.server, "10.0.0.1:90", &client), -ECONNREFUSED);
    CHECK_EQ(net_try(&t, t.server, "127.0.0.1:90", &client), 0);
    net_fini(&t);
}

WEIR_TEST(sim_network, an_ipv6_only_listener_takes_no_ipv4)
{
    weir_tcp_listen_options options = {.v6_only = true};
    sim_socket *listener, *client;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.server, "[::]:90", options, &listener), 0);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:90", &client), -ECONNREFUSED);
    CHECK_EQ(net_try(&t, t.client, "[fd00::1]:90", &client), 0);
    net_check_peer(net_accept(listener), "[fd00::2]:32769");
    net_fini(&t);
}

WEIR_TEST(sim_network, the_listener_of_the_very_address_is_preferred)
{
    weir_tcp_listen_options options = {.reuse_port = true};
    sim_socket *any, *exact, *client;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.server, "0.0.0.0:90", options, &any), 0);
    CHECK_EQ(net_listen(t.server, "10.0.0.1:90", options, &exact), 0);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:90", &client), 0);
    CHECK(!weir_sim_socket_is_readable(any));
    CHECK(weir_sim_socket_is_readable(exact));
    CHECK_EQ(net_try(&t, t.server, "127.0.0.1:90", &client), 0);
    CHECK(weir_sim_socket_is_readable(any));
    net_fini(&t);
}

WEIR_TEST(sim_network, an_endpoint_of_the_other_family_is_an_error)
{
    weir_tcp_listen_options options = {0};
    weir_endpoint ipv4 = weir_endpoint_make_ipv4(weir_ipv4_any(), 90);
    weir_endpoint ipv6 = weir_endpoint_make_ipv6(weir_ipv6_any(), 90);
    sim_socket *socket;
    struct net t;

    net_init(&t, 1);
    socket = net_open(t.client);
    CHECK_EQ(weir_sim_socket_listen(socket, &ipv6, &options), -EAFNOSUPPORT);
    CHECK_EQ(weir_sim_socket_connect(socket, &ipv6), -EAFNOSUPPORT);
    socket = weir_sim_socket_at(t.client, weir_sim_socket_open(t.client, WEIR_IPV6));
    CHECK_EQ(weir_sim_socket_listen(socket, &ipv4, &options), -EINVAL);
    CHECK_EQ(weir_sim_socket_connect(socket, &ipv4), -EINVAL);
    net_fini(&t);
}

/* Ports. */

WEIR_TEST(sim_network, port_0_is_a_free_one)
{
    weir_tcp_listen_options options = {0};
    sim_socket *a, *b, *c;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.server, "0.0.0.0:32769", options, &a), 0);
    CHECK_EQ(net_listen(t.server, "0.0.0.0:0", options, &b), 0);
    net_check_local(b, "0.0.0.0:32768");
    CHECK_EQ(net_listen(t.server, "[::1]:0", options, &c), 0);
    net_check_local(c, "[::1]:32770");
    net_check_local(net_connect(t.server, "10.0.0.1:80"), "10.0.0.1:32771");
    net_fini(&t);
}

WEIR_TEST(sim_network, the_port_of_a_connection_that_is_over_is_free)
{
    weir_tcp_listen_options options = {.no_reuse_address = true};
    sim_socket *client, *server;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:81", &client), -ECONNREFUSED);
    client = net_connect(t.client, "10.0.0.1:81");
    net_settle(&t);
    net_pair(&t, &client, &server);
    weir_sim_reset_connections(t.client, t.server);
    t.client->next_port = 32769;
    net_check_local(net_connect(t.client, "10.0.0.1:80"), "10.0.0.2:32769");
    net_check_local(net_connect(t.client, "10.0.0.1:80"), "10.0.0.2:32770");
    net_settle(&t);
    /* One that ends in order is, as soon as it is closed. */
    server = net_accept(t.listener);
    net_close(t.listener);
    net_close(server);
    CHECK_EQ(net_listen(t.server, "0.0.0.0:80", options, &t.listener), 0);
    net_fini(&t);
}

WEIR_TEST(sim_network, ports_come_round)
{
    struct net t;
    int i;

    net_init(&t, 1);
    t.client->next_port = 60998;
    for (i = 0; i < 4; i++)
        (void)net_connect(t.client, "10.0.0.1:80");
    net_check_local(weir_sim_socket_at(t.client, 4), "10.0.0.2:60999");
    net_check_local(weir_sim_socket_at(t.client, 5), "10.0.0.2:32768");
    t.client->next_port = 60999;
    net_check_local(net_connect(t.client, "10.0.0.1:80"), "10.0.0.2:32770");
    net_fini(&t);
}

/* Whether a second listener finds its place beside a first. */
static int beside(const char *first, weir_tcp_listen_options first_options, const char *second,
                  weir_tcp_listen_options second_options)
{
    sim_socket *a, *b;
    struct net t;
    int error;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.client, first, first_options, &a), 0);
    error = net_listen(t.client, second, second_options, &b);
    if (error) { /* Only as long as the first is there. */
        net_close(a);
        CHECK_EQ(net_listen(t.client, second, second_options, &b), 0);
    }
    net_fini(&t);
    return error;
}

WEIR_TEST(sim_network, an_address_in_use_is_an_error)
{
    weir_tcp_listen_options plain = {0};
    weir_tcp_listen_options shared = {.reuse_port = true};
    weir_tcp_listen_options v6_only = {.v6_only = true};

    CHECK_EQ(beside("0.0.0.0:90", plain, "0.0.0.0:90", plain), -EADDRINUSE);
    CHECK_EQ(beside("0.0.0.0:90", plain, "0.0.0.0:91", plain), 0);
    CHECK_EQ(beside("0.0.0.0:90", plain, "10.0.0.2:90", plain), -EADDRINUSE);
    CHECK_EQ(beside("10.0.0.2:90", plain, "0.0.0.0:90", plain), -EADDRINUSE);
    CHECK_EQ(beside("10.0.0.2:90", plain, "127.0.0.1:90", plain), 0);
    CHECK_EQ(beside("0.0.0.0:90", shared, "0.0.0.0:90", shared), 0);
    CHECK_EQ(beside("0.0.0.0:90", shared, "0.0.0.0:90", plain), -EADDRINUSE);
    CHECK_EQ(beside("0.0.0.0:90", plain, "0.0.0.0:90", shared), -EADDRINUSE);
    CHECK_EQ(beside("[::]:90", plain, "0.0.0.0:90", plain), -EADDRINUSE);
    CHECK_EQ(beside("[::]:90", plain, "10.0.0.2:90", plain), -EADDRINUSE);
    CHECK_EQ(beside("[::]:90", v6_only, "0.0.0.0:90", plain), 0);
    CHECK_EQ(beside("[::]:90", v6_only, "[::]:90", plain), -EADDRINUSE);
    CHECK_EQ(beside("[::]:90", v6_only, "[::1]:90", plain), -EADDRINUSE);
}

WEIR_TEST(sim_network, an_ipv6_only_listener_cannot_be_bound_to_ipv4)
{
    weir_tcp_listen_options options = {.v6_only = true};
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.client, "[::ffff:10.0.0.2]:90", options, NULL), -EINVAL);
    net_fini(&t);
}

/* A listener has gone, and a connection of its port is still there. */
static int listen_again(bool no_reuse_before, bool no_reuse_now)
{
    weir_tcp_listen_options before = {.no_reuse_address = no_reuse_before};
    weir_tcp_listen_options now = {.no_reuse_address = no_reuse_now};
    sim_socket *listener, *client;
    struct net t;
    int error;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.server, "0.0.0.0:90", before, &listener), 0);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:90", &client), 0);
    (void)net_accept(listener);
    net_close(listener);
    error = net_listen(t.server, "0.0.0.0:90", now, &listener);
    net_fini(&t);
    return error;
}

WEIR_TEST(sim_network, connections_of_a_port_are_in_the_way_unless_all_reuse_it)
{
    CHECK_EQ(listen_again(false, false), 0);
    CHECK_EQ(listen_again(true, false), -EADDRINUSE);
    CHECK_EQ(listen_again(false, true), -EADDRINUSE);
    CHECK_EQ(listen_again(true, true), -EADDRINUSE);
}

WEIR_TEST(sim_network, a_socket_listens_once)
{
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_any(), 91);
    weir_tcp_listen_options options = {0};
    sim_socket *client, *server;
    struct net t;

    net_init(&t, 1);
    net_pair(&t, &client, &server);
    CHECK_EQ(weir_sim_socket_listen(t.listener, &local, &options), -EINVAL);
    CHECK_EQ(weir_sim_socket_listen(server, &local, &options), -EINVAL);
    CHECK_EQ(weir_sim_socket_connect(t.listener, &local), -EISCONN);
    CHECK_EQ(weir_sim_socket_connect(client, &local), -EISCONN);
    CHECK_EQ(weir_sim_socket_connect(server, &local), -EISCONN);
    net_fini(&t);
}

WEIR_TEST(sim_network, listeners_that_share_a_port_share_its_connections)
{
    weir_tcp_listen_options options = {.reuse_port = true};
    sim_socket *listeners[3], *client;
    unsigned got[3] = {0};
    struct net t;
    int i;

    net_init(&t, 7);
    for (i = 0; i < 3; i++)
        CHECK_EQ(net_listen(t.server, "0.0.0.0:90", options, &listeners[i]), 0);
    for (i = 0; i < 60; i++)
        CHECK_EQ(net_try(&t, t.client, "10.0.0.1:90", &client), 0);
    for (i = 0; i < 3; i++) {
        for (; weir_sim_socket_accept(listeners[i]) >= 0; got[i]++)
            continue;
        CHECK(got[i] > 5);
    }
    CHECK_EQ(got[0] + got[1] + got[2], 60);
    net_close(listeners[1]);
    for (i = 0; i < 20; i++)
        CHECK_EQ(net_try(&t, t.client, "10.0.0.1:90", &client), 0);
    net_fini(&t);
}

/* Options. */

static void check_option(sim_socket *socket, int option, int value, int got)
{
    int is = -2;

    CHECK_EQ(weir_sim_socket_option_set(socket, option, value), 0);
    CHECK_EQ(weir_sim_socket_option_get(socket, option, &is), 0);
    CHECK_EQ(is, got);
}

WEIR_TEST(sim_network, options_are_what_they_were_set_to)
{
    sim_socket *socket;
    struct net t;
    int value = 77;

    net_init(&t, 1);
    socket = net_open(t.client);
    check_option(socket, WEIR_TCP_NO_DELAY, 1, 1);
    check_option(socket, WEIR_TCP_NO_DELAY, 0, 0);
    check_option(socket, WEIR_TCP_KEEP_ALIVE, 5, 1);
    check_option(socket, WEIR_TCP_LINGER_SECONDS, 3, 3);
    check_option(socket, WEIR_TCP_LINGER_SECONDS, -1, -1);
    check_option(socket, WEIR_TCP_SEND_BUFFER_BYTES, 20000, 40000);
    check_option(socket, WEIR_TCP_SEND_BUFFER_BYTES, 1, 4608);
    check_option(socket, WEIR_TCP_RECEIVE_BUFFER_BYTES, 0, 2304);
    check_option(socket, WEIR_TCP_RECEIVE_BUFFER_BYTES, 2147483647, 425984);
    check_option(socket, WEIR_TCP_USER_TIMEOUT_MS, 2147483647, 2147483647);
    CHECK_EQ(weir_sim_socket_option_set(socket, WEIR_TCP_SEND_BUFFER_BYTES, -1), -EINVAL);
    CHECK_EQ(weir_sim_socket_option_set(socket, 99, 1), -ENOPROTOOPT);
    CHECK_EQ(weir_sim_socket_option_get(socket, 99, &value), -ENOPROTOOPT);
    CHECK_EQ(value, 77);
    net_fini(&t);
}

static int no_delay_of_accepted(bool delay)
{
    weir_tcp_listen_options options = {.delay = delay};
    sim_socket *listener, *client;
    struct net t;
    int value = -1;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.server, "0.0.0.0:90", options, &listener), 0);
    CHECK_EQ(weir_sim_socket_option_set(listener, WEIR_TCP_LINGER_SECONDS, 9), 0);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:90", &client), 0);
    client = net_accept(listener);
    CHECK_EQ(weir_sim_socket_option_get(client, WEIR_TCP_LINGER_SECONDS, &value), 0);
    CHECK_EQ(value, 9);
    CHECK_EQ(weir_sim_socket_option_get(client, WEIR_TCP_NO_DELAY, &value), 0);
    net_fini(&t);
    return value;
}

WEIR_TEST(sim_network, accepted_sockets_have_the_options_of_the_listener)
{
    CHECK_EQ(no_delay_of_accepted(false), 1);
    CHECK_EQ(no_delay_of_accepted(true), 0);
}
