/* SPDX-License-Identifier: MIT */
/*
 * More connections than a server asks for: it takes some, sleeps until many have come, and takes
 * the others, or goes while they wait. Each that is served is served once and gets its own answer;
 * whom nobody had is refused or reset, and never reads an end as of one that was served.
 */
#include <errno.h>

#include "play.h"
#include "scenario.h"

enum {
    GUESTS_MIN = 40,
    GUESTS_MAX = 200,
    PORT = 80,
};

struct state;

struct guest {
    weir_task task;
    weir_scope_child record;
    struct state *state;
    weir_tcp_socket socket;
    uint32_t number;
    uint32_t answer;
};

/* Serves one after the other. */
struct server {
    weir_task task;
    struct state *state;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
    size_t naps_at;   /* So many have been served. */
    size_t leaves_at; /* The others find nobody. */
    int64_t nap_ns;
    size_t served_count;
    bool served[GUESTS_MAX];
    uint32_t number;
};

struct state {
    weir_sim *sim;
    weir_sim_host *hosts[2];
    weir_endpoint local;
    size_t guest_count;
    struct server server;
    struct {
        weir_task task;
        weir_scope scope;
        struct guest guests[GUESTS_MAX];
    } client;
};

static void expect_success(const struct state *state, weir_result r, const char *what)
{
    PLAY_EXPECT(state->sim, r.error == 0, "%s gives %s without a fault", what,
                weir_error_name(r.error));
}

/* The server. */

static void note_served(struct server *server)
{
    const struct state *state = server->state;

    PLAY_EXPECT(state->sim, server->number < state->guest_count && !server->served[server->number],
                "guest %u of %zu is served twice", (unsigned)server->number, state->guest_count);
    server->served[server->number] = true;
    server->served_count++;
}

static weir_task *read_number(weir_task *task, weir_tcp_socket *socket, uint32_t *ret_number)
{
    return weir_read(task, &socket->stream.in, weir_buffer_of(ret_number, sizeof *ret_number));
}

static weir_task *write_number(weir_task *task, weir_tcp_socket *socket, const uint32_t *number)
{
    return weir_write(task, &socket->stream.out, weir_const_buffer_of(number, sizeof *number));
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->served_count < self->leaves_at) {
        if (self->served_count == self->naps_at)
            WEIR_AWAIT(task, r, weir_sleep_for(task, self->nap_ns));
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->socket));
        expect_success(self->state, r, "an accept");
        WEIR_AWAIT(task, r, read_number(task, &self->socket, &self->number));
        expect_success(self->state, r, "a server's read");
        note_served(self);
        WEIR_AWAIT(task, r, write_number(task, &self->socket, &self->number));
        expect_success(self->state, r, "a server's write");
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    }
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void server_main(void *argument)
{
    struct state *state = argument;
    weir_loop *loop = kit_loop_new();
    int error = weir_tcp_listen(&state->server.acceptor, loop, &state->local, NULL);

    expect_success(state, weir_result_of(error, 0), "a listen");
    weir_tcp_socket_init(&state->server.socket);
    weir_task_init(&state->server.task, server_resume);
    (void)weir_run(loop, &state->server.task);
    kit_loop_free(loop);
}

/* The guests. */

/* Did the guest find a server? It is let down only by one that left, and is told so. */
static bool is_welcome(const struct guest *guest, weir_result r, const char *what)
{
    const struct state *state = guest->state;

    if (r.error == 0)
        return true;
    PLAY_EXPECT(state->sim, state->server.leaves_at < state->guest_count,
                "%s gives %s without a fault", what, weir_error_name(r.error));
    PLAY_EXPECT(state->sim, r.error == -ECONNREFUSED || r.error == -ECONNRESET || r.error == -EPIPE,
                "%s of a connection that nobody had gives %s", what, weir_error_name(r.error));
    return false;
}

static weir_task *guest_resume(weir_task *task)
{
    struct guest *self = WEIR_TASK_SELF(task, struct guest);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, KIT_MS + play_magnitude(self->state->sim, 24)));
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->state->local));
    if (is_welcome(self, r, "a connect"))
        WEIR_AWAIT(task, r, write_number(task, &self->socket, &self->number));
    if (is_welcome(self, r, "a guest's write"))
        WEIR_AWAIT(task, r, read_number(task, &self->socket, &self->answer));
    if (is_welcome(self, r, "a guest's read"))
        PLAY_EXPECT(self->state->sim, self->answer == self->number,
                    "guest %u is served as guest %u", (unsigned)self->number,
                    (unsigned)self->answer);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void start_guests(struct state *state)
{
    for (size_t i = 0; i < state->guest_count; i++) {
        struct guest *guest = &state->client.guests[i];

        weir_task_init(&guest->task, guest_resume);
        guest->state = state;
        guest->number = (uint32_t)i;
        weir_tcp_socket_init(&guest->socket);
        weir_scope_start_embedded(&state->client.scope, &guest->record, &guest->task);
    }
}

static weir_task *client_resume(weir_task *task)
{
    struct state *self = WEIR_CONTAINER_OF(task, struct state, client.task);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->client.scope, task);
    start_guests(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->client.scope));
    weir_scope_fini(&self->client.scope);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void client_main(void *argument)
{
    struct state *state = argument;

    weir_task_init(&state->client.task, client_resume);
    (void)play_run(&state->client.task);
}

/* Failures are not what this is about, nor a server that does not listen yet. */
static void adjust(struct scenario_run *run)
{
    play_forgo_failures(&run->faults);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    state->sim = sim;
    state->hosts[0] = weir_sim_host_new(sim, "server");
    state->hosts[1] = weir_sim_host_new(sim, "client");
    state->local = weir_sim_host_endpoint(state->hosts[0], PORT);
    state->guest_count = (size_t)play_between(sim, GUESTS_MIN, GUESTS_MAX);
    state->server.state = state;
    state->server.nap_ns = play_between(sim, 0, 20 * KIT_MS);
    state->server.naps_at = play_below(sim, state->guest_count);
    state->server.leaves_at = state->guest_count;
    if (play_chance(sim, 30))
        state->server.leaves_at = play_below(sim, state->guest_count);
    weir_sim_start(state->hosts[0], "server", server_main, state);
    weir_sim_start(state->hosts[1], "client", client_main, state);
}

const struct scenario scenario_backlog = {
    .name = "backlog",
    .summary = "more connections than a server asks for; each is served once, or reset",
    .state_size_bytes = sizeof(struct state),
    .adjust = adjust,
    .build = build,
};
