/* SPDX-License-Identifier: MIT */
/*
 * Hundreds of connects to servers that are short of everything: descriptors, kernel memory,
 * backlog, frames; that have several tasks to accept, some of them impatient, and that close their
 * acceptor and listen anew in the midst of it. Everybody is served in the end.
 */
#include "echo.h"

enum { CROWDS_MAX = 3, VISITORS_MAX = 64, VISITS_MAX = 8 };

struct state {
    struct echo_world world;
    struct echo_server servers[ECHO_SERVERS_MAX];
    struct echo_crowd crowds[CROWDS_MAX];
    struct echo_visitor visitors[CROWDS_MAX * VISITORS_MAX];
    weir_scope_child children[CROWDS_MAX * VISITORS_MAX];
    bool is_short; /* Of descriptors. */
    bool is_flood; /* All come at once, before anybody accepts. */
};

/* A backlog that is always full drops who knocks, until the knocking ends. */
static void build_shortages(struct state *state)
{
    state->world.shortages = KIT_FULL;
    if (state->servers[0].options.backlog > 0)
        state->world.shortages |= KIT_CUT;
}

/* Each server has a listener, and somewhere has to be a descriptor for a connection. */
static void limit_server(struct state *state, weir_sim_host *host)
{
    unsigned least = state->world.server_count + 1;

    state->is_short = !state->is_flood && kit_chance(700);
    if (state->is_short)
        weir_sim_host_limit_descriptors(host, (unsigned)kit_small(least, least + 30));
}

static void build_servers(struct state *state, weir_sim_host *host, bool is_prompt)
{
    weir_tcp_listen_options options = {.backlog = 0};
    unsigned reopening = kit_chance(400) ? (unsigned)kit_small(1, 100) : 0;
    unsigned impatience = kit_chance(400) ? (unsigned)kit_small(1, 900) : 0;
    int64_t nap_ns = kit_chance(300) ? kit_duration_ns(100 * KIT_MS) : 0;
    unsigned i;

    if (state->is_flood)
        nap_ns = 20 * KIT_MS;
    else if (kit_chance(600))
        options.backlog = (int)kit_small(1, 20);
    state->world.servers = state->servers;
    state->world.server_count = state->is_flood ? 1 : (unsigned)kit_small(1, ECHO_SERVERS_MAX);
    options.reuse_port = state->world.server_count > 1;
    for (i = 0; i < state->world.server_count; i++) {
        struct echo_server *server = &state->servers[i];

        server->world = &state->world;
        server->local = weir_sim_host_endpoint(host, ECHO_PORT);
        server->options = options;
        server->door_count = (unsigned)kit_small(1, ECHO_DOORS_MAX);
        server->impatience = impatience;
        server->reopening = reopening;
        server->nap_ns = nap_ns;
        server->is_prompt = is_prompt && reopening == 0 && state->world.server_count == 1;
        server->grace_ns = kit_duration_ns(KIT_S);
        weir_sim_start(host, "server", echo_server_main, server);
    }
}

static void build_visitor(struct state *state, struct echo_visitor *visitor)
{
    visitor->world = &state->world;
    visitor->server = state->servers[0].local;
    visitor->visits = state->is_flood ? 1 : (unsigned)kit_small(1, VISITS_MAX);
    visitor->attempts_max = 30;
    visitor->size_max = kit_small(KIT_NUMBER_BYTES, 500);
    visitor->pause_ns_max = kit_duration_ns(5 * KIT_MS);
    visitor->behaviours = 1U << ECHO_THROUGH | 1U << ECHO_DIALOGUE;
    if (kit_chance(200))
        visitor->haste = (unsigned)kit_small(1, 500);
    if (kit_chance(200))
        visitor->behaviours |= 1U << ECHO_RESET;
}

static void build_crowd(weir_sim *sim, struct state *state, size_t index)
{
    weir_sim_host *host = weir_sim_host_new(sim, "client");
    struct echo_crowd *crowd = &state->crowds[index];
    size_t i;

    if (!state->is_flood && kit_chance(200))
        weir_sim_host_limit_descriptors(host, (unsigned)kit_small(1, 16));
    crowd->world = &state->world;
    crowd->visitors = &state->visitors[index * VISITORS_MAX];
    crowd->children = &state->children[index * VISITORS_MAX];
    crowd->count = state->is_flood ? VISITORS_MAX : (size_t)kit_small(1, VISITORS_MAX);
    for (i = 0; i < crowd->count; i++)
        build_visitor(state, &crowd->visitors[i]);
    weir_sim_start(host, "client", echo_crowd_main, crowd);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *host = weir_sim_host_new(sim, "server");
    size_t i;

    kit_begin(sim);
    state->world.failures = kit_failures_by(&run->faults);
    state->is_flood = kit_chance(60);
    build_servers(state, host, run->level == 0);
    build_shortages(state);
    limit_server(state, host);
    state->world.crowd_count = state->is_flood ? CROWDS_MAX : (unsigned)kit_small(1, CROWDS_MAX);
    for (i = 0; i < state->world.crowd_count; i++)
        build_crowd(sim, state, i);
    if (kit_chance(200))
        weir_sim_at(sim, KIT_S + kit_duration_ns(100 * KIT_MS), echo_stop_softly, &state->world);
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    bool is_well = !state->is_short && !(state->world.failures & KIT_FULL);
    size_t i;

    (void)sim;
    echo_world_check(&state->world);
    if (!state->world.failures)
        echo_visitors_check(state->visitors, sizeof state->visitors / sizeof state->visitors[0]);
    for (i = 0; i < state->world.server_count; i++)
        KIT_CHECK(!is_well || state->servers[i].statistics.accepts_backed_off == 0,
                  "an acceptor backs off, and nothing is short");
}

const struct scenario scenario_accept = {
    .name = "accept",
    .summary = "hundreds of connects to a server that is short of everything, or listens anew",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
