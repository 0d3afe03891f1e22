/* SPDX-License-Identifier: MIT */
/*
 * Sessions that receive into buffers of their loop: they pull and consume in odd portions, look at
 * the same bytes again, hold them, run out of patience in the midst of a pull, and close while they
 * hold some or while a pull is under way. Their loop lends so few buffers, or such small ones, that
 * receives starve. Clients receive likewise, or into memory of their own; in some worlds a relay
 * stands between, which sends on what it is shown.
 *
 * Nobody waits for ever, since nobody who holds a buffer waits for another of the same loop:
 * sessions wait for clients, and the relay that lends both ways has plenty.
 */
#include "echo_session.h"

#include <errno.h>
#include <string.h>

enum { VISITORS_MAX = 14, VISITS_MAX = 4, WINDOW_MAX = 5, PUMP_BYTES = 2048 };

/* Of a visit: bytes, and buffers. */
enum { SIZE_MAX_BYTES = 20000, PORTIONS_MAX = 300 };

struct state {
    struct echo_world world;
    struct echo_server servers[2]; /* The echo server, and perhaps a relay. */
    struct echo_crowd crowd;
    struct echo_visitor visitors[VISITORS_MAX];
    weir_scope_child children[VISITORS_MAX];
    unsigned holding; /* Thousandths of the pulls after which all hold what they see. */
    bool relay_lends_both_ways;
    bool frames_fail;
};

/* Windows: what a pull has shown. */

struct window {
    weir_const_buffer buffers[WINDOW_MAX];
    size_t count;
    size_t size;       /* Of all buffers. */
    size_t part;       /* Of it, from the front: what is sent and consumed. */
    const void *front; /* Where the first byte stands, until some are consumed; NULL: unknown. */
};

static void window_show(struct window *self, size_t count, size_t max)
{
    size_t i;

    KIT_CHECK(count >= 1 && count <= max, "a pull of %zu buffers shows %zu", max, count);
    KIT_CHECK(!self->front || self->front == self->buffers[0].data,
              "bytes that were not consumed have moved");
    self->front = self->buffers[0].data;
    self->count = count;
    self->size = 0;
    for (i = 0; i < count; i++) {
        KIT_CHECK(self->buffers[i].size > 0, "a pull shows an empty buffer");
        self->size += self->buffers[i].size;
    }
}

/* Choose how much of it is used: from now on the window ends there. */
static void window_cut(struct window *self, size_t part)
{
    size_t left = part;
    size_t i;

    self->part = part;
    for (i = 0; left > 0; i++) {
        if (self->buffers[i].size > left)
            self->buffers[i].size = left;
        left -= self->buffers[i].size;
    }
    self->count = i;
}

static void window_consume(struct window *self, weir_buffer_source *source)
{
    weir_buffer_source_consume(source, self->part);
    self->front = NULL;
}

static weir_task *window_write(weir_task *task, struct window *self, weir_write_stream *out)
{
    if (self->count == 1)
        return weir_write(task, out, self->buffers[0]);
    return weir_write_v(task, out, self->buffers, self->count);
}

/* How somebody goes about it. Zero-initialised: as weir-echo does. */
struct habits {
    struct kit_manners manners; /* Its hesitation is with buffers in hand. */
    size_t window_max;          /* Buffers of a pull, less one. */
    unsigned again;             /* Thousandths of the pulls after which it pulls again, */
    unsigned choosy;            /* consumes a part only, */
    unsigned leaving;           /* or closes with what it holds. */
};

static struct habits habits_any(const struct state *state)
{
    struct habits habits = {.window_max = 0};

    if (kit_chance(300)) {
        habits.manners.hesitation = state->holding;
        return habits;
    }
    habits.manners = kit_manners_any();
    if (state->holding)
        habits.manners.hesitation = state->holding;
    habits.window_max = (size_t)kit_between(0, WINDOW_MAX - 1);
    if (kit_chance(500))
        habits.again = (unsigned)kit_small(1, 500);
    if (kit_chance(500))
        habits.choosy = (unsigned)kit_small(1, 1000);
    if (kit_chance(200))
        habits.leaving = (unsigned)kit_small(1, 300);
    return habits;
}

static size_t habits_part(const struct habits *habits, size_t size)
{
    return kit_chance(habits->choosy) ? (size_t)kit_small(1, size) : size;
}

static int64_t habits_pause_ns(const struct habits *habits)
{
    return kit_duration_ns(habits->manners.pause_ns_max ? habits->manners.pause_ns_max : KIT_MS);
}

/* Sessions. */

struct lent_session {
    struct echo_session base; /* Its child echoes. */
    weir_tcp_source source;
    struct habits habits;
    struct window window;
    size_t max; /* Buffers of the pull under way. */
    weir_deadline deadline;
    int64_t due_ns;
    size_t numbered;      /* Bytes of the number that have come. */
    bool leaves;          /* It ends by itself. */
    bool has_ended;       /* The child. */
    bool is_cut;          /* The socket is closed under it, */
    int64_t cut_after_ns; /* after so long; 0: never. */
    weir_scope scope;
    weir_scope_child child;
};

static weir_task *session_pull(weir_task *task, struct lent_session *self)
{
    echo_session_check_stopped(task, self->base.guest.server);
    self->max = 1 + (size_t)kit_between(0, self->habits.window_max);
    self->due_ns = kit_be_impatient(task, &self->habits.manners, &self->deadline);
    return weir_buffer_source_pull(task, &self->source.source, self->window.buffers, self->max);
}

/* It is all that its client has sent. */
static void session_saw_end(struct lent_session *self)
{
    if (self->base.wire)
        kit_flow_saw_end(&self->base.wire->flows[KIT_THERE]);
    else
        echo_session_greet(&self->base, weir_result_of(WEIR_EOF, self->numbered));
}

static void session_failed(const weir_task *task, struct lent_session *self, int error, bool late)
{
    if (error == WEIR_EOF)
        session_saw_end(self);
    self->base.error = kit_error_left(task, &self->habits.manners, "a pull", error, late);
    if (self->base.error && error != WEIR_EOF && self->base.wire)
        self->base.wire->dropped = true;
}

/* The bytes are those that are due. They are not used up yet. */
static void session_look(const struct lent_session *self)
{
    struct kit_flow due;
    size_t i;

    if (!self->base.wire)
        return;
    due = self->base.wire->flows[KIT_THERE];
    for (i = 0; i < self->window.count; i++)
        kit_flow_saw(&due, self->window.buffers[i].data, self->window.buffers[i].size);
}

/* After a wait: the socket may have been closed, and then nothing is shown any more. */
static bool session_is_open(struct lent_session *self)
{
    if (weir_tcp_is_open(&self->base.guest.socket))
        return true;
    KIT_CHECK(self->is_cut, "a socket is closed, and nobody has closed it");
    self->base.error = WEIR_CLOSED;
    return false;
}

/* A pull has ended. Returns whether there is something to use now. */
static bool session_pulled(weir_task *task, struct lent_session *self, weir_result r)
{
    bool late = kit_is_late(task, &self->deadline, self->due_ns);

    if (!session_is_open(self))
        return false;
    if (r.error) {
        KIT_CHECK(r.count == 0, "a pull gives %s, and buffers", weir_error_name(r.error));
        session_failed(task, self, r.error, late);
        return false;
    }
    window_show(&self->window, r.count, self->max);
    session_look(self);
    if (kit_chance(self->habits.leaving)) {
        self->leaves = true;
        return false;
    }
    return !kit_chance(self->habits.again);
}

/* The first bytes are the number: they are kept, and sent back when all have come. */
static void session_number(struct lent_session *self)
{
    size_t missing = KIT_NUMBER_BYTES - self->numbered;
    size_t size = self->window.buffers[0].size;

    self->window.part = size < missing ? size : missing;
    memcpy(self->base.data + self->numbered, self->window.buffers[0].data, self->window.part);
    self->numbered += self->window.part;
    window_consume(&self->window, &self->source.source);
    if (self->numbered == KIT_NUMBER_BYTES)
        echo_session_greet(&self->base, weir_result_of(0, KIT_NUMBER_BYTES));
}

static void session_use(struct lent_session *self)
{
    struct kit_flow *there = &self->base.wire->flows[KIT_THERE];
    struct window *window = &self->window;
    size_t i;

    window_cut(window, habits_part(&self->habits, window->size));
    for (i = 0; i < window->count; i++)
        kit_flow_saw(there, window->buffers[i].data, window->buffers[i].size);
}

static weir_task *session_send(weir_task *task, struct lent_session *self)
{
    struct kit_flow *back = &self->base.wire->flows[KIT_BACK];
    weir_write_stream *out = &self->base.guest.socket.stream.out;

    kit_flow_offer(back, self->base.size > 0 ? self->base.size : self->window.part);
    if (self->base.size > 0)
        return weir_write(task, out, weir_const_buffer_of(self->base.data, self->base.size));
    return window_write(task, &self->window, out);
}

/* What had no memory for a frame has not begun: it is tried again. */
static bool session_has_not_sent(struct lent_session *self, weir_result r)
{
    const struct state *state = self->base.guest.server->user;

    if (r.error != -ENOMEM || !state->frames_fail)
        return false;
    KIT_CHECK(r.count == 0, "%zu bytes were moved without a frame", r.count);
    kit_flow_wrote(&self->base.wire->flows[KIT_BACK], 0);
    return true;
}

static void session_sent(const weir_task *task, struct lent_session *self, weir_result r)
{
    kit_flow_wrote(&self->base.wire->flows[KIT_BACK], r.count);
    KIT_CHECK(r.error != WEIR_CANCELLED || self->is_cut ||
                  (weir_task_stop_bits(task) & WEIR_STOP_HARD),
              "a shield does not withstand a soft stop");
    if (self->base.size == 0 && !r.error) /* Also if somebody has closed it. */
        window_consume(&self->window, &self->source.source);
    self->base.size = 0;
    self->base.error = r.error;
    if (r.error)
        self->base.wire->dropped = true;
}

static weir_task *lent_echo_resume(weir_task *task)
{
    struct lent_session *self = WEIR_CONTAINER_OF(task, struct lent_session, base.echo);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->base.error && !self->leaves) {
        WEIR_AWAIT(task, r, session_pull(task, self));
        if (!session_pulled(task, self, r))
            continue;
        if (kit_chance(self->habits.manners.hesitation)) {
            WEIR_AWAIT(task, r, weir_sleep_for(task, habits_pause_ns(&self->habits)));
            if (!session_is_open(self))
                break;
        }
        if (!self->base.wire)
            session_number(self);
        else
            session_use(self);
        if (!self->base.wire)
            continue;
        do {
            weir_shield_begin(task); /* What was pulled is sent back, also when a stop comes now. */
            WEIR_AWAIT(task, r, session_send(task, self));
            weir_shield_end(task);
        } while (session_has_not_sent(self, r));
        session_sent(task, self, r);
    }
    self->has_ended = true;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void session_drop(struct lent_session *self)
{
    if (!self->base.wire) {
        echo_drop_unserved(self->base.guest.server->world);
        return;
    }
    self->base.wire->dropped = true;
    kit_flow_end(&self->base.wire->flows[KIT_BACK]);
}

/* Whoever is in the midst of a pull or a write is to find it closed. */
static void session_cut(struct lent_session *self)
{
    self->is_cut = !self->has_ended;
    if (self->is_cut)
        session_drop(self);
}

static void session_end(struct lent_session *self)
{
    if (self->is_cut)
        kit_expect("a session that was cut", self->base.error,
                   KIT_CLOSED | KIT_STOPPED | KIT_END | KIT_RESET);
    else if (self->leaves)
        session_drop(self);
    else
        echo_session_end(&self->base);
}

static void session_begin(weir_task *task, struct lent_session *self)
{
    self->habits = habits_any(self->base.guest.server->user);
    if (self->habits.leaving && kit_chance(500))
        self->cut_after_ns = kit_duration_ns(20 * KIT_MS) + 1;
    weir_deadline_init(&self->deadline);
    weir_scope_init(&self->scope, task);
    weir_task_init(&self->base.echo, lent_echo_resume);
    weir_scope_start_embedded(&self->scope, &self->child, &self->base.echo);
}

static weir_task *lent_session_resume(weir_task *task)
{
    struct lent_session *self = WEIR_TASK_SELF(task, struct lent_session);
    weir_result r;

    WEIR_BEGIN(task);
    session_begin(task, self);
    if (self->cut_after_ns) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, self->cut_after_ns));
        session_cut(self);
        if (self->is_cut)
            WEIR_AWAIT(task, r, weir_tcp_close(task, &self->base.guest.socket));
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    KIT_CHECK(r.count == 1, "a join counts %zu children, and there was one", r.count);
    session_end(self);
    if (self->base.error == WEIR_EOF && kit_chance(500))
        WEIR_AWAIT(task, r,
                   weir_write_eof(task, &self->base.guest.socket.stream.out,
                                  weir_const_buffer_of(NULL, 0)));
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->base.guest.socket));
    kit_socket_gone(&self->base.guest.socket);
    self->base.guest.server->freed_ns = weir_task_now_ns(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void session_prepare(struct echo_guest *guest)
{
    struct lent_session *self = WEIR_CONTAINER_OF(guest, struct lent_session, base.guest);

    weir_tcp_source_init(&self->source, &guest->socket);
}

/* Relays. */

/* One direction. */
struct pump {
    weir_task task;
    weir_buffer_source *source; /* NULL: it reads. */
    weir_read_stream *in;
    weir_write_stream *out;
    bool pushes; /* In one go. */
    struct habits habits;
    struct window window;
    size_t max;
    int error;
    union {
        weir_copy_frame copy;
        weir_push_frame push;
    } frame;
    unsigned char memory[PUMP_BYTES];
};

/* A connection of the relay's, and the one behind it. */
struct relay {
    struct echo_guest guest;
    weir_tcp_source front;
    weir_tcp_socket behind;
    weir_tcp_source rear;
    struct kit_connector connector;
    struct relay_pumps {
        weir_task task;
        weir_group group;
        struct pump there;
        struct pump back;
    } pumps;
    int error;
};

static weir_task *pump_all(weir_task *task, struct pump *self)
{
    if (self->source)
        return weir_push_to(task, &self->frame.push, self->source, self->out);
    return weir_copy(task, &self->frame.copy, self->in, self->out,
                     weir_buffer_of(self->memory, sizeof self->memory));
}

static weir_task *pump_pull(weir_task *task, struct pump *self)
{
    self->max = 1 + (size_t)kit_between(0, self->habits.window_max);
    return weir_buffer_source_pull(task, self->source, self->window.buffers, self->max);
}

static weir_task *pump_send(weir_task *task, struct pump *self)
{
    window_cut(&self->window, habits_part(&self->habits, self->window.size));
    return window_write(task, &self->window, self->out);
}

static void pump_sent(struct pump *self, weir_result r)
{
    self->error = r.error;
    if (!r.error)
        window_consume(&self->window, self->source);
}

static weir_task *pump_resume(weir_task *task)
{
    struct pump *self = WEIR_TASK_SELF(task, struct pump);
    weir_result r;

    WEIR_BEGIN(task);
    if (!self->source || self->pushes) {
        WEIR_AWAIT(task, r, pump_all(task, self));
        self->error = r.error;
    }
    while (self->source && !self->pushes && !self->error) {
        WEIR_AWAIT(task, r, pump_pull(task, self));
        if (r.error == WEIR_EOF)
            break;
        self->error = r.error;
        if (r.error)
            break;
        window_show(&self->window, r.count, self->max);
        if (kit_chance(self->habits.manners.hesitation))
            WEIR_AWAIT(task, r, weir_sleep_for(task, habits_pause_ns(&self->habits)));
        WEIR_AWAIT(task, r, pump_send(task, self));
        pump_sent(self, r);
    }
    if (!self->error) {
        WEIR_AWAIT(task, r, weir_write_eof(task, self->out, weir_const_buffer_of(NULL, 0)));
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

static struct state *state_of(const struct relay *relay)
{
    return relay->guest.server->user;
}

static void pump_init(struct pump *pump, const struct state *state, weir_buffer_source *source,
                      weir_read_stream *in, weir_write_stream *out)
{
    pump->source = source;
    pump->in = in;
    pump->out = out;
    pump->pushes = kit_chance(300);
    pump->habits = habits_any(state);
    weir_task_init(&pump->task, pump_resume);
}

static void relay_init(struct relay *self)
{
    weir_stream *front = &self->guest.socket.stream;
    weir_buffer_source *rear = NULL;

    weir_tcp_socket_init(&self->behind);
    if (state_of(self)->relay_lends_both_ways) {
        weir_tcp_source_init(&self->rear, &self->behind);
        rear = &self->rear.source;
    }
    kit_connector_init(&self->connector, &self->behind, &state_of(self)->servers[0].local,
                       KIT_FULL | KIT_REFUSED, (unsigned)kit_small(1, 20));
    weir_task_init(&self->pumps.task, pumps_resume);
    weir_group_init(&self->pumps.group);
    pump_init(&self->pumps.there, state_of(self), &self->front.source, NULL,
              &self->behind.stream.out);
    pump_init(&self->pumps.back, state_of(self), rear, &self->behind.stream.in, &front->out);
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
        WEIR_AWAIT(task, r, weir_call(task, &self->pumps.task));
    self->error = r.error;
    break_off(self);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->guest.socket));
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->behind));
    kit_socket_gone(&self->guest.socket);
    kit_socket_gone(&self->behind);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void relay_prepare(struct echo_guest *guest)
{
    struct relay *self = WEIR_CONTAINER_OF(guest, struct relay, guest);

    weir_tcp_source_init(&self->front, &guest->socket);
}

/* Worlds. */

/* Little of it, mostly: 32 buffers are the fewest that a loop lends. */
static weir_loop_options choose_lending(size_t buffer_bytes)
{
    weir_loop_options options = {.lent_buffer_bytes = buffer_bytes};

    if (kit_chance(700))
        options.lent_bytes_max = 1;
    return options;
}

static void build_server(weir_sim *sim, struct state *state, struct echo_server *server,
                         const char *name)
{
    weir_sim_host *host = weir_sim_host_new(sim, name);

    server->world = &state->world;
    server->user = state;
    server->local = weir_sim_host_endpoint(host, ECHO_PORT);
    server->door_count = (unsigned)kit_small(1, ECHO_DOORS_MAX);
    server->grace_ns = kit_duration_ns(KIT_S);
    weir_sim_start(host, name, echo_server_main, server);
}

static void build_servers(weir_sim *sim, struct state *state, size_t buffer_bytes)
{
    struct echo_server *echo = &state->servers[0];
    struct echo_server *relay = &state->servers[1];

    state->world.servers = state->servers;
    state->world.server_count = kit_chance(300) ? 2 : 1;
    state->world.is_relayed = state->world.server_count == 2;
    echo->serve = lent_session_resume;
    echo->frame_size = sizeof(struct lent_session);
    echo->prepare = session_prepare;
    echo->loop_options = choose_lending(buffer_bytes);
    build_server(sim, state, echo, "server");
    if (!state->world.is_relayed)
        return;
    relay->serve = relay_resume;
    relay->frame_size = sizeof(struct relay);
    relay->prepare = relay_prepare;
    relay->loop_options = choose_lending(buffer_bytes);
    state->relay_lends_both_ways = relay->loop_options.lent_bytes_max == 0;
    build_server(sim, state, relay, "relay");
}

static void build_crowd(weir_sim *sim, struct state *state, size_t buffer_bytes)
{
    struct echo_crowd *crowd = &state->crowd;
    uint64_t size_max = PORTIONS_MAX * (uint64_t)buffer_bytes;
    unsigned behaviours = kit_chance(500) ? (1U << ECHO_BEHAVIOURS) - 1 : 3;
    size_t i;

    state->world.crowd_count = 1;
    crowd->world = &state->world;
    crowd->visitors = state->visitors;
    crowd->children = state->children;
    crowd->count = (size_t)kit_between(1, VISITORS_MAX);
    crowd->loop_options = choose_lending(buffer_bytes);
    for (i = 0; i < crowd->count; i++) {
        struct echo_visitor *visitor = &crowd->visitors[i];

        visitor->world = &state->world;
        visitor->server = state->servers[state->world.server_count - 1].local;
        visitor->visits = (unsigned)kit_small(1, VISITS_MAX);
        visitor->size_max =
            KIT_NUMBER_BYTES + (size_max < SIZE_MAX_BYTES ? size_max : SIZE_MAX_BYTES);
        visitor->pause_ns_max = kit_duration_ns(50 * KIT_MS);
        visitor->behaviours = behaviours;
        visitor->lends = kit_chance(500);
    }
    weir_sim_start(weir_sim_host_new(sim, "client"), "client", echo_crowd_main, crowd);
}

static void build_shutdown(weir_sim *sim, struct state *state)
{
    int64_t at_ns = KIT_S + kit_duration_ns(200 * KIT_MS);

    if (kit_chance(700))
        return;
    weir_sim_at(sim, at_ns, echo_stop_softly, &state->world);
    if (kit_chance(500))
        weir_sim_at(sim, at_ns + kit_duration_ns(50 * KIT_MS), echo_stop_hard, &state->world);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    size_t buffer_bytes;

    kit_begin(sim);
    buffer_bytes = (size_t)kit_small(1, 4096);
    state->holding = kit_chance(300) ? (unsigned)kit_small(1, 900) : 0;
    state->world.failures = kit_failures_by(&run->faults);
    state->frames_fail = run->faults.no_frames > 0;
    build_servers(sim, state, buffer_bytes);
    if (state->world.failures && state->world.is_relayed) /* What the relay meets breaks both. */
        state->world.failures |= KIT_RESET;
    build_crowd(sim, state, buffer_bytes);
    build_shutdown(sim, state);
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    (void)sim;
    echo_world_check(&state->world);
}

const struct scenario scenario_source = {
    .name = "source",
    .summary =
        "sessions and a relay that receive into a few lent buffers: pull, hold, consume, close",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
