/* SPDX-License-Identifier: MIT */
/*
 * Clients, a proxy, and an echo server behind it. The proxy moves the bytes of both directions in
 * one of several ways and forwards each end; what fails on one side it resets on the other, so that
 * nobody takes a part for the whole. The link to the server is cut and healed, its connections are
 * reset, it refuses.
 */
#include "echo.h"

enum { VISITORS_MAX = 10, VISITS_MAX = 5, CUTS_MAX = 3, PUMP_BYTES = 4096 };

struct state {
    struct echo_world world;
    struct echo_server servers[2]; /* The echo server, and the proxy. */
    struct echo_crowd crowd;
    struct echo_visitor visitors[VISITORS_MAX];
    weir_scope_child children[VISITORS_MAX];
    weir_sim_host *proxy;
    weir_sim_host *server;
    int64_t limit_ns; /* How long the proxy lets a connection live; 0: forever. */
};

/* How a pump moves bytes. */
enum manner { BY_COPY, BY_HAND, BY_PUSH, BY_PULL, MANNER_COUNT };

/** One direction of a relay. */
struct pump {
    weir_task task;
    weir_read_stream *in;
    weir_write_stream *out;
    enum manner manner;
    int error;
    size_t size; /* Of memory. */
    union {
        weir_copy_frame copy;
        weir_push_frame push;
        weir_pull_frame pull;
    } frame;
    weir_stream_source source;
    weir_stream_sink sink;
    unsigned char memory[PUMP_BYTES];
};

/** A connection of the proxy's, and the one behind it. */
struct relay {
    struct echo_guest guest;
    weir_tcp_socket behind;
    struct kit_connector connector;
    struct relay_pumps {
        weir_task task;
        weir_group group;
        struct pump there;
        struct pump back;
    } pumps;
    weir_timeout_frame timeout;
    int error;
};

/* Pumps. */

static void pump_init(struct pump *pump, weir_resume_fn *resume, weir_read_stream *in,
                      weir_write_stream *out)
{
    weir_buffer memory;

    pump->size = (size_t)kit_small(1, PUMP_BYTES);
    pump->in = in;
    pump->out = out;
    pump->manner = (enum manner)kit_between(0, MANNER_COUNT - 1);
    memory = weir_buffer_of(pump->memory, pump->size);
    weir_stream_source_init(&pump->source, in, memory);
    weir_stream_sink_init(&pump->sink, out, memory);
    weir_task_init(&pump->task, resume);
}

/* Move everything in one go. */
static weir_task *move(weir_task *task, struct pump *self)
{
    weir_buffer memory = weir_buffer_of(self->memory, self->size);

    switch (self->manner) {
    case BY_PUSH:
        return weir_push_to(task, &self->frame.push, &self->source.source, self->out);
    case BY_PULL:
        return weir_pull_from(task, &self->frame.pull, self->in, &self->sink.sink);
    default:
        return weir_copy(task, &self->frame.copy, self->in, self->out, memory);
    }
}

static weir_task *move_end(weir_task *task, struct pump *self)
{
    if (self->manner == BY_PULL && kit_chance(500))
        return weir_buffer_sink_commit_eof(task, &self->sink.sink, 0);
    return weir_write_eof(task, self->out, weir_const_buffer_of(NULL, 0));
}

static weir_task *pump_resume(weir_task *task)
{
    struct pump *self = WEIR_TASK_SELF(task, struct pump);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->manner != BY_HAND) {
        WEIR_AWAIT(task, r, move(task, self));
        self->error = r.error;
    }
    while (self->manner == BY_HAND && !self->error) {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, self->in, weir_buffer_of(self->memory, self->size)));
        if (r.error == WEIR_EOF)
            break;
        self->error = r.error;
        if (!r.error) {
            WEIR_AWAIT(task, r,
                       weir_write(task, self->out, weir_const_buffer_of(self->memory, r.count)));
            self->error = r.error;
        }
    }
    if (!self->error) {
        WEIR_AWAIT(task, r, move_end(task, self));
        self->error = r.error;
    }
    WEIR_RETURN(task, weir_result_of(self->error, 0));
    WEIR_END(task);
}

static weir_task *pumps_resume(weir_task *task)
{
    struct relay_pumps *self = WEIR_TASK_SELF(task, struct relay_pumps);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_when_all_2(task, &self->group, &self->there.task, &self->back.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Relays. */

static struct state *state_of(const struct relay *relay)
{
    return relay->guest.server->user;
}

static void relay_init(struct relay *self)
{
    weir_stream *front = &self->guest.socket.stream;

    weir_tcp_socket_init(&self->behind);
    kit_connector_init(&self->connector, &self->behind, &state_of(self)->servers[0].local,
                       KIT_FULL | KIT_REFUSED, (unsigned)kit_small(1, 20));
    weir_task_init(&self->pumps.task, pumps_resume);
    weir_group_init(&self->pumps.group);
    pump_init(&self->pumps.there, pump_resume, &front->in, &self->behind.stream.out);
    pump_init(&self->pumps.back, pump_resume, &self->behind.stream.in, &front->out);
}

static weir_task *relay_move(weir_task *task, struct relay *self)
{
    if (state_of(self)->limit_ns)
        return weir_timeout(task, &self->timeout, &self->pumps.task, state_of(self)->limit_ns);
    return weir_call(task, &self->pumps.task);
}

/* Nobody is to take what came for all there is. */
static void break_off(struct relay *self)
{
    if (!self->error)
        return;
    (void)weir_tcp_option_set(&self->guest.socket, WEIR_TCP_LINGER_SECONDS, 0);
    (void)weir_tcp_option_set(&self->behind, WEIR_TCP_LINGER_SECONDS, 0);
}

static weir_task *relay_resume(weir_task *task)
{
    struct relay *self = WEIR_TASK_SELF(task, struct relay);
    weir_result r;

    WEIR_BEGIN(task);
    relay_init(self);
    WEIR_AWAIT(task, r, weir_call(task, &self->connector.task));
    if (!r.error)
        WEIR_AWAIT(task, r, relay_move(task, self));
    self->error = r.error;
    break_off(self);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->guest.socket));
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->behind));
    kit_socket_gone(&self->guest.socket);
    kit_socket_gone(&self->behind);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Scripts. */

static void cut(weir_sim *sim, void *argument)
{
    struct state *state = argument;
    weir_sim_link link = {.state = WEIR_SIM_LINK_CUT};

    (void)sim;
    weir_sim_link_set(state->proxy, state->server, &link);
}

static void heal(weir_sim *sim, void *argument)
{
    struct state *state = argument;
    weir_sim_link link = {.state = WEIR_SIM_LINK_UP};

    (void)sim;
    weir_sim_link_set(state->proxy, state->server, &link);
}

static void reset(weir_sim *sim, void *argument)
{
    struct state *state = argument;

    (void)sim;
    weir_sim_reset_connections(state->proxy, state->server);
}

/* A cut that ends in time costs nothing but time; after 30 s connections fail. */
static void build_cuts(weir_sim *sim, struct state *state)
{
    bool are_long = kit_chance(300);
    size_t count = (size_t)kit_between(1, CUTS_MAX);
    int64_t at_ns = KIT_S;
    size_t i;

    if (are_long) { /* Who sends nothing does not see that its peer has gone. */
        state->world.failures |= ECHO_BREAKS;
        state->limit_ns = 100 * KIT_S;
    }
    for (i = 0; i < count; i++) {
        at_ns += kit_duration_ns(100 * KIT_MS) + 1;
        weir_sim_at(sim, at_ns, cut, state);
        at_ns += 1 + kit_duration_ns(are_long ? 90 * KIT_S : 9 * KIT_S);
        weir_sim_at(sim, at_ns, heal, state);
    }
}

static void build_troubles(weir_sim *sim, struct state *state)
{
    size_t i;

    if (kit_chance(400))
        build_cuts(sim, state);
    if (kit_chance(300)) {
        state->world.failures |= KIT_RESET;
        for (i = 0; i < CUTS_MAX; i++)
            weir_sim_at(sim, KIT_S + kit_duration_ns(100 * KIT_MS), reset, state);
    }
    if (kit_chance(200)) {
        state->world.failures |= KIT_RESET;
        state->servers[0].reopening = (unsigned)kit_small(1, 300);
    }
    if (kit_chance(200)) {
        state->world.failures |= KIT_RESET;
        state->limit_ns = kit_duration_ns(100 * KIT_MS) + 1;
    }
    if (kit_chance(200))
        weir_sim_at(sim, KIT_S + kit_duration_ns(100 * KIT_MS), echo_stop_softly, &state->world);
}

/* What the proxy meets when it connects reaches its client as a reset. */
static void build_failures(struct state *state, const weir_sim_faults *faults)
{
    state->world.failures = kit_failures_by(faults);
    if (state->world.failures)
        state->world.failures |= KIT_RESET;
}

static void build_servers(weir_sim *sim, struct state *state)
{
    unsigned i;

    state->world.servers = state->servers;
    state->world.server_count = 2;
    state->world.is_relayed = true;
    state->server = weir_sim_host_new(sim, "server");
    state->proxy = weir_sim_host_new(sim, "proxy");
    state->servers[1].serve = relay_resume;
    state->servers[1].frame_size = sizeof(struct relay);
    state->servers[1].user = state;
    for (i = 0; i < 2; i++) {
        struct echo_server *server = &state->servers[i];
        weir_sim_host *host = i == 0 ? state->server : state->proxy;

        server->world = &state->world;
        server->local = weir_sim_host_endpoint(host, ECHO_PORT);
        server->door_count = (unsigned)kit_small(1, ECHO_DOORS_MAX);
        server->grace_ns = kit_duration_ns(KIT_S);
        weir_sim_start(host, i == 0 ? "server" : "proxy", echo_server_main, server);
    }
}

static void build_crowd(weir_sim *sim, struct state *state)
{
    struct echo_crowd *crowd = &state->crowd;
    unsigned behaviours = kit_chance(500) ? (1U << ECHO_BEHAVIOURS) - 1 : 3;
    size_t i;

    state->world.crowd_count = 1;
    crowd->world = &state->world;
    crowd->visitors = state->visitors;
    crowd->children = state->children;
    crowd->count = (size_t)kit_small(1, VISITORS_MAX);
    for (i = 0; i < crowd->count; i++) {
        struct echo_visitor *visitor = &crowd->visitors[i];

        visitor->world = &state->world;
        visitor->server = state->servers[1].local;
        visitor->visits = (unsigned)kit_small(1, VISITS_MAX);
        visitor->size_max = kit_small(KIT_NUMBER_BYTES, 30000);
        visitor->pause_ns_max = kit_duration_ns(50 * KIT_MS);
        visitor->behaviours = behaviours;
    }
    weir_sim_start(weir_sim_host_new(sim, "client"), "client", echo_crowd_main, crowd);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    kit_begin(sim);
    build_failures(state, &run->faults);
    build_servers(sim, state);
    build_crowd(sim, state);
    build_troubles(sim, state);
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    (void)sim;
    echo_world_check(&state->world);
}

const struct scenario scenario_proxy = {
    .name = "proxy",
    .summary = "both directions through a proxy whose server refuses, resets or is cut off",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
