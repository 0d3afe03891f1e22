/* SPDX-License-Identifier: MIT */
/* Simulated connections that are given up because their peer does not read, or does not answer. */
#include "net_rig.h"

#include <errno.h>

static void set_user_timeout(sim_socket *socket, int seconds)
{
    CHECK_EQ(weir_sim_socket_option_set(socket, WEIR_TCP_USER_TIMEOUT_MS, seconds * 1000), 0);
}

/* The client gives up after 5 s. */
static void pair_init(struct net *t, sim_socket **ret_client, sim_socket **ret_server)
{
    net_init(t, 1);
    net_pair(t, ret_client, ret_server);
    set_user_timeout(*ret_client, 5);
}

/* Send until the window is full. Returns how many bytes that were. */
static size_t send_out(sim_socket *socket)
{
    size_t size = 0;

    while (net_send(socket, "abcdefgh") > 0)
        size += 8;
    return size;
}

static void read_out(sim_socket *socket, size_t size)
{
    while (size > 0)
        size -= (size_t)net_get(socket);
}

WEIR_TEST(sim_user_timeout, a_cut_link_is_waited_for_as_long_as_the_user_timeout_says)
{
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, &client, &server);
    CHECK_EQ(net_send(client, "abc"), 3);
    net_link(&t, WEIR_SIM_LINK_CUT);
    net_run_until(&t, t.sim->now_ns + 5 * NET_SECOND_NS - 1);
    CHECK_EQ(net_get(client), -EAGAIN);
    net_run_until(&t, t.sim->now_ns + 1);
    CHECK_EQ(net_get(client), -ETIMEDOUT);
    net_fini(&t);
}

WEIR_TEST(sim_user_timeout, a_peer_that_does_not_read_is_given_up_and_finds_a_reset_when_it_does)
{
    sim_socket *client, *server;
    struct net t;
    size_t size;

    pair_init(&t, &client, &server);
    size = send_out(client);
    net_run_until(&t, t.sim->now_ns + 5 * NET_SECOND_NS - 1);
    CHECK_EQ(net_get(client), -EAGAIN);
    net_run_until(&t, t.sim->now_ns + 1);
    CHECK_EQ(net_get(client), -ETIMEDOUT);
    net_run_until(&t, t.sim->now_ns + 3600 * NET_SECOND_NS);
    read_out(server, size);
    CHECK_EQ(net_get(server), -EAGAIN);
    net_settle(&t);
    CHECK_EQ(net_get(server), -ECONNRESET);
    CHECK(!weir_sim_agenda_first(&t.sim->agenda));
    net_fini(&t);
}

WEIR_TEST(sim_user_timeout, a_peer_that_reads_in_time_is_not_given_up)
{
    sim_socket *client, *server;
    struct net t;
    size_t size;

    pair_init(&t, &client, &server);
    size = send_out(client);
    net_run_until(&t, t.sim->now_ns + 4 * NET_SECOND_NS);
    read_out(server, size);
    net_run_until(&t, t.sim->now_ns + 3600 * NET_SECOND_NS);
    CHECK_EQ(net_get(client), -EAGAIN);
    CHECK_EQ(send_out(client), size);
    set_user_timeout(client, 0);
    net_run_until(&t, t.sim->now_ns + 3600 * NET_SECOND_NS);
    CHECK_EQ(net_get(client), -EAGAIN);
    set_user_timeout(client, 5);
    net_run_until(&t, t.sim->now_ns + 5 * NET_SECOND_NS);
    CHECK_EQ(net_get(client), -ETIMEDOUT);
    net_fini(&t);
}
