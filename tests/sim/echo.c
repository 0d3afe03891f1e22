/* SPDX-License-Identifier: MIT */
/* An echo service and its visitors. */
#include "echo_session.h"

#include <string.h>

/* Worlds. */

void echo_drop_unserved(struct echo_world *world)
{
    uint32_t i;

    for (i = 0; i < world->wire_count; i++) {
        struct echo_wire *wire = &world->wires[i];

        if (wire->served)
            continue;
        wire->dropped = true;
        kit_flow_end(&wire->flows[KIT_BACK]);
    }
}

static void stop_world(struct echo_world *world, unsigned bits)
{
    unsigned i;

    world->stopping = true;
    echo_drop_unserved(world);
    for (i = 0; i < world->server_count; i++) {
        struct echo_server *server = &world->servers[i];

        server->stop_bits |= bits;
        if ((bits & WEIR_STOP_HARD) && server->hard_ns == 0)
            server->hard_ns = weir_now_ns();
        if (server->is_live)
            weir_root_stop(&server->root, bits);
    }
}

void echo_stop_softly(weir_sim *sim, void *world)
{
    (void)sim;
    stop_world(world, WEIR_STOP_REQUESTED);
}

void echo_stop_hard(weir_sim *sim, void *world)
{
    (void)sim;
    stop_world(world, WEIR_STOP_HARD);
}

static struct echo_wire *wire_new(struct echo_world *world)
{
    uint32_t number = world->wire_count;
    struct echo_wire *wire = &world->wires[number];

    if (number == ECHO_WIRES_MAX)
        return NULL;
    world->wire_count++;
    kit_flow_init(&wire->flows[KIT_THERE], number, KIT_THERE);
    kit_flow_init(&wire->flows[KIT_BACK], number, KIT_THERE);
    wire->dropped = world->closing > 0;
    if (world->stopping || world->closing > 0)
        kit_flow_end(&wire->flows[KIT_BACK]);
    return wire;
}

void echo_world_check(const struct echo_world *world)
{
    for (uint32_t i = 0; i < world->wire_count; i++) {
        const struct echo_wire *wire = &world->wires[i];

        kit_flow_check_settled(&wire->flows[KIT_THERE]);
        kit_flow_check_settled(&wire->flows[KIT_BACK]);
        KIT_CHECK(wire->flows[KIT_BACK].written <= wire->flows[KIT_THERE].seen,
                  "wire %u: more was sent back than had come", i);
    }
}

void echo_visitors_check(const struct echo_visitor *visitors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        KIT_CHECK(visitors[i].unserved == 0, "a visitor was not served in %u of its visits",
                  visitors[i].unserved);
}

/* Doors. */

/* Memory for who serves the next connection. */
static struct echo_guest *guest_new(struct echo_server *server)
{
    size_t size = server->serve ? server->frame_size : sizeof(struct echo_session);
    struct echo_guest *guest = weir_scope_new(&server->sessions, size,
                                              server->serve ? server->serve : echo_session_resume);

    if (!guest) {
        server->starved++;
        return NULL;
    }
    memset((char *)guest + sizeof(weir_task), 0, size - sizeof(weir_task));
    weir_tcp_socket_init(&guest->socket);
    guest->server = server;
    if (server->prepare)
        server->prepare(guest);
    return guest;
}

static weir_task *door_listen(weir_task *task, struct echo_door *self)
{
    struct echo_server *server = self->server;

    kit_listener_init(&self->listener, &server->acceptor, server->loop, &server->local,
                      &server->options);
    return weir_call(task, &self->listener.task);
}

static weir_task *door_accept(weir_task *task, struct echo_door *self)
{
    struct echo_server *server = self->server;

    self->ticket = ++server->ticket;
    self->reopened = server->reopened;
    self->began_ns = weir_task_now_ns(task);
    self->resumptions = weir_loop_statistics_get(server->loop).resumptions;
    if (kit_chance(server->impatience))
        weir_deadline_arm_after(task, &self->deadline, kit_duration_ns(20 * KIT_MS));
    return weir_tcp_accept(task, &server->acceptor, &self->next->socket);
}

/* Accepts that wait are served in the order they began. One that waited for nobody is no proof:
 * those who were served before it may still be about to run. */
static void check_turn(const struct echo_door *self)
{
    const struct echo_server *server = self->server;
    unsigned i;

    if (weir_loop_statistics_get(server->loop).resumptions == self->resumptions)
        return;
    for (i = 0; i < server->door_count; i++)
        KIT_CHECK(server->doors[i].ticket == 0 || server->doors[i].ticket >= self->ticket,
                  "an accept is served before one that began earlier");
}

static void check_accept(const struct echo_door *self, int error, bool late)
{
    unsigned allowed = 0;

    if (late)
        allowed |= KIT_LATE;
    if (self->server->world->stopping || self->reopened != self->server->reopened)
        allowed |= KIT_STOPPED;
    if (!weir_event_is_set(&self->server->listens))
        allowed |= KIT_CLOSED;
    kit_expect("an accept", error, allowed);
    KIT_CHECK(weir_tcp_is_open(&self->next->socket) == !error,
              "an accept gives %s, and the socket is %s", weir_error_name(error),
              weir_tcp_is_open(&self->next->socket) ? "open" : "closed");
}

/* A connection has come, or it has not. Returns whether it has. */
static bool door_opens(struct echo_door *self, weir_result r, bool late)
{
    struct echo_server *server = self->server;

    check_accept(self, r.error, late);
    if (!r.error)
        check_turn(self);
    self->ticket = 0;
    kit_dump(server->loop);
    if (r.error) {
        weir_scope_discard(&server->sessions, &self->next->task);
        return false;
    }
    server->accepted++;
    self->next->accepted_ns = weir_now_ns();
    self->next->possible_ns = self->began_ns > server->freed_ns ? self->began_ns : server->freed_ns;
    weir_scope_start(&server->sessions, &self->next->task);
    return true;
}

static bool wants_to_reopen(const struct echo_door *self)
{
    return weir_event_is_set(&self->server->listens) && kit_chance(self->server->reopening);
}

static void begin_to_reopen(struct echo_door *self)
{
    weir_event_clear(&self->server->listens);
    echo_drop_unserved(self->server->world);
    self->server->world->closing++;
    self->server->reopened++;
}

static weir_task *door_resume(weir_task *task)
{
    struct echo_door *self = WEIR_TASK_SELF(task, struct echo_door);
    weir_result r;

    WEIR_BEGIN(task);
    while (!weir_task_stop_bits(task) || kit_chance(500)) { /* Stopped, it may try and see. */
        self->next = guest_new(self->server);
        if (!self->next) { /* Those who are here go on, others wait. */
            WEIR_AWAIT(task, r, weir_sleep_for(task, KIT_MS));
            continue;
        }
        WEIR_AWAIT(task, r, door_accept(task, self));
        if (!door_opens(self, r, weir_deadline_disarm(task, &self->deadline))) {
            WEIR_AWAIT(task, r, weir_event_wait(task, &self->server->listens));
        } else if (wants_to_reopen(self)) {
            begin_to_reopen(self);
            WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->server->acceptor));
            self->server->world->closing--;
            WEIR_AWAIT(task, r, door_listen(task, self));
            if (!r.error)
                weir_event_set(&self->server->listens);
        }
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Servers. */

static void open_doors(struct echo_server *self)
{
    unsigned i;

    for (i = 0; i < self->door_count; i++) {
        struct echo_door *door = &self->doors[i];

        weir_task_init(&door->task, door_resume);
        weir_scope_start_embedded(&self->door_scope, &self->door_children[i], &door->task);
    }
}

static void server_init(struct echo_server *self, weir_task *task)
{
    unsigned i;

    weir_event_init(&self->listens);
    weir_scope_init(&self->door_scope, task);
    weir_scope_init(&self->sessions, task);
    weir_deadline_init(&self->grace);
    for (i = 0; i < self->door_count; i++) {
        self->doors[i].server = self;
        self->doors[i].ticket = 0;
        weir_deadline_init(&self->doors[i].deadline);
    }
}

static void begin_to_close(struct echo_server *self, weir_task *task)
{
    weir_deadline_arm_hard_after(task, &self->grace, self->grace_ns);
    self->closing_ns = weir_task_now_ns(task);
    if (self->hard_ns == 0)
        self->hard_ns = self->closing_ns + self->grace_ns;
}

static weir_task *server_resume(weir_task *task)
{
    struct echo_server *self = WEIR_TASK_SELF(task, struct echo_server);
    weir_result r;

    WEIR_BEGIN(task);
    server_init(self, task);
    WEIR_AWAIT(task, r, door_listen(task, &self->doors[0]));
    if (!r.error) {
        weir_event_set(&self->listens);
        WEIR_AWAIT(task, r, weir_sleep_for(task, self->nap_ns));
        open_doors(self);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->door_scope));
    }
    begin_to_close(self, task);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->sessions));
    (void)weir_deadline_disarm(task, &self->grace);
    KIT_CHECK(r.error == 0, "a join gives %s, and all sessions have succeeded",
              weir_error_name(r.error));
    KIT_CHECK(r.count == self->accepted, "a join counts %zu of %llu sessions", r.count,
              (unsigned long long)self->accepted);
    weir_event_fini(&self->listens);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void server_done(weir_root *root, weir_result result)
{
    struct echo_server *server = root->user;

    KIT_CHECK(result.error == 0, "a server gives %s", weir_error_name(result.error));
    server->is_live = false;
    KIT_CHECK(weir_now_ns() - server->hard_ns < 100 * KIT_MS,
              "a server lives for %lld ns after its hard stop",
              (long long)(weir_now_ns() - server->hard_ns));
}

void echo_server_main(void *argument)
{
    struct echo_server *server = argument;

    server->loop = kit_loop_new_with(&server->loop_options);
    weir_task_init(&server->task, server_resume);
    weir_run_async(weir_loop_executor(server->loop), &server->root, &server->task, server_done,
                   server);
    server->is_live = true;
    if (server->stop_bits)
        weir_root_stop(&server->root, server->stop_bits);
    weir_loop_run(server->loop);
    server->statistics = weir_loop_statistics_get(server->loop);
    kit_loop_free(server->loop);
}

/* Exchanges. */

/* The next message: the first has the whole number in it, without which no answer comes. */
static void next_message(struct echo_exchange *self)
{
    uint64_t least = self->sender.total == 0 ? KIT_NUMBER_BYTES : 1;
    uint64_t most = self->left < self->message_max ? self->left : self->message_max;
    uint64_t size = most > least ? kit_between(least, most) : least;

    self->left -= size;
    kit_sender_again(&self->sender, size);
    kit_receiver_again(&self->receiver, size);
}

static weir_task *exchange_resume(weir_task *task)
{
    struct echo_exchange *self = WEIR_TASK_SELF(task, struct echo_exchange);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->message_max == 0) {
        WEIR_AWAIT(task, r,
                   weir_when_all_2(task, &self->group, &self->sender.task, &self->receiver.task));
        WEIR_RETURN(task, r);
    }
    r = weir_result_of(0, 0);
    while (!r.error && self->left > 0) {
        next_message(self);
        WEIR_AWAIT(task, r, weir_call(task, &self->sender.task));
        if (r.error)
            break;
        WEIR_AWAIT(task, r, weir_call(task, &self->receiver.task));
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Visitors. */

static enum echo_behaviour choose_behaviour(unsigned behaviours)
{
    for (;;) {
        unsigned behaviour = (unsigned)kit_between(0, ECHO_BEHAVIOURS - 1);

        if (behaviours >> behaviour & 1)
            return (enum echo_behaviour)behaviour;
    }
}

static bool ends_early(const struct echo_visitor *self)
{
    return self->behaviour == ECHO_ABANDON || self->behaviour == ECHO_RESET;
}

static uint64_t choose_message_max(const struct echo_visitor *self)
{
    uint64_t most = self->size;

    if (self->message_max > 0 && self->message_max < most)
        most = self->message_max;
    return kit_small(1, most);
}

static void prepare_exchange(struct echo_visitor *self)
{
    struct echo_exchange *exchange = &self->exchange;
    bool in_dialogue = self->behaviour == ECHO_DIALOGUE || (ends_early(self) && kit_chance(500));
    struct kit_manners to_send = kit_manners_any();
    struct kit_manners to_receive = kit_manners_any();

    if (kit_chance(200)) /* Let the server find no room. */
        to_receive.begin_after_ns = (int64_t)kit_between(0, 2 * (uint64_t)KIT_S);
    weir_task_init(&exchange->task, exchange_resume);
    weir_group_init(&exchange->group);
    exchange->left = self->size;
    exchange->message_max = in_dialogue ? choose_message_max(self) : 0;
    kit_sender_init(&exchange->sender, &self->socket.stream.out, &self->wire->flows[KIT_THERE],
                    in_dialogue ? 0 : self->size, &to_send);
    exchange->sender.ends = !in_dialogue;
    weir_source_stream_init(&self->lent, &self->source.source);
    kit_receiver_init(&exchange->receiver, self->lends ? &self->lent.in : &self->socket.stream.in,
                      &self->wire->flows[KIT_BACK], in_dialogue ? 0 : UINT64_MAX, &to_receive);
    exchange->receiver.takes_end = !in_dialogue;
}

/* Returns false when there are no wires left. */
static bool prepare_visit(struct echo_visitor *self)
{
    self->behaviour = choose_behaviour(self->behaviours);
    self->size = kit_small(KIT_NUMBER_BYTES, self->size_max);
    self->wire = wire_new(self->world);
    if (!self->wire)
        return false;
    self->wire->rude = ends_early(self) || self->patience_ns;
    if (self->lends)
        weir_tcp_source_init(&self->source, &self->socket);
    kit_connector_init(&self->connector, &self->socket, &self->server,
                       KIT_REFUSED | KIT_FULL | KIT_RESET | KIT_CUT, 40);
    return true;
}

/* What has a time limit ends with it. */
static void check_patience(const struct echo_visitor *self)
{
    KIT_CHECK(self->patience_ns == 0 || weir_now_ns() - self->due_ns < 100 * KIT_MS,
              "what had a time limit has ended %lld ns later",
              (long long)(weir_now_ns() - self->due_ns));
}

/* The connection stands, or it does not. */
static void greet(struct echo_visitor *self)
{
    weir_result r = weir_task_result(&self->connector.task);
    unsigned allowed = self->world->failures | self->world->shortages;

    self->error = r.error;
    check_patience(self);
    if (self->world->stopping)
        allowed |= KIT_REFUSED | KIT_RESET;
    if (self->patience_ns || self->is_hasty) /* Also in a pause after a failure. */
        allowed |= KIT_LATE | self->connector.again;
    if (self->is_hasty)
        allowed |= KIT_STOPPED;
    if (r.error) {
        kit_expect("a visitor's connect", r.error, allowed);
        return;
    }
    self->world->connected++;
    self->wire->connected_ns = weir_now_ns();
    r.error = weir_tcp_local(&self->socket, &self->wire->client);
    kit_expect("a connected socket's local endpoint", r.error, KIT_RESET);
    prepare_exchange(self);
}

/* Whether the other side, or the world, can have cut the visit short. */
static bool is_excused(const struct echo_visitor *self)
{
    return self->wire->dropped || self->world->stopping || (self->world->failures & ECHO_BREAKS);
}

/* What has become of the exchange. */
static void take_leave(struct echo_visitor *self, weir_result r)
{
    const struct kit_flow *back = &self->wire->flows[KIT_BACK];
    unsigned allowed = self->world->failures & ECHO_BREAKS;

    check_patience(self);
    if (ends_early(self) || self->patience_ns)
        allowed |= KIT_LATE;
    if (self->wire->dropped || self->world->stopping)
        allowed |= KIT_RESET | KIT_END;
    kit_expect("a visit", r.error, allowed);
    if (!r.error && !is_excused(self))
        KIT_CHECK(back->seen == self->size,
                  "wire %u: a visit of %llu bytes has succeeded with %llu", back->connection,
                  (unsigned long long)self->size, (unsigned long long)back->seen);
    if (back->seen == self->size)
        self->world->completed++;
    if (self->behaviour == ECHO_RESET)
        (void)weir_tcp_option_set(&self->socket, WEIR_TCP_LINGER_SECONDS, 0);
    else
        kit_flow_end(&self->wire->flows[KIT_THERE]);
}

/* Call a child, with as much patience as the visitor has. */
static weir_task *call(weir_task *task, struct echo_visitor *self, weir_task *child,
                       int64_t limit_ns)
{
    if (self->patience_ns && self->patience_ns < limit_ns)
        limit_ns = self->patience_ns;
    if (limit_ns == INT64_MAX)
        return weir_call(task, child);
    self->due_ns = weir_task_now_ns(task) + limit_ns;
    return weir_timeout(task, &self->timeout, child, limit_ns);
}

/* A connect that is under way is cancelled, or its socket closed. */
static weir_task *haste_resume(weir_task *task)
{
    struct echo_haste *self = WEIR_TASK_SELF(task, struct echo_haste);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, self->after_ns));
    if (r.error || weir_tcp_is_open(self->socket))
        WEIR_RETURN(task, r);
    if (kit_chance(500)) {
        weir_tcp_cancel(self->socket);
        WEIR_AWAIT(task, r, weir_sleep_for(task, kit_duration_ns(KIT_MS)));
    } else {
        WEIR_AWAIT(task, r, weir_tcp_close(task, self->socket));
        kit_socket_gone(self->socket);
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *connect_wire(weir_task *task, struct echo_visitor *self)
{
    self->is_hasty = kit_chance(self->haste);
    if (!self->is_hasty)
        return call(task, self, &self->connector.task, INT64_MAX);
    if (kit_chance(300))
        return weir_timeout(task, &self->timeout, &self->connector.task, kit_duration_ns(KIT_MS));
    self->hurry.socket = &self->socket;
    self->hurry.after_ns =
        kit_chance(500) ? kit_duration_ns(KIT_MS) : (int64_t)kit_between(0, 600 * (uint64_t)KIT_US);
    weir_task_init(&self->hurry.task, haste_resume);
    weir_group_init(&self->group);
    return weir_when_any_2(task, &self->group, WEIR_FIRST_TO_COMPLETE, &self->connector.task,
                           &self->hurry.task);
}

static weir_task *visit(weir_task *task, struct echo_visitor *self)
{
    return call(task, self, &self->exchange.task,
                ends_early(self) ? kit_duration_ns(20 * KIT_MS) : INT64_MAX);
}

/* Whether the visit is over: a visitor may come again after one that was cut short. */
static bool is_over(struct echo_visitor *self)
{
    if (!self->error && (ends_early(self) || self->wire->flows[KIT_BACK].seen == self->size))
        return true;
    if (self->world->stopping)
        return true;
    if (self->attempts++ < self->attempts_max)
        return false;
    self->unserved++;
    return true;
}

static int64_t pause_ns(const struct echo_visitor *self)
{
    return kit_duration_ns(self->pause_ns_max) + self->attempts * self->back_off_ns;
}

static weir_task *visitor_resume(weir_task *task)
{
    struct echo_visitor *self = WEIR_TASK_SELF(task, struct echo_visitor);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    while (self->visits > 0 && !self->world->stopping) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause_ns(self)));
        if (!prepare_visit(self))
            break;
        WEIR_AWAIT(task, r, connect_wire(task, self));
        greet(self);
        if (!self->error) {
            WEIR_AWAIT(task, r, visit(task, self));
            take_leave(self, r);
            WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
        }
        kit_socket_gone(&self->socket);
        if (is_over(self)) {
            self->visits--;
            self->attempts = 0;
        }
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void start_visitors(struct echo_crowd *self)
{
    size_t i;

    for (i = 0; i < self->count; i++) {
        weir_task_init(&self->visitors[i].task, visitor_resume);
        weir_scope_start_embedded(&self->scope, &self->children[i], &self->visitors[i].task);
    }
}

static weir_task *crowd_resume(weir_task *task)
{
    struct echo_crowd *self = WEIR_TASK_SELF(task, struct echo_crowd);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    start_visitors(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    KIT_CHECK(r.count == self->count, "a join counts %zu of %zu visitors", r.count, self->count);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

void echo_crowd_main(void *argument)
{
    struct echo_crowd *crowd = argument;
    weir_loop *loop = kit_loop_new_with(&crowd->loop_options);
    weir_result r;

    weir_task_init(&crowd->task, crowd_resume);
    r = weir_run(loop, &crowd->task);
    KIT_CHECK(r.error == 0, "a crowd gives %s", weir_error_name(r.error));
    kit_loop_free(loop);
    if (--crowd->world->crowd_count == 0)
        stop_world(crowd->world, WEIR_STOP_REQUESTED);
}
