/* SPDX-License-Identifier: MIT */
/* Connections: what travels on them, and how they end.
 *
 * What a program sees is what Linux shows: the order in which a receive looks at bytes, end and
 * error, an error that is reported once, a reset that leaves what came before it. Acknowledgements
 * take no time, and nothing is lost but by cut links. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"

enum segment_kind {
    SEGMENT_HELLO, /* The last of the handshake. */
    SEGMENT_DATA,
    SEGMENT_END,
};

struct sim_segment {
    struct sim_segment *next;
    enum segment_kind kind;
    int64_t due_ns;
    size_t size; /* Bytes that are left of it. */
    size_t begin;
    uint8_t bytes[];
};

static sim_alarm_fn segment_arrives, reset_arrives;

/* Ends of connections. */

static void free_segments(struct sim_segment **first)
{
    while (*first) {
        struct sim_segment *segment = *first;

        *first = segment->next;
        free(segment);
    }
}

static void drop_way(sim_socket *socket)
{
    struct sim_segment *segment;

    for (segment = socket->way; segment; segment = segment->next)
        socket->inflow_bytes -= segment->size;
    free_segments(&socket->way);
    sim_tcp_clear(socket, &socket->arrival);
}

static void drop_unread(sim_socket *socket)
{
    struct sim_segment *segment;

    for (segment = socket->unread; segment; segment = segment->next)
        socket->inflow_bytes -= segment->size;
    free_segments(&socket->unread);
}

static void clear_alarms(sim_socket *socket)
{
    sim_tcp_clear(socket, &socket->handshake);
    sim_tcp_clear(socket, &socket->timeout);
    sim_tcp_clear(socket, &socket->stall);
    sim_tcp_clear(socket, &socket->reset);
    socket->is_reset = false;
}

void weir_sim_tcp_drop(sim_socket *socket)
{
    drop_way(socket);
    drop_unread(socket);
    clear_alarms(socket);
}

void weir_sim_tcp_part(sim_socket *socket)
{
    sim_socket *peer = socket->peer;

    if (!peer)
        return;
    if (socket->way)
        peer->calls_into_void = true;
    peer->peer = NULL;
    socket->peer = NULL;
}

/* A reset goes to a socket. The queue of what was not sent yet is dropped by a reset on Linux, so
 * it may come before bytes that a program has sent before it. */
static void send_reset(sim_socket *to)
{
    weir_sim *sim = sim_tcp_world(to);
    int64_t due_ns = sim->now_ns + sim_tcp_latency_ns(to);

    if (to->is_reset)
        return;
    to->is_reset = true;
    if (to->way && to->arrives_ns > due_ns && sim_random_chance(&sim->random, 500))
        due_ns = to->arrives_ns;
    sim_tcp_set(to, &to->reset, due_ns, reset_arrives);
}

void weir_sim_tcp_vanish(sim_socket *socket)
{
    sim_socket *peer = socket->peer;
    bool is_answered = socket->way;

    weir_sim_tcp_part(socket);
    if (peer && peer->host != socket->host && is_answered)
        send_reset(peer);
}

static void become_closed(sim_socket *socket)
{
    if (socket->state == SIM_TCP_HALF_OPEN)
        weir_sim_tcp_leave_parent(socket);
    socket->state = SIM_TCP_CLOSED;
    socket->shut = SIM_TCP_SHUT_BOTH;
    if (!socket->asked_for_port)
        socket->owns_port = false;
    drop_way(socket);
    clear_alarms(socket);
    weir_sim_tcp_part(socket);
}

/* No program will ever do anything at this end. */
static bool is_left_alone(const sim_socket *socket)
{
    return !socket->is_open && (!socket->parent || socket->state == SIM_TCP_HALF_OPEN);
}

void weir_sim_tcp_die(sim_socket *socket, int error)
{
    sim_socket *peer = socket->peer;
    bool is_answered = socket->way || (peer && is_left_alone(peer));

    become_closed(socket);
    socket->error = error;
    weir_sim_trace_at(socket->host, SIM_RESET, socket->descriptor, error);
    if (peer && is_answered)
        send_reset(peer);
    weir_sim_socket_tell(socket);
}

void weir_sim_tcp_abort(sim_socket *socket, int error)
{
    sim_socket *peer = socket->peer;

    weir_sim_tcp_part(socket);
    if (peer)
        send_reset(peer);
    weir_sim_socket_hold(socket);
    weir_sim_tcp_die(socket, error);
    weir_sim_socket_release(socket);
}

/* What a reset does to who is connected: Linux says that the peer had ended its
 * direction before. */
static int reset_error(const sim_socket *socket)
{
    return socket->end_received ? -EPIPE : -ECONNRESET;
}

void weir_sim_tcp_break(sim_socket *socket)
{
    sim_socket *peer = socket->peer;

    weir_sim_tcp_part(socket);
    weir_sim_socket_hold(socket);
    if (peer) {
        weir_sim_socket_hold(peer);
        weir_sim_tcp_die(peer,
                         peer->state == SIM_TCP_CONNECTING ? -ECONNREFUSED : reset_error(peer));
        weir_sim_socket_release(peer);
    }
    weir_sim_tcp_die(socket, reset_error(socket));
    weir_sim_socket_release(socket);
}

static void reset_arrives(sim_alarm *alarm)
{
    sim_socket *socket = WEIR_CONTAINER_OF(alarm, sim_socket, reset);

    if (!sim_tcp_link_is_up(socket))
        return;
    weir_sim_socket_hold(socket);
    weir_sim_tcp_die(socket,
                     socket->state == SIM_TCP_CONNECTING ? -ECONNREFUSED : reset_error(socket));
    weir_sim_socket_release(socket);
}

void weir_sim_tcp_nothing_heard(sim_alarm *alarm)
{
    sim_socket *socket = WEIR_CONTAINER_OF(alarm, sim_socket, timeout);

    weir_sim_socket_hold(socket);
    if (socket->peer)
        drop_way(socket->peer);
    weir_sim_tcp_die(socket, -ETIMEDOUT);
    weir_sim_socket_release(socket);
}

/* The peer, which does not read, is told nothing. When it does, it says that there is room, and
 * that is answered by a reset. */
static void stall_is_over(sim_alarm *alarm)
{
    sim_socket *socket = WEIR_CONTAINER_OF(alarm, sim_socket, stall);

    if (socket->peer)
        socket->peer->is_given_up = true;
    weir_sim_socket_hold(socket);
    weir_sim_tcp_die(socket, -ETIMEDOUT);
    weir_sim_socket_release(socket);
}

/* Segments. */

static bool waits_for_an_answer(const sim_socket *socket)
{
    if (!socket->peer)
        return socket->calls_into_void;
    return socket->peer->way && socket->peer->way_last->kind != SEGMENT_HELLO;
}

static int64_t user_timeout_ns(const sim_socket *socket)
{
    return (int64_t)socket->user_timeout_ms * 1000000;
}

static void mind_cut(sim_socket *socket)
{
    if (sim_tcp_link_is_up(socket) || sim_alarm_is_set(&socket->timeout) ||
        !waits_for_an_answer(socket))
        return;
    sim_after(sim_tcp_world(socket), &socket->timeout,
              socket->user_timeout_ms ? user_timeout_ns(socket) : SIM_TCP_CUT_NS,
              weir_sim_tcp_nothing_heard);
}

static struct sim_segment *segment_new(enum segment_kind kind, size_t size)
{
    struct sim_segment *segment = weir_sim_allocate(sizeof(*segment) + size);

    segment->kind = kind;
    segment->size = size;
    return segment;
}

static void append(struct sim_segment **first, struct sim_segment **last,
                   struct sim_segment *segment)
{
    segment->next = NULL;
    if (*first)
        (*last)->next = segment;
    else
        *first = segment;
    *last = segment;
}

/* Nobody is there: a reset comes back. */
static void post_to_nobody(sim_socket *socket, struct sim_segment *segment)
{
    socket->calls_into_void = true;
    socket->void_bytes += segment->size;
    free(segment);
    send_reset(socket);
}

static void post_to_peer(sim_socket *peer, struct sim_segment *segment)
{
    int64_t due_ns = sim_tcp_world(peer)->now_ns + sim_tcp_latency_ns(peer);

    segment->due_ns = due_ns > peer->arrives_ns ? due_ns : peer->arrives_ns;
    peer->arrives_ns = segment->due_ns;
    peer->inflow_bytes += segment->size;
    if (!peer->way)
        sim_tcp_set(peer, &peer->arrival, segment->due_ns, segment_arrives);
    append(&peer->way, &peer->way_last, segment);
}

static void post(sim_socket *socket, struct sim_segment *segment)
{
    if (socket->peer)
        post_to_peer(socket->peer, segment);
    else
        post_to_nobody(socket, segment);
    mind_cut(socket);
}

static void post_end(sim_socket *socket)
{
    if (socket->end_sent)
        return;
    socket->end_sent = true;
    post(socket, segment_new(SEGMENT_END, 0));
}

void weir_sim_tcp_greet(sim_socket *socket)
{
    post(socket, segment_new(SEGMENT_HELLO, 0));
}

/* The handshake is complete at the listener's end too. */
static void hello_arrives(sim_socket *socket)
{
    sim_socket *parent = socket->parent;

    socket->state = SIM_TCP_CONNECTED;
    weir_list_push(&parent->ready, &socket->queued);
    weir_sim_trace_at(socket->host, SIM_ESTABLISHED, parent->descriptor, socket->remote_port);
    weir_sim_socket_tell(parent);
}

static void data_arrives(sim_socket *socket, struct sim_segment *segment)
{
    weir_sim_trace_at(socket->host, SIM_SEGMENT, socket->descriptor, (int64_t)segment->size);
    /* Who has ended both directions, as a close does, cannot take it. */
    if (socket->shut == SIM_TCP_SHUT_BOTH) {
        socket->inflow_bytes -= segment->size;
        free(segment);
        weir_sim_tcp_abort(socket, -ECONNRESET);
        return;
    }
    append(&socket->unread, &socket->unread_last, segment);
    weir_sim_socket_tell(socket);
}

/* Both directions have ended. */
static void finish(sim_socket *socket)
{
    sim_socket *peer = socket->peer;

    become_closed(socket);
    weir_sim_socket_tell(socket);
    if (!peer)
        return;
    weir_sim_socket_hold(peer);
    become_closed(peer);
    weir_sim_socket_tell(peer);
    weir_sim_socket_release(peer);
}

static void end_arrives(sim_socket *socket)
{
    weir_sim_trace_at(socket->host, SIM_END, socket->descriptor, 0);
    socket->end_received = true;
    socket->shut |= SIM_TCP_SHUT_READS;
    if (socket->peer)
        socket->peer->end_arrived = true;
    if (socket->end_arrived)
        finish(socket);
    else
        weir_sim_socket_tell(socket);
}

static void deliver(sim_socket *socket, struct sim_segment *segment)
{
    weir_sim *sim = sim_tcp_world(socket);
    enum segment_kind kind = segment->kind;

    if (kind != SEGMENT_HELLO &&
        weir_sim_fault_at(socket->host, sim->options.faults.reset_connection,
                          SIM_FAULT_RESET_CONNECTION)) {
        socket->inflow_bytes -= segment->size;
        free(segment);
        weir_sim_tcp_abort(socket, reset_error(socket));
        return;
    }
    if (kind == SEGMENT_DATA) {
        data_arrives(socket, segment);
        return;
    }
    free(segment);
    if (kind == SEGMENT_END)
        end_arrives(socket);
    else
        hello_arrives(socket);
}

/* On a cut link it waits, and all behind it. */
static void segment_arrives(sim_alarm *alarm)
{
    sim_socket *socket = WEIR_CONTAINER_OF(alarm, sim_socket, arrival);
    struct sim_segment *segment = socket->way;

    if (!sim_tcp_link_is_up(socket))
        return;
    socket->way = segment->next;
    if (socket->way)
        sim_tcp_set(socket, &socket->arrival, socket->way->due_ns, segment_arrives);
    weir_sim_socket_hold(socket);
    deliver(socket, segment);
    weir_sim_socket_release(socket);
}

/* Transfers. */

static size_t window_room(const sim_socket *socket)
{
    size_t window = weir_sim_link_window_bytes(socket->host, socket->remote_host);
    size_t taken = socket->peer ? socket->peer->inflow_bytes : socket->void_bytes;

    return taken < window ? window - taken : 0;
}

void weir_sim_tcp_mind_stall(sim_socket *socket)
{
    if (socket->state != SIM_TCP_CONNECTED || !socket->user_timeout_ms || window_room(socket) > 0)
        sim_tcp_clear(socket, &socket->stall);
    else if (!sim_alarm_is_set(&socket->stall))
        sim_after(sim_tcp_world(socket), &socket->stall, user_timeout_ns(socket), stall_is_over);
}

/* Up to size bytes of the first segment that is unread. */
static size_t take_bytes(sim_socket *socket, uint8_t *to, size_t size)
{
    struct sim_segment *segment = socket->unread;

    size = size < segment->size ? size : segment->size;
    if (size > 0)
        memcpy(to, segment->bytes + segment->begin, size);
    segment->begin += size;
    segment->size -= size;
    if (segment->size == 0) {
        socket->unread = segment->next;
        free(segment);
    }
    return size;
}

/* Up to size bytes into one buffer. */
static size_t fill(sim_socket *socket, uint8_t *to, size_t size)
{
    size_t filled = 0;

    while (filled < size && socket->unread)
        filled += take_bytes(socket, to + filled, size - filled);
    return filled;
}

static size_t fill_all(sim_socket *socket, const weir_buffer *buffers, size_t count, size_t limit)
{
    size_t filled = 0;
    size_t i;

    for (i = 0; i < count && filled < limit && socket->unread; i++) {
        size_t rest = limit - filled;

        filled += fill(socket, buffers[i].data, buffers[i].size < rest ? buffers[i].size : rest);
    }
    return filled;
}

int64_t weir_sim_socket_receive(sim_socket *socket, const weir_buffer *buffers, size_t count,
                                size_t limit)
{
    size_t size;

    if (socket->state == SIM_TCP_LISTENING)
        return -ENOTCONN;
    if (socket->unread) {
        size = fill_all(socket, buffers, count, limit);
        socket->inflow_bytes -= size;
        sim_tcp_world(socket)->network.bytes += size;
        if (socket->peer) {
            weir_sim_tcp_mind_stall(socket->peer);
            weir_sim_socket_tell(socket->peer);
        } else if (socket->is_given_up && socket->state == SIM_TCP_CONNECTED) {
            send_reset(socket);
        }
        return (int64_t)size;
    }
    if (socket->end_received)
        return 0;
    if (socket->error)
        return sim_tcp_take_error(socket);
    if (socket->shut & SIM_TCP_SHUT_READS)
        return 0;
    return socket->state == SIM_TCP_CLOSED ? -ENOTCONN : -EAGAIN;
}

static size_t sum(const weir_const_buffer *buffers, size_t count, size_t limit)
{
    size_t size = 0;
    size_t i;

    for (i = 0; i < count && size < limit; i++)
        size += buffers[i].size < limit - size ? buffers[i].size : limit - size;
    return size;
}

static struct sim_segment *gather(const weir_const_buffer *buffers, size_t count, size_t size)
{
    struct sim_segment *segment = segment_new(SEGMENT_DATA, size);
    size_t gathered = 0;
    size_t i;

    for (i = 0; i < count && gathered < size; i++) {
        size_t rest = size - gathered;
        size_t piece = buffers[i].size < rest ? buffers[i].size : rest;

        if (piece > 0)
            memcpy(segment->bytes + gathered, buffers[i].data, piece);
        gathered += piece;
    }
    return segment;
}

int64_t weir_sim_socket_send(sim_socket *socket, const weir_const_buffer *buffers, size_t count,
                             size_t limit)
{
    size_t size = sum(buffers, count, limit);
    size_t room;

    if (socket->error)
        return sim_tcp_take_error(socket);
    if (socket->shut & SIM_TCP_SHUT_WRITES)
        return -EPIPE;
    if (socket->state != SIM_TCP_CONNECTED)
        return socket->state == SIM_TCP_CONNECTING ? -EAGAIN : -EPIPE;
    if (size == 0)
        return 0;
    room = window_room(socket);
    if (room == 0)
        return -EAGAIN;
    size = size < room ? size : room;
    post(socket, gather(buffers, count, size));
    weir_sim_tcp_mind_stall(socket);
    return (int64_t)size;
}

bool weir_sim_socket_is_readable(const sim_socket *socket)
{
    if (socket->state == SIM_TCP_LISTENING)
        return !weir_list_is_empty(&socket->ready);
    return socket->unread || socket->end_received || socket->error ||
           (socket->shut & SIM_TCP_SHUT_READS) || socket->state == SIM_TCP_CLOSED;
}

bool weir_sim_socket_is_writable(const sim_socket *socket)
{
    if (socket->error || (socket->shut & SIM_TCP_SHUT_WRITES))
        return true;
    if (socket->state == SIM_TCP_CONNECTED)
        return window_room(socket) > 0;
    return socket->state != SIM_TCP_CONNECTING;
}

/* Ending. */

static void shut(sim_socket *socket, unsigned directions)
{
    socket->shut |= directions;
    if (directions & SIM_TCP_SHUT_WRITES)
        post_end(socket);
}

int weir_sim_socket_shutdown(sim_socket *socket, int direction)
{
    static const unsigned directions[] = {
        [WEIR_TCP_READS] = SIM_TCP_SHUT_READS,
        [WEIR_TCP_WRITES] = SIM_TCP_SHUT_WRITES,
        [WEIR_TCP_BOTH] = SIM_TCP_SHUT_BOTH,
    };
    unsigned ended = directions[direction];
    int error = 0;

    if (socket->state == SIM_TCP_CONNECTED) {
        shut(socket, ended);
    } else if (socket->state == SIM_TCP_CONNECTING) {
        weir_sim_socket_reset(socket);
    } else if (socket->state == SIM_TCP_LISTENING) {
        if (ended & SIM_TCP_SHUT_READS)
            weir_sim_tcp_stop_listening(socket);
    } else {
        socket->shut |= ended;
        error = -ENOTCONN;
    }
    weir_sim_socket_tell(socket);
    return error;
}

void weir_sim_tcp_disconnect(sim_socket *socket)
{
    drop_unread(socket);
    socket->shut = 0;
    socket->phase = SIM_TCP_FRESH;
    socket->end_sent = false;
    socket->end_arrived = false;
    socket->end_received = false;
    socket->calls_into_void = false;
    socket->is_given_up = false;
    socket->void_bytes = 0;
    socket->arrives_ns = 0;
}

void weir_sim_socket_reset(sim_socket *socket)
{
    weir_sim_socket_hold(socket);
    if (socket->state == SIM_TCP_LISTENING)
        weir_sim_tcp_stop_listening(socket);
    else if (socket->state != SIM_TCP_CLOSED)
        weir_sim_tcp_abort(socket, -ECONNRESET);
    weir_sim_tcp_disconnect(socket);
    weir_sim_socket_tell(socket);
    weir_sim_socket_release(socket);
}

/* Whether a close of the connection is a reset: somebody has sent what nobody will read, or the
 * program wants it. */
static bool ends_with_reset(const sim_socket *socket)
{
    return socket->unread || socket->linger_seconds == 0;
}

bool weir_sim_tcp_close(sim_socket *socket)
{
    bool is_reset = socket->state == SIM_TCP_CONNECTED && ends_with_reset(socket);

    if (socket->state == SIM_TCP_LISTENING)
        weir_sim_tcp_stop_listening(socket);
    else if (socket->state == SIM_TCP_CONNECTING)
        weir_sim_tcp_abort(socket, -ECONNRESET);
    else if (is_reset)
        weir_sim_tcp_abort(socket, 0);
    else if (socket->state == SIM_TCP_CONNECTED)
        shut(socket, SIM_TCP_SHUT_BOTH);
    /* Its end has arrived, nobody will send another, and nothing will come back. */
    if (socket->state == SIM_TCP_CONNECTED && !socket->peer && !socket->is_reset)
        become_closed(socket);
    socket->shut = SIM_TCP_SHUT_BOTH;
    drop_unread(socket);
    return is_reset;
}

/* Links. */

static void resume(sim_socket *socket)
{
    weir_sim *sim = sim_tcp_world(socket);

    sim_tcp_clear(socket, &socket->timeout);
    if (socket->way && !sim_alarm_is_set(&socket->arrival))
        sim_after(sim, &socket->arrival, sim_tcp_latency_ns(socket), segment_arrives);
    if (socket->is_reset && !sim_alarm_is_set(&socket->reset))
        sim_after(sim, &socket->reset, sim_tcp_latency_ns(socket), reset_arrives);
}

void weir_sim_tcp_link_changed(sim_socket *socket, bool was_up)
{
    bool is_up = sim_tcp_link_is_up(socket);

    if (socket->state == SIM_TCP_CLOSED)
        return;
    if (was_up != is_up && socket->state == SIM_TCP_CONNECTING)
        (is_up ? weir_sim_tcp_connect_resume : weir_sim_tcp_connect_cut)(socket);
    else if (was_up != is_up)
        (is_up ? resume : mind_cut)(socket);
    weir_sim_tcp_mind_stall(socket);
    weir_sim_socket_tell(socket);
}
