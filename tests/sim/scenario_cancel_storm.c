/* SPDX-License-Identifier: MIT */
/*
 * A stop at every event index in turn.
 *
 * A small exchange has a bit of everything: connects, accepts, whole and partial reads and writes,
 * timers, sleeps, a scope, a race, a shield, a bridge to another loop, closes. It is run once
 * without a stop, which counts its events; then once more for each of a window of indexes, and
 * somebody is stopped just there. The seed says where the window begins.
 *
 * Whoever was stopped ends as stopped or as done, and says how much it did; who was not meets
 * nothing but the end of its peer; everything is closed, and nothing is left.
 */
#include <errno.h>

#include "play.h"
#include "scenario.h"

enum {
    PORT = 80,
    CLIENT_MAX = 3,
    GUEST_MAX = CLIENT_MAX,
    WINDOW = 16, /* Worlds of a run, besides the first. */
    MESSAGE_MAX = 3000,
    ROUND_MAX = 3,
    GREETING_BYTES = KIT_NUMBER_BYTES,
};

/* Who is stopped, and how: with the index it makes the variant. */
enum target { THE_SERVER, THE_FIRST, SOMEBODY, EVERYBODY, TARGET_COUNT };

struct state;

/* One message there and back: what both sides know. */
struct wire {
    struct kit_flow flows[2]; /* By enum kit_way. */
    size_t sizes[ROUND_MAX];
    size_t rounds;
    bool is_left; /* The client has ended it before its time, or is about to. */
    bool is_cut;  /* The server has, or is about to. */
};

/* Echoes the messages of one wire. */
struct guest {
    weir_task task;
    struct server *server;
    struct wire *wire;
    weir_tcp_socket socket;
    size_t round;
    size_t done;
    int error;
    weir_deadline silence;
    weir_buffer parts[2];
    unsigned char memory[MESSAGE_MAX];
};

struct server {
    weir_task task;
    struct state *state;
    struct play_stopper stopper;
    weir_tcp_acceptor acceptor;
    struct kit_listener listener;
    weir_scope scope;
    struct guest *next;
    size_t accepted;
    size_t ended;
    int error;
};

/* A child on the clerk's loop, which knows how to wait. */
struct chore {
    weir_task task;
    int64_t duration_ns;
    weir_timer timer;
    bool is_done;
};

struct client {
    weir_task task;
    struct state *state;
    struct play_stopper stopper;
    unsigned number;
    struct wire *wire;
    weir_endpoint peer;
    weir_tcp_socket socket;
    struct kit_connector connector;
    size_t round;
    size_t done;
    int error;
    weir_group group;
    weir_bridge bridge;
    struct chore chore;
    struct pause {
        weir_task task;
        int64_t duration_ns;
    } pause;
    struct exchange {
        weir_task task;
        struct client *client;
    } exchange;
    unsigned char memory[MESSAGE_MAX];
};

struct state {
    weir_sim *sim;
    unsigned failures;
    bool frames_fail;
    size_t client_count;
    size_t clients_left;
    int64_t pause_ns;
    struct wire wires[CLIENT_MAX];
    struct server server;
    struct client clients[CLIENT_MAX];
    struct clerk { /* A loop of its own, for chores. */
        weir_loop *loop;
        weir_work work;
        weir_sim_host *host;
    } clerk;
    enum target target;
    unsigned bits; /* 0: nobody is stopped. */
    bool has_struck;
};

/* Guests. */

static bool is_told(const weir_task *task)
{
    return weir_task_stop_bits(task) & (WEIR_STOP_REQUESTED | WEIR_STOP_HARD);
}

static unsigned guest_failures(const struct guest *self)
{
    unsigned kinds = KIT_LATE | self->server->state->failures;

    if (!self->wire || self->wire->is_left)
        kinds |= KIT_END | KIT_RESET;
    if (is_told(&self->task))
        kinds |= KIT_STOPPED;
    return kinds;
}

/* A buffer in two parts, one of which may be empty. */
static void cut(weir_buffer buffer, weir_buffer parts[2])
{
    size_t first = kit_between(0, buffer.size);

    parts[0] = weir_buffer_of(buffer.data, first);
    parts[1] = weir_buffer_after(buffer, first);
}

/* Part of what is wanted, or all of it; or only wait for it. */
static weir_task *guest_read(struct guest *self, size_t size)
{
    weir_buffer buffer = weir_buffer_of(self->memory + self->done, size - self->done);
    weir_read_stream *in = &self->socket.stream.in;

    weir_deadline_arm_after(&self->task, &self->silence, KIT_S);
    cut(buffer, self->parts);
    switch (kit_between(0, 4)) {
    case 0:
        return weir_read(&self->task, in, buffer);
    case 1:
        return weir_read_v(&self->task, in, self->parts, 2);
    case 2:
        return weir_read_some_v(&self->task, in, self->parts, 2);
    case 3:
        return weir_tcp_wait(&self->task, &self->socket, WEIR_READING);
    default:
        return weir_read_some(&self->task, in, buffer);
    }
}

/* What had no memory for a frame has not begun: the guest tries again. */
static bool has_not_begun(const struct guest *self, weir_result r)
{
    if (r.error != -ENOMEM || !self->server->state->frames_fail)
        return false;
    PLAY_EXPECT(self->server->state->sim, r.count == 0, "%zu bytes were moved without a frame",
                r.count);
    return true;
}

static void guest_account(struct guest *self, weir_result r)
{
    (void)weir_deadline_disarm(&self->task, &self->silence);
    if (has_not_begun(self, r))
        return;
    self->error = r.error;
    kit_expect("a guest's read", r.error, guest_failures(self));
    if (self->wire)
        kit_flow_saw(&self->wire->flows[KIT_THERE], self->memory + self->done, r.count);
    self->done += r.count;
}

/* The greeting says whose wire it is. */
static void greet(struct guest *self)
{
    struct state *state = self->server->state;
    uint32_t number;

    if (self->done < GREETING_BYTES)
        return;
    number = kit_number(self->memory);
    PLAY_EXPECT(state->sim, number < state->client_count, "a greeting of nobody");
    self->wire = &state->wires[number];
    kit_flow_saw(&self->wire->flows[KIT_THERE], self->memory, GREETING_BYTES);
    self->done = 0;
}

static void guest_wrote(struct guest *self, weir_result r)
{
    kit_flow_wrote(&self->wire->flows[KIT_BACK], r.count);
    if (has_not_begun(self, r))
        return;
    self->error = r.error;
    kit_expect("a guest's write", r.error, guest_failures(self));
    self->done = 0;
    self->round++;
}

static weir_task *guest_write(struct guest *self)
{
    size_t size = self->wire->sizes[self->round];

    kit_flow_fill(&self->wire->flows[KIT_BACK], self->memory, size);
    cut(weir_buffer_of(self->memory, size), self->parts);
    if (kit_chance(500))
        return weir_write(&self->task, &self->socket.stream.out,
                          weir_const_buffer_of(self->memory, size));
    return weir_write_v(&self->task, &self->socket.stream.out, weir_buffers_as_const(self->parts),
                        2);
}

/* It has served all rounds, or leaves earlier: then the client meets an end. */
static void leave_wire(struct guest *self)
{
    if (!self->wire)
        return;
    if (self->error)
        self->wire->is_cut = true;
    kit_flow_end(&self->wire->flows[KIT_BACK]);
}

static bool has_round(const struct guest *self)
{
    return !self->error && self->round < self->wire->rounds;
}

static weir_task *guest_resume(weir_task *task)
{
    struct guest *self = WEIR_TASK_SELF(task, struct guest);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->error && self->done < GREETING_BYTES) {
        WEIR_AWAIT(task, r, guest_read(self, GREETING_BYTES));
        guest_account(self, r);
    }
    greet(self);
    while (has_round(self)) {
        while (!self->error && self->done < self->wire->sizes[self->round]) {
            WEIR_AWAIT(task, r, guest_read(self, self->wire->sizes[self->round]));
            guest_account(self, r);
        }
        if (self->error)
            break;
        weir_shield_begin(task); /* What was asked is answered. */
        WEIR_AWAIT(task, r, guest_write(self));
        weir_shield_end(task);
        guest_wrote(self, r);
    }
    leave_wire(self);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    PLAY_EXPECT(self->server->state->sim, r.error == 0, "a close gives %s",
                weir_error_name(r.error));
    kit_check_closed(&self->socket);
    self->server->ended++;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* The server: it accepts until it is stopped, by the storm or by the last client. */

static bool has_next(struct server *self)
{
    self->next = weir_scope_new(&self->scope, sizeof *self->next, guest_resume);
    if (!self->next) {
        PLAY_EXPECT(self->state->sim, self->state->frames_fail, "there is no frame for a guest");
        return false;
    }
    self->next->server = self;
    self->next->wire = NULL;
    self->next->round = 0;
    self->next->done = 0;
    self->next->error = 0;
    weir_deadline_init(&self->next->silence);
    weir_tcp_socket_init(&self->next->socket);
    return true;
}

static void receive_guest(struct server *self, weir_result r)
{
    self->error = r.error;
    if (r.error) {
        PLAY_EXPECT(self->state->sim, play_is_stopped(&self->stopper, r.error),
                    "an accept gives %s", weir_error_name(r.error));
        weir_scope_discard(&self->scope, &self->next->task);
        return;
    }
    self->accepted++;
    weir_scope_start(&self->scope, &self->next->task);
}

static void cut_wires(struct server *self)
{
    for (size_t i = 0; i < self->state->client_count; i++) {
        self->state->wires[i].is_cut = true;
        kit_flow_end(&self->state->wires[i].flows[KIT_BACK]);
    }
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    play_stopper_open(self->state->sim, &self->stopper, task);
    weir_scope_init(&self->scope, task);
    self->listener.loop = weir_task_loop(task);
    WEIR_AWAIT(task, r, weir_call(task, &self->listener.task));
    self->error = r.error;
    while (!self->error) {
        if (has_next(self)) {
            WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->next->socket));
            receive_guest(self, r);
        } else {
            WEIR_AWAIT(task, r, weir_sleep_for(task, KIT_MS));
            self->error = r.error;
        }
    }
    cut_wires(self);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    PLAY_EXPECT(self->state->sim, r.error == 0 && self->ended == self->accepted,
                "%zu guests were received, %zu have ended", self->accepted, self->ended);
    weir_scope_fini(&self->scope);
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->stopper.source));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Clients. */

static weir_task *chore_resume(weir_task *task)
{
    struct chore *self = WEIR_TASK_SELF(task, struct chore);
    weir_result r;

    WEIR_BEGIN(task);
    weir_timer_init(&self->timer, weir_task_loop(task));
    (void)weir_timer_expires_after(&self->timer, self->duration_ns);
    WEIR_AWAIT(task, r, weir_timer_wait(task, &self->timer));
    weir_timer_fini(&self->timer);
    self->is_done = true;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *pause_resume(weir_task *task)
{
    struct pause *self = WEIR_TASK_SELF(task, struct pause);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, self->duration_ns));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static unsigned client_failures(const struct client *self)
{
    unsigned kinds = self->state->failures;

    if (self->wire->is_cut || self->state->server.stopper.asked)
        kinds |= KIT_END | KIT_RESET;
    if (is_told(&self->exchange.task))
        kinds |= KIT_STOPPED;
    return kinds;
}

static weir_task *client_write(struct client *self, size_t size)
{
    kit_flow_fill(&self->wire->flows[KIT_THERE], self->memory, size);
    return weir_write(&self->exchange.task, &self->socket.stream.out,
                      weir_const_buffer_of(self->memory, size));
}

static void client_wrote(struct client *self, weir_result r)
{
    kit_flow_wrote(&self->wire->flows[KIT_THERE], r.count);
    kit_expect("a client's write", r.error, client_failures(self));
    self->error = r.error;
    self->done = 0;
}

static weir_task *client_read(struct client *self)
{
    size_t size = self->wire->sizes[self->round] - self->done;

    return weir_read_some(&self->exchange.task, &self->socket.stream.in,
                          weir_buffer_of(self->memory, size));
}

static void client_account(struct client *self, weir_result r)
{
    kit_flow_saw(&self->wire->flows[KIT_BACK], self->memory, r.count);
    if (r.error == WEIR_EOF)
        kit_flow_saw_end(&self->wire->flows[KIT_BACK]);
    kit_expect("a client's read", r.error, client_failures(self));
    self->error = r.error;
    self->done += r.count;
}

/* The messages, one after the other: a child, which races against a long pause. */
static weir_task *exchange_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct exchange)->client;
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, client_write(self, GREETING_BYTES));
    client_wrote(self, r);
    for (self->round = 0; !self->error && self->round < self->wire->rounds; self->round++) {
        WEIR_AWAIT(task, r, client_write(self, self->wire->sizes[self->round]));
        client_wrote(self, r);
        while (!self->error && self->done < self->wire->sizes[self->round]) {
            WEIR_AWAIT(task, r, client_read(self));
            client_account(self, r);
        }
    }
    WEIR_RETURN(task, weir_result_of(self->error, self->round));
    WEIR_END(task);
}

static weir_task *do_chore(struct client *self)
{
    self->chore.duration_ns = self->state->pause_ns;
    weir_task_init(&self->chore.task, chore_resume);
    return weir_run_on(&self->task, &self->bridge, weir_loop_executor(self->state->clerk.loop),
                       &self->chore.task);
}

static void check_chore(struct client *self, weir_result r)
{
    PLAY_EXPECT(self->state->sim, self->chore.is_done, "a chore is home before its end");
    PLAY_EXPECT(self->state->sim, r.error == 0 || play_is_stopped(&self->stopper, r.error),
                "a chore gives %s", weir_error_name(r.error));
    self->error = r.error;
}

static weir_task *talk(struct client *self)
{
    self->exchange.client = self;
    self->pause.duration_ns = 100 * KIT_S;
    weir_task_init(&self->exchange.task, exchange_resume);
    weir_task_init(&self->pause.task, pause_resume);
    return weir_when_any_2(&self->task, &self->group, WEIR_FIRST_TO_COMPLETE, &self->exchange.task,
                           &self->pause.task);
}

/* The exchange ends of itself, or a stop ends both. */
static void check_talk(struct client *self, weir_result r)
{
    weir_sim *sim = self->state->sim;
    weir_result talked = weir_task_result(&self->exchange.task);
    int paused = weir_task_result(&self->pause.task).error;

    PLAY_EXPECT(sim, paused == WEIR_CANCELLED, "the pause gives %s", weir_error_name(paused));
    if (talked.error == 0)
        PLAY_EXPECT(sim, r.error == 0 && r.count == 0 && talked.count == self->wire->rounds,
                    "a talk of %zu rounds succeeds with %zu", self->wire->rounds, talked.count);
    else if (talked.error == WEIR_CANCELLED)
        PLAY_EXPECT(sim, play_is_stopped(&self->stopper, r.error), "nobody stopped the talk: %s",
                    weir_error_name(r.error));
    self->error = talked.error;
}

static void check_connect(struct client *self, weir_result r)
{
    self->error = r.error;
    kit_expect("a connect", r.error,
               self->state->failures | KIT_REFUSED | KIT_STOPPED |
                   (self->state->server.stopper.asked ? KIT_RESET : 0u));
    if (r.error == WEIR_CANCELLED)
        PLAY_EXPECT(self->state->sim, play_is_stopped(&self->stopper, r.error),
                    "nobody stopped a connect");
}

/* The last one stops the server. */
static void client_gone(struct client *self)
{
    struct state *state = self->state;

    if (--state->clients_left > 0)
        return;
    play_stop(state->sim, &state->server.stopper, WEIR_STOP_REQUESTED);
    weir_work_end(&state->clerk.work);
}

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    play_stopper_open(self->state->sim, &self->stopper, task);
    weir_tcp_socket_init(&self->socket);
    WEIR_AWAIT(task, r, weir_call(task, &self->connector.task));
    check_connect(self, r);
    if (!self->error) {
        WEIR_AWAIT(task, r, do_chore(self));
        check_chore(self, r);
    }
    if (!self->error) {
        WEIR_AWAIT(task, r, talk(self));
        check_talk(self, r);
    }
    self->wire->is_left = true;
    kit_flow_end(&self->wire->flows[KIT_THERE]);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    kit_check_closed(&self->socket);
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->stopper.source));
    client_gone(self);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Programs. The clerk's loop has to be there before a client needs it: it starts the clients. */

static void server_main(void *argument)
{
    struct server *server = argument;

    weir_task_init(&server->task, server_resume);
    (void)play_run(&server->task);
}

static void client_main(void *argument)
{
    struct client *client = argument;

    weir_task_init(&client->task, client_resume);
    (void)play_run(&client->task);
}

static void clerk_main(void *argument)
{
    struct state *state = argument;
    struct clerk *clerk = &state->clerk;

    clerk->loop = kit_loop_new();
    weir_work_begin(&clerk->work, weir_loop_executor(clerk->loop));
    for (size_t i = 0; i < state->client_count; i++)
        weir_sim_start(clerk->host, "client", client_main, &state->clients[i]);
    weir_loop_run(clerk->loop);
    kit_loop_free(clerk->loop);
}

/* Worlds. The variant is the index of an event, whom to stop then, and how; 0: nobody. */

static uint64_t variant_of(uint64_t step, enum target target, bool is_hard)
{
    return (step * TARGET_COUNT + target) * 2 + is_hard;
}

static void strike(weir_sim *sim, void *argument)
{
    struct state *state = argument;
    size_t somebody = state->target == THE_FIRST ? 0 : play_below(sim, state->client_count);

    state->has_struck = true;
    if (state->target == THE_SERVER || state->target == EVERYBODY)
        play_stop(sim, &state->server.stopper, state->bits);
    if (state->target == THE_FIRST || state->target == SOMEBODY)
        play_stop(sim, &state->clients[somebody].stopper, state->bits);
    for (size_t i = 0; state->target == EVERYBODY && i < state->client_count; i++)
        play_stop(sim, &state->clients[i].stopper, state->bits);
}

static void build_storm(weir_sim *sim, struct state *state, uint64_t variant)
{
    if (variant == 0)
        return;
    state->bits = variant % 2 ? WEIR_STOP_HARD : WEIR_STOP_REQUESTED;
    state->target = (enum target)(variant / 2 % TARGET_COUNT);
    weir_sim_at_step(sim, variant / 2 / TARGET_COUNT, strike, state);
}

static void build_client(struct state *state, size_t index, const weir_endpoint *server)
{
    struct client *client = &state->clients[index];
    struct wire *wire = &state->wires[index];
    weir_sim *sim = state->sim;

    wire->rounds = 1 + play_below(sim, ROUND_MAX);
    for (size_t i = 0; i < wire->rounds; i++)
        wire->sizes[i] = 1 + play_below(sim, play_chance(sim, 50) ? 64 : MESSAGE_MAX);
    kit_flow_init(&wire->flows[KIT_THERE], (uint32_t)index, KIT_THERE);
    kit_flow_init(&wire->flows[KIT_BACK], (uint32_t)index, KIT_BACK);
    client->state = state;
    client->wire = wire;
    kit_connector_init(&client->connector, &client->socket, server, KIT_REFUSED | state->failures,
                       12);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *server = weir_sim_host_new(sim, "server");
    weir_endpoint local = weir_sim_host_endpoint(server, PORT);

    state->sim = sim;
    state->failures = kit_failures_by(&run->faults);
    state->frames_fail = run->faults.no_frames > 0;
    state->client_count = 1 + play_below(sim, CLIENT_MAX);
    state->clients_left = state->client_count;
    state->pause_ns = play_magnitude(sim, 20);
    state->server.state = state;
    for (size_t i = 0; i < state->client_count; i++)
        build_client(state, i, &local);
    build_storm(sim, state, run->variant);
    kit_listener_init(&state->server.listener, &state->server.acceptor, NULL, &local, NULL);
    weir_sim_start(server, "server", server_main, &state->server);
    state->clerk.host = weir_sim_host_new(sim, "clients");
    weir_sim_start(state->clerk.host, "clerk", clerk_main, state);
}

static void check_wire(weir_sim *sim, const struct state *state, const struct wire *wire)
{
    const struct kit_flow *there = &wire->flows[KIT_THERE];
    const struct kit_flow *back = &wire->flows[KIT_BACK];

    kit_flow_check_settled(there);
    kit_flow_check_settled(back);
    PLAY_EXPECT(sim, back->written + GREETING_BYTES <= there->seen || back->written == 0,
                "more was answered than was asked");
    if (state->bits || state->failures || wire->is_cut)
        return;
    PLAY_EXPECT(sim, there->seen == there->written && back->seen == back->written,
                "bytes were lost, and nobody was stopped");
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    const struct state *state = run->state;
    bool is_calm = !state->bits && !state->failures;

    run->has_no_such_variant = run->variant != 0 && !state->has_struck;
    for (size_t i = 0; i < state->client_count; i++) {
        check_wire(sim, state, &state->wires[i]);
        PLAY_EXPECT(sim, !is_calm || run->faults.stalled_program || !state->clients[i].error,
                    "a client ends with %s, and nobody was stopped",
                    weir_error_name(state->clients[i].error));
    }
}

/* A number from the seed and another one. */
static uint64_t mix(uint64_t seed, uint64_t number)
{
    uint64_t word = (seed * UINT64_C(0x9e3779b97f4a7c15)) ^ (number + UINT64_C(0x632be59bd9b4e019));

    word = (word ^ (word >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
    return word ^ (word >> 29);
}

static void worlds(struct scenario_run *run)
{
    uint64_t steps;
    uint64_t first;

    run->variant = 0;
    steps = scenario_run_world(run).steps;
    first = mix(run->seed, 0) % steps;
    for (uint64_t i = 0; i < WINDOW; i++) {
        uint64_t step = (first + i) % steps + 1;
        uint64_t how = mix(run->seed, step);

        run->variant = variant_of(step, (enum target)(how % TARGET_COUNT), how / 16 % 2);
        (void)scenario_run_world(run);
    }
}

const struct scenario scenario_cancel_storm = {
    .name = "cancel_storm",
    .summary = "a stop at every event index of an exchange in turn",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
    .worlds = worlds,
};
