/* SPDX-License-Identifier: MIT */
/* How connections come about: listening, accepting, connecting.
 *
 * A SYN that finds a listener with room makes the connection's other end there, half open; the
 * answer establishes it where it began; the first segment from there, a hello, lets it be
 * accepted. */
#include <errno.h>

#include "connection.h"

#define SECOND_NS INT64_C(1000000000)

#define CONNECT_NS   (127 * SECOND_NS) /* SYNs at 0, 1, 3, 7 ... 63 s, and 64 s for the last. */
#define NEIGHBOUR_NS (3 * SECOND_NS)   /* No host answers to an address of the network. */

enum { BACKLOG_MAX = 4096 }; /* Linux's somaxconn. */

static sim_alarm_fn syn_arrives, syn_goes, answer_arrives;

/* Listening. */

int weir_sim_socket_listen(sim_socket *socket, const weir_endpoint *local,
                           const struct weir_tcp_listen_options *options)
{
    int backlog = options->backlog > 0 ? options->backlog : BACKLOG_MAX;
    int error;

    if (socket->state != SIM_TCP_CLOSED || options->user_timeout_ms < 0)
        return -EINVAL;
    socket->reuses_address = !options->no_reuse_address;
    socket->reuses_port = options->reuse_port;
    socket->v6_only = socket->family == WEIR_IPV6 && options->v6_only;
    error = weir_sim_port_bind(socket, local);
    if (error)
        return error;
    socket->no_delay = !options->delay;
    socket->user_timeout_ms = options->user_timeout_ms;
    /* Linux lets one more wait than the backlog says. */
    socket->waiting_max = (unsigned)(backlog < BACKLOG_MAX ? backlog : BACKLOG_MAX) + 1;
    socket->state = SIM_TCP_LISTENING;
    weir_list_push(&socket->host->listeners, &socket->listener);
    weir_sim_trace_at(socket->host, SIM_LISTEN, socket->descriptor, socket->local_port);
    return 0;
}

void weir_sim_tcp_leave_parent(sim_socket *child)
{
    if (!child->parent)
        return;
    child->parent->waiting--;
    child->parent = NULL;
    if (weir_list_is_linked(&child->queued))
        weir_list_remove(&child->queued);
}

static void turn_away(sim_socket *child)
{
    weir_sim_socket_hold(child);
    weir_sim_tcp_leave_parent(child);
    if (child->state != SIM_TCP_CLOSED)
        weir_sim_tcp_abort(child, -ECONNRESET);
    weir_sim_socket_release(child);
}

void weir_sim_tcp_stop_listening(sim_socket *socket)
{
    const weir_list *all = &socket->host->all;
    weir_list_node *node = weir_list_first(all);

    while (node) {
        sim_socket *child = WEIR_CONTAINER_OF(node, sim_socket, link);

        node = weir_list_next(all, node);
        if (child->parent == socket)
            turn_away(child);
    }
    weir_list_remove(&socket->listener);
    socket->state = SIM_TCP_CLOSED;
    if (!socket->asked_for_port)
        socket->owns_port = false;
}

int weir_sim_socket_accept(sim_socket *socket)
{
    weir_list_node *node;
    sim_socket *child;

    /* First, as Linux does, whether or not there is a connection. */
    if (socket->host->descriptor_count >= socket->host->descriptors_max)
        return -EMFILE;
    if (socket->state != SIM_TCP_LISTENING)
        return -EINVAL;
    node = weir_list_first(&socket->ready);
    if (!node)
        return -EAGAIN;
    child = WEIR_CONTAINER_OF(node, sim_socket, queued);
    weir_sim_tcp_leave_parent(child);
    child->phase = SIM_TCP_STANDS;
    return weir_sim_socket_take_descriptor(child);
}

bool weir_sim_socket_lose(sim_socket *socket)
{
    weir_list_node *node = weir_list_first(&socket->ready);

    if (!node)
        return false;
    turn_away(WEIR_CONTAINER_OF(node, sim_socket, queued));
    return true;
}

/* Connecting. */

static sim_socket *child_new(sim_socket *parent, sim_socket *client)
{
    sim_socket *child = weir_sim_socket_new(parent->host, parent->family);

    child->state = SIM_TCP_HALF_OPEN;
    child->local = client->remote;
    child->local_port = client->remote_port;
    child->remote = client->local;
    child->remote_port = client->local_port;
    child->remote_host = client->host;
    child->owns_port = true;
    child->reuses_address = parent->reuses_address;
    child->reuses_port = parent->reuses_port;
    child->v6_only = parent->v6_only;
    child->no_delay = parent->no_delay;
    child->keep_alive = parent->keep_alive;
    child->linger_seconds = parent->linger_seconds;
    child->send_buffer_bytes = parent->send_buffer_bytes;
    child->receive_buffer_bytes = parent->receive_buffer_bytes;
    child->user_timeout_ms = parent->user_timeout_ms;
    child->parent = parent;
    parent->waiting++;
    child->peer = client;
    client->peer = child;
    return child;
}

static void send_syn(sim_socket *socket)
{
    sim_after(sim_tcp_world(socket), &socket->handshake, sim_tcp_latency_ns(socket), syn_arrives);
}

static void syn_goes(sim_alarm *alarm)
{
    send_syn(WEIR_CONTAINER_OF(alarm, sim_socket, handshake));
}

static void send_answer(sim_socket *socket, int answer)
{
    socket->answer = answer;
    sim_after(sim_tcp_world(socket), &socket->handshake, sim_tcp_latency_ns(socket),
              answer_arrives);
}

/* The next of Linux's times: 1, 3, 7 ... 63 s. After them only the timeout is left. */
static void send_syn_later(sim_socket *socket)
{
    int64_t now_ns = sim_tcp_world(socket)->now_ns;
    int tries;

    for (tries = 1; tries <= 6; tries++) {
        int64_t at_ns = socket->began_ns + ((INT64_C(1) << tries) - 1) * SECOND_NS;

        if (at_ns > now_ns) {
            sim_tcp_set(socket, &socket->handshake, at_ns, syn_goes);
            return;
        }
    }
}

/* On a cut link it waits. */
static void syn_arrives(sim_alarm *alarm)
{
    sim_socket *socket = WEIR_CONTAINER_OF(alarm, sim_socket, handshake);
    weir_sim *sim = sim_tcp_world(socket);
    sim_socket *parent;

    if (!sim_tcp_link_is_up(socket))
        return;
    parent = weir_sim_port_listener(socket->remote_host, &socket->remote, socket->remote_port,
                                    socket->choice);
    if (!parent || weir_sim_fault_at(socket->remote_host, sim->options.faults.refused_connection,
                                     SIM_FAULT_REFUSED_CONNECTION)) {
        send_answer(socket, -ECONNREFUSED);
    } else if (parent->waiting >= parent->waiting_max) {
        send_syn_later(socket);
    } else {
        (void)child_new(parent, socket);
        send_answer(socket, 0);
    }
}

static void establish(sim_socket *socket)
{
    weir_sim *sim = sim_tcp_world(socket);

    socket->state = SIM_TCP_CONNECTED;
    sim_tcp_clear(socket, &socket->timeout);
    sim->network.connections++;
    weir_sim_trace_at(socket->host, SIM_ESTABLISHED, socket->descriptor, socket->local_port);
    weir_sim_tcp_greet(socket);
    weir_sim_socket_tell(socket);
}

static void answer_arrives(sim_alarm *alarm)
{
    sim_socket *socket = WEIR_CONTAINER_OF(alarm, sim_socket, handshake);

    if (socket->answer == -EHOSTUNREACH || sim_tcp_link_is_up(socket)) {
        weir_sim_socket_hold(socket);
        if (socket->answer)
            weir_sim_tcp_die(socket, socket->answer);
        else
            establish(socket);
        weir_sim_socket_release(socket);
    }
}

/* Where to: 0, or why there is no way at all. */
static int find_way(sim_socket *socket, const weir_endpoint *peer)
{
    sim_address address;
    int error = weir_sim_address_of(socket, peer, &address);

    if (error)
        return error;
    if (weir_sim_address_is_any(&address))
        address = weir_sim_address_loopback(&address);
    if (!weir_sim_address_is_routed(&address))
        return -ENETUNREACH;
    if (!socket->owns_port)
        error = weir_sim_port_choose(socket);
    if (error)
        return error;
    socket->local = weir_sim_address_source(socket->host, &address);
    socket->remote = address;
    socket->remote_port = peer->port;
    socket->remote_host = weir_sim_address_host(socket->host, &address);
    return 0;
}

static void begin_to_connect(sim_socket *socket)
{
    weir_sim *sim = sim_tcp_world(socket);

    socket->phase = SIM_TCP_UNDER_WAY;
    socket->state = SIM_TCP_CONNECTING;
    socket->shut = 0;
    socket->began_ns = sim->now_ns;
    socket->choice = sim_random_next(&sim->random);
    weir_sim_trace_at(socket->host, SIM_CONNECT, socket->descriptor, socket->remote_port);
    if (!socket->remote_host) {
        socket->answer = -EHOSTUNREACH;
        sim_after(sim, &socket->handshake, NEIGHBOUR_NS, answer_arrives);
        return;
    }
    if (weir_sim_link_between(socket->host, socket->remote_host)->state ==
        WEIR_SIM_LINK_UNREACHABLE)
        send_answer(socket, -EHOSTUNREACH);
    else
        send_syn(socket);
    sim_after(sim, &socket->timeout, sim_tcp_link_is_up(socket) ? CONNECT_NS : SIM_TCP_CUT_NS,
              weir_sim_tcp_nothing_heard);
}

int weir_sim_socket_connect(sim_socket *socket, const weir_endpoint *peer)
{
    int error;

    if (socket->state == SIM_TCP_CONNECTING)
        return -EALREADY;
    if (socket->state != SIM_TCP_CLOSED || socket->phase == SIM_TCP_STANDS)
        return -EISCONN;
    if (socket->phase == SIM_TCP_UNDER_WAY)
        return weir_sim_socket_connect_result(socket);
    error = find_way(socket, peer);
    if (error)
        return error;
    begin_to_connect(socket);
    return 0;
}

int weir_sim_socket_connect_result(sim_socket *socket)
{
    int error;

    if (socket->state == SIM_TCP_CONNECTING)
        return -EINPROGRESS;
    if (socket->state == SIM_TCP_CONNECTED) {
        socket->phase = SIM_TCP_STANDS;
        return 0;
    }
    error = sim_tcp_take_error(socket);
    if (!error)
        error = socket->phase == SIM_TCP_UNDER_WAY ? -ECONNABORTED : -ENOTCONN;
    if (socket->state == SIM_TCP_CLOSED)
        weir_sim_tcp_disconnect(socket);
    return error;
}

/* Links. */

void weir_sim_tcp_connect_cut(sim_socket *socket)
{
    weir_sim *sim = sim_tcp_world(socket);

    if (socket->timeout.at_ns > sim->now_ns + SIM_TCP_CUT_NS)
        sim_after(sim, &socket->timeout, SIM_TCP_CUT_NS, weir_sim_tcp_nothing_heard);
}

void weir_sim_tcp_connect_resume(sim_socket *socket)
{
    sim_tcp_set(socket, &socket->timeout, socket->began_ns + CONNECT_NS,
                weir_sim_tcp_nothing_heard);
    if (sim_alarm_is_set(&socket->handshake))
        return;
    if (socket->peer)
        send_answer(socket, 0);
    else
        send_syn(socket);
}
