/* SPDX-License-Identifier: MIT */
/* Simulated connections: what travels on them, and how they end. What single calls give is compared
 * with Linux in test_against_linux.c; here it is what comes when, under many seeds. */
#include "net_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void pair_init(struct net *t, uint64_t seed, sim_socket **ret_client,
                      sim_socket **ret_server)
{
    net_init(t, seed);
    net_pair(t, ret_client, ret_server);
}

/* Traffic. */

enum { BUFFERS = 3, PIECE_MAX = 40 };

/* One direction: byte number n is n mod 251. */
struct flow {
    sim_socket *from;
    sim_socket *to;
    uint64_t sent;
    uint64_t received;
    uint64_t size;
    bool has_ended;
};

static size_t split(struct sim_random *random, uint8_t *data, weir_buffer *ret_buffers)
{
    size_t count = 1 + sim_random_below(random, BUFFERS);
    size_t i;

    for (i = 0; i < count; i++) {
        ret_buffers[i] = weir_buffer_of(data, sim_random_below(random, PIECE_MAX));
        data += ret_buffers[i].size;
    }
    return count;
}

static void flow_send(struct flow *flow, struct sim_random *random)
{
    uint8_t data[BUFFERS * PIECE_MAX];
    weir_const_buffer sent[BUFFERS];
    weir_buffer buffers[BUFFERS];
    size_t count = split(random, data, buffers);
    size_t limit = (size_t)sim_random_between(random, 1, 100);
    int64_t result;
    size_t i;

    if (limit > flow->size - flow->sent)
        limit = flow->size - flow->sent;
    if (limit == 0)
        return;
    for (i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)((flow->sent + i) % 251);
    for (i = 0; i < count; i++)
        sent[i] = weir_buffer_as_const(buffers[i]);
    result = weir_sim_socket_send(flow->from, sent, count, limit);
    if (result == -EAGAIN)
        return;
    CHECK(result >= 0 && (size_t)result <= limit);
    flow->sent += (uint64_t)result;
    if (flow->sent == flow->size)
        CHECK_EQ(weir_sim_socket_shutdown(flow->from, WEIR_TCP_WRITES), 0);
}

static void flow_receive(struct flow *flow, struct sim_random *random)
{
    uint8_t data[BUFFERS * PIECE_MAX];
    weir_buffer buffers[BUFFERS] = {{0}};
    size_t count = split(random, data, buffers);
    size_t limit = (size_t)sim_random_between(random, 1, 100);
    size_t room = buffers[0].size + buffers[1].size + buffers[2].size;
    bool is_readable = weir_sim_socket_is_readable(flow->to);
    int64_t result;
    int64_t i;

    if (flow->has_ended || room == 0)
        return;
    result = weir_sim_socket_receive(flow->to, buffers, count, limit);
    CHECK_EQ(is_readable, result != -EAGAIN);
    if (result == -EAGAIN)
        return;
    CHECK(result >= 0 && (size_t)result <= limit && (size_t)result <= room);
    for (i = 0; i < result; i++)
        CHECK_EQ(data[i], (flow->received + (uint64_t)i) % 251);
    flow->received += (uint64_t)result;
    CHECK(flow->received <= flow->sent);
    flow->has_ended = result == 0;
}

static void flow_check_window(const struct flow *flow, uint32_t window)
{
    CHECK(flow->sent - flow->received <= window);
    if (flow->from->state == SIM_TCP_CONNECTED && flow->sent < flow->size)
        CHECK_EQ(weir_sim_socket_is_writable(flow->from), flow->sent - flow->received < window);
}

static void run_traffic(uint64_t seed)
{
    struct sim_random random = {seed + 1000};
    weir_sim_link link = {.window_bytes = (uint32_t)sim_random_between(&random, 1, 500),
                          .latency_max_ns = sim_random_between(&random, 10000, 20000000)};
    sim_socket *a, *b;
    struct flow flows[2];
    struct net t;

    pair_init(&t, seed, &a, &b);
    weir_sim_link_set(t.client, t.server, &link);
    flows[0] = (struct flow){.from = a, .to = b, .size = 3000};
    flows[1] = (struct flow){.from = b, .to = a, .size = 2000};
    while (!flows[0].has_ended || !flows[1].has_ended) {
        struct flow *flow = &flows[sim_random_below(&random, 2)];

        switch (sim_random_below(&random, 3)) {
        case 0:
            flow_send(flow, &random);
            break;
        case 1:
            flow_receive(flow, &random);
            break;
        default:
            (void)net_step(&t);
        }
        flow_check_window(&flows[0], link.window_bytes);
        flow_check_window(&flows[1], link.window_bytes);
    }
    CHECK_EQ(flows[0].received + flows[1].received, 5000);
    CHECK_EQ(t.sim->network.bytes, 5000);
    net_close(a);
    net_close(b);
    CHECK(weir_list_is_empty(&t.client->all));
    net_fini(&t);
}

WEIR_TEST(sim_connections, bytes_arrive_whole_in_order_once_and_within_the_window)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++)
        run_traffic(seed);
}

WEIR_TEST(sim_connections, latencies_are_between_those_of_the_link)
{
    weir_sim_link link = {.latency_min_ns = 3000000, .latency_max_ns = 5000000};
    sim_socket *client, *server;
    int64_t shortest = INT64_MAX, longest = 0;
    struct net t;
    int i;

    pair_init(&t, 1, &client, &server);
    weir_sim_link_set(t.client, t.server, &link);
    for (i = 0; i < 200; i++) {
        int64_t sent_ns = t.sim->now_ns;
        int64_t took_ns;

        CHECK_EQ(net_send(client, "x"), 1);
        CHECK(net_step(&t));
        CHECK_EQ(net_get(server), 1);
        took_ns = t.sim->now_ns - sent_ns;
        shortest = took_ns < shortest ? took_ns : shortest;
        longest = took_ns > longest ? took_ns : longest;
    }
    CHECK(shortest >= 3000000 && shortest < 3100000);
    CHECK(longest > 4900000 && longest <= 5000000);
    net_fini(&t);
}

WEIR_TEST(sim_connections, one_seed_is_one_history)
{
    uint64_t hashes[3];
    int i;

    for (i = 0; i < 3; i++) {
        void *moved = malloc((size_t)i * 1000 + 1); /* Addresses differ. */
        sim_socket *client, *server;
        struct net t;

        pair_init(&t, i == 2 ? 8 : 7, &client, &server);
        CHECK_EQ(net_send(client, "one"), 3);
        CHECK_EQ(net_send(server, "two"), 3);
        net_close(client);
        net_settle(&t);
        hashes[i] = weir_sim_outcome_get(t.sim).hash;
        net_fini(&t);
        free(moved);
    }
    CHECK(hashes[0] == hashes[1]);
    CHECK(hashes[0] != hashes[2]);
}

/* The window. */

WEIR_TEST(sim_connections, a_full_window_holds_the_sender_until_bytes_are_received)
{
    weir_sim_link link = {.window_bytes = 5};
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, 1, &client, &server);
    weir_sim_link_set(t.client, t.server, &link);
    CHECK_EQ(net_send(client, "abc"), 3);
    CHECK_EQ(net_send(client, "defg"), 2);
    CHECK_EQ(net_send(client, "f"), -EAGAIN);
    net_settle(&t);
    CHECK_EQ(net_send(client, "f"), -EAGAIN);
    CHECK_EQ(net_receive(server, 2, "ab"), 2);
    CHECK_EQ(net_send(client, "fgh"), 2);
    CHECK_EQ(net_receive(server, 9, "cde"), 3);
    net_settle(&t);
    CHECK_EQ(net_receive(server, 9, "fg"), 2);
    CHECK_EQ(net_send(server, "123456"), 5);
    net_fini(&t);
}

WEIR_TEST(sim_connections, a_window_that_grows_lets_the_sender_go_on)
{
    weir_sim_link link = {.window_bytes = 2};
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, 1, &client, &server);
    weir_sim_link_set(t.client, t.server, &link);
    CHECK_EQ(net_send(client, "abcd"), 2);
    CHECK_EQ(net_send(client, "cd"), -EAGAIN);
    link.window_bytes = 1;
    weir_sim_link_set(t.client, t.server, &link);
    CHECK_EQ(net_send(client, "cd"), -EAGAIN);
    link.window_bytes = 0;
    weir_sim_link_set(t.client, t.server, &link);
    CHECK_EQ(net_send(client, "cd"), 2);
    net_fini(&t);
}

/* Whoever is told. */

static void count_changes(sim_socket *socket)
{
    ++*(int *)weir_sim_socket_watcher(socket);
}

static bool was_told(int *count)
{
    bool was = *count > 0;

    *count = 0;
    return was;
}

WEIR_TEST(sim_connections, whoever_watches_is_told_of_what_lets_it_go_on)
{
    weir_sim_link link = {.window_bytes = 3};
    int client_told = 0, server_told = 0, listener_told = 0;
    sim_socket *client, *server;
    struct net t;

    net_init(&t, 1);
    weir_sim_socket_watch(t.listener, count_changes, &listener_told);
    client = net_connect(t.client, "10.0.0.1:80");
    weir_sim_socket_watch(client, count_changes, &client_told);
    net_settle(&t);
    CHECK(was_told(&client_told));
    CHECK(was_told(&listener_told));
    server = net_accept(t.listener);
    weir_sim_socket_watch(server, count_changes, &server_told);
    weir_sim_link_set(t.client, t.server, &link);
    CHECK(was_told(&client_told));
    CHECK_EQ(net_send(client, "abcd"), 3);
    net_settle(&t);
    CHECK(was_told(&server_told));
    CHECK_EQ(net_receive(server, 9, "abc"), 3);
    CHECK(was_told(&client_told));
    CHECK_EQ(weir_sim_socket_shutdown(server, WEIR_TCP_READS), 0);
    CHECK(was_told(&server_told));
    CHECK_EQ(weir_sim_socket_shutdown(client, WEIR_TCP_WRITES), 0);
    CHECK(was_told(&client_told));
    net_settle(&t);
    CHECK(was_told(&server_told));
    weir_sim_socket_reset(server);
    CHECK(was_told(&server_told));
    net_settle(&t);
    CHECK(was_told(&client_told));
    CHECK(!was_told(&listener_told));
    weir_sim_socket_watch(client, NULL, NULL);
    net_close(client);
    CHECK_EQ(client_told, 0);
    net_fini(&t);
}

WEIR_TEST(sim_connections, a_refused_connect_is_told)
{
    sim_socket *client;
    struct net t;
    int told = 0;

    net_init(&t, 1);
    client = net_connect(t.client, "10.0.0.1:81");
    weir_sim_socket_watch(client, count_changes, &told);
    net_settle(&t);
    CHECK(was_told(&told));
    net_fini(&t);
}

/* Ends. */

WEIR_TEST(sim_connections, the_end_comes_behind_the_bytes)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client, *server;
        char all[10] = "";
        struct net t;
        int64_t size = 0;

        pair_init(&t, seed, &client, &server);
        CHECK_EQ(net_send(client, "abc"), 3);
        CHECK_EQ(net_send(client, "def"), 3);
        net_close(client);
        for (;;) {
            weir_buffer buffer = weir_buffer_of(all + size, 4);
            int64_t result = weir_sim_socket_receive(server, &buffer, 1, 4);

            if (result == 0)
                break;
            if (result == -EAGAIN)
                CHECK(net_step(&t));
            else
                size += result;
        }
        CHECK_EQ(size, 6);
        CHECK(memcmp(all, "abcdef", 6) == 0);
        CHECK_EQ(net_get(server), 0);
        net_close(server);
        net_settle(&t);
        CHECK(weir_list_is_empty(&t.client->all));
        CHECK(!weir_sim_agenda_first(&t.sim->agenda));
        net_fini(&t);
    }
}

WEIR_TEST(sim_connections, what_is_sent_is_closed_behind_a_full_window)
{
    weir_sim_link link = {.window_bytes = 3};
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, 1, &client, &server);
    weir_sim_link_set(t.client, t.server, &link);
    CHECK_EQ(net_send(client, "abc"), 3);
    net_close(client);
    net_settle(&t);
    CHECK_EQ(net_receive(server, 9, "abc"), 3);
    CHECK_EQ(net_get(server), 0);
    net_fini(&t);
}

WEIR_TEST(sim_connections, one_direction_goes_on_when_the_other_has_ended)
{
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, 1, &client, &server);
    CHECK_EQ(weir_sim_socket_shutdown(client, WEIR_TCP_WRITES), 0);
    CHECK_EQ(weir_sim_socket_shutdown(client, WEIR_TCP_WRITES), 0);
    net_settle(&t);
    CHECK_EQ(net_get(server), 0);
    CHECK_EQ(net_send(server, "more"), 4);
    net_settle(&t);
    CHECK_EQ(net_receive(client, 9, "more"), 4);
    CHECK_EQ(net_get(client), -EAGAIN);
    net_fini(&t);
}

/* The peer gets what was sent up to some byte, then the reset, once. */
static void check_cut_off(struct net *t, sim_socket *socket)
{
    bool is_reset = false;
    int64_t result;
    int64_t size = 0;

    do {
        result = net_receive(socket, 2, NULL);
        if (result == -EAGAIN)
            CHECK(net_step(t));
        if (result == -ECONNRESET)
            is_reset = true;
        else if (result > 0)
            size += result;
    } while (result != 0);
    CHECK(is_reset);
    CHECK(size <= 6);
    CHECK_EQ(net_send(socket, "x"), -EPIPE);
}

static void close_with_unread(struct net *t, sim_socket *client, sim_socket *server)
{
    CHECK_EQ(net_send(server, "unread"), 6);
    net_settle(t);
    CHECK_EQ(net_send(client, "abcdef"), 6);
    net_close(client);
}

static void close_with_linger_0(struct net *t, sim_socket *client, sim_socket *server)
{
    (void)t;
    (void)server;
    CHECK_EQ(weir_sim_socket_option_set(client, WEIR_TCP_LINGER_SECONDS, 0), 0);
    CHECK_EQ(net_send(client, "abc"), 3);
    CHECK_EQ(net_send(client, "def"), 3);
    net_close(client);
}

static void break_off(struct net *t, sim_socket *client, sim_socket *server)
{
    (void)t;
    (void)server;
    CHECK_EQ(net_send(client, "abc"), 3);
    weir_sim_socket_reset(client);
    CHECK_EQ(net_get(client), -ECONNRESET);
    CHECK_EQ(net_get(client), -ENOTCONN);
    net_close(client);
}

WEIR_TEST(sim_connections, a_reset_cuts_the_peer_off)
{
    static void (*const resets[])(struct net *, sim_socket *, sim_socket *) = {
        close_with_unread, close_with_linger_0, break_off};
    uint64_t seed;
    unsigned i;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        for (i = 0; i < 3; i++) {
            sim_socket *client, *server;
            struct net t;

            pair_init(&t, seed, &client, &server);
            resets[i](&t, client, server);
            check_cut_off(&t, server);
            CHECK(weir_list_is_empty(&t.client->all));
            net_close(server);
            CHECK(!weir_sim_agenda_first(&t.sim->agenda));
            net_fini(&t);
        }
    }
}

WEIR_TEST(sim_connections, a_reset_may_overtake_bytes_or_not)
{
    bool is_whole = false, is_cut = false;
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client, *server;
        struct net t;

        pair_init(&t, seed, &client, &server);
        close_with_linger_0(&t, client, server);
        net_settle(&t);
        if (net_get(server) == 6)
            is_whole = true;
        else
            is_cut = true;
        net_fini(&t);
    }
    CHECK(is_whole && is_cut);
}

WEIR_TEST(sim_connections, bytes_for_who_has_closed_are_answered_with_a_reset)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client, *server;
        struct net t;

        pair_init(&t, seed, &client, &server);
        net_close(client);
        if (seed % 2)
            net_settle(&t);
        CHECK_EQ(net_send(server, "late"), 4);
        net_settle(&t);
        /* The reset comes before the end, or after it. */
        if (server->error == -EPIPE)
            CHECK_EQ(net_get(server), 0);
        else
            CHECK_EQ(net_get(server), -ECONNRESET);
        CHECK(weir_list_is_empty(&t.client->all));
        net_fini(&t);
    }
}

WEIR_TEST(sim_connections, both_may_end_at_once)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client, *server;
        struct net t;

        pair_init(&t, seed, &client, &server);
        CHECK_EQ(weir_sim_socket_shutdown(client, WEIR_TCP_BOTH), 0);
        CHECK_EQ(weir_sim_socket_shutdown(server, WEIR_TCP_WRITES), 0);
        net_settle(&t);
        CHECK_EQ(net_get(client), 0);
        CHECK_EQ(net_get(server), 0);
        CHECK_EQ(weir_sim_socket_shutdown(client, WEIR_TCP_WRITES), -ENOTCONN);
        CHECK_EQ(weir_sim_socket_shutdown(server, WEIR_TCP_WRITES), -ENOTCONN);
        net_close(client);
        net_close(server);
        CHECK_EQ(t.sim->faults, 0);
        CHECK(!weir_sim_agenda_first(&t.sim->agenda));
        net_fini(&t);
    }
}

/* Faults and scripts. */

WEIR_TEST(sim_connections, a_fault_resets_both_ends)
{
    weir_sim_options options = {.faults = {.reset_connection = 1000}};
    sim_socket *client, *server;
    struct net t;

    for (options.seed = 0; options.seed < NET_SEEDS; options.seed++) {
        net_init_with(&t, &options);
        net_pair(&t, &client, &server); /* A hello is no occasion. */
        CHECK_EQ(net_send(client, "abc"), 3);
        CHECK_EQ(net_send(server, "abc"), 3);
        net_settle(&t);
        CHECK_EQ(net_get(server), -ECONNRESET);
        CHECK_EQ(net_get(client), -ECONNRESET);
        CHECK(t.sim->faults == 1 || t.sim->faults == 2); /* The other segment. */
        net_fini(&t);
    }
}

WEIR_TEST(sim_connections, a_script_resets_what_is_between_two_hosts)
{
    sim_socket *client, *server, *half, *waiting, *loopback;
    struct net t;

    pair_init(&t, 1, &client, &server);
    CHECK_EQ(net_try(&t, t.client, "10.0.0.1:80", &waiting), 0);
    CHECK_EQ(net_try(&t, t.server, "127.0.0.1:80", &loopback), 0);
    half = net_connect(t.client, "10.0.0.1:80");
    CHECK_EQ(net_send(client, "abc"), 3);
    weir_sim_reset_connections(t.client, t.server);
    CHECK_EQ(net_get(server), -ECONNRESET);
    CHECK_EQ(net_get(client), -ECONNRESET);
    CHECK_EQ(net_get(waiting), -ECONNRESET);
    net_settle(&t);
    CHECK_EQ(weir_sim_socket_connect_result(half), 0);
    CHECK_EQ(net_get(loopback), -EAGAIN);
    CHECK_EQ(net_get(net_accept(t.listener)), -ECONNRESET);
    weir_sim_reset_connections(t.server, t.server);
    CHECK_EQ(net_get(loopback), -ECONNRESET);
    CHECK_EQ(net_get(half), -EAGAIN);
    net_fini(&t);
}

/* Cut links. */

WEIR_TEST(sim_connections, what_is_on_a_cut_link_waits_until_it_is_up)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client, *server;
        struct net t;

        pair_init(&t, seed, &client, &server);
        CHECK_EQ(net_send(client, "abc"), 3);
        net_link(&t, seed % 2 ? WEIR_SIM_LINK_CUT : WEIR_SIM_LINK_UNREACHABLE);
        CHECK_EQ(net_send(client, "def"), 3);
        CHECK_EQ(weir_sim_socket_shutdown(client, WEIR_TCP_WRITES), 0);
        net_run_until(&t, t.sim->now_ns + 29 * NET_SECOND_NS);
        CHECK_EQ(net_get(server), -EAGAIN);
        net_link(&t, WEIR_SIM_LINK_UP);
        net_settle(&t);
        CHECK_EQ(net_receive(server, 9, "abcdef"), 6);
        CHECK_EQ(net_get(server), 0);
        CHECK(!weir_sim_agenda_first(&t.sim->agenda));
        net_fini(&t);
    }
}

WEIR_TEST(sim_connections, who_waits_for_an_answer_over_a_cut_link_times_out)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client, *server;
        int64_t began_ns;
        struct net t;

        pair_init(&t, seed, &client, &server);
        if (seed % 2)
            CHECK_EQ(net_send(client, "abc"), 3);
        net_link(&t, WEIR_SIM_LINK_CUT);
        net_run_until(&t, t.sim->now_ns + NET_SECOND_NS * (int64_t)(seed % 2 ? 0 : seed));
        began_ns = t.sim->now_ns;
        if (seed % 2 == 0)
            CHECK_EQ(net_send(client, "abc"), 3);
        net_run_until(&t, began_ns + 30 * NET_SECOND_NS - 1);
        CHECK_EQ(net_get(client), -EAGAIN);
        net_run_until(&t, began_ns + 30 * NET_SECOND_NS);
        CHECK_EQ(net_get(client), -ETIMEDOUT);
        CHECK_EQ(net_get(client), 0);
        /* The peer has waited for nothing. It learns of it when it sends. */
        CHECK_EQ(net_get(server), -EAGAIN);
        CHECK_EQ(net_send(server, "hello?"), 6);
        net_run_until(&t, t.sim->now_ns + 20 * NET_SECOND_NS);
        net_link(&t, WEIR_SIM_LINK_UP);
        net_settle(&t);
        CHECK_EQ(net_get(server), -ECONNRESET);
        CHECK(!weir_sim_agenda_first(&t.sim->agenda));
        net_fini(&t);
    }
}

WEIR_TEST(sim_connections, who_waits_for_nothing_survives_a_cut_link)
{
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, 1, &client, &server);
    net_link(&t, WEIR_SIM_LINK_CUT);
    net_run_until(&t, t.sim->now_ns + 3600 * NET_SECOND_NS);
    net_link(&t, WEIR_SIM_LINK_UP);
    CHECK_EQ(net_send(client, "abc"), 3);
    net_settle(&t);
    CHECK_EQ(net_receive(server, 9, "abc"), 3);
    net_fini(&t);
}

WEIR_TEST(sim_connections, who_is_alone_at_its_end_times_out_too)
{
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, 1, &client, &server);
    net_link(&t, WEIR_SIM_LINK_CUT);
    weir_sim_socket_reset(client);
    CHECK_EQ(net_send(server, "abc"), 3);
    net_run_until(&t, t.sim->now_ns + 31 * NET_SECOND_NS);
    CHECK_EQ(net_get(server), -ETIMEDOUT);
    net_link(&t, WEIR_SIM_LINK_UP);
    net_settle(&t);
    CHECK_EQ(net_get(server), 0);
    net_fini(&t);
}

WEIR_TEST(sim_connections, what_nobody_will_take_is_waited_for_over_a_cut_link)
{
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, 1, &client, &server);
    CHECK_EQ(net_send(server, "abc"), 3);
    weir_sim_socket_reset(client);
    net_link(&t, WEIR_SIM_LINK_CUT);
    net_run_until(&t, t.sim->now_ns + 29 * NET_SECOND_NS);
    CHECK_EQ(net_get(server), -EAGAIN);
    net_run_until(&t, t.sim->now_ns + 2 * NET_SECOND_NS);
    CHECK_EQ(net_get(server), -ETIMEDOUT);
    net_fini(&t);
}

WEIR_TEST(sim_connections, a_reset_waits_for_a_cut_link)
{
    uint64_t seed;

    for (seed = 0; seed < NET_SEEDS; seed++) {
        sim_socket *client, *server;
        struct net t;

        pair_init(&t, seed, &client, &server);
        if (seed % 2)
            weir_sim_socket_reset(client);
        net_link(&t, WEIR_SIM_LINK_CUT);
        if (seed % 2 == 0)
            weir_sim_socket_reset(client);
        net_run_until(&t, t.sim->now_ns + 60 * NET_SECOND_NS);
        CHECK_EQ(net_get(server), -EAGAIN);
        net_link(&t, WEIR_SIM_LINK_UP);
        net_settle(&t);
        CHECK_EQ(net_get(server), -ECONNRESET);
        net_fini(&t);
    }
}

WEIR_TEST(sim_connections, a_close_over_a_cut_link_leaves_nothing_behind)
{
    sim_socket *client, *server;
    struct net t;

    pair_init(&t, 1, &client, &server);
    net_link(&t, WEIR_SIM_LINK_CUT);
    CHECK_EQ(net_send(client, "abc"), 3);
    net_close(client);
    net_run_until(&t, t.sim->now_ns + 31 * NET_SECOND_NS);
    CHECK(weir_list_is_empty(&t.client->all));
    net_close(server);
    net_run_until(&t, t.sim->now_ns + 31 * NET_SECOND_NS);
    CHECK(!weir_sim_socket_at(t.server, 4));
    CHECK(!weir_sim_agenda_first(&t.sim->agenda));
    net_fini(&t);
}

/* Everything. */

static void shake(struct net *t, struct sim_random *random)
{
    static const enum weir_sim_link_state states[] = {WEIR_SIM_LINK_UP, WEIR_SIM_LINK_UP,
                                                      WEIR_SIM_LINK_CUT, WEIR_SIM_LINK_UNREACHABLE};
    weir_sim_host *host = sim_random_chance(random, 500) ? t->client : t->server;
    intptr_t descriptor = (intptr_t)sim_random_between(random, 3, 12);
    sim_socket *socket = weir_sim_socket_at(host, descriptor);

    if (sim_random_chance(random, 10))
        net_link(t, states[sim_random_below(random, 4)]);
    if (sim_random_chance(random, 2))
        weir_sim_reset_connections(t->client, t->server);
    if (!socket)
        (void)net_connect(host, sim_random_chance(random, 500) ? "10.0.0.1:80" : "127.0.0.1:80");
    else if (socket->state == SIM_TCP_LISTENING)
        (void)weir_sim_socket_accept(socket);
    else if (sim_random_chance(random, 400))
        (void)net_send(socket, "something");
    else if (sim_random_chance(random, 600))
        (void)net_receive(socket, 5, NULL);
    else if (sim_random_chance(random, 300))
        (void)weir_sim_socket_shutdown(socket, (int)sim_random_below(random, 3));
    else if (sim_random_chance(random, 100))
        weir_sim_socket_reset(socket);
    else if (sim_random_chance(random, 200))
        net_close(socket);
}

/* Connections of every fate come and go; then all is closed, and nothing is left. */
WEIR_TEST(sim_connections, nothing_is_left_of_what_was_closed)
{
    weir_sim_options options = {.faults = {.reset_connection = 5, .refused_connection = 20}};
    weir_sim_host *hosts[2];
    struct net t;
    int i;

    for (options.seed = 0; options.seed < NET_SEEDS; options.seed++) {
        struct sim_random random = {options.seed};

        net_init_with(&t, &options);
        for (i = 0; i < 2000; i++) {
            shake(&t, &random);
            (void)net_step(&t);
        }
        hosts[0] = t.client;
        hosts[1] = t.server;
        for (i = 0; i < 2000; i++) {
            if (weir_sim_socket_at(hosts[i % 2], i / 2))
                weir_sim_socket_close(hosts[i % 2], i / 2);
        }
        net_link(&t, WEIR_SIM_LINK_UP);
        net_run_until(&t, t.sim->now_ns + 200 * NET_SECOND_NS);
        CHECK(weir_list_is_empty(&t.client->all));
        CHECK(weir_list_is_empty(&t.server->all));
        CHECK_EQ(t.client->descriptor_count + t.server->descriptor_count, 0);
        CHECK(!weir_sim_agenda_first(&t.sim->agenda));
        net_fini(&t);
    }
}
