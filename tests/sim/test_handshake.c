/* SPDX-License-Identifier: MIT */
/* How simulated connections come about, and how they do not. */
#include "net_rig.h"

#include <errno.h>

static int result_at(struct net *t, sim_socket *socket, int64_t at_ns)
{
    net_run_until(t, at_ns);
    CHECK_EQ(weir_sim_socket_is_writable(socket), socket->state != SIM_TCP_CONNECTING);
    return weir_sim_socket_connect_result(socket);
}

WEIR_TEST(sim_handshake, a_connection_is_under_way_until_it_stands)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client;
        int64_t began_ns;
        struct net t;

        net_init(&t, seed);
        began_ns = t.sim->now_ns;
        client = net_connect(t.client, "10.0.0.1:80");
        CHECK_EQ(weir_sim_socket_connect_result(client), -EINPROGRESS);
        CHECK_EQ(net_get(client), -EAGAIN);
        CHECK_EQ(net_send(client, "x"), -EAGAIN);
        while (weir_sim_socket_connect_result(client) == -EINPROGRESS)
            CHECK(net_step(&t));
        CHECK(t.sim->now_ns - began_ns >= 20000);
        CHECK(t.sim->now_ns - began_ns <= 1000000);
        CHECK_EQ(weir_sim_socket_connect_result(client), 0);
        CHECK_EQ(t.sim->network.connections, 1);
        CHECK_EQ(net_send(client, "x"), 1);
        net_settle(&t);
        CHECK_EQ(net_receive(net_accept(t.listener), 9, "x"), 1);
        CHECK_EQ(weir_sim_socket_accept(t.listener), -EAGAIN);
        net_fini(&t);
    }
}

WEIR_TEST(sim_handshake, nobody_listens)
{
    sim_socket *socket;
    weir_endpoint peer;
    struct net t;

    net_init(&t, 1);
    socket = net_connect(t.client, "10.0.0.1:81");
    peer = weir_sim_host_endpoint(t.server, 80);
    net_settle(&t);
    CHECK(weir_sim_socket_is_readable(socket));
    CHECK_EQ(weir_sim_socket_connect_result(socket), -ECONNREFUSED);
    CHECK_EQ(net_get(socket), -ENOTCONN);
    CHECK_EQ(net_send(socket, "x"), -EPIPE);
    CHECK_EQ(weir_sim_socket_connect_result(socket), -ENOTCONN);
    /* It can be used again. */
    CHECK_EQ(weir_sim_socket_connect(socket, &peer), 0);
    net_settle(&t);
    CHECK_EQ(weir_sim_socket_connect_result(socket), 0);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, who_receives_takes_the_error_of_the_connect)
{
    sim_socket *socket;
    struct net t;

    net_init(&t, 1);
    socket = net_connect(t.client, "10.0.0.1:81");
    net_settle(&t);
    CHECK_EQ(net_get(socket), -ECONNREFUSED);
    CHECK_EQ(net_get(socket), 0);
    CHECK_EQ(weir_sim_socket_connect_result(socket), -ECONNABORTED);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_second_connect_says_how_the_first_went)
{
    sim_socket *socket;
    weir_endpoint peer;
    struct net t;

    net_init(&t, 1);
    socket = net_connect(t.client, "10.0.0.1:81");
    peer = weir_sim_host_endpoint(t.server, 80);
    CHECK_EQ(weir_sim_socket_connect(socket, &peer), -EALREADY);
    net_settle(&t);
    CHECK_EQ(weir_sim_socket_connect(socket, &peer), -ECONNREFUSED);
    CHECK_EQ(weir_sim_socket_connect(socket, &peer), 0);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_fault_refuses_though_somebody_listens)
{
    weir_sim_options options = {.faults = {.refused_connection = 1000}};
    sim_socket *client;
    struct net t;

    net_init_with(&t, &options);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &client), -ECONNREFUSED);
    CHECK_EQ(t.sim->faults, 1);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:81", &client), -ECONNREFUSED);
    CHECK_EQ(t.sim->faults, 1);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, there_is_no_way_to_other_networks)
{
    weir_endpoint peer = weir_endpoint_make_ipv4(weir_ipv4_make(192, 0, 2, 1), 80);
    sim_socket *socket;
    struct net t;

    net_init(&t, 1);
    socket = net_open(t.client);
    CHECK_EQ(weir_sim_socket_connect(socket, &peer), -ENETUNREACH);
    peer = weir_sim_host_endpoint(t.server, 80);
    CHECK_EQ(weir_sim_socket_connect(socket, &peer), 0);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_host_that_is_not_there_does_not_answer)
{
    sim_socket *ipv4, *ipv6, *closed;
    int64_t began_ns;
    struct net t;

    net_init(&t, 1);
    began_ns = t.sim->now_ns;
    ipv4 = net_connect(t.client, "10.0.0.77:80");
    ipv6 = net_connect(t.client, "[fd00::77]:80");
    closed = net_connect(t.client, "10.0.0.77:80");
    CHECK_EQ(result_at(&t, ipv4, began_ns + NET_SECOND_NS * 2), -EINPROGRESS);
    net_close(closed);
    CHECK_EQ(result_at(&t, ipv4, began_ns + NET_SECOND_NS * 4), -EHOSTUNREACH);
    CHECK_EQ(weir_sim_socket_connect_result(ipv6), -EHOSTUNREACH);
    net_fini(&t);
}

/* The backlog. */

/* A listener whose backlog of one is full: two wait, as on Linux. */
static sim_socket *full_listener(struct net *t)
{
    weir_tcp_listen_options options = {.backlog = 1};
    sim_socket *listener, *client;

    CHECK_EQ(net_listen(t->server, "0.0.0.0:90", options, &listener), 0);
    CHECK_EQ(net_try(t, t->client, "10.0.0.1:90", &client), 0);
    CHECK_EQ(net_try(t, t->client, "10.0.0.1:90", &client), 0);
    return listener;
}

WEIR_TEST(sim_handshake, a_full_backlog_is_tried_again_in_vain_until_the_timeout)
{
    sim_socket *client;
    int64_t began_ns;
    struct net t;

    net_init(&t, 1);
    (void)full_listener(&t);
    began_ns = t.sim->now_ns;
    client = net_connect(t.client, "10.0.0.1:90");
    CHECK_EQ(result_at(&t, client, began_ns + 127 * NET_SECOND_NS - 1), -EINPROGRESS);
    CHECK_EQ(result_at(&t, client, began_ns + 127 * NET_SECOND_NS), -ETIMEDOUT);
    CHECK(!weir_sim_agenda_first(&t.sim->agenda));
    net_fini(&t);
}

WEIR_TEST(sim_handshake, room_in_the_backlog_is_found_by_the_next_try)
{
    static const int tries[] = {0, 1, 3, 7, 15, 31, 63};
    unsigned i;

    for (i = 0; i + 1 < sizeof(tries) / sizeof(*tries); i++) {
        sim_socket *listener, *client;
        int64_t began_ns;
        struct net t;

        net_init(&t, i);
        listener = full_listener(&t);
        began_ns = t.sim->now_ns;
        client = net_connect(t.client, "10.0.0.1:90");
        CHECK_EQ(result_at(&t, client, began_ns + tries[i] * NET_SECOND_NS + NET_SECOND_NS / 2),
                 -EINPROGRESS);
        (void)net_accept(listener);
        CHECK_EQ(result_at(&t, client, began_ns + tries[i + 1] * NET_SECOND_NS), -EINPROGRESS);
        CHECK_EQ(result_at(&t, client, began_ns + tries[i + 1] * NET_SECOND_NS + 1000000), 0);
        net_fini(&t);
    }
}

WEIR_TEST(sim_handshake, connections_that_are_half_open_count_for_the_backlog)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        weir_tcp_listen_options options = {.backlog = 4};
        int stood = 0;
        sim_socket *listener, *clients[10];
        struct net t;
        int i;

        net_init(&t, seed);
        CHECK_EQ(net_listen(t.server, "0.0.0.0:90", options, &listener), 0);
        for (i = 0; i < 10; i++)
            clients[i] = net_connect(t.client, "10.0.0.1:90");
        net_settle(&t);
        for (i = 0; i < 10; i++)
            stood += weir_sim_socket_connect_result(clients[i]) == 0;
        CHECK_EQ(stood, 5);
        for (i = 0; i < 5; i++)
            (void)net_accept(listener);
        CHECK_EQ(weir_sim_socket_accept(listener), -EAGAIN);
        CHECK_EQ(listener->waiting, 0);
        net_fini(&t);
    }
}

WEIR_TEST(sim_handshake, closing_a_listener_resets_what_waits)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *clients[8];
        struct net t;
        int i;

        net_init(&t, seed);
        for (i = 0; i < 8; i++)
            clients[i] = net_connect(t.client, "10.0.0.1:80");
        for (i = 0; i < (int)seed % 25; i++)
            (void)net_step(&t);
        if (seed % 2)
            net_close(t.listener);
        else
            CHECK_EQ(weir_sim_socket_shutdown(t.listener, WEIR_TCP_READS), 0);
        net_settle(&t);
        for (i = 0; i < 8; i++) {
            int error = weir_sim_socket_connect_result(clients[i]);

            CHECK(error == -ECONNREFUSED || error == -ECONNRESET);
        }
        /* Nothing of it is left on the server. */
        CHECK_EQ(weir_list_is_empty(&t.server->all), seed % 2);
        CHECK(!weir_sim_agenda_first(&t.sim->agenda));
        net_fini(&t);
    }
}

WEIR_TEST(sim_handshake, a_listener_that_was_shut_down_accepts_no_more)
{
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(weir_sim_socket_shutdown(t.listener, WEIR_TCP_WRITES), 0);
    CHECK_EQ(weir_sim_socket_accept(t.listener), -EAGAIN);
    CHECK(!weir_sim_socket_is_readable(t.listener));
    CHECK_EQ(weir_sim_socket_shutdown(t.listener, WEIR_TCP_BOTH), 0);
    CHECK_EQ(weir_sim_socket_accept(t.listener), -EINVAL);
    CHECK(weir_sim_socket_is_readable(t.listener));
    CHECK_EQ(weir_sim_socket_shutdown(t.listener, WEIR_TCP_BOTH), -ENOTCONN);
    net_fini(&t);
}

/* As Linux: a port that was asked for stays the socket's, one that was given does not. */
WEIR_TEST(sim_handshake, a_listener_that_was_shut_down_keeps_the_port_it_asked_for)
{
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_any(), 90);
    weir_tcp_listen_options options = {0};
    sim_socket *asked, *given;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_listen(t.server, "0.0.0.0:90", options, &asked), 0);
    CHECK_EQ(net_listen(t.server, "0.0.0.0:0", options, &given), 0);
    net_check_local(given, "0.0.0.0:32768");
    CHECK_EQ(weir_sim_socket_shutdown(asked, WEIR_TCP_READS), 0);
    CHECK_EQ(weir_sim_socket_shutdown(given, WEIR_TCP_READS), 0);
    CHECK_EQ(weir_sim_socket_listen(asked, &local, &options), -EINVAL);
    CHECK_EQ(weir_sim_socket_listen(given, &local, &options), 0);
    net_check_local(given, "0.0.0.0:90");
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_listener_is_no_connection)
{
    char byte;
    weir_buffer buffer = weir_buffer_of(&byte, 1);
    weir_endpoint peer;
    sim_socket *client;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(weir_sim_socket_receive(t.listener, &buffer, 1, 1), -ENOTCONN);
    CHECK_EQ(net_send(t.listener, "x"), -EPIPE);
    CHECK_EQ(weir_sim_socket_peer(t.listener, &peer), -ENOTCONN);
    weir_sim_socket_reset(t.listener);
    CHECK_EQ(weir_sim_socket_accept(t.listener), -EINVAL);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &client), -ECONNREFUSED);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_connection_that_is_lost_is_reset)
{
    sim_socket *client, *second;
    struct net t;

    net_init(&t, 1);
    CHECK(!weir_sim_socket_lose(t.listener));
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &client), 0);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &second), 0);
    CHECK(weir_sim_socket_lose(t.listener));
    net_settle(&t);
    CHECK_EQ(net_get(client), -ECONNRESET);
    net_check_peer(net_accept(t.listener), "10.0.0.2:32769");
    CHECK_EQ(net_get(second), -EAGAIN);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_full_table_keeps_the_connection)
{
    sim_socket *client;
    struct net t;

    net_init(&t, 1);
    weir_sim_host_limit_descriptors(t.server, 1);
    CHECK_EQ(weir_sim_socket_accept(t.listener), -EMFILE);
    CHECK(!weir_sim_socket_is_readable(t.listener));
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &client), 0);
    CHECK_EQ(weir_sim_socket_accept(t.listener), -EMFILE);
    CHECK(weir_sim_socket_is_readable(t.listener));
    weir_sim_host_limit_descriptors(t.server, 2);
    CHECK_EQ(weir_sim_socket_accept(t.listener), 4);
    net_fini(&t);
}

/* Connects that are given up, and connections that are gone before they are accepted. */

WEIR_TEST(sim_handshake, a_connect_is_given_up_at_any_time)
{
    uint64_t seed;

    for (seed = 0; seed < 4 * NET_SEEDS; seed++) {
        sim_socket *client;
        struct net t;
        int accepted;
        int i;

        net_init(&t, seed);
        client = net_connect(t.client, "10.0.0.1:80");
        for (i = 0; i < (int)seed % 4; i++)
            (void)net_step(&t);
        net_close(client);
        net_settle(&t);
        CHECK(weir_list_is_empty(&t.client->all) || t.listener->waiting == 1);
        accepted = weir_sim_socket_accept(t.listener);
        CHECK_EQ(accepted, i < 2 ? -EAGAIN : 4);
        if (accepted >= 0)
            CHECK_EQ(net_get(weir_sim_socket_at(t.server, accepted)), 0);
        CHECK_EQ(t.listener->waiting, 0);
        net_fini(&t);
    }
}

WEIR_TEST(sim_handshake, a_connect_that_is_shut_down_can_begin_again)
{
    weir_endpoint peer;
    sim_socket *client;
    struct net t;

    net_init(&t, 1);
    client = net_connect(t.client, "10.0.0.1:80");
    CHECK_EQ(weir_sim_socket_shutdown(client, WEIR_TCP_BOTH), 0);
    CHECK_EQ(weir_sim_socket_connect_result(client), -ECONNRESET);
    peer = weir_sim_host_endpoint(t.server, 80);
    CHECK_EQ(weir_sim_socket_connect(client, &peer), 0);
    net_settle(&t);
    CHECK_EQ(weir_sim_socket_connect_result(client), 0);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_connection_that_was_reset_is_accepted_and_says_so)
{
    sim_socket *client, *server;
    struct net t;

    net_init(&t, 1);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &client), 0);
    CHECK_EQ(net_send(client, "bye"), 3);
    net_settle(&t);
    weir_sim_socket_reset(client);
    net_settle(&t);
    CHECK_EQ(t.listener->waiting, 1);
    server = net_accept(t.listener);
    CHECK_EQ(net_receive(server, 9, "bye"), 3);
    CHECK_EQ(net_get(server), -ECONNRESET);
    CHECK_EQ(net_get(server), 0);
    net_fini(&t);
}

/* Links. */

WEIR_TEST(sim_handshake, an_unreachable_host_is_an_error_of_the_connect)
{
    sim_socket *client;
    struct net t;

    net_init(&t, 1);
    net_link(&t, WEIR_SIM_LINK_UNREACHABLE);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &client), -EHOSTUNREACH);
    CHECK_EQ(net_try(&t, t.server, "127.0.0.1:80", &client), 0);
    net_link(&t, WEIR_SIM_LINK_UP);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &client), 0);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_connect_over_a_cut_link_times_out)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        enum weir_sim_link_state down = seed % 2 ? WEIR_SIM_LINK_CUT : WEIR_SIM_LINK_UNREACHABLE;
        sim_socket *before, *after;
        int64_t cut_ns;
        struct net t;

        net_init(&t, seed);
        before = net_connect(t.client, "10.0.0.1:80");
        if (seed % 4 < 2)
            (void)net_step(&t);
        net_link(&t, down);
        cut_ns = t.sim->now_ns;
        net_run_until(&t, cut_ns + 10 * NET_SECOND_NS);
        net_link(&t, WEIR_SIM_LINK_CUT);
        after = net_connect(t.client, "10.0.0.1:80");
        CHECK_EQ(result_at(&t, before, cut_ns + 30 * NET_SECOND_NS - 1), -EINPROGRESS);
        CHECK_EQ(result_at(&t, before, cut_ns + 30 * NET_SECOND_NS), -ETIMEDOUT);
        CHECK_EQ(result_at(&t, after, cut_ns + 40 * NET_SECOND_NS - 1), -EINPROGRESS);
        CHECK_EQ(result_at(&t, after, cut_ns + 40 * NET_SECOND_NS), -ETIMEDOUT);
        net_link(&t, WEIR_SIM_LINK_UP);
        net_settle(&t);
        CHECK_EQ(weir_sim_socket_accept(t.listener), -EAGAIN);
        CHECK_EQ(t.listener->waiting, 0);
        net_fini(&t);
    }
}

WEIR_TEST(sim_handshake, a_connect_goes_on_when_the_link_is_up_again)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client;
        struct net t;
        int i;

        net_init(&t, seed);
        client = net_connect(t.client, "10.0.0.1:80");
        for (i = 0; i < (int)seed % 3; i++)
            (void)net_step(&t);
        net_link(&t, WEIR_SIM_LINK_CUT);
        net_link(&t, WEIR_SIM_LINK_UP); /* Before anybody could see it. */
        net_link(&t, WEIR_SIM_LINK_CUT);
        net_run_until(&t, t.sim->now_ns + 29 * NET_SECOND_NS);
        CHECK_EQ(weir_sim_socket_connect_result(client), i < 2 ? -EINPROGRESS : 0);
        CHECK_EQ(weir_sim_socket_accept(t.listener), -EAGAIN);
        net_link(&t, WEIR_SIM_LINK_UP);
        net_settle(&t);
        CHECK_EQ(weir_sim_socket_connect_result(client), 0);
        (void)net_accept(t.listener);
        CHECK_EQ(t.listener->waiting, 0);
        CHECK(!weir_sim_agenda_first(&t.sim->agenda));
        net_fini(&t);
    }
}

WEIR_TEST(sim_handshake, a_cut_link_neither_prolongs_a_connect_nor_shortens_it_when_it_is_mended)
{
    sim_socket *client;
    int64_t began_ns;
    struct net t;

    net_init(&t, 1);
    (void)full_listener(&t);
    began_ns = t.sim->now_ns;
    client = net_connect(t.client, "10.0.0.1:90");
    net_run_until(&t, began_ns + 5 * NET_SECOND_NS);
    net_link(&t, WEIR_SIM_LINK_CUT);
    net_run_until(&t, began_ns + 10 * NET_SECOND_NS);
    net_link(&t, WEIR_SIM_LINK_UP);
    net_run_until(&t, began_ns + 110 * NET_SECOND_NS);
    net_link(&t, WEIR_SIM_LINK_CUT);
    CHECK_EQ(result_at(&t, client, began_ns + 127 * NET_SECOND_NS - 1), -EINPROGRESS);
    CHECK_EQ(result_at(&t, client, began_ns + 127 * NET_SECOND_NS), -ETIMEDOUT);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_connection_that_stands_waits_for_nothing)
{
    sim_socket *client;
    struct net t;

    net_init(&t, 1);
    client = net_connect(t.client, "10.0.0.1:80");
    while (weir_sim_socket_connect_result(client) == -EINPROGRESS)
        CHECK(net_step(&t));
    net_link(&t, WEIR_SIM_LINK_CUT); /* The last of the handshake is on it. */
    net_run_until(&t, t.sim->now_ns + 100 * NET_SECOND_NS);
    CHECK_EQ(net_get(client), -EAGAIN);
    net_link(&t, WEIR_SIM_LINK_UP);
    net_settle(&t);
    (void)net_accept(t.listener);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_connection_that_was_reset_is_not_connected_again)
{
    weir_endpoint peer;
    sim_socket *client, *server;
    struct net t;

    net_init(&t, 1);
    net_pair(&t, &client, &server);
    weir_sim_reset_connections(t.client, t.server);
    peer = weir_sim_host_endpoint(t.server, 80);
    CHECK_EQ(weir_sim_socket_connect(client, &peer), -EISCONN);
    CHECK_EQ(weir_sim_socket_connect(server, &peer), -EISCONN);
    weir_sim_socket_reset(client); /* As Linux, this lets it. */
    CHECK_EQ(weir_sim_socket_connect(client, &peer), 0);
    net_fini(&t);
}

WEIR_TEST(sim_handshake, a_connect_is_slow_over_a_slow_link)
{
    weir_sim_link slow = {.latency_min_ns = 40 * NET_SECOND_NS};
    sim_socket *client;
    int64_t began_ns;
    struct net t;

    net_init(&t, 1);
    began_ns = t.sim->now_ns;
    weir_sim_link_set(t.client, t.server, &slow);
    client = net_connect(t.client, "10.0.0.1:80");
    CHECK_EQ(result_at(&t, client, began_ns + 79 * NET_SECOND_NS), -EINPROGRESS);
    CHECK_EQ(result_at(&t, client, began_ns + 80 * NET_SECOND_NS), 0);
    slow.latency_min_ns = 70 * NET_SECOND_NS;
    weir_sim_link_set(t.client, t.server, &slow);
    client = net_connect(t.client, "10.0.0.1:80");
    CHECK_EQ(result_at(&t, client, began_ns + 207 * NET_SECOND_NS), -ETIMEDOUT);
    net_fini(&t);
}
