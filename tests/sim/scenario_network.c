/* SPDX-License-Identifier: MIT */
/*
 * Clients that keep trying, with patience for each attempt and pauses between them, and a server
 * whose link is cut, unreachable, slow and healed again. Every time limit holds whatever the
 * network does, nothing hangs, and who was promised nothing wrong is served when the network is
 * well at last.
 */
#include "echo.h"

enum { CROWDS_MAX = 2, VISITORS_MAX = 5, VISITS_MAX = 4, WEATHER_MAX = 12 };

/* What the link becomes, at some time. */
struct weather {
    weir_sim_host *server;
    weir_sim_host *client;
    weir_sim_link link;
    bool resets; /* And every connection is reset. */
};

struct state {
    struct echo_world world;
    struct echo_server server;
    struct echo_crowd crowds[CROWDS_MAX];
    struct echo_visitor visitors[CROWDS_MAX * VISITORS_MAX];
    weir_scope_child children[CROWDS_MAX * VISITORS_MAX];
    struct weather weather[CROWDS_MAX * WEATHER_MAX];
    size_t weather_count;
};

static void change(weir_sim *sim, void *argument)
{
    const struct weather *weather = argument;

    (void)sim;
    weir_sim_link_set(weather->server, weather->client, &weather->link);
    if (weather->resets)
        weir_sim_reset_connections(weather->server, weather->client);
}

static weir_sim_link choose_link(void)
{
    weir_sim_link link = {.state = WEIR_SIM_LINK_UP};

    if (kit_chance(500))
        link.state = kit_chance(600) ? WEIR_SIM_LINK_CUT : WEIR_SIM_LINK_UNREACHABLE;
    if (kit_chance(300)) {
        link.latency_min_ns = kit_duration_ns(200 * KIT_MS) + 1;
        link.latency_max_ns = link.latency_min_ns + kit_duration_ns(200 * KIT_MS);
    }
    if (kit_chance(300))
        link.window_bytes = (uint32_t)kit_small(64, 65536);
    return link;
}

static struct weather *weather_new(struct state *state, weir_sim_host *server,
                                   weir_sim_host *client)
{
    struct weather *weather = &state->weather[state->weather_count++];

    weather->server = server;
    weather->client = client;
    return weather;
}

/* Some storms, and then it is fine for ever. */
static void build_weather(weir_sim *sim, struct state *state, weir_sim_host *server,
                          weir_sim_host *client)
{
    size_t count = (size_t)kit_between(0, WEATHER_MAX - 1);
    int64_t at_ns = KIT_S;
    size_t i;

    for (i = 0; i < count; i++) {
        struct weather *weather = weather_new(state, server, client);

        weather->link = choose_link();
        weather->resets = kit_chance(200);
        weir_sim_at(sim, at_ns, change, weather);
        at_ns += kit_duration_ns(kit_chance(200) ? 60 * KIT_S : KIT_S) + 1;
    }
    weir_sim_at(sim, at_ns, change, weather_new(state, server, client));
}

static void build_server(struct state *state, weir_sim_host *host)
{
    struct echo_server *server = &state->server;

    state->world.servers = server;
    state->world.server_count = 1;
    server->world = &state->world;
    server->local = weir_sim_host_endpoint(host, ECHO_PORT);
    server->door_count = 1;
    server->patience_ns = 20 * KIT_S;
    server->grace_ns = kit_duration_ns(KIT_S);
    weir_sim_start(host, "server", echo_server_main, server);
}

static void build_crowd(weir_sim *sim, struct state *state, size_t index, weir_sim_host *server)
{
    weir_sim_host *host = weir_sim_host_new(sim, "client");
    struct echo_crowd *crowd = &state->crowds[index];
    size_t i;

    crowd->world = &state->world;
    crowd->visitors = &state->visitors[index * VISITORS_MAX];
    crowd->children = &state->children[index * VISITORS_MAX];
    crowd->count = (size_t)kit_small(1, VISITORS_MAX);
    for (i = 0; i < crowd->count; i++) {
        struct echo_visitor *visitor = &crowd->visitors[i];

        visitor->world = &state->world;
        visitor->server = state->server.local;
        visitor->visits = (unsigned)kit_between(1, VISITS_MAX);
        visitor->attempts_max = 100;
        visitor->size_max = kit_small(KIT_NUMBER_BYTES, 4000);
        visitor->message_max = 64;
        visitor->pause_ns_max = 5 * KIT_S;
        visitor->back_off_ns = 200 * KIT_MS;
        visitor->patience_ns = 10 * KIT_S + kit_duration_ns(40 * KIT_S);
        visitor->behaviours = 1U << ECHO_THROUGH | 1U << ECHO_DIALOGUE;
    }
    build_weather(sim, state, server, host);
    weir_sim_start(host, "client", echo_crowd_main, crowd);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *host = weir_sim_host_new(sim, "server");
    size_t i;

    kit_begin(sim);
    state->world.failures = kit_failures_by(&run->faults) | ECHO_BREAKS;
    state->world.shortages = KIT_UNREACHABLE;
    build_server(state, host);
    state->world.crowd_count = (unsigned)kit_small(1, CROWDS_MAX);
    for (i = 0; i < state->world.crowd_count; i++)
        build_crowd(sim, state, i, host);
}

/* In the end the weather is fine, and nobody gives up before. */
static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    (void)sim;
    echo_world_check(&state->world);
    if (!kit_failures_by(&run->faults))
        echo_visitors_check(state->visitors, sizeof state->visitors / sizeof state->visitors[0]);
}

const struct scenario scenario_network = {
    .name = "network",
    .summary =
        "clients that keep trying through cuts, resets and delays, and what time limits they set",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
