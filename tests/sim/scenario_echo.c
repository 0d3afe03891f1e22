/* SPDX-License-Identifier: MIT */
/*
 * An echo server of one loop or several, clients that come and go, and a shutdown in two phases:
 * when the last client has gone, or in the midst of it.
 */
#include "echo.h"

enum { CROWDS_MAX = 4, VISITORS_MAX = 12, VISITS_MAX = 8 };

struct state {
    struct echo_world world;
    struct echo_server servers[ECHO_SERVERS_MAX];
    struct echo_crowd crowds[CROWDS_MAX];
    struct echo_visitor visitors[CROWDS_MAX * VISITORS_MAX];
    weir_scope_child children[CROWDS_MAX * VISITORS_MAX];
};

/* One address of the host, or all of them. */
static weir_endpoint choose_local(const weir_sim_host *host)
{
    if (kit_chance(500))
        return weir_sim_host_endpoint(host, ECHO_PORT);
    if (kit_chance(500))
        return weir_endpoint_make_ipv4(weir_ipv4_any(), ECHO_PORT);
    return weir_endpoint_make_ipv6(weir_ipv6_any(), ECHO_PORT);
}

static void build_servers(struct state *state, weir_sim_host *host)
{
    weir_endpoint local = choose_local(host);
    int64_t patience_ns = kit_chance(300) ? kit_duration_ns(30 * KIT_MS) + 1 : 0;
    int64_t grace_ns = kit_duration_ns(KIT_S);
    unsigned i;

    state->world.servers = state->servers;
    state->world.server_count = (unsigned)kit_small(1, ECHO_SERVERS_MAX);
    for (i = 0; i < state->world.server_count; i++) {
        struct echo_server *server = &state->servers[i];

        server->world = &state->world;
        server->local = local;
        server->options.reuse_port = state->world.server_count > 1;
        server->door_count = 1;
        server->patience_ns = patience_ns;
        server->grace_ns = grace_ns;
        weir_sim_start(host, "server", echo_server_main, server);
    }
}

static void build_visitor(struct state *state, struct echo_visitor *visitor,
                          const weir_endpoint *server)
{
    visitor->world = &state->world;
    visitor->server = *server;
    visitor->visits = (unsigned)kit_small(1, VISITS_MAX);
    visitor->size_max = kit_small(KIT_NUMBER_BYTES, 50000);
    visitor->pause_ns_max = kit_duration_ns(50 * KIT_MS);
    visitor->haste = kit_chance(200) ? (unsigned)kit_small(1, 500) : 0;
    visitor->behaviours = (unsigned)kit_between(1, (1U << ECHO_BEHAVIOURS) - 1);
}

/* On a host of its own, or beside the server: then by the loopback, if the server listens there. */
static void build_crowd(weir_sim *sim, struct state *state, struct echo_crowd *crowd,
                        weir_sim_host *server)
{
    weir_endpoint endpoint = weir_sim_host_endpoint(server, ECHO_PORT);
    bool is_any = !weir_endpoint_equals(&endpoint, &state->servers[0].local);
    weir_sim_link link = {.window_bytes = 0};
    weir_sim_host *host = server;
    size_t i;

    if (kit_chance(800))
        host = weir_sim_host_new(sim, "client");
    else if (is_any && kit_chance(500))
        endpoint = weir_endpoint_make_ipv4(weir_ipv4_loopback(), ECHO_PORT);
    if (host != server && kit_chance(600))
        link.window_bytes = (uint32_t)kit_small(64, 65536);
    weir_sim_link_set(server, host, &link);
    crowd->world = &state->world;
    crowd->count = (size_t)kit_small(1, VISITORS_MAX);
    for (i = 0; i < crowd->count; i++) {
        build_visitor(state, &crowd->visitors[i], &endpoint);
        crowd->visitors[i].message_max = link.window_bytes;
    }
    weir_sim_start(host, "client", echo_crowd_main, crowd);
}

static void build_crowds(weir_sim *sim, struct state *state, weir_sim_host *server)
{
    size_t i;

    state->world.crowd_count = (unsigned)kit_small(1, CROWDS_MAX);
    for (i = 0; i < state->world.crowd_count; i++) {
        struct echo_crowd *crowd = &state->crowds[i];

        crowd->visitors = &state->visitors[i * VISITORS_MAX];
        crowd->children = &state->children[i * VISITORS_MAX];
        build_crowd(sim, state, crowd, server);
    }
}

/* The owner may lose patience: a stop in the midst of it, and another one. */
static void build_shutdown(weir_sim *sim, struct state *state)
{
    int64_t at_ns = KIT_S + kit_duration_ns(200 * KIT_MS);

    if (kit_chance(500))
        return;
    weir_sim_at(sim, at_ns, echo_stop_softly, &state->world);
    if (kit_chance(500))
        weir_sim_at(sim, at_ns + kit_duration_ns(50 * KIT_MS), echo_stop_hard, &state->world);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *host = weir_sim_host_new(sim, "server");

    kit_begin(sim);
    state->world.failures = kit_failures_by(&run->faults);
    build_servers(state, host);
    build_crowds(sim, state, host);
    build_shutdown(sim, state);
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    (void)sim;
    echo_world_check(&state->world);
}

const struct scenario scenario_echo = {
    .name = "echo",
    .summary = "clients that come and go, whole, half-way or with a reset; two-phase shutdown",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
