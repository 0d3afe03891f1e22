/* SPDX-License-Identifier: MIT */
/*
 * Sockets that are cancelled and closed by another task than those that use them: while they
 * connect, while a read and a write are in flight or between two parts. The memory of the socket
 * goes as soon as it is closed. The peers end nothing themselves, so nobody ever reads an end.
 */
#include <errno.h>

#include "play.h"
#include "scenario.h"

enum {
    VISITS_MAX = 6,
    ROUNDS_MAX = 4,
    SESSIONS_MAX = VISITS_MAX * ROUNDS_MAX,
    DATA_BYTES = 40000,
    WINDOW_BYTES = 4096,
    LOOKS_MAX = 1000,
    PORT = 80,
};

static const int64_t CANCEL_NS = 4 * KIT_MS;       /* Then what was cancelled has ended. */
static const int64_t ACKNOWLEDGED_NS = 5 * KIT_MS; /* And what was sent, when nothing is late. */

struct state;
struct visit;

/* In memory of its own. */
struct holder {
    weir_task task; /* Never runs. */
    weir_tcp_socket socket;
};

/* What a user of a socket awaits. */
enum use { CONNECT, READ_SOME, READ_WHOLE, READ_TO_END, READABLE, WRITE_SOME, WRITE_WHOLE };

struct user {
    weir_task task;
    weir_scope_child record;
    struct visit *visit;
    enum use use;
    bool is_waiting;
    int64_t cancelled_ns; /* When the operation in flight was; 0: it was not. */
    weir_flat_buffer buffer;
    unsigned char data[DATA_BYTES];
};

/* Opens sockets, one after the other, lets users use them, disturbs those and closes. */
struct visit {
    weir_task task;
    weir_scope_child record;
    struct state *state;
    size_t rounds_left;
    size_t cancels_left;
    size_t looks_left;    /* Before it cancels: it lies in wait for a use between two parts. */
    int64_t pause_ns_max; /* Before each, and before the close. */
    struct holder *holder;
    bool is_closing;
    weir_scope scope;
    struct user caller;
    struct user reader;
    struct user writer;
};

/* Of the server: reads what comes, slowly. */
struct session {
    weir_task task;
    weir_scope_child record;
    struct state *state;
    weir_tcp_socket socket;
    unsigned char data[WINDOW_BYTES];
};

struct state {
    weir_sim *sim;
    weir_sim_host *hosts[2];
    weir_endpoint server_local;
    struct {
        weir_task task;
        weir_scope scope;
        weir_tcp_acceptor acceptor;
        struct play_stopper stopper;
        size_t session_count;
        struct session sessions[SESSIONS_MAX + 1];
    } server;
    struct {
        weir_task task;
        weir_scope scope;
        size_t visit_count;
        struct visit visits[VISITS_MAX];
    } client;
};

/* The server. */

static weir_task *write_something(weir_task *task, struct session *self)
{
    size_t size = 1 + (size_t)play_magnitude(self->state->sim, 12);

    return weir_write_some(task, &self->socket.stream.out, weir_const_buffer_of(self->data, size));
}

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        if (play_chance(self->state->sim, 50))
            WEIR_AWAIT(task, r, weir_sleep_for(task, play_magnitude(self->state->sim, 27)));
        while (play_chance(self->state->sim, 70))
            WEIR_AWAIT(task, r, write_something(task, self));
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket.stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
    } while (!r.error);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* The session that waits for the next connection. */
static struct session *next_session(struct state *state)
{
    struct session *session = &state->server.sessions[state->server.session_count];

    PLAY_EXPECT(state->sim, state->server.session_count <= SESSIONS_MAX,
                "more connections come than there are connects");
    session->state = state;
    weir_tcp_socket_init(&session->socket);
    return session;
}

static void start_session(struct state *state)
{
    struct session *session = &state->server.sessions[state->server.session_count++];

    weir_task_init(&session->task, session_resume);
    weir_scope_start_embedded(&state->server.scope, &session->record, &session->task);
}

static weir_task *server_resume(weir_task *task)
{
    struct state *self = WEIR_CONTAINER_OF(task, struct state, server.task);
    weir_result r;

    WEIR_BEGIN(task);
    play_stopper_open(self->sim, &self->server.stopper, task);
    weir_scope_init(&self->server.scope, task);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_tcp_accept(task, &self->server.acceptor, &next_session(self)->socket));
        if (r.error)
            break;
        start_session(self);
    }
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->server.acceptor));
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->server.scope));
    weir_scope_fini(&self->server.scope);
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->server.stopper.source));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void server_main(void *argument)
{
    struct state *state = argument;
    weir_loop *loop = kit_loop_new();
    int error = weir_tcp_listen(&state->server.acceptor, loop, &state->server_local, NULL);

    PLAY_EXPECT(state->sim, error == 0, "a listen gives %s without a fault",
                weir_error_name(error));
    weir_task_init(&state->server.task, server_resume);
    (void)weir_run(loop, &state->server.task);
    kit_loop_free(loop);
}

/* Users. */

static weir_task *start_use(weir_task *task, struct user *user)
{
    weir_tcp_socket *socket = &user->visit->holder->socket;
    weir_read_stream *in = &socket->stream.in;
    weir_write_stream *out = &socket->stream.out;

    user->is_waiting = true;
    user->cancelled_ns = 0;
    switch (user->use) {
    case CONNECT:
        return weir_tcp_connect(task, socket, &user->visit->state->server_local);
    case READ_SOME:
        return weir_read_some(task, in, weir_buffer_of(user->data, DATA_BYTES));
    case READ_WHOLE:
        return weir_read(task, in, weir_buffer_of(user->data, DATA_BYTES));
    case READ_TO_END:
        weir_flat_buffer_init_fixed(&user->buffer, user->data, DATA_BYTES);
        return weir_read_to_end(task, in, &user->buffer.dynamic);
    case READABLE:
        return weir_tcp_wait(task, socket, WEIR_READING);
    case WRITE_SOME:
        return weir_write_some(task, out, weir_const_buffer_of(user->data, DATA_BYTES));
    case WRITE_WHOLE:
        break;
    }
    return weir_write(task, out, weir_const_buffer_of(user->data, DATA_BYTES));
}

/* What happened to it is what somebody did to it. */
static bool is_deserved(const struct user *user, int error)
{
    if (!error)
        return user->use != READ_TO_END;
    if (error == -ENOBUFS)
        return user->use == READ_TO_END;
    if (error == WEIR_CLOSED)
        return user->visit->is_closing;
    return error == WEIR_CANCELLED && (user->visit->is_closing || user->cancelled_ns);
}

static void end_use(const weir_task *task, struct user *user, weir_result r)
{
    weir_sim *sim = user->visit->state->sim;
    int64_t cancelled_ns = user->cancelled_ns;
    int64_t late_ns = weir_task_now_ns(task) - (cancelled_ns ? cancelled_ns : INT64_MAX);

    user->is_waiting = false;
    PLAY_EXPECT(sim, is_deserved(user, r.error), "use %d of a socket gives %s: %s, %s",
                (int)user->use, weir_error_name(r.error),
                user->visit->is_closing ? "it is being closed" : "nobody closes it",
                cancelled_ns ? "it was cancelled" : "nobody has cancelled it");
    if (user->use == WRITE_WHOLE) /* The peer has to acknowledge what was sent without a copy. */
        late_ns -= ACKNOWLEDGED_NS;
    PLAY_EXPECT(sim, late_ns <= CANCEL_NS, "use %d of a socket ends %lld ns after its cancel",
                (int)user->use, (long long)late_ns);
}

static enum use next_use(const struct user *user)
{
    static const enum use reads[] = {READ_SOME, READ_WHOLE, READ_TO_END, READABLE};
    static const enum use writes[] = {WRITE_SOME, WRITE_WHOLE};
    weir_sim *sim = user->visit->state->sim;

    return user == &user->visit->reader ? reads[play_below(sim, 4)] : writes[play_below(sim, 2)];
}

static weir_task *user_resume(weir_task *task)
{
    struct user *self = WEIR_TASK_SELF(task, struct user);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->visit->is_closing) {
        self->use = next_use(self);
        WEIR_AWAIT(task, r, start_use(task, self));
        end_use(task, self, r);
        if (self->use == READABLE) /* What can be read stays. */
            WEIR_AWAIT(task, r, weir_sleep_for(task, 10 * KIT_US));
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void start_user(struct visit *visit, struct user *user, weir_resume_fn *resume)
{
    weir_task_init(&user->task, resume);
    user->visit = visit;
    user->is_waiting = false;
    weir_scope_start_embedded(&visit->scope, &user->record, &user->task);
}

static weir_task *caller_resume(weir_task *task)
{
    struct user *self = WEIR_TASK_SELF(task, struct user);
    weir_result r;

    WEIR_BEGIN(task);
    self->use = CONNECT;
    WEIR_AWAIT(task, r, start_use(task, self));
    end_use(task, self, r);
    if (!r.error && !self->visit->is_closing) {
        start_user(self->visit, &self->visit->reader, user_resume);
        if (play_chance(self->visit->state->sim, 60))
            start_user(self->visit, &self->visit->writer, user_resume);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Visits. */

static void cancel_user(struct user *user, int64_t now_ns)
{
    if (user->is_waiting && !user->cancelled_ns)
        user->cancelled_ns = now_ns;
}

static void cancel_all(const weir_task *task, struct visit *visit)
{
    int64_t now_ns = weir_task_now_ns(task);

    cancel_user(&visit->caller, now_ns);
    cancel_user(&visit->reader, now_ns);
    cancel_user(&visit->writer, now_ns);
    weir_tcp_cancel(&visit->holder->socket);
}

/* Whether a whole transfer waits for its turn, with no operation in flight. */
static bool is_between_parts(const weir_tcp_socket *socket)
{
    const weir_task *reader = socket->pending[WEIR_READING];
    const weir_task *writer = socket->pending[WEIR_WRITING];

    return (reader && reader->state == WEIR_TASK_READY) ||
           (writer && writer->state == WEIR_TASK_READY);
}

static bool goes_on_looking(struct visit *visit)
{
    if (visit->looks_left == 0 || is_between_parts(&visit->holder->socket))
        return false;
    visit->looks_left--;
    return true;
}

static int64_t pause_ns(const struct visit *visit)
{
    return play_between(visit->state->sim, 0, visit->pause_ns_max);
}

static void begin_round(weir_task *task, struct visit *visit)
{
    visit->rounds_left--;
    visit->cancels_left = play_below(visit->state->sim, 4);
    visit->pause_ns_max = INT64_C(1) << play_between(visit->state->sim, 14, 24);
    visit->is_closing = false;
    visit->holder = weir_frame_new(task, sizeof *visit->holder, user_resume);
    PLAY_EXPECT(visit->state->sim, visit->holder, "there is memory for a socket without a fault");
    weir_tcp_socket_init(&visit->holder->socket);
    start_user(visit, &visit->caller, caller_resume);
}

static weir_task *visit_resume(weir_task *task)
{
    struct visit *self = WEIR_TASK_SELF(task, struct visit);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    while (self->rounds_left > 0) {
        begin_round(task, self);
        while (self->cancels_left > 0) {
            WEIR_AWAIT(task, r, weir_sleep_for(task, pause_ns(self)));
            self->looks_left = play_chance(self->state->sim, 50) ? LOOKS_MAX : 0;
            while (goes_on_looking(self))
                WEIR_YIELD(task);
            cancel_all(task, self);
            self->cancels_left--;
        }
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause_ns(self)));
        self->is_closing = true;
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->holder->socket));
        kit_check_closed(&self->holder->socket);
        weir_frame_discard(task, &self->holder->task);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    }
    weir_scope_fini(&self->scope);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void start_visits(struct state *state)
{
    for (size_t i = 0; i < state->client.visit_count; i++) {
        struct visit *visit = &state->client.visits[i];

        weir_task_init(&visit->task, visit_resume);
        visit->state = state;
        visit->rounds_left = 1 + play_below(state->sim, ROUNDS_MAX);
        weir_scope_start_embedded(&state->client.scope, &visit->record, &visit->task);
    }
}

static weir_task *client_resume(weir_task *task)
{
    struct state *self = WEIR_CONTAINER_OF(task, struct state, client.task);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->client.scope, task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, KIT_MS)); /* Until the server listens. */
    start_visits(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->client.scope));
    weir_scope_fini(&self->client.scope);
    play_stop(self->sim, &self->server.stopper, WEIR_STOP_REQUESTED);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* With a small budget tasks wait for their turn, and what was ready is closed before it comes.
 * Frames that were freed are not reused. */
static weir_loop *client_loop_new(weir_sim *sim)
{
    const weir_loop_options options = {.budget = (int)play_between(sim, 1, 8)};
    weir_loop *loop = NULL;
    int error = weir_loop_new(&options, &loop);

    PLAY_EXPECT(sim, error == 0, "a loop cannot be made: %s", weir_error_name(error));
    return loop;
}

static void client_main(void *argument)
{
    struct state *state = argument;
    weir_loop *loop = play_chance(state->sim, 70) ? client_loop_new(state->sim) : kit_loop_new();

    weir_task_init(&state->client.task, client_resume);
    (void)weir_run(loop, &state->client.task);
    kit_loop_free(loop);
}

/* Failures are not what this is about. */
static void adjust(struct scenario_run *run)
{
    play_forgo_failures(&run->faults);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    const weir_sim_link narrow = {.window_bytes = WINDOW_BYTES};
    struct state *state = run->state;

    state->sim = sim;
    state->hosts[0] = weir_sim_host_new(sim, "server");
    state->hosts[1] = weir_sim_host_new(sim, "client");
    state->server_local = weir_sim_host_endpoint(state->hosts[0], PORT);
    state->client.visit_count = 1 + play_below(sim, VISITS_MAX);
    if (play_chance(sim, 60)) /* Else much goes at once, until the budget is spent. */
        weir_sim_link_set(state->hosts[0], state->hosts[1], &narrow);
    weir_sim_start(state->hosts[0], "server", server_main, state);
    weir_sim_start(state->hosts[1], "client", client_main, state);
}

const struct scenario scenario_close = {
    .name = "close",
    .summary = "sockets that others cancel and close, and whose memory goes then",
    .state_size_bytes = sizeof(struct state),
    .adjust = adjust,
    .build = build,
};
