/* SPDX-License-Identifier: MIT */
/* The server's end of a connection. */
#include "echo_session.h"

/* Who connected it is who is there. A listener of IPv6 shows IPv4 addresses as mapped ones. */
static void check_peer(const struct echo_session *self)
{
    const weir_endpoint *client = &self->wire->client;
    weir_endpoint peer;

    if (weir_tcp_peer(&self->guest.socket, &peer) < 0)
        return;
    KIT_CHECK(peer.port == client->port, "the peer of wire %u is not who connected it",
              self->wire->flows[KIT_THERE].connection);
    if (peer.family == client->family)
        KIT_CHECK(weir_endpoint_equals(&peer, client), "the peer of wire %u has another address",
                  self->wire->flows[KIT_THERE].connection);
}

/* A connection does not wait for a descriptor when one is free: it is told of each. */
static void check_prompt(const struct echo_session *self)
{
    const struct echo_guest *guest = &self->guest;
    int64_t waited_ns = guest->accepted_ns - guest->possible_ns;

    if (!guest->server->is_prompt || self->wire->connected_ns + KIT_MS > guest->possible_ns)
        return;
    KIT_CHECK(waited_ns < 4 * KIT_MS, "a connection waits %lld ns for a descriptor that is free",
              (long long)waited_ns);
}

void echo_session_greet(struct echo_session *self, weir_result r)
{
    struct echo_world *world = self->guest.server->world;
    uint32_t number;

    self->error = r.error;
    if (r.error) {
        KIT_CHECK(r.count < KIT_NUMBER_BYTES, "a read of a number has failed with all of it");
        return;
    }
    number = kit_number(self->data);
    KIT_CHECK(number < world->wire_count, "a session is told the number %u, which nobody has",
              number);
    self->wire = &world->wires[number];
    KIT_CHECK(!self->wire->served, "wire %u is served twice", number);
    self->wire->served = true;
    self->wire->dropped = false;
    self->wire->flows[KIT_BACK].ending = false;
    if (!world->is_relayed)
        check_peer(self);
    check_prompt(self);
    kit_flow_saw(&self->wire->flows[KIT_THERE], self->data, r.count);
    self->size = r.count;
}

static void session_sent(struct echo_session *self, weir_result r)
{
    unsigned stop = weir_task_stop_bits(&self->echo);

    kit_flow_wrote(&self->wire->flows[KIT_BACK], r.count);
    KIT_CHECK(r.error != WEIR_CANCELLED || (stop & WEIR_STOP_HARD),
              "a shield does not withstand a soft stop");
    self->error = r.error;
    if (r.error)
        self->wire->dropped = true;
}

static void session_received(struct echo_session *self, weir_result r)
{
    kit_flow_saw(&self->wire->flows[KIT_THERE], self->data, r.count);
    self->size = r.count;
    self->error = r.error;
    if (r.error == WEIR_EOF)
        kit_flow_saw_end(&self->wire->flows[KIT_THERE]);
    else if (r.error)
        self->wire->dropped = true;
}

static weir_task *session_send(weir_task *task, struct echo_session *self)
{
    kit_flow_offer(&self->wire->flows[KIT_BACK], self->size);
    return weir_write(task, &self->guest.socket.stream.out,
                      weir_const_buffer_of(self->data, self->size));
}

void echo_session_check_stopped(weir_task *task, const struct echo_server *server)
{
    int64_t since_ns = weir_task_now_ns(task) - server->closing_ns;

    KIT_CHECK(server->closing_ns == 0 || since_ns < 20 * KIT_MS || weir_task_stop_bits(task),
              "a session reads on, and its server has been stopped for %lld ns",
              (long long)since_ns);
}

static weir_task *session_receive(weir_task *task, struct echo_session *self, size_t size)
{
    echo_session_check_stopped(task, self->guest.server);
    if (self->guest.server->patience_ns)
        weir_deadline_arm_after(task, &self->silence, self->guest.server->patience_ns);
    if (size == KIT_NUMBER_BYTES)
        return weir_read(task, &self->guest.socket.stream.in, weir_buffer_of(self->data, size));
    return weir_read_some(task, &self->guest.socket.stream.in, weir_buffer_of(self->data, size));
}

/* Whether what has ended the session can have happened. */
static void session_check(const struct echo_session *self)
{
    const struct echo_world *world = self->guest.server->world;
    unsigned allowed = KIT_END | (world->failures & ECHO_BREAKS);

    if (!self->wire || self->wire->rude)
        allowed |= KIT_RESET;
    if (world->stopping)
        allowed |= KIT_RESET | KIT_STOPPED;
    if (self->guest.server->patience_ns)
        allowed |= KIT_LATE;
    kit_expect("a session", self->error, allowed);
}

void echo_session_end(struct echo_session *self)
{
    session_check(self);
    if (self->wire)
        kit_flow_end(&self->wire->flows[KIT_BACK]);
    else
        echo_drop_unserved(self->guest.server->world);
}

/* A child of the session's, so that a stop comes to its shield from above. */
static weir_task *echo_resume(weir_task *task)
{
    struct echo_session *self = WEIR_CONTAINER_OF(task, struct echo_session, echo);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, session_receive(task, self, KIT_NUMBER_BYTES));
    (void)weir_deadline_disarm(task, &self->silence);
    echo_session_greet(self, r);
    while (!self->error) {
        weir_shield_begin(task); /* What was read is sent back, also when a stop comes now. */
        WEIR_AWAIT(task, r, session_send(task, self));
        weir_shield_end(task);
        session_sent(self, r);
        if (self->error)
            break;
        WEIR_AWAIT(task, r,
                   session_receive(task, self, (size_t)kit_between(5, ECHO_SESSION_BYTES)));
        (void)weir_deadline_disarm(task, &self->silence);
        session_received(self, r);
    }
    WEIR_RETURN(task, weir_result_of(self->error, 0));
    WEIR_END(task);
}

weir_task *echo_session_resume(weir_task *task)
{
    struct echo_session *self = WEIR_TASK_SELF(task, struct echo_session);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->echo, echo_resume);
    WEIR_AWAIT(task, r, weir_call(task, &self->echo));
    KIT_CHECK(r.error == self->error, "a child gives %s, and its caller gets %s",
              weir_error_name(self->error), weir_error_name(r.error));
    echo_session_end(self);
    if (self->error == WEIR_EOF && kit_chance(500))
        WEIR_AWAIT(
            task, r,
            weir_write_eof(task, &self->guest.socket.stream.out, weir_const_buffer_of(NULL, 0)));
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->guest.socket));
    kit_socket_gone(&self->guest.socket);
    self->guest.server->freed_ns = weir_task_now_ns(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}
