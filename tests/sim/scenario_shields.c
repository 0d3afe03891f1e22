/* SPDX-License-Identifier: MIT */
/*
 * A server shuts down in two phases, with connections in all states: some wait for a client that
 * says nothing, some write to one that does not read, some sleep, some clean up behind a shield,
 * shorter or longer than the grace, some have deadlines of their own within that.
 *
 * When each of them ends is known before, from when it was told to, and checked against the clock:
 * who has no shield ends at once, a shield lasts as long as it says, and the hard stop ends the
 * others.
 */
#include "play.h"
#include "scenario.h"

enum {
    PORT = 80,
    GUEST_MAX = 12,
    MEMORY_BYTES = 4096,
};

#define APART_NS (50 * KIT_MS) /* So much lies between what must not be confused. */

/* What a connection does until it is told to end. */
enum occupation { READING, WRITING, SLEEPING, BOUNDED, POLLING, OCCUPATION_COUNT };

/* And then, behind its shield. */
enum cleanup {
    NONE,    /* It has no shield. */
    SHORT,   /* Done before the grace is over. */
    LONG,    /* Would take longer. */
    LIMITED, /* Would take longer, but has a deadline inside the shield. */
    EARLY,   /* The shield began before the stop came. */
    NESTED,  /* A child with a shield of its own. */
    CLEANUP_COUNT,
};

/* How the server ends them. */
enum ending {
    BY_JOIN,   /* Its own stop goes to its children by the join, and a hard deadline follows. */
    BY_SCOPE,  /* Behind a shield of its own it stops the scope, and arms the grace there. */
    BY_SCRIPT, /* As by the join, and the hard stop comes from outside. */
    ENDING_COUNT,
};

struct state;

struct cleaner {
    weir_task task;
    int64_t duration_ns;
};

struct guest {
    weir_task task;
    struct state *state;
    enum occupation occupation;
    enum cleanup cleanup;
    weir_tcp_socket socket;
    bool is_told;        /* A stop ended its occupation, and nothing else did. */
    int64_t told_ns;     /* When. */
    uint64_t order;      /* Of those that were told. */
    int64_t duration_ns; /* Of the clean-up. */
    int64_t begun_ns;    /* When that began. */
    int64_t cleaned_ns;  /* And when it ended, */
    int cleanup_error;   /* with what. */
    weir_deadline outer;
    weir_deadline inner;
    struct cleaner cleaner;
    weir_scope_child record;
    unsigned char memory[MEMORY_BYTES];
};

/* The other end: it connects, and waits until the server has gone. */
struct client {
    weir_task task;
    struct state *state;
    bool reads;
    int error;
    weir_tcp_socket socket;
    struct kit_connector connector;
    weir_scope_child record;
    unsigned char memory[MEMORY_BYTES];
};

struct server {
    weir_task task;
    struct state *state;
    enum ending ending;
    weir_tcp_acceptor acceptor;
    struct kit_listener listener;
    weir_scope scope;
    weir_deadline grace;
    size_t started;
    int64_t told_ns; /* When it told its guests. */
    int64_t hard_ns; /* When the grace is over. */
    bool has_passed; /* The grace. */
    bool is_gone;
};

struct state {
    weir_sim *sim;
    unsigned failures;
    bool may_stall; /* Then nobody knows when. */
    struct play_stopper stopper;
    int64_t grace_ns;
    size_t guest_count;
    uint64_t order;
    struct server server;
    struct guest guests[GUEST_MAX];
    struct crowd {
        weir_task task;
        struct state *state;
        weir_scope scope;
        struct client clients[GUEST_MAX];
    } crowd;
};

static unsigned soft_bits(const weir_task *task)
{
    return weir_task_stop_bits(task) & (WEIR_STOP_REQUESTED | WEIR_STOP_EXPIRED);
}

/* Guests: their occupations. */

static weir_task *occupy(struct guest *self)
{
    weir_task *task = &self->task;

    switch (self->occupation) {
    case READING:
    case BOUNDED:
        return weir_read(task, &self->socket.stream.in, weir_buffer_of(self->memory, MEMORY_BYTES));
    case WRITING:
        return weir_write(task, &self->socket.stream.out,
                          weir_const_buffer_of(self->memory, MEMORY_BYTES));
    case POLLING:
        return weir_sleep_for(task, 5 * KIT_MS);
    default:
        return weir_sleep_until(task, INT64_MAX);
    }
}

static void note_told(struct guest *self)
{
    self->is_told = true;
    self->told_ns = weir_now_ns();
    self->order = ++self->state->order;
}

/* Until it is told to end, or its connection goes. */
static bool goes_on(struct guest *self, weir_result r)
{
    unsigned bits = weir_task_stop_bits(&self->task);

    kit_expect("an occupation", r.error,
               KIT_LATE | self->state->failures | (bits ? KIT_STOPPED : 0u));
    if (bits & ~(unsigned)WEIR_STOP_EXPIRED)
        note_told(self);
    if (self->is_told || (r.error && r.error != WEIR_TIMED_OUT))
        return false;
    if (r.error == WEIR_TIMED_OUT) {
        PLAY_EXPECT(self->state->sim, weir_deadline_disarm(&self->task, &self->outer),
                    "timed out, and no deadline has passed");
        weir_deadline_arm_after(&self->task, &self->outer, kit_duration_ns(10 * KIT_MS) + 1);
    }
    return true;
}

/* Guests: their clean-up. */

static weir_task *cleaner_resume(weir_task *task)
{
    struct cleaner *self = WEIR_TASK_SELF(task, struct cleaner);
    weir_result r;

    WEIR_BEGIN(task);
    weir_shield_begin(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, self->duration_ns));
    weir_shield_end(task);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *clean_up(struct guest *self)
{
    self->begun_ns = weir_now_ns();
    if (self->cleanup != NESTED)
        return weir_sleep_for(&self->task, self->duration_ns);
    self->cleaner.duration_ns = self->duration_ns;
    weir_task_init(&self->cleaner.task, cleaner_resume);
    return weir_call(&self->task, &self->cleaner.task);
}

static void begin_shield(struct guest *self)
{
    if (self->cleanup != NESTED)
        weir_shield_begin(&self->task);
    weir_deadline_init(&self->inner);
    if (self->cleanup == LIMITED)
        weir_deadline_arm_after(&self->task, &self->inner, APART_NS);
}

static void end_shield(struct guest *self, weir_result r)
{
    weir_sim *sim = self->state->sim;
    bool is_late = weir_deadline_disarm(&self->task, &self->inner);

    self->cleaned_ns = weir_now_ns();
    self->cleanup_error = r.error;
    PLAY_EXPECT(sim, r.error != WEIR_TIMED_OUT || is_late,
                "a clean-up timed out, and no deadline of its own has passed");
    if (self->cleanup == NESTED)
        return;
    PLAY_EXPECT(sim, !soft_bits(&self->task), "a soft stop is in force inside a shield");
    weir_shield_end(&self->task);
}

/* Behind its shield, a task that was told awaits nothing any more. */
static void check_still_told(struct guest *self, weir_result r)
{
    (void)weir_deadline_disarm(&self->task, &self->outer);
    if (!self->is_told)
        return;
    PLAY_EXPECT(self->state->sim, r.error == WEIR_CANCELLED,
                "a stop was forgotten behind a shield: %s", weir_error_name(r.error));
}

static void arm_outer(struct guest *self)
{
    weir_deadline_init(&self->outer);
    if (self->occupation == BOUNDED)
        weir_deadline_arm_after(&self->task, &self->outer, kit_duration_ns(10 * KIT_MS) + 1);
}

/* Whether a stop came behind the shield; a deadline may have passed there, too. */
static bool is_told_now(struct guest *self)
{
    if (weir_deadline_disarm(&self->task, &self->outer))
        arm_outer(self);
    if (weir_task_stop_bits(&self->task))
        note_told(self);
    return self->is_told;
}

static weir_task *guest_resume(weir_task *task)
{
    struct guest *self = WEIR_TASK_SELF(task, struct guest);
    weir_result r = {0, 0};

    WEIR_BEGIN(task);
    arm_outer(self);
    if (self->cleanup != EARLY) {
        do
            WEIR_AWAIT(task, r, occupy(self));
        while (goes_on(self, r));
    }
    do {
        if (self->cleanup == NONE)
            break;
        begin_shield(self);
        WEIR_AWAIT(task, r, clean_up(self));
        end_shield(self, r);
    } while (self->cleanup == EARLY && !is_told_now(self));
    WEIR_AWAIT(task, r, weir_sleep_for(task, 1));
    check_still_told(self, r);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    kit_check_closed(&self->socket);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* The server. */

static weir_task *wait_for_stop(struct server *self)
{
    struct state *state = self->state;

    if (self->started == state->guest_count)
        return weir_sleep_until(&self->task, INT64_MAX);
    weir_tcp_socket_init(&state->guests[self->started].socket);
    return weir_tcp_accept(&self->task, &self->acceptor, &state->guests[self->started].socket);
}

static void receive_guest(struct server *self)
{
    struct guest *guest = &self->state->guests[self->started++];

    weir_task_init(&guest->task, guest_resume);
    weir_scope_start_embedded(&self->scope, &guest->record, &guest->task);
}

static void stop_hard(weir_sim *sim, void *argument)
{
    struct state *state = argument;

    play_stop(sim, &state->stopper, WEIR_STOP_HARD);
}

/* The first phase begins. */
static void tell_guests(struct server *self)
{
    struct state *state = self->state;

    weir_deadline_init(&self->grace);
    if (self->ending == BY_SCOPE) {
        weir_shield_begin(&self->task);
        weir_scope_stop(&self->scope, WEIR_STOP_REQUESTED);
    }
    self->told_ns = weir_now_ns();
    self->hard_ns = self->told_ns + state->grace_ns;
    if (self->ending == BY_SCRIPT)
        weir_sim_at(state->sim, self->hard_ns, stop_hard, state);
    else
        weir_deadline_arm_hard_after(&self->task, &self->grace, state->grace_ns);
}

static void see_guests_off(struct server *self, weir_result r)
{
    weir_sim *sim = self->state->sim;

    PLAY_EXPECT(sim, r.error == 0 && r.count == self->started, "%zu guests, a join counts %zu",
                self->started, r.count);
    self->has_passed = weir_deadline_disarm(&self->task, &self->grace);
    if (self->ending != BY_SCOPE)
        return;
    PLAY_EXPECT(sim, !soft_bits(&self->task), "a soft stop is in force inside a shield");
    weir_shield_end(&self->task);
    PLAY_EXPECT(sim, weir_task_stop_bits(&self->task) & WEIR_STOP_REQUESTED,
                "a stop was forgotten behind a shield");
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    play_stopper_open(self->state->sim, &self->state->stopper, task);
    weir_scope_init(&self->scope, task);
    self->listener.loop = weir_task_loop(task);
    WEIR_AWAIT(task, r, weir_call(task, &self->listener.task));
    while (!r.error) {
        WEIR_AWAIT(task, r, wait_for_stop(self));
        if (!r.error)
            receive_guest(self);
    }
    PLAY_EXPECT(self->state->sim, play_is_stopped(&self->state->stopper, r.error),
                "the server ends with %s", weir_error_name(r.error));
    tell_guests(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    see_guests_off(self, r);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->state->stopper.source));
    self->is_gone = true;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Clients. */

static weir_task *read_or_wait(struct client *self)
{
    if (!self->reads)
        return weir_sleep_for(&self->task, 10 * KIT_MS);
    return weir_read_some(&self->task, &self->socket.stream.in,
                          weir_buffer_of(self->memory, MEMORY_BYTES));
}

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    WEIR_AWAIT(task, r, weir_call(task, &self->connector.task));
    if (r.error) {
        kit_expect("a connect", r.error,
                   self->state->failures | KIT_REFUSED | KIT_RESET); /* The server has gone. */
        WEIR_RETURN(task, weir_result_of(0, 0));
    }
    while (!self->error && !self->state->server.is_gone) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, 5 * KIT_MS));
        WEIR_AWAIT(task, r, read_or_wait(self));
        self->error = r.error;
    }
    kit_expect("a client", self->error, KIT_END | KIT_RESET | self->state->failures);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static weir_task *crowd_resume(weir_task *task)
{
    struct crowd *self = WEIR_TASK_SELF(task, struct crowd);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    for (size_t i = 0; i < self->state->guest_count; i++) {
        weir_task_init(&self->clients[i].task, client_resume);
        weir_scope_start_embedded(&self->scope, &self->clients[i].record, &self->clients[i].task);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* What must have happened when. */

static void expect_at(weir_sim *sim, const char *what, int64_t at_ns, int64_t expected_ns)
{
    PLAY_EXPECT(sim, at_ns >= expected_ns && at_ns - expected_ns <= 8 * KIT_MS,
                "%s at %lld, and it was due at %lld", what, (long long)at_ns,
                (long long)expected_ns);
}

static void expect_result(weir_sim *sim, const struct guest *guest, int error)
{
    PLAY_EXPECT(sim, guest->cleanup_error == error, "a clean-up of kind %d gives %s, not %s",
                (int)guest->cleanup, weir_error_name(guest->cleanup_error), weir_error_name(error));
}

static void check_cleanup(weir_sim *sim, const struct server *server, const struct guest *guest)
{
    switch (guest->cleanup) {
    case NONE:
        return;
    case LONG:
        expect_result(sim, guest, WEIR_CANCELLED);
        expect_at(sim, "the hard stop", guest->cleaned_ns, server->hard_ns);
        return;
    case LIMITED:
        expect_result(sim, guest, WEIR_TIMED_OUT);
        expect_at(sim, "the deadline in a shield", guest->cleaned_ns, guest->begun_ns + APART_NS);
        return;
    default:
        expect_result(sim, guest, 0);
        expect_at(sim, "the end of a clean-up", guest->cleaned_ns,
                  guest->begun_ns + guest->duration_ns);
        return;
    }
}

/* Whoever has no shield learns of the stop at once; in order, where no kernel is asked. */
static void check_guest(weir_sim *sim, const struct server *server, const struct guest *guest,
                        uint64_t *order)
{
    if (!guest->is_told)
        return;
    if (guest->cleanup != EARLY && !guest->state->may_stall)
        expect_at(sim, "a stop", guest->told_ns, server->told_ns - KIT_US);
    if (!guest->state->may_stall)
        check_cleanup(sim, server, guest);
    if (guest->occupation != SLEEPING || guest->cleanup == EARLY)
        return;
    PLAY_EXPECT(sim, *order < guest->order, "a guest was told before one that had come first");
    *order = guest->order;
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    const struct state *state = run->state;
    const struct server *server = &state->server;
    bool has_long = false;
    uint64_t order = 0;

    for (size_t i = 0; i < server->started; i++) {
        const struct guest *guest = &state->guests[i];

        PLAY_EXPECT(sim, guest->is_told || state->failures, "a guest was never told");
        check_guest(sim, server, guest, &order);
        has_long |= guest->cleanup == LONG && guest->is_told;
    }
    if (server->ending == BY_SCRIPT || state->failures || state->may_stall)
        return;
    PLAY_EXPECT(sim, server->has_passed == has_long, "the grace was %sover, and it should %sbe",
                server->has_passed ? "" : "not ", has_long ? "" : "not ");
}

/* Building. */

static void server_main(void *argument)
{
    struct state *state = argument;

    weir_task_init(&state->server.task, server_resume);
    (void)play_run(&state->server.task);
}

static void crowd_main(void *argument)
{
    struct state *state = argument;

    weir_task_init(&state->crowd.task, crowd_resume);
    (void)play_run(&state->crowd.task);
}

static int64_t choose_duration(const struct state *state, enum cleanup cleanup)
{
    if (cleanup == LONG || cleanup == LIMITED)
        return state->grace_ns + play_between(state->sim, 2 * APART_NS, 100 * APART_NS);
    return play_between(state->sim, 0, state->grace_ns - 2 * APART_NS);
}

static void build_guest(struct state *state, size_t index, const weir_endpoint *server)
{
    weir_sim *sim = state->sim;
    struct guest *guest = &state->guests[index];
    struct client *client = &state->crowd.clients[index];

    guest->state = state;
    guest->occupation = (enum occupation)play_below(sim, OCCUPATION_COUNT);
    guest->cleanup = (enum cleanup)play_below(sim, CLEANUP_COUNT);
    guest->duration_ns = choose_duration(state, guest->cleanup);
    client->state = state;
    client->reads = play_chance(sim, 60);
    kit_connector_init(&client->connector, &client->socket, server, KIT_REFUSED | KIT_FULL, 8);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *server = weir_sim_host_new(sim, "server");
    weir_endpoint local = weir_sim_host_endpoint(server, PORT);

    state->sim = sim;
    state->failures = kit_failures_by(&run->faults);
    state->may_stall = run->faults.stalled_program > 0;
    state->grace_ns = play_between(sim, 3 * APART_NS, 40 * APART_NS);
    state->guest_count = 1 + play_below(sim, GUEST_MAX);
    state->server.state = state;
    state->server.ending = (enum ending)play_below(sim, ENDING_COUNT);
    state->crowd.state = state;
    for (size_t i = 0; i < state->guest_count; i++)
        build_guest(state, i, &local);
    kit_listener_init(&state->server.listener, &state->server.acceptor, NULL, &local, NULL);
    play_stop_at(sim, &state->stopper, WEIR_STOP_REQUESTED, KIT_S + play_magnitude(sim, 29));
    weir_sim_start(server, "server", server_main, state);
    weir_sim_start(weir_sim_host_new(sim, "clients"), "clients", crowd_main, state);
}

const struct scenario scenario_shields = {
    .name = "shields",
    .summary = "a shutdown in two phases, and who ends when",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
