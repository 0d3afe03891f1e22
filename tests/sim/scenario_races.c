/* SPDX-License-Identifier: MIT */
/*
 * Reads against sleeps, timers, events, channels, deadlines and cancels that come at
 * the same instant.
 *
 * The link has one latency, and everybody acts when the clock shows a multiple of a grid, so that
 * bytes arrive in the nanosecond in which a deadline passes. Whoever wins: the bytes of a read that
 * lost are counted and in its memory, an item has one receiver, what timed out had a deadline, and
 * a stream goes on where it was.
 */
#include <string.h>

#include "play.h"
#include "races.h"
#include "scenario.h"

enum {
    PORT = 80,
    MEMORY_BYTES = 2048,
    UNTOUCHED = 0xee,
    ROOM = 3,
};

enum race { BY_GROUP, BY_DEADLINES, BY_TIMEOUT, BY_ALL, BY_WAIT, RACE_COUNT };

struct state;

/* Children of a race. */
struct reader {
    weir_task task;
    struct racer *racer;
    bool is_reading;
    int64_t cancelled_ns; /* Then: when the stirrer cancelled it; 0: it did not. */
    bool is_whole;
    size_t size;
};

struct writer {
    weir_task task;
    struct racer *racer;
    size_t size;
};

struct napper {
    weir_task task;
    int64_t until_ns;
};

struct waiter {
    weir_task task;
    struct racer *racer;
    unsigned item; /* Of the channel. */
};

/* Reads what comes, in every race there is. */
struct racer {
    weir_task task;
    struct rounds {
        weir_task task;
        struct racer *racer;
    } rounds;
    enum race race;
    unsigned stale; /* Connections that their client had given up. */
    bool is_stale;  /* This one is. */
    weir_endpoint peer;
    struct state *state;
    weir_tcp_acceptor acceptor;
    struct kit_listener listener;
    weir_tcp_socket socket;
    bool is_through; /* Met the end, or a failure. */
    int error;
    int64_t begun_ns;
    int64_t limits_ns[2];
    weir_deadline deadlines[2];
    weir_timeout_frame timeout;
    weir_group group;
    weir_task *children[5];
    size_t child_count;
    enum weir_any_policy policy;
    struct reader reader;
    struct writer writer;
    struct napper napper;
    struct waiter on_timer;
    struct waiter on_event;
    struct waiter on_channel;
    weir_timer timer;
    weir_scope scope;
    weir_scope_child records[2];
    unsigned char memory[MEMORY_BYTES];
    unsigned char sent[MEMORY_BYTES];
};

/* Makes events, items and cancels beside the racer. */
struct stirrer {
    weir_task task;
    struct state *state;
    unsigned next_item;
    weir_event event;
    weir_channel channel;
    unsigned room[ROOM];
    unsigned received; /* The next item that a receiver gets. */
    bool cancels;      /* It cancels reads of the racer's. */
};

struct state {
    struct races_field field;
    struct racer racer;
    struct stirrer stirrer;
    struct races_sender sender;
    struct play_stopper stopper; /* Of the racer's tree. */
};

/* Children. */

static weir_task *read_now(struct reader *self)
{
    struct racer *racer = self->racer;
    weir_buffer buffer;

    self->is_reading = true;
    self->cancelled_ns = 0;
    self->is_whole = kit_chance(500);
    self->size = kit_small(1, MEMORY_BYTES);
    memset(racer->memory, UNTOUCHED, MEMORY_BYTES);
    buffer = weir_buffer_of(racer->memory, self->size);
    if (self->is_whole)
        return weir_read(&self->task, &racer->socket.stream.in, buffer);
    return weir_read_some(&self->task, &racer->socket.stream.in, buffer);
}

static void check_cancelled(struct reader *self)
{
    const struct races_field *field = &self->racer->state->field;
    int64_t late_ns = weir_now_ns() - self->cancelled_ns;

    self->is_reading = false;
    PLAY_EXPECT(field->sim, !self->cancelled_ns || late_ns <= field->cancel_ns,
                "a read goes on for %lld ns after its cancel", (long long)late_ns);
}

static weir_task *reader_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, read_now(self));
    check_cancelled(self);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *write_now(struct writer *self)
{
    struct racer *racer = self->racer;

    self->size = kit_small(1, MEMORY_BYTES);
    kit_flow_fill(&racer->state->field.back, racer->sent, self->size);
    return weir_write(&self->task, &racer->socket.stream.out,
                      weir_const_buffer_of(racer->sent, self->size));
}

static weir_task *writer_resume(weir_task *task)
{
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, write_now(WEIR_TASK_SELF(task, struct writer)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *napper_resume(weir_task *task)
{
    struct napper *self = WEIR_TASK_SELF(task, struct napper);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_until(task, self->until_ns));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *on_timer_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_timer_wait(task, &self->racer->timer));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *on_event_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_event_wait(task, &self->racer->state->stirrer.event));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *on_channel_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_channel_receive(task, &self->racer->state->stirrer.channel, &self->item));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* What a race gave. */

/* Whether the connection is one of those that the sender gave up before it wrote. */
static bool is_given_up(const struct racer *self)
{
    const struct races_sender *sender = &self->state->sender;

    if (self->state->field.there.seen > 0 ||
        (sender->is_connected && weir_endpoint_equals(&self->peer, &sender->local)))
        return false;
    PLAY_EXPECT(self->state->field.sim,
                self->stale < sender->attempts || self->state->field.failures,
                "a connection came that nobody made");
    return true;
}

/* Why a read may have ended without the bytes it wanted. */
static unsigned allowed(const struct racer *self, bool may_lose)
{
    unsigned kinds = KIT_END | self->state->field.failures;

    if (self->state->stirrer.cancels || may_lose || self->state->stopper.asked)
        kinds |= KIT_STOPPED;
    if (self->state->field.there.ending || is_given_up(self))
        kinds |= KIT_RESET;
    return kinds;
}

/* Take what the reader has, whatever its error. may_lose: somebody may have stopped it. */
static void take_bytes(struct racer *self, weir_result r, unsigned kinds)
{
    const struct reader *reader = &self->reader;
    weir_sim *sim = self->state->field.sim;

    kit_expect("a read", r.error, kinds);
    PLAY_EXPECT(sim, r.count <= reader->size, "a read counts more than it was given");
    if (r.error == 0)
        PLAY_EXPECT(sim, reader->is_whole ? r.count == reader->size : r.count > 0,
                    "a read of %zu succeeds with %zu", reader->size, r.count);
    for (size_t i = r.count; i < MEMORY_BYTES; i++)
        PLAY_EXPECT(sim, self->memory[i] == UNTOUCHED, "a byte came and was not counted");
    kit_flow_saw(&self->state->field.there, self->memory, r.count);
    if (!(kit_failure_of(r.error) & ~(unsigned)(KIT_STOPPED | KIT_LATE)))
        return;
    self->is_stale = is_given_up(self);
    if (r.error == WEIR_EOF && !self->is_stale)
        kit_flow_saw_end(&self->state->field.there);
    self->is_through = true;
    self->error = r.error;
}

static void init_children(struct racer *self)
{
    weir_task_init(&self->reader.task, reader_resume);
    weir_task_init(&self->writer.task, writer_resume);
    weir_task_init(&self->napper.task, napper_resume);
    weir_task_init(&self->on_timer.task, on_timer_resume);
    weir_task_init(&self->on_event.task, on_event_resume);
    weir_task_init(&self->on_channel.task, on_channel_resume);
    self->begun_ns = weir_now_ns();
}

/* Groups. The reader stands anywhere among the others. */

static void add_child(struct racer *self, weir_task *child)
{
    self->children[self->child_count++] = child;
}

/* Put the reader somewhere among them: the others move up. */
static void insert_reader(struct racer *self)
{
    size_t place = play_below(self->state->field.sim, self->child_count + 1);

    for (size_t i = self->child_count++; i > place; i--)
        self->children[i] = self->children[i - 1];
    self->children[place] = &self->reader.task;
}

static void choose_children(struct racer *self)
{
    init_children(self);
    self->child_count = 0;
    self->napper.until_ns = races_moment(&self->state->field, 5);
    add_child(self, &self->napper.task);
    if (kit_chance(400)) {
        add_child(self, &self->on_timer.task);
        (void)weir_timer_expires_at(&self->timer, races_moment(&self->state->field, 4));
    }
    if (kit_chance(400))
        add_child(self, &self->on_event.task);
    if (kit_chance(400))
        add_child(self, &self->on_channel.task);
    insert_reader(self);
    self->policy = kit_chance(500) ? WEIR_FIRST_TO_COMPLETE : WEIR_FIRST_TO_SUCCEED;
}

static void take_item(struct racer *self)
{
    struct stirrer *stirrer = &self->state->stirrer;

    PLAY_EXPECT(self->state->field.sim, self->on_channel.item == stirrer->received,
                "item %u came where %u was due", self->on_channel.item, stirrer->received);
    stirrer->received++;
}

static void check_group(struct racer *self, weir_result r)
{
    weir_sim *sim = self->state->field.sim;
    const weir_task *winner = weir_group_chosen(&self->group);
    int64_t over_ns = weir_now_ns() - self->napper.until_ns;

    PLAY_EXPECT(sim, r.count < self->child_count && self->children[r.count] == winner,
                "the winner has another index");
    PLAY_EXPECT(sim, weir_task_result(winner).error == r.error, "the winner has another error");
    if (winner == &self->napper.task && r.error == 0)
        PLAY_EXPECT(sim, over_ns >= 0, "a nap won before its time");
    PLAY_EXPECT(sim, over_ns <= self->state->field.prompt_ns,
                "a race went on for %lld ns behind its longest", (long long)over_ns);
    if (weir_task_result(&self->on_channel.task).error == 0 &&
        self->on_channel.task.state == WEIR_TASK_DONE)
        take_item(self);
    take_bytes(self, weir_task_result(&self->reader.task), allowed(self, true));
}

static weir_task *race_group(struct racer *self)
{
    choose_children(self);
    return weir_when_any(&self->rounds.task, &self->group, self->policy, self->children,
                         self->child_count);
}

/* Deadlines, one inside the other. */

static void arm_limits(struct racer *self)
{
    init_children(self);
    for (size_t i = 0; i < 2; i++) {
        self->limits_ns[i] = kit_chance(800) ? races_moment(&self->state->field, 5) : INT64_MAX;
        weir_deadline_arm_at(&self->rounds.task, &self->deadlines[i], self->limits_ns[i]);
    }
}

static void check_limits(struct racer *self, weir_result r)
{
    weir_sim *sim = self->state->field.sim;
    int64_t now_ns = weir_now_ns();
    bool inner = weir_deadline_disarm(&self->rounds.task, &self->deadlines[1]);
    unsigned bits = weir_task_stop_bits(&self->rounds.task);
    bool outer = weir_deadline_disarm(&self->rounds.task, &self->deadlines[0]);

    PLAY_EXPECT(sim, !inner || now_ns >= self->limits_ns[1], "a deadline passed early");
    PLAY_EXPECT(sim, !outer || now_ns >= self->limits_ns[0], "a deadline passed early");
    PLAY_EXPECT(sim, ((bits & WEIR_STOP_EXPIRED) != 0) == outer,
                "behind the inner deadline the outer one is %sin force", outer ? "not " : "");
    PLAY_EXPECT(sim, !(weir_task_stop_bits(&self->rounds.task) & WEIR_STOP_EXPIRED),
                "a disarmed deadline is in force");
    PLAY_EXPECT(sim, r.error != WEIR_TIMED_OUT || inner || outer,
                "timed out, and no deadline has passed");
    for (size_t i = 0; i < 2; i++)
        PLAY_EXPECT(sim, now_ns - self->limits_ns[i] <= self->state->field.prompt_ns,
                    "a read outlives its deadline by %lld ns",
                    (long long)(now_ns - self->limits_ns[i]));
}

static weir_task *race_deadlines(struct racer *self)
{
    arm_limits(self);
    return weir_call(&self->rounds.task, &self->reader.task);
}

static weir_task *race_timeout(struct racer *self)
{
    init_children(self);
    self->limits_ns[0] = races_moment(&self->state->field, 5);
    return weir_timeout(&self->rounds.task, &self->timeout, &self->reader.task,
                        self->limits_ns[0] - weir_now_ns());
}

static void check_timeout(struct racer *self, weir_result r)
{
    int64_t over_ns = weir_now_ns() - self->limits_ns[0];

    PLAY_EXPECT(self->state->field.sim, r.error != WEIR_TIMED_OUT || over_ns >= 0,
                "timed out early");
    PLAY_EXPECT(self->state->field.sim, over_ns <= self->state->field.prompt_ns,
                "a read outlives its limit by %lld ns", (long long)over_ns);
    PLAY_EXPECT(self->state->field.sim,
                !(weir_task_stop_bits(&self->rounds.task) & WEIR_STOP_EXPIRED),
                "a limit is in force when its child is done");
    take_bytes(self, r, allowed(self, false) | KIT_LATE);
}

/* A read and a write under one deadline. */

static weir_task *race_all(struct racer *self)
{
    arm_limits(self);
    return weir_when_all_2(&self->rounds.task, &self->group, &self->reader.task,
                           &self->writer.task);
}

static void check_all(struct racer *self, weir_result r)
{
    weir_result wrote = weir_task_result(&self->writer.task);
    weir_result read = weir_task_result(&self->reader.task);

    kit_flow_wrote(&self->state->field.back, wrote.count);
    kit_expect("a write", wrote.error, allowed(self, read.error != 0) | KIT_LATE);
    PLAY_EXPECT(self->state->field.sim, r.count == (size_t)(!wrote.error + !read.error),
                "when_all counts %zu", r.count);
    check_limits(self, r);
    take_bytes(self, read, allowed(self, wrote.error != 0) | KIT_LATE);
    if (self->is_through || !(kit_failure_of(wrote.error) & ~(unsigned)(KIT_STOPPED | KIT_LATE)))
        return;
    self->is_stale = is_given_up(self);
    self->is_through = true;
    self->error = wrote.error;
}

/* Only wait until something can be read. */

static weir_task *race_wait(struct racer *self)
{
    arm_limits(self);
    return weir_tcp_wait(&self->rounds.task, &self->socket, WEIR_READING);
}

static void check_wait(struct racer *self, weir_result r)
{
    PLAY_EXPECT(self->state->field.sim, r.count == 0, "a wait counts bytes");
    check_limits(self, r);
    kit_expect("a wait", r.error, allowed(self, false) | KIT_LATE);
}

/* Any of them. */

static weir_task *race(struct racer *self)
{
    switch (self->race) {
    case BY_GROUP:
        return race_group(self);
    case BY_DEADLINES:
        return race_deadlines(self);
    case BY_TIMEOUT:
        return race_timeout(self);
    case BY_ALL:
        return race_all(self);
    default:
        return race_wait(self);
    }
}

static void check_race(struct racer *self, weir_result r)
{
    switch (self->race) {
    case BY_GROUP:
        check_group(self, r);
        return;
    case BY_DEADLINES:
        check_limits(self, r);
        take_bytes(self, r, allowed(self, false) | KIT_LATE);
        return;
    case BY_TIMEOUT:
        check_timeout(self, r);
        return;
    case BY_ALL:
        check_all(self, r);
        return;
    default:
        check_wait(self, r);
        return;
    }
}

/* Race until the connection is through: a task beside the stirrer. */
static weir_task *rounds_resume(weir_task *task)
{
    struct racer *self = WEIR_TASK_SELF(task, struct rounds)->racer;
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->is_through && !weir_task_stop_bits(task)) {
        self->race = (enum race)play_below(self->state->field.sim, RACE_COUNT);
        WEIR_AWAIT(task, r, race(self));
        check_race(self, r);
    }
    self->is_through = true;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* The stirrer. */

static void cancel_read(struct racer *racer)
{
    if (racer->reader.is_reading && !racer->reader.cancelled_ns)
        racer->reader.cancelled_ns = weir_now_ns();
    weir_tcp_cancel(&racer->socket);
}

static void stir(struct stirrer *self)
{
    switch (play_below(self->state->field.sim, 4)) {
    case 0:
        weir_event_set(&self->event);
        return;
    case 1:
        weir_event_clear(&self->event);
        return;
    case 2:
        if (self->cancels)
            cancel_read(&self->state->racer);
        return;
    default:
        if (weir_channel_try_send(&self->channel, &self->next_item) == 0)
            self->next_item++;
        return;
    }
}

static weir_task *stirrer_resume(weir_task *task)
{
    struct stirrer *self = WEIR_TASK_SELF(task, struct stirrer);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->state->racer.is_through) {
        WEIR_AWAIT(task, r, weir_sleep_until(task, races_moment(&self->state->field, 4)));
        if (r.error)
            break;
        stir(self);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* The racer. */

static void open_objects(struct racer *self)
{
    struct stirrer *stirrer = &self->state->stirrer;

    weir_timer_init(&self->timer, weir_task_loop(&self->task));
    weir_event_init(&stirrer->event);
    weir_channel_init(&stirrer->channel, stirrer->room, ROOM, sizeof stirrer->room[0]);
    weir_tcp_socket_init(&self->socket);
    weir_scope_init(&self->scope, &self->task);
    play_stopper_open(self->state->field.sim, &self->state->stopper, &self->task);
}

static void close_objects(struct racer *self)
{
    struct stirrer *stirrer = &self->state->stirrer;

    while (weir_channel_try_receive(&stirrer->channel, &self->on_channel.item) == 0)
        take_item(self);
    PLAY_EXPECT(self->state->field.sim, stirrer->received == stirrer->next_item, "items were lost");
    weir_timer_fini(&self->timer);
    weir_event_fini(&stirrer->event);
    weir_channel_fini(&stirrer->channel);
    kit_check_closed(&self->socket);
}

static void start_rounds(struct racer *self)
{
    self->is_through = false;
    self->is_stale = false;
    if (weir_tcp_peer(&self->socket, &self->peer)) /* It is reset already. */
        memset(&self->peer, 0, sizeof self->peer);
    self->rounds.racer = self;
    self->reader.racer = self;
    self->writer.racer = self;
    self->on_timer.racer = self;
    self->on_event.racer = self;
    self->on_channel.racer = self;
    weir_task_init(&self->rounds.task, rounds_resume);
    weir_task_init(&self->state->stirrer.task, stirrer_resume);
    weir_scope_start_embedded(&self->scope, &self->records[0], &self->rounds.task);
    weir_scope_start_embedded(&self->scope, &self->records[1], &self->state->stirrer.task);
}

/* Whether to accept once more: nothing has come, or what came was given up. */
static bool accepts_again(struct racer *self, weir_result r)
{
    bool is_late = weir_deadline_disarm(&self->task, &self->deadlines[0]);

    PLAY_EXPECT(self->state->field.sim, r.error != WEIR_TIMED_OUT || is_late,
                "timed out, and no deadline has passed");
    kit_expect("an accept", r.error, KIT_LATE | (self->state->stopper.asked ? KIT_STOPPED : 0u));
    return r.error == WEIR_TIMED_OUT && !self->state->sender.is_gone;
}

static weir_task *accept_in_time(struct racer *self)
{
    weir_deadline_arm_at(&self->task, &self->deadlines[0], races_moment(&self->state->field, 200));
    return weir_tcp_accept(&self->task, &self->acceptor, &self->socket);
}

/* The rounds are over: for what reason, and what the sender may meet from now on. */
static void leave_connection(struct racer *self)
{
    if (!self->error)
        self->error = WEIR_CANCELLED;
    if (!self->is_stale)
        self->state->field.is_left = self->error != WEIR_EOF;
    kit_flow_end(&self->state->field.back);
}

static void forget_connection(struct racer *self)
{
    self->stale++;
    self->error = 0;
    kit_flow_init(&self->state->field.back, 0, KIT_BACK);
}

static weir_task *end_writing(weir_task *task, weir_tcp_socket *socket)
{
    return weir_write_eof(task, &socket->stream.out, weir_const_buffer_of(NULL, 0));
}

static weir_task *racer_resume(weir_task *task)
{
    struct racer *self = WEIR_TASK_SELF(task, struct racer);
    weir_result r;

    WEIR_BEGIN(task);
    open_objects(self);
    self->listener.loop = weir_task_loop(task);
    WEIR_AWAIT(task, r, weir_call(task, &self->listener.task));
    self->error = r.error;
    while (!self->error) {
        do
            WEIR_AWAIT(task, r, accept_in_time(self));
        while (accepts_again(self, r));
        self->error = r.error;
        if (self->error)
            break;
        start_rounds(self);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        leave_connection(self);
        if (self->error == WEIR_EOF && !self->is_stale)
            WEIR_AWAIT(task, r, end_writing(task, &self->socket));
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
        if (self->is_stale)
            forget_connection(self);
    }
    self->state->field.is_left |= self->error != WEIR_EOF;
    kit_flow_end(&self->state->field.back);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->state->stopper.source));
    close_objects(self);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Building. */

static void racer_main(void *argument)
{
    struct state *state = argument;

    weir_task_init(&state->racer.task, racer_resume);
    (void)play_run(&state->racer.task);
}

/* A latency that is a multiple of the grid, whatever bytes wait for. */
static void build_link(struct state *state, weir_sim_host *a, weir_sim_host *b)
{
    weir_sim_link link = {.state = WEIR_SIM_LINK_UP};

    state->field.grid_ns = INT64_C(1) << play_between(state->field.sim, 10, 18);
    if (play_chance(state->field.sim, 50))
        state->field.grid_ns = 100 * KIT_US;
    link.latency_min_ns = state->field.grid_ns * play_between(state->field.sim, 1, 3);
    link.latency_max_ns = link.latency_min_ns;
    if (play_chance(state->field.sim, 30))
        link.window_bytes = (uint32_t)(1 + play_magnitude(state->field.sim, 13));
    weir_sim_link_set(a, b, &link);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *server = weir_sim_host_new(sim, "racer");
    weir_sim_host *client = weir_sim_host_new(sim, "sender");
    weir_endpoint local = weir_sim_host_endpoint(server, PORT);

    state->field.sim = sim;
    state->field.failures = kit_failures_by(&run->faults);
    state->field.prompt_ns = play_prompt_ns(&run->faults, 8 * KIT_MS);
    state->field.cancel_ns = state->field.prompt_ns;
    if (!run->faults.late_cancel && !run->faults.slow_completion && !run->faults.stalled_program)
        state->field.cancel_ns = 100 * KIT_US;
    build_link(state, server, client);
    kit_flow_init(&state->field.there, 0, KIT_THERE);
    kit_flow_init(&state->field.back, 0, KIT_BACK);
    state->racer.state = state;
    state->stirrer.state = state;
    state->stirrer.cancels = play_chance(sim, 50);
    state->sender.field = &state->field;
    state->sender.peer = local;
    state->sender.left = 1 + play_below(sim, 24);
    kit_listener_init(&state->racer.listener, &state->racer.acceptor, NULL, &local, NULL);
    if (play_chance(sim, 20))
        play_stop_at(sim, &state->stopper, WEIR_STOP_REQUESTED, KIT_S + play_magnitude(sim, 23));
    weir_sim_start(server, "racer", racer_main, state);
    weir_sim_start(client, "sender", races_sender_main, &state->sender);
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    const struct state *state = run->state;

    if (state->field.failures || state->stopper.asked)
        return;
    PLAY_EXPECT(sim, state->racer.error == WEIR_EOF, "the racer ended with %s",
                weir_error_name(state->racer.error));
    PLAY_EXPECT(sim,
                state->field.there.seen == state->field.there.written && state->field.there.ended,
                "bytes were lost");
    PLAY_EXPECT(sim, state->field.back.seen == state->field.back.written && state->field.back.ended,
                "bytes were lost on their way back");
}

const struct scenario scenario_races = {
    .name = "races",
    .summary = "reads against all that may come at the same instant",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
